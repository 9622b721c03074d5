"""``--where museum=Louvre``: filters on metadata as they are typed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sigsearch.errors import InputError

if TYPE_CHECKING:
    from sigsearch.filters import Filter

_CONDITION = re.compile(r"(?P<path>[^=!<>]+)(?:(?P<operator>!=|<=|>=|=|<|>)(?P<value>.*))?", re.DOTALL)
_BOUNDS = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


def parse_where(conditions: Sequence[str]) -> Filter | None:
    """The filter that all of these conditions make; None without any.

    A condition is ``path=value``, ``path!=value``, ``path<value``, ``<=``, ``>`` or ``>=``, or a bare
    ``path``, which asks that there is such a value.

    Raises
    ------
    InputError
        A condition is none of these.
    """
    from sigsearch.filters import And

    filters = [_parse(condition) for condition in conditions]
    if len(filters) > 1:
        return And(*filters)
    return filters[0] if filters else None


def _parse(condition: str) -> Filter:
    from sigsearch.filters import Exists, In, Range

    found = _CONDITION.fullmatch(condition)
    if not found:
        raise InputError(f"wanted a condition such as museum=Louvre or 'year<1600', found {condition!r}")
    path, operator, value = found["path"], found["operator"], found["value"]
    if operator is None:
        return Exists(path)
    scalar = _scalar(value)
    if operator in _BOUNDS:
        return Range(path, **{_BOUNDS[operator]: value if isinstance(scalar, bool) else scalar})
    # Nobody can see on a command line whether 1503 stands in the metadata as a number or as text.
    equal = In(path, [value] if scalar is value else [value, scalar])
    return equal if operator == "=" else ~equal


def _scalar(text: str) -> str | int | float | bool:
    """The number or boolean that a text reads as in JSON, else the text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value  # bool is an int
    return text
