"""Engines and the stage that measures them: answers of the exact ones, rows of a tiny run, going on."""

import numpy as np
import pytest
from suite_settings import tiny

import sigsearch
from benchmarks import made, pdq
from benchmarks.peers.engines import DenseVectors, Embedded, FaissPdq, FaissSignatures, sign_bits
from benchmarks.suite import engines
from benchmarks.suite.rows import RowFile, read
from benchmarks.suite.run import Run, header
from sigsearch.testing.pictures import make_picture

pytest_plugins = ["sigsearch_elasticsearch.testing.plugin"]

TINY = tiny(mode="full", originals=6, records=(100, 250), queries=20)


@pytest.fixture(scope="module")
def signatures():
    return np.concatenate(list(made.make_chunks(300, [1, 2, 3], 7, workers=0)))


@pytest.mark.parametrize("engine", [Embedded, FaissSignatures], ids=["embedded", "faiss"])
def test_exact_engines_give_what_comparing_with_all_gives(engine, tmp_path, signatures):
    rng = np.random.default_rng(0)
    queries = made.change(signatures[:20], rng)
    extra = () if engine is Embedded else (lambda numbers: signatures[numbers],)
    index = engine(tmp_path, *extra)
    index.load(signatures[:150], np.arange(150), named=True)
    index.load(signatures[150:], np.arange(150, 300))
    index.load(signatures[:150], np.arange(150), named=True)
    [answer] = index.ways(queries).values()
    for number, query in enumerate(queries):
        apart = sigsearch.distances(query, signatures)
        assert set(answer(number)) == set(np.flatnonzero(apart < 0.45).tolist())
    assert index.memory_bytes() > 300 * 100
    assert index.first_search(queries[0]) > 0
    index.close()


def test_two_bits_of_a_value_say_its_sign():
    signature = np.zeros((1, 648), np.int8)
    signature[0, :3] = [2, -1, 1]
    bits = np.unpackbits(sign_bits(signature)[0])
    assert np.flatnonzero(bits).tolist() == [0, 2, 648 + 1]


def test_pdq_finds_what_is_within_31_bits(tmp_path):
    codes = np.zeros((3, 32), np.uint8)
    codes[1, :4] = [255, 255, 255, 127]  # 31 bits
    codes[2, :4] = 255  # 32
    index = FaissPdq(tmp_path, lambda numbers: codes[numbers])
    index.queries = codes[:1]
    index.load(np.empty((3, 648), np.int8), np.arange(3))
    [answer] = index.ways(np.empty((1, 648), np.int8)).values()
    assert answer(0) == [0, 1]


def test_pdq_of_a_negative_is_the_complement_and_a_mirrored_one_is_among_the_turned():
    picture = make_picture(3)
    codes = pdq._all_orientations(iter([picture]))
    assert codes.shape == (16, 32)
    negative, mirrored = (pdq.describe(other) for other in (255 - picture, picture[:, ::-1]))
    assert (codes == negative).all(axis=1).any()
    assert (codes == mirrored).all(axis=1).any()


def measured(path, server):
    engines.measure(Run(TINY, RowFile(path, header(TINY))), server)
    return read(path)


@pytest.mark.long
def test_without_a_server_the_others_are_measured_and_a_stopped_run_goes_on(tmp_path, monkeypatch):
    path = tmp_path / "rows.jsonl"
    monkeypatch.setattr(engines, "_turned", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        measured(path, None)
    assert [row["unit"] for row in read(path) if row["kind"] == "unit"] == ["engines/100"]
    monkeypatch.undo()
    rows = measured(path, None)
    assert [row["unit"] for row in rows if row["kind"] == "unit"] == ["engines/100", "engines/250"]
    queries = [row for row in rows if row["kind"] == "query"]
    searches = {(row["engine"], row["records"]): row for row in rows if row["kind"] == "searches"}
    assert len(searches) == 2 * 3
    for size in (100, 250):
        of_size = [row for row in queries if row["records"] == size]
        exact = searches["sigsearch embedded", size]
        assert exact["near_found"] == [min(row["near"], 100) for row in of_size]
        assert exact["found"] == [int(row["own_distance"] < 0.45) for row in of_size]
        assert searches["faiss binary flat, signatures", size]["near_found"] == exact["near_found"]
    stored = [row["stored"] for row in rows if row["kind"] == "size"]
    assert {size % 10 for size in stored} == {stored[0] % 10}
    assert len([row for row in rows if row["kind"] == "orientations"]) == 1
    before = path.read_bytes()
    assert measured(path, None) == rows
    assert path.read_bytes() == before


@pytest.mark.long
@pytest.mark.elasticsearch
def test_all_engines_are_measured_on_a_server_and_leave_nothing_there(
    tmp_path, elasticsearch_server, image_match
):
    def indexes():
        with elasticsearch_server.client() as client:
            return set(client.indices.get_settings(index="sigsearch-benchmark-*", expand_wildcards="all"))

    before = indexes()
    rows = measured(tmp_path / "rows.jsonl", elasticsearch_server)
    assert indexes() <= before
    searches = {(row["engine"], row["records"]): row for row in rows if row["kind"] == "searches"}
    names = {name for name, _ in searches}
    assert {"image-match 1.1.2", *(f"sigsearch elasticsearch, effort {e}" for e in range(1, 6))} < names
    assert (DenseVectors.name, 100) in searches
    assert (DenseVectors.name, 250) not in searches
    for name in names - {"faiss binary flat, PDQ"}:
        size = 100 if name == DenseVectors.name else 250
        exact, found = searches["sigsearch embedded", size], searches[name, size]
        assert sum(found["found"]) >= 0.8 * sum(exact["found"]) > 0
        assert all(ours <= all for ours, all in zip(found["near_found"], exact["near_found"], strict=True))
    sizes = {(row["engine"], row["when"]): row for row in rows if row["kind"] == "size"}
    assert (
        sizes["sigsearch elasticsearch", "merged"]["disk_bytes"]
        < sizes["image-match 1.1.2", "merged"]["disk_bytes"]
    )
