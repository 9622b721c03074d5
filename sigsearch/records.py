"""What goes into an index and what comes out: records, candidates, matches, reports. All immutable."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sigsearch.errors import InputError, MetadataError

if TYPE_CHECKING:
    from typing import TypeAlias

    from sigsearch.images import ImageLike
    from sigsearch.signatures import Signature

    Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_ID_BYTES = 512
"""Longest id in UTF-8; stores that we want to reach take no longer ones."""


class Box(NamedTuple):
    """A part of a picture, in fractions of its width and height: the whole is ``(0, 0, 1, 1)``."""

    left: float
    top: float
    right: float
    bottom: float


WHOLE = Box(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A signature and the part of the picture that it was computed from.

    Attributes
    ----------
    signature : ndarray of int8, shape (648,)
    box : Box
    """

    signature: Signature
    box: Box = WHOLE

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, View):
            return NotImplemented
        return self.box == other.box and np.array_equal(self.signature, other.signature)

    __hash__ = None  # type: ignore[assignment]

    @property
    def featureless(self) -> bool:
        """Whether nothing distinguishes it: it matches nothing, not even itself."""
        return not self.signature.any()


@dataclass(frozen=True, slots=True)
class Record:
    """A picture as an index holds it.

    Attributes
    ----------
    id : str
        Unique in the index; at most 512 bytes of UTF-8.
    views : tuple of View
        At least one; the first is the whole picture.
    path : str or None
        The file or URL it came from, for a person; nothing looks there.
    metadata : JSON
        Whatever the user keeps with it.
    timestamp : datetime or None
        When it was added, in UTC.
    """

    id: str
    views: tuple[View, ...]
    path: str | None = None
    metadata: Json = None
    timestamp: datetime | None = None

    __hash__ = None  # type: ignore[assignment]

    @property
    def featureless(self) -> bool:
        """Whether the picture has no features, and so matches nothing."""
        return all(view.featureless for view in self.views)

    def to_json(self) -> dict[str, Any]:
        """All but the signatures, as a JSON object."""
        return {
            "id": self.id,
            "path": self.path,
            "metadata": self.metadata,
            "timestamp": self.timestamp.isoformat() if self.timestamp else None,
            "featureless": self.featureless,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A view of a record that a backend deems worth an exact look.

    Attributes
    ----------
    id : str
    view : int
        Which of the record's views.
    signature : ndarray of int8, shape (648,)
    record : Record, optional
        The record itself, if the backend has it at hand; else it is asked for by `Backend.get` if it matches.
    """

    id: str
    view: int
    signature: Signature
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A record whose distance from the query is below the cutoff.

    Attributes
    ----------
    distance : float
        See `sigsearch.distance`; the least over the record's views and the orientations searched.
    id, path, metadata
        The record's.
    orientation : str
        What, done to the query, makes it look like the record's picture; one of `ORIENTATIONS`.
    word_matches : int
        How many of the words are the same.
    box : Box
        The part of the record's picture that matched.
    query_box : Box
        The part of the query that it matched, as the query was given.
    windows : int or None
        In an index of regions: how many windows of the two agree. None where whole pictures matched.
    """

    distance: float
    id: str
    path: str | None
    metadata: Json
    orientation: str
    word_matches: int
    box: Box = WHOLE
    query_box: Box = WHOLE
    windows: int | None = None

    __hash__ = None  # type: ignore[assignment]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; boxes and windows only where not whole pictures matched."""
        found: dict[str, Any] = {
            "id": self.id,
            "distance": self.distance,
            "path": self.path,
            "metadata": self.metadata,
            "orientation": self.orientation,
            "word_matches": self.word_matches,
        }
        if self.windows is None and self.box == WHOLE:
            return found
        return found | {
            "box": list(self.box),
            "query_box": list(self.query_box),
            "windows": self.windows,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A picture to be added, with what is known of it.

    Attributes
    ----------
    image : anything that `compute_signature` takes, optional
    signature : array of int8, shape (648,), optional
        A ready signature, instead of an image.
    id : str, optional
        Default: the absolute path or the URL; for other pictures a digest of their signature.
    path : str, optional
        Default: the absolute path or the URL of the image.
    metadata : JSON, optional
    """

    image: ImageLike | None = None
    signature: Signature | None = None
    id: str | None = None
    path: str | None = None
    metadata: Any = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A picture that was not added, and why."""

    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A record that is damaged.

    Attributes
    ----------
    id : str or None
        None if not even that can be told.
    reason : str
        What is wrong with it and what to do, in a line that names it.
    record : Record or None
        What can be saved: the record, if only that is lost by which it is found.
    """

    id: str | None
    reason: str
    record: Record | None = None

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class AddReport:
    """What became of many pictures.

    Attributes
    ----------
    added, replaced, skipped : int
        New records; records put in the place of old ones; records left as they were.
    failures : sequence of Failure
        Pictures that could not be added; all the others were. A tuple in the report that is returned.
    featureless : int
        Of those added or replaced, how many have no features and will match nothing.
    failed_before : int
        Of the failures, how many stood in the journal and were not tried again.
    duplicates : int
        How many files were not read as another has the same content, if that was asked for.
    vanished : sequence of str
        Ids of records whose file is no longer there, if that was asked for.
    pruned : int
        How many of these were deleted.
    seconds : float
        How long it took.
    """

    added: int = 0
    replaced: int = 0
    skipped: int = 0
    failures: Sequence[Failure] = ()
    featureless: int = 0
    failed_before: int = 0
    duplicates: int = 0
    vanished: Sequence[str] = ()
    pruned: int = 0
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one record is, or is not, among the matches of a picture.

    Attributes
    ----------
    id : str
    found : bool
        Whether a search with the same arguments returns it.
    distance, word_matches, orientation
        Of the best orientation among those searched.
    word_count : int
        Words in a signature.
    cutoff, limit
        Those of the search.
    candidate_rank : int or None
        Its place among the candidates that the backend offers, from 1; None if it is not offered.
    best_distance, best_orientation
        Over all 16 orientations; None for a ready signature.
    advice : tuple of str
        What would have to change for it to be found; empty if it is.
    """

    id: str
    found: bool
    distance: float
    word_matches: int
    word_count: int
    orientation: str
    cutoff: float
    limit: int | None
    candidate_rank: int | None
    best_distance: float | None
    best_orientation: str | None
    advice: tuple[str, ...]


def check_id(value: object) -> str:
    """Give an id back, or raise `InputError`: a string of 1 to 512 bytes of UTF-8."""
    if not isinstance(value, str):
        raise InputError(f"wanted an id that is a string, found {value!r}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise InputError(f"the id {value!r} is not valid Unicode") from error
    if not 0 < size <= MAX_ID_BYTES:
        raise InputError(f"wanted an id of 1 to {MAX_ID_BYTES} bytes, found {size} bytes: {value[:40]!r}")
    return value


def check_metadata(value: object) -> Json:
    """Give metadata back as JSON gives it back, or raise `MetadataError`.

    A copy: what the caller does to the original later does not reach the index.
    """
    if value is None:
        return None  # as most have it
    where = _not_json(value, "metadata")
    if where:
        raise MetadataError(f"wanted metadata that is JSON, found {where}")
    try:
        copy: Json = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise MetadataError(f"wanted metadata that is JSON: {error}") from error
    return copy


def _not_json(value: object, where: str, depth: int = 0) -> str:
    """Say what in a value is not JSON and where, or nothing."""
    if depth > 100:
        return f"more than 100 levels, or itself, at {where}"
    if value is None or isinstance(value, (bool, int)):
        return ""
    if isinstance(value, float):
        return "" if np.isfinite(value) else f"{value!r} at {where}"
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return f"a string that is not valid Unicode at {where}"
        return ""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                return f"the key {key!r} of type {type(key).__name__} at {where}"
            if _not_json(key, where):
                return f"a key that is not valid Unicode at {where}"
            if found := _not_json(inner, f"{where}.{key}", depth + 1):
                return found
        return ""
    if isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            if found := _not_json(inner, f"{where}[{i}]", depth + 1):
                return found
        return ""
    return f"a {type(value).__name__} at {where}"


def now() -> datetime:
    """The time that records of this moment get."""
    return datetime.now(UTC)
