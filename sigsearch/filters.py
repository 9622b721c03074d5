"""Filters on metadata: one small language for all backends, its meaning written here once.

A record's metadata is seen as its *leaves*: every number, string and boolean in it, each with its path,
the keys that lead to it joined by dots. Lists add nothing to a path, so each element of a list is a leaf
of the list's path; null is no leaf. ``{"museum": {"city": "Paris"}, "tags": ["oil", "wood"]}`` has the
leaves ``museum.city: "Paris"``, ``tags: "oil"`` and ``tags: "wood"``. A filter on a path is true of a
record if it is true of *any* leaf of that path; `Not` is true where its filter is false, so also where
there is no such leaf.

Values compare by kind: numbers with numbers (``1`` equals ``1.0``), strings with strings (by code
point), booleans with booleans. ``1``, ``"1"`` and ``True`` are three values.

>>> Eq("museum.city", "Paris") & Range("year", gte=1500, lt=1600)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sigsearch.errors import InputError

Scalar: TypeAlias = str | int | float | bool


class Filter:
    """What all filters share: ``&``, ``|``, ``~`` and `matches`."""

    __slots__ = ()

    # By what they look like: of Eq("n", 1) and Eq("n", True), whose values Python takes for equal, each
    # is true of other records.
    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __and__(self, other: Filter) -> And:
        return And(self, other)

    def __or__(self, other: Filter) -> Or:
        return Or(self, other)

    def __invert__(self) -> Not:
        return Not(self)

    def matches(self, metadata: Any) -> bool:
        """Whether the filter is true of this metadata."""
        return self._holds(list(leaves(metadata)))

    def _holds(self, found: list[tuple[str, Scalar]]) -> bool:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class Eq(Filter):
    """A leaf of the path equals the value."""

    path: str
    value: Scalar

    def __post_init__(self) -> None:
        _check_path(self.path)
        _check_scalar(self.value)

    def _holds(self, found: list[tuple[str, Scalar]]) -> bool:
        return any(path == self.path and _equal(leaf, self.value) for path, leaf in found)


@dataclass(frozen=True, slots=True, eq=False, init=False)
class In(Filter):
    """A leaf of the path equals one of the values; of no values, never true."""

    path: str
    values: tuple[Scalar, ...]

    def __init__(self, path: str, values: Iterable[Scalar]) -> None:
        _check_path(path)
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise InputError(f"wanted several values for {path!r}, found {values!r}")
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "values", tuple(values))
        for value in self.values:
            _check_scalar(value)

    def _holds(self, found: list[tuple[str, Scalar]]) -> bool:
        return any(
            path == self.path and any(_equal(leaf, value) for value in self.values) for path, leaf in found
        )


@dataclass(frozen=True, slots=True, eq=False)
class Range(Filter):
    """One leaf of the path is within all the bounds given: all numbers, or all strings."""

    path: str
    gt: int | float | str | None = None
    gte: int | float | str | None = None
    lt: int | float | str | None = None
    lte: int | float | str | None = None

    def __post_init__(self) -> None:
        _check_path(self.path)
        kinds = set()
        for bound in self.bounds().values():
            _check_scalar(bound)
            if isinstance(bound, bool):
                raise InputError(f"wanted bounds that are numbers or strings, found {bound!r}")
            kinds.add(_kind(bound))
        if len(kinds) != 1:
            raise InputError(f"wanted bounds that are all numbers or all strings, found {self.bounds()}")

    def bounds(self) -> dict[str, int | float | str]:
        """The bounds given, by name."""
        named = {"gt": self.gt, "gte": self.gte, "lt": self.lt, "lte": self.lte}
        return {name: bound for name, bound in named.items() if bound is not None}

    def _holds(self, found: list[tuple[str, Scalar]]) -> bool:
        return any(path == self.path and self._within(leaf) for path, leaf in found)

    def _within(self, leaf: Any) -> bool:
        for name, bound in self.bounds().items():
            if _kind(leaf) != _kind(bound):
                return False
            inside = {"gt": leaf > bound, "gte": leaf >= bound, "lt": leaf < bound, "lte": leaf <= bound}
            if not inside[name]:
                return False
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Exists(Filter):
    """There is a leaf of the path or below it."""

    path: str

    def __post_init__(self) -> None:
        _check_path(self.path)

    def _holds(self, found: list[tuple[str, Scalar]]) -> bool:
        return any(path == self.path or path.startswith(self.path + ".") for path, _ in found)


@dataclass(frozen=True, slots=True, eq=False, init=False)
class And(Filter):
    """All the filters are true; of none, always."""

    filters: tuple[Filter, ...]

    def __init__(self, *filters: Filter) -> None:
        _check_filters(filters)
        object.__setattr__(self, "filters", filters)

    def _holds(self, found: list[tuple[str, Scalar]]) -> bool:
        return all(part._holds(found) for part in self.filters)


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Or(Filter):
    """Any of the filters is true; of none, never."""

    filters: tuple[Filter, ...]

    def __init__(self, *filters: Filter) -> None:
        _check_filters(filters)
        object.__setattr__(self, "filters", filters)

    def _holds(self, found: list[tuple[str, Scalar]]) -> bool:
        return any(part._holds(found) for part in self.filters)


@dataclass(frozen=True, slots=True, eq=False)
class Not(Filter):
    """The filter is false."""

    filter: Filter

    def __post_init__(self) -> None:
        _check_filters((self.filter,))

    def _holds(self, found: list[tuple[str, Scalar]]) -> bool:
        return not self.filter._holds(found)


def as_filter(where: Filter | Mapping[str, Any] | None) -> Filter | None:
    """Take what users write as ``where``: a filter, or a mapping of paths to values that all must equal.

    >>> as_filter({"museum": "Louvre"})
    Eq(path='museum', value='Louvre')
    """
    if where is None or isinstance(where, Filter):
        return where
    if isinstance(where, Mapping):
        parts = [Eq(path, value) for path, value in where.items()]
        return parts[0] if len(parts) == 1 else And(*parts)
    raise InputError(f"wanted a filter such as Eq('museum', 'Louvre') or a mapping, found {where!r}")


def leaves(metadata: Any, path: str = "") -> Iterator[tuple[str, Scalar]]:
    """The leaves of metadata, each with its path."""
    if isinstance(metadata, Mapping):
        for key, value in metadata.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(metadata, (list, tuple)):
        for value in metadata:
            yield from leaves(value, path)
    elif metadata is not None:
        yield path, metadata


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else "string"


def _equal(a: Scalar, b: Scalar) -> bool:
    return _kind(a) == _kind(b) and a == b


def _check_path(path: object) -> None:
    if not isinstance(path, str) or not path:
        raise InputError(f"wanted the path of a metadata value, such as 'museum.city', found {path!r}")


def _check_scalar(value: object) -> None:
    if not isinstance(value, (str, int, float)) or (isinstance(value, float) and not math.isfinite(value)):
        hint = "; for a missing value use ~Exists(path)" if value is None else ""
        raise InputError(f"wanted a string, number or boolean to compare with, found {value!r}{hint}")


def _check_filters(filters: tuple[object, ...]) -> None:
    for part in filters:
        if not isinstance(part, Filter):
            raise InputError(f"wanted a filter such as Eq('museum', 'Louvre'), found {part!r}")
