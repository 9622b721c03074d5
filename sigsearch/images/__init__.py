"""Pictures in, pixels out: the only package that decodes, and the only one that knows imageio and Pillow."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from sigsearch.images.border import PixelBox, inside_borders
from sigsearch.images.decoding import OUT_OF_MEMORY, decode, decode_picture, from_pil, picture_endings
from sigsearch.images.picture import Picture
from sigsearch.images.pixels import LUMA, WHITE, Pixels, from_array
from sigsearch.limits import DEFAULT_LIMITS, Limits
from sigsearch.reading import Located, describe, is_url, read_bytes

if TYPE_CHECKING:
    from typing import TypeAlias

    import PIL.Image

    ImageLike: TypeAlias = (
        "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] "
        "| PIL.Image.Image | npt.NDArray[Any] | Located"
    )
    """A picture: path, URL, encoded bytes, binary file object, PIL image, array of pixels, `Member`."""

__all__ = [
    "LUMA",
    "OUT_OF_MEMORY",
    "WHITE",
    "Picture",
    "PixelBox",
    "Pixels",
    "describe",
    "inside_borders",
    "is_decoded",
    "is_url",
    "picture_endings",
    "read_picture",
    "read_pixels",
]


def read_pixels(image: ImageLike, *, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Read a picture as a person sees it: turned as its EXIF says, on white, its first frame or page.

    Parameters
    ----------
    image : path, URL, bytes, file object, PIL image or array
        An array has shape ``(h, w)``, ``(h, w, 1)``, ``(h, w, 3)`` or ``(h, w, 4)`` (RGB, RGBA) and is
        of bool, uint8 (0 to 255), uint16 (0 to 65535) or a float type (0 to 1).
    limits : Limits
        What it may cost, and where it may come from.

    Returns
    -------
    Pixels
        8-bit RGB where the picture has 8 bits a channel, else int32 grey.

    Raises
    ------
    ImageError
        It cannot be read as a picture, or is beyond the limits. Names the picture and says why.
    """
    name = describe(image)
    if isinstance(image, np.ndarray):
        return from_array(image, name)
    if is_decoded(image):
        return from_pil(cast("PIL.Image.Image", image), name)
    return decode(read_bytes(image, limits), name, limits)


def is_decoded(image: object) -> bool:
    """Whether it is pixels already: an array or a PIL image."""
    if isinstance(image, (str, bytes, np.ndarray)):
        return isinstance(image, np.ndarray)
    from PIL import Image

    return isinstance(image, Image.Image)


def read_picture(
    image: ImageLike, *, limits: Limits = DEFAULT_LIMITS, decode_side: int | None = None
) -> Picture:
    """Read a picture for a signature: as `read_pixels` does, but not turned, which would take long.

    Parameters
    ----------
    decode_side : int, optional
        JPEGs are decoded at the smallest of the scales 1, 1/2, 1/4 and 1/8 at which their shorter side
        has still so many pixels. PIL images and arrays are taken as they are.
    """
    if is_decoded(image):
        return Picture.of(read_pixels(image, limits=limits))
    return decode_picture(read_bytes(image, limits), describe(image), limits, decode_side)
