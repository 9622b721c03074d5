"""Opening encoded pictures with Pillow, by way of imageio, and telling their size before they are decoded."""

from __future__ import annotations

import struct
from collections.abc import Collection
from typing import IO

from imageio.core.request import Request
from imageio.core.v3_plugin_api import PluginV3
from imageio.plugins.pillow import PillowPlugin
from PIL import Image, ImageFile

from sigsearch.errors import ImageError
from sigsearch.images.pixels import check_size
from sigsearch.limits import Limits

# Formats that Pillow opens but decodes only with an outside program or not at all.
UNREADABLE_FORMATS = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})


class PicturePlugin(PillowPlugin):
    """imageio's plugin for Pillow, opening as `open_picture` does.

    imageio's own registers pillow-heif in the user's Pillow, which also costs its import even for a JPEG,
    and leaves it to Pillow's global limit what is too large.
    """

    def __init__(self, request: Request, picture_name: str, limits: Limits) -> None:
        PluginV3.__init__(self, request)
        self.images_to_write: list[object] = []
        self._image = None  # close() looks at it, also if nothing can be opened
        self._image = self.opened = open_picture(request.get_file(), picture_name, limits)


def open_picture(
    file: IO[bytes], name: str, limits: Limits | None, formats: Collection[str] | None = None
) -> ImageFile.ImageFile:
    """Open a picture, of some formats or any, as ``PIL.Image.open`` does but for who says what is too large.

    ``PIL.Image.open`` compares with PIL.Image.MAX_IMAGE_PIXELS, which belongs to all threads of the process,
    and there is no way to ask it for another limit. Its registry is public, so it is asked directly.

    Raises
    ------
    ImageError
        No format accepts it, the one that does cannot open it, or it has more pixels than allowed.
    """
    file.seek(0)
    start = file.read(16)
    tried = set(UNREADABLE_FORMATS)
    broken = ""
    for load in (Image.preinit, Image.init):  # the second imports some forty modules
        load()
        for kind in list(Image.ID):
            if kind in tried or not (formats is None or kind in formats):
                continue
            tried.add(kind)
            factory, accepts = Image.OPEN[kind]
            try:
                accepted = accepts(start) if accepts else True
                if isinstance(accepted, str):  # it is of this kind, but this Pillow was built without it
                    broken = broken or accepted
                    continue
                if not accepted:
                    continue
                file.seek(0)
                image = factory(file, "")
            except (SyntaxError, IndexError, TypeError, struct.error) as error:
                if accepts and not broken:
                    why = str(error) or type(error).__name__
                    broken = f"it begins as {kind} does, but cannot be opened: {why}"
                continue
            if limits is not None:
                check_size(*image.size, name, limits)
            return image
    raise ImageError(
        name, broken.splitlines()[0] if broken else "its content is not a picture of a known format"
    )
