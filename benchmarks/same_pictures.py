"""Which files show the same picture: by labels, by bytes, and by a measure that no descriptor has.

What shows the same picture is no stranger, and no copy either that was made for the test: it counts
neither as found nor as false.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import permutations
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.edits import Source, load
from benchmarks.pictures import SHIPPED
from benchmarks.report import cores

SIDE: Final = 32
"""Pixels of a thumbnail's sides."""
NEARLY: Final = 0.97
"""The correlation of the grey of two thumbnails above which they are taken for one picture."""
DIFFERENT: Final = "different"
"""The one label of a pair that are strangers."""


class Pair(NamedTuple):
    """Two files and what somebody says of them."""

    a: Source
    b: Source
    label: str


def same_pictures(
    some: Sequence[Source], others: Sequence[Source], labelled: Sequence[Pair] = ()
) -> dict[Source, dict[Source, str]]:
    """For each picture the other ones, of the same or of the other list, that show the same, and why.

    Labels and equal bytes count through others as well: two copies of one picture show the same. What only
    looks alike counts directly; else a row of similar drawings would be all one.

    Parameters
    ----------
    some, others : sequence of Source
        Files that cannot be read are the same as nothing.
    labelled : sequence of Pair
        They count whatever they look like; those labelled `DIFFERENT` do not.
    """
    every = list(dict.fromkeys([*some, *others]))
    looks, sums = _look(every)
    linked = [Pair(a, b, label) for a, b, label in labelled if label != DIFFERENT]
    first: dict[str, Source] = {}
    for source, digest in zip(every, sums, strict=True):
        if first.setdefault(digest, source) != source:
            linked.append(Pair(first[digest], source, "same bytes"))
    direct = {frozenset(pair[:2]): pair.label for pair in reversed(linked)}
    different = {frozenset(pair[:2]) for pair in labelled if pair.label == DIFFERENT}
    same: dict[Source, dict[Source, str]] = {source: {} for source in some}
    for group in _groups(linked):
        for a, b in permutations(group, 2):
            if a in same:
                same[a][b] = direct.get(frozenset((a, b)), "same as another")
    place = {source: number for number, source in enumerate(every)}
    for a, found in same.items():
        for number in np.flatnonzero(looks @ looks[place[a]] > NEARLY).tolist():
            b = every[number]
            if b != a and frozenset((a, b)) not in different:
                found.setdefault(b, "same picture")
    return same


def _groups(pairs: Iterable[Pair]) -> list[set[Source]]:
    """What hangs together by pairs."""
    of: dict[Source, set[Source]] = {}
    for a, b, _ in pairs:
        joined = of.get(a, {a}) | of.get(b, {b})
        of.update(dict.fromkeys(joined, joined))
    return list({id(group): group for group in of.values()}.values())


def read_pairs(file: Path) -> list[dict[str, Any]]:
    """The labelled pairs of a file, their paths below a folder.

    Raises
    ------
    SystemExit
        The file is not a list of objects with ``a``, ``b`` and ``label``.
    """
    try:
        pairs: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
        ok = isinstance(pairs, list) and all({"a", "b", "label"} <= pair.keys() for pair in pairs)
    except (OSError, ValueError, AttributeError) as error:
        raise SystemExit(f"wanted a JSON list of pairs with a, b and label, found {file}: {error}") from error
    if not ok:
        raise SystemExit(f"wanted a JSON list of pairs with a, b and label, found another one: {file}")
    return pairs


SHIPPED_PAIRS: Final = (
    Pair(SHIPPED / "MonaLisa_WikiImages.jpg", SHIPPED / "MonaLisa_Wikipedia.jpg", "same-picture"),
)
"""Of the pictures that packages ship: two photographs of one painting."""


def labelled_pairs(pairs: Iterable[dict[str, Any]], folder: Path) -> Iterator[Pair]:
    """Those of a pairs file, as files below a folder; and those that are always known."""
    yield from SHIPPED_PAIRS
    for pair in pairs:
        yield Pair(folder / pair["a"], folder / pair["b"], pair["label"])


def _look(sources: Sequence[Source]) -> tuple[npt.NDArray[np.float32], list[str]]:
    """Thumbnails less their mean, of length 1, shape (n, 1024), and what tells files of the same bytes."""
    workers = cores() if len(sources) > 100 else 0
    if workers:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            seen = list(pool.map(_thumbnail, sources, chunksize=16))
    else:
        seen = list(map(_thumbnail, sources))
    looks = np.stack([look for look, _ in seen])
    return looks, [digest for _, digest in seen]


def _thumbnail(source: Source) -> tuple[npt.NDArray[np.float32], str]:
    digest = str(source)
    try:
        if isinstance(source, Path):
            digest = hashlib.sha256(source.read_bytes()).hexdigest()
        picture = load(source).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    except Exception:
        return np.zeros(SIDE * SIDE, np.float32), digest
    values = np.asarray(picture, np.float32).ravel()
    values -= values.mean()
    length = float(np.linalg.norm(values))
    return values / length if length else values, digest
