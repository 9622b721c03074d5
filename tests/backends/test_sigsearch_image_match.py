"""image-match's layout against the conformance suite, and indexes as the real image-match leaves them."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

import sigsearch
from sigsearch.errors import (
    FormatVersionError,
    IndexNotFoundError,
    InputError,
    NotAnIndexError,
    SchemeMismatchError,
    StorageError,
)
from sigsearch.filters import Eq, Exists, Range
from sigsearch.records import Problem, Record
from sigsearch.scheme import IMAGE_MATCH_SCHEME, Scheme
from sigsearch.testing import BackendConformance
from sigsearch.testing.pictures import make_picture
from sigsearch.testing.samples import check_same, make_copy, make_record, make_records, make_signature


class TestImageMatchBackend(BackendConformance):
    @pytest.fixture
    def location(self, elasticsearch_server, elasticsearch_index_name):
        return there(elasticsearch_server, elasticsearch_index_name)

    @pytest.fixture
    def options(self, elasticsearch_server):
        return elasticsearch_server.options


def there(server, name):
    """The location of an index of image-match on the test server."""
    return server.location(name, "image-match")


@pytest.fixture
def open_index(elasticsearch_server, name):
    """Open the index; all that was opened is closed at the end."""
    opened = []

    def open_index(**options):
        given = {**elasticsearch_server.options, **options}
        opened.append(sigsearch.open(there(elasticsearch_server, name), **given))
        return opened[-1]

    yield open_index
    for index in opened:
        index.close()


@pytest.fixture
def pictures(tmp_path, mona_lisa, other_mona_lisa, caravaggio):
    """Paths of the paintings, and of made pictures."""
    for number in range(5):
        Image.fromarray(make_picture(number)).save(tmp_path / f"{number}.png")
    return [str(path) for path in (mona_lisa, other_mona_lisa, caravaggio, *sorted(tmp_path.glob("*.png")))]


@pytest.fixture
def filled(image_match, client, name, pictures):
    """The real image-match's driver, with an index that its own code filled."""
    driver = image_match.driver(client, name)
    for number, path in enumerate(pictures):
        driver.add_image(path, metadata={"number": number, "name": f"n {number}"} if number else None)
    client.indices.refresh(index=name)
    return driver


def record_of(number=1, **fields):
    """A document as image-match makes it, of a made signature, or with other fields."""
    signature = make_signature(number)
    words = sigsearch.encode_words(signature, scheme=IMAGE_MATCH_SCHEME).tolist()
    document = {"path": f"/{number}.jpg", "signature": signature.tolist()}
    document |= {f"simple_word_{k}": word for k, word in enumerate(words)}
    return {name: value for name, value in (document | fields).items() if value is not None}


# What the real image-match made


def test_an_index_of_the_real_image_match_is_opened_and_searched(filled, open_index, pictures):
    index = open_index(create=False)
    assert index.scheme == IMAGE_MATCH_SCHEME
    assert index.count() == len(pictures)
    for number, path in enumerate(pictures):
        theirs = {match["id"]: match["dist"] for match in filled.search_image(path)}
        found = index.search(path)
        assert {match.id: match.distance for match in found if match.id in theirs} == pytest.approx(theirs)
        assert set(theirs) <= {match.id for match in found}
        assert (found[0].path, found[0].distance) == (path, 0.0)
        assert found[0].metadata == ({"number": number, "name": f"n {number}"} if number else None)
        assert found[0].word_matches == 63


def test_its_records_come_with_the_time_when_they_were_added(filled, open_index):
    records = list(open_index().scan())
    assert len(records) == 8
    for record in records:
        assert abs((record.timestamp - datetime.now(UTC)).total_seconds()) < 86400
    assert open_index().check() == []


def test_all_orientations_are_searched_in_one_request(filled, open_index, pictures, client):
    index = open_index(client=client)
    asked = []
    perform = client.transport.perform_request

    def counting(method, target, **arguments):
        asked.append(target)
        return perform(method, target, **arguments)

    index.search(pictures[0])
    client.transport.perform_request = counting
    try:
        turned = np.rot90(np.array(Image.open(pictures[0])))
        [first, *_] = index.search(np.ascontiguousarray(turned), all_orientations=True)
    finally:
        client.transport.perform_request = perform
    assert (first.path, first.orientation) == (pictures[0], "rotate-270")
    assert len([target for target in asked if "_search" in target or "_msearch" in target]) == 1


def test_what_lies_behind_hundreds_that_share_more_words_is_found(open_index, crowd):
    query, weaker, near = crowd(380)
    records = [make_record(f"{number}", signature) for number, signature in enumerate(weaker)]
    index = open_index()
    index.add_many([*records, make_record("near", near)])
    assert min(sigsearch.distance(query, signature) for signature in weaker) > 0.5
    for effort, found in ((1, []), (2, []), (3, ["near"]), (4, ["near"]), (5, ["near"])):
        assert [match.id for match in index.search(query, effort=effort)] == found


def test_old_and_new_programs_share_an_index(filled, open_index, client, name, tmp_path):
    index = open_index()
    Image.fromarray(make_picture(77)).save(tmp_path / "new.png")
    new = str(tmp_path / "new.png")
    id = index.add(new, metadata={"number": 77, "name": "new"})
    index.add(make_picture(78), id="no path", metadata="of a kind that the index does not take")
    index.refresh()
    [theirs] = filled.search_image(new)
    assert (theirs["id"], theirs["path"], theirs["dist"]) == (id, new, 0.0)
    assert theirs["metadata"] == {"number": 77, "name": "new"}
    filled.add_image(new, metadata={"number": 79}, refresh_after=True)
    assert sorted(match.metadata["number"] for match in index.search(new)) == [77, 79]
    filled.delete_duplicates(new)
    index.refresh()
    assert len(index.search(new)) == 1
    assert index.check() == []
    found = client.search(index=name, query={"match": {"metadata.number": 3}})["hits"]["hits"]
    assert len(found) == 1


def test_its_documents_are_as_the_real_image_match_makes_them(
    image_match, open_index, client, name, mona_lisa
):
    """But for time stamps and ids, and but for exact ties, of which this picture has none."""
    index = open_index()
    index.add(str(mona_lisa), metadata={"a": 1})
    index.refresh()
    [ours] = [hit["_source"] for hit in client.search(index=name)["hits"]["hits"]]
    image_match.driver(client, name).add_image(str(mona_lisa), metadata={"a": 1}, refresh_after=True)
    both = [hit["_source"] for hit in client.search(index=name)["hits"]["hits"]]
    [theirs] = [found for found in both if found != ours]
    assert ours.keys() == theirs.keys()
    assert {**ours, "timestamp": 0} == {**theirs, "timestamp": 0}


# Indexes as they are out there


@pytest.mark.parametrize("metadata", ["dynamic", "nested", "keyword", "not indexed"])
def test_metadata_of_any_mapping_are_filtered_by(client, name, open_index, metadata):
    mapped = {
        "dynamic": None,
        "nested": {"type": "nested"},
        "keyword": {"properties": {"city": {"type": "keyword"}, "year": {"type": "keyword"}}},
        "not indexed": {"type": "object", "enabled": False},
    }[metadata]
    client.indices.create(index=name, mappings={"properties": {"metadata": mapped} if mapped else {}})
    stored = [{"city": "Paris", "year": 1503}, {"city": "Rome", "year": 1601}, {"city": "Paris x"}, None]
    for number, value in enumerate(stored):
        client.index(index=name, id=f"{number}", document=record_of(number, metadata=value))
    index = open_index()
    index.refresh()
    for where, ids in (
        (Eq("city", "Paris"), ["0"]),
        (Eq("city", "paris"), []),
        (Range("year", gte=1503), ["0", "1"]),
        (~Exists("year"), ["2", "3"]),
        (Eq("city", "Paris") | Eq("year", 1601), ["0", "1"]),
    ):
        assert sorted(record.id for record in index.scan(where)) == ids
        assert index.count(where) == len(ids)
        for number in range(4):
            found = index.search(make_signature(number), where=where)
            assert [match.id for match in found] == ([f"{number}"] if f"{number}" in ids else [])


def test_the_url_comes_before_the_path(client, name, open_index):
    client.index(index=name, id="a", document=record_of(1, url="http://host/a.jpg"))
    client.index(index=name, id="b", document=record_of(2, url="http://host/b.jpg", path=None))
    client.index(index=name, id="c", document=record_of(3, path=None))
    client.index(index=name, id="d", document=record_of(4, path=17), refresh=True)
    paths = {record.id: record.path for record in open_index().scan()}
    assert paths == {"a": "http://host/a.jpg", "b": "http://host/b.jpg", "c": None, "d": "17"}


@pytest.mark.parametrize("kind", ["image", "picture"])
def test_records_below_their_type_of_document_are_read_and_written(client, name, open_index, kind):
    document = record_of(1, metadata={"tenant": "foo"}, timestamp="2020-01-02T03:04:05.000006")
    client.index(index=name, id="a", document={kind: document}, refresh=True)
    index = open_index(create=False)
    record = index.get("a")
    assert (record.path, record.metadata) == ("/1.jpg", {"tenant": "foo"})
    assert record.timestamp == datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    new = make_record("b", make_copy(make_signature(1), 30), metadata={"tenant": "bar"}, path="/b.jpg")
    index.add_many([new, make_record("c", seed=9, metadata=["apart"])])
    index.refresh()
    assert set(client.get(index=name, id="b")["_source"]) == {kind}
    assert [match.id for match in index.search(make_signature(1))] == ["a", "b"]
    assert [match.id for match in index.search(make_signature(1), where={"tenant": "bar"})] == ["b"]
    assert index.get("c").metadata == ["apart"]
    assert index.info()["object"] == kind
    assert index.check() == []


@pytest.mark.parametrize(("k", "words"), [(16, 63), (10, 40), (8, 63), (20, 30)])
def test_other_words_are_told_by_the_records(image_match, client, name, open_index, pictures, k, words):
    driver = image_match.driver(client, name, k=k, N=words)
    for path in pictures:
        driver.add_image(path)
    client.indices.refresh(index=name)
    index = open_index(create=False)
    assert (index.scheme.word_length, index.scheme.word_count) == (k, words)
    assert index.check() == []
    assert index.search(pictures[0])[0].word_matches == words
    index.add(make_picture(9), id="new")
    assert index.check() == []


def test_an_index_of_another_grid_says_which_scheme_opens_it(image_match, client, name, open_index, pictures):
    driver = image_match.driver(client, name, n_grid=5, k=8, N=25)
    driver.add_image(pictures[0], refresh_after=True)
    with pytest.raises(SchemeMismatchError, match="wanted grid_size=9, found grid_size=5") as caught:
        open_index()
    told = str(caught.value).split("scheme=")[1].split(", or build")[0]
    scheme = eval(told, {"Scheme": Scheme})
    index = open_index(scheme=scheme)
    assert [match.path for match in index.search(pictures[0])] == [pictures[0]]


def test_times_without_a_zone_are_of_the_zone_that_is_named(client, name, open_index):
    stamps = ["2020-07-01T12:00:00.5", "2020-07-01T12:00:00Z", "2020-07-01T12:00:00+02:00", 1593604800000]
    for number, stamp in enumerate(stamps):
        client.index(index=name, id=f"{number}", document=record_of(number, timestamp=stamp))
    client.indices.refresh(index=name)
    for options, hour in (({}, 12), ({"timezone": "Europe/Berlin"}, 10)):
        times = {record.id: record.timestamp for record in open_index(**options).scan()}
        assert times == {
            "0": datetime(2020, 7, 1, hour, 0, 0, 500_000, tzinfo=UTC),
            "1": datetime(2020, 7, 1, 12, tzinfo=UTC),
            "2": datetime(2020, 7, 1, 10, tzinfo=UTC),
            "3": datetime(2020, 7, 1, 12, tzinfo=UTC),
        }
    with pytest.raises(InputError, match="wanted the option timezone as the name of one"):
        open_index(timezone="Mars/Olympus")


def test_an_index_that_takes_no_other_fields_is_written_to(client, name, open_index):
    fields = {"path": "keyword", "signature": "long", "timestamp": "date"}
    fields |= {f"simple_word_{k}": "long" for k in range(63)}
    properties = {field: {"type": kind} for field, kind in fields.items()}
    client.indices.create(index=name, mappings={"dynamic": "strict", "properties": properties})
    index = open_index()
    records = make_records(3)
    index.add_many(records)
    index.refresh()
    for record in records:
        check_same(index.get(record.id), record)
    assert index.count(Eq("number", 1)) == 1


def test_an_empty_index_of_the_users_own_mapping_is_made_ready(client, name, open_index):
    mapping = {"properties": {"metadata": {"properties": {"tenant": {"type": "keyword"}}}}}
    client.indices.create(index=name, mappings=mapping)
    index = open_index()
    index.add(id="a", signature=make_signature(1), metadata={"tenant": "foo"})
    assert open_index(create=False).scheme == IMAGE_MATCH_SCHEME
    properties = client.indices.get_mapping(index=name)[name]["mappings"]["properties"]
    assert properties["metadata"] == mapping["properties"]["metadata"]
    assert properties["signature"] == {"type": "long", "index": False, "doc_values": False}


# Bad input


def test_an_index_that_is_not_image_matchs_is_left_as_it_is(client, name, open_index, elasticsearch_server):
    client.index(index=name, document={"title": "a book", "pages": 3}, refresh=True)
    before = client.indices.get_mapping(index=name).body
    with pytest.raises(NotAnIndexError, match=r"not of image-match: wanted .* found the fields pages, title"):
        open_index()
    assert client.indices.get_mapping(index=name).body == before
    assert client.count(index=name)["count"] == 1


def test_an_index_of_sigsearchs_own_layout_says_how_to_open_it(name, open_index, elasticsearch_server):
    sigsearch.open(elasticsearch_server.location(name), **elasticsearch_server.options).close()
    with pytest.raises(NotAnIndexError, match="own layout: open it as elasticsearch://"):
        open_index()


def test_an_index_of_a_newer_format_is_refused(client, name, open_index):
    open_index()
    told = client.indices.get_mapping(index=name)[name]["mappings"]["_meta"]["sigsearch"]
    client.indices.put_mapping(index=name, meta={"sigsearch": told | {"format": 99}})
    with pytest.raises(FormatVersionError, match=r"has format 99, .* knows 1"):
        open_index()


def test_an_index_that_is_not_there_is_not_made_if_not_wanted(name, open_index):
    with pytest.raises(IndexNotFoundError, match="no index at"):
        open_index(create=False)


def test_an_option_of_the_other_backend_is_refused(open_index):
    with pytest.raises(InputError, match="unknown option 'metadata'"):
        open_index(metadata="flattened")


def test_a_location_without_a_name_shows_the_form_of_one():
    with pytest.raises(
        InputError, match="wanted a location such as image-match://user:password@host:9200/name"
    ):
        sigsearch.open("image-match://localhost:9200/")


BAD = {
    "short": {"signature": make_signature(2).tolist()[:-1]},
    "none": {"signature": None},
    "empty": {"signature": []},
    "text": {"signature": "AAAA"},
    "mixed": {"signature": [0.5] * 648},
    "large": {"signature": [7] * 648},
    "half-written": {f"simple_word_{k}": None for k in range(20, 63)},
    "wordless": {f"simple_word_{k}": None for k in range(63)},
    "changed": {"signature": make_signature(3).tolist()},
    "more words": {"simple_word_63": 7},
    "no time": {"timestamp": "yesterday"},
}
"""Fields of records that are damaged; the first six have lost their signature."""


@pytest.fixture
def damaged(client, name):
    """An index of five sound records and all of the bad ones; it takes no writes."""
    client.indices.create(
        index=name,
        mappings={
            "date_detection": False,
            "properties": {
                "signature": {"type": "object", "enabled": False},
                "timestamp": {"type": "keyword"},
            },
        },
    )
    for number in range(10, 15):
        client.index(index=name, id=f"good-{number}", document=record_of(number))
    for id, fields in BAD.items():
        client.index(index=name, id=id, document=record_of(2, **fields))
    client.indices.refresh(index=name)
    client.indices.put_settings(index=name, settings={"index.blocks.write": True})


def test_every_bad_record_is_told_by_its_id_and_the_reason(damaged, open_index):
    index = open_index(create=False)
    problems = {each.id: each for each in index.examine() if isinstance(each, Problem)}
    assert problems.keys() == BAD.keys()
    told = {id: problem.reason.split(": ", 1)[1] for id, problem in problems.items()}
    wanted = "wanted a signature of 648 values"
    assert told["short"] == f"{wanted}, found 647; add its picture again"
    assert told["none"] == told["empty"] == f"{wanted}, found none; add its picture again"
    assert told["text"] == told["mixed"] == f"{wanted}, found something else; add its picture again"
    assert told["large"] == f"{wanted} from -2 to 2, found 7 to 7; add its picture again"
    assert told["half-written"] == "it lacks 43 of its 63 words (the index's k=16 and N=63)"
    assert told["wordless"] == "it lacks 63 of its 63 words (the index's k=16 and N=63)"
    assert told["changed"].endswith("of its 63 words do not fit its signature with the index's k=16 and N=63")
    assert told["more words"] == "it has 1 words more than the index's k=16 and N=63"
    assert told["no time"] == "wanted a time stamp, found 'yesterday'"
    for id, problem in problems.items():
        assert repr(id) in str(problem)
        assert (problem.record is None) == (id in list(BAD)[:6])
    assert sorted(index.check()) == sorted(problem.reason for problem in problems.values())


def test_bad_records_are_passed_over_by_searches(damaged, open_index):
    index = open_index(create=False)
    assert {match.id for match in index.search(make_signature(2))} == {
        "half-written",
        "more words",
        "no time",
    }
    with pytest.raises(StorageError, match="the record 'short' is damaged"):
        index.get("short")


def test_bad_records_are_left_out_of_a_migration_and_nothing_is_written(damaged, open_index, client, name):
    before = client.search(index=name, size=100, version=True)["hits"]["hits"]
    mapping = client.indices.get_mapping(index=name).body
    with open_index(create=False) as source, sigsearch.open("memory://") as target:
        report = sigsearch.migrate(source, target)
        assert (report.read, report.added, report.left_out) == (16, 5, 11)
        assert sorted(problem.id for problem in report.damaged) == sorted(BAD)
        assert report.verification.wrong == ()
        with pytest.raises(StorageError, match=r"the record '.*'.*nothing behind it was copied"):
            sigsearch.migrate(source, target, on_damage="stop")
        report = sigsearch.migrate(source, target, on_damage="copy")
        assert (report.read, report.added, report.repaired, report.left_out) == (16, 5, 5, 6)
        assert report.verification.wrong == ()
    assert client.search(index=name, size=100, version=True)["hits"]["hits"] == before
    assert client.indices.get_mapping(index=name).body == mapping


def test_what_the_real_image_match_made_is_migrated_and_back(
    filled, open_index, elasticsearch_server, tmp_path, pictures
):
    source = open_index(create=False)
    records = sorted(source.scan(), key=lambda record: record.id)
    stays = elasticsearch_server.location(f"{source.location.rpartition('/')[2]}-new")
    with (
        sigsearch.open(stays, **elasticsearch_server.options) as server,
        sigsearch.open(tmp_path / "a.sig") as embedded,
        sigsearch.open(there(elasticsearch_server, f"{stays.rpartition('/')[2]}-back")) as back,
    ):
        for old, new in ((source, server), (server, embedded), (embedded, back)):
            report = sigsearch.migrate(old, new)
            assert (report.added, report.left_out, report.verification.wrong) == (8, 0, ())
        for record in records:
            for index in (server, embedded, back):
                check_same(index.get(record.id), record)
        assert back.scheme == source.scheme
        assert [m.path for m in back.search(pictures[0])] == [m.path for m in source.search(pictures[0])]


def test_any_json_and_any_record_survives_beside_what_image_match_writes(open_index):
    index = open_index()
    values = [{"a": 1}, {"a": "text"}, {"a": {"b": 1}}, ["a"], "a", 0, False, {}, {"a.b": 1, "a": {"c": 2}}]
    records = [make_record(f"{k}", seed=k, metadata=value) for k, value in enumerate(values)]
    assert index.add_many(records).added == len(values)
    index.refresh()
    assert index.add_many(records, on_conflict="replace").replaced == len(values)
    for record in records:
        check_same(index.get(record.id), record)
        assert isinstance(record, Record)
    assert json.dumps(index.info())
