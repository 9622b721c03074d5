"""The leaves of metadata as terms of one keyword field, and filters as queries on that field.

Elasticsearch gives each path of a JSON document a type of its own, from the first value that it sees there,
and refuses what does not fit; it knows 64-bit numbers only, and no more than 1,000 paths. Filters mean what
`Filter.matches` says, so here every leaf is one term, a *token*, whatever the metadata is::

    museum.city: "Paris"    museum.city/sParis
    on_view: True           on_view/t
    year: 1503              year/na2GO
    size: 0                 size/nP
    a/b: -1                 a~1b/n>nn~

It is the path, a slash, a letter for the kind (string, number, true or false) and the value. In paths ``~``
and ``/`` are escaped as ``~0`` and ``~1``, as in a JSON pointer. So the first slash ends the path, and no
path can be taken for the beginning of another.

Lucene orders terms by their UTF-8, which is by code point. Numbers are written in base 64, most significant
digit first, so that their order is that of their values, exactly and whatever their size. So every filter on
a path is a search for terms or for a range of terms.

No token is longer than 900 bytes: of what is, it has the beginning and a digest. That is found by equality as
all else is, and in ranges by its beginning, but

- a bound and a leaf that are both so long and begin with the same 800 bytes (150, if their path is long, too)
  are in the order of their digests; of integers these are 1,400 decimal digits,
- `Exists` of a path longer than 600 bytes finds the leaves of just this path, and none below.

Ranges and `Exists` are what Elasticsearch calls expensive queries: where ``search.allow_expensive_queries``
is false it refuses them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from elasticsearch.dsl import Q, query

from sigsearch.filters import And, Eq, Exists, Filter, In, Not, Or, Range, Scalar, leaves

if TYPE_CHECKING:
    from sigsearch.records import Json

_Part: TypeAlias = tuple[Filter, bool]

_MOST_BYTES = 900
"""Of a token. Lucene takes terms of 32,766 bytes, and refuses whole documents for those that are longer; but
Elasticsearch 8 refuses ranges whose limits have 1,000 or more (8.19: "input automaton is too large: 1001").
And what nobody will ask for, such as long descriptions, would fill the index."""

_MOST_TERMS = 65_536
"""What Elasticsearch takes in a terms query (index.max_terms_count)."""

# The digits of base 64 are these characters, which are in order and without a gap. Base64 proper is not.
_DIGITS = bytes(range(ord("0"), ord("0") + 64))
_FROM_BASE64 = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", _DIGITS)
_COMPLEMENTS = str.maketrans(_DIGITS.decode(), _DIGITS[::-1].decode())
_AFTER_DIGITS = "~"

# What filters ask for may have lone surrogates, which no UTF-8 has.
_SURROGATE = re.compile("[\ud800-\udfff]")


def leaf_tokens(metadata: Json) -> list[str]:
    """The leaves of a record's metadata as what is to be stored in the field, in order and without repeats.

    For a field of type ``keyword`` with ``"doc_values": False``, since nobody sorts by it.

    Parameters
    ----------
    metadata
        As `sigsearch.records.check_metadata` gives it.

    Returns
    -------
    list of str
        Each of no more than 900 bytes of UTF-8.
    """
    # A key may be empty, and so a path; no filter asks for that one.
    return list(dict.fromkeys(_token(path, value) for path, value in leaves(metadata) if path))


def filter_query(where: Filter, field: str) -> query.Query:
    """A filter as a query, for filter context: what it adds to a score means nothing.

    Combinations within combinations of the same kind are one, since Elasticsearch refuses what is more than
    30 levels deep (``indices.query.bool.max_nested_depth``); filters that alternate so often are refused.

    Parameters
    ----------
    where : Filter
    field : str
        The field that has the `leaf_tokens` of each record.

    Raises
    ------
    TypeError
        There is a filter of no known kind in it.
    """
    every = list(_parts(where, And))
    if len(every) == 1 and not every[0][1]:
        clauses = _any_of(_parts(every[0][0], Or), field)
        if not clauses:
            return query.MatchNone()
        return clauses[0] if len(clauses) == 1 else query.Bool(should=clauses, minimum_should_match=1)
    wanted = [filter_query(part, field) for part, negated in every if not negated]
    unwanted = _any_of([(part, False) for part, negated in every if negated], field)
    return query.Bool(filter=wanted, must_not=unwanted) if wanted or unwanted else query.MatchAll()


def _parts(where: Filter, kind: type[And | Or], negated: bool = False) -> Iterator[_Part]:
    """What a filter is the And, or the Or, of; each part with whether it is negated.

    By De Morgan's laws: the negation of an Or is the And of negations.
    """
    if isinstance(where, Not):
        yield from _parts(where.filter, kind, not negated)
    elif isinstance(where, (And, Or)) and (isinstance(where, kind) != negated or len(where.filters) == 1):
        for part in where.filters:
            yield from _parts(part, kind, negated)
    else:
        yield where, negated


def _any_of(parts: Iterable[_Part], field: str) -> list[query.Query]:
    """Queries of which any is true where any of the parts is; none if that is nowhere."""
    tokens: list[str] = []
    clauses = []
    for part, negated in parts:
        if negated:
            clauses.append(filter_query(Not(part), field))
        elif isinstance(part, And):
            clauses.append(filter_query(part, field))
        elif isinstance(part, (Eq, In)):
            tokens += _wanted_tokens(part)
        elif not isinstance(part, (Range, Exists)):
            raise TypeError(f"wanted a filter of sigsearch.filters, found {part!r}")
        elif _is_valid(part.path):
            limits = _range(part) if isinstance(part, Range) else _here_and_below(part.path)
            # As a mapping here and below: of the dsl's keywords, a field a__b is one a.b.
            clauses.append(Q({"range": {field: limits}}))
    return _terms(tokens, field) + clauses


def _terms(tokens: Iterable[str], field: str) -> list[query.Query]:
    some = list(dict.fromkeys(tokens))
    if len(some) == 1:
        return [Q({"term": {field: some[0]}})]
    return [
        Q({"terms": {field: some[start : start + _MOST_TERMS]}}) for start in range(0, len(some), _MOST_TERMS)
    ]


def _wanted_tokens(where: Eq | In) -> list[str]:
    values = where.values if isinstance(where, In) else (where.value,)
    return [
        _token(where.path, value)
        for value in values
        if _is_valid(where.path) and (not isinstance(value, str) or _is_valid(value))
    ]


def _range(where: Range) -> dict[str, str]:
    """The limits of the range: the bounds, of two on a side the tighter one, and the ends of their kind."""
    kind = "s" if any(isinstance(bound, str) for bound in where.bounds().values()) else "n"
    head = _head(where.path)
    lower, upper = [(head + kind, "gte")], [(head + chr(ord(kind) + 1), "lt")]
    for name, bound in where.bounds().items():
        side, without_it = (lower, "gte") if name in ("gt", "gte") else (upper, "lt")
        if isinstance(bound, str) and not _is_valid(bound):
            # Above it is what is not below the first character behind the surrogates.
            valid = _SURROGATE.split(bound, maxsplit=1)[0] + "\ue000"
            side.append((_token(where.path, valid), without_it))
        else:
            side.append((_token(where.path, bound), name))
    # Of equal limits those that leave the limit out are tighter: gt and lt.
    least, above = max(lower, key=lambda limit: (limit[0], limit[1] == "gt"))
    most, below = min(upper)
    return {above: least, below: most}


def _here_and_below(path: str) -> dict[str, str]:
    """The limits of the tokens of a path and of all below it.

    One range has both, as the slash, which ends a path, is next to the dot; behind the slash is the zero.
    """
    head = _head(path).removesuffix("/")
    return {"gte": head + ".", "lt": head + "0"}


def _is_valid(text: str) -> bool:
    """Whether this is valid Unicode, as all metadata is, and so can be found at all."""
    return not _SURROGATE.search(text)


def _token(path: str, value: Scalar) -> str:
    if isinstance(value, bool):
        text = "t" if value else "f"
    elif isinstance(value, str):
        text = "s" + value
    else:
        text = "n" + _number(value)
    return _cut(_head(path) + text, _MOST_BYTES)


def _head(path: str) -> str:
    """What all tokens of a path begin with, and no others. It leaves a quarter to their values."""
    return _cut(path.replace("~", "~0").replace("/", "~1"), _MOST_BYTES * 3 // 4) + "/"


def _cut(text: str, most: int) -> str:
    """The text, or its beginning and its digest; of no more than so many bytes of UTF-8.

    What is cut is longer than what is not, so that nothing is taken for something else's digest.
    """
    encoded = text.encode()
    room = most - 64
    if len(encoded) <= room:
        return text
    return encoded[:room].decode(errors="ignore") + hashlib.sha256(encoded).hexdigest()


def _number(value: int | float) -> str:
    """A number as text in its order: first the count of digits before the point, then the digits.

    Those of a negative one are complemented. What ends behind more digits is then the lower one, as it is
    farther from zero, hence the last character.
    """
    numerator, denominator = value.as_integer_ratio()
    if not numerator:
        return _digit(32)
    bits = denominator.bit_length() - 1  # a power of two, as floats are
    places = -(-bits // 6)
    digits = _digits(abs(numerator) << (6 * places - bits))
    text = _count(len(digits) - places) + digits.rstrip(_digit(0))
    return text if numerator > 0 else text.translate(_COMPLEMENTS) + _AFTER_DIGITS


def _count(value: int) -> str:
    """An integer as text in its order: first its sign and how many digits it has, then the digits.

    That first one is 48 for zero and between 33 and 63, so that the complement of it is below 32.
    """
    digits = _digits(abs(value))
    if value >= 0:
        return _digit(48 + len(digits)) + digits
    return _digit(48 - len(digits)) + digits.translate(_COMPLEMENTS)


def _digits(value: int) -> str:
    """The digits of a whole number in base 64; of zero, none."""
    size = -(-value.bit_length() // 24) * 3  # in bytes: three of them are four digits
    encoded = base64.b64encode(value.to_bytes(size, "big")).translate(_FROM_BASE64)
    return encoded.decode().lstrip(_digit(0))


def _digit(value: int) -> str:
    return chr(_DIGITS[value])
