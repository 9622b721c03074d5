"""Edits that leave a region of a picture, or put it into a larger one; each knows where the picture lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from benchmarks.edits import BLACK, LARGEST, Edit, Picture, border, crop, jpeg, transpose
from sigsearch.records import WHOLE, Box

QUALITY: Final = 50
"""Of the JPEG that every copy is."""
CANVAS: Final = (1280, 800)
"""Pixels of a screen."""
_BAR: Final = 0.06
"""The height of a window's bar, as a share of the screen's."""
_PAPER: Final = (246, 246, 244)
_CHROME: Final = (222, 225, 230)
_INK: Final = (70, 70, 75)
_LETTERS: Final = list("aabcdeeeefghiiklmnoooprsstttuvwy")
_BUTTONS: Final = ((255, 95, 86), (255, 189, 46), (39, 201, 63))


class Copy(NamedTuple):
    """An edited picture, and what of it is the original's."""

    picture: Picture
    inside: Box
    """The part of the copy that shows the original."""
    part: Box
    """The part of the original that the copy shows."""


Pictures: TypeAlias = Sequence[Picture]
RegionEdit: TypeAlias = Callable[[Picture, np.random.Generator, Pictures], Copy]
"""Takes a picture, random numbers, and other pictures to put beside it."""
Shares: TypeAlias = tuple[float, float, float, float]
"""Of a picture's width and height that are cut off: left, top, right, bottom."""


def cut(shares: Callable[[np.random.Generator], Shares], after: Edit | None = None) -> RegionEdit:
    """Cut off shares that are drawn for each picture; then mirrored, say."""

    def edit(picture: Picture, rng: np.random.Generator, _: Pictures) -> Copy:
        left, top, right, bottom = shares(rng)
        kept = crop(left, top, right, bottom)(picture, rng)
        return Copy(after(kept, rng) if after else kept, WHOLE, Box(left, top, 1 - right, 1 - bottom))

    return edit


def fixed(left: float, top: float, right: float, bottom: float) -> RegionEdit:
    """Cut off the same shares of each picture."""
    return cut(lambda _: (left, top, right, bottom))


def framed(share: float) -> RegionEdit:
    """In a black frame whose width is that share of the shorter side."""

    def edit(picture: Picture, rng: np.random.Generator, _: Pictures) -> Copy:
        width, height = picture.size
        copy = border(share, BLACK)(picture, rng)
        left, top = (copy.width - width) // 2, (copy.height - height) // 2
        return Copy(copy, _box_in(copy, (left, top, left + width, top + height)), WHOLE)

    return edit


def beside(picture: Picture, rng: np.random.Generator, others: Pictures) -> Copy:
    """Left or right of another picture, which is scaled to the same height."""
    other = _one(others, rng)
    other = other.resize((max(1, round(other.width * picture.height / other.height)), picture.height))
    copy = Image.new("RGB", (picture.width + other.width, picture.height))
    left = int(rng.integers(2)) * other.width
    copy.paste(picture, (left, 0))
    copy.paste(other, (0 if left else picture.width, 0))
    return Copy(copy, _box_in(copy, (left, 0, left + picture.width, picture.height)), WHOLE)


def among_four(picture: Picture, rng: np.random.Generator, others: Pictures) -> Copy:
    """One of four pictures, two above two, the others cut to its size."""
    width, height = picture.size
    copy = Image.new("RGB", (2 * width, 2 * height))
    corners = [(left, top) for top in (0, height) for left in (0, width)]
    for corner in corners:
        copy.paste(ImageOps.fit(_one(others, rng), picture.size), corner)
    left, top = corners[int(rng.integers(4))]
    copy.paste(picture, (left, top))
    return Copy(copy, _box_in(copy, (left, top, left + width, top + height)), WHOLE)


def on_screen(least: float, most: float) -> RegionEdit:
    """In a window with bars, lines as of text and two other pictures, as large as so much of the screen.

    The picture is scaled until it is as wide as that share of the screen, or as high as that share of what
    is below the bars. Where it covers the rest of the page, that is not seen.
    """

    def edit(picture: Picture, rng: np.random.Generator, others: Pictures) -> Copy:
        screen = Image.new("RGB", CANVAS, _PAPER)
        width, height = CANVAS
        bar = round(_BAR * height)
        _draw_page(screen, rng, others, 2 * bar)
        _draw_bars(screen, bar)
        share = rng.uniform(least, most)
        scale = share * min(width / picture.width, (height - 2 * bar) / picture.height)
        size = max(1, round(scale * picture.width)), max(1, round(scale * picture.height))
        left = int(rng.integers(width - size[0] + 1))
        top = int(rng.integers(2 * bar, height - size[1] + 1))
        screen.paste(picture.resize(size, Image.Resampling.LANCZOS), (left, top))
        return Copy(screen, _box_in(screen, (left, top, left + size[0], top + size[1])), WHOLE)

    return edit


def _draw_page(screen: Picture, rng: np.random.Generator, others: Pictures, top: int) -> None:
    """Lines of made-up words all over the page, and two pictures somewhere on it."""
    draw = ImageDraw.Draw(screen)
    for y in range(top + 12, screen.height, 20):
        words = ("".join(rng.choice(_LETTERS, rng.integers(2, 10))) for _ in range(rng.integers(12, 25)))
        draw.text((24, y), " ".join(words), fill=_INK, font_size=13)
    for _ in range(2):
        other = _one(others, rng).copy()
        other.thumbnail((screen.width // 4, screen.height // 4))
        left = int(rng.integers(screen.width - other.width + 1))
        screen.paste(other, (left, int(rng.integers(top, screen.height - other.height + 1))))


def _draw_bars(screen: Picture, bar: int) -> None:
    """A title with buttons, and below it a line of tools."""
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, screen.width, 2 * bar), fill=_CHROME)
    for number, colour in enumerate(_BUTTONS):
        x = (number + 1) * bar // 2
        draw.ellipse((x, bar // 3, x + bar // 3, 2 * bar // 3), fill=colour)
    draw.text((screen.width // 3, bar // 4), "Pictures of the week", fill=_INK, font_size=bar // 2)
    draw.rectangle((3 * bar, bar, screen.width - 2 * bar, 2 * bar - bar // 5), fill=_PAPER)
    draw.text((4 * bar, bar + bar // 8), "File   Edit   View   Help", fill=_INK, font_size=bar // 2)


def _one(pictures: Pictures, rng: np.random.Generator) -> Picture:
    return pictures[int(rng.integers(len(pictures)))]


def _box_in(picture: Picture, pixels: tuple[int, int, int, int]) -> Box:
    left, top, right, bottom = pixels
    return Box(left / picture.width, top / picture.height, right / picture.width, bottom / picture.height)


def _some(rng: np.random.Generator) -> Shares:
    """So much that 50 to 100 % of each side stay, anywhere."""
    across, down = rng.uniform(0, 0.5, 2)
    left, top = rng.uniform(0, across), rng.uniform(0, down)
    return left, top, across - left, down - top


def _quarter(rng: np.random.Generator) -> Shares:
    left, top = rng.uniform(0, 0.5, 2)
    return left, top, 0.5 - left, 0.5 - top


def _half(rng: np.random.Generator, *, across: bool) -> Shares:
    one = 0.5 * float(rng.integers(2))
    return (one, 0, 0.5 - one, 0) if across else (0, one, 0, 0.5 - one)


def _corner(rng: np.random.Generator) -> Shares:
    left, top = 0.2 * rng.integers(2, size=2)
    return left, top, 0.2 - left, 0.2 - top


UPRIGHT: Final[Mapping[str, RegionEdit]] = {
    "crop to 50-100 % of each side": cut(_some),
    "quarter of the area, anywhere": cut(_quarter),
    "quarter of the area, the middle": fixed(0.25, 0.25, 0.25, 0.25),
    "left or right half": cut(partial(_half, across=True)),
    "upper or lower half": cut(partial(_half, across=False)),
    "crop 10 % a side": fixed(0.1, 0.1, 0.1, 0.1),
    "crop 20 % a side": fixed(0.2, 0.2, 0.2, 0.2),
    "crop 20 % from two sides": cut(_corner),
    "beside another picture": beside,
    "one of four pictures": among_four,
    "screenshot, 40-80 % of the screen": on_screen(0.4, 0.8),
    "border 20 %, black": framed(0.2),
}
"""By what they do; each is followed by a JPEG of quality 50."""

TURNED: Final[Mapping[str, RegionEdit]] = {
    "crop to 50-100 %, mirrored": cut(_some, transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "crop to 50-100 %, rotated by 90 degrees": cut(_some, transpose(Image.Transpose.ROTATE_90)),
}
"""Edits whose copies are searched in all orientations."""

SETS: Final = {"upright": UPRIGHT, "turned": TURNED}
"""They are measured apart: who looks in all orientations has more chances to be wrong."""


def edited(picture: Picture, name: str, others: Pictures, seed: Sequence[int] = (0,)) -> Copy:
    """A copy of a picture under an edit of `SETS`; the same seed gives the same.

    Parameters
    ----------
    picture : Picture
    name : str
    others : sequence of Picture
        At least one that shows something else.
    seed : sequence of int

    Returns
    -------
    Copy
        Its longer side has 1,024 pixels or less. The boxes are exact but for a pixel.
    """
    rng = np.random.default_rng([*seed, *name.encode()])
    edit = next(edits[name] for edits in SETS.values() if name in edits)
    copy = edit(picture, rng, others)
    copy.picture.thumbnail((LARGEST, LARGEST))
    return copy._replace(picture=jpeg(QUALITY)(copy.picture, rng))


def iou(one: Box, other: Box) -> float:
    """The area that two boxes share, of the area that they cover together; 0 to 1."""
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(across, 0.0) * max(down, 0.0)
    covered = sum((box.right - box.left) * (box.bottom - box.top) for box in (one, other)) - shared
    return shared / covered if covered else 0.0
