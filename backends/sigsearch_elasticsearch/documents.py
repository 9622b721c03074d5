"""Records as documents of Elasticsearch and back; pure, no server asked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from sigsearch.errors import StorageError
from sigsearch.records import WHOLE, Box, Record, View
from sigsearch.scheme import Scheme
from sigsearch_elasticsearch.leaves import leaf_tokens
from sigsearch_elasticsearch.mapping import LEAVES, MAX_DEPTH, WORDS
from sigsearch_elasticsearch.packing import pack, unpack
from sigsearch_elasticsearch.tokens import tokens_of

if TYPE_CHECKING:
    from sigsearch.records import Json

Document = dict[str, Any]

_MAX_KEY: Final = 1000
"""Characters of a path in metadata, which stands before each of its values in the index of `flattened`."""


def to_documents(records: Sequence[Record], scheme: Scheme) -> list[Document]:
    """A document for each record, with the words of all its views."""
    if not records:
        return []
    signatures = np.stack([view.signature for record in records for view in record.views])
    packed = iter(zip(pack(signatures, scheme), tokens_of(signatures, scheme), strict=True))
    return [_to_document(record, [next(packed) for _ in record.views]) for record in records]


def _to_document(record: Record, packed: Sequence[tuple[str, list[str]]]) -> Document:
    texts = [text for text, _ in packed]
    document: Document = {
        WORDS: list(dict.fromkeys(token for _, tokens in packed for token in tokens)),
        "signature": texts[0] if len(texts) == 1 else texts,
    }
    if len(texts) > 1 or record.views[0].box != WHOLE:
        document["boxes"] = [list(view.box) for view in record.views]
    if record.path is not None:
        document["path"] = record.path
    if record.timestamp is not None:
        # As text it keeps its microseconds; the server sorts and filters it by the millisecond.
        document["timestamp"] = record.timestamp.astimezone(UTC).isoformat()
    if record.metadata is not None:
        document[LEAVES] = leaf_tokens(record.metadata)
        if is_searchable(record.metadata):
            document["metadata"] = record.metadata
        else:
            document["metadata_json"] = json.dumps(record.metadata)
    return document


def source_of(document: Document) -> Document:
    """What of a document the server gives back."""
    return {name: value for name, value in document.items() if name not in (WORDS, LEAVES)}


def to_records(hits: Iterable[Mapping[str, Any]], scheme: Scheme) -> Iterator[Record | StorageError]:
    """The records of documents as the server gives them, in order; for one that is damaged, what is wrong.

    Parameters
    ----------
    hits : iterable of mapping
        Each with ``_id`` and ``_source``.
    """
    hits = list(hits)
    try:
        packed = [_texts(hit) for hit in hits]
        signatures = iter(unpack([text for texts in packed for text in texts], scheme))
        whole = [np.array([next(signatures) for _ in texts]) for texts in packed]
    except StorageError as error:
        if len(hits) == 1:
            yield StorageError(f"the record {hits[0]['_id']!r} is damaged: {error}; add its picture again")
        else:
            for hit in hits:  # one by one, to say which it is
                yield from to_records([hit], scheme)
        return
    for hit, views in zip(hits, whole, strict=True):
        try:
            yield _to_record(hit["_id"], hit["_source"], views)
        except (KeyError, TypeError, ValueError) as error:
            yield StorageError(f"the record {hit['_id']!r} is damaged: {error}; add its picture again")


def _texts(hit: Mapping[str, Any]) -> list[str]:
    found = hit.get("_source", {}).get("signature")
    texts = [found] if isinstance(found, str) else found
    if not texts or not isinstance(texts, list):
        raise StorageError("it has lost its signature")
    return texts


def _to_record(id: str, source: Mapping[str, Any], signatures: npt.NDArray[np.int8]) -> Record:
    boxes = [Box(*box) for box in source["boxes"]] if "boxes" in source else [WHOLE]
    text = source.get("metadata_json")
    return Record(
        id,
        tuple(View(signature, box) for signature, box in zip(signatures, boxes, strict=True)),
        source.get("path"),
        source.get("metadata") if text is None else json.loads(text),
        timestamp_of(source),
    )


def timestamp_of(source: Mapping[str, Any]) -> datetime | None:
    """When the record of a document was added."""
    stamp = source.get("timestamp")
    return datetime.fromisoformat(stamp) if stamp else None


def is_searchable(metadata: Json) -> bool:
    """Whether Elasticsearch takes metadata as an object, to be searched by others such as Kibana.

    If not it is kept as text. A field ``flattened`` refuses what is no object, is too deep, has zero bytes
    in its keys or keys that are too long; whole numbers of more than 64 bits are beyond much software.
    """
    return isinstance(metadata, dict) and _is_plain(metadata, 0, 0)


def _is_plain(value: Json, depth: int, length: int) -> bool:
    if isinstance(value, dict):
        return depth < MAX_DEPTH and all(
            "\0" not in key
            and length + len(key) <= _MAX_KEY
            and _is_plain(inner, depth + 1, length + len(key) + 1)
            for key, inner in value.items()
        )
    if isinstance(value, list):
        return depth < MAX_DEPTH and all(_is_plain(inner, depth + 1, length) for inner in value)
    return not isinstance(value, int) or -(1 << 63) <= value < 1 << 63
