"""What each filter is true of: the meaning of filters as a table, worked by hand, for all backends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sigsearch.filters import And, Eq, Exists, Filter, In, Not, Or, Range

if TYPE_CHECKING:
    from sigsearch.records import Json

METADATA: dict[str, Json] = {
    "nothing": None,
    "a bare string": "Paris",
    "paris": {"city": "Paris", "year": 1503, "tags": ["oil", "wood"], "on_view": True},
    "rome": {"city": "Rome", "year": 1601.5, "tags": ["oil", "canvas"], "on_view": False},
    "nested": {
        "museum": {"city": "Paris", "rooms": [{"name": "711", "size": 12}, {"name": "712", "size": 40}]}
    },
    "dotted": {"museum.city": "Paris"},
    "listed": [{"city": "Paris"}, {"city": ["Rome", ["Oslo"]]}],
    "empty": {"city": None, "year": [], "museum": {}, "tags": [None, [None]]},
    "strings": {"year": "1503", "on_view": "true", "city": ""},
    "switched": {"on_view": 1, "city": 0, "year": True},
    "two years": {"year": [1400, 1700]},
    "zero": {"year": 0, "size": -0.0},
    "lower case": {"city": "paris", "tags": "Oil"},
    "scripts": {"city": ["Zürich", "東京", "😀"]},
    "odd keys": {'it\'s a "key"': 1, "per%cent_": 2, "sp ace": 3, "été": 4, "back\\slash": 5},
    "big": {"year": 2**53},
    "long": {"city": "x" * 300},
}
"""Metadata by name. One collection, so that a backend with one type to a field must cope with it, too."""

_ALL = frozenset(METADATA)
_PARIS = {"paris", "listed"}
_WITH_CITY = {"paris", "rome", "listed", "strings", "switched", "lower case", "scripts", "long"}
_WITH_YEAR = {"paris", "rome", "strings", "switched", "two years", "zero", "big"}

FILTERS: list[tuple[Filter, set[str] | frozenset[str]]] = [
    # Equality: by kind and by value; 1, "1" and True are three values.
    (Eq("city", "Paris"), _PARIS),
    (Eq("city", "paris"), {"lower case"}),
    (Eq("city", "Par"), set()),
    (Eq("city", ""), {"strings"}),
    (Eq("city", 0), {"switched"}),
    (Eq("city", False), set()),
    (Eq("city", "Oslo"), {"listed"}),
    (Eq("city", "Zürich"), {"scripts"}),
    (Eq("city", "Zu\u0308rich"), set()),
    (Eq("city", "😀"), {"scripts"}),
    (Eq("city", "x" * 300), {"long"}),
    (Eq("city", "x" * 299), set()),
    (Eq("year", 1503), {"paris"}),
    (Eq("year", 1503.0), {"paris"}),
    (Eq("year", "1503"), {"strings"}),
    (Eq("year", 1601.5), {"rome"}),
    (Eq("year", 1601), set()),
    (Eq("year", True), {"switched"}),
    (Eq("year", 1), set()),
    (Eq("year", 0), {"zero"}),
    (Eq("year", False), set()),
    (Eq("year", 1700), {"two years"}),
    (Eq("year", 2**53), {"big"}),
    (Eq("year", float(2**53)), {"big"}),
    (Eq("year", 2**53 - 1), set()),
    (Eq("size", 0), {"zero"}),
    (Eq("on_view", True), {"paris"}),
    (Eq("on_view", False), {"rome"}),
    (Eq("on_view", 1), {"switched"}),
    (Eq("on_view", "true"), {"strings"}),
    # Paths: keys joined by dots; lists add nothing; each element is a leaf.
    (Eq("tags", "oil"), {"paris", "rome"}),
    (Eq("tags", "Oil"), {"lower case"}),
    (Eq("tags", "oil wood"), set()),
    (Eq("tags.0", "oil"), set()),
    (Eq("museum.city", "Paris"), {"nested", "dotted"}),
    (Eq("museum", "Paris"), set()),
    (Eq("museum.rooms.size", 40), {"nested"}),
    (Eq("museum.rooms.name", "711"), {"nested"}),
    (Eq("museum.rooms.name", 711), set()),
    (Eq("rooms.size", 40), set()),
    (Eq("nowhere", "Paris"), set()),
    (Eq('it\'s a "key"', 1), {"odd keys"}),
    (Eq("per%cent_", 2), {"odd keys"}),
    (Eq("perXcentX", 2), set()),
    (Eq("sp ace", 3), {"odd keys"}),
    (Eq("été", 4), {"odd keys"}),
    (Eq("back\\slash", 5), {"odd keys"}),
    # One of several.
    (In("city", ["Paris", "Rome"]), {"paris", "rome", "listed"}),
    (In("city", []), set()),
    (In("year", [1503, "1503", True]), {"paris", "strings", "switched"}),
    (In("year", [1400]), {"two years"}),
    (In("on_view", [1, False]), {"switched", "rome"}),
    # Ranges: all bounds hold of one and the same leaf; strings by code point; booleans in none.
    (Range("year", gte=1503), {"paris", "rome", "two years", "big"}),
    (Range("year", gt=1503), {"rome", "two years", "big"}),
    (Range("year", lt=1503), {"two years", "zero"}),
    (Range("year", lte=1503), {"paris", "two years", "zero"}),
    (Range("year", gte=1500, lt=1600), {"paris"}),
    (Range("year", gt=1601, lt=1602), {"rome"}),
    (Range("year", gt=1450, lt=1650), {"paris", "rome"}),
    (Range("year", lt=0), set()),
    (Range("year", gte=0, lte=0), {"zero"}),
    (Range("size", gte=0), {"zero"}),
    (Range("year", gt=2**53 - 1), {"big"}),
    (Range("year", gte="1"), {"strings"}),
    (Range("year", gte="1503", lte="1503"), {"strings"}),
    (Range("on_view", gte=0), {"switched"}),
    (Range("city", gte="P", lt="Q"), _PARIS),
    (Range("city", gt="Z"), {"lower case", "scripts", "long"}),
    (Range("city", gt="\uffff"), {"scripts"}),
    (Range("city", lt="A"), {"strings"}),
    (Range("museum.rooms.size", gt=12, lt=40), set()),
    (Range("museum.rooms.size", gte=40), {"nested"}),
    (Range("nowhere", lt=1e300), set()),
    # Existence: of a leaf there or below; null, an empty list and an empty object are no leaves.
    (Exists("city"), _WITH_CITY),
    (Exists("year"), _WITH_YEAR),
    (Exists("on_view"), {"paris", "rome", "strings", "switched"}),
    (Exists("tags"), {"paris", "rome", "lower case"}),
    (Exists("museum"), {"nested", "dotted"}),
    (Exists("museum.rooms"), {"nested"}),
    (Exists("museum.rooms.name"), {"nested"}),
    (Exists("mus"), set()),
    (Exists("museum.city.name"), set()),
    (Exists("per%cent_"), {"odd keys"}),
    # Negation: true wherever the filter is false, so also where there is no leaf.
    (Not(Exists("museum")), _ALL - {"nested", "dotted"}),
    (~Eq("city", "Paris"), _ALL - _PARIS),
    (~Eq("city", "Rome"), _ALL - {"rome", "listed"}),
    (~Range("year", gte=1503), _ALL - {"paris", "rome", "two years", "big"}),
    (~In("city", []), _ALL),
    (~~Eq("city", "Paris"), _PARIS),
    # Combination.
    (And(), _ALL),
    (Or(), set()),
    (~And(), set()),
    (~Or(), _ALL),
    (And(Eq("city", "Paris")), _PARIS),
    (Or(Eq("city", "Paris")), _PARIS),
    (Eq("city", "Paris") & Eq("year", 1503), {"paris"}),
    (Eq("city", "Paris") & Eq("city", "Rome"), {"listed"}),
    (Eq("museum.rooms.name", "711") & Eq("museum.rooms.size", 40), {"nested"}),
    (Eq("tags", "oil") & ~Eq("on_view", True), {"rome"}),
    (Eq("city", "Paris") | Eq("museum.city", "Paris"), _PARIS | {"nested", "dotted"}),
    ((Eq("city", "Paris") | Eq("city", "Rome")) & Exists("tags"), {"paris", "rome"}),
    (
        ~(Eq("city", "Paris") | Exists("year")),
        {
            *("nothing", "a bare string", "nested", "dotted", "empty"),
            *("lower case", "scripts", "odd keys", "long"),
        },
    ),
    (~(Exists("city") & Exists("year")), _ALL - {"paris", "rome", "strings", "switched"}),
    (
        And(Exists("city"), And(), Or(Eq("year", 1503), Eq("year", "1503"))),
        {"paris", "strings"},
    ),
]
"""Filters, and the names of the metadata they are true of."""


@dataclass(frozen=True, slots=True)
class FilterCase:
    """One filter and one metadata."""

    name: str
    metadata: Json
    filter: Filter
    expected: bool


def _cases() -> Iterator[FilterCase]:
    for wanted, names in FILTERS:
        for name, metadata in METADATA.items():
            yield FilterCase(name, metadata, wanted, name in names)


FILTER_CASES: tuple[FilterCase, ...] = tuple(_cases())
"""Every filter of the table on every metadata of it."""
