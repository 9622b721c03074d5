"""The command ``regions``: raw rows first, then the table that they give."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from benchmarks.regions import measure
from benchmarks.regions.edits import QUALITY, SETS
from benchmarks.regions.measure import Run, Settings
from benchmarks.regions.table import document
from benchmarks.report import machine
from benchmarks.same_pictures import labelled_pairs, read_pairs
from benchmarks.suite.rows import Row, RowFile, RowsError, read
from benchmarks.suite.run import git, version_of


def regions(
    pictures: Annotated[
        Path, typer.Option(help="a folder of pictures; JPEGs, mostly photographs, come first")
    ],
    limit: Annotated[int, typer.Option(min=2, help="at most so many originals")] = 200,
    out: Annotated[
        Path | None, typer.Option(help="raw rows, as JSON lines; a file that is there is gone on with")
    ] = None,
    pairs: Annotated[Path | None, typer.Option(help="labelled pairs that show the same, as JSON")] = None,
    only: Annotated[
        str, typer.Option(help="methods, with semicolons between; default: all; none: the table")
    ] = "",
    sets: Annotated[str, typer.Option(help="of edits, with commas between")] = ",".join(SETS),
    strangers: Annotated[
        int, typer.Option(min=1, help="pairs of strangers that pair by pair methods compare, in each set")
    ] = 100_000,
    minutes: Annotated[
        float, typer.Option(help="that describing copies may take, and comparing strangers, each time")
    ] = 6,
    records: Annotated[int, typer.Option(min=2, help="pictures of the embedded index")] = 2000,
    least: Annotated[int, typer.Option(help="pixels of a picture's shorter side, at least")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="of what is chosen and drawn")] = 0,
) -> None:
    """Measure how pictures are found by a region: crops, collages, screenshots; sigsearch and its peers.

    Copies are searched among their originals and compared with them; no other picture shows the same, as
    far as labels, bytes and thumbnails tell. Each method has the cutoff at which half of the pairs of
    strangers give 1 false match in 100,000, and is checked on the other half; those that recommend one are
    measured with it as well. Times are the processor's, of one thread; read the ratios.
    """
    settings = Settings(
        pictures=pictures,
        limit=limit,
        strangers=strangers,
        minutes=minutes,
        records=records,
        least=least,
        seed=seed,
    )
    there, absent = measure.methods()
    wanted = [] if only == "none" else [name.strip() for name in only.split(";")] if only else list(there)
    if unknown_sets := set(sets.split(",")) - SETS.keys():
        raise SystemExit(f"no set {min(unknown_sets)!r}; there are {', '.join(SETS)}")
    if unknown := [name for name in wanted if name not in there]:
        raise SystemExit(f"no method {unknown[0]!r} here; there are {'; '.join(there)}")
    labelled = list(labelled_pairs(read_pairs(pairs) if pairs else (), pictures))
    with ExitStack() as stack:
        path = out or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "regions.jsonl"
        try:
            if wanted:
                file = RowFile(path, header(settings))
                run = Run(settings, measure.choose(settings, labelled))
                measure.measure(run, file, wanted, sets.split(","))
            rows = read(path)
        except RowsError as error:
            raise SystemExit(str(error)) from error
    rows += [{"kind": "absent", "what": what, "why": why} for what, why in absent.items()]
    print(document(rows))


_PACKAGES: Final = (
    "sigsearch",
    "numpy",
    "numba",
    "pillow",
    "opencv-contrib-python-headless",
    "ImageHash",
    "perception",
    "faiss-cpu",
)
_FREE: Final = ("minutes", "records")
"""What may differ from part to part of a run: the rows say how much there was of each."""


def header(settings: Settings) -> Row:
    """The first row: what was asked for, and on what machine."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": git("rev-parse", "HEAD"),
        **{name: value for name, value in asdict(settings).items() if name not in _FREE},
        "pictures": settings.pictures.name,
        "edits": {name: list(edits) for name, edits in SETS.items()},
        "quality": QUALITY,
        "machine": {key: value for key, value in machine().items() if key in ("cpu", "cores", "python")},
        "versions": {package: version_of(package) for package in _PACKAGES},
    }
