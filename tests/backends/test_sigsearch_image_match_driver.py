"""Code written to image-match's documentation, with its pictures, on a server of today."""

import importlib
import io
import json
import re
import shutil
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import sigsearch_image_match
from elasticsearch import Elasticsearch
from PIL import Image
from sigsearch_image_match import CorruptImageError, ImageSignature, SignatureES, make_record

import sigsearch
from sigsearch.errors import (
    ImageError,
    IndexNotFoundError,
    InputError,
    MetadataError,
    NotAnIndexError,
    SchemeMismatchError,
    StorageError,
)


@pytest.fixture
def ses(client, name):
    return SignatureES(client, index=name)


@pytest.fixture
def paths(mona_lisa, other_mona_lisa, caravaggio):
    return str(mona_lisa), str(other_mona_lisa), str(caravaggio)


def squashed(path, to):
    with Image.open(path) as image:
        image.resize((image.width, image.height // 2)).save(to, quality=90)
    return str(to)


def turned(path, to):
    with Image.open(path) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(to, quality=95)
    return str(to)


# The page "Image signatures and distances", line by line.


def test_the_published_distance_of_the_two_mona_lisas_comes_out_to_the_last_digit(paths):
    gis = ImageSignature()
    a = gis.generate_signature(paths[0])
    b = gis.generate_signature(paths[1])
    assert gis.normalized_distance(a, b) == 0.22095170140933634


def test_the_published_distance_to_the_caravaggio_comes_out_to_the_last_digit(paths):
    gis = ImageSignature()
    a = gis.generate_signature(paths[0])
    c = gis.generate_signature(paths[2])
    assert gis.normalized_distance(a, c) == 0.68446275381507249


# The page "Storing and searching the Signatures", line by line.


def test_the_walk_through_of_its_documentation(elasticsearch_server, client, name, paths, tmp_path):
    wikipedia, pixabay, caravaggio = paths
    es = client
    ses = SignatureES(es, index=name)

    ses.add_image(wikipedia)
    ses.add_image(pixabay)
    ses.add_image(caravaggio)
    # The fourth picture is not free to be kept here: one as far away takes its place.
    remix = remixed(wikipedia, tmp_path / "remix.png")
    ses.add_image(remix)
    client.indices.refresh(index=name)

    found = ses.search_image(pixabay)
    assert [each["path"] for each in found] == [pixabay, wikipedia, remix]
    assert all(each.keys() == {"dist", "id", "metadata", "path", "score"} for each in found)
    assert [each["dist"] for each in found][:2] == [0.0, 0.22095170140933634]
    assert 0.3 < found[2]["dist"] < 0.45
    assert [each["metadata"] for each in found] == [None, None, None]
    assert found[0]["score"] > found[1]["score"] > found[2]["score"] > 0

    [found] = ses.search_image(caravaggio)
    assert (found["dist"], found["path"]) == (0.0, caravaggio)

    ses = SignatureES(es, index=name, distance_cutoff=0.3)
    found = ses.search_image(pixabay)
    assert [each["path"] for each in found] == [pixabay, wikipedia]

    # Distorted and transformed images
    ses = SignatureES(es, index=name)
    found = ses.search_image(squashed(pixabay, tmp_path / "squashed.jpg"))
    assert [each["path"] for each in found] == [pixabay, wikipedia, remix]
    assert 0 < found[0]["dist"] < 0.2
    rotated = turned(pixabay, tmp_path / "rotated.jpg")
    assert ses.search_image(rotated) == []
    found = ses.search_image(rotated, all_orientations=True)
    assert [each["path"] for each in found] == [pixabay, wikipedia, remix]
    assert found[0]["dist"] < 0.05

    # Adding metadata
    ses.add_image(remix, metadata={"things": "stuff!"})
    client.indices.refresh(index=name)
    found = ses.search_image(remix)
    assert [(each["dist"], each["path"]) for each in found[:2]] == [(0.0, remix)] * 2
    assert sorted(json.dumps(each["metadata"]) for each in found[:2]) == ["null", '{"things": "stuff!"}']

    found = ses.es.search(name, body={"query": {"match": {"metadata.things": "stuff!"}}})
    [hit] = found["hits"]["hits"]
    assert hit["_source"]["path"] == remix
    assert len(hit["_source"]["signature"]) == 648


def test_the_python_of_our_own_page_runs(
    elasticsearch_server, client, name, mona_lisa, other_mona_lisa, tmp_path, monkeypatch, capsys
):
    page = (Path(__file__).parents[2] / "docs" / "image-match.md").read_text(encoding="utf-8")
    first, second = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    shutil.copy(mona_lisa, tmp_path / "mona.jpg")
    shutil.copy(other_mona_lisa, tmp_path / "suspect.jpg")
    monkeypatch.chdir(tmp_path)
    for written, here in (
        ("Elasticsearch()", f"Elasticsearch({elasticsearch_server.url!r})"),
        ("SignatureES(es)", f"SignatureES(es, {name!r})"),
        ('search("images"', f"search({name!r}"),
    ):
        assert written in first
        first = first.replace(written, here)
    exec(first, {})
    assert capsys.readouterr().out == "0.22095170140933634 mona.jpg {'things': 'stuff!'}\n"
    SignatureES(client, name).add_image("mona.jpg", metadata={"museum": "Louvre"}, refresh_after=True)
    location = elasticsearch_server.location(name, "image-match")
    written = "image-match://localhost:9200/images"
    assert written in second
    exec(second.replace(written, location), {})
    assert capsys.readouterr().out == "0.22095170140933634 as-is mona.jpg {'museum': 'Louvre'}\n"


def remixed(path, to):
    """A picture of another size, parts of which are painted over: 0.36 and 0.41 away."""
    with Image.open(path) as image:
        pixels = np.array(image.convert("RGB").resize((480, 640)))
    pixels[330:480, 60:200] = 200 - pixels[330:480, 60:200] // 2
    Image.fromarray(pixels).save(to)
    return str(to)


def test_the_default_names_are_those_of_its_documentation(client):
    ses = SignatureES(client)
    assert (ses.index, ses.doc_type, ses.timeout, ses.size) == ("images", "image", "10s", 100)
    assert (ses.k, ses.N, ses.n_grid, ses.crop_percentile) == (16, 63, 9, (5, 95))
    assert ses.distance_cutoff == 0.45


def test_a_client_that_is_told_no_server_takes_the_one_of_this_machine():
    with sigsearch_image_match.Elasticsearch() as es:
        assert [node.base_url for node in es.transport.node_pool.all()] == ["http://localhost:9200"]
        assert es.options(request_timeout=5).transport is es.transport
        assert SignatureES(es).index == "images"
    with sigsearch_image_match.Elasticsearch("http://other:9201") as es:
        assert [node.base_url for node in es.transport.node_pool.all()] == ["http://other:9201"]


def test_its_modules_have_the_names_of_image_matchs():
    assert importlib.import_module("sigsearch_image_match.elasticsearch_driver").SignatureES is SignatureES
    assert importlib.import_module("sigsearch_image_match.goldberg").ImageSignature is ImageSignature


def test_doc_type_is_ignored_with_a_warning(client, name, paths):
    with pytest.warns(DeprecationWarning, match="doc_type is ignored"):
        ses = SignatureES(client, name, "image")
    ses.add_image(paths[0], refresh_after=True)
    assert client.search(index=name)["hits"]["hits"][0]["_source"]["path"] == paths[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SignatureES(client, name)


class OtherClient(Elasticsearch):
    """One that does not know `body`, nor positional arguments."""

    def search(self, **options):
        if "body" in options:
            raise TypeError("search() got an unexpected keyword argument 'body'")
        return super().search(**options)


def test_searches_by_body_work_through_a_client_that_no_longer_knows_it(elasticsearch_server, name, paths):
    with OtherClient(elasticsearch_server.url) as es:
        ses = SignatureES(es, index=name)
        ses.add_image(paths[0], metadata={"things": "stuff!"}, refresh_after=True)
        body = {"query": {"match": {"metadata.things": "stuff!"}}, "_source": ["path"], "from": 0, "size": 1}
        [hit] = ses.es.search(name, body=body)["hits"]["hits"]
        assert hit["_source"] == {"path": paths[0]}
        assert ses.es.search(name, "image", body)["hits"]["hits"] == [hit]
        assert ses.es.search(index=name, body=body)["hits"]["hits"] == [hit]
        assert ses.es.search(index=name, query=body["query"], size=1)["hits"]["total"]["value"] == 1
        assert ses.es.count(index=name)["count"] == 1
        [found] = ses.search_image(paths[0], all_orientations=True)
        assert found["metadata"] == {"things": "stuff!"}
        assert SignatureES(ses.es, index=name).search_image(paths[0]) == [found | {"dist": 0.0}]


# What image-match's own tests ask of it.


def test_a_picture_is_added_by_its_bytes_under_another_name(ses, paths):
    with open(paths[0], "rb") as file:
        content = file.read()
    ses.add_image("by bytes", img=content, bytestream=True)
    ses.add_image("by another name", img=paths[0], bytestream=False, refresh_after=True)
    found = ses.search_image(content, bytestream=True)
    assert sorted(each["path"] for each in found) == ["by another name", "by bytes"]
    assert [each["dist"] for each in found] == [0.0, 0.0]


def test_the_cutoff_may_be_set_later(ses, paths):
    ses.add_image(paths[1], refresh_after=True)
    ses.distance_cutoff = 0.01
    assert ses.search_image(paths[0]) == []
    ses.distance_cutoff = 0.45
    assert len(ses.search_image(paths[0])) == 1


def test_metadata_of_any_json_is_given_back(ses, paths):
    given = [{"some_info": {"test": "ok!"}}, {"some_info": "of another kind"}, ["a", 1], "text", 7]
    for metadata in given:
        ses.add_image(paths[0], metadata=metadata)
    for metadata in (None, {}, "", 0):  # as image-match does, none
        ses.add_image(paths[1], metadata=metadata)
    ses.es.indices.refresh(index=ses.index)
    found = ses.search_image(paths[0])
    assert sorted(json.dumps(each["metadata"]) for each in found if each["dist"] == 0) == sorted(
        json.dumps(metadata) for metadata in given
    )
    assert [each["metadata"] for each in found if each["dist"] > 0] == [None] * 4


@pytest.mark.parametrize("as_list", [False, True])
def test_a_filter_is_applied_before_the_search(ses, paths, as_list):
    for tenant in ("foo", "bar-2"):
        ses.add_image(paths[0], metadata={"tenant_id": tenant}, refresh_after=True)
    for tenant, wanted in (("foo", 1), ("bar-2", 1), ("bar-3", 0)):
        term = {"term": {"metadata.tenant_id.keyword": tenant}}
        found = ses.search_image(paths[0], pre_filter=[term] if as_list else term)
        assert [each["metadata"] for each in found] == [{"tenant_id": tenant}] * wanted


def test_a_mapping_made_beforehand_for_the_unreleased_layout_is_written_to(client, name, paths):
    keyword = {"type": "keyword"}
    inner = {"path": keyword, "metadata": {"properties": {"tenant_id": keyword}}}
    client.indices.create(index=name, mappings={"properties": {"image": {"properties": inner}}})
    with pytest.warns(DeprecationWarning, match="doc_type"):
        ses = SignatureES(es=client, index=name, doc_type="image")
    for path, tenant in ((paths[0], "foo"), (paths[1], "bar-2")):
        ses.add_image(path, metadata={"tenant_id": tenant}, refresh_after=True)
    assert set(client.search(index=name)["hits"]["hits"][0]["_source"]) == {"image"}
    found = ses.search_image(paths[0], pre_filter={"term": {"image.metadata.tenant_id": "foo"}})
    assert [each["metadata"] for each in found] == [{"tenant_id": "foo"}]
    both = [{"term": {"image.metadata.tenant_id": "foo"}}, {"term": {"image.path": paths[1]}}]
    assert ses.search_image(paths[0], pre_filter=both) == []
    assert len(SignatureES(client, name).search_image(paths[0])) == 2


def test_all_but_one_of_a_path_are_deleted(ses, paths):
    for number in range(15):
        ses.add_image(paths[0], metadata={"number": number})
    ses.add_image(paths[0] + "/other", img=paths[0], refresh_after=True)
    assert len(ses.search_image(paths[0])) == 16
    ses.delete_duplicates(paths[0])
    found = ses.search_image(paths[0])
    assert sorted(each["path"] for each in found) == [paths[0], paths[0] + "/other"]
    assert [each["metadata"] for each in found if each["path"] == paths[0]] == [{"number": 0}]
    ses.delete_duplicates(paths[0])
    ses.delete_duplicates("nothing of this name")
    assert len(ses.search_image(paths[0])) == 2


def test_records_are_made_elsewhere_and_inserted_and_searched_for(ses, paths):
    record = make_record(paths[0], ses.gis, ses.k, ses.N, metadata={"a": 1})
    assert set(record) == {"path", "signature", "metadata", *(f"simple_word_{k}" for k in range(63))}
    ses.insert_single_record(dict(record), refresh_after=True)
    for _ in range(2):
        [found] = ses.search_single_record(record)
        assert (found["dist"], found["metadata"], found["score"]) == (0.0, {"a": 1}, 63.0)


# What image-match gets wrong.


def transforms(path):
    """A picture in its 16 orientations, as pixels."""
    with Image.open(path) as image:
        pixels = np.array(image.convert("RGB"))
    for inverted in (pixels, 255 - pixels):
        for mirrored in (inverted, inverted[:, ::-1]):
            for turns in range(4):
                yield np.rot90(mirrored, turns)


def test_all_sixteen_orientations_are_found(ses, paths):
    ses.add_image(paths[0], refresh_after=True)
    distances = [
        ses.search_image(pixels, all_orientations=True)[0]["dist"] for pixels in transforms(paths[0])
    ]
    assert len(distances) == 16
    assert max(distances) < 0.05


def test_of_several_orientations_the_best_distance_counts(ses, tmp_path):
    # Nearly the same when it is mirrored, so that both are found.
    random = np.random.default_rng(3)
    half = random.integers(0, 256, (20, 10)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    pixels = np.concatenate([half, half[:, ::-1]], axis=1)
    pixels[40:60, 20:50] //= 2
    ses.add_image("nearly", img=pixels, refresh_after=True)
    for query in (pixels, pixels[:, ::-1]):
        [found] = ses.search_image(np.ascontiguousarray(query), all_orientations=True)
        assert found["dist"] == 0.0


def test_a_match_is_not_lost_behind_hundreds_that_share_more_words(ses, crowd):
    signature, weaker, near = crowd(320)
    for number, each in enumerate(weaker):
        ses.insert_single_record({"path": f"{number}", "signature": each.tolist()})
    ses.insert_single_record({"path": "near", "signature": near.tolist()}, refresh_after=True)
    assert min(ImageSignature.normalized_distance(signature, each) for each in weaker) > 0.5
    [found] = ses.search_single_record({"path": None, "signature": signature.tolist()})
    assert found["path"] == "near"
    assert found["dist"] < 0.45
    assert found["score"] < 20


def test_at_most_size_matches_are_given_and_these_are_the_nearest(client, name, paths):
    ses = SignatureES(client, name, size=1)
    ses.add_image(paths[1])
    ses.add_image(paths[0], refresh_after=True)
    assert [each["path"] for each in ses.search_image(paths[0])] == [paths[0]]
    # More than the server gives at once.
    ses = SignatureES(client, name, size=20_000)
    assert [each["path"] for each in ses.search_image(paths[0])] == [paths[0], paths[1]]


def test_a_record_that_is_no_record_of_its_does_not_stop_a_search(ses, client, paths):
    ses.add_image(paths[0])
    whole = make_record(paths[0], ses.gis, 16, 63)
    client.index(index=ses.index, document={**whole, "signature": whole["signature"][:100]})
    client.index(index=ses.index, document={name: whole[name] for name in ("path", "simple_word_3")})
    client.indices.refresh(index=ses.index)
    assert len(ses.search_image(paths[0])) == 1


def test_a_search_that_takes_too_long_is_an_error_and_not_a_part_of_the_answer(client, name, paths):
    SignatureES(client, name).add_image(paths[0], refresh_after=True)
    with pytest.raises(InputError, match="wanted a timeout such as '10s', found 'soon'"):
        SignatureES(client, name, timeout="soon")
    assert len(SignatureES(client, name, timeout=30).search_image(paths[0])) == 1


# ImageSignature


def test_all_that_it_takes_for_a_picture_gives_the_same_signature(paths):
    gis = ImageSignature()
    with open(paths[0], "rb") as file:
        content = file.read()
    wanted = gis.generate_signature(paths[0])
    assert (wanted.dtype, wanted.shape) == (np.int8, (648,))
    for given in (paths[0].encode(), np.array(Image.open(paths[0])), gis.preprocess_image(paths[0])):
        assert np.array_equal(gis.generate_signature(given), wanted)
    assert np.array_equal(gis.generate_signature(content, bytestream=True), wanted)


def test_a_picture_is_read_as_grey_from_0_to_1(small_picture, tmp_path):
    Image.fromarray(small_picture).save(tmp_path / "a.png")
    grey = ImageSignature.preprocess_image(str(tmp_path / "a.png"))
    wanted = small_picture / 255 @ np.array([0.2125, 0.7154, 0.0721])
    assert grey.shape == (60, 80)
    assert np.allclose(grey, wanted, rtol=0, atol=1e-12)
    assert np.allclose(ImageSignature.preprocess_image(wanted), wanted, rtol=0, atol=1e-6)
    deep = Image.fromarray((wanted * 65535).astype(np.uint16))
    buffer = io.BytesIO()
    deep.save(buffer, format="png")
    read = ImageSignature.preprocess_image(buffer.getvalue(), bytestream=True)
    assert np.allclose(read, wanted, rtol=0, atol=1e-4)


def test_its_parameters_are_those_of_the_signature(paths):
    gis = ImageSignature(n=5, crop_percentiles=(10, 90), n_levels=3, identical_tolerance=3 / 255)
    scheme = sigsearch.Scheme(grid_size=5, crop_percentiles=(10, 90), levels=3, tolerance=3, word_count=80)
    assert gis.sig_length == 200
    assert np.array_equal(
        gis.generate_signature(paths[0]), sigsearch.compute_signature(paths[0], scheme=scheme)
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"P": 3}, "wanted P=None, image-match's default, found 3"),
        ({"diagonal_neighbors": False}, "wanted diagonal_neighbors=True"),
        ({"fix_ratio": True}, "wanted fix_ratio=False"),
        ({"crop_percentiles": None}, "wanted crop_percentiles as two whole numbers"),
        ({"identical_tolerance": 0.01}, "wanted identical_tolerance as whole 255ths"),
        ({"n": 1}, "grid_size must be"),
    ],
)
def test_a_parameter_that_is_not_served_is_refused(given, told):
    with pytest.raises(ValueError, match=told):
        ImageSignature(**given)


def test_pictures_without_features_are_one_apart():
    blank = ImageSignature().generate_signature(np.zeros((50, 50), np.uint8))
    assert ImageSignature.normalized_distance(blank, blank) == 1.0


@pytest.mark.parametrize("content", [b"corrupt", b""])
def test_a_corrupt_picture_is_a_corrupt_image_error(content):
    with pytest.raises(CorruptImageError, match="cannot read"):
        ImageSignature().generate_signature(content, bytestream=True)
    assert issubclass(CorruptImageError, RuntimeError)
    assert issubclass(CorruptImageError, ImageError)


# Bad input


def test_bad_input_is_one_clear_line_and_stores_nothing(ses, client, paths, tmp_path):
    with pytest.raises(IndexNotFoundError, match=f"no index at .*{ses.index}"):
        ses.search_image(paths[0])
    with pytest.raises(CorruptImageError, match="no such file"):
        ses.add_image(str(tmp_path / "none.jpg"))
    with pytest.raises(CorruptImageError):
        ses.search_image(b"corrupt", bytestream=True)
    with pytest.raises(InputError, match="wanted bytes with bytestream=True, found str"):
        ses.search_image(paths[0], bytestream=True)
    with pytest.raises(MetadataError):
        ses.add_image(paths[0], metadata={"a": object()})
    with pytest.raises(InputError, match="wanted a record as make_record makes it"):
        ses.insert_single_record({"path": "a"})
    with pytest.raises(InputError, match="wanted signatures of shape"):
        ses.insert_single_record({"path": "a", "signature": [1, 2]})
    assert not client.indices.exists(index=ses.index)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"k": "16"}, TypeError),
        ({"N": 63.0}, TypeError),
        ({"n_grid": None}, TypeError),
        ({"distance_cutoff": 1}, TypeError),
        ({"distance_cutoff": -0.1}, ValueError),
        ({"size": 0}, ValueError),
        ({"k": 0}, ValueError),
        ({"index": "Images"}, ValueError),
        ({"timeout": "0s"}, ValueError),
    ],
)
def test_arguments_that_are_none_are_refused(client, arguments, error):
    with pytest.raises(error):
        SignatureES(client, **arguments)


def test_what_is_no_client_is_refused():
    with pytest.raises(InputError, match=r"wanted an elasticsearch\.Elasticsearch"):
        SignatureES("http://localhost:9200")


def test_other_parameters_than_those_of_the_index_are_refused(client, name, paths):
    SignatureES(client, name, k=10, N=40).add_image(paths[0], refresh_after=True)
    with pytest.raises(SchemeMismatchError, match=r"made with k=10, N=40, .* has k=16, N=63"):
        SignatureES(client, name).search_image(paths[0])
    assert len(SignatureES(client, name, k=10, N=40).search_image(paths[0])) == 1


def test_an_index_of_something_else_is_left_as_it_is(client, name, paths):
    client.index(index=name, document={"title": "a book"}, refresh=True)
    for call in ("add_image", "search_image"):
        with pytest.raises(NotAnIndexError, match=r"not of image-match: .* found the fields title"):
            getattr(SignatureES(client, name), call)(paths[0])
    assert client.count(index=name)["count"] == 1


def test_a_server_that_is_not_there_is_one_line(paths):
    with Elasticsearch("http://127.0.0.1:1", max_retries=0) as es:
        ses = SignatureES(es, timeout="1s")
        for call in (ses.add_image, ses.search_image):
            with pytest.raises(StorageError, match=r"cannot reach http://127\.0\.0\.1:1/images"):
                call(paths[0])


def test_several_threads_may_share_one(ses, paths):
    ses.add_image(paths[0], refresh_after=True)
    found, errors = [], []

    def work():
        try:
            ses.add_image(paths[1])
            found.append(ses.search_image(paths[0])[0]["dist"])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert found == [0.0] * 4
