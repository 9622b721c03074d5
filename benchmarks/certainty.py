"""Is `Match.expected_false` right? As many false matches as promised must come; and the file it rests on.

Strangers beyond doubt: windows of pictures that neither show what a query shows nor lie in a folder of the
same name, where frames of one animation and planets of one game lie side by side, or in two sizes. The
pictures of the shipped background are chosen by their names, and are neither queries nor strangers.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import typer

from benchmarks.edits import Source
from benchmarks.made import Signatures, sources
from benchmarks.pictures import is_jpeg
from benchmarks.same_pictures import same_pictures
from benchmarks.suite.false_matches import count_below, signatures_of
from sigsearch.calibration import mirrored
from sigsearch.certainty import Background, expected_false, save_background
from sigsearch.scheme import DEFAULT_SCHEME
from sigsearch.signatures import compute_signature
from sigsearch.sources import find_pictures

PROMISED: Final = (0.01, 0.1, 1.0, 10.0, 100.0)
RECORDS: Final = (10_000, 100_000, 1_000_000)
CUTOFFS: Final = tuple(np.arange(0.02, 0.6501, 0.002).round(3).tolist())
"""Beyond, nobody asks. What is promised there is left out."""
PLAIN: Final = "plain"
_SHARES: Final = 5
"""Of so many parts of a folder one is for the background, one for queries, the rest for strangers."""
_WINDOWS: Final = 2
"""Windows of each picture of the background, and of each that is searched for, beside the whole."""
_FEW: Final = 5
"""Of fewer false matches no ratio is told."""
_PLAIN_PICTURES: Final = 60

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Queries(NamedTuple):
    """Signatures to search for, and of each the folder that it comes from and its kind."""

    signatures: Signatures
    folders: npt.NDArray[np.str_]
    kinds: npt.NDArray[np.str_]


def certainty(
    pictures: Annotated[
        Path | None,
        typer.Option(help="a folder of some hundred at least; default: the paintings and made pictures"),
    ] = None,
    kinds: Annotated[
        Path | None,
        typer.Option(
            help="a table with columns kind and path, parted by tabs; default: JPEGs are photographs"
        ),
    ] = None,
    strangers: Annotated[int, typer.Option(help="windows of strangers, each also mirrored")] = 100_000,
    seed: Annotated[int, typer.Option(help="of what is drawn")] = 0,
    write: Annotated[
        Path | None, typer.Option(help="write a background of the folder's pictures here; measure nothing")
    ] = None,
    count: Annotated[int, typer.Option(help="signatures of the background that is written")] = 4_000,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="a folder in the folder that the background is not made of, such as one of edits"),
    ] = None,
) -> None:
    """Compare promised false matches with those that come, by kind of query and size of collection.

    Of each query the distance is taken at which so many are promised, and the strangers as near are counted.
    """
    parts = split(pictures)
    if write:
        left_out = set(leave_out or ())
        used = [source for source in parts[0] if isinstance(source, Path) and not left_out & {*source.parts}]
        save_background(make_background(used, count, seed), write)
        print(f"{write}: {write.stat().st_size:,} bytes")
        return
    same = same_pictures(parts[1], parts[0] + parts[2])
    doubtful: set[Source] = set().union(*same.values())
    asked = [source for source in parts[1] if not set(same[source]) & set(parts[0])]
    others = [source for source in parts[2] if source not in doubtful]
    queries = make_queries(asked, pictures, _read_kinds(kinds), seed)
    made = signatures_of(others, -(-strangers // max(1, len(others))), seed)
    rows, folders = _with_folders(made, others)
    print(f"{len(queries.signatures):,} queries, {2 * len(rows):,} strangers of {len(others):,} pictures")
    below, compared = count_strangers(queries, rows, folders)
    background = Background.shipped(DEFAULT_SCHEME)
    assert background is not None  # noqa: S101 - the default scheme has one
    shares = np.stack([expected_false(one[np.newaxis], CUTOFFS, 1, background) for one in queries.signatures])
    for records in RECORDS:
        print(f"\n{records:,} records: came where so many were promised, and their ratio")
        print(f"{'':12} {'queries':>7} " + " ".join(f"{promised:>16g}" for promised in PROMISED))
        for kind, of_kind in _by_kind(queries.kinds).items():
            cells = [
                came_at(promised / records, shares[of_kind], below[of_kind], compared[of_kind])
                for promised in PROMISED
            ]
            told = " ".join(f"{_told(cell, records):>16}" for cell in cells)
            print(f"{kind:12} {of_kind.sum():7,} {told}")
    print("\nin brackets: fewer than 5 false matches were seen")


class Came(NamedTuple):
    """What came where a share was promised; both in the mean over queries."""

    promised: float
    came: float
    seen: int


def came_at(share: float, shares: Numbers, below: Counts, compared: Counts) -> Came | None:
    """What share of strangers came where this share was promised, over several queries.

    Parameters
    ----------
    share : float
    shares : ndarray of float64, shape (queries, cutoffs)
        Promised at each of the cutoffs, which ascend.
    below : ndarray of int64, shape (queries, cutoffs)
        Strangers below it.
    compared : ndarray of int64, shape (queries,)
        Strangers in all.

    Returns
    -------
    Came or None
        None if it is promised to no query.
    """
    reached = (shares[:, 0] <= share) & (shares[:, -1] > share)
    if not reached.any():
        return None
    place = (shares[reached] <= share).sum(axis=1) - 1
    row = np.arange(len(place))
    seen = below[reached][row, place]
    return Came(
        float(shares[reached][row, place].mean()),
        float((seen / compared[reached]).mean()),
        int(seen.sum()),
    )


def split(folder: Path | None) -> tuple[list[Source], list[Source], list[Source]]:
    """The pictures of the background, those of queries and those of strangers, by their names."""
    if folder is None:
        strange, queries = sources(None)
        return [], queries, list(dict.fromkeys(strange))
    parts: tuple[list[Source], list[Source], list[Source]] = ([], [], [])
    for path in map(Path, find_pictures(folder)):
        number = zlib.crc32(path.relative_to(folder).as_posix().encode()) % _SHARES
        parts[min(number, 2)].append(path)
    return parts


def make_background(pictures: Sequence[Source], count: int, seed: int) -> Signatures:
    """Signatures of the pictures and of windows of them, so many, none without features."""
    if not pictures:
        raise SystemExit("wanted a folder of pictures to make a background of")
    windows = max(_WINDOWS, -(-2 * count // len(pictures)))
    found = signatures_of(pictures, windows, seed)
    first = np.concatenate([rows[: _WINDOWS + 1] for rows in found])
    rest = np.concatenate([rows[_WINDOWS + 1 :] for rows in found])
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.permutation(first), rng.permutation(rest)])
    return rows[rows.any(axis=1)][:count]


def make_queries(
    pictures: Sequence[Source], folder: Path | None, kinds: Mapping[str, str], seed: int
) -> Queries:
    """The pictures and windows of them, and plain ones."""
    found = signatures_of(pictures, _WINDOWS, seed + 1)
    rows, folders = _with_folders(found, pictures)
    named = [_kind(source, folder, kinds) for source in pictures]
    of_rows = np.repeat(named, [int(each.any(axis=1).sum()) for each in found])
    plain = plain_signatures(_PLAIN_PICTURES, seed)
    return Queries(
        np.concatenate([rows, plain]),
        np.concatenate([folders, [""] * len(plain)]),
        np.concatenate([of_rows, [PLAIN] * len(plain)]),
    )


def plain_signatures(count: int, seed: int) -> Signatures:
    """Of so many gradients, faint gradients with noise, single blobs and pictures of two tones."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:240, 0:240] / 240
    found = []
    for number in range(count):
        angle, left, top, size = rng.random(4) * (2 * np.pi, 1, 1, 0.3)
        across = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)
        grey = (
            128 + 90 * across,
            128 + 20 * across + rng.normal(0, 4, x.shape),
            60 + 150 * np.exp(-((x - left) ** 2 + (y - top) ** 2) / (2 * (0.1 + size) ** 2)),
            np.where(across > size - 0.15, 200, 80),
        )[number % 4]
        found.append(compute_signature(np.clip(grey, 0, 255).astype(np.uint8)))
    rows = np.array(found, np.int8)
    return rows[rows.any(axis=1)]


def count_strangers(
    queries: Queries, strangers: Signatures, folders: npt.NDArray[np.str_]
) -> tuple[Counts, Counts]:
    """How many strangers of other folders are below each cutoff of each query, and how many there are.

    ``(queries, cutoffs)`` and ``(queries,)``. The mirror image of a stranger is one, too.
    """
    below = np.zeros((len(queries.signatures), len(CUTOFFS)), np.int64)
    compared = np.full(len(below), 2 * len(strangers))
    for part in (strangers, mirrored(strangers, DEFAULT_SCHEME.grid_size)):
        below += count_below(queries.signatures, part, CUTOFFS)
        for folder in np.unique(queries.folders):
            own, beside = queries.folders == folder, part[folders == folder]
            below[own] -= count_below(queries.signatures[own], beside, CUTOFFS)
            compared[own] -= len(beside)
    return below, compared


def _with_folders(
    found: Sequence[Signatures], pictures: Sequence[Source]
) -> tuple[Signatures, npt.NDArray[np.str_]]:
    """All the signatures that have features, and the folder of each; of a made picture its own."""
    featured = [rows[rows.any(axis=1)] for rows in found]
    names = [f"{source}" if isinstance(source, int) else source.parent.name for source in pictures]
    if not featured:
        raise SystemExit("too few pictures: wanted some to search for and others to be strangers")
    return np.concatenate(featured), np.repeat(names, list(map(len, featured)))


def _read_kinds(table: Path | None) -> dict[str, str]:
    if table is None:
        return {}
    with table.open(encoding="utf-8", newline="") as lines:
        return {row["path"]: row["kind"] for row in csv.DictReader(lines, delimiter="\t")}


def _kind(source: Source, folder: Path | None, kinds: Mapping[str, str]) -> str:
    if isinstance(source, int) or folder is None:
        return "made"
    usual = "photo" if is_jpeg(str(source)) else "other"
    return kinds.get(source.relative_to(folder).as_posix(), "unnamed" if kinds else usual)


def _by_kind(kinds: npt.NDArray[np.str_]) -> dict[str, npt.NDArray[np.bool_]]:
    names, counts = np.unique(kinds, return_counts=True)
    of_each = {str(names[i]): kinds == names[i] for i in np.argsort(-counts)}
    return {"all pictures": kinds != PLAIN, **of_each}


def _told(cell: Came | None, records: int) -> str:
    if cell is None:
        return "-"
    ratio = cell.came / cell.promised
    text = f"{cell.came * records:.3g} {ratio:.2f}"
    return text if cell.seen >= _FEW else f"({text})"
