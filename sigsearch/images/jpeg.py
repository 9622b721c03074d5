"""Plain JPEGs to pixels, faster than by imageio: by simplejpeg where it is installed, else by Pillow alone.

Both are libjpeg-turbo inside, and give the same pixels. simplejpeg has it write RGB, three bytes a pixel,
where it stays; Pillow has it write four bytes a pixel and copies them. Of the scales at which libjpeg-turbo
can decode, 1/8 to 16/8, Pillow knows 1/2, 1/4 and 1/8.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sigsearch.errors import ImageError
from sigsearch.images.pixels import Pixels, check_size
from sigsearch.limits import Limits

if TYPE_CHECKING:
    from PIL.Image import Image

_START = b"\xff\xd8\xff"
_ORIENTATION = 0x0112
_SCALES = (8, 4, 2)


class Jpeg(NamedTuple):
    """The pixels of a JPEG as they are stored, ``(h, w, 3)`` uint8.

    And its EXIF orientation, rows and columns in full, and how many of them one of these pixels stands for.
    """

    array: Pixels
    turn: int
    size: tuple[int, int]
    scale: int


def read_jpeg(data: bytes, name: str, limits: Limits, side: int | None = None) -> Jpeg | None:
    """Decode a JPEG of 8 bits a channel, grey or RGB, whole and sound; else None.

    None is no judgement: other ways may read it, or find the words for why it cannot be read.

    Parameters
    ----------
    side : int, optional
        Decode at the smallest scale, 1/8 at the least, at which the shorter side has still so many pixels.

    Raises
    ------
    ImageError
        It has more pixels than the limit.
    """
    if not data.startswith(_START):
        return None
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Pillow warns of much that does not concern the user: odd metadata, very many pixels.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
                if image.mode not in ("L", "RGB"):  # CMYK
                    return None
                check_size(*image.size, name, limits)
                told = image.getexif().get(_ORIENTATION)  # anything may stand there
                turn = next((turn for turn in range(2, 9) if turn == told), 1)
                size = image.height, image.width
                scale = 1
                if side is not None:
                    scale = next((scale for scale in _SCALES if min(size) >= side * scale), 1)
                return Jpeg(_pixels(data, image, scale), turn, size, scale)
    except ImageError:
        raise
    except Exception:
        # Decoders raise whatever they please; the general way meets the same fault and names it.
        return None


def _pixels(data: bytes, image: Image, scale: int) -> Pixels:
    width, height = (-(-length // scale) for length in image.size)
    decode = optional_decoder()
    if decode is not None:
        wanted = {} if scale == 1 else {"min_width": width, "min_height": height, "min_factor": scale}
        try:
            # Strict: what libjpeg only warns of, as where the end is missing, is for Pillow to judge.
            array: Pixels = decode(data, "RGB", fastdct=False, fastupsample=False, strict=True, **wanted)
        except ValueError:
            pass
        else:
            if array.shape == (height, width, 3):
                return array
    if scale > 1:
        image.draft(None, (image.width // scale, image.height // scale))
        if image.size != (width, height):
            raise ValueError(f"Pillow decodes at another scale than 1/{scale}")
    # Not convert() where nothing is to be converted: it would copy all pixels.
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


@cache
def optional_decoder() -> Callable[..., Any] | None:
    """The decoder of simplejpeg, if it is there and Pillow's pixels come from the same library."""
    from PIL import features

    if not features.check_feature("libjpeg_turbo"):
        return None  # another libjpeg rounds and smooths otherwise: a signature must not hang on the extra
    try:
        import simplejpeg
    except ImportError:
        return None
    found: Callable[..., Any] = simplejpeg.decode_jpeg
    return found
