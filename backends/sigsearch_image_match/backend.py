"""An index of image-match as it is: old programs and new ones may read and write it side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
from sigsearch_elasticsearch.backend import ElasticsearchBackend
from sigsearch_elasticsearch.connection import Connection, Options, connect
from sigsearch_elasticsearch.errors import driver_errors
from sigsearch_elasticsearch.mapping import Found as FoundIndex
from sigsearch_elasticsearch.reading import Hits
from sigsearch_elasticsearch.writing import Action, Operation

from sigsearch.backend import Capability
from sigsearch.bounds import EFFORT
from sigsearch.errors import AccessDeniedError, InputError, StorageError
from sigsearch.filters import Filter
from sigsearch.records import Candidate, Problem, Record
from sigsearch.scheme import IMAGE_MATCH_SCHEME, Scheme
from sigsearch_image_match.documents import Codec, metadata_of
from sigsearch_image_match.layout import APART, APART_MAPPING, FORMAT_VERSION, METADATA, TIMESTAMP, prepare
from sigsearch_image_match.narrowing import narrowed
from sigsearch_image_match.searching import CANDIDATES, DEPTH, MOST_CANDIDATES, Searcher, Wanted


class ImageMatchBackend(ElasticsearchBackend):
    """An index that image-match has made, or one made as it would.

    Options are those of the Elasticsearch backend but `metadata`, and

    timezone : str
        Of time stamps that do not say it, such as ``"Europe/Berlin"``; default UTC. image-match wrote the
        local time of its machine.

    Its metadata are whatever Elasticsearch makes of them, so filters are worked out here: the server is asked
    for as few records as can be told for certain, and each of them looked at.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.DURABLE})
    default_scheme: ClassVar[Scheme] = IMAGE_MATCH_SCHEME

    def __init__(self, connection: Connection, codec: Codec, *, refresh: str = "auto") -> None:
        layout = codec.layout
        super().__init__(connection, FoundIndex(layout.scheme, is_alias=layout.is_alias), refresh=refresh)
        self._codec = codec
        self._searcher = Searcher(self._reader, codec)
        self._keeps_apart = APART in layout.properties

    @classmethod
    def open(
        cls, location: str, *, scheme: Scheme, create: bool, options: Mapping[str, Any]
    ) -> ImageMatchBackend:
        given = dict(options)
        zone = _zone(given.pop("timezone", None))
        if "metadata" in given:
            raise InputError(
                "unknown option 'metadata': image-match leaves the mapping of it to Elasticsearch"
            )
        checked = Options.of(given)
        connection = connect(location, checked)
        try:
            layout = prepare(connection, scheme=scheme, create=create, options=checked)
        except BaseException:
            if connection.owns_client:
                connection.client.close()
            raise
        return cls(connection, Codec(layout, zone), refresh=checked.refresh)

    # Putting in

    def _operations(self, action: Action, records: Sequence[Record]) -> list[Operation]:
        if any(record.metadata is not None for record in records):
            self._keep_apart()
        return [
            Operation(action, record.id, document, otherwise)
            for record, (document, otherwise) in zip(records, self._codec.to_documents(records), strict=True)
        ]

    def _keep_apart(self) -> None:
        """Before the first metadata: map the field for what Elasticsearch does not take."""
        if self._keeps_apart:
            return
        # Who may not do that leaves it to the server, which maps most fields by itself.
        with suppress(AccessDeniedError), driver_errors(self._connection.place):
            self._connection.client.indices.put_mapping(
                index=self._connection.name,
                properties=self._codec.layout.wrapped_mapping({APART: APART_MAPPING}),
            )
        self._keeps_apart = True

    # Getting out

    def _timestamp_field(self) -> str:
        return f"{self._codec.layout.prefix}{TIMESTAMP}"

    def _timestamp(self, source: Mapping[str, Any]) -> datetime | None:
        return self._codec.timestamp_of({"_source": source})

    def _records(self, hits: Hits) -> Iterator[Record | StorageError]:
        return self._codec.to_records(hits)

    def count(self, where: Filter | None = None) -> int:
        if where is None:
            return super().count()
        self._see_own()
        wanted = self._wanted(where)
        fields = [f"{self._codec.layout.prefix}{name}" for name in (METADATA, APART)]
        pages = self._reader.pages({"query": self._query(where), "_source": fields})
        return sum(wanted(hit) for hits in pages for hit in hits)

    def scan(self, where: Filter | None = None) -> Iterator[Record]:
        if where is None:
            return super().scan()
        self._see_own()
        wanted = self._wanted(where)
        pages = self._reader.pages({"query": self._query(where)})
        return (record for hits in pages for record in self._sound(filter(wanted, hits)))

    def _sound(self, hits: Iterable[Mapping[str, Any]]) -> Iterator[Record]:
        for record in self._records(list(hits)):
            if isinstance(record, StorageError):
                raise record
            yield record

    def _wanted(self, where: Filter) -> Wanted:
        """Whether the filter is true of a document."""
        layout = self._codec.layout
        return lambda hit: where.matches(metadata_of(layout.fields_of(hit)))

    def _query(self, where: Filter) -> dict[str, Any]:
        """A query for all that the filter may be true of."""
        client = self._connection.client
        with driver_errors(self._connection.place):
            # As it is now, for another program may just have added a field.
            [found] = client.indices.get_mapping(index=self._connection.name).body.values()
        return narrowed(where, found["mappings"], self._codec.layout.parent) or {"match_all": {}}

    # Searching

    def candidates(
        self,
        signatures: npt.NDArray[np.int8],
        *,
        where: Filter | None,
        cutoff: float,
        limit: int | None,
        effort: int = EFFORT,
    ) -> list[list[Candidate]]:
        self._see_own()
        if not len(signatures):
            return []
        chosen: dict[str, Any] = {"cutoff": cutoff}
        if where is not None:
            chosen |= {"filters": [self._query(where)], "wanted": self._wanted(where)}
        if limit is None or limit > MOST_CANDIDATES:
            found = [
                sorted(self._searcher.search_all(signature, **chosen), key=lambda each: each.distance)
                for signature in signatures
            ]
        else:
            size = max(CANDIDATES[effort], limit)
            found = self._searcher.search(signatures, size=size, depth=DEPTH[effort], **chosen)
        return [
            [Candidate(each.record.id, 0, each.signature, each.record) for each in near] for near in found
        ]

    # Upkeep

    def info(self) -> dict[str, Any]:
        told = super().info()
        parent = self._codec.layout.parent
        return told | {
            "format": FORMAT_VERSION,
            "layout": "image-match",
            **({"object": parent} if parent else {}),
        }

    def _examined(self, hits: Hits) -> Iterator[Record | Problem]:
        return self._codec.examine(hits)


def _zone(name: object) -> tzinfo:
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)  # type: ignore[arg-type]
    except (ZoneInfoNotFoundError, TypeError, ValueError) as error:
        raise InputError(
            f"wanted the option timezone as the name of one, such as 'Europe/Berlin', found {name!r}"
        ) from error
