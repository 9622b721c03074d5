"""Tests for authors: of backends (the conformance suite) and of programs that use sigsearch (pictures).

The public names are imported when first used: the conformance suite needs pytest and hypothesis
(``pip install 'sigsearch[testing]'``), the pictures need neither. The fixtures stand in
`sigsearch.testing.plugin`, which pytest finds by itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sigsearch.testing.conformance import BackendConformance as BackendConformance
    from sigsearch.testing.filter_cases import FILTER_CASES as FILTER_CASES
    from sigsearch.testing.filter_cases import FilterCase as FilterCase
    from sigsearch.testing.pictures import EDITS as EDITS
    from sigsearch.testing.pictures import make_near_duplicate as make_near_duplicate
    from sigsearch.testing.pictures import make_picture as make_picture
    from sigsearch.testing.stateful import run_against_a_dict as run_against_a_dict

_HOMES = {
    "BackendConformance": "conformance",
    "EDITS": "pictures",
    "FILTER_CASES": "filter_cases",
    "FilterCase": "filter_cases",
    "make_near_duplicate": "pictures",
    "make_picture": "pictures",
    "run_against_a_dict": "stateful",
}

__all__ = [  # noqa: PLE0604, RUF100 - the names above, imported late
    "BackendConformance",
    "EDITS",
    "FILTER_CASES",
    "FilterCase",
    "make_near_duplicate",
    "make_picture",
    "run_against_a_dict",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
