"""``sigsearch demo``: the main job on three paintings, in a folder of its own; all it says is measured."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

import sigsearch
from sigsearch.bounds import CUTOFF
from sigsearch.cli.options import load_kernels
from sigsearch.cli.output import say, say_rows
from sigsearch.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from sigsearch.index import Index
    from sigsearch.records import Match

    Edit: TypeAlias = Callable[[Image], Image]

PAINTING = "MonaLisa_Wikipedia.jpg"
QUERY = "MonaLisa_WikiImages.jpg"
STRANGER = "Caravaggio_Wikipedia.jpg"


@dataclass(frozen=True)
class _Copy:
    """A file made of the painting (without edit: its very bytes).

    `promised` says which searches must find it: the one as it is (False), the one in all orientations
    (True).
    """

    name: str
    what: str
    edit: Edit | None
    quality: int = 92
    promised: frozenset[bool] = frozenset({False, True})


def demo(
    keep: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Make pictures and index there, and leave them."),
    ] = None,
) -> int:
    """Show sigsearch at work on edited copies of the Mona Lisa.

    It asks nothing and leaves nothing behind.

    Exit status: 0 if all copies were found that should be, 1 if not.
    """
    load_kernels(note=True)
    with ExitStack() as stack:
        copies = _copies()
        try:
            folder = keep or Path(stack.enter_context(TemporaryDirectory(prefix="sigsearch-demo-")))
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise InputError(f"wanted a new or empty folder, found files in {folder}")
            _make(copies, folder)
        except OSError as error:
            raise InputError(f"cannot make the pictures: {error}") from error
        with sigsearch.open(folder / "demo.sig") as index:
            index.add_many(folder)
            say(
                f"{index.count()} pictures are in the index: {len(copies)} copies of the Mona Lisa, "
                f"made of {PAINTING}, and a Caravaggio."
            )
            say(f"Searched for: {QUERY}, another photograph of the painting, not in the index.")
            say()
            right = _search(index, folder, copies)
        if keep is not None:
            say(f"Pictures and index are in {folder}; try: sigsearch list --index {folder / 'demo.sig'}")
    return 0 if right else 1


def _search(index: Index, folder: Path, copies: list[_Copy]) -> bool:
    """Search, say what came out, and whether it is what it should be."""
    query = (files("sigsearch") / "pictures" / QUERY).read_bytes()
    found: dict[bool, dict[str, Match]] = {}
    took = {}
    for turned in (False, True):
        start = perf_counter()
        matches = index.search(query, all_orientations=turned)
        took[turned] = perf_counter() - start
        found[turned] = {Path(match.id).name: match for match in matches}

    def cells(name: str) -> list[str]:
        match = found[True].get(name)
        # The distance of what was not found comes from explain, which looks at this one record.
        told = match or index.explain(query, os.path.abspath(folder / name), all_orientations=True)
        seen = "found" if name in found[False] else "found in all orientations" if match else "not found"
        return [f"{told.distance:.4f}", match.orientation if match else "-", seen]

    rows = [[copy.what, *cells(copy.name)] for copy in copies]
    say_rows(
        ["copy", "distance", "orientation", "result"],
        [*rows, ["another painting, the Caravaggio", *cells(STRANGER)]],
        aligned=True,
    )
    say()
    as_is, all_orientations = (sum(copy.name in found[turned] for copy in copies) for turned in (False, True))
    say(
        f"{as_is} of {len(copies)} copies were found as they are, {all_orientations} in all orientations; "
        f"the Caravaggio is {'' if STRANGER in found[True] else 'not '}a match "
        f"(a match has a distance below {CUTOFF})."
    )
    say(
        f"The search took {took[False] * 1000:.0f} ms, in all orientations {took[True] * 1000:.0f} ms, "
        "reading the picture included."
    )
    return STRANGER not in found[True] and all(
        copy.name in found[turned] for copy in copies for turned in copy.promised
    )


def _make(copies: list[_Copy], folder: Path) -> None:
    from PIL import Image

    pictures = files("sigsearch") / "pictures"
    (folder / STRANGER).write_bytes((pictures / STRANGER).read_bytes())
    data = (pictures / PAINTING).read_bytes()
    with Image.open(BytesIO(data)) as painting:
        for copy in copies:
            if copy.edit is None:
                (folder / copy.name).write_bytes(data)
            else:
                copy.edit(painting.convert("RGB")).save(folder / copy.name, quality=copy.quality)


def _copies() -> list[_Copy]:
    from PIL import Image, ImageEnhance, ImageOps

    def scaled(x: float, y: float) -> Edit:
        return lambda image: image.resize((round(image.width * x), round(image.height * y)))

    def turned(how: Image.Transpose) -> Edit:
        return lambda image: image.transpose(how)

    any_way = frozenset({True})
    return [
        _Copy(PAINTING, "the picture itself", None),
        _Copy("small.jpg", "a quarter of its width and height", scaled(0.25, 0.25)),
        _Copy("recompressed.jpg", "recompressed, JPEG quality 10", lambda image: image, quality=10),
        _Copy("squashed.jpg", "squashed to half its width", scaled(0.5, 1)),
        _Copy(
            "tinted.jpg",
            "recoloured in blue and yellow",
            lambda image: ImageOps.colorize(image.convert("L"), "#102050", "#fff0a0"),
        ),
        _Copy("bright.jpg", "a third brighter", lambda image: ImageEnhance.Brightness(image).enhance(4 / 3)),
        _Copy("framed.jpg", "with a black frame", lambda image: ImageOps.expand(image, image.width // 50)),
        _Copy("rotated.jpg", "rotated by 90°", turned(Image.Transpose.ROTATE_90), promised=any_way),
        _Copy("mirrored.jpg", "mirrored", turned(Image.Transpose.FLIP_LEFT_RIGHT), promised=any_way),
        _Copy("negative.jpg", "its negative", ImageOps.invert, promised=any_way),
        _Copy(
            "cropped.jpg",
            "cropped to its left half",
            lambda image: image.crop((0, 0, image.width // 2, image.height)),
            promised=frozenset(),
        ),
    ]
