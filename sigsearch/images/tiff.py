"""TIFFs that Pillow does not read, by tifffile and imagecodecs: colour in floats or planes, rarer codecs."""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from sigsearch.errors import ImageError
from sigsearch.images.pixels import Pixels, check_size
from sigsearch.limits import Limits

if TYPE_CHECKING:
    import PIL.Image

_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, _SEPARATED, _YCBCR = 0, 1, 2, 3, 5, 6
_BITS, _PLANAR = 258, 284
_ASSOCIATED, _UNASSOCIATED = 1, 2
# Codecs of which Pillow's libtiff is sure to know each; where it fails on one, the file is broken.
_COMMON_CODECS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946})


def is_tiff(data: bytes) -> bool:
    """Whether a file begins like a TIFF or BigTIFF."""
    return data.startswith(_STARTS)


def is_readable() -> bool:
    """Whether the libraries for `read_tiff` are installed."""
    return all(importlib.util.find_spec(module) for module in ("tifffile", "imagecodecs"))


def pillow_misreads(image: PIL.Image.Image) -> bool:
    """Whether Pillow takes a plane of deep pixels for one of bytes: it does so if they are not compressed."""
    tags = getattr(image, "tag_v2", {})
    return tags.get(_PLANAR) == 2 and len(image.getbands()) > 1 and max(tags.get(_BITS, (8,))) > 8


def read_tiff(data: bytes, name: str, limits: Limits, identified: bool) -> Pixels | None:
    """The first page of a TIFF that Pillow has refused: grey or RGB, from 0 to 1 where it says its range.

    Parameters
    ----------
    identified : bool
        Whether Pillow knew this kind of TIFF and failed in its pixels. Then only a rare codec can be the
        reason; with any other the file is broken, and stays refused.

    Returns
    -------
    array or None
        None if tifffile does not read it as a picture either, so that Pillow's reason is the better one.
    """
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page: Any = file.pages[0]
            if identified and page.compression in _COMMON_CODECS:
                return None
            if page.imagedepth != 1 or page.imagewidth < 1 or page.imagelength < 1:
                return None
            check_size(page.imagewidth, page.imagelength, name, limits)
            if not (_is_whole(page, len(data)) and 1 <= page.samplesperpixel <= 8 and page.dtype is not None):
                return None
            array: Pixels = page.asarray(maxworkers=1)
            return _seen(array, page)
    except (ImageError, MemoryError):
        raise
    except Exception:  # tifffile and the codecs raise whatever they please
        return None


def _is_whole(page: Any, size: int) -> bool:
    """Whether every strip and tile lies within the file; tifffile fills in what is missing."""
    spans = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    return bool(spans) and all(count > 0 and offset + count <= size for offset, count in spans)


def _seen(array: Pixels, page: Any) -> Pixels | None:
    if page.axes == "SYX":  # in planes
        array = np.moveaxis(array, 0, 2)
    elif page.axes not in ("YX", "YXS"):
        return None
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if page.photometric == _PALETTE and page.colormap is not None and array.dtype.kind == "u":
        colours: Pixels = np.moveaxis(page.colormap, 0, -1)
        return colours[array[:, :, 0]]
    if array.dtype.kind == "u":
        array = array.astype(np.float32) / (2.0**page.bitspersample - 1)
    elif array.dtype.kind not in "if":
        return None
    count, photometric = array.shape[2] - len(page.extrasamples), page.photometric
    alpha = array[:, :, count : count + 1]
    shown: Pixels
    if (photometric, count) == (_MIN_IS_WHITE, 1):
        shown = array.max() - array[:, :, :1] if array.dtype.kind == "i" else 1 - array[:, :, :1]
    elif (photometric, count) in {(_MIN_IS_BLACK, 1), (_RGB, 3), (_YCBCR, 3)}:
        if photometric == _YCBCR and page.compression not in (6, 7):
            return None
        shown = array[:, :, :count]
    elif (photometric, count) == (_SEPARATED, 4):
        shown = (1 - array[:, :, :3]) * (1 - array[:, :, 3:4])
    else:
        return None
    kinds = list(page.extrasamples[:1])
    if kinds == [_ASSOCIATED]:
        shown = shown + (1 - alpha)
    elif kinds == [_UNASSOCIATED]:
        shown = shown * alpha + (1 - alpha)
    return np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 and shown.dtype == np.uint8 else shown
