"""Index: pictures in, matches out. The only place where the core and a backend meet."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

import numpy as np
import numpy.typing as npt

from sigsearch import config, plugins, signatures
from sigsearch.backend import Backend, Capability, Known, Outcome
from sigsearch.bounds import CUTOFF, EFFORT, LIMIT, check_cutoff, check_effort, check_limit
from sigsearch.errors import (
    ClosedError,
    ImageError,
    InputError,
    RecordExistsError,
    RecordNotFoundError,
    SigsearchError,
    StorageError,
)
from sigsearch.filters import Filter, as_filter
from sigsearch.orientations import ORIENTATIONS
from sigsearch.records import (
    AddReport,
    Explanation,
    Failure,
    Item,
    Match,
    Problem,
    Record,
    View,
    check_id,
    check_metadata,
    now,
)
from sigsearch.scheme import DEFAULT_SCHEME, Scheme
from sigsearch.sources import describe, expand, is_one, known_id, path_of, ready_signatures

if TYPE_CHECKING:
    from datetime import datetime

    from sigsearch.images import ImageLike
    from sigsearch.progress import Advance
    from sigsearch.signatures import Signature
    from sigsearch.sources import Source

    Where: TypeAlias = Filter | Mapping[str, Any] | None

OnConflict: TypeAlias = Literal["error", "skip", "replace"]

ADD_BATCH = 64
"""Pictures read and then stored together: what an interruption costs at most."""
READY_BATCH = 4096
"""Ready signatures stored together: they need no reading, so to repeat them costs next to nothing."""
SEARCH_BATCH = 64

T = TypeVar("T")


class FeaturelessWarning(UserWarning):
    """A query without features, which matches nothing."""


def open(
    location: str | os.PathLike[str] | None = None,
    *,
    scheme: Scheme | None = None,
    create: bool = True,
    **options: Any,
) -> Index:
    """Open an index, creating it if it does not exist.

    Parameters
    ----------
    location : str or path, optional
        A path for the embedded index, or ``scheme://…`` for another backend: ``memory://``. Default:
        what the environment variable SIGSEARCH_INDEX or a configuration file says, see `sigsearch.config`.
    scheme : Scheme, optional
        How signatures and words are made; an index made with another is refused. Default: signatures of the
        default scheme, with whatever words the index finds them by.
    create : bool
        If False, an index that does not exist is an error.
    **options
        Settings of the backend.

    Returns
    -------
    Index
        Also a context manager, which closes it.

    Raises
    ------
    ConfigError, PluginError, BackendError
        See `sigsearch.errors`.
    """
    if location is None:
        found = config.find_config()
        location, options = found.location, {**found.options, **options}
        scheme = scheme or found.scheme
        if create and plugins.location_scheme(location) == plugins.DEFAULT_SCHEME:
            _make_folder(Path(location).parent)
    elif not isinstance(location, (str, os.PathLike)) or not os.fspath(location):
        raise InputError(f"wanted a path or a location such as 'memory://', found {location!r}")
    if scheme is not None and not isinstance(scheme, Scheme):
        raise InputError(f"wanted a Scheme, found {scheme!r}")
    location = os.fspath(location)
    backend_class = plugins.discover().load(plugins.location_scheme(location))
    backend = backend_class.open(
        location, scheme=scheme or backend_class.default_scheme, create=create, options=options
    )
    shown = plugins.without_password(location)
    try:
        (scheme or DEFAULT_SCHEME.with_words_of(backend.scheme)).check_same(backend.scheme, shown)
    except SigsearchError:
        backend.close()
        raise
    return Index(backend, shown)


class Index:
    """Pictures and the search for their copies. Made by `sigsearch.open`; several threads may share it."""

    def __init__(self, backend: Backend, location: str) -> None:
        self.location = location
        self._scheme = backend.scheme
        self._open_backend: Backend | None = backend

    def __repr__(self) -> str:
        return f"<sigsearch index at {self.location!r}{', closed' * (self._open_backend is None)}>"

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return True  # an empty index is an index

    @property
    def scheme(self) -> Scheme:
        """How its signatures and words are made."""
        return self._scheme

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What its backend can do beyond the least."""
        return self._backend.capabilities

    @property
    def _backend(self) -> Backend:
        if self._open_backend is None:
            raise ClosedError(f"the index at {self.location} was closed; open it again with sigsearch.open()")
        return self._open_backend

    def close(self) -> None:
        """Give back all resources; every later call but this one raises `ClosedError`."""
        if self._open_backend is not None:
            self._open_backend.close()
            self._open_backend = None

    # Putting in

    def add(
        self,
        image: Source | None = None,
        *,
        id: str | None = None,
        path: str | None = None,
        metadata: Any = None,
        signature: Signature | None = None,
        on_conflict: OnConflict = "error",
    ) -> str:
        """Add one picture.

        Parameters
        ----------
        image : path, URL, bytes, file object, PIL image, array, Item or Record
            An int8 array of shape (648,) is taken as its signature.
        id, path, metadata, signature
            See `Item`; with an Item they take the place of its own.
        on_conflict : 'error', 'skip' or 'replace'
            What to do if the id is there already.

        Returns
        -------
        str
            The id.

        Raises
        ------
        ImageError
            The picture cannot be read.
        RecordExistsError
            The id is there already and `on_conflict` is 'error'.
        InputError, MetadataError
            The id or the metadata cannot be stored.
        """
        _check_on_conflict(on_conflict)
        backend = self._backend
        given = {"id": id, "path": path, "metadata": metadata, "signature": signature}
        source = image if isinstance(image, (Item, Record)) else Item(image=image)
        if isinstance(source, Record) and signature is not None:
            raise InputError("wanted a Record or a signature, found both")
        source = replace(source, **{name: value for name, value in given.items() if value is not None})
        record = self._make_record(source, known_id(source), self._as_signature, now())
        [outcome] = backend.add([record], replace=on_conflict == "replace")
        if outcome is Outcome.KEPT and on_conflict == "error":
            raise RecordExistsError([record.id])
        return record.id

    def add_many(
        self,
        sources: Iterable[Source] | Source,
        *,
        on_conflict: OnConflict = "skip",
        progress: bool = False,
        on_advance: Advance | None = None,
    ) -> AddReport:
        """Add many pictures; one that cannot be read does not stop the others.

        Parameters
        ----------
        sources : iterable of paths, pictures, Items or Records, or one path
            A folder stands for all the pictures in it and below. With 'skip', pictures whose id is
            there are not read again, so an interrupted call can simply be repeated.
        on_conflict : 'skip', 'replace' or 'error'
            What to do with a picture whose id is there already; 'error' counts it as a failure.
        progress : bool
            Show a progress bar, if standard error is a terminal.
        on_advance : callable, optional
            Called after each batch that was stored.

        Returns
        -------
        AddReport
        """
        _check_on_conflict(on_conflict)
        backend = self._backend
        report = AddReport()
        failures: list[Failure] = []
        done = 0
        with _progress_bar(sources, on=progress) as (expanded, bar):
            for batch, ready in self._add_batches(expanded):
                as_signature = self._signature_check(ready)
                report = self._add_batch(backend, batch, as_signature, on_conflict, report, failures)
                done += len(batch)
                for advance in (bar, on_advance):
                    if advance is not None:
                        advance(report, done)
        return replace(report, failures=tuple(failures))

    def _add_batches(self, sources: Iterable[Source]) -> Iterator[tuple[list[Source], list[Any]]]:
        """Sources in order, until there are enough pictures to read or ready signatures; and the latter."""
        batch: list[Source] = []
        ready: list[Any] = []
        to_read = 0
        for source in sources:
            batch.append(source)
            found = ready_signatures(source, self._scheme)
            ready += found
            to_read += not found
            if to_read >= ADD_BATCH or len(ready) >= READY_BATCH:
                yield batch, ready
                batch, ready, to_read = [], [], 0
        if batch:
            yield batch, ready

    def _add_batch(
        self,
        backend: Backend,
        batch: Sequence[Source],
        as_signature: Callable[[Any], Signature],
        on_conflict: OnConflict,
        report: AddReport,
        failures: list[Failure],
    ) -> AddReport:
        """Add a batch, and to the failures those in it; the report so far and this batch's together."""
        ids = [known_id(source) for source in batch]
        # Asked first for the pictures' sake, which then need not be read; of what is ready `add` tells.
        to_read = [
            id
            for source, id in zip(batch, ids, strict=True)
            if id and not ready_signatures(source, self._scheme)
        ]
        there = backend.contains(to_read) if to_read and on_conflict != "replace" else ()
        time = now()
        records: list[Record] = []
        kept: list[str] = []
        for source, id in zip(batch, ids, strict=True):
            if id is not None and id in there:
                kept.append(id)
                continue
            try:
                records.append(self._make_record(source, id, as_signature, time))
            except (ImageError, InputError) as error:
                name = error.source if isinstance(error, ImageError) else describe(source)
                reason = error.reason if isinstance(error, ImageError) else str(error)
                failures.append(Failure(name, reason))
        outcomes = backend.add(records, replace=on_conflict == "replace") if records else []
        stored = [r for r, o in zip(records, outcomes, strict=True) if o is not Outcome.KEPT]
        kept += [r.id for r, o in zip(records, outcomes, strict=True) if o is Outcome.KEPT]
        if on_conflict == "error":
            failures += [Failure(id, "the id is in the index already") for id in kept]
        return AddReport(
            added=report.added + outcomes.count(Outcome.ADDED),
            replaced=report.replaced + outcomes.count(Outcome.REPLACED),
            skipped=report.skipped + (len(kept) if on_conflict == "skip" else 0),
            failures=_SoFar(failures),
            featureless=report.featureless + _count_featureless(stored),
        )

    def _signature_check(self, ready: Iterable[Any]) -> Callable[[Any], Signature]:
        """What checks each ready signature of a batch: those of int8 are looked at here, all in one."""
        int8 = [signature for signature in ready if signatures.is_signature(signature, self._scheme)]
        if not int8:
            return self._as_signature
        try:
            signatures.as_signatures(np.concatenate(int8).reshape(len(int8), -1), self._scheme)
        except InputError:
            return self._as_signature  # one by one, to say which is wrong
        # By identity, for to look at each again would take as long; the arrays are kept, so no other has it.
        checked = {id(signature): signature for signature in int8}
        return lambda values: (
            np.ascontiguousarray(values) if id(values) in checked else self._as_signature(values)
        )

    def _as_signature(self, values: Any) -> Signature:
        return signatures.as_signatures(values, self._scheme, ndim=1)

    def _make_record(
        self, source: Source, id: str | None, as_signature: Callable[[Any], Signature], time: datetime
    ) -> Record:
        """The record of a source whose `known_id` is this."""
        if isinstance(source, Record):
            if not source.views:
                raise InputError(f"wanted a record with at least one view, found none in {source.id!r}")
            views = tuple(View(as_signature(view.signature), view.box) for view in source.views)
            id = id or check_id(source.id)
            return Record(id, views, source.path, check_metadata(source.metadata), source.timestamp)
        item = source if isinstance(source, Item) else Item(image=source)
        metadata = check_metadata(item.metadata)
        if item.id is not None and id is None:
            check_id(item.id)  # says what is wrong with it
        if item.path is not None and not isinstance(item.path, str):
            raise InputError(f"wanted a path that is a string, found {item.path!r}")
        if item.signature is not None:
            if item.image is not None:
                raise InputError("wanted an image or a signature, found both")
            signature = as_signature(item.signature)
        elif item.image is None:
            raise InputError("wanted an image or a signature, found neither")
        elif signatures.is_signature(item.image, self._scheme):
            signature = as_signature(item.image)
        else:
            signature = signatures.compute_signature(item.image, scheme=self._scheme)
        path = path_of(item)
        id = id or "signature:" + hashlib.sha256(signature.tobytes()).hexdigest()
        try:
            (path or "").encode()
        except UnicodeEncodeError as error:
            raise InputError(f"the path {path!r} is not valid Unicode; give an id and a path") from error
        return Record(id, (View(signature),), path, metadata, time)

    def delete(self, ids: str | Iterable[str]) -> int:
        """Delete records by id; ids that are not there are passed over.

        Returns
        -------
        int
            How many were deleted.
        """
        return self._backend.delete(_ids(ids))

    def delete_where(self, where: Filter | Mapping[str, Any]) -> int:
        """Delete the records whose metadata a filter is true of; ``And()`` is true of all.

        Returns
        -------
        int
            How many were deleted.
        """
        wanted = as_filter(where)
        if wanted is None:
            raise InputError("wanted a filter of what to delete, found None; And() is true of all records")
        backend = self._backend
        doomed = _batches((record.id for record in backend.scan(wanted)), READY_BATCH)
        return sum(backend.delete(ids) for ids in doomed)

    # Getting out

    def get(self, id: str) -> Record | None:
        """The record of an id, or None."""
        return self._backend.get([check_id(id)])[0]

    def contains(self, ids: str | Iterable[str]) -> set[str]:
        """Which of these ids are there."""
        return self._backend.contains(_ids(ids))

    def count(self, where: Where = None) -> int:
        """How many records there are, or how many a filter is true of."""
        return self._backend.count(as_filter(where))

    def scan(self, where: Where = None) -> Iterator[Record]:
        """All records, or those a filter is true of; ``target.add_many(source.scan())`` copies an index."""
        return self._backend.scan(as_filter(where))

    def refresh(self) -> None:
        """See what other processes have stored since."""
        self._backend.refresh()

    def info(self) -> dict[str, Any]:
        """What a person would want to know of it, as JSON."""
        backend = self._backend
        return {
            "location": self.location,
            "records": backend.count(),
            "scheme": self._scheme.to_json(),
            "capabilities": sorted(capability.value for capability in backend.capabilities),
            **backend.info(),
        }

    # Upkeep

    def compact(self) -> None:
        """Give back the space of records that were deleted or replaced; nothing else changes."""
        self._backend.compact()

    def check(self) -> list[str]:
        """Look for damage; every record is read, and nothing is changed.

        Returns
        -------
        list of str
            A line for each problem: what is damaged, and what of it can be saved. Empty if all is sound.
        """
        return list(self._backend.check())

    def examine(self, known: Known | None = None) -> Iterator[Record | Problem]:
        """Every record once: what is whole as itself, what is damaged as a `Problem`; nothing is changed.

        Parameters
        ----------
        known : callable, optional
            Given several ids, tells those whose records are not wanted.
        """
        return self._backend.examine(known)

    def salvage(self) -> Iterator[Record]:
        """Every record that can still be read whole; ``target.add_many(damaged.salvage())`` copies them.

        What is damaged is passed over; a backend that cannot read on behind it raises `BackendError`
        there.
        """
        return self._backend.salvage()

    # Searching

    def search(
        self,
        image: ImageLike,
        *,
        all_orientations: bool = False,
        cutoff: float = CUTOFF,
        limit: int | None = LIMIT,
        where: Where = None,
        effort: int = EFFORT,
    ) -> list[Match]:
        """Find the copies of a picture.

        Parameters
        ----------
        image : path, URL, bytes, file object, PIL image or array
            An int8 array of shape (648,) is taken as its signature.
        all_orientations : bool
            Also find copies turned by quarter turns, mirrored, inverted, or all of it.
        cutoff : float
            Matches have a distance below it; 0 to 1.
        limit : int or None
            At most so many matches, the nearest; None for all.
        where : Filter or mapping, optional
            Only records whose metadata it is true of.
        effort : int
            From 1, quickest, to 5, thorough: how hard a backend looks that finds candidates by words, as
            Elasticsearch does. One that compares with every record, as the embedded one, misses nothing
            anyway.

        Returns
        -------
        list of Match
            Nearest first, each id once, with its best orientation and distance.

        Warns
        -----
        FeaturelessWarning
            The picture has no features and matches nothing.

        Raises
        ------
        ImageError
            The picture cannot be read.
        InputError
            An argument out of its range; a signature with all_orientations.
        """
        return self.search_many(
            [image],
            all_orientations=all_orientations,
            cutoff=cutoff,
            limit=limit,
            where=where,
            effort=effort,
        )[0]

    def search_many(
        self,
        images: Iterable[ImageLike],
        *,
        all_orientations: bool = False,
        cutoff: float = CUTOFF,
        limit: int | None = LIMIT,
        where: Where = None,
        effort: int = EFFORT,
    ) -> list[list[Match]]:
        """Find the copies of many pictures: a list of matches for each, as `search` gives them."""
        if isinstance(images, (str, bytes, os.PathLike)):
            raise InputError(f"wanted several pictures, found one: {describe(images)}; use search")
        if not isinstance(images, Iterable):
            raise InputError(f"wanted several pictures, found {images!r}")
        check_cutoff(cutoff)
        check_limit(limit)
        check_effort(effort)
        wanted = as_filter(where)
        backend = self._backend
        results: list[list[Match]] = []
        for batch in _batches(images, SEARCH_BATCH):
            queries = [self._query(image, all_orientations) for image in batch]
            results += self._search_batch(backend, queries, cutoff, limit, wanted, effort)
        return results

    def _query(self, image: ImageLike, all_orientations: bool) -> npt.NDArray[np.int8]:
        """The signatures to search for: (1, 648), (16, 648), or (0, 648) for want of features."""
        if all_orientations:
            query = signatures.compute_orientations(image, scheme=self._scheme)
        else:
            query = signatures.compute_signature(image, scheme=self._scheme)[np.newaxis]
        if query.any():
            return query
        warnings.warn(
            f"{describe(image)} has no features, so it matches nothing", FeaturelessWarning, stacklevel=4
        )
        return query[:0]

    def _search_batch(
        self,
        backend: Backend,
        queries: Sequence[npt.NDArray[np.int8]],
        cutoff: float,
        limit: int | None,
        where: Filter | None,
        effort: int,
    ) -> list[list[Match]]:
        every = np.concatenate(queries)
        found = iter(
            backend.candidates(every, where=where, cutoff=cutoff, limit=limit, effort=effort)
            if len(every)
            else ()
        )
        best: list[list[_Rescored]] = []
        for query in queries:
            nearest: dict[str, _Rescored] = {}
            for orientation, signature in enumerate(query):
                for rescored in _rescore(signature, orientation, next(found), cutoff, self._scheme):
                    if rescored.id not in nearest or rescored < nearest[rescored.id]:
                        nearest[rescored.id] = rescored
            best.append(sorted(nearest.values())[:limit])
        records = {each.id: each.record for rescoreds in best for each in rescoreds}
        if missing := [id for id, record in records.items() if record is None]:
            records.update(zip(missing, backend.get(missing), strict=True))
        return [
            [
                rescored.match(record)
                for rescored in rescoreds
                if (record := records[rescored.id]) is not None  # deleted a moment ago
            ]
            for rescoreds in best
        ]

    def explain(
        self,
        image: ImageLike,
        id: str,
        *,
        all_orientations: bool = False,
        cutoff: float = CUTOFF,
        limit: int | None = LIMIT,
        where: Where = None,
        effort: int = EFFORT,
    ) -> Explanation:
        """Say why a search with these arguments finds one record or not, and what would change it.

        Raises
        ------
        RecordNotFoundError
            No record of this id is there.
        """
        from sigsearch.explain import explain

        check_cutoff(cutoff)
        check_limit(limit)
        check_effort(effort)
        wanted, backend = as_filter(where), self._backend
        record = self.get(id)
        if record is None:
            raise RecordNotFoundError(
                f"no record {id!r} in the index at {self.location}; 'sigsearch list' shows the ids"
            )
        if signatures.is_signature(image, self._scheme) and not all_orientations:
            queries = signatures.compute_signature(image, scheme=self._scheme)[np.newaxis]
        else:
            queries = signatures.compute_orientations(image, scheme=self._scheme)
        searched = queries if all_orientations else queries[:1]
        matches: list[Match] = []
        if searched.any():
            [matches] = self._search_batch(backend, [searched], cutoff, limit, wanted, effort)
        return explain(
            backend,
            queries,
            record,
            found=any(match.id == id for match in matches),
            all_orientations=all_orientations,
            cutoff=cutoff,
            limit=limit,
            where=wanted,
            effort=effort,
        )


@dataclass(frozen=True, slots=True, order=True)
class _Rescored:
    """A candidate with its exact distance; the order is that of matches."""

    distance: float
    id: str
    orientation: int
    view: int
    word_matches: int
    record: Record | None = field(compare=False)

    def match(self, record: Record) -> Match:
        return Match(
            self.distance,
            self.id,
            record.path,
            record.metadata,
            ORIENTATIONS[self.orientation],
            self.word_matches,
            record.views[self.view].box,
        )


def _rescore(
    signature: Signature,
    orientation: int,
    candidates: Sequence[Any],
    cutoff: float,
    scheme: Scheme,
) -> list[_Rescored]:
    if not candidates:
        return []
    stored = np.stack([candidate.signature for candidate in candidates])
    apart = signatures.distances(signature, stored, scheme=scheme)
    near = np.flatnonzero(apart < cutoff)
    shared = signatures.encode_words(stored[near], scheme=scheme) == signatures.encode_words(
        signature, scheme=scheme
    )
    return [
        _Rescored(
            float(apart[i]),
            candidates[i].id,
            orientation,
            candidates[i].view,
            int(matches),
            candidates[i].record,
        )
        for i, matches in zip(near.tolist(), shared.sum(axis=1), strict=True)
    ]


# Arguments


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot make the folder {folder} for the index: {error.strerror}; "
            "name another index, or set SIGSEARCH_INDEX"
        ) from error


def _check_on_conflict(on_conflict: str) -> str:
    if on_conflict not in ("error", "skip", "replace"):
        raise InputError(f"wanted on_conflict 'error', 'skip' or 'replace', found {on_conflict!r}")
    return on_conflict


class _SoFar(Sequence[Failure]):
    """The failures that a growing list has now; a copy of them for each batch would cost their square."""

    def __init__(self, failures: list[Failure]) -> None:
        self._failures = failures
        self._places = range(len(failures))

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, where: int) -> Failure: ...
    @overload
    def __getitem__(self, where: slice) -> Sequence[Failure]: ...
    def __getitem__(self, where: int | slice) -> Failure | Sequence[Failure]:
        if isinstance(where, slice):
            return tuple(self._failures[place] for place in self._places[where])
        return self._failures[self._places[where]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(tuple(self))


def _count_featureless(records: Sequence[Record]) -> int:
    """How many have no features. A look at all signatures in one leaves few to be asked one by one."""
    if not records:
        return 0
    first = np.concatenate([record.views[0].signature for record in records]).reshape(len(records), -1)
    return sum(records[i].featureless for i in np.flatnonzero(~first.any(axis=1)).tolist())


def _ids(ids: str | Iterable[str]) -> list[str]:
    if not isinstance(ids, Iterable):
        raise InputError(f"wanted an id or several, found {ids!r}")
    return [check_id(id) for id in ([ids] if isinstance(ids, str) else ids)]


def _batches(sources: Iterable[T], size: int) -> Iterator[list[T]]:
    sources = iter(sources)
    while batch := list(islice(sources, size)):
        yield batch


@contextmanager
def _progress_bar(
    sources: Iterable[Source] | Source, *, on: bool
) -> Iterator[tuple[Iterable[Source], Advance | None]]:
    """The sources, expanded, and what to tell of the progress."""
    expanded: Iterable[Source] = expand(sources)
    if on:
        from sigsearch.progress import adding_bar

        if is_one(sources) or isinstance(sources, Sequence):
            expanded = list(expanded)  # to know how many there are
        total = len(expanded) if isinstance(expanded, list) else None
        with adding_bar(total) as advance:
            yield expanded, advance
    else:
        yield expanded, None
