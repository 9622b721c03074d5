"""An index of image-match in Elasticsearch: made as it makes one, but in bulk; searched by its own driver."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.image_match import ImageMatch
from benchmarks.made import Signatures
from benchmarks.report import progress
from benchmarks.server import SETTINGS
from sigsearch.scheme import IMAGE_MATCH_SCHEME
from sigsearch.signatures import encode_words

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

THREADS: Final = 2
"""That load the index."""
CHECKED: Final = 1000
"""Signatures whose words are compared with those by image-match's own code."""
_CHUNK: Final = 4096
_SEVERAL: Final = 500
"""Documents in one bulk request; the Elasticsearch backend's own number."""


class ImageMatchIndex:
    """image-match's own driver for Elasticsearch, with a client of today."""

    def __init__(self, client: Elasticsearch, index: str) -> None:
        self.image_match = ImageMatch()
        self._client = client
        self._index = index
        self._driver = self.image_match.driver(client, index)

    def create(self) -> None:
        """Make the index, of one shard without replicas."""
        # No mapping: image-match leaves it to Elasticsearch, which makes `long` of all numbers.
        settings = {"number_of_shards": 1, "number_of_replicas": 0, **SETTINGS}
        self._client.indices.create(index=self._index, settings=settings)

    def load(self, signatures: Signatures, numbers: npt.NDArray[np.int64], *, named: bool = False) -> None:
        """Add records; if they are named, in the place of those of the same numbers.

        image-match leaves ids to Elasticsearch, whose own are shorter.
        """
        from elasticsearch import helpers

        actions = self._actions(signatures, numbers, named)
        loading = helpers.parallel_bulk(
            self._client, actions, thread_count=THREADS, chunk_size=_SEVERAL, index=self._index
        )
        for done, _ in enumerate(loading, start=1):
            if done % _CHUNK == 0:
                progress(f"added {done:,} of {len(signatures):,} records")
        progress("")
        self._client.indices.refresh(index=self._index)

    def search(self, record: Mapping[str, Any]) -> list[int]:
        """Search for a record, which took no time to make, and compute distances; the numbers of matches."""
        found = self._driver.search_single_record({**record})
        return [number_of(match["path"]) for match in found]

    def search_image(self, pixels: npt.NDArray[np.uint8]) -> int:
        """Search for a picture in all orientations that it knows; how many matches."""
        with np.errstate(all="ignore"):
            return len(self._driver.search_image(pixels, all_orientations=True))

    def insert(self, record: dict[str, Any]) -> None:
        """Add a record, as its add_image does when it has the signature."""
        self._driver.insert_single_record(record)

    def records(self, signatures: Signatures, numbers: npt.NDArray[np.int64]) -> Iterator[dict[str, Any]]:
        """As image-match's make_record makes them of pictures without metadata."""
        words = encode_words(signatures, scheme=IMAGE_MATCH_SCHEME).tolist()
        for number, signature, own in zip(numbers.tolist(), signatures.tolist(), words, strict=True):
            named = {f"simple_word_{k}": word for k, word in enumerate(own)}
            yield {"path": path_of(number), "signature": signature, **named}

    def check_words(self, signatures: Signatures) -> int:
        """Compare our fast words with those by image-match's own code; exit where they differ."""
        fast = encode_words(signatures, scheme=IMAGE_MATCH_SCHEME)
        for signature, words in zip(signatures, fast, strict=True):
            if not np.array_equal(self.image_match.words(signature), words):
                raise SystemExit(
                    f"WRONG: image-match's words of {signature.tolist()} are not {words.tolist()}"
                )
        return len(signatures)

    def _actions(
        self, signatures: Signatures, numbers: npt.NDArray[np.int64], named: bool
    ) -> Iterator[dict[str, Any]]:
        """As its insert_single_record sends them."""
        for start in range(0, len(signatures), _CHUNK):
            part = slice(start, start + _CHUNK)
            for record in self.records(signatures[part], numbers[part]):
                source = json.dumps(record | {"timestamp": datetime.now().isoformat()})
                yield {"_source": source} | ({"_id": record["path"]} if named else {})


def path_of(number: int) -> str:
    """The path of the record of a number."""
    return f"/pictures/{number // 1000:04}/{number:08}.jpg"


def number_of(path: str) -> int:
    """The number of the record of a path."""
    return int(path[-12:-4])
