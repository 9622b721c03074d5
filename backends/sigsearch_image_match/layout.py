"""What an index of image-match looks like: where its fields stand, and the scheme that it was made with.

image-match 1.1.2 puts all into the document itself and leaves the mapping to Elasticsearch::

    path, signature (648 longs), simple_word_0 ... simple_word_62, timestamp, metadata (where there is any)

What is in its repository and was never released puts the same into an object named as its type of document,
``image`` as a rule. Its indexes do not tell the scheme. How many words there are, the mapping says; how long
they are, the records say; how the pictures were cropped, nothing says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count, takewhile
from math import isqrt
from typing import Any, Final

import numpy as np
from elasticsearch import BadRequestError, NotFoundError
from sigsearch_elasticsearch.connection import Connection, Options
from sigsearch_elasticsearch.errors import driver_errors, kind_of, reason_of, told_by
from sigsearch_elasticsearch.mapping import settings
from sigsearch_elasticsearch.reading import Reader

from sigsearch.errors import FormatVersionError, IndexNotFoundError, InputError, NotAnIndexError
from sigsearch.scheme import IMAGE_MATCH_SCHEME, Scheme
from sigsearch.signatures import Signature
from sigsearch.words import word_positions

FORMAT_VERSION: Final = 1
"""Of what we add to an index of image-match: `_meta`, and the field `APART`."""

DOC_TYPE: Final = "image"
"""image-match's default."""

PATH: Final = "path"
URL: Final = "url"
SIGNATURE: Final = "signature"
WORD: Final = "simple_word_"
TIMESTAMP: Final = "timestamp"
METADATA: Final = "metadata"
APART: Final = "sigsearch"
"""The field for metadata that the index does not take, as text; image-match looks past it."""

_SAMPLE: Final = 50
"""Records that are asked for the length of their words."""
_LENGTHS: Final = (16, *(length for length in range(1, 40) if length != 16))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """An index of image-match, as it is there.

    Attributes
    ----------
    scheme : Scheme
    parent : str
        The object that a record's fields stand in, or nothing if they are the document's own.
    properties : mapping
        The mapping of a record's fields.
    dynamic : str
        What becomes of fields that are not mapped, as Elasticsearch has it: ``"true"`` as a rule.
    is_alias : bool
        Whether the name is an alias of the index.
    """

    scheme: Scheme
    parent: str
    properties: Mapping[str, Any]
    dynamic: str
    is_alias: bool

    @property
    def prefix(self) -> str:
        """What stands before the name of a field in a query."""
        return f"{self.parent}." if self.parent else ""

    def wrapped(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A document with these fields of a record."""
        return {self.parent: dict(fields)} if self.parent else dict(fields)

    def wrapped_mapping(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """The mapping of a document, of this one of a record's fields."""
        return {self.parent: {"properties": dict(properties)}} if self.parent else dict(properties)

    def fields_of(self, hit: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields of the record that a document is; none if it is something else."""
        source = hit.get("_source") or {}
        found = source.get(self.parent) if self.parent else source
        return found if isinstance(found, Mapping) else {}


def mappings(scheme: Scheme, parent: str = "") -> dict[str, Any]:
    """The mapping of a new index.

    As Elasticsearch makes it for image-match, but that the signature is only kept, and no words are stored
    in columns, which nobody reads.
    """
    word = {"type": "long", "doc_values": False}
    fields: dict[str, Any] = {
        PATH: {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}},
        SIGNATURE: {"type": "long", "index": False, "doc_values": False},
        **{f"{WORD}{number}": word for number in range(scheme.word_count)},
        TIMESTAMP: {"type": "date"},
        APART: APART_MAPPING,
    }
    told = {"layout": "image-match", "format": FORMAT_VERSION, "scheme": scheme.to_json()}
    return {
        "_meta": {"sigsearch": told},
        "properties": {parent: {"properties": fields}} if parent else fields,
    }


APART_MAPPING: Final = {
    "properties": {
        "apart": {"type": "boolean"},
        "metadata": {"type": "keyword", "index": False, "doc_values": False},
    }
}


def prepare(
    connection: Connection, *, scheme: Scheme, create: bool, options: Options, doc_type: str = DOC_TYPE
) -> Layout:
    """Find the index, or make it.

    Parameters
    ----------
    scheme : Scheme
        Of a new index. Of one that is there, what neither its mapping nor its records tell is taken from it.
    doc_type : str
        Of an index that has a mapping but no records yet: the object that is taken for a record's.

    Raises
    ------
    IndexNotFoundError
        There is none and none is to be created.
    NotAnIndexError, FormatVersionError, SchemeMismatchError
        What is there is not image-match's, or not of our time. It is left as it is.
    InputError
        The server refuses the settings.
    """
    while True:
        found = _look(connection)
        if found is not None:
            return _understand(connection, *found, scheme=scheme, create=create, doc_type=doc_type)
        if not create:
            raise IndexNotFoundError(f"no index at {connection.place}; create=True makes one")
        _create(connection, scheme, options)


def _look(connection: Connection) -> tuple[Mapping[str, Any], bool] | None:
    """The mapping of the index, and whether its name is an alias."""
    with driver_errors(connection.place):
        try:
            found = connection.client.indices.get_mapping(index=connection.name).body
        except NotFoundError as error:
            if kind_of(told_by(error)) == "":
                raise  # not Elasticsearch's 404, but a proxy's
            return None
    if len(found) != 1:
        raise NotAnIndexError(
            f"{connection.place} stands for several indexes, wanted one: {', '.join(sorted(found))}"
        )
    [(index, described)] = found.items()
    return described["mappings"], index != connection.name


def _create(connection: Connection, scheme: Scheme, options: Options) -> None:
    with driver_errors(connection.place):
        try:
            # No alias, as image-match has none: its users delete the index by its name.
            connection.client.indices.create(
                index=connection.name,
                mappings=mappings(scheme),
                settings=settings(options),
                timeout=f"{connection.patience * 500:.0f}ms",
            )
        except BadRequestError as error:
            told = told_by(error)
            if kind_of(told) != "resource_already_exists_exception":
                raise InputError(
                    f"cannot make an index at {connection.place}: {reason_of(told)}; see the options shards, "
                    "replicas, refresh_interval, codec and settings"
                ) from error


def _understand(
    connection: Connection,
    mapping: Mapping[str, Any],
    is_alias: bool,
    *,
    scheme: Scheme,
    create: bool,
    doc_type: str,
) -> Layout:
    parent = _parent(mapping, doc_type)
    described = mapping.get("properties", {}).get(parent, {}) if parent else mapping
    layout = Layout(
        scheme=scheme,
        parent=parent,
        properties=described.get("properties", {}),
        dynamic=str(described.get("dynamic", mapping.get("dynamic", "true"))).lower(),
        is_alias=is_alias,
    )
    if stored := _stored_scheme(mapping, connection.place):
        return replace(layout, scheme=stored)
    reader = Reader(connection.client, connection.name, connection.place)
    records = reader.search({"size": _SAMPLE, "track_total_hits": False})["hits"]["hits"]
    words = count_words(layout.properties)
    if words and SIGNATURE in layout.properties:
        return replace(layout, scheme=_scheme([layout.fields_of(hit) for hit in records], words, scheme))
    if records:
        raise NotAnIndexError(
            f"{connection.place} is an index, but not of image-match: wanted records with the fields "
            f"{SIGNATURE} and {WORD}0, found the fields {_some(mapping.get('properties', {}))}"
        )
    if create:
        made = mappings(scheme, parent)
        with driver_errors(connection.place):
            connection.client.indices.put_mapping(
                index=connection.name,
                meta=made["_meta"],
                # What the user has mapped stays as it is.
                properties=_without(made["properties"], mapping.get("properties", {})),
            )
    return layout


def _parent(mapping: Mapping[str, Any], doc_type: str) -> str:
    """The object that records stand in."""
    properties = mapping.get("properties", {})
    if SIGNATURE in properties or f"{WORD}0" in properties:
        return ""
    objects = {name: each["properties"] for name, each in properties.items() if "properties" in each}
    telling = [name for name, inner in objects.items() if {SIGNATURE, f"{WORD}0"} & inner.keys()]
    if doc_type in telling or (not telling and {PATH, METADATA} & objects.get(doc_type, {}).keys()):
        return doc_type
    return telling[0] if len(telling) == 1 else ""


def _stored_scheme(mapping: Mapping[str, Any], place: str) -> Scheme | None:
    """The scheme of an index that sigsearch has made in image-match's layout."""
    ours = mapping.get("_meta", {}).get("sigsearch")
    if ours is None:
        return None
    if not isinstance(ours, Mapping) or ours.get("layout") != "image-match":
        raise NotAnIndexError(f"{place} is an index of sigsearch's own layout: open it as elasticsearch://")
    if ours.get("format") != FORMAT_VERSION:
        raise FormatVersionError(
            f"{place} has format {ours.get('format')}, this version of sigsearch knows {FORMAT_VERSION}: "
            "upgrade it"
        )
    return Scheme.from_json(ours["scheme"])


def _scheme(records: Sequence[Mapping[str, Any]], words: int, wanted: Scheme) -> Scheme:
    """The scheme of most records; what they do not tell is as wanted."""
    counts = [number for each in records if (number := count_words(each))]
    words = max(counts, key=counts.count, default=words)
    told = []
    for each in records:
        signature, found = as_signature(each.get(SIGNATURE)), words_of(each, words)
        if signature is not None and found is not None:
            told.append((signature, found))
    sizes = [size for signature, _ in told if (size := _grid_size(len(signature)))]
    size = max(sizes, key=sizes.count) if sizes else wanted.grid_size
    usual = replace(
        wanted.with_words_of(IMAGE_MATCH_SCHEME),
        grid_size=size,
        word_shape="run",
        word_count=min(words, 8 * size**2),
    )
    fitting = [(signature, found) for signature, found in told if len(signature) == usual.signature_length]
    if not fitting:
        return usual
    levels = [int(np.abs(signature).max()) for signature, _ in fitting]
    usual = replace(usual, levels=max(wanted.levels, max(levels, key=levels.count)))

    def fit(length: int) -> int:
        scheme = replace(usual, word_length=length)
        return sum(np.array_equal(plain_words(signature, scheme), found) for signature, found in fitting)

    # Of records of few features several lengths may fit; image-match's own comes first.
    length = next((one for one in _LENGTHS if fit(one) == len(fitting)), None)
    return replace(usual, word_length=length or max(_LENGTHS, key=fit))


def as_signature(values: object) -> Signature | None:
    """A signature as a document has it, of whatever length; None if it is none."""
    if not isinstance(values, list) or not values:
        return None
    try:
        found = np.array(values)
    except ValueError:
        return None
    if found.ndim != 1 or found.dtype.kind != "i" or np.abs(found).max() > 9:
        return None
    return found.astype(np.int8)


def count_words(fields: Mapping[str, Any]) -> int:
    """How many words a record, or a mapping, has one after the other."""
    return sum(1 for _ in takewhile(fields.__contains__, (f"{WORD}{number}" for number in count())))


def words_of(fields: Mapping[str, Any], words: int) -> list[int] | None:
    """The words of a record, None unless all are there and numbers."""
    found: list[Any] = list(map(fields.get, _names(words)))
    return found if all(type(word) is int for word in found) else None


@lru_cache
def _names(words: int) -> tuple[str, ...]:
    return tuple(f"{WORD}{number}" for number in range(words))


def plain_words(signature: Signature, scheme: Scheme) -> list[int]:
    """As `sigsearch.encode_words` gives them, but without waiting for numba."""
    positions = word_positions(scheme)
    signs = np.where(positions >= 0, np.sign(signature)[positions], 0).astype(np.int64)
    words: list[int] = ((signs + 1) @ 3 ** np.arange(scheme.word_length, dtype=np.int64)).tolist()
    return words


def _grid_size(values: int) -> int | None:
    size = isqrt(values // 8)
    return size if size >= 2 and 8 * size**2 == values else None


def _without(properties: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
    """Properties but those that are there, looking into objects."""
    return {
        name: {"properties": _without(each["properties"], there[name]["properties"])}
        if name in there and "properties" in each and "properties" in there[name]
        else each
        for name, each in properties.items()
        if name not in there or ("properties" in each and "properties" in there[name])
    }


def _some(names: Mapping[str, Any]) -> str:
    return ", ".join(sorted(names)[:5]) + (" ..." if len(names) > 5 else "") or "none"
