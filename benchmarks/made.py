"""Made-up signatures by the million, with the statistics of real ones, and queries for them."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import lru_cache, partial
from itertools import count as counted
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.pictures import SHIPPED
from benchmarks.report import cores
from sigsearch.bounds import CUTOFF
from sigsearch.neighbours import opposites
from sigsearch.scheme import DEFAULT_SCHEME
from sigsearch.signatures import compute_orientations, compute_signature
from sigsearch.sources import find_pictures
from sigsearch.testing.pictures import make_picture

Signatures: TypeAlias = npt.NDArray[np.int8]
"""``(n, 648)`` int8."""
Windows: TypeAlias = Iterator[npt.NDArray[np.uint8]]
Described = TypeVar("Described")
Source: TypeAlias = Path | int
"""A picture to cut windows from: a file, or the seed of a made picture."""

LENGTH = DEFAULT_SCHEME.signature_length
_LARGEST = 1024
"""Pixels of a picture's longer side; windows are cut from it scaled down to that."""
_SMALLEST = 96
"""Pixels of a window's side, at least; and at least a tenth of the picture's."""
_FEWEST, _MOST = 8, 128
"""Windows cut from a picture at one go: to decode it for one would take most of the time."""
_MADE = 96
_PARTS = 16
"""The paintings are so many times as large as made pictures, in windows that are not copies."""


def sources(folder: Path | None) -> tuple[list[Source], list[Source]]:
    """The pictures to cut windows from, and others for queries that match nothing.

    Of a folder's pictures every 20th is left for the queries. Without a folder: the paintings that come
    with sigsearch, a third of the windows being theirs, and made pictures.
    """
    if folder is None:
        paintings: list[Source] = [*sorted(SHIPPED.glob("*.jpg"))]
        return paintings * _PARTS + list(range(_MADE)), list(range(_MADE, _MADE + 16))
    paths = list(map(Path, find_pictures(folder)))
    if len(paths) < 2:
        raise SystemExit(f"wanted a folder with some pictures, found {len(paths)} in {folder}")
    return [path for i, path in enumerate(paths) if i % 20], [*paths[::20]]


def make_chunks(
    count: int, pictures: Sequence[Source], seed: int, *, workers: int | None = None
) -> Iterator[Signatures]:
    """Signatures of windows of pictures, each in its 16 orientations; none is featureless.

    Parameters
    ----------
    count : int
        How many in all.
    pictures : sequence of Source
        They take turns, in random order.
    seed : int
        The same seed gives the same signatures, whatever the number of workers.
    workers : int, optional
        Processes; 0: in this one. Default: one for each core, if they are worth their start.

    Yields
    ------
    ndarray of int8, shape (2048 or less, 648)
    """
    windows = windows_of_each(count // 16, pictures)
    if workers is None:
        workers = cores() if count > 20_000 else 0
    fruitless = 0
    for rows in describe_windows(pictures, windows, seed, sign_windows, workers):
        fruitless = 0 if len(rows) else fruitless + 1
        if fruitless > len(pictures):
            raise SystemExit("none of the pictures has a window with features")
        rows = rows[:count]
        count -= len(rows)
        yield rows
        if not count:
            return


def windows_of_each(count: int, pictures: Sequence[Source]) -> int:
    """How many windows to cut from a picture at one go, of so many in all."""
    return min(max(count // len(pictures), _FEWEST), _MOST)


def make_signatures(
    count: int, pictures: Sequence[Source], seed: int, *, on_advance: Callable[[int], None] = lambda _: None
) -> Signatures:
    """All of `make_chunks` in one array, in random order."""
    signatures = np.empty((count, LENGTH), np.int8)
    places = np.random.default_rng([seed, 1]).permutation(count)
    done = 0
    for rows in make_chunks(count, pictures, seed):
        signatures[places[done : done + len(rows)]] = rows
        done += len(rows)
        on_advance(done)
    return signatures


def change(signatures: Signatures, rng: np.random.Generator, share: float = 0.5) -> Signatures:
    """Signatures as of copies: a share of the differences moved by one level, at a distance of about 0.2.

    A value and its twin, the same difference seen from the neighbour, move together, as they do in the
    signature of any picture.
    """
    ones, twins = opposites(DEFAULT_SCHEME.grid_size)
    steps = rng.choice(3, (len(signatures), len(ones)), p=[share / 2, 1 - share, share / 2]) - 1
    values = np.clip(signatures[:, ones] + steps, -DEFAULT_SCHEME.levels, DEFAULT_SCHEME.levels)
    changed = np.zeros_like(signatures)
    changed[:, ones] = values
    changed[:, twins] = -values
    return changed


def encode_bits(signatures: Signatures) -> npt.NDArray[np.uint8]:
    """A code of 2,592 bits, ``(n, 324)`` uint8, whose Hamming distance is the sum of absolute differences.

    A value is four bits: is it at least -1, 0, 1, 2?
    """
    return np.packbits(
        (signatures[:, :, np.newaxis] >= np.arange(-1, 3)).reshape(len(signatures), -1), axis=1
    )


def whole_pictures(pictures: Sequence[Source]) -> Signatures:
    """The signatures of pictures as they are; those without one are passed over."""
    whole = [compute_signature(rgb) for source in pictures if (rgb := _load(source)) is not None]
    found = np.array(whole, np.int8).reshape(-1, LENGTH)
    return found[found.any(axis=1)]


def statistics(signatures: Signatures, rng: np.random.Generator) -> dict[str, float]:
    """What tells how real signatures are: zeros, norms, and how far random pairs are apart."""
    sample = np.sort(rng.permutation(len(signatures))[:50_000])
    rows = signatures[sample].astype(np.float32)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    some = rng.permutation(len(rows))[:100]
    squares = norms[some, np.newaxis] ** 2 + norms**2 - 2 * rows[some] @ rows.T
    apart = np.sqrt(np.maximum(squares, 0)) / (norms[some, np.newaxis] + norms)
    apart[np.arange(len(some)), some] = np.nan  # itself
    shares = (0.01, 0.1, 0.5, 0.9, 0.99)
    quantiles = np.nanquantile(apart, shares)
    return {
        "zeros": float((rows == 0).mean()),
        "norm": float(norms.mean()),
        "norm's deviation": float(norms.std()),
        **{f"distance, {share:.0%}": float(q) for share, q in zip(shares, quantiles, strict=True)},
        f"others below {CUTOFF}": float((apart < CUTOFF).sum(axis=1).mean() * len(signatures) / len(rows)),
    }


def count_duplicates(signatures: Signatures) -> int:
    """How many are equal to one before them."""
    return len(signatures) - len(np.unique(_sums(signatures)))


def describe_windows(
    pictures: Sequence[Source],
    windows: int,
    seed: int,
    describe: Callable[[Windows], Described],
    workers: int,
) -> Iterator[Described]:
    """What describes random windows of one picture after the other, without an end.

    Parameters
    ----------
    pictures : sequence of Source
        They take turns, in an order that hangs on nothing but their number and the seed.
    windows : int
        Cut from a picture at one go.
    seed : int
    describe : callable
        Takes the windows of a picture; of a module, so that other processes find it.
    workers : int
        Processes; 0: in this one.
    """
    order = np.random.default_rng([seed, 2]).permutation(len(pictures))
    task = partial(_describe, describe, windows)
    jobs = ((pictures[order[job % len(order)]], [seed, 0, job]) for job in counted())
    if not workers:
        for source, numbers in jobs:
            yield task(source, numbers)
    # Spawned: a fork would share the threads' locks that numba or a library of numpy's holds.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        pending: deque[Future[Described]] = deque()
        try:
            while True:
                while len(pending) < 4 * workers:
                    pending.append(pool.submit(task, *next(jobs)))
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _describe(
    describe: Callable[[Windows], Described], windows: int, source: Source, seed: Sequence[int]
) -> Described:
    return describe(cut_windows(source, windows, seed))


def cut_windows(source: Source, windows: int, seed: Sequence[int]) -> Windows:
    """Random windows of one picture, arrays (h, w, 3) of uint8.

    Of a picture that is too small for windows that differ there are none.
    """
    rgb = _load(source)
    if rgb is None or min(rgb.shape[:2]) < 2 * _SMALLEST:
        return
    rng = np.random.default_rng(seed)
    height, width = rgb.shape[:2]
    for _ in range(windows):
        # All sizes alike on a scale of logarithms: the small ones have room to be different.
        down = int(height * max(0.1, _SMALLEST / height) ** rng.random())
        across = int(width * max(0.1, _SMALLEST / width) ** rng.random())
        top, left = rng.integers(height - down + 1), rng.integers(width - across + 1)
        yield np.ascontiguousarray(rgb[top : top + down, left : left + across])


def sign_windows(windows: Windows) -> Signatures:
    """The signatures of windows of one picture, each in its 16 orientations, none twice."""
    found = [np.empty((0, LENGTH), np.int8)]
    for window in windows:
        orientations = compute_orientations(window)
        found.append(orientations[orientations.any(axis=1)])
    rows = np.concatenate(found)
    # Symmetric drawings look the same in several orientations.
    return rows[np.sort(np.unique(_sums(rows), return_index=True)[1])]


def _sums(signatures: Signatures) -> npt.NDArray[np.uint64]:
    """A number of 64 bits for each, which is the same for equal ones and, but by chance, for no others."""
    factors = np.random.default_rng(0).integers(1, 2**63, LENGTH // 8, dtype=np.uint64)
    sums: npt.NDArray[np.uint64] = signatures.view(np.uint64) @ factors
    return sums


@lru_cache(maxsize=32)
def _load(source: Source) -> npt.NDArray[np.uint8] | None:
    """A picture of at most 1,024 pixels a side, None if it cannot be read."""
    if isinstance(source, int):
        return make_picture(source)
    try:
        with warnings.catch_warnings(), Image.open(source) as image:
            warnings.simplefilter("ignore")
            image.thumbnail((_LARGEST, _LARGEST))
            return np.asarray(image.convert("RGB"))
    except Exception:
        return None
