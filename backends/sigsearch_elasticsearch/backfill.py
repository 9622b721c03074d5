"""Signatures for documents that are there already, from a field with the path or URL of their picture."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from elasticsearch.dsl.query import Bool, Exists

from sigsearch.errors import ImageError
from sigsearch.images import is_url
from sigsearch.progress import Meter
from sigsearch.records import AddReport, Failure
from sigsearch_elasticsearch.errors import driver_errors, reason_of, server_error
from sigsearch_elasticsearch.fields import ImageSignature, stored_at
from sigsearch_elasticsearch.reading import Hits, Reader

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from elasticsearch.dsl.query import Query

    from sigsearch.progress import Advance

BATCH = 64
"""Documents whose pictures are read and then stored together: what an interruption costs at most."""
KEEP_ALIVE = "1h"
"""How long the server keeps its view of the index from one batch to the next, in which 64 slow web servers
may have to answer."""


class BackFill:
    """One run of `ImageSignature.back_fill`; see there."""

    def __init__(
        self,
        client: Elasticsearch,
        index: str,
        field: str,
        source_field: str,
        reader: ImageSignature,
        *,
        root: str | os.PathLike[str] | None = None,
        query: Query | None = None,
    ) -> None:
        self._client = client
        self._index = index
        self._place = f"the index {index!r}"
        self._field = field
        self._source_field = source_field
        self._reader = reader
        self._root = os.fspath(root) if root is not None else ""
        self._left = Bool(
            filter=[Exists(field=source_field), *([] if query is None else [query])],
            must_not=[Exists(field=f"{field}.words")],
        ).to_dict()
        self._failures: list[Failure] = []

    def run(self, *, progress: bool, on_advance: Advance | None) -> AddReport:
        """Read and store all that is left."""
        report, done = AddReport(), 0
        with driver_errors(self._place):
            # What an earlier run stored a moment ago must be seen, else it would look changed by somebody.
            self._client.indices.refresh(index=self._index)
            total = self._client.count(index=self._index, query=self._left)["count"] if progress else None
            with (
                Meter("adding", "pictures", on=progress, total=total) as meter,
                closing(self._batches()) as batches,
            ):
                for hits in batches:
                    report = self._add(hits, report)
                    done += len(hits)
                    meter.advance(report, done)
                    if on_advance is not None:
                        on_advance(report, done)
            self._client.indices.refresh(index=self._index)
        return report

    def _batches(self) -> Generator[Hits]:
        # As it was at the start: what is stored meanwhile shifts nothing, and a picture that cannot be read
        # is met once.
        body = {"query": self._left, "_source": [self._source_field], "seq_no_primary_term": True}
        return Reader(self._client, self._index, self._place).pages(body, BATCH, KEEP_ALIVE)

    def _add(self, hits: Hits, report: AddReport) -> AddReport:
        """Add the signatures of a batch; the report so far and this batch's together."""
        operations: list[dict[str, Any]] = []
        featureless: list[bool] = []
        for hit in hits:
            names = [name for name in stored_at(hit["_source"], self._source_field) if name != ""]
            try:
                pictures = [self._reader.read(self._locate(name)) for name in names]
            except ImageError as error:
                self._failures.append(Failure(f"{error.source} (document {hit['_id']})", error.reason))
                continue
            if pictures:
                stored = [picture.to_dict() for picture in pictures]
                document = _nested(self._field, stored if len(stored) > 1 else stored[0])
                operations += [{"update": _target(hit)}, {"doc": document}]
                featureless.append(all(picture.featureless for picture in pictures))
        items = self._client.bulk(operations=operations)["items"] if operations else []
        added = [self._is_added(item["update"]) for item in items]
        return AddReport(
            added=report.added + sum(added),
            failures=tuple(self._failures),
            featureless=report.featureless + sum(map(all, zip(added, featureless, strict=True))),
        )

    def _locate(self, name: object) -> str:
        if not isinstance(name, str):
            raise ImageError(repr(name), "wanted a path or URL")
        return name if is_url(name) else os.path.join(self._root, name)

    def _is_added(self, item: Mapping[str, Any]) -> bool:
        """Whether an update was made; else it is noted why not."""
        status = item["status"]
        if status < 300:
            return True
        if status == 404:
            return False  # deleted meanwhile, there is nothing left to do
        if status == 409:
            reason = "somebody changed the document while its picture was read; run it again"
        elif status == 400:
            reason = reason_of(item["error"])
        else:  # it is not this document's fault
            raise server_error(status, item["error"], self._place)
        self._failures.append(Failure(f"document {item['_id']}", reason))
        return False


def _target(hit: Mapping[str, Any]) -> dict[str, Any]:
    """What an update says of its document: only as it was when its picture was named."""
    target = {"_index": hit["_index"], "_id": hit["_id"]}
    if "_routing" in hit:
        target["routing"] = hit["_routing"]
    return {**target, "if_seq_no": hit["_seq_no"], "if_primary_term": hit["_primary_term"]}


def _nested(field: str, value: Any) -> dict[str, Any]:
    """A document that has nothing but this field."""
    first, _, rest = field.partition(".")
    return {first: _nested(rest, value) if rest else value}
