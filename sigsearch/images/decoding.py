"""Encoded bytes and PIL images to pixels, by imageio and Pillow."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from sigsearch.errors import ImageError
from sigsearch.images.jpeg import read_jpeg
from sigsearch.images.picture import Picture
from sigsearch.images.pixels import Pixels, from_array
from sigsearch.limits import Limits

if TYPE_CHECKING:
    import PIL.Image

# Formats that Pillow opens but decodes only with an outside program or not at all.
_UNREADABLE_FORMATS = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
_DEEP_MODES = frozenset({"I;16", "I;16B", "I;16L", "I", "F"})
_ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})


def picture_endings() -> frozenset[str]:
    """Endings of the files that can be read here, lower case with their dot."""
    from PIL import Image

    endings = Image.registered_extensions()
    return frozenset(
        ending for ending, kind in endings.items() if kind in Image.OPEN and kind not in _UNREADABLE_FORMATS
    )


# By EXIF orientation, the places in sigsearch.ORIENTATIONS of what is to be done.
_TURNS = {1: 0, 2: 4, 3: 2, 4: 6, 5: 5, 6: 3, 7: 7, 8: 1}


def decode_picture(data: bytes, name: str, limits: Limits, side: int | None) -> Picture:
    """An encoded picture, a JPEG at the smallest scale at which its shorter side has still so many pixels."""
    jpeg = read_jpeg(data, name, limits, side)
    if jpeg is None:
        return Picture.of(decode(data, name, limits))
    pixels = from_array(jpeg.array, name, in_range=False)
    return Picture(
        pixels, _TURNS[jpeg.turn], jpeg.size, jpeg.scale, lambda: decode_picture(data, name, limits, None)
    )


def decode(data: bytes, name: str, limits: Limits) -> Pixels:
    """The pixels of an encoded picture."""
    if not data:
        raise ImageError(name, "it is empty (0 bytes)")
    jpeg = read_jpeg(data, name, limits)
    if jpeg is not None:
        return from_array(_as_displayed(jpeg.array, jpeg.turn), name, in_range=False)
    import imageio.v3 as iio
    from imageio.core.request import InitializationError

    try:
        with warnings.catch_warnings():
            # Pillow warns of much that does not concern the user: odd metadata, palettes.
            warnings.simplefilter("ignore")
            file = iio.imopen(data, "r", plugin="pillow")
            with file:
                info = file.metadata(index=0, exclude_applied=False)
                mode = _wanted_mode(info["mode"], "transparency" in info)
                # imageio declares the mode as "str = None".
                array = file.read(index=0, mode=mode, writeable_output=False)  # type: ignore[arg-type]
                # Read again: Pillow turns some pictures itself, and then drops the tag.
                turn = file.metadata(index=0, exclude_applied=False).get("Orientation", 1)
    except Exception as error:
        # Decoders raise whatever they please: OSError, SyntaxError, struct.error, IndexError ...
        cause = error.__cause__ or error  # imageio wraps what its plugin says in something vaguer
        if isinstance(cause, InitializationError):
            raise ImageError(name, "its content is not a picture of a known format") from error
        raise ImageError(name, _reason(cause)) from error
    return from_array(_as_displayed(array, turn), name, in_range=False)


def _reason(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def from_pil(image: PIL.Image.Image, name: str) -> Pixels:
    """The pixels of a PIL image."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mode = _wanted_mode(image.mode, "transparency" in image.info)
            array = np.asarray(image if mode is None else image.convert(mode))
            turn = image.getexif().get(0x0112, 1)
    except Exception as error:
        raise ImageError(name, _reason(error)) from error
    return from_array(_as_displayed(array, turn), name, in_range=False)


def _wanted_mode(mode: str, transparency: bool) -> str | None:
    """The Pillow mode to convert to; None keeps pixels that have more than 8 bits."""
    if mode in _DEEP_MODES:
        return None
    return "RGBA" if transparency or mode in _ALPHA_MODES else "RGB"


def _as_displayed(array: Pixels, orientation: object) -> Pixels:
    """Apply an EXIF orientation.

    imageio's own ``rotate=True`` flips the wrong axis of a grey or palette picture read as RGB
    (2.38: it looks at the file's mode, not at the array's).
    """
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, 0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array
