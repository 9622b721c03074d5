"""What plainly is no picture, told by its first bytes, so that no more of it is fetched."""

from __future__ import annotations

import re

HEAD = 4096
"""Bytes from the beginning that are looked at."""

# What may stand before the first element of an XML or HTML document. Atomic, for what comes from a stranger
# must not make the expression try every way to divide a row of comments.
_PROLOG = rb"(?:\xef\xbb\xbf)?\s*+(?>(?:<\?.*?\?>|<!--.*?-->)\s*)*+"

# Only what no decoder takes for a picture. Not gzip, which .svgz is; not HEIF and AVIF, which are told from
# films by their brands; not text, which PPM, XBM, XPM and FITS are; and nothing by two bytes alone, for TGA
# and others begin with almost anything.
_NO_PICTURES = tuple(
    (what, re.compile(pattern, re.DOTALL | re.IGNORECASE))
    for what, pattern in (
        ("an HTML page", _PROLOG + rb"<(?:!doctype\s+html|html|head|body|script)\b"),
        ("an HTML or XML document", _PROLOG + rb"<(?!(?:[\w.-]+:)?svg\b)[a-z_][\w.:-]*[\s/>]"),
        ("a JSON document", rb'(?:\xef\xbb\xbf)?\s*(?:\{\s*"|\[\s*[{"])'),
        ("a script", rb"#![ ]*/"),
        ("a PDF document", rb"%PDF-"),
        ("an archive", rb"PK\x03\x04|PK\x05\x06|Rar!\x1a\x07|7z\xbc\xaf\x27\x1c|.{257}ustar"),
        ("a compressed file", rb"\xfd7zXZ\0|\x28\xb5\x2f\xfd|BZh[1-9]1AY&SY"),
        ("a program", rb"\x7fELF|MZ.{58,}PE\0\0|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe|\0asm"),
        (
            "a film or sound",
            rb"....ftyp(?:isom|iso\d|mp4\d|avc1|qt  |m4[avbp] |3g[gp].|dash)"
            rb"(?!.{,64}(?:m[is]f1|hei[cx]|avi[fs]))"
            rb"|\x1a\x45\xdf\xa3|OggS\0|FLV\x01|RIFF....(?:AVI |WAVE)|ID3[\x02-\x04]|fLaC",
        ),
    )
)


def plainly_no_picture(head: bytes) -> str | None:
    """What it is that begins with these bytes, such as "an HTML page"; None where it may be a picture."""
    return next((what for what, pattern in _NO_PICTURES if pattern.match(head)), None)
