"""The plugin boundary: what a backend must do, and what it says of itself.

A backend stores records and finds candidates. It knows nothing of pictures, orientations or matches:
`sigsearch.Index` turns pictures into signatures, asks the backend for candidates, compares each of them
exactly and decides. So every backend gives the same distances. The rules below are checked by
`sigsearch.testing.BackendConformance`, which every backend should inherit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from sigsearch.bounds import EFFORT
from sigsearch.errors import BackendError, ClosedError, InputError
from sigsearch.scheme import DEFAULT_SCHEME, Scheme

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self

    import numpy as np
    import numpy.typing as npt

    from sigsearch.filters import Filter
    from sigsearch.records import Candidate, Problem, Record

Known: TypeAlias = Callable[[Sequence[str]], set[str]]
"""Given several ids, tells those whose records are not wanted."""

PROTOCOL_VERSION = 1
"""Of `Backend` and `BackendInfo`. Raised when a backend written for the old one would fail or lie."""


_PART = 1000
"""Records whose ids are asked for together."""


class Capability(Enum):
    """What a backend can do beyond the least; the conformance suite asks for what is declared."""

    EXACT = "exact"
    """`Backend.candidates` compares with every record and misses nothing."""
    DURABLE = "durable"
    """What was acknowledged is there when the location is opened again, by any process."""
    VIEWS = "views"
    """Records may have several views. Without it, a record of several is refused with `InputError`."""
    ORDERED = "ordered"
    """`Backend.ids` reads those that begin as asked for and no others, so it may be asked in passing."""


class Outcome(Enum):
    """What `Backend.add` did with one record."""

    ADDED = "added"
    REPLACED = "replaced"
    KEPT = "kept"
    """The id was there already; the old record was left as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendInfo:
    """How a plugin announces a backend: cheap to make, nothing of the backend imported.

    Attributes
    ----------
    name : str
        Unique among the installed backends.
    schemes : tuple of str
        Of the locations it serves: ``("elasticsearch",)`` for ``elasticsearch://host:9200/name``.
        ``"file"`` serves locations without a scheme.
    summary : str
        One line for `sigsearch backends`.
    load : callable
        Imports the backend and returns its class. An ImportError in it is reported with `install`.
    install : str
        The command that installs what `load` imports: ``pip install 'sigsearch[elasticsearch]'``.
    protocol : int
        The `PROTOCOL_VERSION` it was written for, as a number.
    """

    name: str
    schemes: tuple[str, ...]
    summary: str
    load: Callable[[], type[Backend]]
    install: str
    protocol: int


class Backend(ABC):
    """Where records are kept. Subclass it, pass the conformance suite, announce it by a `BackendInfo`.

    Instances come from `open` and may be used by several threads at once. Errors are those of
    `sigsearch.errors`, never a driver's; after `close`, every call raises `ClosedError`.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    default_scheme: ClassVar[Scheme] = DEFAULT_SCHEME
    """Of an index that is made where the caller names no scheme; its signatures are the default ones."""

    @classmethod
    @abstractmethod
    def open(cls, location: str, *, scheme: Scheme, create: bool, options: Mapping[str, Any]) -> Self:
        """Open the index at a location.

        Parameters
        ----------
        location : str
            As the user wrote it, scheme and all.
        scheme : Scheme
            Stored with an index that is created. An index that exists keeps its own, and the caller
            compares.
        create : bool
            Whether to create an index where there is none.
        options : mapping
            The backend's own settings; refuse unknown ones with `refuse_options`.

        Raises
        ------
        IndexNotFoundError
            There is none and none is to be created.
        NotAnIndexError, FormatVersionError, SchemeMismatchError, StorageError
            What is there cannot be used; it is left as it is.
        """

    @property
    @abstractmethod
    def scheme(self) -> Scheme:
        """The scheme stored with the index."""

    @abstractmethod
    def add(self, records: Sequence[Record], *, replace: bool) -> list[Outcome]:
        """Store records, in order; a record of an id already there replaces it or is dropped.

        On return all of them are stored as safely as the backend can. After an error any of them may
        be, but each whole or not at all. Of one id added by several threads, one is `Outcome.ADDED`.
        """

    @abstractmethod
    def delete(self, ids: Sequence[str]) -> int:
        """Delete the records of these ids; ids that are not there are passed over. How many were deleted."""

    @abstractmethod
    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """The records of these ids, in order, None for an id that is not there."""

    @abstractmethod
    def count(self, where: Filter | None = None) -> int:
        """How many records there are, or how many a filter is true of."""

    @abstractmethod
    def scan(self, where: Filter | None = None) -> Iterator[Record]:
        """All records, or those that a filter is true of, each once, in an order of the backend's own.

        A closed backend refuses at the call, not at the first record.
        """

    @abstractmethod
    def candidates(
        self,
        signatures: npt.NDArray[np.int8],
        *,
        where: Filter | None,
        cutoff: float,
        limit: int | None,
        effort: int = EFFORT,
    ) -> list[list[Candidate]]:
        """Views worth an exact look, for each of several queries at once; best first.

        Parameters
        ----------
        signatures : ndarray of int8, shape (queries, 648)
            None of them without features.
        where : Filter or None
            Only records that it is true of.
        cutoff : float
            Views at this distance or beyond are not wanted.
        limit : int or None
            How many records are wanted for each query. With `Capability.EXACT`: all views below the
            cutoff of the nearest `limit` records or more, of all records if None. Otherwise at least
            `limit` records where that many share a word (all that do if None), those that share most
            words first; the cutoff may be used to leave out others.
        effort : int
            How hard to look, from 1 to 5; nothing to a backend with `Capability.EXACT`. More finds no
            fewer of the copies, and takes longer.
        """

    @abstractmethod
    def refresh(self) -> None:
        """Let the calls that follow see all that any process had stored before."""

    @abstractmethod
    def info(self) -> dict[str, Any]:
        """What a person would want to know, as JSON: ``bytes`` if known, format, server and the like."""

    @abstractmethod
    def close(self) -> None:
        """Give back all resources. A second call does nothing."""

    def timestamps(self, ids: Sequence[str]) -> dict[str, datetime | None]:
        """Which of these ids are there, and when each was added.

        Override it where that is cheaper than `get`.
        """
        return {record.id: record.timestamp for record in self.get(ids) if record is not None}

    def contains(self, ids: Sequence[str]) -> set[str]:
        """Which of these ids are there."""
        return set(self.timestamps(ids))

    def ids(self, prefix: str = "") -> Iterator[str]:
        """All ids that begin so, each once, in an order of the backend's own.

        A closed backend refuses at the call, not at the first id. Override it where that is cheaper than
        `scan`.
        """
        return (record.id for record in self.scan() if record.id.startswith(prefix))

    def compact(self) -> None:
        """Give back the space of records that were deleted or replaced.

        Nothing else changes, and readers, scans under way and other processes lose nothing. Override it
        if deleted records leave something behind; this one has nothing to give back.
        """
        self.count()  # raises ClosedError

    def check(self) -> Iterator[str]:
        """Look for damage, and change nothing.

        A closed backend refuses at the call, not at the first problem. Override it if the store can be
        damaged in ways that do not show when its records are read, or can tell more of them than the
        first; this one tells those that `examine` meets.

        Yields
        ------
        str
            A problem, in one line: what is damaged, and what of it can be saved. None if all is sound.
        """
        from sigsearch.records import Problem  # not above: announcing a backend needs no numpy

        found = self.examine()
        return (str(each) for each in found if isinstance(each, Problem))

    def examine(self, known: Known | None = None) -> Iterator[Record | Problem]:
        """Every record once: what is whole as itself, what is damaged as a `Problem`; nothing is changed.

        A closed backend refuses at the call, not at the first record. Override it if more can be told of a
        record than that it cannot be read, or if ids are read sooner than records; this one reads by `scan`,
        and ends where that fails.

        Parameters
        ----------
        known : callable, optional
            Given several ids, tells those whose records are not wanted. Each id is asked for once.
        """
        from sigsearch.records import Problem

        try:
            records = self.scan()
        except ClosedError:
            raise
        except BackendError as error:
            return iter([Problem(None, str(error))])
        return _examined(records, self.scheme, known or (lambda _: set()))

    def salvage(self) -> Iterator[Record]:
        """Every record that can still be read whole, each once; what is damaged is passed over.

        A closed backend refuses at the call, not at the first record. Override it if records can be read
        beyond a damaged one; this one is `scan`, and ends where that fails.
        """
        return self.scan()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _examined(records: Iterator[Record], scheme: Scheme, known: Known) -> Iterator[Record | Problem]:
    """Records, a problem in the place of each that is damaged, and the error that ends them, if any."""
    from sigsearch.records import Problem

    ended: Problem | None = None
    while ended is None:
        part: list[Record] = []
        try:
            part.extend(islice(records, _PART))  # what was read before an error is in it
        except ClosedError:
            raise
        except BackendError as error:
            ended = Problem(None, str(error))
        if not part:
            break
        passed_over = known([record.id for record in part])  # its errors are not the index's
        for record in part:
            if record.id not in passed_over:
                reason = _reason(record, scheme)
                yield Problem(record.id, reason) if reason else record
    if ended is not None:
        yield ended


def _reason(record: Record, scheme: Scheme) -> str | None:
    """What is wrong with a record, if anything."""
    from sigsearch.signatures import as_signatures

    if not record.views:
        return f"the record {record.id!r} has lost its signature: add its picture again"
    for number, view in enumerate(record.views):
        try:
            as_signatures(view.signature, scheme, ndim=1)
        except InputError as error:
            return f"view {number} of the record {record.id!r}: {error}; add its picture again"
    return None


def refuse_options(options: Mapping[str, Any], known: Iterable[str] = ()) -> None:
    """Raise `InputError` for the first option that is not known."""
    known = sorted(known)
    for option in options:
        if option not in known:
            wanted = f"one of {', '.join(known)}" if known else "none"
            raise InputError(f"unknown option {option!r}; this backend takes {wanted}")
