"""Elasticsearch for measuring: a server, its indexes at rest, merged, and gone at the end."""

from __future__ import annotations

import os
import secrets
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from sigsearch_elasticsearch.testing import ElasticsearchServer

HEAP: Final = "3g"
PATIENCE: Final = 7200
"""Seconds after which a request, or the wait for an index to come to rest, is given up."""
SETTINGS: Final = {"store.stats_refresh_interval": "100ms"}
"""How large an index is, is told anew only every 10 s by default."""
_PAUSE: Final = 0.5
_QUIET: Final = 4
"""Looks at an index, with pauses between, that must be the same before it is taken to be at rest."""


def start_server(version: str | None) -> AbstractContextManager[ElasticsearchServer]:
    """The server that is named in the environment, or one of our own."""
    try:
        from sigsearch_elasticsearch.testing import DEFAULT_VERSION, LocalElasticsearch, elasticsearch_server
    except ImportError as error:
        raise SystemExit(f"{error}: pip install 'sigsearch[elasticsearch]'") from error
    if os.environ.get("SIGSEARCH_TEST_ES_URL"):
        return elasticsearch_server()
    return LocalElasticsearch(version or DEFAULT_VERSION, full_speed=True, heap=HEAP)


def at_rest(client: Elasticsearch, index: str) -> tuple[int, int]:
    """The bytes and the segments of an index, as soon as neither changes any more."""
    deadline = time.monotonic() + PATIENCE
    seen: deque[tuple[int, int, int]] = deque(maxlen=_QUIET)
    while len(seen) < _QUIET or len(set(seen)) > 1 or seen[-1][2]:
        if time.monotonic() > deadline:
            raise SystemExit(f"{index} is not at rest after {PATIENCE} s: {list(seen)}")
        time.sleep(_PAUSE)
        client.indices.refresh(index=index)
        client.indices.flush(index=index)
        stats = client.indices.stats(index=index, metric=["store", "segments", "merge"])["_all"]["primaries"]
        seen.append((stats["store"]["size_in_bytes"], stats["segments"]["count"], stats["merges"]["current"]))
    return seen[-1][:2]


def merge(client: Elasticsearch, index: str) -> None:
    """Merge to one segment, and wait until the old ones are gone.

    Exit if that does not come about.
    """
    client.indices.forcemerge(index=index, max_num_segments=1)
    _, segments = at_rest(client, index)
    if segments > 1:
        raise SystemExit(f"wanted {index} of one segment, found {segments}")


def wait_for_history(client: Elasticsearch, index: str) -> None:
    """Wait until a merge drops what is kept for replicas.

    Until Elasticsearch has noted that no replica can need them any more, which it does every 30 s, it keeps
    the documents as they were sent, with the words in them. In what is merged to one segment earlier they
    stay, for nothing merges that again.
    """
    deadline = time.monotonic() + PATIENCE
    while not _is_history_over(client, index):
        if time.monotonic() > deadline:
            raise SystemExit(f"{index} keeps its history for more than {PATIENCE} s")
        time.sleep(_PAUSE)


def _is_history_over(client: Elasticsearch, index: str) -> bool:
    """Whether no shard keeps what it was sent for the sake of a replica."""
    client.indices.flush(index=index)
    [found] = client.indices.stats(index=index, level="shards")["indices"].values()
    shards = [shard for copies in found["shards"].values() for shard in copies]
    return all(
        lease["retaining_seq_no"] > shard["seq_no"]["max_seq_no"]
        for shard in shards
        for lease in shard["retention_leases"]["leases"]
    )


@contextmanager
def own_indexes(client: Elasticsearch) -> Iterator[str]:
    """How the names of indexes begin that nobody else has; they are deleted at the end."""
    prefix = f"sigsearch-benchmark-{secrets.token_hex(4)}"
    try:
        yield prefix
    finally:
        delete_indexes(client, prefix)


def delete_indexes(client: Elasticsearch, prefix: str) -> None:
    """Delete all whose names begin so, one by one: a server deletes nothing that a pattern names."""
    found = client.indices.get_settings(index=f"{prefix}*", expand_wildcards="all")
    for index in found:
        client.indices.delete(index=index, ignore_unavailable=True)
