"""Pictures for the eye, as HTML with the pictures in it: edits, misses, and strangers taken for copies."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from benchmarks.edits import EDITS, Picture, Source, edited, load
from benchmarks.pictures import SHIPPED
from benchmarks.results import text
from benchmarks.results.misses import Miss
from benchmarks.suite.rows import Row
from benchmarks.suite.run import source_of

SIDE = 170
"""Pixels of the longer side of what is shown."""
QUALITY = 70


def data_uri(content: bytes, media_type: str) -> str:
    """A file as an address that holds it."""
    return f"data:{media_type};base64,{b64encode(content).decode()}"


def edits(names: Iterable[str]) -> str:
    """What each edit makes of one of the paintings that ship with sigsearch."""
    painting = load(sorted(SHIPPED.glob("*.jpg"))[0])
    shown = [_figure([(painting, "the painting as it is")], "as it is")]
    for name in names:
        if name in EDITS:
            picture = edited(painting, name)
            shown.append(_figure([(picture, f"the painting after the edit {name}")], name))
    return _grid(shown)


def misses(found: Sequence[Miss], folder: Path | None) -> str:
    """The query beside the original of each miss, as far as the pictures are there."""
    shown = []
    for miss in found:
        original = _open(source_of(miss.picture, folder))
        if original is None or miss.edit not in EDITS:
            continue
        both = [
            (edited(original, miss.edit), f"the query: {miss.picture} after {miss.edit}"),
            (original, f"the original: {miss.picture}"),
        ]
        shown.append(_figure(both, f"{miss.edit}, {miss.picture}: {miss.said}"))
    return _grid(shown)


def look_alikes(pairs: Sequence[Row], folder: Path | None) -> str:
    """Both pictures of each pair side by side, as far as they are there."""
    shown = []
    for row in pairs:
        one, other = (_open(source_of(row[side], folder)) for side in ("a", "b"))
        if one is None or other is None:
            continue
        both = [(one, row["a"]), (other, row["b"])]
        said = f"{row['descriptor']} {text.short(row['distance'])}: {row['a']} and {row['b']}"
        shown.append(_figure(both, said))
    return _grid(shown)


def _open(source: Source | None) -> Picture | None:
    try:
        return None if source is None else load(source)
    except Exception:
        return None  # a name says as much as a broken file


def _figure(pictures: Sequence[tuple[Picture, str]], caption: str) -> str:
    shown = "".join(_image(picture, alt) for picture, alt in pictures)
    return f"<figure>{shown}<figcaption>{escape(caption)}</figcaption></figure>"


def _image(picture: Picture, alt: str) -> str:
    small = picture.copy()
    small.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=QUALITY)
    size = f'width="{small.width}" height="{small.height}"'
    return f'<img src="{data_uri(file.getvalue(), "image/jpeg")}" {size} alt="{escape(alt, quote=True)}">'


def _grid(shown: Sequence[str]) -> str:
    """The figures side by side; if there are none, that the pictures are not there."""
    if not shown:
        return "<p>The pictures are not there to be shown.</p>"
    return '<div class="grid">' + "\n".join(shown) + "</div>"
