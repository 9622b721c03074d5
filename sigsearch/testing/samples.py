"""Made signatures and records, and what is true of them, worked out in plain numpy.

Nothing here calls a kernel: the conformance suite takes its expected values from this file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sigsearch.records import WHOLE, Box, Record, View
from sigsearch.scheme import DEFAULT_SCHEME, Scheme
from sigsearch.words import word_positions

if TYPE_CHECKING:
    from sigsearch.filters import Filter
    from sigsearch.records import Candidate
    from sigsearch.signatures import Signature


def make_signature(seed: int, scheme: Scheme = DEFAULT_SCHEME) -> Signature:
    """A signature without zeros, so that every word says something; two seeds are strangers."""
    random = np.random.default_rng(seed)
    signs = random.choice(np.array([-1, 1]), scheme.signature_length)
    return (signs * random.integers(1, scheme.levels + 1, scheme.signature_length)).astype(np.int8)


def make_copy(signature: Signature, changed: int) -> Signature:
    """The signature with its first so many values negated: the more, the farther, the fewer words shared.

    Of a signature of 648 values, 100 changed is a distance of about 0.4, 200 one of about 0.55.
    """
    copy = signature.copy()
    copy[:changed] *= -1
    return copy


def featureless(scheme: Scheme = DEFAULT_SCHEME) -> Signature:
    """The signature of a picture without features."""
    return np.zeros(scheme.signature_length, np.int8)


def make_record(
    id: str,
    signature: Signature | None = None,
    *,
    seed: int = 0,
    metadata: Any = None,
    path: str | None = None,
    timestamp: datetime | None = None,
) -> Record:
    """A record of one view, with the signature given or that of a seed."""
    found = make_signature(seed) if signature is None else signature
    return Record(id, (View(found),), path, metadata, timestamp)


def make_records(count: int, *, prefix: str = "record", first: int = 0) -> list[Record]:
    """Records that differ in everything, numbered; ``metadata["number"]`` is the number."""
    start = datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)
    return [
        make_record(
            f"{prefix}-{number}",
            seed=1000 + number,
            metadata={"number": number, "even": number % 2 == 0},
            path=f"/pictures/{number}.jpg",
            timestamp=start + timedelta(minutes=number),
        )
        for number in range(first, first + count)
    ]


def make_views(*signatures: Signature) -> tuple[View, ...]:
    """Views of the whole picture and then of ever smaller parts of it, in fractions that are not round."""
    boxes = [WHOLE] + [Box(0.1 * k, k / 30, 1 - k / 7, 1 - k / 11) for k in range(1, len(signatures))]
    return tuple(View(signature, box) for signature, box in zip(signatures, boxes, strict=True))


def same_json(a: Any, b: Any) -> bool:
    """Whether two values are the same JSON; to Python's ``==``, ``1``, ``1.0`` and ``True`` are."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def check_same(found: Record | None, expected: Record) -> None:
    """Fail unless a record came back as it was stored."""
    assert found is not None, f"no record {expected.id!r}"
    assert found.id == expected.id
    assert found.path == expected.path
    assert same_json(found.metadata, expected.metadata)
    assert found.timestamp == expected.timestamp
    assert found.timestamp is None or found.timestamp.utcoffset() == timedelta(0)
    assert len(found.views) == len(expected.views)
    for view, wanted in zip(found.views, expected.views, strict=True):
        assert isinstance(view.box, Box)
        assert view.box == wanted.box
        assert view.signature.dtype == np.int8
        assert view.signature.tolist() == wanted.signature.tolist()


def plain_distances(query: Signature, stored: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
    """``||a - b|| / (||a|| + ||b||)``, 1.0 where neither has features."""
    a, b = query.astype(np.int64), stored.astype(np.int64)
    norms = np.sqrt((a * a).sum()) + np.sqrt((b * b).sum(axis=1))
    apart = np.sqrt(((b - a) ** 2).sum(axis=1))
    return np.where(norms > 0, apart / np.where(norms > 0, norms, 1), 1.0)


def plain_shared_words(a: Signature, b: Signature, scheme: Scheme = DEFAULT_SCHEME) -> int:
    """In how many words two signatures have the same signs throughout."""
    same = np.sign(a) == np.sign(b)
    # Beyond the signature's end or the grid's edge both have a zero.
    return sum(bool(same[places[places >= 0]].all()) for places in word_positions(scheme))


def plain_candidates(
    records: Iterable[Record], query: Signature, *, where: Filter | None = None, cutoff: float = 1.0
) -> list[tuple[float, str, int]]:
    """Distance, id and view of every view below a cutoff, nearest first."""
    found = []
    for record in records:
        if where is None or where.matches(record.metadata):
            stored = np.stack([view.signature for view in record.views])
            apart = plain_distances(query, stored).tolist()
            found += [(distance, record.id, number) for number, distance in enumerate(apart)]
    return sorted(entry for entry in found if entry[0] < cutoff)


def check_exact(
    found: Sequence[Candidate],
    records: Sequence[Record],
    query: Signature,
    *,
    where: Filter | None = None,
    cutoff: float = 1.0,
    limit: int | None = None,
) -> None:
    """Fail unless candidates are those that `Capability.EXACT` promises.

    Which of several records at the same distance come within the limit is left to the backend.
    """
    expected = plain_candidates(records, query, where=where, cutoff=cutoff)
    apart = {(id, view): distance for distance, id, view in expected}
    given = [(candidate.id, candidate.view) for candidate in found]
    assert len(set(given)) == len(given), "a view was offered twice"
    assert set(given) <= apart.keys(), "offered what is not stored, at the cutoff, or not asked for by where"
    stored = {record.id: record for record in records}
    for candidate in found:
        view = stored[candidate.id].views[candidate.view]
        assert candidate.signature.tolist() == view.signature.tolist()
    order = [apart[key] for key in given]
    assert order == sorted(order), "not best first"

    nearest: dict[str, float] = {}
    for distance, id, _ in expected:
        nearest.setdefault(id, distance)
    if limit is None or limit >= len(nearest):
        assert set(given) == apart.keys(), "missed some"
        return
    # `nearest` is in order of distance: what is nearer than the last that is wanted must be there.
    last = list(nearest.values())[limit - 1]
    missed = {key for key in apart.keys() - set(given) if nearest[key[0]] < last}
    assert not missed, "missed some that are nearer than the limit-th record"
    whole = [
        id for id in nearest if all(key in given for key in apart if key[0] == id) and nearest[id] <= last
    ]
    assert len(whole) >= limit, "fewer records than the limit"
