"""Words: what each way to cut and ask for them finds, at what cost, offline and in Elasticsearch.

The default scheme is chosen by this. A search compares exactly only the records that share most words, so
an original is found if it is among the first of these.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from sigsearch_elasticsearch.queries import Terms, candidates_body
from sigsearch_elasticsearch.tokens import near_tokens_of, tokens_of

import sigsearch
from benchmarks import made
from benchmarks.edits import make_copies
from benchmarks.server import PATIENCE, own_indexes
from benchmarks.suite.rows import Keep
from benchmarks.suite.run import Plan, Run
from sigsearch.bounds import CUTOFF
from sigsearch.scheme import DEFAULT_SCHEME, IMAGE_MATCH_SCHEME, Scheme

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from sigsearch_elasticsearch.testing import ElasticsearchServer

    from benchmarks.word_counts import Weighting

SERVER_UNIT: Final = "words/elasticsearch"
SERVED_QUERIES: Final = 500
"""So many at most are sent to the server: what is found, all of them tell offline."""
WARM: Final = 100
"""Queries of each way before those that are timed: Java optimises what it does often."""
_HALVES: Final = 2
"""Records are added in so many parts, so that there are segments to merge."""


class Way(NamedTuple):
    """How words are asked for."""

    weighting: Weighting
    near: int
    """Words that differ in one sign, beside each."""
    share: float = 1.0
    """Of the words."""


def _scheme(shape: Literal["cross", "run"], length: int, count: int) -> Scheme:
    return Scheme(word_shape=shape, word_length=length, word_count=count)


class Try(NamedTuple):
    """What the index of a name is asked."""

    name: str
    terms: list[Terms]
    """Of each query."""
    weighting: Weighting
    candidates: int


PLAIN: Final = Way("equal", 0)
GRID: Final = [
    _scheme(shape, length, count)
    for shape in ("cross", "run")
    for length in (8, 10, 11, 12, 14, 16)
    for count in (40, 63, 80, 120, 160)
]
"""All are tried in the plainest way."""
DIALS: Final = [
    *(Way(weighting, near) for weighting in ("equal", "idf") for near in (0, 2, 4, 8)),
    *(Way("equal", 0, share) for share in (0.5, 0.66)),
]
DIALLED: Final = [
    DEFAULT_SCHEME,
    IMAGE_MATCH_SCHEME,
    *(_scheme("cross", length, count) for length, count in ((8, 63), (8, 80), (10, 63), (11, 63), (12, 80))),
]
"""These are tried in all ways."""
QUICK: Final = [DEFAULT_SCHEME, IMAGE_MATCH_SCHEME, _scheme("cross", 11, 63), _scheme("run", 8, 80)]

SERVED: Final = [
    DEFAULT_SCHEME,
    IMAGE_MATCH_SCHEME,
    _scheme("run", 12, 63),
    _scheme("run", 8, 80),
    _scheme("cross", 8, 63),
    _scheme("cross", 10, 63),
    _scheme("cross", 10, 120),
    _scheme("cross", 11, 63),
    _scheme("cross", 8, 80),
]
"""These are tried on the server."""
SERVED_WAYS: Final = [
    *((Way("equal", near), candidates) for near in (0, 2) for candidates in (30, 100)),
    *((way, 100) for way in (Way("equal", 4), Way("equal", 8), Way("idf", 0), Way("idf", 2))),
]
"""And how many candidates are asked for."""
QUICK_SERVED: Final = 2
QUICK_WAYS: Final = [(PLAIN, 30), (Way("equal", 2), 100), (Way("idf", 0), 100)]


class Data:
    """The signatures of records and of copies that are searched for.

    Attributes
    ----------
    records : ndarray of int8, shape (n, 648)
        Windows of pictures, and whole pictures at random places among them: of equal candidates
        Elasticsearch gives the older first.
    copies : ndarray of int8, shape (m, 648)
        Those that comparing with every record would find, in random order.
    own : list of int
        The number of each copy's original.
    """

    def __init__(self, plan: Plan) -> None:
        settings = plan.settings
        windows = made.make_signatures(
            settings.words_records, made.sources(settings.pictures)[0], settings.seed
        )
        whole: list[made.Signatures] = []
        copies: list[made.Signatures] = []
        own: list[int] = []
        known: set[bytes] = set()
        chosen = {source: edits for source, edits in plan.choose_copies("words").items() if edits}
        for found in make_copies(chosen, settings.seed):
            if found is None or not found[0].any() or found[0].tobytes() in known:
                continue
            known.add(found[0].tobytes())
            near = [copy for copy in found[1:] if sigsearch.distance(copy, found[0]) < CUTOFF]
            copies += near
            own += [len(whole)] * len(near)
            whole.append(found[0])
        if not copies:
            raise SystemExit("none of the pictures can be read and has copies below the cutoff")
        places = plan.rng("words, places").permutation(len(windows) + len(whole))
        self.records: made.Signatures = np.empty((len(places), made.LENGTH), np.int8)
        self.records[places] = np.concatenate([whole, windows])
        order = plan.rng("words, order").permutation(len(copies))
        self.copies: made.Signatures = np.stack(copies)[order]
        self.own: list[int] = places[own][order].tolist()


def measure(run: Run, server: ElasticsearchServer | None) -> None:
    """Try words offline, then on a server.

    Units are the schemes, offline; all that is tried on the server is one, for the schemes take turns.
    """
    quick = run.settings.mode == "quick"

    @cache
    def data() -> Data:
        run.note(f"words: making {run.settings.words_records:,} records")
        return Data(run)

    for scheme in _schemes(run):
        if _unit(scheme) not in run.rows.done:
            run.note(f"words: trying {_name(scheme)}")
            with run.rows.unit(_unit(scheme)) as keep:
                _offline(data(), scheme, DIALS if scheme in DIALLED else [PLAIN], keep)
    if SERVER_UNIT not in run.rows.done:
        with run.rows.unit(SERVER_UNIT) as keep:
            if server is None:
                keep("absent", what="words in Elasticsearch", why="there is no server")
            else:
                schemes, ways = (QUICK[:QUICK_SERVED], QUICK_WAYS) if quick else (SERVED, SERVED_WAYS)
                _on_server(run, server, data(), schemes, ways, keep)


def is_done(run: Run) -> bool:
    """Whether all of it is measured already."""
    return {SERVER_UNIT, *map(_unit, _schemes(run))} <= run.rows.done.keys()


def _schemes(run: Run) -> list[Scheme]:
    """Those that are tried offline."""
    return QUICK if run.settings.mode == "quick" else list(dict.fromkeys([*DIALLED, *GRID]))


def _unit(scheme: Scheme) -> str:
    return f"words/{_name(scheme)}"


def _name(scheme: Scheme) -> str:
    return f"{scheme.word_shape} {scheme.word_count} x {scheme.word_length}"


def _fields(scheme: Scheme, way: Way, records: int, queries: int) -> dict[str, Any]:
    return {
        "shape": scheme.word_shape,
        "length": scheme.word_length,
        "count": scheme.word_count,
        **way._asdict(),
        "records": records,
        "queries": queries,
    }


# Offline


def _offline(data: Data, scheme: Scheme, ways: Sequence[Way], keep: Keep) -> None:
    """One scheme, in several ways."""
    from benchmarks.word_counts import ask, index_words, rank

    postings = index_words(data.records, scheme)
    for way in ways:
        asked = ask(data.copies, scheme, near=way.near, share=way.share)
        ranks = rank(postings, asked, data.own, way.weighting)
        keep(
            "words",
            where="offline",
            **_fields(scheme, way, len(data.records), len(data.copies)),
            asked=len(asked.words) / len(data.copies),
            postings=ranks.postings,
            index_bytes=postings.bytes / len(data.records),
            better=ranks.better,
            equal=ranks.equal,
        )


# In Elasticsearch


def _on_server(
    run: Run,
    server: ElasticsearchServer,
    data: Data,
    schemes: Sequence[Scheme],
    ways: Sequence[tuple[Way, int]],
    keep: Keep,
) -> None:
    """Load an index of each scheme, and ask all of them in all ways, in turns."""
    copies, own = data.copies[:SERVED_QUERIES], data.own[:SERVED_QUERIES]
    sizes: list[float] = []
    with ExitStack() as stack:
        client = stack.enter_context(server.client(request_timeout=PATIENCE))
        prefix = stack.enter_context(own_indexes(client))
        names = [f"{prefix}-{number}" for number in range(len(schemes))]
        for name, scheme in zip(names, schemes, strict=True):
            run.note(f"words: loading {_name(scheme)} into Elasticsearch")
            _load(server, client, name, scheme, data)
            sizes.append(_words_bytes(client, name) / len(data.records))
        tries = [
            Try(name, _terms(copies, scheme, way), way.weighting, candidates)
            for name, scheme in zip(names, schemes, strict=True)
            for way, candidates in ways
        ]
        run.note(f"words: asking Elasticsearch in {len(tries)} ways")
        found, ms = _in_turns(client, tries, own)
    for place, (number, (way, candidates)) in enumerate(product(range(len(schemes)), ways)):
        keep(
            "words",
            where="elasticsearch",
            **_fields(schemes[number], way, len(data.records), len(own)),
            index_bytes=sizes[number],
            candidates=candidates,
            found=found[place],
            ms=ms[place],
        )


def _in_turns(
    client: Elasticsearch, tries: Sequence[Try], own: Sequence[int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Ask all queries in all ways, in turns: whether originals were found, and milliseconds.

    No two ask the same query one after the other, which would warm memory for the second, and each round has
    an order of its own, so that none always comes after the one that empties caches.

    Returns
    -------
    found, ms : ndarray, shape (tries, queries)
    """
    count = len(own)
    found = np.zeros((len(tries), count), np.int64)
    ms = np.zeros((len(tries), count))
    rng = np.random.default_rng(0)
    # What the first rounds write, which warm up, the others write over.
    for number in (*range(min(count, WARM)), *range(count)):
        for place in rng.permutation(len(tries)).tolist():
            tried = tries[place]
            query = (number + place * count // len(tries)) % count
            body = candidates_body(tried.terms[query], where=None, size=tried.candidates)
            if tried.weighting == "idf":
                body = _weighted(body)
            start = time.perf_counter()
            answer = client.search(index=tried.name, body=body)
            ms[place, query] = 1000 * (time.perf_counter() - start)
            found[place, query] = str(own[query]) in {hit["_id"] for hit in answer["hits"]["hits"]}
    return found, ms


def _load(server: ElasticsearchServer, client: Elasticsearch, name: str, scheme: Scheme, data: Data) -> None:
    """Fill an index and merge it to one segment."""
    location = server.location(name)
    with sigsearch.open(location, scheme=scheme, shards=1, replicas=0, **server.options) as index:
        added = 0
        for part in np.array_split(np.arange(len(data.records)), _HALVES):
            items = (sigsearch.Item(signature=data.records[i], id=str(i)) for i in part.tolist())
            added += index.add_many(items).added
            index.refresh()
    if added != len(data.records):
        raise SystemExit(f"wanted {len(data.records)} records added, found {added}")
    client.indices.forcemerge(index=name, max_num_segments=1)
    client.indices.refresh(index=name)  # or searches go on with the old segments


def _words_bytes(client: Elasticsearch, name: str) -> int:
    """What the words take in an index: their dictionary and postings."""
    # Not client.indices.disk_usage, which warns that it may be gone one day.
    asked = f"/{name}/_disk_usage?run_expensive_tasks=true"
    told = client.perform_request("POST", asked, headers={"accept": "application/json"}).body
    [usage] = [usage for index, usage in told.items() if index != "_shards"]
    return int(usage["fields"]["words"]["total_in_bytes"])


def _terms(copies: made.Signatures, scheme: Scheme, way: Way) -> list[Terms]:
    """What the backend would ask for, of each copy."""
    same = tokens_of(copies, scheme, way.share)
    near = near_tokens_of(copies, scheme, way.near) if way.near else [[] for _ in same]
    return [Terms(*tokens) for tokens in zip(same, near, strict=True)]


def _weighted(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same search with words that count the more the rarer they are, as the server has it by itself."""
    terms = [
        {"term": {"words": {"value": clause["filter"]["term"]["words"], "boost": clause.get("boost", 1)}}}
        for clause in (each["constant_score"] for each in body["query"]["bool"]["should"])
    ]
    return {**body, "query": {"bool": {**body["query"]["bool"], "should": terms}}}
