"""Index: pictures in, matches out. The only place where the core and a backend meet."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from sigsearch import config, plugins, signatures
from sigsearch.adding import Journal, OnConflict, Pipeline, draft_of, look_for_vanished, ready_record
from sigsearch.backend import Backend, Capability, Known, Outcome
from sigsearch.batches import batched
from sigsearch.bounds import (
    CUTOFF,
    EFFORT,
    LIMIT,
    SAMPLES,
    check_cutoff,
    check_effort,
    check_limit,
)
from sigsearch.certainty import Certainty
from sigsearch.errors import (
    ClosedError,
    InputError,
    RecordExistsError,
    RecordNotFoundError,
    SigsearchError,
    StorageError,
)
from sigsearch.filters import Filter, as_filter
from sigsearch.images import read_picture
from sigsearch.limits import DEFAULT_LIMITS, Limits
from sigsearch.orientations import ORIENTATIONS
from sigsearch.progress import Meter
from sigsearch.reading.archives import Member
from sigsearch.records import (
    AddReport,
    Box,
    Explanation,
    Item,
    Match,
    Problem,
    Record,
    View,
    check_id,
    now,
)
from sigsearch.scheme import DEFAULT_SCHEME, Scheme
from sigsearch.sources import Place, describe, expand, is_one, known_id
from sigsearch.views import compute_views

if TYPE_CHECKING:
    from sigsearch.calibration import Calibration
    from sigsearch.images import ImageLike
    from sigsearch.progress import Advance
    from sigsearch.signatures import Signature
    from sigsearch.sources import Source

    Where: TypeAlias = Filter | Mapping[str, Any] | None

_AddConflict: TypeAlias = Literal["error", "skip", "replace"]
Vanished: TypeAlias = Literal["ignore", "report", "prune"]

DELETE_BATCH = 4096
SEARCH_BATCH = 64


class FeaturelessWarning(UserWarning):
    """A query without features, which matches nothing."""


def open(
    location: str | os.PathLike[str] | None = None,
    *,
    scheme: Scheme | None = None,
    views: Literal["whole", "regions"] | None = None,
    create: bool = True,
    limits: Limits | None = None,
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
        default scheme, with whatever words the index finds them by, of the views that the index has, and of
        pictures decoded as it has it.
    views : 'whole' or 'regions', optional
        What of a picture is signed, instead of what the scheme says: with ``"regions"`` also windows of
        it, so that its crops are found, and it in collages. See docs/regions.md for what that costs.
    create : bool
        If False, an index that does not exist is an error.
    limits : Limits, optional
        What the pictures that are added or searched for may cost to read, and where they may come from.
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
        scheme, limits = scheme or found.scheme, limits or found.limits
        if create and plugins.location_scheme(location) == plugins.DEFAULT_SCHEME:
            _make_folder(Path(location).parent)
    elif not isinstance(location, (str, os.PathLike)) or not os.fspath(location):
        raise InputError(f"wanted a path or a location such as 'memory://', found {location!r}")
    if scheme is not None and not isinstance(scheme, Scheme):
        raise InputError(f"wanted a Scheme, found {scheme!r}")
    if limits is not None and not isinstance(limits, Limits):
        raise InputError(f"wanted Limits, found {limits!r}")
    location = os.fspath(location)
    shown = plugins.without_password(location)
    backend_class = plugins.discover().load(plugins.location_scheme(location))
    asked = _with_views(scheme or backend_class.default_scheme, views)
    # Before it is opened: an index that is made and then refused would be in the way.
    if asked.views == "regions" and Capability.VIEWS not in backend_class.capabilities:
        raise InputError(f"{shown} keeps one view of a picture, so it can have no regions")
    backend = backend_class.open(location, scheme=asked, create=create, options=options)
    try:
        _with_views(scheme or _usual(backend.scheme), views).check_same(backend.scheme, shown)
    except SigsearchError:
        backend.close()
        raise
    return Index(backend, shown, limits or DEFAULT_LIMITS)


class Index:
    """Pictures and the search for their copies. Made by `sigsearch.open`; several threads may share it."""

    def __init__(self, backend: Backend, location: str, limits: Limits = DEFAULT_LIMITS) -> None:
        self.location = location
        self.limits = limits
        self._scheme = backend.scheme
        self._open_backend: Backend | None = backend
        self._certainty = Certainty(backend)

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
        on_conflict: _AddConflict = "error",
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
        if on_conflict not in get_args(_AddConflict):
            raise InputError(f"wanted on_conflict 'error', 'skip' or 'replace', found {on_conflict!r}")
        backend = self._backend
        given = {"id": id, "path": path, "metadata": metadata, "signature": signature}
        source = image if isinstance(image, (Item, Record)) else Item(image=image)
        if isinstance(source, Record) and signature is not None:
            raise InputError("wanted a Record or a signature, found both")
        source = replace(source, **{name: value for name, value in given.items() if value is not None})
        record = self._make_record(source)
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
        workers: int | None = None,
        journal: str | os.PathLike[str] | None = None,
        retry_failed: bool = False,
        once: bool = False,
        vanished: Vanished = "ignore",
    ) -> AddReport:
        """Add many pictures; one that cannot be read does not stop the others.

        Pictures that are encoded are decoded in processes of their own, as many as there are processors. One
        that crashes its decoder, takes longer than `Limits.seconds` or more memory than `Limits.memory` is a
        failure like others.

        Parameters
        ----------
        sources : iterable of paths, pictures, Items or Records, or one path
            A folder stands for all the pictures in it and below, an archive (zip, tar) for those in it, a
            pattern such as ``photos/**/*.jpg`` for what it matches, an address that ends with ``/`` in an
            object store (``s3://bucket/photos/``) for those below it.
        on_conflict : 'skip', 'update', 'replace' or 'error'
            What to do with a picture whose id is there already. With 'skip' it is not read again, so an
            interrupted call can simply be repeated; with 'update' it is if its file has changed since it was
            added, and keeps its metadata if none are given; 'error' counts it as a failure.
        progress : bool
            Show a progress bar, if standard error is a terminal, else a line every ten seconds.
        on_advance : callable, optional
            Called after each step with the report so far and how many sources it covers.
        workers : int, optional
            Processes that decode; 0 decodes in this one, where nothing holds a decoder to its limits.
        journal : path, optional
            A file of failures, one JSON object a line with ``source``, ``reason``, ``stamp`` and ``time``,
            which is kept from call to call. What stands there and has not changed is not read again, but
            reported as it was.
        retry_failed : bool
            Read again what stands in the journal.
        once : bool
            Of files of the same content read only the first; each is added.
        vanished : 'ignore', 'report' or 'prune'
            Whether to look for records of these folders and archives whose file is no longer there, and to
            delete them. Where no picture is found at all, none is deleted: the disk may not be mounted.

        Returns
        -------
        AddReport

        Raises
        ------
        WorkerError
            The processes cannot be started.
        """
        if on_conflict not in get_args(OnConflict):
            wanted = "'error', 'skip', 'update' or 'replace'"
            raise InputError(f"wanted on_conflict {wanted}, found {on_conflict!r}")
        if workers is not None and (type(workers) is not int or workers < 0):
            raise InputError(f"wanted workers as a whole number from 0, found {workers!r}")
        backend = self._backend
        places: list[Place] = []
        with (
            nullcontext() if journal is None else closing(Journal(journal)) as failures,
            Meter("adding", "pictures", on=progress) as meter,
        ):
            pipeline = Pipeline(
                backend,
                scheme=self._scheme,
                limits=self.limits,
                on_conflict=on_conflict,
                workers=workers,
                journal=failures,
                retry_failed=retry_failed,
                once=once,
                advance=[meter.advance] if on_advance is None else [meter.advance, on_advance],
                note=meter.note,
            )
            expanded: Iterable[Source] = expand(sources, self.limits, places)
            if meter.is_bar and (is_one(sources) or isinstance(sources, Sequence)):
                expanded, meter.total = _counted(expanded)
            report = pipeline.run(expanded)
            if vanished != "ignore":
                report = look_for_vanished(backend, places, report, prune=vanished == "prune")
        return report

    def _make_record(self, source: Item | Record) -> Record:
        """The record of one source, which is read here."""

        def as_signature(values: Any) -> Signature:
            return signatures.as_signatures(values, self._scheme, ndim=1)

        id = known_id(source)
        if isinstance(source, Record):
            return ready_record(source, id, as_signature)
        draft = draft_of(source, id, now())
        if source.signature is not None:
            return draft.record((View(as_signature(source.signature)),))
        image: Any = source.image
        return draft.record(compute_views(image, scheme=self._scheme, limits=self.limits))

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
        doomed = batched((record.id for record in backend.scan(wanted)), DELETE_BATCH)
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

    def calibrate(
        self,
        *,
        cutoffs: Sequence[float] | None = None,
        samples: int = SAMPLES,
        seed: int = 0,
        progress: bool = False,
    ) -> Calibration:
        """Tell how many false matches each cutoff lets through in this index, to choose one by.

        All records are read, up to 200,000 drawn from them are compared with the mirror images of up to
        `samples` of these: mirrored photographs are like photographs, but copies of nothing. See
        `sigsearch.calibration` for what counts, and docs/cutoff.md for how right that turned out. What it
        takes for false matches are also mirrored copies, if the index holds such. Of an index of regions
        the whole pictures are compared.

        Parameters
        ----------
        cutoffs : sequence of float, optional
            0 to 1. Default: 0.10, 0.15 and so on up to 0.60.
        samples : int
            Pictures to ask with, at most; 50 or more.
        seed : int
            Of what is drawn, from 0.
        progress : bool
            Show a progress bar, if standard error is a terminal, else a line every ten seconds.

        Returns
        -------
        Calibration

        Raises
        ------
        InputError
            An argument out of its range; fewer than 50 records with features, or that differ from their
            mirror image.
        """
        from sigsearch import calibration

        backend = self._backend
        records = backend.scan()
        if self._scheme.views == "regions":  # windows match by their agreement, not by a cutoff
            records = (replace(record, views=record.views[:1]) for record in records)
        return calibration.calibrate(
            records,
            self._scheme.grid_size,
            cutoffs=calibration.CUTOFFS if cutoffs is None else cutoffs,
            samples=samples,
            seed=seed,
            total=backend.count() if progress else None,
            progress=progress,
        )

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
        max_false: float | None = None,
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
            anyway. In an index of regions also how many windows of the query are looked for.
        max_false : float, optional
            Only matches of which chance alone would give no more than this as near: 0.01 is one in a hundred
            such searches. See `Match.expected_false`.

        Returns
        -------
        list of Match
            Nearest first, each id once, with its best orientation and distance.

        Warns
        -----
        FeaturelessWarning
            The picture has no features and matches nothing.
        PlainWarning
            The picture is so plain that chance alone gives many of the matches.

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
            max_false=max_false,
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
        max_false: float | None = None,
    ) -> list[list[Match]]:
        """Find the copies of many pictures: a list of matches for each, as `search` gives them."""
        if isinstance(images, (str, bytes, os.PathLike)):
            raise InputError(f"wanted several pictures, found one: {describe(images)}; use search")
        if not isinstance(images, Iterable):
            raise InputError(f"wanted several pictures, found {images!r}")
        check_cutoff(cutoff)
        check_limit(limit)
        check_effort(effort)
        self._certainty.check(max_false)
        wanted = as_filter(where)
        backend = self._backend
        results: list[list[Match]] = []
        if self._scheme.views == "regions":
            for image in images:
                matches = self._search_regions(
                    backend, image, all_orientations, cutoff, limit, wanted, effort
                )
                results.append([match for match in matches if _is_certain(match, max_false)])
            return results
        for batch in batched(images, SEARCH_BATCH):
            queries = [self._query(image, all_orientations) for image in batch]
            found = self._search_batch(backend, queries, cutoff, limit, wanted, effort)
            results += self._certainty.judge(
                batch,
                [query.signatures for query in queries],
                found,
                cutoff=cutoff,
                max_false=max_false,
                where=wanted,
            )
        return results

    def _query(self, image: ImageLike, all_orientations: bool) -> _Query:
        """What to search for: nothing, with a warning, for want of features."""
        views = signatures.compute_query_views(
            image, scheme=self._scheme, limits=self.limits, all_orientations=all_orientations
        )
        query = _Query.of(views)
        if not len(query.signatures):
            _warn_featureless(image)
        return query

    def _search_regions(
        self,
        backend: Backend,
        image: ImageLike,
        all_orientations: bool,
        cutoff: float,
        limit: int | None,
        where: Filter | None,
        effort: int,
    ) -> list[Match]:
        from sigsearch import regions

        if signatures.is_signature(image, self._scheme):  # which has no windows
            queries = [self._query(image, all_orientations)]
            return self._search_batch(backend, queries, cutoff, limit, where, effort)[0]
        query = regions.Query.of(
            image,
            self._scheme,
            limits=self.limits,
            all_orientations=all_orientations,
            effort=effort,
        )
        if not query.signatures.any():
            _warn_featureless(image)
            return []
        return regions.search(
            backend,
            query,
            cutoff=cutoff,
            limit=limit,
            where=where,
            effort=effort,
            chance=self._certainty.chance(where),
        )

    def _search_batch(
        self,
        backend: Backend,
        queries: Sequence[_Query],
        cutoff: float,
        limit: int | None,
        where: Filter | None,
        effort: int,
    ) -> list[list[Match]]:
        every = np.concatenate([query.signatures for query in queries])
        found = iter(
            backend.candidates(every, where=where, cutoff=cutoff, limit=limit, effort=effort)
            if len(every)
            else ()
        )
        best: list[list[_Rescored]] = []
        for query in queries:
            nearest: dict[str, _Rescored] = {}
            for row, signature in enumerate(query.signatures):
                for rescored in _rescore(signature, row, next(found), cutoff, self._scheme):
                    if rescored.id not in nearest or rescored < nearest[rescored.id]:
                        nearest[rescored.id] = rescored
            best.append(sorted(nearest.values())[:limit])
        records = {each.id: each.record for rescoreds in best for each in rescoreds}
        if missing := [id for id, record in records.items() if record is None]:
            records.update(zip(missing, backend.get(missing), strict=True))
        return [
            [
                rescored.match(record, query)
                for rescored in rescoreds
                if (record := records[rescored.id]) is not None  # deleted a moment ago
            ]
            for rescoreds, query in zip(best, queries, strict=True)
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
        ready = signatures.is_signature(image, self._scheme)
        by_regions = self._scheme.views == "regions" and not ready
        alone = None
        if by_regions:
            from sigsearch import regions

            picture = read_picture(image, limits=self.limits, decode_side=self._scheme.decode_side)
            asked, turned = (
                regions.Query(picture, self._scheme, all_orientations=turned, effort=effort)
                for turned in (all_orientations, True)
            )
            chance = self._certainty.chance(wanted)
            matches = regions.search(
                backend, asked, cutoff=cutoff, limit=limit, where=wanted, effort=effort, chance=chance
            )
            alone = regions.search_one(record, turned, cutoff=cutoff, chance=chance)
            parts = [turned.signatures[:, 0]]
        else:
            views = signatures.compute_query_views(
                image, scheme=self._scheme, limits=self.limits, all_orientations=all_orientations or not ready
            )
            query = _Query.of(views if all_orientations else [(rows[:1], box) for rows, box in views])
            matches = []
            if len(query.signatures):
                [matches] = self._search_batch(backend, [query], cutoff, limit, wanted, effort)
            parts = [rows for rows, _ in views]
        return explain(
            backend,
            np.stack(parts),
            record,
            match=next((match for match in matches if match.id == id), None),
            by_regions=by_regions,
            alone=alone,
            all_orientations=all_orientations,
            cutoff=cutoff,
            limit=limit,
            where=wanted,
            effort=effort,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Query:
    """What is searched for: a picture and what is inside its borders, in one or all orientations.

    Attributes
    ----------
    signatures : ndarray of int8, shape (rows, 648)
        Those with features.
    orientations : list of str
        Of each row.
    boxes : list of Box
        Of each row, in the picture as it is.
    """

    signatures: npt.NDArray[np.int8]
    orientations: list[str]
    boxes: list[Box]

    @classmethod
    def of(cls, views: Sequence[tuple[npt.NDArray[np.int8], Box]]) -> _Query:
        """From what `compute_query_views` gives."""
        every = np.concatenate([rows for rows, _ in views])
        featured = np.flatnonzero(every.any(axis=1)).tolist()
        names = [ORIENTATIONS[k] for rows, _ in views for k in range(len(rows))]
        boxes = [box for rows, box in views for _ in rows]
        return cls(every[featured], [names[k] for k in featured], [boxes[k] for k in featured])


@dataclass(frozen=True, slots=True, order=True)
class _Rescored:
    """A candidate with its exact distance; the order is that of matches."""

    distance: float
    id: str
    row: int
    view: int
    word_matches: int
    record: Record | None = field(compare=False)

    def match(self, record: Record, query: _Query) -> Match:
        return Match(
            self.distance,
            self.id,
            record.path,
            record.metadata,
            query.orientations[self.row],
            self.word_matches,
            record.views[self.view].box,
            query.boxes[self.row],
        )


def _rescore(
    signature: Signature,
    row: int,
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
            row,
            candidates[i].view,
            int(matches),
            candidates[i].record,
        )
        for i, matches in zip(near.tolist(), shared.sum(axis=1), strict=True)
    ]


def _is_certain(match: Match, max_false: float | None) -> bool:
    return max_false is None or match.expected_false is None or match.expected_false <= max_false


def _warn_featureless(image: ImageLike) -> None:
    warnings.warn(
        f"{describe(image)} has no features, so it matches nothing", FeaturelessWarning, stacklevel=5
    )


# Arguments


def _usual(stored: Scheme) -> Scheme:
    """The scheme that an index may have without being asked for it by name."""
    return replace(DEFAULT_SCHEME.with_words_of(stored), views=stored.views, decode_side=stored.decode_side)


def _with_views(scheme: Scheme, views: Literal["whole", "regions"] | None) -> Scheme:
    return scheme if views is None else replace(scheme, views=views)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot make the folder {folder} for the index: {error.strerror}; "
            "name another index, or set SIGSEARCH_INDEX"
        ) from error


def _counted(sources: Iterable[Source]) -> tuple[Iterable[Source], int | None]:
    """Sources and how many there are; not told of those in a compressed tar, which carry their bytes."""
    listed: list[Source] = []
    rest = iter(sources)
    for source in rest:
        listed.append(source)
        image = source.image if isinstance(source, Item) else source
        if isinstance(image, Member) and image.data is not None:
            return chain(listed, rest), None
    return listed, len(listed)


def _ids(ids: str | Iterable[str]) -> list[str]:
    if not isinstance(ids, Iterable):
        raise InputError(f"wanted an id or several, found {ids!r}")
    return [check_id(id) for id in ([ids] if isinstance(ids, str) else ids)]
