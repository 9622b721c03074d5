"""SVG to pixels: what it may refer to is decided here, the drawing is resvg's."""

from __future__ import annotations

import base64
import io
import math
import re
import urllib.parse
import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING

from sigsearch.errors import ImageError
from sigsearch.images import formats
from sigsearch.images.opening import open_picture
from sigsearch.limits import Limits

if TYPE_CHECKING:
    import PIL.Image

SMALLEST, LARGEST = 256, 1024
"""Pixels of the longer side that an SVG is drawn with.

Within these it is drawn at its own size, as those who export it do; smaller and larger ones are scaled by
whole numbers, which move the signature least. At another scale the signature of a drawing is some 0.06 away
(median of 120), where a match has less than 0.45. The largest costs 90 ms; without a bound one
can ask for 40 GB.
"""
MOST_PARTS = 1_000_000
"""Elements that a drawing may have, about as many as resvg itself allows."""
_FURTHEST = 40
"""References that are followed from one to the next."""
_MOST_STEPS = 2_000_000
_LOCAL = re.compile(r"url\(\s*['\"]?#([^'\")\s]+)")
_DEEPEST = 4
"""Drawings within drawings, as data: URLs."""
_UNITS = {"px": 1.0, "pt": 96 / 72, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
_EMBEDDED = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
"""What resvg reads beside drawings, as Pillow calls it."""


def open_svg(data: bytes, name: str, limits: Limits) -> PIL.Image.Image:
    """Draw an SVG or SVGZ on white.

    Nothing outside of it is read: resvg itself would open any file that an ``<image>`` names.
    """
    from PIL import Image

    resvg = formats.required("resvg_py", "SVG", name)
    drawing = _Drawing(name, limits)
    text = drawing.cleaned(data)
    try:
        # Given both sides, it keeps the proportions and fits the drawing into the square.
        png = resvg.svg_to_bytes(
            svg_string=text, width=drawing.side, height=drawing.side, dpi=96, background="white"
        )
    except Exception as error:
        raise ImageError(name, f"it cannot be drawn: {str(error).splitlines()[0]}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # how Rust's panics arrive: not as an Exception
            raise
        raise ImageError(name, "it cannot be drawn: resvg gave up on it") from error
    return Image.open(io.BytesIO(png))


def drawn_parts(root: ElementTree.Element) -> int:
    """How many elements are drawn at most, those that others refer to counted each time; up to `MOST_PARTS`.

    resvg counts what ``<use>`` repeats, but not patterns of patterns: a few of these keep it busy for years,
    and nothing in this process can break it off. What a style sheet refers to is not followed.
    """
    elements = list(root.iter())
    referred = _references(elements)
    if not referred:
        return min(len(elements), MOST_PARTS)
    sizes: dict[int, int] = {}
    for element in reversed(elements):  # children stand behind their parents
        sizes[id(element)] = 1 + sum(sizes[id(child)] for child in element)
    parts = dict.fromkeys(sizes, 1)
    for _ in range(min(_FURTHEST, _MOST_STEPS // len(elements) + 2)):  # one reference further each time
        before = dict(parts)
        for element in reversed(elements):
            count = 1 + sum(parts[id(child)] for child in element)
            # Children inherit what their parent is filled with.
            count += sizes[id(element)] * sum(before[id(target)] for target in referred.get(id(element), []))
            parts[id(element)] = min(count, MOST_PARTS)
        if parts[id(root)] == MOST_PARTS or parts == before:
            break
    return parts[id(root)]


def _references(elements: list[ElementTree.Element]) -> dict[int, list[ElementTree.Element]]:
    """What each element that refers to others in the drawing refers to; not gradients, which draw nothing."""
    named = {element.get("id"): element for element in elements if not element.tag.endswith("Gradient")}
    referred = {}
    for element in elements:
        fragments = []
        for key, value in element.attrib.items():
            if "#" in value:
                fragments += _LOCAL.findall(value)
                if key.rpartition("}")[2] == "href":
                    fragments.append(value.removeprefix("#"))
        targets = [named[fragment] for fragment in fragments if fragment in named]
        if targets:
            referred[id(element)] = targets
    return referred


def drawn_side(root: ElementTree.Element) -> int:
    """The longer side in pixels to draw with, by the size that a drawing gives itself."""
    box = [_number(part) for part in re.split(r"[\s,]+", root.get("viewBox", "").strip())]
    own = [_length(root.get("width", "")), _length(root.get("height", ""))]
    if len(box) == 4:
        own = [length or inner for length, inner in zip(own, box[2:], strict=True)]
    side = max(own)
    if not 0.1 <= side < 2**24:
        return SMALLEST * 2
    if side < SMALLEST:
        side *= math.ceil(SMALLEST / side)
    return round(side / math.ceil(side / LARGEST))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _length(text: str) -> float:
    """A length in pixels; 0 if there is none, or it is a share of what the drawing lies in."""
    found = re.fullmatch(r"\s*([0-9.eE+-]+?)\s*(px|pt|pc|mm|cm|in)?\s*", text)
    return _number(found[1]) * _UNITS[found[2] or "px"] if found else 0.0


class _Drawing:
    """An SVG and the pictures within it, which share one limit of pixels."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.limits = limits
        self.pixels = 0
        self.parts = 0
        self.side = SMALLEST

    def cleaned(self, data: bytes, depth: int = 0) -> str:
        """The drawing without references to anything outside of it, and without a DTD.

        Entities are replaced by expat, which breaks off where they multiply.
        """
        text = formats.unpack_svg(data, self.name, self.limits)
        if text.count(b"<") >= 2 * MOST_PARTS:  # an element has one or two
            raise ImageError(self.name, f"it has more than {MOST_PARTS:,} elements")
        try:
            root = ElementTree.fromstring(text)  # noqa: S314 - expat limits entities, and fetches nothing
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            raise ImageError(self.name, f"its XML is broken: {error}") from error
        self.parts += drawn_parts(root)
        if self.parts >= MOST_PARTS:
            raise ImageError(
                self.name, f"its parts refer to each other so that {MOST_PARTS:,} or more would be drawn"
            )
        if not depth:
            self.side = drawn_side(root)
        for element in root.iter():
            if element.tag.rpartition("}")[2] == "a":
                continue
            for key in [key for key in element.attrib if key.rpartition("}")[2] == "href"]:
                kept = self._kept(element.attrib.pop(key).strip(), depth)
                if kept:
                    element.set(key, kept)
        return ElementTree.tostring(root, encoding="unicode")

    def _kept(self, reference: str, depth: int) -> str:
        """What may stand instead of a reference: a fragment itself, a picture in data:, nothing else."""
        if reference.startswith("#"):
            return reference
        embedded = re.match(r"data:([^,]*),(.*)", reference, re.DOTALL | re.IGNORECASE)
        if embedded is None:
            return ""
        data = urllib.parse.unquote_to_bytes(embedded[2])
        if "base64" in embedded[1].lower():
            data = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
            try:
                data = base64.b64decode(data + b"=" * (-len(data) % 4))
            except ValueError:
                return ""
        kind = self._checked(data)
        if formats.kind_of(data) == "SVG" and depth < _DEEPEST:
            data, kind = self.cleaned(data, depth + 1).encode(), "image/svg+xml"
        # Encoded anew, so that resvg reads what was checked, however it would have read the original.
        return f"data:{kind};base64,{base64.b64encode(data).decode()}" if kind else ""

    def _checked(self, data: bytes) -> str:
        """The MIME type of an embedded picture that resvg knows; the empty string for any other."""
        try:
            image = open_picture(io.BytesIO(data), self.name, None, _EMBEDDED)
        except Exception:
            # Of another kind or broken: it is left out, as a viewer does.
            return ""
        self.pixels += image.width * image.height
        if self.pixels > self.limits.pixels:
            raise ImageError(
                self.name,
                f"the pictures in it have more pixels than the limit of {self.limits.pixels:,} "
                "(Limits(pixels=...) or --max-pixels)",
            )
        return _EMBEDDED[image.format or ""]
