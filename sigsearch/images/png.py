"""PNGs without what a picture does not need, for files with broken or huge metadata."""

from __future__ import annotations

_START = b"\x89PNG\r\n\x1a\n"
_NEEDED = frozenset({b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"})


def is_png(data: bytes) -> bool:
    """Whether a file begins like a PNG."""
    return data.startswith(_START)


def bare(data: bytes) -> bytes:
    """A PNG with only the chunks that make its pixels, and turn them.

    Pillow refuses a picture for a comment of more than a megabyte, a cut colour profile or a wrong count of
    frames; a viewer passes over these.
    """
    kept, at = [_START], len(_START)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] in _NEEDED:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)
