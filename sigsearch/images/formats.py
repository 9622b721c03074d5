"""Formats that need a library of their own, known by their content: HEIF, AVIF, JPEG XL, SVG, rarer TIFFs.

The libraries come with ``sigsearch[formats]``, and each is imported when the first such picture is read. None
is registered in Pillow, which belongs to the user as much as to sigsearch.
"""

from __future__ import annotations

import gzip
import importlib
import io
import re
import zlib
from types import ModuleType
from typing import TYPE_CHECKING

from sigsearch.errors import ImageError
from sigsearch.images.pixels import check_size
from sigsearch.limits import Limits

if TYPE_CHECKING:
    import PIL.Image

INSTALL = "pip install 'sigsearch[formats]'"
ENDINGS = frozenset(
    {".avif", ".avifs", ".heic", ".heics", ".heif", ".heifs", ".hif", ".jxl", ".svg", ".svgz"}
)
"""Endings of these formats, whether or not their libraries are here: a folder of them is not passed over."""

_JXL_STARTS = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
# How far into a file its first element is looked for: comments and a DTD may come before.
_PROLOGUE = 2**16


def kind_of(data: bytes) -> str | None:
    """Which of these formats a picture is of: "HEIF", "AVIF", "JPEG XL", "SVG"; None for any other content.

    TIFF is not among them: Pillow reads most, and `sigsearch.images.tiff` what it does not.
    """
    if data[4:8] == b"ftyp":
        size = min(max(int.from_bytes(data[:4], "big"), 16), 1024)
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, size - 3, 4))}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        return "HEIF" if brands & _HEIF_BRANDS else None
    if data.startswith(_JXL_STARTS):
        return "JPEG XL"
    if data.startswith((b"\x1f\x8b", b"<", *_BYTE_ORDER_MARKS)) or data[:1].isspace():
        return "SVG" if _is_svg(data) else None
    return None


def required(module: str, kind: str, name: str) -> ModuleType:
    """The module that reads a kind of picture, or an error that says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing(kind, name) from error


def missing(kind: str, name: str) -> ImageError:
    """The error for a picture whose library is not installed."""
    article = "an" if kind in {"AVIF", "SVG"} else "a"
    return ImageError(name, f"it is {article} {kind} picture; reading these needs: {INSTALL}")


def check_avif(name: str) -> None:
    """Refuse an AVIF where Pillow was built without it."""
    from PIL import features

    if not features.check("avif"):
        raise missing("AVIF", name)


def open_heif(data: bytes, name: str, limits: Limits) -> PIL.Image.Image:
    """Open a HEIF as a PIL image, which pillow-heif has turned upright."""
    pillow_heif = required("pillow_heif", "HEIF", name)
    image: PIL.Image.Image = pillow_heif.HeifImageFile(io.BytesIO(data))
    check_size(*image.size, name, limits)
    return image


def _is_svg(data: bytes) -> bool:
    start = data[:_PROLOGUE]
    if start.startswith(b"\x1f\x8b"):
        try:
            start = zlib.decompressobj(wbits=31).decompress(start, _PROLOGUE)
        except zlib.error:
            return False
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        start = start.decode("utf-16", "ignore").encode()
    # The first tag that is neither a comment, nor a declaration, nor an instruction.
    start = re.sub(rb"<!--.*?-->|<\?.*?\?>", b"", start, flags=re.DOTALL)
    start = re.sub(rb"<!DOCTYPE[^>\[]*(\[.*?\]\s*)?>", b"", start, flags=re.DOTALL)
    return re.match(rb"[^<]*<([\w.-]+:)?svg[\s/>]", start) is not None


def unpack_svg(data: bytes, name: str, limits: Limits) -> bytes:
    """The text of an SVG or SVGZ."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    with gzip.open(io.BytesIO(data)) as file:
        text = file.read(limits.bytes + 1)
    if len(text) > limits.bytes:
        raise ImageError(name, f"it unpacks to more than the limit of {limits.bytes:,} bytes")
    return text
