"""Filters as queries that find all they are true of, and little else, in whatever mapping an index has.

What Elasticsearch makes of metadata depends on their mapping, most of which it makes itself from what it
sees first. It keeps text and numbers apart no better than it must, and leaves out what is too long or does
not fit. So a filter is worked out by `Filter.matches` on what the server gives; here the server is asked for
less where it can be told for certain that nothing is lost: for equality of text, numbers and booleans, and
for ranges of numbers, on fields of plain types. All else, as negations, `Exists`, and objects that are
``nested``, is not narrowed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from sigsearch.filters import And, Eq, Filter, In, Or, Range
from sigsearch_image_match.layout import APART, METADATA

Query = dict[str, Any]

_WHOLE: Final = {"long": 64, "integer": 32, "short": 16, "byte": 8}
"""Types of whole numbers, and their bits. Fractions are cut off when they are indexed."""
_LARGEST: Final = {"double": 1.7e308, "float": 3.4e38}
"""Both sides of a comparison are rounded to the same; the server refuses what is larger."""
_MOST_TERMS: Final = 1000
_NOTHING: Final[Query] = {"match_none": {}}


def narrowed(where: Filter, mapping: Mapping[str, Any], parent: str = "") -> Query | None:
    """A query that is true of all records that a filter is true of; None where it would be of all records.

    Parameters
    ----------
    where : Filter
    mapping : mapping
        That of the index.
    parent : str
        The object that a record's fields stand in, if they are not the document's own.
    """
    if any(name in mapping for name in ("dynamic_templates", "runtime")):
        return None  # which may keep fields where they do not show
    described = mapping.get("properties", {}).get(parent, {}) if parent else mapping
    prefix = f"{parent}." if parent else ""
    dynamic = described.get("dynamic", mapping.get("dynamic", "true"))
    top = {"dynamic": dynamic, "properties": described.get("properties", {})}
    query = _narrowed(where, top, prefix)
    # Metadata that the server did not take are kept as text, and looked at.
    return query and _any_of(query, {"term": {f"{prefix}{APART}.apart": True}})


def _narrowed(where: Filter, top: Mapping[str, Any], prefix: str) -> Query | None:
    if isinstance(where, And):
        parts = [_narrowed(part, top, prefix) for part in where.filters]
        known = [part for part in parts if part is not None]
        return {"bool": {"filter": known}} if known else None
    if isinstance(where, Or):
        return _all_or_none([_narrowed(part, top, prefix) for part in where.filters])
    if isinstance(where, In):
        if len(where.values) > _MOST_TERMS:
            return None
        return _all_or_none([_narrowed(Eq(where.path, value), top, prefix) for value in where.values])
    if not isinstance(where, (Eq, Range)) or not _is_valid(where):
        return None
    field = _field(f"{METADATA}.{where.path}", top)
    if field is None:
        return None
    name = f"{prefix}{METADATA}.{where.path}"
    query = _value(name, field, where.value) if isinstance(where, Eq) else _range(name, field, where)
    if query is None:
        return None
    # What was too long or did not fit is named in the document.
    return _any_of(query, {"terms": {"_ignored": [name, f"{name}.keyword"]}})


def _is_valid(where: Eq | Range) -> bool:
    """Whether it can be sent: filters may have lone surrogates, which no UTF-8 has."""
    try:
        f"{where.path}{where.value if isinstance(where, Eq) else ''}".encode()
    except UnicodeEncodeError:
        return False
    return True


def _field(path: str, top: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The mapping of a field, an empty one if the server knows of none; None if nothing can be told."""
    found = top
    dynamic = top["dynamic"]
    for key in path.split("."):
        if not key or found.get("type", "object") != "object" or not found.get("enabled", True):
            return None
        if not found.get("subobjects", True):
            return None
        dynamic = found.get("dynamic", dynamic)
        inner = found.get("properties", {})
        if key not in inner:
            return {} if str(dynamic).lower() == "true" else None
        found = inner[key]
    return found


def _value(name: str, field: Mapping[str, Any], value: Any) -> Query | None:
    """Documents whose field may have a value."""
    if not field:
        return _NOTHING
    kind = field.get("type", "object")
    if isinstance(value, str):
        if kind == "text":
            name, field = f"{name}.keyword", field.get("fields", {}).get("keyword", {})
        plain = field.get("type") == "keyword" and "normalizer" not in field
        return {"term": {name: value}} if plain and field.get("index", True) else None
    if not field.get("index", True):
        return None
    if isinstance(value, bool):
        return {"term": {name: value}} if kind == "boolean" else None
    return _between(name, kind, value, value)


def _range(name: str, field: Mapping[str, Any], where: Range) -> Query | None:
    """Documents whose field may have a number between the bounds."""
    bounds = where.bounds()
    if any(isinstance(bound, str) for bound in bounds.values()):
        return None
    if not field:
        return _NOTHING
    if not field.get("index", True):
        return None
    low = max((bound for side, bound in bounds.items() if side in ("gt", "gte")), default=-math.inf)
    high = min((bound for side, bound in bounds.items() if side in ("lt", "lte")), default=math.inf)
    return _between(name, field.get("type", "object"), low, high)


def _between(name: str, kind: str, low: Any, high: Any) -> Query | None:
    """Both ends included: what lay beside them may have been rounded to them."""
    if kind in _WHOLE:
        largest: float = (1 << _WHOLE[kind] - 1) - 1
        # To compare numbers with infinity is exact, whatever their size; to convert them is not.
        cut = [bound if abs(bound) == math.inf else math.trunc(bound) for bound in (low, high)]
        least = -largest - 1
    elif kind in _LARGEST:
        largest = _LARGEST[kind]
        least = -largest
        # To the server -0.0 is less than 0.0.
        cut = [low if low else -0.0, high if high else 0.0]
    else:
        return None
    ends = {}
    if cut[0] > largest or cut[1] < least:
        return _NOTHING if kind in _WHOLE else None
    if cut[0] >= least:
        ends["gte"] = cut[0]
    if cut[1] <= largest:
        ends["lte"] = cut[1]
    return {"range": {name: ends}} if ends else None


def _all_or_none(parts: list[Query | None]) -> Query | None:
    known = [part for part in parts if part is not None]
    return _any_of(*known) if len(known) == len(parts) else None


def _any_of(*queries: Query) -> Query:
    if not queries:
        return _NOTHING
    return queries[0] if len(queries) == 1 else {"bool": {"should": list(queries), "minimum_should_match": 1}}
