"""Encoded bytes and PIL images to pixels: by imageio and Pillow, the rest by other libraries."""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING

import numpy as np

from sigsearch.errors import ImageError
from sigsearch.images import bmp, formats, jpeg2000, png, tiff
from sigsearch.images.jpeg import read_jpeg
from sigsearch.images.picture import Picture
from sigsearch.images.pixels import Pixels, TooManyPixelsError, check_size, from_array
from sigsearch.limits import Limits
from sigsearch.reading.located import reason_of

if TYPE_CHECKING:
    import PIL.Image

_DEEP_MODES = frozenset({"I;16", "I;16B", "I;16L", "I", "F"})
_ORIENTATION = 0x0112
OUT_OF_MEMORY = "there is not enough memory to decode it"


def picture_endings() -> frozenset[str]:
    """Endings of the files that are read here or with ``sigsearch[formats]``, lower case with their dot."""
    from PIL import Image

    from sigsearch.images.opening import UNREADABLE_FORMATS

    endings = Image.registered_extensions()
    readable = {
        ending for ending, kind in endings.items() if kind in Image.OPEN and kind not in UNREADABLE_FORMATS
    }
    return frozenset(readable | formats.ENDINGS)


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
        return from_array(_turned(jpeg.array, jpeg.turn), name, in_range=False)
    kind = formats.kind_of(data)
    try:
        with warnings.catch_warnings():
            # Pillow warns of much that does not concern the user: odd metadata, palettes.
            warnings.simplefilter("ignore")
            array = _decoded(data, kind, name, limits)
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(name, OUT_OF_MEMORY) from error
    except Exception as error:
        # Decoders raise whatever they please: OSError, SyntaxError, struct.error, IndexError ...
        raise ImageError(name, reason_of(error)) from error
    check_size(array.shape[1], array.shape[0], name, limits)  # an icon may hold more than it says
    return from_array(array, name, in_range=False)


def _decoded(data: bytes, kind: str | None, name: str, limits: Limits) -> Pixels:
    if kind == "JPEG XL":
        from sigsearch.images.jxl import read_jxl

        return read_jxl(data, name, limits)
    if kind == "HEIF":
        return _as_displayed(formats.open_heif(data, name, limits))
    if kind == "SVG":
        from sigsearch.images.svg import open_svg

        return _as_displayed(open_svg(data, name, limits))
    if kind == "AVIF":
        try:
            return _by_pillow(data, name, limits)
        except ImageError:
            formats.check_avif(name)
            raise
    if png.is_png(data) or tiff.is_tiff(data) or bmp.is_bmp(data):
        return _with_second_reader(data, name, limits)
    return _by_pillow(data, name, limits)


def _by_pillow(data: bytes, name: str, limits: Limits) -> Pixels:
    import imageio.v3 as iio

    from sigsearch.images.opening import PicturePlugin

    try:
        file = iio.imopen(data, "r", plugin=PicturePlugin, picture_name=name, limits=limits)
    except OSError as error:
        # imageio wraps what its plugin says in something vaguer.
        raise error.__cause__ or error from None
    with file:
        if tiff.pillow_misreads(file.opened):
            raise ImageError(name, "it keeps more than 8 bits a colour in planes, which Pillow misreads")
        if jpeg2000.pillow_misreads(data) and jpeg2000.is_readable():
            array = jpeg2000.read_jpeg2000(data)
            if array is not None:
                return array
        return _as_displayed(file.opened)


def _with_second_reader(data: bytes, name: str, limits: Limits) -> Pixels:
    """A PNG, TIFF or BMP by Pillow, or in another way where Pillow is stricter than a person's viewer."""
    try:
        return _by_pillow(data, name, limits)
    except (MemoryError, TooManyPixelsError):
        raise
    except Exception as error:
        if png.is_png(data):
            bare = png.bare(data)
            if bare != data:
                with contextlib.suppress(Exception):
                    return _by_pillow(bare, name, limits)
        elif bmp.is_bmp(data):
            array = bmp.read_bmp(data, name, limits)
            if array is not None:
                return array
        elif tiff.is_readable():
            array = tiff.read_tiff(data, name, limits, identified=not isinstance(error, ImageError))
            if array is not None:
                return array
        elif isinstance(error, ImageError):
            raise ImageError(name, f"{error.reason}; rarer TIFFs need: {formats.INSTALL}") from error
        raise


def from_pil(image: PIL.Image.Image, name: str) -> Pixels:
    """The pixels of a PIL image."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = _as_displayed(image)
    except Exception as error:
        raise ImageError(name, reason_of(error)) from error
    return from_array(array, name, in_range=False)


def _as_displayed(image: PIL.Image.Image) -> Pixels:
    """The pixels of a PIL image as RGB or RGBA, or deep if it has more than 8 bits, turned upright."""
    array = _deep(image) if image.mode in _DEEP_MODES else np.asarray(_in_colour(image))
    # After the pixels: Pillow turns some pictures itself when it loads them, and then drops the tag.
    return _turned(array, _orientation(image))


def _orientation(image: PIL.Image.Image) -> object:
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # broken EXIF, in as many ways as there are; the picture is not
        return 1


def _in_colour(image: PIL.Image.Image) -> PIL.Image.Image:
    if image.mode == "La":  # Pillow knows no shorter way
        image = image.convert("LA")
    elif image.mode == "LAB":
        from PIL import ImageCms

        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image
    wanted = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == wanted else image.convert(wanted)


def _deep(image: PIL.Image.Image) -> Pixels:
    """Deep pixels in a type that says their range, as far as the file does."""
    array = np.asarray(image)
    if image.mode == "F":
        return array
    if image.mode == "I":
        # Both hold 16 bits, which some versions of Pillow open as 32.
        if image.format in ("PNG", "PPM"):
            return array.clip(0, 65535).astype(np.uint16)
        # Pillow keeps unsigned numbers of a TIFF as signed ones.
        return array.view(np.uint32) if _tiff_tag(image, 339, 1) == 1 and image.format == "TIFF" else array
    array = array.astype(np.uint16, copy=False)
    # Pillow minds neither how many bits a TIFF uses nor whether 0 is white.
    bits = _tiff_tag(image, 258, 16)
    if bits < 16:
        array = (array.astype(np.uint32) * 65535 // (2**bits - 1)).astype(np.uint16)
    if _tiff_tag(image, 262, 1) == 0:
        array = 65535 - array
    transparent = image.info.get("transparency")
    return np.where(array == transparent, np.uint16(65535), array) if type(transparent) is int else array


def _tiff_tag(image: PIL.Image.Image, tag: int, default: int) -> int:
    value = getattr(image, "tag_v2", {}).get(tag, default)
    return value[0] if isinstance(value, tuple) and value else value if isinstance(value, int) else default


def _turned(array: Pixels, orientation: object) -> Pixels:
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
