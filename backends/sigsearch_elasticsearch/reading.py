"""Searching and paging: an answer is whole or it is an error, never a part of it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from sigsearch.errors import SigsearchError, StorageError
from sigsearch_elasticsearch.errors import driver_errors, server_error

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

Body = dict[str, Any]
Hits = list[Mapping[str, Any]]

PAGE: Final = 500
"""Documents of a page."""
KEEP_ALIVE: Final = "30m"
"""For which the server keeps what a scan reads, from page to page. Whoever is slower must begin again."""
QUERIES: Final = 64
"""Searches in a request."""
_RENAMED: Final = {"_source": "source", "from": "from_"}


def search_parameters(body: Mapping[str, Any]) -> Body:
    """The body of a search as keyword arguments of a client, not all of which take a body."""
    return {_RENAMED.get(name, name): value for name, value in body.items()}


class Reader:
    """Reads from one index; several threads may share it."""

    def __init__(self, client: Elasticsearch, name: str, place: str) -> None:
        self._client = client
        self._name = name
        self._place = place

    def search(self, body: Body) -> Mapping[str, Any]:
        """One search, of all shards."""
        index = None if "pit" in body else self._name  # that of the point in time
        with driver_errors(self._place):
            answer = self._client.search(
                index=index, allow_partial_search_results=False, **search_parameters(body)
            )
        return self._whole(answer.body)

    def search_all(
        self, bodies: Sequence[Body], at_once: int = QUERIES, preference: str | None = None
    ) -> Iterator[Hits]:
        """The hits of each of many searches; those of one preference ask the same copies of the shards."""
        head: Body = {"allow_partial_search_results": False}
        if preference is not None:
            head["preference"] = preference
        for start in range(0, len(bodies), at_once):
            searches: list[Body] = []
            for body in bodies[start : start + at_once]:
                searches += [head, body]
            with driver_errors(self._place):
                answers = self._client.msearch(index=self._name, searches=searches)["responses"]
            for answer in answers:
                if "error" in answer:
                    raise server_error(answer.get("status", 500), answer["error"], self._place)
                yield self._whole(answer)["hits"]["hits"]

    def pages(self, body: Body, size: int = PAGE, keep_alive: str = KEEP_ALIVE) -> Generator[Hits]:
        """All that a query finds, as it is at the call, in pages, in the order of the shards."""
        with driver_errors(self._place):
            point = self._client.open_point_in_time(index=self._name, keep_alive=keep_alive)["id"]
        pages = self._pages(point, {**body, "size": size}, keep_alive)
        next(pages)  # so that it is closed in any case: what has not begun runs no `finally`
        return pages

    def _pages(self, point: str, body: Body, keep_alive: str) -> Generator[Hits]:
        body = {**body, "sort": ["_shard_doc"], "track_total_hits": False}
        try:
            yield []
            while True:
                found = self.search({**body, "pit": {"id": point, "keep_alive": keep_alive}})
                point = found.get("pit_id", point)
                hits: Hits = found["hits"]["hits"]
                if hits:
                    yield hits
                if len(hits) < body["size"]:
                    return
                body["search_after"] = hits[-1]["sort"]
        finally:
            # The server closes it by itself if need be; nobody can do anything about an error here.
            with suppress(SigsearchError), driver_errors(self._place):
                self._client.close_point_in_time(id=point)

    def _whole(self, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        shards = answer["_shards"]
        if answer.get("timed_out") or shards["failed"] or shards["successful"] < shards["total"]:
            raise StorageError(
                f"{self._place} searched {shards['successful']} of {shards['total']} shards only; "
                "try again when the cluster is healthy"
            )
        return answer
