"""The way of sources into a backend: passed over, read by workers, stored in batches."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, overload

import numpy as np

from sigsearch import images, signatures
from sigsearch.adding import views
from sigsearch.adding.drafts import Draft, draft_of, ready_record
from sigsearch.adding.fetchers import Fetchers
from sigsearch.adding.pool import Here, Pool, Task, pool_of, processors
from sigsearch.adding.twins import Twins
from sigsearch.backend import Outcome
from sigsearch.errors import ImageError, InputError
from sigsearch.reading import NO_SUCH_FILE, encoded, is_far
from sigsearch.records import AddReport, Failure, Item, Record, View, now
from sigsearch.sources import PAUSE, describe, known_id, path_of, ready_signatures, stamp_of
from sigsearch.views import compute_views

if TYPE_CHECKING:
    from datetime import datetime

    from sigsearch.adding.drafts import AsSignature
    from sigsearch.adding.journal import Journal
    from sigsearch.adding.pool import Note
    from sigsearch.backend import Backend
    from sigsearch.limits import Limits
    from sigsearch.progress import Advance
    from sigsearch.scheme import Scheme
    from sigsearch.signatures import Signature
    from sigsearch.sources import Source

    _Source: TypeAlias = tuple[Source, Sequence[Any]]

OnConflict: TypeAlias = Literal["error", "skip", "replace", "update"]

BATCH: Final = 64
"""Pictures that are looked up, and then stored, together: what an interruption costs at most."""
READY_BATCH: Final = 4096
"""Ready signatures stored together: they need no reading, so to repeat them costs next to nothing."""
STORE_SECONDS: Final = 1.0
"""So long a picture that was read waits for others to be stored with, where reading is slow."""
CLOCK_SECONDS: Final = 0.1
"""By so much a file system's clock may be behind that of the records."""


@dataclass(slots=True)
class _Reading:
    """A picture that is being read."""

    name: str
    draft: Draft
    stamp: float | None
    """When its file had changed last before it was read."""
    old: Record | None
    """The record that it takes the place of, because its file has changed."""


class Pipeline:
    """One call of `Index.add_many`; see there for most of the parameters.

    Parameters
    ----------
    workers : int or None
        Processes that decode; None for one for each processor, 0 for none.
    journal : Journal, optional
        What failed before and has not changed is not tried again, unless `retry_failed`.
    once : bool
        Whether of files of the same content only the first is read.
    advance : iterable of callables
        Told after each step how far it is.
    note : callable
        Told in a line what a person should know.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        scheme: Scheme,
        limits: Limits,
        on_conflict: OnConflict,
        workers: int | None,
        journal: Journal | None = None,
        retry_failed: bool = False,
        once: bool = False,
        advance: Iterable[Advance] = (),
        note: Note = lambda text: None,
    ) -> None:
        self._backend = backend
        self._scheme = scheme
        self._limits = limits
        self._on_conflict = on_conflict
        self._workers = workers
        self._journal = journal
        self._retry_failed = retry_failed
        self._twins = Twins() if once else None
        self._unread: dict[str, str] = {}
        """Why files could not be read, for their twins."""
        self._advance = tuple(advance)
        self._note = note
        self._stack = ExitStack()
        self._pool: Pool[int] | Here[int] | None = None
        self._fetchers: Fetchers[int] | None = None
        self._reading: dict[int, _Reading] = {}
        self._ids: set[str] = set()
        """Of what is being read, or was read and is not stored yet."""
        self._records: list[tuple[int, Record]] = []
        """Each with the number of its source."""
        self._changed: list[tuple[Record, Record]] = []
        """Records of files that have changed: the old one and the new one."""
        self._stored_at = 0.0
        self._count = 0
        self._done = 0
        self._report = AddReport()
        self._told = 0, self._report
        self._failures: list[Failure] = []
        self._order: list[int] = []
        """The numbers of the sources that failed."""

    def run(self, sources: Iterable[Source]) -> AddReport:
        """Add them all."""
        began = self._stored_at = time.monotonic()
        with self._stack:
            try:
                for batch in self._batches(sources):
                    self._begin(batch)
                    self._collect(block=False)
                    self._tell()
                while self._reading:
                    self._collect(block=True)
                    self._tell()
            except BaseException:
                self._store()  # Ctrl-C, or an error of whoever lists the sources: what was read is not lost
                raise
            self._store()
        ordered = sorted(zip(self._order, self._failures, strict=True), key=lambda failed: failed[0])
        return replace(
            self._report,
            failures=tuple(failure for _, failure in ordered),
            seconds=round(time.monotonic() - began, 3),
        )

    # What is to be done

    def _batches(self, sources: Iterable[Source]) -> Iterator[list[_Source]]:
        """Sources in order with the signatures they come with, until there are enough of either kind."""
        batch: list[_Source] = []
        ready = to_read = 0
        for source in sources:
            if source is PAUSE:
                yield batch
                batch, ready, to_read = [], 0, 0
                continue
            found = ready_signatures(source, self._scheme)
            batch.append((source, found))
            ready += len(found)
            to_read += not found
            if to_read >= BATCH or ready >= READY_BATCH:
                yield batch
                batch, ready, to_read = [], 0, 0
        if batch:
            yield batch

    def _begin(self, batch: Sequence[_Source]) -> None:
        """Pass over what need not be read, have the pictures read, and store what is ready."""
        as_signature = self._signature_check([signature for _, found in batch for signature in found])
        time = now()
        ids = [known_id(source) for source, _ in batch]
        # Asked first for the pictures' sake, which then need not be read; of what is ready `add` tells.
        to_read = [id for (_, found), id in zip(batch, ids, strict=True) if id and not found]
        there = self._timestamps(to_read)
        any_ready = False
        for (source, ready), id in zip(batch, ids, strict=True):
            number = self._count
            self._count += 1
            if id in self._ids:
                self._finish()  # of one id several times, each finds what became of the one before it
                there |= self._timestamps([id] if id and not ready else [])
            try:
                if isinstance(source, Record):
                    self._records.append((number, ready_record(source, id, as_signature)))
                elif ready:
                    draft = draft_of(source, id, time)
                    self._records.append((number, draft.record((View(as_signature(ready[0])),))))
                else:
                    self._begin_picture(number, source, id, there, time)
            except InputError as error:
                self._fail(number, describe(source), str(error))
            any_ready = any_ready or bool(ready)
        if any_ready:
            self._store()

    def _timestamps(self, ids: list[str]) -> dict[str, datetime | None]:
        """Of these ids, those not to be added again, and when they were added."""
        return self._backend.timestamps(ids) if ids and self._on_conflict != "replace" else {}

    def _begin_picture(
        self, number: int, source: Source, id: str | None, there: dict[str, datetime | None], time: datetime
    ) -> None:
        """Pass over a picture, or have it read."""
        image = source.image if isinstance(source, Item) else source
        stamp = old = None
        if id is not None and id in there:
            if self._on_conflict == "update":
                stamp = stamp_of(source, self._limits)
            if not _is_later(stamp, there[id]):
                self._keep(number, id, source)
                return
            [old] = self._backend.get([id])
        elif not is_far(image):  # of what is far it takes a request
            stamp = stamp_of(source)
        draft = draft_of(source, id, time)
        name = images.describe(image)
        if draft.path is not None and self._journal is not None and not self._retry_failed:
            reason = self._journal.reason(draft.path, stamp)
            if reason is not None:
                self._report = replace(self._report, failed_before=self._report.failed_before + 1)
                self._fail(number, name, reason)
                return
        self._reading[number] = _Reading(name, draft, stamp, old)
        if id is not None:
            self._ids.add(id)
        try:
            if not self._is_twin(number, image, draft.id):
                self._read(number, image)
        except ImageError as error:
            self._answered(number, error.reason)

    def _is_twin(self, number: int, image: Any, id: str | None) -> bool:
        """Whether it has the content of another file, and is settled by that."""
        if self._twins is None or not isinstance(image, (str, os.PathLike)) or is_far(image):
            return False
        path = os.path.abspath(image)
        first = self._twins.first(path, id)
        if first is None:
            return False
        while any(each.draft.id == first[1] for each in self._reading.values()):
            self._collect(block=True)
        answer = self._unread.get(first[0]) or self._views_of(first[1])
        if answer is None:
            return False
        self._report = replace(self._report, duplicates=self._report.duplicates + 1)
        self._answered(number, answer)
        return True

    def _views_of(self, id: str | None) -> bytes | None:
        """Those of a picture that was read before, stored or not."""
        found = next((record for record in self._waiting() if record.id == id), None)
        if found is None and id is not None:
            [found] = self._backend.get([id])
        return None if found is None else views.to_bytes(found.views)

    def _waiting(self) -> list[Record]:
        """What was read and is to be stored."""
        return [*(record for _, record in self._records), *(new for _, new in self._changed)]

    def _read(self, number: int, image: Any) -> None:
        """Have a picture read: by the workers if it is encoded, here if it is pixels."""
        if images.is_decoded(image):
            found = compute_views(image, scheme=self._scheme, limits=self._limits)
            self._answered(number, views.to_bytes(found))
        elif is_far(image):
            if self._fetchers is None:
                self._fetchers = Fetchers(self._limits)
                self._stack.callback(self._fetchers.close)
            # What was fetched waits for the workers, and each is a picture in memory.
            while self._fetchers.full or (self._pool is not None and self._pool.full):
                self._collect(block=True)
            self._fetchers.submit(number, image)
        else:
            pool = self._started()
            while pool.full:
                self._collect(block=True)
            pool.submit(self._task(number, encoded(image, self._limits)))

    def _task(self, number: int, image: Any) -> Task[int]:
        return Task(number, image, self._scheme, self._limits)

    def _started(self) -> Pool[int] | Here[int]:
        """The workers."""
        if self._pool is None:
            count = processors() if self._workers is None else self._workers
            self._pool = self._stack.enter_context(pool_of(count, self._note))
        return self._pool

    def _signature_check(self, ready: Sequence[Any]) -> AsSignature:
        """What checks each ready signature of a batch: those of int8 are looked at here, all in one."""

        def one(values: Any) -> Signature:
            return signatures.as_signatures(values, self._scheme, ndim=1)

        int8 = [signature for signature in ready if signatures.is_signature(signature, self._scheme)]
        if not int8:
            return one
        try:
            signatures.as_signatures(np.concatenate(int8).reshape(len(int8), -1), self._scheme)
        except InputError:
            return one  # one by one, to say which is wrong
        # By identity, for to look at each again would take as long; the arrays are kept, so no other has it.
        checked = {id(signature): signature for signature in int8}
        return lambda values: np.ascontiguousarray(values) if id(values) in checked else one(values)

    # What has become of it

    def _collect(self, *, block: bool) -> None:
        """Take in what was fetched and what was decoded; if wanted, wait until something was."""
        if self._fetchers is not None:
            for number, found in self._fetchers.fetched():
                if isinstance(found, bytes):
                    self._started().submit(self._task(number, found))
                else:
                    self._answered(number, found)
        fetching = self._fetchers is not None and self._fetchers.pending > 0
        if self._pool is not None and (self._pool.pending or fetching):
            also = [self._fetchers.ready] if self._fetchers is not None and fetching else []
            for number, answer in self._pool.answers(*also, block=block):
                self._answered(number, answer)
        elif self._fetchers is not None and fetching and block:
            wait([self._fetchers.ready])
        waiting = len(self._records) + len(self._changed)
        late = time.monotonic() - self._stored_at >= STORE_SECONDS
        if waiting >= BATCH or (waiting and late):
            self._store()

    def _finish(self) -> None:
        """Wait for all that is being read, and store it."""
        while self._reading:
            self._collect(block=True)
        self._store()

    def _answered(self, number: int, answer: bytes | str) -> None:
        """A picture was read, or could not be."""
        reading = self._reading.pop(number)
        path = reading.draft.path
        if isinstance(answer, str):
            self._ids.discard(reading.draft.id or "")
            self._fail(number, reading.name, answer)
            if self._twins is not None and path is not None:
                self._unread[path] = answer
            self._note_failure(reading, answer)
            return
        record = reading.draft.record(views.from_bytes(answer, self._scheme.signature_length))
        if self._journal is not None and path is not None:
            self._journal.succeeded(path)
        if reading.old is None:
            self._records.append((number, record))
            return
        if record.metadata is None:  # it is the picture that has changed
            record = replace(record, metadata=reading.old.metadata)
        self._changed.append((reading.old, record))

    def _note_failure(self, reading: _Reading, reason: str) -> None:
        """Put a failure into the journal; a file that is gone is struck out when it is tried again."""
        if self._journal is None:
            return
        path = reading.draft.path
        if self._retry_failed and path is not None and reason == NO_SUCH_FILE:
            self._journal.succeeded(path)
        else:
            self._journal.failed(path or reading.name, reason, reading.stamp)

    def _fail(self, number: int, name: str, reason: str) -> None:
        self._done += 1
        self._order.append(number)
        self._failures.append(Failure(name, reason))
        self._report = replace(self._report, failures=SoFar(self._failures))

    def _keep(self, number: int, id: str, source: Source | None) -> None:
        """An id that is there already; and its source, if it was not read."""
        if self._on_conflict == "error":
            self._fail(number, id, "the id is in the index already")
            return
        self._done += 1
        self._report = replace(self._report, skipped=self._report.skipped + 1)
        if self._journal is not None and (path := path_of(source)) is not None:
            self._journal.succeeded(path)

    def _store(self) -> None:
        """Store what was read; from here on it is not lost."""
        numbered, changed, waiting = self._records, self._changed, self._waiting()
        self._records, self._changed = [], []
        self._stored_at = time.monotonic()
        if not numbered and not changed:
            return
        report = self._report
        stored: list[Record] = []
        kept: list[tuple[int, str]] = []
        if numbered:
            outcomes = self._backend.add(
                [record for _, record in numbered], replace=self._on_conflict == "replace"
            )
            for (number, record), outcome in zip(numbered, outcomes, strict=True):
                if outcome is Outcome.KEPT:
                    kept.append((number, record.id))
                else:
                    stored.append(record)
            report = replace(
                report,
                added=report.added + outcomes.count(Outcome.ADDED),
                replaced=report.replaced + outcomes.count(Outcome.REPLACED),
            )
        if changed:
            self._backend.add([record for _, record in changed], replace=True)
            # A file whose time alone is another: its record has the new time, so it is not read again.
            other = [new for old, new in changed if (old.views, old.metadata) != (new.views, new.metadata)]
            stored += other
            report = replace(
                report,
                replaced=report.replaced + len(other),
                skipped=report.skipped + len(changed) - len(other),
            )
        self._report = replace(report, featureless=report.featureless + _count_featureless(stored))
        self._done += len(numbered) - len(kept) + len(changed)
        self._ids.difference_update([record.id for record in waiting])
        for number, id in kept:
            self._keep(number, id, None)
        self._tell()

    def _tell(self) -> None:
        if self._told == (self._done, self._report):
            return
        self._told = self._done, self._report
        for advance in self._advance:
            advance(self._report, self._done)


def _is_later(stamp: float | None, added: datetime | None) -> bool:
    """Whether a file that changed at this time may have done so since it was added."""
    return stamp is not None and added is not None and stamp > added.timestamp() - CLOCK_SECONDS


def _count_featureless(records: Sequence[Record]) -> int:
    """How many have no features. A look at all signatures in one leaves few to be asked one by one."""
    if not records:
        return 0
    first = np.concatenate([record.views[0].signature for record in records]).reshape(len(records), -1)
    return sum(records[i].featureless for i in np.flatnonzero(~first.any(axis=1)).tolist())


class SoFar(Sequence[Failure]):
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
