"""`SignatureES` as image-match has it: code written to its documentation runs with other import lines."""

from __future__ import annotations

import re
import secrets
import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import elasticsearch
import numpy as np
from sigsearch_elasticsearch.connection import Connection, Options, check_name
from sigsearch_elasticsearch.errors import driver_errors
from sigsearch_elasticsearch.reading import Reader, search_parameters
from sigsearch_elasticsearch.writing import Operation, Writer

from sigsearch.bounds import CUTOFF
from sigsearch.errors import InputError, SchemeMismatchError
from sigsearch.records import check_metadata
from sigsearch.scheme import Scheme
from sigsearch.signatures import as_signatures, encode_words
from sigsearch_image_match.documents import Codec, apart_from, path_of
from sigsearch_image_match.goldberg import ImageSignature
from sigsearch_image_match.layout import (
    DOC_TYPE,
    METADATA,
    PATH,
    SIGNATURE,
    TIMESTAMP,
    URL,
    WORD,
    Layout,
    prepare,
)
from sigsearch_image_match.searching import Found, Searcher

if TYPE_CHECKING:
    import numpy.typing as npt

    from sigsearch.images import ImageLike

Json: TypeAlias = dict[str, Any]

_TIME: Final = re.compile(r"([0-9]+)(d|h|m|s|ms|micros|nanos)")
_SECONDS: Final = {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 1e-3, "micros": 1e-6, "nanos": 1e-9}
_DEPTH: Final = 16
"""Times `size` records are compared exactly at most, where so many share words with the query."""
_GRACE: Final = 5.0
"""Seconds for which an answer is waited for beyond the time that the server gives itself."""


class Elasticsearch(elasticsearch.Elasticsearch):
    """The client; told of no server, it is that of http://localhost:9200, as in image-match's day."""

    def __init__(self, hosts: Any = None, **options: Any) -> None:
        if hosts is None and not options.keys() & {"cloud_id", "_transport"}:
            hosts = "http://localhost:9200"
        super().__init__(hosts, **options)


class SignatureES:
    """Pictures in an index of image-match, by the names and arguments that image-match has.

    docs/image-match.md lists what is different. New code is better off with `sigsearch.open`.

    Parameters
    ----------
    es : elasticsearch.Elasticsearch
        Of 8.x. It is not closed.
    index : str
        Its name. It is made when the first picture is added.
    doc_type : str, optional
        Ignored, for Elasticsearch has no types of documents any more.
    timeout : str or int
        For a search on the server, such as ``"10s"``, or in seconds. One that takes longer is an error.
    size : int
        At most so many matches, the nearest; and so many records, at least, are compared exactly.
    k, N, n_grid, crop_percentile
        Values in a word, words in a signature, grid points along an axis, and percentiles between which the
        grid is laid.
    distance_cutoff : float
        Matches have a distance below it. It may be set later, too.
    *signature_args, **signature_kwargs
        Of `ImageSignature`.

    Raises
    ------
    TypeError, InputError (a ValueError)
    """

    def __init__(
        self,
        es: elasticsearch.Elasticsearch,
        index: str = "images",
        doc_type: str | None = None,
        timeout: str | int = "10s",
        size: int = 100,
        k: int = 16,
        N: int = 63,  # noqa: N803 - image-match's name
        n_grid: int = 9,
        crop_percentile: tuple[int, int] = (5, 95),
        distance_cutoff: float = CUTOFF,
        *signature_args: Any,
        **signature_kwargs: Any,
    ) -> None:
        if doc_type is not None:
            warnings.warn(
                "doc_type is ignored: Elasticsearch has no types of documents since 7.0; leave it out",
                DeprecationWarning,
                stacklevel=2,
            )
        for name, value in (("k", k), ("N", N), ("n_grid", n_grid)):
            if type(value) is not int:
                raise TypeError(f"{name} should be an integer, found {value!r}")
        if type(distance_cutoff) is not float:
            raise TypeError(f"distance_cutoff should be a float, found {distance_cutoff!r}")
        if not distance_cutoff >= 0:
            raise InputError(f"wanted a distance_cutoff of at least 0, found {distance_cutoff!r}")
        if type(size) is not int or size < 1:
            raise InputError(f"wanted a size of at least 1, found {size!r}")
        client = es._client if isinstance(es, _Client) else es
        if not isinstance(client, elasticsearch.Elasticsearch):
            raise InputError(f"wanted an elasticsearch.Elasticsearch of 8.x, found {es!r}")
        self.gis = ImageSignature(n_grid, crop_percentile, *signature_args, **signature_kwargs)
        self.es: Any = _Client(client)
        self.index = index
        self.doc_type = doc_type or DOC_TYPE
        self.timeout = timeout
        self.size = size
        self.k = k
        self.N = N
        self.n_grid = n_grid
        self.crop_percentile = crop_percentile
        self.distance_cutoff = distance_cutoff
        self._scheme = _scheme(self.gis, k, N)
        patience = _seconds(timeout)
        self._connection = Connection(
            client=client.options(request_timeout=patience + _GRACE),
            owns_client=False,
            name=check_name(index),
            place=f"{client.transport.node_pool.all()[0].base_url}/{index}",
            patience=patience,
        )
        self._reader = Reader(self._connection.client, index, self._connection.place)
        self._layout: Layout | None = None

    def add_image(
        self,
        path: Any,
        img: ImageLike | None = None,
        bytestream: bool = False,
        metadata: Any = None,
        refresh_after: bool = False,
    ) -> None:
        """Add a picture; one that is there already is there twice then.

        Parameters
        ----------
        path : str
            Its path or URL; with `img`, any name for it.
        img : path, URL, array or bytes, optional
            The picture, if `path` is only a name.
        bytestream : bool
            Whether `img` is the content of a file.
        metadata : JSON, optional
        refresh_after : bool
            Whether searches that begin later are to find it. Else they do within a second.

        Raises
        ------
        CorruptImageError, MetadataError, StorageError
        """
        record = make_record(path, self.gis, self.k, self.N, img, bytestream, metadata)
        self.insert_single_record(record, refresh_after)

    def search_image(
        self,
        path: ImageLike,
        all_orientations: bool = False,
        bytestream: bool = False,
        pre_filter: Json | list[Json] | None = None,
    ) -> list[Json]:
        """Find the copies of a picture.

        Parameters
        ----------
        path : path, URL or array; bytes with bytestream=True
        all_orientations : bool
            Also find copies turned by quarter turns, mirrored, inverted, or all of it.
        bytestream : bool
            Whether `path` is the content of a file.
        pre_filter : query or list of queries of Elasticsearch, optional
            What must be true of the documents, such as ``{"term": {"metadata.tenant_id": "foo"}}``.

        Returns
        -------
        list of dict
            ``dist``, ``id``, ``metadata``, ``path`` and ``score``, the number of words that are the same;
            nearest first, each id once, with its best orientation.

        Raises
        ------
        CorruptImageError, IndexNotFoundError, StorageError
        """
        if all_orientations:
            signatures = self.gis.orientations(path, bytestream)
        else:
            signatures = self.gis.generate_signature(path, bytestream)[np.newaxis]
        return self._search(signatures, pre_filter)

    def search_single_record(
        self, rec: Mapping[str, Any], pre_filter: Json | list[Json] | None = None
    ) -> list[Json]:
        """Find the copies of a record that `make_record` made; as `search_image` gives them."""
        return self._search(self._signature(rec)[np.newaxis], pre_filter)

    def insert_single_record(self, rec: Json, refresh_after: bool = False) -> None:
        """Add a record that `make_record` made; it gets a time stamp.

        Raises
        ------
        InputError, StorageError
        """
        signature = self._signature(rec)
        words = encode_words(signature, scheme=self._scheme).tolist()
        rec["timestamp"] = datetime.now(UTC).isoformat()
        fields = {**rec, SIGNATURE: signature.tolist()}
        fields |= {f"{WORD}{number}": word for number, word in enumerate(words)}
        layout = self._prepared(create=True)
        otherwise = layout.wrapped(apart_from(fields)) if fields.get(METADATA) is not None else None
        writer = Writer(self._connection, require_alias=layout.is_alias, wait_for=False)
        # With an id of our own: what is sent again after a lost answer is then not there twice.
        writer.write([Operation("create", secrets.token_urlsafe(15), layout.wrapped(fields), otherwise)])
        if refresh_after:
            self._refresh()

    def delete_duplicates(self, path: str) -> None:
        """Delete all records of a path but the oldest."""
        layout = self._prepared()
        self._refresh()
        names = [f"{layout.prefix}{name}" for name in (PATH, URL)]
        # As a text or as a keyword, a path is found by itself; among others.
        asked = [{"match": {name: {"query": path, "operator": "and"}}} for name in names]
        body = {
            "query": {"bool": {"should": asked, "minimum_should_match": 1}},
            "_source": [*names, f"{layout.prefix}{TIMESTAMP}"],
        }
        codec = Codec(layout)
        same = [
            (codec.time(fields), hit["_id"])
            for hits in self._reader.pages(body)
            for hit in hits
            if path_of(fields := layout.fields_of(hit)) == path
        ]
        oldest_first = sorted(same, key=lambda each: (each[0] is None, each[0] or datetime.now(UTC), each[1]))
        doomed = [Operation("delete", id) for _, id in oldest_first[1:]]
        if doomed:
            Writer(self._connection, require_alias=layout.is_alias, wait_for=False).write(doomed)
            self._refresh()

    def _search(self, signatures: npt.NDArray[np.int8], pre_filter: Json | list[Json] | None) -> list[Json]:
        filters = [pre_filter] if isinstance(pre_filter, Mapping) else list(pre_filter or ())
        layout = self._prepared()
        # All orientations in a request.
        found = Searcher(self._reader, Codec(layout)).search(
            signatures,
            size=self.size,
            depth=_DEPTH,
            cutoff=self.distance_cutoff,
            filters=filters,
            timeout=f"{_seconds(self.timeout) * 1000:.0f}ms",
        )
        nearest: dict[str, Found] = {}
        for each in (each for near in found for each in near):
            id = each.record.id
            if id not in nearest or each.distance < nearest[id].distance:
                nearest[id] = each
        best = sorted(nearest.values(), key=lambda each: (each.distance, each.record.id))[: self.size]
        return [_match(each) for each in best]

    def _signature(self, rec: Mapping[str, Any]) -> npt.NDArray[np.int8]:
        if not isinstance(rec, Mapping) or SIGNATURE not in rec:
            raise InputError("wanted a record as make_record makes it, found no signature")
        return as_signatures(rec[SIGNATURE], self._scheme, ndim=1)

    def _refresh(self) -> None:
        with driver_errors(self._connection.place):
            self._connection.client.indices.refresh(index=self.index)

    def _prepared(self, create: bool = False) -> Layout:
        """How the index is laid out; made if it is not there and is to be."""
        if self._layout is None:
            layout = prepare(
                self._connection,
                scheme=self._scheme,
                create=create,
                options=Options(),
                doc_type=self.doc_type,
            )
            if layout.scheme != self._scheme:
                raise SchemeMismatchError(
                    f"{self._connection.place} was made with {_parameters(layout.scheme)}, "
                    f"this SignatureES has {_parameters(self._scheme)}: give it those"
                )
            self._layout = layout
        return self._layout


def make_record(
    path: Any,
    gis: ImageSignature,
    k: int,
    N: int,  # noqa: N803 - image-match's name
    img: ImageLike | None = None,
    bytestream: bool = False,
    metadata: Any = None,
) -> Json:
    """A picture as a record of image-match, to be made in another process and inserted in this one.

    Returns
    -------
    dict
        ``path``, ``signature``, ``simple_word_0`` and so on; ``metadata`` if there are any.
    """
    signature = gis.generate_signature(path) if img is None else gis.generate_signature(img, bytestream)
    record: Json = {PATH: path, SIGNATURE: signature.tolist()}
    if metadata:
        record[METADATA] = check_metadata(metadata)
    words = encode_words(signature, scheme=_scheme(gis, k, N)).tolist()
    return record | {f"{WORD}{number}": word for number, word in enumerate(words)}


class _Client:
    """The user's client, with searches as clients took them in image-match's day."""

    def __init__(self, client: elasticsearch.Elasticsearch) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def search(
        self, index: Any = None, doc_type: Any = None, body: Json | None = None, **options: Any
    ) -> Any:
        """Search; ``search('images', body={'query': ...})`` as well as by today's keywords."""
        if index is not None:
            options["index"] = index
        return self._client.search(**{**search_parameters(body or {}), **options})


def _match(found: Found) -> Json:
    return {
        "dist": found.distance,
        "id": found.record.id,
        "metadata": found.record.metadata,
        "path": found.record.path,
        "score": found.score,
    }


def _scheme(gis: ImageSignature, k: int, words: int) -> Scheme:
    return replace(gis.scheme, word_shape="run", word_length=k, word_count=words)


def _parameters(scheme: Scheme) -> str:
    return (
        f"k={scheme.word_length}, N={scheme.word_count}, n_grid={scheme.grid_size}, "
        f"crop_percentile={scheme.crop_percentiles}, n_levels={scheme.levels}"
    )


def _seconds(timeout: str | float) -> float:
    if isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and timeout > 0:
        return float(timeout)
    found = _TIME.fullmatch(timeout) if isinstance(timeout, str) else None
    if not found or not int(found[1]):
        raise InputError(f"wanted a timeout such as '10s', found {timeout!r}")
    return int(found[1]) * _SECONDS[found[2]]
