"""Matches as pictures: the query and the stored picture side by side, with the parts that matched."""

from __future__ import annotations

import os
import re
from io import BytesIO
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sigsearch.cli.output import complain, short
from sigsearch.errors import ImageError, InputError
from sigsearch.images import WHITE, describe, read_pixels
from sigsearch.reading import is_address
from sigsearch.records import WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL.Image import Image

    from sigsearch.images import Pixels
    from sigsearch.limits import Limits
    from sigsearch.records import Box, Match

HEIGHT: Final = 600
"""Pixels of the two pictures, if they are so high."""
WIDTH: Final = 1600
"""Pixels of both together; panoramas become lower."""
GAP: Final = 10
LINE: Final = 3
"""Pixels of a box's line; it has a black one of 1 pixel on each side."""
COLOUR: Final = (255, 0, 255)
_TEXT_SIZE: Final = 16
_MARK: Final = b"made by sigsearch search --show"
"""By which a picture of an earlier run is told from one of the user's."""
_LONGEST: Final = 40
"""Characters of a stem; most file systems take names of 255 bytes."""


class Album:
    """A folder of such pictures; it is made if it is not there.

    Parameters
    ----------
    folder : str
    limits : Limits
        What it may cost to read a picture, and where it may come from.

    Raises
    ------
    InputError
        It cannot be made, or is a file.
    """

    def __init__(self, folder: str, limits: Limits) -> None:
        try:
            os.makedirs(folder, exist_ok=True)
        except FileExistsError as error:
            raise InputError(f"wanted a folder for the pictures, found a file: {describe(folder)}") from error
        except OSError as error:
            raise _cannot_write(folder, error) from error
        self.folder = folder
        self._limits = limits
        self._labels: set[str] = set()

    def draw(self, query: str, matches: Sequence[Match]) -> Iterator[Image]:
        """Write a picture of each match and give it; one that cannot be had is told and passed over.

        Raises
        ------
        InputError
            The folder cannot be written to.
        """
        given = self._read(query) if matches else None
        if given is None:
            return
        label = self._label(query)
        for rank, match in enumerate(matches, start=1):
            if match.path is None:
                complain(f"no picture of {match.id!r} to show: its record has no path")
                continue
            stored = self._read(match.path)
            if stored is None:
                continue
            drawn = side_by_side(given, stored, match)
            if self._write(drawn, f"{label}-{rank}-{_stem(match.path)}.jpg"):
                yield drawn

    def _read(self, path: str) -> Pixels | None:
        try:
            return read_pixels(path, limits=self._limits)
        except ImageError as error:
            complain(error)
            return None

    def _label(self, query: str) -> str:
        """What the names of a query's pictures begin with; queries in several folders may have one name."""
        stem = label = _stem(query)
        number = 1
        while label.casefold() in self._labels:  # some file systems take X and x for one
            number += 1
            label = f"{stem}.{number}"
        self._labels.add(label.casefold())
        return label

    def _write(self, picture: Image, name: str) -> bool:
        path = os.path.join(self.folder, name)
        if os.path.lexists(path) and not _is_own(path):
            complain(f"{path} was left as it is: it was not made by sigsearch")
            return False
        encoded = BytesIO()
        # Without subsampling: else the colour of a thin line runs.
        picture.save(encoded, "JPEG", quality=90, subsampling=0, comment=_MARK)
        try:
            with open(path, "wb") as file:
                file.write(encoded.getvalue())
        except OSError as error:
            raise _cannot_write(self.folder, error) from error
        return True


def side_by_side(query: Pixels, stored: Pixels, match: Match) -> Image:
    """Draw two pictures beside each other, their parts that matched, and a line of what is known.

    Parameters
    ----------
    query, stored : Pixels
        As `sigsearch.images.read_pixels` gives them.
    match : Match
        Where whole pictures matched, no boxes are drawn.

    Returns
    -------
    PIL.Image.Image
        RGB. The query stands left.
    """
    from PIL import Image, ImageDraw, ImageFont

    pictures = [_as_image(query), _as_image(stored)]
    height = min(
        HEIGHT,
        max(picture.height for picture in pictures),
        int(WIDTH / sum(picture.width / picture.height for picture in pictures)),
    )
    height = max(height, 1)
    boxes = (match.query_box, match.box)
    for i, picture in enumerate(pictures):
        width = max(round(picture.width * height / picture.height), 1)
        pictures[i] = picture.resize((width, height), reducing_gap=3.0)
        if boxes != (WHOLE, WHOLE):
            _draw_box(pictures[i], boxes[i])
    left, right = pictures
    text = caption(match)
    font = ImageFont.load_default(_TEXT_SIZE)
    width = max(left.width + GAP + right.width, int(font.getlength(text)) + GAP)
    drawn = Image.new("RGB", (width, height + 2 * _TEXT_SIZE), "white")
    drawn.paste(left, (0, 0))
    drawn.paste(right, (left.width + GAP, 0))
    ImageDraw.Draw(drawn).text((GAP // 2, height + _TEXT_SIZE // 2), text, fill="black", font=font)
    return drawn


def caption(match: Match) -> str:
    """What is known of a match, in a line."""
    parts = [f"distance {match.distance:.4f}"]
    if match.windows is not None:
        parts.append(f"{match.windows} windows")
    return ", ".join([*parts, f"expected false {short(match.expected_false)}", match.orientation])


def _as_image(pixels: Pixels) -> Image:
    from PIL import Image

    if pixels.ndim == 2:
        pixels = (pixels / (WHITE / 255)).round().astype("uint8")
    return Image.fromarray(pixels).convert("RGB")


def _draw_box(picture: Image, box: Box) -> None:
    from PIL import ImageDraw

    width, height = picture.size
    left, right = sorted(min(max(round(x * width), 0), width) for x in (box[0], box[2]))
    top, bottom = sorted(min(max(round(y * height), 0), height) for y in (box[1], box[3]))
    right, bottom = max(right - 1, left), max(bottom - 1, top)  # Pillow's rectangles have their ends in them
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline="black", width=LINE + 2)
    draw.rectangle((left, top, right, bottom), outline=COLOUR, width=LINE)


def _stem(path: str) -> str:
    """The name of a picture without its ending, such as any file may have it."""
    name = urlsplit(path).path if is_address(path) else path
    stem = os.path.splitext(os.path.basename(name))[0]
    return re.sub(r"[^\w.-]+", "_", stem)[:_LONGEST] or "picture"


def _is_own(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return _MARK in file.read(1024)  # a JPEG's comment stands before its pixels
    except OSError:
        return False


def _cannot_write(folder: str, error: OSError) -> InputError:
    return InputError(f"cannot write pictures to {describe(folder)}: {error.strerror or error}")
