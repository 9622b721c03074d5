"""From one index to another: every record copied as it is, counted, and a sample of them searched for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from sigsearch import plugins
from sigsearch.backend import Capability
from sigsearch.batches import batched
from sigsearch.bounds import CUTOFF, LIMIT
from sigsearch.errors import InputError, StorageError
from sigsearch.progress import Meter
from sigsearch.records import Failure, Problem
from sigsearch.scheme import DEFAULT_SCHEME, Scheme

if TYPE_CHECKING:
    from sigsearch.index import Index
    from sigsearch.records import Match, Record

OnDamage: TypeAlias = Literal["skip", "stop", "copy"]
Progress: TypeAlias = "Callable[[MigrationReport], object]"

BATCH = 1000
"""Records copied together: what an interruption costs at most."""
SAMPLE = 100
"""Records that are compared and searched for at the end."""
_SAME = 1e-9
"""A cutoff below which only the distance 0 lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found by looking at the target after all was copied.

    Attributes
    ----------
    records : int
        In the target.
    sampled, found, found_deep : int
        Records of the source that were compared with the target's, one by one; how many of them have features
        and were found there by a search for their signature; and how many others, of which hundreds have all
        words, only by a search without a limit.
    matches, found_too : int
        Other matches that searches for them have in the source; and how many of these the target found,
        too. One that finds candidates by words may find others than one that compares with every record.
    wrong : tuple of str
        What must not be, a line each; empty if all is as it should be.
    unverified : tuple of str
        Why something could not be looked at, a line each: damage keeps the source from telling it again.
    """

    records: int
    sampled: int
    found: int
    found_deep: int
    matches: int
    found_too: int
    wrong: tuple[str, ...]
    unverified: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationReport:
    """What became of the records of an index.

    Attributes
    ----------
    read, added, present : int
        Records of the source, damaged ones among them; those copied; those whose id was there already,
        which were left as they were.
    damaged : sequence of Problem
        What is damaged in the source.
    repaired : int
        How many of these were copied nevertheless.
    refused : sequence of Failure
        Records that the target does not take.
    verification : Verification or None
        None while it is going on.
    """

    read: int = 0
    added: int = 0
    present: int = 0
    damaged: Sequence[Problem] = ()
    repaired: int = 0
    refused: Sequence[Failure] = ()
    verification: Verification | None = None

    @property
    def left_out(self) -> int:
        """Records that are not in the target."""
        return len(self.damaged) - self.repaired + len(self.refused)

    @property
    def ok(self) -> bool:
        """Whether all is in the target, was looked at and is as it should be."""
        found = self.verification
        return not self.left_out and found is not None and not found.wrong and not found.unverified

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "read": self.read,
            "added": self.added,
            "present": self.present,
            "damaged": [{"id": problem.id, "reason": problem.reason} for problem in self.damaged],
            "repaired": self.repaired,
            "refused": [asdict(failure) for failure in self.refused],
            "left_out": self.left_out,
            "verification": self.verification and asdict(self.verification),
        }


def migrate(
    source: Index,
    target: Index,
    *,
    on_damage: OnDamage = "skip",
    progress: bool = False,
    on_advance: Progress | None = None,
    sample: int = SAMPLE,
) -> MigrationReport:
    """Copy every record of an index to another one, with its id, path, metadata, time stamp and views.

    No picture is read, and nothing is written to the source. Records whose id the target has already are
    passed over, so an interrupted call can simply be repeated, as can a finished one when there are new
    records. At the end the records of the target are counted, and a sample of them is compared and searched
    for.

    Parameters
    ----------
    source, target : Index
        Of the same signatures; the target finds them by words of its own.
    on_damage : 'skip', 'stop' or 'copy'
        What to do with a damaged record: leave it out; raise StorageError; or copy it if its signature is
        whole and only that is lost by which it is found.
    progress : bool
        Show a progress bar, if standard error is a terminal, else a line every ten seconds.
    on_advance : callable, optional
        Called with the report so far after each batch that was stored or passed over.
    sample : int
        Records to be compared and searched for at the end.

    Raises
    ------
    InputError
        The two are one index, or their signatures do not compare.
    StorageError
        A record is damaged and `on_damage` is 'stop'.
    """
    if on_damage not in get_args(OnDamage):
        raise InputError(f"wanted on_damage 'skip', 'stop' or 'copy', found {on_damage!r}")
    if type(sample) is not int or sample < 0:
        raise InputError(f"wanted a sample of 0 or more records, found {sample!r}")
    _check_two(source, target)
    before = target.count()
    run = _Run(target, on_damage, _Sample(sample))
    with Meter("copying", "records", on=progress, total=source.count() if progress else None) as meter:

        def tell() -> None:
            report = run.report()
            meter.update(report.read, report.left_out)
            if on_advance is not None:
                on_advance(report)

        def known(ids: Sequence[str]) -> set[str]:
            there = run.known(ids)
            if there:
                tell()
            return there

        for found in batched(source.examine(known), BATCH):
            run.copy(found)
            tell()
    return run.report(_verify(source, target, run, before))


def target_scheme(location: str, source: Index) -> Scheme | None:
    """The scheme to open or make an index with that takes a source's records; None if any words will do."""
    if source.scheme.with_words_of(DEFAULT_SCHEME) == DEFAULT_SCHEME:
        return None
    backend_class = plugins.discover().load(plugins.location_scheme(location))
    return source.scheme.with_words_of(backend_class.default_scheme)


class _Sample:
    """So many ids of a stream, each as likely as any other."""

    def __init__(self, size: int) -> None:
        self.ids: list[str] = []
        self._size = size
        self._seen = 0
        self._random = Random(0)  # noqa: S311 - the same records in every run, no secret

    def offer(self, ids: Iterable[str]) -> None:
        for id in ids:
            self._seen += 1
            if len(self.ids) < self._size:
                self.ids.append(id)
            elif (place := self._random.randrange(self._seen)) < self._size:
                self.ids[place] = id


@dataclass(slots=True)
class _Run:
    """A migration under way."""

    target: Index
    on_damage: OnDamage
    sample: _Sample
    read: int = 0
    added: int = 0
    present: int = 0
    repaired: int = 0
    damaged: list[Problem] = field(default_factory=list)
    refused: list[Failure] = field(default_factory=list)

    def known(self, ids: Sequence[str]) -> set[str]:
        """Which of the source's ids the target has already."""
        there = self.target.contains(ids)
        self.read += len(there)
        self.present += len(there)
        self.sample.offer(id for id in ids if id in there)
        return there

    def copy(self, found: Sequence[Record | Problem]) -> None:
        """Copy what can be copied of a batch."""
        records = []
        for each in found:
            if isinstance(each, Problem):
                if self.on_damage == "stop":
                    raise StorageError(
                        f"{each}; nothing behind it was copied: leave such records out by on_damage='skip', "
                        "or copy those whose signature is whole by 'copy'"
                    )
                self.damaged.append(each)
                if self.on_damage == "skip" or each.record is None:
                    continue
                self.repaired += 1
            records.append(each.record if isinstance(each, Problem) else each)
        self.read += len(found)
        new = [record for record in records if record is not None]
        try:
            report = self.target.add_many(new, on_conflict="skip")
        except InputError:
            refused = self._one_by_one(new)
        else:
            self.added += report.added
            self.present += report.skipped
            refused = {failure.source: failure for failure in report.failures}
        self.refused += refused.values()
        self.sample.offer(record.id for record in new if record.id not in refused)

    def _one_by_one(self, records: Sequence[Record]) -> dict[str, Failure]:
        """Add those that the target takes; the others, by id."""
        refused = {}
        for record in records:
            try:
                self.target.add(record, on_conflict="skip")
            except InputError as error:
                refused[record.id] = Failure(record.id, str(error))
            else:
                self.added += 1
        return refused

    def report(self, verification: Verification | None = None) -> MigrationReport:
        done = verification is not None
        return MigrationReport(
            read=self.read,
            added=self.added,
            present=self.present,
            # While it goes on, the lists themselves: copies for each batch would cost their square.
            damaged=tuple(self.damaged) if done else self.damaged,
            repaired=self.repaired,
            refused=tuple(self.refused) if done else self.refused,
            verification=verification,
        )


def _verify(source: Index, target: Index, run: _Run, before: int) -> Verification:
    target.refresh()
    records = target.count()
    wrong = []
    wanted = max(before + run.added, run.added + run.present)
    if records < wanted:  # there may be more, for others may add on the way
        wrong.append(f"wanted {wanted:,} records in {target.location}, found {records:,}")
    sampled, unverified = _read_again(source, run.sample.ids)
    for record in sampled:
        wrong += _differences(record, target.get(record.id), target.location)
    searched = [record for record in sampled if record.views[0].signature.any()]
    queries = [record.views[0].signature for record in searched]
    in_target = target.search_many(queries, cutoff=CUTOFF, limit=LIMIT)
    try:
        in_source = source.search_many(queries, cutoff=CUTOFF, limit=LIMIT)
    except StorageError as error:  # what reads record by record need not search
        in_source = [[] for _ in queries]
        unverified.append(f"the matches of the source are not known: {error}")
    found = found_deep = matches = found_too = 0
    for record, theirs, ours in zip(searched, in_source, in_target, strict=True):
        if _finds(record.id, ours):
            found += 1
        elif _finds(record.id, target.search(record.views[0].signature, cutoff=_SAME, limit=None)):
            found_deep += 1
        else:
            wrong.append(f"the record {record.id!r} is not found in {target.location} by its own signature")
        known = {match.id: match.distance for match in ours}
        # What lies beyond the last of so many as were asked for may be there all the same.
        last = ours[-1].distance if len(ours) == LIMIT else 1.0
        others = {m.id: m.distance for m in theirs if m.id != record.id and m.distance < last}
        matches += len(others)
        found_too += len(others.keys() & known.keys())
        wrong += [
            f"{id!r} is {apart} from {record.id!r} in {source.location}, and {known[id]} in {target.location}"
            for id, apart in others.items()
            if known.get(id, apart) != apart
        ]
    return Verification(
        records=records,
        sampled=len(sampled),
        found=found,
        found_deep=found_deep,
        matches=matches,
        found_too=found_too,
        wrong=tuple(wrong),
        unverified=tuple(unverified),
    )


def _read_again(source: Index, ids: Sequence[str]) -> tuple[list[Record], list[str]]:
    """The records of these ids that are still there, and why others cannot be read."""
    records, unverified = [], []
    for id in ids:
        try:
            record = source.get(id)
        except StorageError as error:
            unverified.append(f"the record {id!r} cannot be read again: {error}")
        else:
            records += [record] if record is not None else []
    return records, unverified


def _finds(id: str, matches: Sequence[Match]) -> bool:
    """Whether a record is found by its own signature, or as many others that are the same."""
    same = [match.id for match in matches if match.distance == 0]
    return id in same or len(same) == LIMIT


def _differences(record: Record, copy: Record | None, place: str) -> Iterator[str]:
    if copy is None:
        yield f"the record {record.id!r} is not in {place}"
        return
    for name in ("path", "timestamp", "views", "metadata"):
        here, there = getattr(record, name), getattr(copy, name)
        if name == "metadata":  # as JSON, for 1, 1.0 and True are equal to Python
            here, there = json.dumps(here, sort_keys=True), json.dumps(there, sort_keys=True)
        if here != there:
            yield f"the record {record.id!r} has another {name} in {place}, and was left as it is there"


def _check_two(source: Index, target: Index) -> None:
    if source is target or _place(source) == _place(target):
        raise InputError(f"wanted two indexes, found one: {source.location}")
    wanted = source.scheme.with_words_of(target.scheme)
    wanted.check_same(target.scheme, target.location)


def _place(index: Index) -> str:
    if Capability.DURABLE not in index.capabilities:
        return str(id(index))  # of each that opens it, another one
    is_path = plugins.location_scheme(index.location) == plugins.DEFAULT_SCHEME
    return os.path.realpath(index.location) if is_path else index.location
