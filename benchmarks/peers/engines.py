"""Engines that search many records: each takes records, and answers a query with the numbers of its matches.

All of them get the same signatures in the same order. An answer is what a user gets: candidates compared
exactly, those below the cutoff, the nearest `LIMIT` at most; the time of that is what is measured.
"""

from __future__ import annotations

import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import faiss
import numpy as np
import numpy.typing as npt

import sigsearch
from benchmarks import opening
from benchmarks.image_match_index import ImageMatchIndex, number_of, path_of
from benchmarks.made import Signatures, encode_bits
from benchmarks.server import PATIENCE, SETTINGS, at_rest, merge, wait_for_history
from sigsearch.bounds import CUTOFF, LIMIT, MOST_EFFORT
from sigsearch.index import Index
from sigsearch.scheme import DEFAULT_SCHEME

if TYPE_CHECKING:
    from sigsearch_elasticsearch.testing import ElasticsearchServer

Numbers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]
"""Of bits, packed: ``(n, bytes)``."""
Answer = Callable[[int], list[int]]
"""Gives the numbers of the matches of a query, which is named by its number."""

PDQ_MOST: Final = 31
"""The Hamming distance at which PDQ's makers take two pictures for one, and below."""
_CHUNK: Final = 2**16
"""Records that faiss gets at once."""
NEIGHBOURS: Final = 200
"""Looked at by Elasticsearch's search for vectors (num_candidates)."""


class Engine(ABC):
    """One index, and the ways to ask it."""

    name: str

    @abstractmethod
    def load(self, signatures: Signatures, numbers: Numbers, *, named: bool = False) -> None:
        """Add records; if they are named, in the place of those of the same numbers."""

    @abstractmethod
    def ways(self, queries: Signatures) -> Mapping[str, Answer]:
        """The ways to ask these queries, by name; what a query costs before it is sent is part of them."""

    @abstractmethod
    def disk_bytes(self) -> int | None:
        """What it takes on disk; None if it is in memory only."""

    def memory_bytes(self) -> int | None:
        """What it needs in memory to search at this speed; None if nobody can tell."""
        return None

    def merge(self) -> None:  # noqa: B027 - most have nothing to merge
        """Bring what was loaded to the form that is quickest to search."""

    @abstractmethod
    def first_search(self, query: Signatures) -> float:
        """Seconds of opening it, nothing of it being in this process's memory, and of one search."""

    def close(self) -> None:  # noqa: B027 - some leave nothing behind
        """Give back what it holds; indexes on a server are deleted by whoever named them."""


class Embedded(Engine):
    """sigsearch's embedded index, on one thread."""

    name = "sigsearch embedded"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._location = folder / "embedded.sig"
        self.index = sigsearch.open(self._location, threads=1)

    def load(self, signatures: Signatures, numbers: Numbers, *, named: bool = False) -> None:
        # It compares with all records: where they stand changes nothing.
        _add(self.index, signatures, numbers, on_conflict="skip")

    def ways(self, queries: Signatures) -> Mapping[str, Answer]:
        return {self.name: lambda number: _numbers(self.index, queries[number])}

    def disk_bytes(self) -> int:
        return int(self.index.info()["bytes"])

    def memory_bytes(self) -> int:
        return int(self.index.info()["signature_bytes"])

    def first_search(self, query: Signatures) -> float:
        small, given = self._folder / "one.sig", self._folder / "query"
        if not small.exists():
            with sigsearch.open(small) as index:
                index.add_many([sigsearch.Item(signature=query, id="one")])
        given.write_bytes(query.tobytes())
        command = [sys.executable, "-P", opening.__file__, str(small), str(self._location), str(given)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
        steps = loads(done.stdout)
        return float(steps["open"] + steps["first search"])

    def close(self) -> None:
        self.index.close()


class OnServer(Engine):
    """An index on Elasticsearch, of one shard without replicas."""

    def __init__(self, server: ElasticsearchServer, index: str) -> None:
        self._server = server
        self._index = index
        self._client = server.client(request_timeout=PATIENCE)

    def disk_bytes(self) -> int:
        return at_rest(self._client, self._index)[0]

    def merge(self) -> None:
        wait_for_history(self._client, self._index)
        merge(self._client, self._index)

    def first_search(self, query: Signatures) -> float:
        self._client.indices.close(index=self._index)
        answer = next(iter(self.ways(query[np.newaxis]).values()))
        start = time.perf_counter()
        self._client.indices.open(index=self._index, wait_for_active_shards="1")
        answer(0)
        return time.perf_counter() - start

    def close(self) -> None:
        self._client.close()


class OursOnServer(OnServer):
    """sigsearch's Elasticsearch backend, asked with each effort."""

    name = "sigsearch elasticsearch"

    def __init__(self, server: ElasticsearchServer, index: str) -> None:
        super().__init__(server, index)
        location = server.location(index)
        self.index = sigsearch.open(location, shards=1, replicas=0, settings=SETTINGS, **server.options)

    def load(self, signatures: Signatures, numbers: Numbers, *, named: bool = False) -> None:
        _add(self.index, signatures, numbers, on_conflict="replace" if named else "error")
        self.index.refresh()

    def ways(self, queries: Signatures) -> Mapping[str, Answer]:
        def answer(effort: int, number: int) -> list[int]:
            return _numbers(self.index, queries[number], effort=effort)

        efforts = range(1, MOST_EFFORT + 1)
        return {f"{self.name}, effort {effort}": partial(answer, effort) for effort in efforts}

    def close(self) -> None:
        self.index.close()
        super().close()


class ImageMatchOnServer(OnServer):
    """image-match 1.1.2: its mapping, its query, its driver."""

    name = "image-match 1.1.2"

    def __init__(self, server: ElasticsearchServer, index: str) -> None:
        super().__init__(server, index)
        self.theirs = ImageMatchIndex(self._client, index)
        self.theirs.create()

    def load(self, signatures: Signatures, numbers: Numbers, *, named: bool = False) -> None:
        self.theirs.load(signatures, numbers, named=named)

    def ways(self, queries: Signatures) -> Mapping[str, Answer]:
        # It is spared making the words, which takes its own code longest.
        records = list(self.theirs.records(queries, np.arange(len(queries))))
        return {self.name: lambda number: self.theirs.search(records[number])}


class DenseVectors(OnServer):
    """Elasticsearch's own search for vectors of bits, by Hamming distance on an HNSW graph."""

    name = "elasticsearch dense_vector"

    def __init__(self, server: ElasticsearchServer, index: str) -> None:
        super().__init__(server, index)
        vector = {
            "type": "dense_vector",
            "element_type": "bit",
            "dims": 2 * DEFAULT_SCHEME.signature_length,
            "similarity": "l2_norm",  # of bits, that is the Hamming distance
            "index_options": {"type": "hnsw", "m": 16, "ef_construction": 100},
        }
        stored = {"type": "keyword", "index": False, "doc_values": False}
        self._client.indices.create(
            index=index,
            settings={"number_of_shards": 1, "number_of_replicas": 0, **SETTINGS},
            mappings={
                "dynamic": False,
                "_source": {"excludes": ["bits"]},
                "properties": {"bits": vector, "signature": stored},
            },
        )

    def load(self, signatures: Signatures, numbers: Numbers, *, named: bool = False) -> None:
        from elasticsearch import helpers
        from sigsearch_elasticsearch.packing import pack

        packed = pack(signatures, DEFAULT_SCHEME)
        bits = sign_bits(signatures)
        actions = (
            {"_id": path_of(number), "signature": text, "bits": row.tobytes().hex()}
            for number, text, row in zip(numbers.tolist(), packed, bits, strict=True)
        )
        for _ in helpers.parallel_bulk(self._client, actions, thread_count=2, index=self._index):
            pass
        self._client.indices.refresh(index=self._index)

    def ways(self, queries: Signatures) -> Mapping[str, Answer]:
        from sigsearch_elasticsearch.packing import unpack

        def answer(number: int) -> list[int]:
            query = queries[number]
            vector = sign_bits(query[np.newaxis])[0].tobytes().hex()
            knn = {"field": "bits", "query_vector": vector, "k": LIMIT, "num_candidates": NEIGHBOURS}
            hits = self._client.search(index=self._index, knn=knn, size=LIMIT)["hits"]["hits"]
            signatures = unpack([hit["_source"]["signature"] for hit in hits], DEFAULT_SCHEME)
            return _below(query, signatures, [number_of(hit["_id"]) for hit in hits])

        return {self.name: answer}


class FaissFlat(Engine):
    """One of faiss's exact binary indexes, in memory, on one thread."""

    def __init__(self, file: Path, bits: int) -> None:
        faiss.omp_set_num_threads(1)
        self._file = file
        self._index = faiss.IndexBinaryFlat(bits)
        self._numbers = np.empty(0, np.int64)

    @abstractmethod
    def _encode(self, signatures: Signatures, numbers: Numbers) -> Codes:
        """The codes of records."""

    @abstractmethod
    def _first(self, query: Signatures) -> Codes:
        """The code of the query of `first_search`, shape (1, bytes)."""

    def load(self, signatures: Signatures, numbers: Numbers, *, named: bool = False) -> None:
        if named and numbers[0] in self._numbers:
            return
        for start in range(0, len(numbers), _CHUNK):
            part = slice(start, start + _CHUNK)
            self._index.add(self._encode(signatures[part], numbers[part]))
        self._numbers = np.concatenate([self._numbers, numbers])

    def disk_bytes(self) -> None:
        return None

    def memory_bytes(self) -> int:
        return int(self._index.ntotal * self._index.code_size)

    def first_search(self, query: Signatures) -> float:
        if not self._file.exists():
            faiss.write_index_binary(self._index, str(self._file))
        start = time.perf_counter()
        faiss.read_index_binary(str(self._file)).search(self._first(query), LIMIT)
        return time.perf_counter() - start


class FaissSignatures(FaissFlat):
    """faiss's exact binary index over all that a signature says.

    The Hamming distance of its 2,592 bits is the sum of absolute differences; of the nearest, the distances
    are computed.
    """

    name = "faiss binary flat, signatures"

    def __init__(self, folder: Path, signatures_of: Callable[[Numbers], Signatures]) -> None:
        super().__init__(folder / "signatures.faiss", 4 * DEFAULT_SCHEME.signature_length)
        self._signatures_of = signatures_of

    def _encode(self, signatures: Signatures, numbers: Numbers) -> Codes:
        return encode_bits(signatures)

    def _first(self, query: Signatures) -> Codes:
        return encode_bits(query[np.newaxis])

    def ways(self, queries: Signatures) -> Mapping[str, Answer]:
        def answer(number: int) -> list[int]:
            query = queries[number]
            _, places = self._index.search(encode_bits(query[np.newaxis]), LIMIT)
            numbers = self._numbers[places[0][places[0] >= 0]]
            return _below(query, self._signatures_of(numbers), numbers.tolist())

        return {self.name: answer}

    def memory_bytes(self) -> int:
        """Of the codes and of the signatures that the nearest are compared by."""
        return super().memory_bytes() + int(self._index.ntotal * DEFAULT_SCHEME.signature_length)


class FaissPdq(FaissFlat):
    """faiss's exact binary index over PDQ: codes of 256 bits.

    The records are codes of as many windows of the same pictures, in the same orientations.
    """

    name = "faiss binary flat, PDQ"

    def __init__(self, folder: Path, codes_of: Callable[[Numbers], Codes]) -> None:
        super().__init__(folder / "pdq.faiss", 256)
        self._codes_of = codes_of
        self.queries: Codes = np.empty((0, 32), np.uint8)
        """The codes of the queries: they are of pictures, not of signatures."""

    def _encode(self, signatures: Signatures, numbers: Numbers) -> Codes:
        return self._codes_of(numbers)

    def _first(self, query: Signatures) -> Codes:
        return self.queries[:1]

    def ways(self, queries: Signatures) -> Mapping[str, Answer]:
        def answer(number: int) -> list[int]:
            apart, places = self._index.search(self.queries[number : number + 1], LIMIT)
            found = places[0][(places[0] >= 0) & (apart[0] <= PDQ_MOST)]
            numbers: list[int] = self._numbers[found].tolist()
            return numbers

        return {self.name: answer}


def sign_bits(signatures: Signatures) -> npt.NDArray[np.uint8]:
    """Two bits a value, is it above 0, is it below 0: ``(n, 162)`` uint8."""
    return np.packbits(np.concatenate([signatures > 0, signatures < 0], axis=1), axis=1)


def _below(query: Signatures, signatures: Signatures, numbers: Sequence[int]) -> list[int]:
    """The numbers of those below the cutoff, nearest first."""
    if not numbers:
        return []
    apart = sigsearch.distances(query, signatures)
    return [numbers[i] for i in np.argsort(apart, kind="stable").tolist() if apart[i] < CUTOFF]


def _numbers(index: Index, query: Signatures, **options: Any) -> list[int]:
    matches = index.search(query, limit=LIMIT, **options)
    return [number_of(match.id) for match in matches]


def _add(index: Index, signatures: Signatures, numbers: Numbers, **options: Any) -> None:
    """Add records; as of picture files, the path is the id."""
    items = (
        sigsearch.Item(signature=signature, id=path_of(number), path=path_of(number))
        for signature, number in zip(signatures, numbers.tolist(), strict=True)
    )
    done = index.add_many(items, **options)
    if done.failures:
        raise SystemExit(f"wanted {len(numbers)} records added, found {done}")
