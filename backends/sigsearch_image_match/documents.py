"""Records as the documents of image-match and back; pure, no server asked."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sigsearch.errors import InputError, StorageError
from sigsearch.records import WHOLE, Problem, Record, View
from sigsearch.signatures import encode_words
from sigsearch_image_match.layout import (
    APART,
    METADATA,
    PATH,
    SIGNATURE,
    TIMESTAMP,
    URL,
    WORD,
    Layout,
    as_signature,
    words_of,
)

if TYPE_CHECKING:
    from sigsearch.records import Json
    from sigsearch.signatures import Signature

Document = dict[str, Any]

_AGAIN: Final = "add its picture again"


@dataclass(frozen=True, slots=True)
class Codec:
    """Between records and the documents of one index.

    Attributes
    ----------
    layout : Layout
    zone : tzinfo
        Of time stamps that do not say it, as image-match's: it wrote its machine's local time.
    """

    layout: Layout
    zone: tzinfo = UTC

    def to_documents(self, records: Sequence[Record]) -> list[tuple[Document, Document | None]]:
        """A document for each record; and another one, if the server may refuse its metadata.

        image-match keeps metadata as it is, and Elasticsearch gives every path in it a type when it sees the
        first value there. What does not fit is refused, and then kept as text, with all that is no object: a
        plain value would have all objects after it refused.

        Raises
        ------
        InputError
            A record has several views, or one that is not of the whole picture: the layout has no place for
            them.
        """
        if not records:
            return []
        for record in records:
            if [view.box for view in record.views] != [WHOLE]:
                raise InputError(
                    f"wanted records of one view, of the whole picture, for image-match's layout has no "
                    f"place for others; found {len(record.views)} in {record.id!r}"
                )
        signatures = np.stack([record.views[0].signature for record in records])
        words = encode_words(signatures, scheme=self.layout.scheme).tolist()
        return [
            self._to_documents(record, values, own)
            for record, values, own in zip(records, signatures.tolist(), words, strict=True)
        ]

    def _to_documents(
        self, record: Record, signature: list[int], words: list[int]
    ) -> tuple[Document, Document | None]:
        fields: Document = {SIGNATURE: signature}
        fields |= {f"{WORD}{number}": word for number, word in enumerate(words)}
        if record.path is not None:
            fields[PATH] = record.path
        if record.timestamp is not None:
            fields[TIMESTAMP] = record.timestamp.astimezone(UTC).isoformat()
        if record.metadata is None:
            return self.layout.wrapped(fields), None
        whole = fields | {METADATA: record.metadata}
        apart = self.layout.wrapped(apart_from(whole))
        if not isinstance(record.metadata, dict) or not record.metadata:
            return apart, None
        return self.layout.wrapped(whole), apart

    def to_records(self, hits: Sequence[Mapping[str, Any]]) -> Iterator[Record | StorageError]:
        """The records of documents, in order; for one that is damaged, what is wrong."""
        for hit, signature in zip(hits, self.signatures(hits), strict=True):
            if signature is None:
                yield StorageError(f"the record {hit['_id']!r} is damaged: {self.reason(hit)}; {_AGAIN}")
            else:
                yield self.to_record(hit, signature)

    def to_record(self, hit: Mapping[str, Any], signature: Signature) -> Record:
        """The record of a document with this signature; a time stamp that is none is passed over."""
        fields = self.layout.fields_of(hit)
        return Record(
            hit["_id"],
            (View(signature),),
            path_of(fields),
            metadata_of(fields),
            self.time(fields),
        )

    def time(self, fields: Mapping[str, Any]) -> datetime | None:
        """When a record was added, in UTC; None if its time stamp is none."""
        return _time(fields.get(TIMESTAMP), self.zone)

    def signatures(self, hits: Sequence[Mapping[str, Any]]) -> list[Signature | None]:
        """The signature of each document, None where it is not one of the scheme."""
        found: list[Any] = [self.layout.fields_of(hit).get(SIGNATURE) for hit in hits]
        scheme = self.layout.scheme
        length = scheme.signature_length
        try:  # all in one, which is several times as fast
            joined = b"".join(array("b", values) for values in found if len(values) == length)
        except (TypeError, OverflowError):
            joined = b""
        if len(joined) == len(hits) * length:
            told = np.frombuffer(joined, np.int8).reshape(len(hits), length)
            wrong = np.any((told > scheme.levels) | (told < -scheme.levels), axis=1).tolist()
            return [None if bad else row for bad, row in zip(wrong, told, strict=True)]
        return [signature if self._fits(signature) else None for signature in map(as_signature, found)]

    def _fits(self, signature: Signature | None) -> bool:
        scheme = self.layout.scheme
        return (
            signature is not None
            and len(signature) == scheme.signature_length
            and int(np.abs(signature).max()) <= scheme.levels
        )

    def reason(self, hit: Mapping[str, Any]) -> str:
        """What is wrong with the signature of a document."""
        fields = self.layout.fields_of(hit)
        scheme = self.layout.scheme
        wanted = f"wanted a signature of {scheme.signature_length} values"
        if not fields.get(SIGNATURE):
            return f"{wanted}, found none"
        signature = as_signature(fields[SIGNATURE])
        if signature is None:
            return f"{wanted}, found something else"
        if len(signature) != scheme.signature_length:
            return f"{wanted}, found {len(signature)}"
        low, high = int(signature.min()), int(signature.max())
        return f"{wanted} from {-scheme.levels} to {scheme.levels}, found {low} to {high}"

    def examine(self, hits: Sequence[Mapping[str, Any]]) -> Iterator[Record | Problem]:
        """The records of documents, in order; for one that is damaged, a problem.

        A record whose words are not those of its signature is found by no search, as one whose words are
        missing. What made them had other parameters, or changed the signature.
        """
        signatures = self.signatures(hits)
        sound = [signature for signature in signatures if signature is not None]
        words = iter(encode_words(np.stack(sound), scheme=self.layout.scheme).tolist() if sound else ())
        for hit, signature in zip(hits, signatures, strict=True):
            if signature is None:
                reason = f"the record {hit['_id']!r} is damaged: {self.reason(hit)}; {_AGAIN}"
                yield Problem(hit["_id"], reason)
                continue
            record = self.to_record(hit, signature)
            reasons = [*self._wrong_words(hit, next(words)), *self._wrong_time(hit, record)]
            reason = f"the record {record.id!r}: {'; '.join(reasons)}"
            yield Problem(record.id, reason, record) if reasons else record

    def timestamp_of(self, hit: Mapping[str, Any]) -> datetime | None:
        """When the record of a document was added, if that can be told."""
        return _time(self.layout.fields_of(hit).get(TIMESTAMP), self.zone)

    def _wrong_words(self, hit: Mapping[str, Any], words: Sequence[int]) -> Iterator[str]:
        fields = self.layout.fields_of(hit)
        if words_of(fields, len(words)) == words and f"{WORD}{len(words)}" not in fields:
            return  # as all but all are
        wanted = {f"{WORD}{number}": word for number, word in enumerate(words)}
        found = {name: word for name, word in fields.items() if name.startswith(WORD) and word is not None}
        scheme = self.layout.scheme
        made = f"the index's k={scheme.word_length} and N={scheme.word_count}"
        if missing := wanted.keys() - found.keys():
            yield f"it lacks {len(missing)} of its {len(wanted)} words ({made})"
        elif further := found.keys() - wanted.keys():
            yield f"it has {len(further)} words more than {made}"
        else:
            differing = sum(found[name] != word for name, word in wanted.items())
            yield f"{differing} of its {len(wanted)} words do not fit its signature with {made}"

    def _wrong_time(self, hit: Mapping[str, Any], record: Record) -> Iterator[str]:
        stamp = self.layout.fields_of(hit).get(TIMESTAMP)
        if stamp is not None and record.timestamp is None:
            yield f"wanted a time stamp, found {stamp!r}"


def apart_from(fields: Mapping[str, Any]) -> Document:
    """The same fields, with the metadata as text."""
    others = {name: value for name, value in fields.items() if name != METADATA}
    return others | {APART: {"apart": True, "metadata": json.dumps(fields[METADATA])}}


def path_of(fields: Mapping[str, Any]) -> str | None:
    """What image-match takes for the path of a record: ``url`` comes first where it is there."""
    found = fields.get(URL, fields.get(PATH))
    return found if isinstance(found, str) or found is None else json.dumps(found)


def metadata_of(fields: Mapping[str, Any]) -> Json:
    """The metadata of a record, from wherever it is kept."""
    if METADATA in fields:
        found: Json = fields[METADATA]
        return found
    apart = fields.get(APART)
    return json.loads(apart[METADATA]) if isinstance(apart, Mapping) and METADATA in apart else None


def _time(stamp: object, zone: tzinfo) -> datetime | None:
    """A time stamp as Elasticsearch takes it: text, or milliseconds since 1970."""
    try:
        if isinstance(stamp, str):
            found = datetime.fromisoformat(stamp)
        elif isinstance(stamp, (int, float)):
            found = datetime.fromtimestamp(stamp / 1000, UTC)
        else:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
