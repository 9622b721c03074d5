"""SimilarImage: a query for copies of a picture that combines with any other, and exact distances after."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from copy import copy
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from elastic_transport import ObjectApiResponse
from elastic_transport.client_utils import DEFAULT, DefaultType
from elasticsearch.dsl import Search
from elasticsearch.dsl.query import DisMax, MatchNone, Query, ScriptScore
from elasticsearch.dsl.response import Response

from sigsearch.bounds import CUTOFF, EFFORT, check_cutoff, check_effort
from sigsearch.errors import InputError
from sigsearch.images import describe
from sigsearch.index import FeaturelessWarning
from sigsearch.limits import DEFAULT_LIMITS, Limits
from sigsearch.orientations import ORIENTATIONS
from sigsearch.scheme import DEFAULT_SCHEME, Scheme
from sigsearch.signatures import compute_orientations, compute_signature, distances
from sigsearch_elasticsearch.fields import stored_at
from sigsearch_elasticsearch.packing import unpack
from sigsearch_elasticsearch.queries import terms_of, words_query
from sigsearch_elasticsearch.script import distance_script

if TYPE_CHECKING:
    from sigsearch.images import ImageLike

HitT = TypeVar("HitT")

_ABOVE_NOTHING = 1e-30
"""The script says 0 of what is no match, and of the farthest match some 1e-7."""


class SimilarImage(Query):
    """A query for the documents whose picture shares words with this one: the candidates for copies of it.

    ::

        similar = SimilarImage("picture", "query.jpg")
        response = Product.search().query(similar).filter("term", category="mugs").execute()
        for product in similar.rescore(response):
            print(product.meta.distance, product.name)

    It is a query as any other of elasticsearch-dsl: it combines by ``&``, ``|`` and ``~``, stands in
    filters, and `to_dict` gives plain JSON. The server finds candidates and puts them in the order of the
    words that they share; which of them are matches, `rescore` tells, or the server itself if it has
    scripts (`on_server`).

    Parameters
    ----------
    field : str or field of a Document
        As ``"picture"`` or ``Product.picture``; dots lead into objects.
    image : path, URL, bytes, file object, PIL image or array
        An int8 array of shape (648,) is taken as its signature. It is read here and now, once.
    cutoff : float
        Matches have a distance below it; 0 to 1.
    all_orientations : bool
        Also find copies turned by quarter turns, mirrored, inverted, or all of it.
    min_word_matches : int
        Words that a candidate must share. More make fewer candidates, and lose some copies.
    effort : int
        How hard to look, from 1, quickest, to 5. How many candidates are fetched says the search's size.
    on_server : bool
        The server computes the exact distances and finds matches only; the score is ``1 - distance``. It
        needs scripts in Painless, and a field with ``doc_values=True``.
    limits : Limits
        What the picture may cost to read, and where it may come from.
    scheme : Scheme, optional
        That of the field. Default: as ``Product.picture`` has it, else the default scheme.
    boost, _name
        As of any query.

    Warns
    -----
    FeaturelessWarning
        The picture has no features and matches nothing.

    Raises
    ------
    ImageError
        The picture cannot be read.
    InputError
        An argument out of its range; a signature with all_orientations.
    """

    name = "similar_image"

    def __init__(
        self,
        field: str | Any,
        image: ImageLike,
        *,
        cutoff: float = CUTOFF,
        all_orientations: bool = False,
        min_word_matches: int = 1,
        effort: int = EFFORT,
        on_server: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        scheme: Scheme | None = None,
        boost: float | DefaultType = DEFAULT,
        _name: str | DefaultType = DEFAULT,
    ) -> None:
        super().__init__(boost=boost, _name=_name)
        check_cutoff(cutoff)
        check_effort(effort)
        if type(min_word_matches) is not int or min_word_matches < 1:
            raise InputError(f"wanted min_word_matches of 1 or more, found {min_word_matches!r}")
        # A Document's field, Product.picture, is a proxy that says its path as text and knows its scheme.
        self._scheme: Scheme = scheme or getattr(field, "scheme", None) or DEFAULT_SCHEME
        self._field = str(field)
        self._cutoff = cutoff
        self._shown = describe(image)
        if all_orientations:
            self._signatures = compute_orientations(image, scheme=self._scheme, limits=limits)
        else:
            self._signatures = compute_signature(image, scheme=self._scheme, limits=limits)[np.newaxis]
        if not self._signatures.any():
            warnings.warn(
                f"{self._shown} has no features, so it matches nothing", FeaturelessWarning, stacklevel=2
            )
        self._query = self._candidates(effort, min_word_matches)
        if on_server:
            script = distance_script(f"{self._field}.signature", self._signatures, cutoff, self._scheme)
            self._query = ScriptScore(query=self._query, script=script, min_score=_ABOVE_NOTHING)

    def _candidates(self, effort: int, min_word_matches: int) -> Query:
        queries = [
            words_query(f"{self._field}.words", terms, minimum_should_match=min_word_matches)
            for terms in terms_of(self._signatures, self._scheme, effort)
            if terms.same  # a query for none would find everything
        ]
        if not queries:
            return MatchNone()
        # The best orientation counts, not the sum: a stranger shares a word or two with each of the 16.
        return queries[0] if len(queries) == 1 else DisMax(queries=queries)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, in standard queries; no server is asked and nothing is read."""
        [(kind, body)] = self._query.to_dict().items()
        return {kind: {**body, **self._params}}

    def rescore(self, response: Iterable[HitT], *, drop: bool = True) -> list[HitT]:
        """Compute the exact distances of hits, and keep those below the cutoff.

        Parameters
        ----------
        response : Response, or what a client's search() gave, or hits
            Of any search that this query had a part in. Nothing else is asked of the server.
        drop : bool
            If False all hits are kept.

        Returns
        -------
        list
            The same hits or documents, nearest first, or in their own order if the search had a sort. Each
            has in its ``meta`` the `distance` as `sigsearch.compare` gives it, the `orientation` (what,
            done to the query, makes it look like the stored picture; one of `sigsearch.ORIENTATIONS`) and
            `is_match`. Of several pictures in a document the nearest counts; without any, `distance` and
            `orientation` are None.

        Raises
        ------
        InputError
            The hits came without the field's signature, because source() left it out.
        StorageError
            A stored signature is damaged, or was made with another scheme.
        """
        hits: list[Any] = list(_as_response(response))
        path = f"{self._field}.signature"
        packed = [list(stored_at(hit, path)) or list(stored_at(hit.meta, f"fields.{path}")) for hit in hits]
        without = [hit for hit, texts in zip(hits, packed, strict=True) if not texts]
        # Else the document has no picture, and was found by another query.
        if any(any(stored_at(hit, f"{self._field}.words")) for hit in without) or (
            without and _leaves_out(response, path)
        ):
            raise InputError(
                f"wanted hits with {path!r} to compute distances from, found them without; "
                "add it to the includes of source()"
            )
        stored = unpack([text for texts in packed for text in texts], self._scheme)
        apart = np.stack([distances(query, stored, scheme=self._scheme) for query in self._signatures])
        start = 0
        for hit, texts in zip(hits, packed, strict=True):
            self._mark(hit.meta, apart[:, start : start + len(texts)])
            start += len(texts)
        if not any("sort" in hit.meta for hit in hits):
            hits.sort(key=lambda hit: 2.0 if hit.meta.distance is None else hit.meta.distance)
        return [hit for hit in hits if hit.meta.is_match or not drop]

    def _mark(self, meta: Any, apart: npt.NDArray[np.float64]) -> None:
        """Note in a hit's meta what its distances, by orientation and picture, tell."""
        distance = orientation = None
        if apart.size:
            best = apart.min(axis=1)
            orientation = ORIENTATIONS[int(best.argmin())]
            distance = float(best.min())
        meta.distance = distance
        meta.orientation = orientation
        meta.is_match = distance is not None and distance < self._cutoff

    def _clone(self) -> Self:
        # For elasticsearch-dsl, which would call __init__ without arguments. Nothing in it changes but
        # the parameters.
        cloned = copy(self)
        cloned._params = copy(self._params)
        return cloned

    def __repr__(self) -> str:
        return f"SimilarImage({self._field!r}, {self._shown!r}, cutoff={self._cutoff!r})"


def _as_response(response: Any) -> Iterable[Any]:
    if isinstance(response, ObjectApiResponse):
        response = response.body
    return Response(Search(), dict(response)) if isinstance(response, Mapping) else response


def _leaves_out(response: Any, path: str) -> bool:
    """Whether a response comes from a search whose source() leaves a path out."""
    if not isinstance(response, Response):
        return False
    source = response._search.to_dict().get("_source", True)
    if isinstance(source, bool):
        return not source
    if not isinstance(source, Mapping):
        source = {"includes": source}
    includes, excludes = source.get("includes") or ["*"], source.get("excludes") or []
    return not _covers(includes, path) or _covers(excludes, path)


def _covers(patterns: str | Iterable[str], path: str) -> bool:
    """Whether one of the patterns is true of a path or of an object that it leads through."""
    patterns = [patterns] if isinstance(patterns, str) else patterns
    parts = path.split(".")
    above = [".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in above)
