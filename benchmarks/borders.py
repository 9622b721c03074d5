"""What views of a query without its borders find more, and how many more false matches they bring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
import typer

from benchmarks import made
from benchmarks.edits import EDITS, TURNED, Pixels, Source, make_copies
from benchmarks.same_pictures import same_pictures
from sigsearch.calibration import pairs_below
from sigsearch.signatures import compute_query_views, distances
from sigsearch.sources import find_pictures

CUTOFFS: Final = (0.35, 0.45)
"""The last is the usual one."""
_MOST: Final = 4
"""Views of a query."""

Views = npt.NDArray[np.int8]
"""``(4, 1 or 16, 648)``: the whole first; all zeros, which match nothing, where there are fewer views."""


def borders(
    pictures: Annotated[Path, typer.Option(help="a folder of pictures, or of one such folder for each kind")],
    strangers: Annotated[
        Path | None, typer.Option(help="a folder of pictures to cut windows from; default: no false matches")
    ] = None,
    queries: Annotated[int, typer.Option(help="at most so many pictures of the folder, at random")] = 400,
    records: Annotated[int, typer.Option(help="windows that the pictures are compared with")] = 200_000,
    seed: Annotated[int, typer.Option(min=0, help="of the choice, the noise and the windows")] = 0,
    workers: Annotated[int, typer.Option(help="processes that make copies; 0: in this one")] = 1,
) -> None:
    """Search for copies of pictures by the whole query, and by the nearest of its views.

    Then the pictures themselves are searched for among windows of pictures that show something else.
    """
    paths = list(map(Path, find_pictures(pictures)))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(paths))[:queries])
    originals: list[Source] = [paths[number] for number in chosen]
    upright = [name for name in EDITS if name not in TURNED]
    found: dict[Source, Views] = {}
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in EDITS}
    for names, describe in ((upright, _views), (sorted(TURNED), _turned_views)):
        # Some at a time: all the views at once would be gigabytes.
        for start in range(0, len(originals), 50):
            some = originals[start : start + 50]
            copies = make_copies(dict.fromkeys(some, names), seed, describe=describe, workers=workers)
            for source, views in zip(some, copies, strict=True):
                if views is None or not views[0, 0, 0].any():
                    continue
                found.setdefault(source, views[0])
                for name, copy in zip(names, views[1:], strict=True):
                    each = [distances(views[0, 0, 0], view).min() for view in copy]
                    rows[name].append((each[0], min(each)))
    _print_copies(rows)
    below = np.zeros((len(found), len(CUTOFFS), 2), np.int64)
    if strangers:
        below = _false_matches(list(found.values()), _other_pictures(strangers, [*found]), records, seed)
    _print_originals(pictures, found, below, records)


def _views(rgb: Pixels) -> Views:
    return _filled_up(compute_query_views(rgb))


def _turned_views(rgb: Pixels) -> Views:
    return _filled_up(compute_query_views(rgb, all_orientations=True))


def _filled_up(views: Sequence[tuple[npt.NDArray[np.int8], object]]) -> Views:
    filled = np.zeros((_MOST, *views[0][0].shape), np.int8)
    for place, (signatures, _) in enumerate(views):
        filled[place] = signatures
    return filled


def _other_pictures(folder: Path, originals: Sequence[Source]) -> list[Source]:
    others: list[Source] = [*map(Path, find_pictures(folder))]
    same = set().union(*same_pictures(originals, others).values())
    return [other for other in others if other not in same]


def _false_matches(
    queries: Sequence[Views], sources: Sequence[Source], records: int, seed: int
) -> npt.NDArray[np.int64]:
    """How many windows each query matches, ``(queries, cutoffs, 2)``: by the whole, and by any view."""
    views = np.stack(queries)[:, :, 0]
    places = np.argwhere(views.any(axis=2))
    signatures = views[places[:, 0], places[:, 1]]
    below = np.zeros((len(queries), len(CUTOFFS), 2), np.int64)
    for chunk in made.make_chunks(records, sources, seed, workers=0):
        view, record, apart = pairs_below(signatures, chunk, CUTOFFS[-1])
        for place, cutoff in enumerate(CUTOFFS):
            near = apart < cutoff
            matches = np.zeros((len(queries), 2, len(chunk)), np.bool_)
            matches[places[view[near], 0], 1, record[near]] = True
            whole = near & (places[view, 1] == 0)
            matches[places[view[whole], 0], 0, record[whole]] = True
            below[:, place] += matches.sum(axis=2)
    return below


def _print_copies(rows: dict[str, list[tuple[float, float]]]) -> None:
    columns = [f"{kind}, {cutoff}" for cutoff in reversed(CUTOFFS) for kind in ("whole", "views")]
    print("| copies found below a cutoff, % | " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * len(columns))
    tables = {name: np.array(pairs) for name, pairs in rows.items()}
    tables["all"] = np.concatenate([*tables.values()])
    for name, pairs in tables.items():
        shares = [100 * np.mean(pairs[:, k] < cutoff) for cutoff in reversed(CUTOFFS) for k in (0, 1)]
        print(f"| {name} | " + " | ".join(f"{share:.1f}" for share in shares) + " |")
    print()


def _print_originals(
    folder: Path, found: dict[Source, Views], below: npt.NDArray[np.int64], records: int
) -> None:
    kinds = [path.relative_to(folder).parts[0] for path in found if isinstance(path, Path)]
    more = np.array([views[1:].any(axis=(1, 2)).sum() for views in found.values()])
    columns = [f"{kind}, {cutoff}" for cutoff in reversed(CUTOFFS) for kind in ("whole", "views")]
    print("| originals | number | with a border, % | parts of a query | " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * (3 + len(columns)))
    groups = {kind: np.array([each == kind for each in kinds]) for kind in Counter(kinds)}
    groups = {kind: group for kind, group in groups.items() if group.sum() > 1}
    groups |= {"all": np.ones(len(kinds), np.bool_), "all with a border": more > 0}
    for kind, group in groups.items():
        if not group.any():
            continue
        # Matches of a million comparisons.
        means = 1e6 * below[group].mean(axis=0) / records
        shown = " | ".join(f"{value:.1f}" for cutoff in reversed(means) for value in cutoff)
        share = 100 * np.mean(more[group] > 0)
        print(f"| {kind} | {group.sum()} | {share:.1f} | {more[group].mean():.2f} | {shown} |")
