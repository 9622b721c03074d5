"""SimilarImage: a query like any other, and the exact distances of what it finds."""

import asyncio
import copy
import json
import pickle
import re
from functools import cache
from pathlib import Path

import elasticsearch
import numpy as np
import PIL.Image
import pytest
from elasticsearch import AsyncElasticsearch, helpers
from elasticsearch.dsl import (
    AsyncDocument,
    AsyncMultiSearch,
    AsyncSearch,
    Document,
    InnerDoc,
    Keyword,
    MultiSearch,
    Object,
    Q,
    Search,
    Text,
    connections,
)
from elasticsearch.dsl.query import Bool, ConstantScore, MatchNone, Terms
from elasticsearch.dsl.response import Response
from sigsearch_elasticsearch import ImageSignature, SimilarImage, queries, similar
from sigsearch_elasticsearch.script import distance_script

from sigsearch import FeaturelessWarning, compare, compute_signature
from sigsearch.errors import ImageError, InputError, StorageError
from sigsearch.scheme import Scheme
from sigsearch.testing import make_near_duplicate, make_picture

picture = cache(lambda seed: make_picture(seed, (96, 72)))
MUG, CUP, JUG = map(picture, (1, 2, 3))
MUG_COPY = make_near_duplicate(MUG, "resize")
PLAIN = np.full((40, 40), 90, np.uint8)


class Owner(InnerDoc):
    portrait = ImageSignature()


class Product(Document):
    name = Text()
    category = Keyword()
    picture = ImageSignature(multi=True)
    owner = Object(Owner)


class AsyncProduct(AsyncDocument):
    name = Text()
    picture = ImageSignature()


def ids(hits):
    return [hit.meta.id for hit in hits]


def stored(*pictures):
    return [ImageSignature().read(picture).to_dict() for picture in pictures]


# As a query


@pytest.fixture
def made_up_words(monkeypatch):
    """Each orientation has the words that are given, and a query for words is a terms query."""

    def make_up(*words):
        monkeypatch.setattr(
            similar, "terms_of", lambda signatures, scheme, effort: [queries.Terms(w, []) for w in words]
        )
        monkeypatch.setattr(
            similar, "words_query", lambda field, terms, **more: Terms(**{field: terms.same}, **more)
        )

    return make_up


A = {"terms": {"p.words": ["a", "b"], "minimum_should_match": 1}}
MUGS = {"term": {"name": "mug"}}


def test_it_asks_for_the_words_in_the_sub_field(made_up_words):
    made_up_words(["a", "b"])
    assert SimilarImage("p", MUG).to_dict() == A
    asked = SimilarImage("p", MUG, min_word_matches=4, boost=1.5, _name="like").to_dict()
    assert asked == {
        "terms": {
            "p.words": ["a", "b"],
            "minimum_should_match": 4,
            "boost": 1.5,
            "_name": "like",
        }
    }


def test_more_effort_asks_for_more_words():
    asked = [SimilarImage("p", MUG, effort=effort).to_dict()["bool"]["should"] for effort in (1, 3, 5)]
    assert len(asked[0]) < len(asked[1]) < len(asked[2])
    assert SimilarImage("p", MUG).to_dict()["bool"]["should"] == asked[1]
    with pytest.raises(InputError, match="wanted an effort from 1 to 5, found 6"):
        SimilarImage("p", MUG, effort=6)


def test_of_all_orientations_the_best_counts(made_up_words):
    made_up_words(["a", "b"], [], ["b"])
    assert SimilarImage("p", MUG, all_orientations=True, boost=2.0).to_dict() == {
        "dis_max": {
            "queries": [A, {"terms": {"p.words": ["b"], "minimum_should_match": 1}}],
            "boost": 2.0,
        }
    }


def test_all_orientations_are_sixteen_queries():
    asked = SimilarImage("p", MUG, all_orientations=True).to_dict()
    assert len(asked["dis_max"]["queries"]) == 16
    assert asked["dis_max"]["queries"][0] == SimilarImage("p", MUG).to_dict()


def test_it_combines_with_other_queries(made_up_words):
    made_up_words(["a", "b"])
    like, mugs = SimilarImage("p", MUG), Q("term", name="mug")
    assert (like & mugs).to_dict() == {"bool": {"must": [A, MUGS]}}
    assert (mugs & like).to_dict() == {"bool": {"must": [MUGS, A]}}
    assert (like | mugs).to_dict() == {"bool": {"should": [A, MUGS]}}
    assert (~like).to_dict() == {"bool": {"must_not": [A]}}
    assert (like & ~mugs & mugs).to_dict() == {"bool": {"must": [A, MUGS], "must_not": [MUGS]}}
    assert (Bool(filter=[mugs]) & like).to_dict() == {"bool": {"filter": [MUGS], "must": [A]}}
    assert ConstantScore(filter=like).to_dict() == {"constant_score": {"filter": A}}
    search = Search().query(like).filter("term", name="mug").exclude(like).query(mugs)
    assert search.to_dict() == {
        "query": {"bool": {"must": [A, MUGS], "filter": [MUGS, {"bool": {"must_not": [A]}}]}}
    }
    assert Search().filter(like).to_dict() == {"query": {"bool": {"filter": [A]}}}


def test_its_body_is_plain_json_and_the_same_each_time():
    for options in (
        {},
        {"all_orientations": True},
        {"on_server": True},
        {"all_orientations": True, "on_server": True},
    ):
        like = SimilarImage("picture", MUG, **options)
        search = Search().query(like & Q("match", name="mug")).filter(~like)[5:10]
        body = search.to_dict()
        assert json.loads(json.dumps(body)) == body
        assert Search.from_dict(body).to_dict() == body == search.to_dict()


def test_a_picture_is_read_once_and_copies_of_the_query_need_it_no_more(tmp_path):
    path = tmp_path / "mug.png"
    PIL.Image.fromarray(MUG).save(path)
    like = SimilarImage("picture", path, cutoff=0.3)
    path.unlink()
    asked = like.to_dict()
    for same in (like._clone(), copy.copy(like), copy.deepcopy(like), pickle.loads(pickle.dumps(like))):
        assert same.to_dict() == asked
        assert same == like
        assert same.rescore([]) == []
    louder = like._clone()
    louder.boost = 3.0
    assert louder.to_dict() != asked == like.to_dict()
    assert repr(like) == f"SimilarImage('picture', '{path}', cutoff=0.3)"


def test_a_field_of_a_document_says_its_path_and_its_scheme():
    other = Scheme(word_length=8)

    class House(Document):
        picture = ImageSignature(scheme=other)

    assert SimilarImage(House.picture, MUG) == SimilarImage("picture", MUG, scheme=other)
    assert SimilarImage(House.picture, MUG) != SimilarImage("picture", MUG)
    assert SimilarImage(Product.owner.portrait, MUG) == SimilarImage("owner.portrait", MUG)


def test_a_picture_without_features_warns_and_matches_nothing():
    with pytest.warns(FeaturelessWarning, match=r"^array of shape \(40, 40\) .* has no features") as warned:
        like = SimilarImage("picture", PLAIN, all_orientations=True)
    assert warned[0].filename == __file__
    assert like.to_dict() == {"match_none": {}}
    assert like == MatchNone() or like.to_dict() == MatchNone().to_dict()


def test_a_picture_or_an_argument_that_will_not_do_is_an_error_at_once():
    with pytest.raises(ImageError, match=r"cannot read no/such\.jpg: no such file"):
        SimilarImage("picture", "no/such.jpg")
    with pytest.raises(InputError, match="wanted a cutoff from 0 to 1, found 2"):
        SimilarImage("picture", MUG, cutoff=2)
    for number in (0, 1.5, True):
        with pytest.raises(InputError, match=f"wanted min_word_matches of 1 or more, found {number}"):
            SimilarImage("picture", MUG, min_word_matches=number)
    with pytest.raises(InputError, match="all orientations can be had of a picture"):
        SimilarImage("picture", compute_signature(MUG), all_orientations=True)


# The script


def test_the_script_gets_the_query_as_weights():
    # A grid of 2 x 2 has 4 points and so 6 pairs of neighbours, each twice among 32 values.
    scheme = Scheme(grid_size=2, word_count=4)
    signature = np.zeros((1, 32), np.int8)
    signature[0, 4] = 2  # the upper left point's right neighbour is brighter by 2 levels ...
    signature[0, 11] = -2  # ... and the upper right point's left neighbour darker
    signature[0, 0] = 1  # a neighbour that is not there: no signature of ours
    given = distance_script("p.signature", signature, 0.25, scheme)["params"]
    [query] = given.pop("queries")
    # 2 * 2 + -2 * -2 + 1 * 1; a weight w is the character of code 48 + 4 + w, so that 0 is "4".
    assert query["norm"] == 9
    assert query["full"] == "5" + "444" + "6" + "444" + "444" + "2" + "4" * 20
    # The first pair is that of the upper two: 2 - -2.
    assert query["folded"] == "8" + "44444"
    assert given == {
        "field": "p.signature",
        "cutoff": 0.25,
        "base": 5,
        "group": 3,
        "bits": 7,
        "values": 32,
        "folded_values": 6,
        "folded_bytes": 2,
    }


def test_on_the_server_the_script_scores_the_candidates_and_drops_what_is_no_match(made_up_words):
    made_up_words(["a", "b"])
    body = SimilarImage("p", MUG, on_server=True, boost=2.0).to_dict()
    script = body["script_score"].pop("script")
    assert body == {"script_score": {"query": A, "min_score": 1e-30, "boost": 2.0}}
    assert script["params"]["field"] == "p.signature"
    assert script["params"]["cutoff"] == 0.45
    assert script["params"]["folded_bytes"] == 80


# Rescoring


def answer(*sources, **more):
    """What a server answers, with ids 0, 1, 2 ..., best first."""
    hits = [
        {"_index": "i", "_id": str(id), "_score": 9.0 - id, "_source": copy.deepcopy(source), **more}
        for id, source in enumerate(sources)
    ]
    return {"hits": {"total": {"value": len(hits), "relation": "eq"}, "hits": hits}}


def test_rescoring_keeps_the_matches_and_puts_the_nearest_first():
    response = Response(Search(), answer(*({"picture": one} for one in stored(CUP, MUG_COPY, JUG, MUG))))
    found = SimilarImage("picture", MUG).rescore(response)
    assert ids(found) == ["3", "1"]
    assert [hit.meta.distance for hit in found] == [0.0, compare(MUG, MUG_COPY)]
    assert [hit.meta.orientation for hit in found] == ["as-is", "as-is"]
    assert [hit.meta.is_match for hit in found] == [True, True]
    assert found[0] is response[3]


def test_the_cutoff_is_strict():
    response = answer({"picture": stored(MUG_COPY)[0]})
    apart = compare(MUG, MUG_COPY)
    assert SimilarImage("picture", MUG, cutoff=apart).rescore(response) == []
    assert len(SimilarImage("picture", MUG, cutoff=np.nextafter(apart, 1)).rescore(response)) == 1


def test_rescoring_may_mark_rather_than_drop():
    response = answer({"name": "no picture"}, {"picture": stored(CUP)[0]}, {"picture": stored(MUG)[0]}, {})
    found = SimilarImage("picture", MUG).rescore(response, drop=False)
    assert ids(found) == ["2", "1", "0", "3"]
    assert [hit.meta.is_match for hit in found] == [True, False, False, False]
    assert [hit.meta.distance for hit in found] == [0.0, compare(MUG, CUP), None, None]
    assert [hit.meta.orientation for hit in found] == ["as-is", "as-is", None, None]


def test_hits_that_the_search_has_sorted_keep_their_order():
    response = answer({"picture": stored(MUG_COPY)[0]}, {"picture": stored(MUG)[0]}, sort=[1])
    assert ids(SimilarImage("picture", MUG).rescore(response)) == ["0", "1"]


def test_the_orientation_is_what_makes_the_query_look_like_the_stored_picture():
    turned = np.ascontiguousarray(np.rot90(MUG[:, ::-1]))
    response = answer({"picture": stored(turned)[0]})
    [hit] = SimilarImage("picture", MUG, all_orientations=True).rescore(response)
    assert hit.meta.orientation == "mirror-rotate-90"
    assert SimilarImage("picture", MUG).rescore(response) == []


def test_of_several_pictures_the_nearest_counts():
    response = answer({"picture": stored(CUP, MUG, MUG_COPY)}, {"picture": stored(CUP, JUG)})
    [hit] = SimilarImage("picture", MUG).rescore(response)
    assert (hit.meta.id, hit.meta.distance) == ("0", 0.0)


def test_hits_of_any_kind_can_be_rescored():
    like = SimilarImage("owner.portrait", MUG)
    [portrait] = stored(MUG)
    raw = answer({"owner": {"portrait": portrait}})
    documents = [Product.from_es(hit) for hit in raw["hits"]["hits"]]
    hits = list(Response(Search(), raw))
    dotted = answer({"owner.portrait": portrait})
    several = answer({"owner": [{}, {"portrait": portrait}]})
    as_fields = answer({}, fields={"owner.portrait.signature": [portrait["signature"]]})
    field_of_document = [Product.from_es(hit) for hit in as_fields["hits"]["hits"]]
    for given in (raw, documents, iter(hits), hits, dotted, several, as_fields, field_of_document):
        [hit] = like.rescore(given)
        assert hit.meta.distance == 0.0
    assert like.rescore([]) == []


@pytest.mark.parametrize(
    "source",
    [False, "name", ["name", "picture.words"], {"excludes": ["picture"]}, {"excludes": "*.signature"}],
)
def test_a_signature_that_source_leaves_out_is_missed(source):
    response = Response(Search().source(source), answer({"name": "mug"}))
    with pytest.raises(InputError, match=r"wanted hits with 'picture.signature' .* add it to the includes"):
        SimilarImage("picture", MUG).rescore(response)


@pytest.mark.parametrize(
    "source", [True, "*", ["pic*"], "picture", ["picture.signature"], {"excludes": ["name"]}]
)
def test_a_document_without_a_picture_is_no_mistake(source):
    response = Response(Search().source(source), answer({"name": "mug"}))
    assert SimilarImage("picture", MUG).rescore(response) == []


def test_words_without_a_signature_are_a_mistake_wherever_they_come_from():
    with pytest.raises(InputError, match=r"wanted hits with 'picture.signature'"):
        SimilarImage("picture", MUG).rescore(answer({"picture": {"words": ["a"]}}))


def test_a_signature_of_another_scheme_is_told():
    [small] = [ImageSignature(scheme=Scheme(grid_size=5, word_count=50)).read(MUG).to_dict()]
    with pytest.raises(StorageError, match="a packed signature is damaged"):
        SimilarImage("picture", MUG).rescore(answer({"picture": small}))


# On a server

CATALOGUE = {
    "mug-1": ("white mug", "mugs", [MUG]),
    "mug-2": ("the same white mug, resized", "mugs", [MUG_COPY]),
    "mug-3": ("brown mug", "mugs", [picture(4)]),
    "cup-1": ("white cup", "cups", [CUP, MUG_COPY]),
    "cup-2": ("blue cup", "cups", [CUP]),
    "jug-1": ("turned jug", "jugs", [np.ascontiguousarray(np.rot90(JUG))]),
    "jug-2": ("plain jug", "jugs", [PLAIN]),
    "jug-3": ("jug without a picture", "jugs", []),
}
COPIES = {"mug-1": 0.0, "mug-2": compare(MUG, MUG_COPY), "cup-1": compare(MUG, MUG_COPY)}


@cache
def documents():
    return {
        id: Product(name=name, category=category, picture=pictures).to_dict()
        for id, (name, category, pictures) in CATALOGUE.items()
    }


@pytest.fixture
def shop(client, elasticsearch_index_name):
    """A search in the catalogue."""
    name = elasticsearch_index_name
    Product.init(index=name, using=client)
    actions = [{"_index": name, "_id": id, "_source": source} for id, source in documents().items()]
    helpers.bulk(client, actions, refresh=True)
    return Product.search(index=name, using=client)


def test_the_copies_of_a_picture_are_found_with_their_distances(shop):
    like = SimilarImage(Product.picture, MUG)
    found = like.rescore(shop.query(like).execute())
    assert {hit.meta.id: hit.meta.distance for hit in found} == COPIES
    assert found[0].meta.id == "mug-1"
    assert isinstance(found[0], Product)
    assert found[0].name == "white mug"


def test_a_picture_with_all_orientations_finds_its_turned_copy(shop):
    like = SimilarImage("picture", JUG, all_orientations=True)
    [hit] = like.rescore(shop.query(like).execute())
    assert (hit.meta.id, hit.meta.orientation) == ("jug-1", "rotate-90")
    assert hit.meta.distance == compare(
        np.ascontiguousarray(np.rot90(JUG)), np.ascontiguousarray(np.rot90(JUG))
    )


def test_it_works_with_filters_queries_and_highlights(shop):
    like = SimilarImage("picture", MUG)
    assert set(ids(like.rescore(shop.query(like).filter("term", category="mugs").execute()))) == {
        "mug-1",
        "mug-2",
    }
    assert set(ids(like.rescore(shop.query(like & Q("match", name="cup")).execute()))) == {"cup-1"}
    assert "mug-1" not in ids(shop.query(~like).execute())
    assert "jug-3" in ids(shop.query(~like).execute())
    either = shop.query(like | Q("match", name="plain")).execute()
    assert {"mug-1", "mug-2", "cup-1", "jug-2"} <= set(ids(either))
    assert set(ids(like.rescore(either))) == set(COPIES)
    assert "jug-2" not in ids(like.rescore(either))
    shown = like.rescore(shop.query(like & Q("match", name="mug")).highlight("name").execute())
    assert shown[0].meta.highlight.name == ["white <em>mug</em>"]
    named = shop.query(SimilarImage("picture", MUG, _name="like") | Q("match", name="plain")).execute()
    assert {hit.meta.id: list(getattr(hit.meta, "matched_queries", [])) for hit in named}["mug-1"] == ["like"]


def test_it_works_with_aggregations_sort_and_pages(shop):
    like = SimilarImage("picture", MUG, min_word_matches=12)
    search = shop.query(like)
    search.aggs.bucket("categories", "terms", field="category")
    response = search.execute()
    counts = {bucket.key: bucket.doc_count for bucket in response.aggregations.categories.buckets}
    assert counts == {"mugs": 2, "cups": 1}
    assert set(ids(like.rescore(response))) == set(COPIES)
    ordered = like.rescore(shop.query(like).sort("category", "_score").execute())
    assert ids(ordered)[0] == "cup-1"
    pages = [ids(like.rescore(shop.query(like)[start : start + 1].execute())) for start in range(4)]
    assert {id for page in pages for id in page} == set(COPIES)
    assert pages[3] == []
    assert shop.query(like).count() == 3
    assert set(ids(like.rescore(shop.query(like).scan()))) == set(COPIES)


def test_the_signature_may_come_as_a_field_and_the_words_need_not_come(shop, client):
    like = SimilarImage("picture", MUG)
    for search in (
        shop.query(like).source(excludes=["picture.words"]),
        shop.query(like).source(["name", "picture.signature"]),
        shop.query(like).source(False).extra(fields=["picture.signature"]),
        Search(index=shop._index, using=client).query(like),
    ):
        assert {hit.meta.id: hit.meta.distance for hit in like.rescore(search.execute())} == COPIES
    with pytest.raises(InputError, match="add it to the includes"):
        like.rescore(shop.query(like).source(["name"]).execute())


def test_the_body_can_be_pasted_into_a_client_of_any_kind(shop, client):
    like = SimilarImage("picture", MUG)
    pasted = json.dumps({"query": like.to_dict()})
    response = client.search(index=shop._index, **json.loads(pasted))
    assert {hit.meta.id: hit.meta.distance for hit in like.rescore(response)} == COPIES


def test_several_searches_go_in_one_request(shop, client):
    pictures = [MUG, JUG, CUP]
    queries = [SimilarImage("picture", one, all_orientations=True) for one in pictures]
    searches = MultiSearch(using=client)
    for query in queries:
        searches = searches.add(shop.query(query))
    found = [ids(query.rescore(one)) for query, one in zip(queries, searches.execute(), strict=True)]
    assert [set(one) for one in found] == [set(COPIES), {"jug-1"}, {"cup-1", "cup-2"}]


def test_it_works_in_async(shop, elasticsearch_server):
    name = shop._index[0]

    async def work():
        async with AsyncElasticsearch(elasticsearch_server.urls[0]) as client:
            late = AsyncProduct(meta={"id": "late"}, name="late mug", picture=MUG)
            await late.save(index=name, using=client, refresh=True)
            like = await asyncio.to_thread(SimilarImage, "picture", MUG)
            found = await AsyncProduct.search(index=name, using=client).query(like).execute()
            nearest = like.rescore(found)
            assert isinstance(nearest[0], AsyncProduct)
            plain = (
                await AsyncSearch(index=name, using=client).query(like).filter("match", name="late").execute()
            )
            several = AsyncMultiSearch(using=client).add(AsyncSearch(index=name).query(like))
            [both] = await several.execute()
            return [
                {hit.meta.id: hit.meta.distance for hit in like.rescore(one)} for one in (found, plain, both)
            ]

    every = {**COPIES, "late": 0.0}
    assert asyncio.run(work()) == [every, {"late": 0.0}, every]


def has_scripts(client):
    """Whether the server has Painless, as all have but the build that is fetched for tests."""
    languages = client.perform_request("GET", "/_script_language", headers={"accept": "application/json"})
    return any(one["language"] == "painless" for one in languages["language_contexts"])


def test_the_server_scores_exactly_or_says_that_it_has_no_scripts(client, elasticsearch_index_name):
    class Scripted(Document):
        picture = ImageSignature(doc_values=True, multi=True)

    name = elasticsearch_index_name
    Scripted.init(index=name, using=client)
    actions = [{"_index": name, "_id": id, "_source": source} for id, source in documents().items()]
    helpers.bulk(client, actions, refresh=True)
    like = SimilarImage("picture", MUG, on_server=True)
    search = Scripted.search(index=name, using=client).query(like)
    if not has_scripts(client):
        with pytest.raises(elasticsearch.BadRequestError, match=r"script_lang not supported \[painless\]"):
            search.execute()
        return
    response = search.execute()
    assert ids(response) == ids(like.rescore(response))
    scores = {hit.meta.id: np.float32(hit.meta.score) for hit in response}
    assert scores == {id: np.float32(1 - distance) for id, distance in COPIES.items()}


def test_the_page_about_it_runs_as_it_stands_there(
    elasticsearch_server, client, elasticsearch_index_name, tmp_path, monkeypatch, capsys
):
    page = (Path(__file__).parents[2] / "docs" / "elasticsearch-documents.md").read_text(encoding="utf-8")
    name = elasticsearch_index_name
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    files = {"mug": MUG, "photo-of-mug": MUG_COPY, "cup": CUP, "query": MUG, "pictures/mug": MUG}
    for file, pixels in files.items():
        PIL.Image.fromarray(pixels).save(tmp_path / f"{file}.jpg", quality=95)
    stock = [{"_index": f"{name}-stock", "file": file} for file in ("mug.jpg", "no-such.jpg")]
    helpers.bulk(client, stock, refresh=True)
    known = {"__name__": "page"}
    try:
        for block in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
            for ours, theirs in {
                "http://localhost:9200": elasticsearch_server.urls[0],
                '"products"': f'"{name}"',
                '"stock"': f'"{name}-stock"',
            }.items():
                block = block.replace(ours, theirs)
            exec(compile(block, "page", "exec"), known)
    finally:
        connections.get_connection().close()
        connections.remove_connection("default")
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"(648,) {len(known['mug'].picture.words)} False"
    assert told[1] == "0.0 as-is White mug"
    assert told[2].endswith(" as-is White mug, used")
    assert told[3:5] == ["True White <em>mug</em>", "True White <em>mug</em>, used"]
    assert told[5] == "[{'key': 'mugs', 'doc_count': 2}]"
    assert told[6:8] == ["['White mug', 'White mug, used']", "['Blue cup']"]
    assert told[8] == "GET products/_search"
    pasted = client.search(index=name, **json.loads(told[9]))["hits"]["hits"]
    assert pasted[0]["_source"] == {"name": "White mug", "category": "mugs"}
    assert told[10:] == [
        "1 filled, 1 failed",
        told[11],
        "['White mug', 'White mug, used']",
    ]
    assert told[11].startswith("pictures/no-such.jpg (document ")
