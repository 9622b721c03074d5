"""ImageSignature.back_fill: signatures for documents that are there already."""

import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import PIL.Image
import pytest
from elasticsearch import helpers
from elasticsearch.dsl import Q, Search
from sigsearch_elasticsearch import ImageSignature, SimilarImage, backfill

from sigsearch import AddReport
from sigsearch.errors import IndexNotFoundError, SchemeMismatchError, StorageError
from sigsearch.limits import Limits
from sigsearch.records import Failure
from sigsearch.scheme import Scheme
from sigsearch.testing import make_picture

SIZE = (64, 48)
MUG, CUP = make_picture(1, SIZE), make_picture(2, SIZE)
PLAIN = np.full((40, 40), 90, np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Three pictures."""
    for file, picture in {"mug.png": MUG, "cup.png": CUP, "plain.png": PLAIN}.items():
        PIL.Image.fromarray(picture).save(tmp_path / file)
    return tmp_path


@pytest.fixture
def shop(client, name):
    """Fill an index, of two shards, with documents given by id."""

    def fill(documents):
        settings = {"number_of_shards": 2, "number_of_replicas": 0}
        client.indices.create(index=name, settings=settings)
        actions = [{"_index": name, "_id": id, "_source": source} for id, source in documents.items()]
        helpers.bulk(client, actions, refresh=True)

    return fill


@pytest.fixture
def fill(client, name, folder):
    return partial(ImageSignature.back_fill, client, name, "picture", "file", root=folder)


def found(client, name, picture, field="picture"):
    similar = SimilarImage(field, picture)
    return sorted(
        hit.meta.id
        for hit in similar.rescore(Search(using=client, index=name).query(similar)[:100].execute())
    )


@contextmanager
def web_server(folder):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *said):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_pictures_of_documents_that_are_there_are_found_afterwards(client, name, shop, fill, folder):
    shop(
        {
            "1": {"file": "mug.png", "name": "mug", "tags": ["a", "b"]},
            "2": {"file": str(folder / "cup.png")},
            "3": {"file": "plain.png"},
            "4": {"name": "without a picture"},
            "5": {"file": ""},
        }
    )
    assert fill() == AddReport(added=3, featureless=1)
    assert found(client, name, MUG) == ["1"]
    assert found(client, name, CUP) == ["2"]
    # All else is as it was, and what was stored is what a Document would store.
    source = client.get(index=name, id="1")["_source"]
    assert source.pop("picture") == ImageSignature().read(MUG).to_dict()
    assert source == {"file": "mug.png", "name": "mug", "tags": ["a", "b"]}
    assert fill() == AddReport()


def test_a_picture_may_be_at_an_address(client, name, shop, fill, folder):
    with web_server(folder) as address:
        shop({"1": {"file": f"{address}/mug.png"}, "2": {"file": f"{address}/no-such.png"}})
        assert fill().added == 0
        report = fill(limits=Limits(private_addresses=True))
    assert report.added == 1
    [failure] = report.failures
    assert failure.source == f"{address}/no-such.png (document 2)"
    assert "404" in failure.reason
    assert found(client, name, MUG) == ["1"]


def test_fields_may_lie_in_objects_and_hold_several_pictures(client, name, shop, folder):
    shop(
        {
            "1": {"shots": {"files": ["mug.png", "cup.png"]}},
            "2": {"shots": [{"files": "cup.png"}, {"files": ["mug.png"]}]},
            "3": {"shots.files": "cup.png"},
        }
    )
    report = ImageSignature.back_fill(client, name, "shown.front", "shots.files", root=folder)
    assert report == AddReport(added=3)
    assert found(client, name, MUG, "shown.front") == ["1", "2"]
    assert found(client, name, CUP, "shown.front") == ["1", "2", "3"]


def test_a_picture_that_cannot_be_read_is_reported_and_tried_again_next_time(shop, fill, folder):
    (folder / "notes.txt").write_text("not a picture")
    shop({"1": {"file": "late.png"}, "2": {"file": "notes.txt"}, "3": {"file": 7}, "4": {"file": "mug.png"}})
    report = fill()
    assert report.added == 1
    assert sorted(report.failures, key=str) == [
        Failure(f"{folder}/late.png (document 1)", "no such file"),
        Failure(f"{folder}/notes.txt (document 2)", "its content is not a picture of a known format"),
        Failure("7 (document 3)", "wanted a path or URL"),
    ]
    PIL.Image.fromarray(CUP).save(folder / "late.png")
    report = fill()
    assert (report.added, len(report.failures)) == (1, 2)


def test_it_goes_on_where_it_was_interrupted(client, name, shop, fill, monkeypatch):
    monkeypatch.setattr(backfill, "BATCH", 4)
    shop({str(id): {"file": "mug.png"} for id in range(11)})
    told = []

    def stop_in_the_second_batch(report, done):
        told.append((report.added, done))
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(on_advance=stop_in_the_second_batch)
    assert fill(on_advance=lambda report, done: told.append((report.added, done))).added == 3
    assert told == [(4, 4), (8, 8), (3, 3)]
    assert len(found(client, name, MUG)) == 11
    # No view of the index is left behind on the server.
    stats = client.indices.stats(index=name, metric="search")
    assert stats["_all"]["total"]["search"]["open_contexts"] == 0


def test_a_document_that_is_changed_meanwhile_keeps_the_change_and_is_seen_to_next_time(
    client, name, shop, fill, monkeypatch
):
    shop({"1": {"file": "mug.png"}, "2": {"file": "mug.png"}, "3": {"file": "mug.png"}})
    read = ImageSignature.read

    def change_then_read(self, image):
        client.update(index=name, id="1", doc={"file": "cup.png"})
        client.options(ignore_status=404).delete(index=name, id="2", refresh=True)
        return read(self, image)

    with monkeypatch.context() as patched:
        patched.setattr(ImageSignature, "read", change_then_read)
        report = fill()
    reason = "somebody changed the document while its picture was read; run it again"
    assert Failure("document 1", reason) in report.failures
    assert report.added == 1
    assert fill() == AddReport(added=1)
    assert found(client, name, CUP) == ["1"]
    assert found(client, name, MUG) == ["3"]


def test_only_documents_that_a_query_is_true_of_if_one_is_given(client, name, shop, fill):
    shop({"1": {"file": "mug.png", "shop": "a"}, "2": {"file": "mug.png", "shop": "b"}})
    assert fill(query=Q("match", shop="b")).added == 1
    assert found(client, name, MUG) == ["2"]


def test_documents_with_a_routing_of_their_own_are_filled(client, name, shop, fill):
    shop({})
    for number in range(6):
        client.index(index=name, id=str(number), routing=f"r{number}", document={"file": "mug.png"})
    assert fill().added == 6
    assert found(client, name, MUG) == list("012345")


def test_what_the_server_refuses_of_one_document_is_its_failure(client, name, fill):
    properties = {"parts": {"type": "nested"}, "file": {"type": "keyword"}}
    client.indices.create(index=name, mappings={"properties": properties})
    client.index(index=name, id="1", document={"file": "mug.png", "parts": [{"a": 1}, {"a": 2}]})
    client.index(index=name, id="2", document={"file": "mug.png"}, refresh=True)
    client.indices.put_settings(index=name, settings={"index.mapping.nested_objects.limit": 1})
    report = fill()
    assert report.added == 1
    [failure] = report.failures
    assert failure.source == "document 1"
    assert "nested documents has exceeded the allowed limit" in failure.reason


def test_an_index_that_takes_no_writes_stops_it(client, name, shop, fill):
    shop({})
    fill()
    client.index(index=name, id="1", document={"file": "mug.png"}, refresh=True)
    client.indices.put_settings(index=name, settings={"index.blocks.write": True})
    with pytest.raises(StorageError, match=f"the index '{name}' takes no writes"):
        fill()


def test_the_field_is_checked_first(client, name, shop, fill):
    shop({"1": {"file": "mug.png"}})
    fill()
    with pytest.raises(SchemeMismatchError):
        fill(scheme=Scheme(word_length=8))
    with pytest.raises(IndexNotFoundError):
        ImageSignature.back_fill(client, f"{name}-gone", "picture", "file")


def test_an_error_of_the_server_is_one_of_sigsearch(client, name, shop, fill):
    shop({"1": {"file": "mug.png"}})
    with pytest.raises(StorageError, match=f"^the index '{name}' answered with an error, status 400"):
        fill(query=Q({"match": {"name": {"nonsense": 1}}}))


def test_progress_is_shown_on_a_terminal_only(shop, fill, capsys):
    shop({"1": {"file": "mug.png"}})
    assert fill(progress=True).added == 1
    assert capsys.readouterr() == ("", "")
