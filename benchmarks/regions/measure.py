"""Measures how each method finds copies that show a region: rows of scores, of sizes and of times."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from PIL import Image

import sigsearch
from benchmarks import made
from benchmarks.edits import Picture, Source, load
from benchmarks.peers.descriptors import present
from benchmarks.peers.local import MATCHERS, Matcher
from benchmarks.pictures import is_jpeg
from benchmarks.regions.edits import SETS, Copy, edited, iou
from benchmarks.report import progress
from benchmarks.same_pictures import Pair, same_pictures
from benchmarks.suite.rows import Keep, RowFile
from benchmarks.suite.run import name_of
from sigsearch.errors import InputError
from sigsearch.index import FeaturelessWarning, Index
from sigsearch.records import WHOLE
from sigsearch.sources import find_pictures

STRANGER: Final = "a stranger, whole"
"""The edit of a query that is a picture no record is of."""
OTHERS: Final = 60
"""Pictures that are put beside others, at most."""
_TIMED: Final = 200
"""Searches of the embedded index."""
_SMALL: Final = 640


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run was asked for; numbers of things are the most that there will be."""

    pictures: Path
    limit: int
    """Originals."""
    strangers: int
    """Pairs of strangers that are compared, by the methods that compare pairs, in a set of edits."""
    minutes: float
    """What describing copies or searching for them may take, and what comparing strangers may, each time."""
    records: int
    """Of the embedded index."""
    least: int
    """Pixels of a picture's shorter side."""
    seed: int


class Chosen(NamedTuple):
    """No two of all these show the same picture."""

    originals: list[Source]
    strangers: list[Source]


class Query(NamedTuple):
    """A picture that is searched for: a copy of an original, or a stranger."""

    picture: str
    edit: str
    own: int | None
    """The number of its original."""
    half: int
    """0: for choosing a cutoff; 1: for checking it. All queries of a picture are of one half."""
    make: Callable[[], Copy]


class Ours(NamedTuple):
    """sigsearch with a scheme."""

    name: str
    scheme: sigsearch.Scheme | None
    note: str


def ours() -> tuple[dict[str, Ours], dict[str, str]]:
    """What sigsearch offers, and what this version of it does not."""
    whole = Ours("sigsearch, whole pictures", None, "the default scheme; distance below 0.45")
    name = "sigsearch, regions"
    make: Any = sigsearch.Scheme  # an older one has no views
    try:
        regions = Ours(name, make(views="regions"), "its defaults")
    except (TypeError, InputError):
        return {whole.name: whole}, {name: "this sigsearch has no Scheme(views=...)"}
    return {name: regions, whole.name: whole}, {}


def methods() -> tuple[dict[str, Ours | Matcher], dict[str, str]]:
    """What can be measured, and of the rest why not, by name."""
    here, lacking = ours()
    there, absent = present(MATCHERS)
    return {**here, **there}, {**lacking, **absent}


def choose(settings: Settings, labelled: Sequence[Pair] = ()) -> Chosen:
    """Pictures for copies, and others; JPEGs first, which mostly are photographs.

    Raises
    ------
    SystemExit
        There are too few.
    """
    paths = [Path(path) for path in find_pictures(settings.pictures)]
    np.random.default_rng([settings.seed, *b"regions"]).shuffle(paths)
    paths.sort(key=lambda path: not is_jpeg(path.name))
    # Twice as many as are wanted, for some show the same.
    usable = (path for path in paths if _is_large(path, settings.least))
    some: list[Source] = list(islice(usable, 2 * (settings.limit + OTHERS)))
    same = same_pictures(some, some, labelled) if some else {}
    kept: dict[Source, None] = {}
    for source in some:
        if not same[source].keys() & kept.keys():
            kept[source] = None
    count = min(settings.limit, 2 * len(kept) // 3)
    if count < 2:
        raise SystemExit(f"wanted four different pictures or more, found {len(kept)} in {settings.pictures}")
    return Chosen(list(kept)[:count], list(kept)[count:])


def _is_large(path: Path, least: int) -> bool:
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            return min(image.size) >= least
    except Exception:
        return False


@dataclass(frozen=True)
class Run:
    """What all methods are asked: the same copies of the same pictures."""

    settings: Settings
    chosen: Chosen

    @cached_property
    def others(self) -> list[Picture]:
        """What is put beside originals; it is in no index."""
        found = [load(source) for source in self.chosen.strangers[:OTHERS]]
        for picture in found:
            picture.thumbnail((_SMALL, _SMALL))
        return found

    @cached_property
    def names(self) -> list[str]:
        """Of the originals, which are the records."""
        return [name_of(source, self.settings.pictures) for source in self.chosen.originals]

    def queries(self, edits: str) -> Iterator[Query]:
        """Copies of all originals under the edits of a set, then strangers."""

        def copy(number: int, edit: str) -> Callable[[], Copy]:
            seed = (self.settings.seed, number)
            return lambda: edited(_load(self.chosen.originals[number]), edit, self.others, seed)

        def whole(source: Source) -> Callable[[], Copy]:
            return lambda: Copy(_load(source), WHOLE, WHOLE)

        for number, name in enumerate(self.names):
            for edit in SETS[edits]:
                yield Query(name, edit, number, number % 2, copy(number, edit))
        for number, source in enumerate(self.chosen.strangers[: len(self.names)]):
            yield Query(name_of(source, self.settings.pictures), STRANGER, None, number % 2, whole(source))


@lru_cache(maxsize=4)
def _load(source: Source) -> Picture:
    return load(source)


def measure(run: Run, file: RowFile, wanted: Sequence[str], sets: Sequence[str] = tuple(SETS)) -> None:
    """Write the rows of all units that are not there yet."""
    there, _ = methods()
    for name in wanted:
        method = there[name]
        for edits in sets:
            if (unit := f"{name}, {edits}") in file.done:
                continue
            with file.unit(unit) as add:
                keep = partial(add, method=name, set=edits)
                if isinstance(method, Ours):
                    _search(run, method, edits, keep)
                else:
                    _match(run, method, edits, keep)
            progress("")
        if isinstance(method, Ours) and (unit := f"{name}, {run.settings.records} records") not in file.done:
            with file.unit(unit) as add:
                _embedded(run, method, partial(add, method=name))


def _match(run: Run, matcher: Matcher, edits: str, keep: Keep) -> None:
    """Describe all pictures, compare each copy with its original, and as many strangers as time allows."""
    matcher.describe(_load(run.chosen.originals[0]))  # imports, tables
    records, times = [], []
    for source in run.chosen.originals:
        seconds, description = _timed(matcher.describe, _load(source))
        records.append(description)
        times.append(seconds)
    sizes = [0 if each is None else matcher.bytes(each) for each in records]
    keep(
        "method",
        note=matcher.note,
        default=matcher.default,
        describe_ms=times,
        bytes=sizes,
    )
    queries: list[Query] = []
    asked: list[list[Any]] = []
    end = time.perf_counter() + 60 * run.settings.minutes
    for query in run.queries(edits):
        progress(f"{matcher.name}, {edits}: {len(queries)} queries described")
        descriptions = matcher.ask(query.make().picture, turned=edits == "turned")
        queries.append(query)
        asked.append(descriptions)
        if query.own is not None:
            score = _score(matcher, descriptions, records[query.own])
            keep("copy", picture=query.picture, edit=query.edit, score=score)
        # Originals are in random order: those that were in time stand for all.
        if time.perf_counter() > end:
            break
    scores: dict[int, dict[int, float]] = {}
    pairs, compared = _pairs_of_strangers(run, queries), 0
    start, end = time.process_time(), time.perf_counter() + 60 * run.settings.minutes
    for number, record in pairs:
        if time.perf_counter() > end:
            break
        scores.setdefault(number, {})[record] = _score(matcher, asked[number], records[record])
        compared += 1
        if not compared % 1000:
            progress(f"{matcher.name}, {edits}: {compared:,} of {len(pairs):,} pairs of strangers")
    seconds = time.process_time() - start
    for number, found in sorted(scores.items()):
        alike = {run.names[record]: score for record, score in found.items() if score}
        _keep_strangers(keep, queries[number], len(found), alike)
    keep("compared", pairs=compared, ms=1000 * seconds / max(compared, 1))


def _score(matcher: Matcher, asked: Sequence[Any], record: Any) -> float:
    if record is None:
        return 0.0
    return max((matcher.compare(description, record) for description in asked), default=0.0)


def _pairs_of_strangers(run: Run, queries: Sequence[Query]) -> list[tuple[int, int]]:
    """Numbers of queries and of records that are not their original, in random order."""
    records = len(run.names)
    rng = np.random.default_rng([run.settings.seed, *b"pairs"])
    pairs = (divmod(each, records) for each in rng.permutation(records * len(queries)).tolist())
    strange = (pair for pair in pairs if queries[pair[0]].own != pair[1])
    return list(islice(strange, run.settings.strangers))


def _keep_strangers(keep: Keep, query: Query, pairs: int, alike: dict[str, float]) -> None:
    keep(
        "strangers",
        picture=query.picture,
        edit=query.edit,
        half=query.half,
        pairs=pairs,
        scores=list(alike.values()),
        nearest=max(alike, key=lambda name: alike[name], default=None),
    )


def _search(run: Run, method: Ours, edits: str, keep: Keep) -> None:
    """Search an index of the originals: what is found beside the original is false."""
    with ExitStack() as stack:
        # A crop of plain sky has no features.
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", FeaturelessWarning)
        index = stack.enter_context(sigsearch.open("memory://", scheme=method.scheme))
        times: list[float] = []
        for source, name in zip(run.chosen.originals, run.names, strict=True):
            pixels = np.asarray(_load(source))
            if not times:  # compiles
                index.add(pixels, id=name)
                index.delete([name])
            times.append(_timed(index.add, pixels, id=name)[0])
        keep(
            "method",
            note=method.note,
            default=0.0,
            describe_ms=times,
            bytes=None,
        )
        searches = []
        end = time.perf_counter() + 60 * run.settings.minutes
        for number, query in enumerate(run.queries(edits)):
            progress(f"{method.name}, {edits}: {number} queries")
            copy = query.make()
            turned = edits == "turned"
            ms, matches = _timed(index.search, np.asarray(copy.picture), all_orientations=turned)
            searches.append(ms)
            own = None if query.own is None else run.names[query.own]
            scores = {match.id: _certainty(match) for match in matches}
            if own is not None:
                found = next((match for match in matches if match.id == own), None)
                keep(
                    "copy",
                    picture=query.picture,
                    edit=query.edit,
                    score=scores.pop(own, 0.0),
                    **_boxes(copy, found),
                )
            pairs = len(run.names) - (own is not None)
            _keep_strangers(keep, query, pairs, scores)
            if time.perf_counter() > end:
                break
        keep("searched", records=len(run.names), ms=searches)


def _certainty(match: sigsearch.Match) -> float:
    """The more, the less chance alone would give such a match; above 0."""
    chance = match.expected_false
    return 20 - float(np.log10(chance)) if chance else 20.0


def _boxes(copy: Copy, match: Any) -> dict[str, Any]:
    """How well a match tells where the two show the same; a search of whole pictures tells nothing."""
    if getattr(match, "query_box", None) is None:
        return {}
    return {
        "windows": match.windows,
        "query_box": list(match.query_box),
        "box": list(match.box),
        "query_iou": iou(match.query_box, copy.inside),
        "iou": iou(match.box, copy.part),
    }


def _embedded(run: Run, method: Ours, keep: Keep) -> None:
    """Fill an embedded index with the originals and windows of strangers, and search it on one thread."""
    with tempfile.TemporaryDirectory(prefix="sigsearch-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", FeaturelessWarning)
        location = Path(folder) / "regions.sig"
        with sigsearch.open(location, scheme=method.scheme, threads=1) as index:
            index.add_many(_items(run), workers=0)
            index.compact()
        with sigsearch.open(location, scheme=method.scheme, threads=1) as index:
            keep(
                "embedded",
                records=len(index),
                bytes=index.info()["bytes"] / len(index),
                ms=_search_times(run, index),
            )


def _items(run: Run) -> Iterator[sigsearch.Item]:
    """The originals, then windows of strangers, as many as are wanted; strangers take turns."""
    for source, name in zip(run.chosen.originals, run.names, strict=True):
        yield sigsearch.Item(image=np.asarray(_load(source)), id=name)
    wanted = run.settings.records - len(run.names)
    strangers = run.chosen.strangers
    each = made.windows_of_each(max(wanted, 0), strangers)
    # So often that small pictures, which give none, may be passed over.
    rounds = range(max(0, 4 * wanted // each + 1))
    cut = (
        made.cut_windows(strangers[number % len(strangers)], each, [run.settings.seed, number])
        for number in rounds
    )
    for number, window in enumerate(islice(chain.from_iterable(cut), max(wanted, 0))):
        progress(f"embedded index: {number} of {wanted} windows")
        yield sigsearch.Item(image=window, id=f"window {number}")


def _search_times(run: Run, index: Index) -> list[float]:
    """Milliseconds of searches for copies, of all edits alike, decoded before."""
    copies = [query for query in run.queries("upright") if query.own is not None]
    some = np.random.default_rng(run.settings.seed).permutation(len(copies))[:_TIMED]
    times = []
    for number, place in enumerate(some.tolist()):
        pixels = np.asarray(copies[place].make().picture)
        if not number:
            index.search(pixels)
        times.append(_timed(index.search, pixels)[0])
    return times


def _timed(step: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[float, Any]:
    """Milliseconds of processor time, which a busy machine hardly disturbs, and the result."""
    start = time.process_time()
    result = step(*arguments, **options)
    return 1000 * (time.process_time() - start), result
