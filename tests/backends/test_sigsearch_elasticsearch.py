"""The Elasticsearch backend against the conformance suite, and its own: locations, options, errors."""

import json
import pickle
import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from backends.elasticsearch_proxy import (
    breaks_after,
    breaks_before,
    changed,
    late,
    page,
    rejects_every_other,
    running,
    says,
)
from elasticsearch import Elasticsearch
from sigsearch_elasticsearch import documents, mapping
from sigsearch_elasticsearch.backend import ElasticsearchBackend
from sigsearch_elasticsearch.connection import Options, connect, parse_location

import sigsearch
from sigsearch.backend import Outcome
from sigsearch.errors import (
    AccessDeniedError,
    ClosedError,
    ConfigError,
    FormatVersionError,
    IndexNotFoundError,
    InputError,
    NotAnIndexError,
    SchemeMismatchError,
    SigsearchError,
    StorageError,
)
from sigsearch.filters import Eq
from sigsearch.records import Box, Record, View
from sigsearch.scheme import DEFAULT_SCHEME, Scheme
from sigsearch.testing import BackendConformance, make_picture
from sigsearch.testing.samples import (
    check_same,
    featureless,
    make_copy,
    make_record,
    make_records,
    make_signature,
    same_json,
)

ADDED, REPLACED, KEPT = Outcome.ADDED, Outcome.REPLACED, Outcome.KEPT
NOBODY = "elasticsearch://127.0.0.1:1/photos"
"""Where no server is."""


class TestElasticsearchBackend(BackendConformance):
    @pytest.fixture
    def location(self, elasticsearch_server, elasticsearch_index_name):
        return elasticsearch_server.location(elasticsearch_index_name)

    @pytest.fixture
    def options(self, elasticsearch_server):
        return elasticsearch_server.options


@pytest.fixture
def open_backend(elasticsearch_server, name):
    """Open the index; all that was opened is closed at the end."""
    opened = []

    def open_backend(*, location=None, create=True, scheme=DEFAULT_SCHEME, **options):
        backend = ElasticsearchBackend.open(
            location or elasticsearch_server.location(name),
            scheme=scheme,
            create=create,
            options={**elasticsearch_server.options, **options},
        )
        opened.append(backend)
        return backend

    yield open_backend
    for backend in opened:
        backend.close()


@pytest.fixture
def backend(open_backend):
    return open_backend()


@pytest.fixture
def proxy(elasticsearch_server):
    with running(elasticsearch_server.url) as proxy:
        yield proxy


@pytest.fixture
def through_proxy(proxy, open_backend, name):
    """A backend that speaks to the server through the proxy, and is patient for two seconds."""
    return open_backend(location=f"elasticsearch://{proxy.host}/{name}", timeout=2)


def indexes(client, name):
    return sorted(client.indices.get(index=f"{name}*"))


# Locations


@pytest.mark.parametrize(
    ("location", "urls", "name", "user", "password"),
    [
        ("elasticsearch://host/photos", ["http://host:9200"], "photos", None, None),
        ("elasticsearch://host:9201/photos", ["http://host:9201"], "photos", None, None),
        ("elasticsearch+https://host/photos", ["https://host:9200"], "photos", None, None),
        ("ELASTICSEARCH+HTTPS://host/photos", ["https://host:9200"], "photos", None, None),
        (
            "elasticsearch://a,b:1,c:65535/x",
            ["http://a:9200", "http://b:1", "http://c:65535"],
            "x",
            None,
            None,
        ),
        ("elasticsearch://[::1]/photos", ["http://[::1]:9200"], "photos", None, None),
        ("elasticsearch://[fe80::1]:80,h/p", ["http://[fe80::1]:80", "http://h:9200"], "p", None, None),
        ("elasticsearch://me:secret@host/p", ["http://host:9200"], "p", "me", "secret"),
        ("elasticsearch://me@host/p", ["http://host:9200"], "p", "me", None),
        ("elasticsearch://me:@host/p", ["http://host:9200"], "p", "me", ""),
        ("elasticsearch://m%40e:s%2F%40%3a%25@h/p", ["http://h:9200"], "p", "m@e", "s/@:%"),
        ("elasticsearch://me:a:b@h/p", ["http://h:9200"], "p", "me", "a:b"),
        ("elasticsearch:///photos", [], "photos", None, None),
        ("elasticsearch://host/%C3%A9t%c3%a9-2024", ["http://host:9200"], "été-2024", None, None),
    ],
)
def test_a_location_names_hosts_an_index_and_a_user(location, urls, name, user, password):
    found = parse_location(location)
    assert (found.urls, found.name, found.user, found.password) == (urls, name, user, password)


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("elasticsearch://host", "no name"),
        ("elasticsearch://host/", "no name"),
        ("elasticsearch://host/Photos", "lower case"),
        ("elasticsearch://host/my photos", "' '"),
        ("elasticsearch://host/a/b", "'/'"),
        ("elasticsearch://host/a*", r"'\*'"),
        ("elasticsearch://host/a,b", "','"),
        ("elasticsearch://host/%3Cphotos-%7Bnow%7D%3E", "'<'"),
        ("elasticsearch://host/_all", "begin"),
        ("elasticsearch://host/-a", "begin"),
        ("elasticsearch://host/.hidden", "begin"),
        ("elasticsearch://host/" + "x" * 249, "248 bytes"),
        ("elasticsearch://host/" + "é" * 125, "248 bytes"),
        ("elasticsearch://host:port/p", "a host"),
        ("elasticsearch://host:0/p", "port from 1 to 65535"),
        ("elasticsearch://host:65536/p", "port from 1 to 65535"),
        ("elasticsearch://a,,b/p", "a host"),
        ("elasticsearch://::1/p", "a host"),
    ],
)
def test_what_is_wrong_with_a_location_is_said_before_any_server_is_asked(location, said):
    with pytest.raises(InputError, match=said):
        ElasticsearchBackend.open(location, scheme=DEFAULT_SCHEME, create=True, options={})


@pytest.mark.parametrize(
    "location",
    [
        "elasticsearch://me:geheim@host/Photos",
        "elasticsearch://me:geheim@host",
        "elasticsearch://me:geheim@ho st/p",
        "elasticsearch://me:geheim@host:0/p",
        "elasticsearch://me:a/geheim@host/p",
        "elasticsearch://me:a@b/geheim@host/p",
        "elasticsearch://me:geheim/p",
        "elasticsearch://me:geheim@127.0.0.1:1/p",
    ],
)
def test_a_password_is_in_no_message(location):
    with pytest.raises(SigsearchError) as raised:
        ElasticsearchBackend.open(location, scheme=DEFAULT_SCHEME, create=False, options={"timeout": 1})
    error = raised.value
    while error is not None:
        assert "geheim" not in f"{error} {error!r}"
        error = error.__cause__


def test_a_password_is_in_no_repr():
    location = parse_location("elasticsearch://me:geheim@host/p")
    assert location.password == "geheim"
    assert "geheim" not in repr(location)
    assert "geheim" not in repr(Options.of({"api_key": "geheim"}))
    connection = connect("elasticsearch://me:geheim@host/p", Options())
    assert "geheim" not in repr(connection)
    connection.client.close()


# Credentials

FROM_LOCATION = ("me", "mine")
BASIC = {
    ("me", "mine"): "Basic bWU6bWluZQ==",
    ("me", "theirs"): "Basic bWU6dGhlaXJz",
    ("they", "theirs"): "Basic dGhleTp0aGVpcnM=",
}
"""Worked by hand: base64 of user, colon, password."""


@pytest.mark.parametrize(
    ("location", "options", "environment", "sent"),
    [
        ("elasticsearch://h/p", {}, {}, None),
        ("elasticsearch://me:mine@h/p", {}, {}, BASIC["me", "mine"]),
        ("elasticsearch://h/p", {"api_key": "key"}, {}, "ApiKey key"),
        ("elasticsearch://h/p", {}, {"API_KEY": "theirs"}, "ApiKey theirs"),
        ("elasticsearch://h/p", {"api_key": "key"}, {"API_KEY": "theirs"}, "ApiKey key"),
        ("elasticsearch://h/p", {}, {"USER": "they", "PASSWORD": "theirs"}, BASIC["they", "theirs"]),
        ("elasticsearch://me@h/p", {}, {"USER": "they", "PASSWORD": "theirs"}, BASIC["me", "theirs"]),
        (
            "elasticsearch://me:mine@h/p",
            {"api_key": "key"},
            {"API_KEY": "theirs", "USER": "they", "PASSWORD": "theirs"},
            BASIC["me", "mine"],
        ),
    ],
)
def test_the_user_of_a_location_wins_over_an_option_and_that_over_the_environment(
    location, options, environment, sent
):
    environment = {f"SIGSEARCH_ES_{name}": value for name, value in environment.items()}
    connection = connect(location, Options.of(options), environment)
    assert connection.client._headers.get("authorization") == sent
    connection.client.close()


def test_half_of_a_user_and_password_is_an_error_that_names_the_other():
    with pytest.raises(InputError, match="SIGSEARCH_ES_PASSWORD"):
        connect("elasticsearch://me@h/p", Options(), {})
    with pytest.raises(ConfigError, match="SIGSEARCH_ES_PASSWORD"):
        connect("elasticsearch://h/p", Options(), {"SIGSEARCH_ES_USER": "they"})


# Options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shard": 1}, "unknown option 'shard'; this backend takes one of api_key, ca_certs"),
        ({"client": "http://host"}, "client as an elasticsearch.Elasticsearch, found 'http://host'"),
        ({"api_key": ""}, "api_key as a text"),
        ({"api_key": ["id", "key"]}, "api_key as a text, found a list"),
        ({"ca_certs": 1}, "ca_certs as the path of a file, found 1"),
        ({"ca_fingerprint": "abc"}, "ca_fingerprint as a SHA-256 in hexadecimal, found 'abc'"),
        ({"verify_certs": "no"}, "verify_certs as True or False, found 'no'"),
        ({"timeout": 0}, "timeout as seconds above 0, found 0"),
        ({"timeout": True}, "timeout as seconds above 0, found True"),
        ({"timeout": "30s"}, "timeout as seconds above 0, found '30s'"),
        ({"shards": 0}, "shards as a whole number of at least 1, found 0"),
        ({"shards": True}, "shards as a whole number of at least 1, found True"),
        ({"replicas": -1}, "replicas as a whole number of at least 0, found -1"),
        ({"refresh_interval": 30}, "refresh_interval as a text such as '30s', found 30"),
        ({"codec": 1}, "codec as a text"),
        (
            {"refresh": "sometimes"},
            "refresh as one of 'auto', 'none', 'wait_for' and 'true', found 'sometimes'",
        ),
        (
            {"metadata": "text"},
            "metadata as 'flattened', 'stored', None or a mapping of properties, found 'text'",
        ),
        ({"settings": "x"}, "settings as a mapping, found 'x'"),
    ],
)
def test_an_option_that_is_not_what_it_should_be_is_refused_before_any_server_is_asked(options, said):
    with pytest.raises(InputError) as raised:
        ElasticsearchBackend.open(NOBODY, scheme=DEFAULT_SCHEME, create=True, options=options)
    assert said in str(raised.value)


def test_certificates_are_for_https(tmp_path):
    for option in ({"ca_certs": str(tmp_path)}, {"ca_fingerprint": "ab" * 32}, {"verify_certs": False}):
        with pytest.raises(InputError, match=r"elasticsearch\+https"):
            connect(NOBODY, Options.of(option), {})
    connection = connect(NOBODY, Options(), {"SIGSEARCH_ES_CA_CERTS": "/of/the/machine"})  # not used
    connection.client.close()


def test_a_file_of_certificates_that_is_not_there_is_named():
    with pytest.raises(InputError, match="the option ca_certs, found none at '/nowhere'"):
        connect("elasticsearch+https://h/p", Options(ca_certs="/nowhere"), {})
    with pytest.raises(ConfigError, match="SIGSEARCH_ES_CA_CERTS, found none at '/nowhere'"):
        connect("elasticsearch+https://h/p", Options(), {"SIGSEARCH_ES_CA_CERTS": "/nowhere"})


def test_settings_that_the_server_refuses_are_named_and_nothing_is_made(open_backend, client, name):
    for options, said in (
        ({"codec": "zip"}, "codec"),
        ({"refresh_interval": "soon"}, "refresh_interval"),
        ({"settings": {"index.no_such_setting": 1}}, "no_such_setting"),
        ({"metadata": {"museum": {"type": "no_such_type"}}}, "no_such_type"),
    ):
        with pytest.raises(InputError, match=said):
            open_backend(**options)
    assert indexes(client, name) == []


def test_the_options_become_settings_of_a_new_index(open_backend, client, name):
    open_backend(
        shards=2,
        replicas=0,
        refresh_interval="7s",
        codec="best_compression",
        settings={"max_result_window": 20000},
    )
    [found] = client.indices.get_settings(index=name, flat_settings=True).values()
    wanted = {
        "number_of_shards": "2",
        "number_of_replicas": "0",
        "refresh_interval": "7s",
        "codec": "best_compression",
        "max_result_window": "20000",
    }
    assert wanted.items() <= {key.removeprefix("index."): v for key, v in found["settings"].items()}.items()


def test_an_index_that_is_there_keeps_its_settings(open_backend):
    open_backend().close()
    again = open_backend(shards=3, metadata="stored")
    assert again.info()["shards"] == 1


# A client of the user's own


def test_a_client_that_is_passed_in_is_used_and_stays_open(elasticsearch_server, client, name, open_backend):
    for location in (f"elasticsearch:///{name}", f"elasticsearch://ignored:1/{name}"):
        backend = ElasticsearchBackend.open(
            location, scheme=DEFAULT_SCHEME, create=True, options={"client": client, "timeout": 20}
        )
        backend.add(make_records(2), replace=True)
        backend.close()
        with pytest.raises(ClosedError):
            backend.count()
        assert client.indices.exists(index=name)
    assert open_backend().count() == 2


def test_a_client_that_is_closed_by_its_owner_is_an_error_that_says_so(elasticsearch_server, name):
    client = elasticsearch_server.client()
    backend = ElasticsearchBackend.open(
        f"elasticsearch:///{name}", scheme=DEFAULT_SCHEME, create=True, options={"client": client}
    )
    client.close()
    for call in (
        lambda: backend.add(make_records(1), replace=False),
        lambda: backend.get(["a"]),
        lambda: backend.count(),
        lambda: list(backend.scan()),
        lambda: list(backend.check()),
        lambda: backend.compact(),
        lambda: backend.info(),
    ):
        with pytest.raises(ClosedError, match="client was closed"):
            call()


def test_a_client_and_what_it_would_be_made_of_are_not_both_taken(client):
    with pytest.raises(InputError, match="client or api_key, found both"):
        Options.of({"client": client, "api_key": "key"})


def test_without_a_client_a_host_is_needed():
    with pytest.raises(InputError, match="no host in elasticsearch:///photos"):
        ElasticsearchBackend.open("elasticsearch:///photos", scheme=DEFAULT_SCHEME, create=True, options={})


# What is at the location


def test_the_name_is_an_alias_of_an_index_with_a_number(open_backend, client, name):
    open_backend()
    assert client.indices.get_alias(name=name).body == {
        f"{name}-000001": {"aliases": {name: {"is_write_index": True}}}
    }


def test_another_index_can_be_put_in_its_place(open_backend, client, name):
    backend = open_backend()
    backend.add(make_records(3), replace=False)
    [made] = client.indices.get(index=name).values()
    client.indices.create(index=f"{name}-000002", mappings=made["mappings"])
    scan = backend.scan()
    client.indices.update_aliases(
        actions=[
            {"remove": {"index": f"{name}-000001", "alias": name}},
            {"add": {"index": f"{name}-000002", "alias": name, "is_write_index": True}},
        ]
    )
    assert backend.count() == 0
    assert len(list(scan)) == 3  # it had begun
    backend.add(make_records(1), replace=False)
    assert backend.count() == 1
    assert client.count(index=f"{name}-000001")["count"] == 3


def test_an_index_that_has_the_name_itself_is_taken_if_it_is_ours(open_backend, client, name):
    open_backend()
    [made] = client.indices.get(index=name).values()
    client.indices.delete(index=f"{name}-000001")
    client.indices.create(index=name, mappings=made["mappings"])
    backend = open_backend(create=False)
    backend.add(make_records(3), replace=False)
    assert backend.count() == 3
    assert backend.info()["index"] == name


@pytest.mark.parametrize(
    ("meta", "error", "said"),
    [
        (None, NotAnIndexError, "left as it is"),
        ({"sigsearch": "yes"}, NotAnIndexError, "left as it is"),
        ({"sigsearch": {"format": "1"}}, NotAnIndexError, "left as it is"),
        ({"sigsearch": {"format": 1}}, NotAnIndexError, "left as it is"),
        ({"sigsearch": {"format": 2, "scheme": {}}}, FormatVersionError, "format 2"),
        (
            {"sigsearch": {"format": 1, "scheme": Scheme().to_json() | {"revision": 99}}},
            SchemeMismatchError,
            "revision 99",
        ),
    ],
)
def test_an_index_that_cannot_be_used_is_left_as_it_is(open_backend, client, name, meta, error, said):
    client.indices.create(index=name, mappings={"_meta": meta} if meta else {})
    before = client.indices.get(index=name).body
    for create in (True, False):
        with pytest.raises(error, match=said):
            open_backend(create=create)
    assert client.indices.get(index=f"{name}*").body == before


def test_an_alias_of_several_indexes_is_refused(open_backend, client, name):
    for number in (1, 2):
        client.indices.create(index=f"{name}-{number}", aliases={name: {}})
    with pytest.raises(NotAnIndexError, match=f"{name}-1, {name}-2"):
        open_backend()


def test_an_index_of_another_scheme_is_opened_and_then_refused_by_the_core(
    elasticsearch_server, open_backend, name
):
    open_backend(scheme=Scheme(word_length=20))
    with pytest.raises(SchemeMismatchError, match="word_length=20"):
        sigsearch.open(elasticsearch_server.location(name), scheme=Scheme(), **elasticsearch_server.options)


def test_an_index_whose_alias_is_gone_is_named(open_backend, client, name):
    open_backend()
    client.indices.delete_alias(index=f"{name}-000001", name=name)
    with pytest.raises(NotAnIndexError, match=f"{name}-000001"):
        open_backend()


def test_several_that_make_an_index_at_once_make_one(open_backend, client, name):
    errors = []
    start = threading.Barrier(6)

    def work(number):
        try:
            start.wait(30)
            backend = open_backend()
            backend.add([make_record(f"{number}")], replace=False)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert indexes(client, name) == [f"{name}-000001"]
    assert open_backend().count() == 6


def test_what_is_written_to_an_index_that_was_deleted_makes_no_other(backend, client, name):
    backend.add(make_records(1), replace=False)
    client.indices.delete(index=f"{name}-000001")
    for call in (
        lambda: backend.add(make_records(1), replace=True),
        lambda: backend.delete(["a"]),
        lambda: backend.get(["a"]),
        lambda: backend.count(),
        lambda: backend.scan(),
        lambda: backend.candidates(make_signature(1)[np.newaxis], where=None, cutoff=1, limit=1),
        lambda: backend.refresh(),
        lambda: backend.compact(),
    ):
        with pytest.raises(IndexNotFoundError):
            call()
    assert indexes(client, name) == []


def test_a_closed_index_is_named_as_such(backend, client, name):
    client.indices.close(index=name)
    for call in (
        lambda: backend.add(make_records(1), replace=True),
        lambda: backend.count(),
        lambda: backend.get(["a"]),
    ):
        with pytest.raises(StorageError, match="closed: open it"):
            call()


def test_an_index_without_room_says_so_at_once(through_proxy, client, name):
    client.indices.put_settings(index=name, settings={"index.blocks.read_only_allow_delete": True})
    start = time.monotonic()
    with pytest.raises(StorageError, match="free some space"):
        through_proxy.add(make_records(1), replace=False)
    assert time.monotonic() - start < 1.5
    assert through_proxy.count() == 0


# Documents


def test_a_document_has_what_the_mapping_names_and_words_are_not_given_back(backend, client, name):
    record = make_records(1)[0]
    backend.add([record], replace=False)
    [mapping] = client.indices.get_mapping(index=name).values()
    assert mapping["mappings"]["dynamic"] == "strict"
    found = client.get(index=name, id="record-0")["_source"]
    assert set(found) == {"signature", "path", "timestamp", "metadata"}
    assert found["metadata"] == {"number": 0, "even": True}
    assert found["timestamp"] == "2024-02-29T23:59:59.999999+00:00"


def test_metadata_is_found_by_others_as_well(backend, client, name):
    backend.add(make_records(20), replace=False)
    backend.refresh()
    for query, count in (
        ({"term": {"metadata.even": "true"}}, 10),
        ({"term": {"metadata.number": "7"}}, 1),
        ({"range": {"timestamp": {"lt": "2024-03-01T00:05:00Z"}}}, 6),
    ):
        assert client.count(index=name, query=query)["count"] == count
    latest = client.search(index=name, sort=[{"timestamp": "desc"}], size=1)["hits"]["hits"]
    assert [hit["_id"] for hit in latest] == ["record-19"]


AWKWARD = [
    *(2**63, -(2**63) - 1, 2**64, 10**40, {"n": 10**40}, {"n": 2**63 - 1}, {"n": -(2**63)}),
    *({"k" * 40_000: 1}, {"a": "v" * 40_000}, {"k" * 900: "é" * 3000}, {"zero\0": {"a": 1}}),
    *(
        {"": {"": ""}},
        {"a.": 1, ".b": 2},
        {" ": 1},
        {"*": 1},
        {"words": 1, "leaves": 2, "metadata": {"words": 3}},
    ),
    *({"a": [[[]]], "b": [{}], "c": {"d": {}}}, {"f": [1.0, 1, -0.0, 1e16, 1e22, 5e-324, 0.1 + 0.2]}),
]
NESTED = [1]
for _ in range(30):
    NESTED.append({"a": NESTED[-1]})
LISTS = [1]
for _ in range(30):
    LISTS.append([LISTS[-1]])


@pytest.mark.parametrize("mode", ["flattened", "stored", None])
def test_metadata_that_the_server_would_refuse_or_round_comes_back_exactly(open_backend, mode):
    backend = open_backend(metadata=mode)
    values = [*AWKWARD, *NESTED, *LISTS, *({"in": value} for value in LISTS)]
    records = [make_record(f"{number}", metadata=value) for number, value in enumerate(values)]
    assert backend.add(records, replace=False) == [ADDED] * len(records)
    for record, found in zip(records, backend.get([record.id for record in records]), strict=True):
        assert same_json(found.metadata, record.metadata)


def test_metadata_that_fits_a_mapping_of_the_users_own_is_searched_by_it(open_backend, client, name):
    backend = open_backend(metadata={"year": {"type": "integer"}, "title": {"type": "text"}})
    backend.add(
        [
            make_record("mona", metadata={"year": 1503, "title": "Mona Lisa", "other": [1, {"x": "y"}]}),
            make_record("text", metadata="no object"),
            make_record("none"),
        ],
        replace=False,
    )
    backend.refresh()
    assert client.count(index=name, query={"range": {"metadata.year": {"lt": 1600}}})["count"] == 1
    assert client.count(index=name, query={"match": {"metadata.title": "lisa"}})["count"] == 1
    assert [record.id for record in backend.scan(Eq("other.x", "y"))] == ["mona"]
    assert backend.get(["text"])[0].metadata == "no object"


def test_a_record_that_does_not_fit_the_users_own_mapping_is_named(open_backend):
    backend = open_backend(metadata={"year": {"type": "integer"}})
    with pytest.raises(InputError, match=r"the record 'bad'.*year"):
        backend.add([make_record("good"), make_record("bad", metadata={"year": "about 1503"})], replace=False)
    assert backend.contains(["good", "bad"]) == {"good"}


def test_boxes_are_kept_only_where_they_say_something():
    whole = documents.to_documents([make_record("a")], DEFAULT_SCHEME)[0]
    assert "boxes" not in whole
    assert isinstance(whole["signature"], str)
    box = Box(0.1, 0.2, 0.3, 1 / 3)
    part = documents.to_documents([Record("a", (View(make_signature(1), box),))], DEFAULT_SCHEME)[0]
    assert part["boxes"] == [[0.1, 0.2, 0.3, 1 / 3]]


def test_timestamps_of_other_zones_come_back_in_utc(backend):
    zone = timezone(timedelta(hours=5, minutes=30))
    backend.add([make_record("a", timestamp=datetime(2024, 1, 1, 3, 0, 0, 1, tzinfo=zone))], replace=False)
    found = backend.get(["a"])[0].timestamp
    assert found == datetime(2023, 12, 31, 21, 30, 0, 1, tzinfo=UTC)
    assert found.utcoffset() == timedelta(0)


def test_times_of_all_years_are_taken(backend):
    times = [
        datetime(year, 1, 2, 3, 4, 5, 678901, tzinfo=UTC) for year in (1, 999, 1600, 1969, 2262, 2263, 9998)
    ]
    backend.add([make_record(f"{i}", timestamp=stamp) for i, stamp in enumerate(times)], replace=False)
    assert [record.timestamp for record in backend.get([f"{i}" for i in range(len(times))])] == times


@pytest.mark.parametrize("effort", range(1, 6))
def test_a_picture_that_is_there_many_times_is_found_every_time(backend, effort):
    query = make_signature(1)
    copies = [make_record(f"copy-{k:02}", make_copy(query, k)) for k in range(90)]
    strangers = [make_record(f"stranger-{k}", seed=100 + k) for k in range(20)]
    backend.add([*strangers, *copies], replace=False)
    for limit, least in ((100, 90), (40, 40), (1, 1)):
        [found] = backend.candidates(query[np.newaxis], where=None, cutoff=0.4, limit=limit, effort=effort)
        ids = {candidate.id for candidate in found}
        assert least <= len(ids) <= 90
        assert "copy-00" in ids


def test_long_paths_come_back(backend):
    paths = ["x" * 40_000, "é" * 100_000, "zero\0", "a\nb"]
    backend.add([make_record(f"{i}", path=path) for i, path in enumerate(paths)], replace=False)
    assert [record.path for record in backend.get([f"{i}" for i in range(len(paths))])] == paths


def test_a_record_without_views_is_refused(backend):
    with pytest.raises(InputError, match="'a'"):
        backend.add([make_record("b"), Record("a", ())], replace=False)
    assert backend.count() == 0


# What is seen when


def visible(open_backend):
    """What one that does not refresh sees."""
    return open_backend(create=False, refresh="none").count()


def test_what_was_written_is_found_through_the_same_object_at_once(open_backend):
    backend = open_backend(refresh_interval="-1")
    backend.add(make_records(5), replace=False)
    assert backend.count() == 5
    backend.delete(["record-0"])
    assert len(list(backend.scan())) == 4
    backend.add([make_record("new", seed=1)], replace=False)
    found = backend.candidates(make_signature(1)[np.newaxis], where=None, cutoff=0.3, limit=1)[0]
    assert [candidate.id for candidate in found] == ["new"]


def test_one_that_is_opened_sees_what_was_written_before(open_backend):
    open_backend(refresh_interval="-1").add(make_records(5), replace=False)
    assert open_backend(create=False).count() == 5


def test_with_refresh_none_what_was_written_is_found_when_somebody_refreshes(open_backend):
    backend = open_backend(refresh_interval="-1", refresh="none")
    backend.add(make_records(5), replace=False)
    assert backend.count() == 0
    assert backend.get(["record-3"])[0] is not None  # by its id at once
    backend.refresh()
    assert backend.count() == 5


@pytest.mark.parametrize("refresh", ["true", True])
def test_with_refresh_true_all_see_what_was_written(open_backend, refresh):
    backend = open_backend(refresh_interval="-1", refresh=refresh)
    backend.add(make_records(5), replace=False)
    assert visible(open_backend) == 5
    backend.delete(["record-1"])
    assert visible(open_backend) == 4


def test_with_refresh_wait_for_all_see_what_was_written(open_backend):
    backend = open_backend(refresh_interval="100ms", refresh="wait_for")
    backend.add(make_records(5), replace=False)
    assert visible(open_backend) == 5


def test_searching_refreshes_only_if_something_was_written(through_proxy, proxy):
    through_proxy.add(make_records(3), replace=False)
    before = proxy.sent("_refresh")
    for _ in range(3):
        through_proxy.count()
    assert proxy.sent("_refresh") - before == 1


# Searching


def test_more_than_a_page_of_records_are_scanned_once_each(backend):
    signature = make_signature(1)
    backend.add([make_record(f"{i}", signature, metadata={"i": i}) for i in range(1203)], replace=False)
    assert sorted(int(record.id) for record in backend.scan()) == list(range(1203))
    assert len(list(backend.scan(Eq("i", 1202)))) == 1


def test_a_scan_that_is_left_early_is_closed(through_proxy, proxy):
    through_proxy.add(make_records(3), replace=False)
    scan = through_proxy.scan()
    next(scan)
    del scan
    through_proxy.scan()  # not even begun
    assert [method for method, path in proxy.requests if path.startswith("/_pit")] == ["DELETE", "DELETE"]


def test_a_scan_that_the_server_has_given_up_says_so(through_proxy, proxy, client):
    through_proxy.add([make_record(f"{i}") for i in range(600)], replace=False)
    points = []
    proxy.trouble("_pit", changed(points.append))
    scan = through_proxy.scan()
    next(scan)
    client.close_point_in_time(id=points[0]["id"])
    with pytest.raises(StorageError, match=r"given up this scan.*begin again"):
        list(scan)


def test_without_a_limit_only_views_below_the_cutoff_are_offered_nearest_first(backend):
    query = make_signature(1)
    backend.add([make_record(f"{k}", make_copy(query, k)) for k in (300, 20, 100, 0, 400, 60)], replace=False)
    found = backend.candidates(query[np.newaxis], where=None, cutoff=0.45, limit=None)[0]
    assert [candidate.id for candidate in found] == ["0", "20", "60", "100"]
    many = backend.candidates(query[np.newaxis], where=None, cutoff=0.45, limit=50_000)[0]
    assert [candidate.id for candidate in many] == ["0", "20", "60", "100"]


def test_a_query_without_a_word_that_says_anything_finds_nothing(backend):
    backend.add([make_record("a", seed=1), make_record("blank", featureless())], replace=False)
    queries = np.stack([featureless(), make_signature(1)])
    for limit in (5, None):
        answers = backend.candidates(queries, where=None, cutoff=1.0, limit=limit)
        assert [[candidate.id for candidate in found] for found in answers] == [[], ["a"]]


def test_many_queries_are_asked_in_few_requests(through_proxy, proxy):
    through_proxy.add([make_record(f"{seed}", seed=seed) for seed in range(10)], replace=False)
    queries = np.stack([make_signature(seed % 10) for seed in range(150)])
    answers = through_proxy.candidates(queries, where=None, cutoff=0.3, limit=3)
    assert [[found.id for found in answer] for answer in answers] == [[f"{seed % 10}"] for seed in range(150)]
    assert proxy.sent("_msearch") == 3


def lose_a_shard(told):
    for answer in told.get("responses", [told]):
        answer["_shards"] |= {"failed": 1, "successful": answer["_shards"]["successful"] - 1}


def skip_a_shard(told):
    for answer in told.get("responses", [told]):
        answer["_shards"]["total"] += 1


def run_out_of_time(told):
    for answer in told.get("responses", [told]):
        answer["timed_out"] = True


@pytest.mark.parametrize("change", [lose_a_shard, skip_a_shard, run_out_of_time])
@pytest.mark.parametrize(
    "call",
    [
        lambda b: b.count(),
        lambda b: list(b.scan()),
        lambda b: b.candidates(np.stack([make_signature(1)] * 2), where=None, cutoff=1.0, limit=3),
        lambda b: b.candidates(np.stack([make_signature(1)] * 2), where=None, cutoff=1.0, limit=None),
    ],
)
def test_a_part_of_an_answer_is_never_passed_off_as_the_whole(through_proxy, proxy, change, call):
    through_proxy.add(make_records(3), replace=False)
    through_proxy.refresh()
    proxy.trouble("search", changed(change))
    with pytest.raises(StorageError, match=r"of [12] shards only"):
        call(through_proxy)
    call(through_proxy)


def test_an_error_of_one_of_many_searches_is_an_error(through_proxy, proxy):
    def fail_one(told):
        cause = {"type": "es_rejected_execution_exception", "reason": "queue is full"}
        told["responses"][1] = {"error": {"root_cause": [cause], **cause}, "status": 429}

    through_proxy.add(make_records(3), replace=False)
    proxy.trouble("_msearch", changed(fail_one))
    with pytest.raises(StorageError, match="overloaded: queue is full"):
        through_proxy.candidates(np.stack([make_signature(1)] * 3), where=None, cutoff=1.0, limit=3)


def test_what_is_asked_for_by_id_and_cannot_be_read_is_an_error(through_proxy, proxy):
    def fail_one(told):
        cause = {"type": "shard_not_found_exception", "reason": "no such shard"}
        told["docs"][1] = {"_id": "record-1", "error": cause}

    through_proxy.add(make_records(3), replace=False)
    for call in (through_proxy.get, through_proxy.timestamps):
        proxy.trouble("_mget", changed(fail_one))
        with pytest.raises(StorageError, match="no such shard"):
            call(["record-0", "record-1"])


# Writing to a server in trouble


def test_an_overloaded_server_is_given_time(through_proxy, proxy):
    full = says(429, "es_rejected_execution_exception", "queue is full")
    proxy.trouble("_bulk", full, says(503, "unavailable_shards_exception"), full)
    assert through_proxy.add(make_records(3), replace=False) == [ADDED] * 3
    assert proxy.sent("_bulk") == 4


def test_only_what_was_rejected_is_sent_again(through_proxy, proxy):
    records = make_records(20)
    proxy.trouble("_bulk", rejects_every_other, rejects_every_other, rejects_every_other)
    assert through_proxy.add(records, replace=False) == [ADDED] * 20
    for record, found in zip(records, through_proxy.get([r.id for r in records]), strict=True):
        check_same(found, record)
    proxy.trouble("_bulk", rejects_every_other)
    assert through_proxy.add(records, replace=True) == [REPLACED] * 20
    proxy.trouble("_bulk", rejects_every_other, rejects_every_other)
    assert through_proxy.delete([record.id for record in records]) == 20


def test_patience_ends(through_proxy, proxy):
    full = says(429, "es_rejected_execution_exception", "queue is full")
    proxy.trouble("_bulk", *[full] * 1000)
    start = time.monotonic()
    with pytest.raises(StorageError, match="overloaded: queue is full"):
        through_proxy.add(make_records(3), replace=False)
    assert 2 <= time.monotonic() - start < 10


@pytest.mark.parametrize(
    "fault", [breaks_before, breaks_after, late(3, carried_out=True), page(502, "bad gateway")]
)
def test_a_record_whose_answer_was_lost_is_added_once(through_proxy, proxy, fault):
    there = make_record("there", seed=7)
    through_proxy.add([there], replace=False)
    records = [
        make_record("a", metadata={"f": 1.0}),
        make_record("there", seed=8),
        make_record("b", path="/b"),
    ]
    proxy.trouble("_bulk", fault)
    assert through_proxy.add(records, replace=False) == [ADDED, KEPT, ADDED]
    assert through_proxy.count() == 3
    for record in (records[0], there, records[2]):
        check_same(through_proxy.get([record.id])[0], record)


@pytest.mark.parametrize("fault", [breaks_before, breaks_after])
def test_a_replacement_whose_answer_was_lost_is_there(through_proxy, proxy, fault):
    through_proxy.add([make_record("a", seed=1)], replace=False)
    proxy.trouble("_bulk", fault)
    assert through_proxy.add([make_record("a", seed=2)], replace=True) == [REPLACED]
    check_same(through_proxy.get(["a"])[0], make_record("a", seed=2))


@pytest.mark.parametrize("fault", [breaks_before, breaks_after])
def test_what_was_deleted_is_counted_although_the_answer_was_lost(through_proxy, proxy, fault):
    through_proxy.add(make_records(5), replace=False)
    proxy.trouble("_bulk", fault)
    assert through_proxy.delete([f"record-{i}" for i in range(5)]) == 5
    assert through_proxy.count() == 0


def too_large(limit):
    def fault(request, forward):
        return (413, b"") if len(request.body) > limit else forward(request)

    return fault


def test_requests_that_are_too_large_are_made_smaller(through_proxy, proxy):
    proxy.trouble("_bulk", *[too_large(20_000)] * 1000)
    start = time.monotonic()
    assert through_proxy.add(make_records(100), replace=False) == [ADDED] * 100
    assert through_proxy.count() == 100
    assert time.monotonic() - start < 2


def test_a_record_that_is_too_large_is_named(through_proxy, proxy):
    proxy.trouble("_bulk", *[too_large(20_000)] * 1000)
    records = [*make_records(5), make_record("large", metadata="x" * 30_000)]
    with pytest.raises(InputError, match=r"record 'large': .*http\.max_content_length"):
        through_proxy.add(records, replace=False)


def test_of_doubled_ids_the_order_is_kept_however_the_server_answers(through_proxy, proxy):
    records = [make_record("a", seed=seed) for seed in range(4)]
    proxy.trouble("_bulk", rejects_every_other, breaks_after)
    assert through_proxy.add(records, replace=False) == [ADDED, KEPT, KEPT, KEPT]
    check_same(through_proxy.get(["a"])[0], records[0])
    assert through_proxy.add(records, replace=True) == [REPLACED] * 4
    check_same(through_proxy.get(["a"])[0], records[3])


def test_a_refusal_is_not_tried_again(through_proxy, proxy):
    for fault, said in (
        (says(401, "security_exception", "missing authentication credentials"), "pass user and password"),
        (says(403, "security_exception", "action [bulk] is unauthorized"), "ask for the rights"),
    ):
        before = proxy.sent("_bulk")
        proxy.trouble("_bulk", fault)
        with pytest.raises(AccessDeniedError, match=said):
            through_proxy.add(make_records(1), replace=False)
        assert proxy.sent("_bulk") == before + 1


# Errors


def every_error(proxy, backend):
    """Errors of all kinds, each as a user gets it."""
    faults = [
        says(400),
        says(401),
        says(403),
        says(404),
        says(409),
        says(418),
        says(500),
        page(404, "<html><body><h1>404</h1>\nNot Found</body></html>"),
        page(500, "<html>\n" + "x" * 5000),
        page(502, "bad gateway"),
        lambda request, forward: (200, b"not JSON"),
        breaks_before,
        says(503),
    ]
    for fault in faults:
        proxy.faults.clear()
        proxy.trouble("_mget", *[fault] * 4)  # the driver tries some again
        with pytest.raises(SigsearchError) as raised:
            backend.get(["a"])
        yield raised.value


def test_every_error_is_one_line_that_names_the_index_and_keeps_its_cause(through_proxy, proxy, name):
    for error in every_error(proxy, through_proxy):
        assert len(str(error).splitlines()) == 1
        assert len(str(error)) < 600
        assert name in str(error)
        assert error.__cause__ is not None
        again = pickle.loads(pickle.dumps(error))  # as a process pool hands it on
        assert (type(again), str(again)) == (type(error), str(error))


def test_where_no_server_is_it_says_so():
    with pytest.raises(StorageError, match=r"cannot reach http://127.0.0.1:1/photos: Connection refused"):
        ElasticsearchBackend.open(NOBODY, scheme=DEFAULT_SCHEME, create=True, options={})
    with pytest.raises(StorageError, match=r"cannot reach http://no-such-host.invalid"):
        ElasticsearchBackend.open(
            "elasticsearch://no-such-host.invalid/p", scheme=DEFAULT_SCHEME, create=True, options={}
        )


def test_a_server_without_tls_says_so(elasticsearch_server, name):
    if elasticsearch_server.url.startswith("https"):
        pytest.skip("this server has TLS")
    location = f"elasticsearch+https://{elasticsearch_server.hosts[0]}/{name}"
    with pytest.raises(StorageError, match="does not speak TLS: use elasticsearch://"):
        ElasticsearchBackend.open(location, scheme=DEFAULT_SCHEME, create=True, options={})


def test_a_server_that_does_not_answer_is_not_waited_for_for_ever(through_proxy, proxy):
    proxy.trouble("_mget", late(4, carried_out=True))
    start = time.monotonic()
    with pytest.raises(StorageError, match=r"did not answer in time.*timeout"):
        through_proxy.get(["a"])
    assert time.monotonic() - start < 4


def test_what_is_no_elasticsearch_is_refused(tmp_path):
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            data = json.dumps({"version": {"distribution": "opensearch"}}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(StorageError, match="not Elasticsearch"):
            ElasticsearchBackend.open(
                f"elasticsearch://127.0.0.1:{server.server_port}/p",
                scheme=DEFAULT_SCHEME,
                create=True,
                options={},
            )
        server.shutdown()


def test_nothing_is_left_open_by_an_open_that_fails(recwarn):
    for _ in range(3):
        with pytest.raises(StorageError):
            ElasticsearchBackend.open(NOBODY, scheme=DEFAULT_SCHEME, create=True, options={})
    assert [str(w.message) for w in recwarn] == []


# Upkeep


def put(client, name, id, **changes):
    """Change a document as another program might: its words are lost, since they are not given back."""
    source = client.get(index=name, id=id)["_source"]
    client.index(index=name, id=id, document={**source, **changes})


def test_check_names_what_is_damaged_and_salvage_gives_the_rest(backend, client, name):
    records = [*make_records(6), make_record("blank", featureless())]
    backend.add(records, replace=False)
    put(client, name, "record-1")
    put(client, name, "record-2", signature="AAAA")
    client.index(index=name, id="record-3", document={"path": "/x"})
    put(client, name, "record-4", timestamp="2024-01-01T00:00:00Z", boxes=[[0, 0]])
    backend.refresh()
    problems = dict(
        zip("1234", sorted(backend.check(), key=lambda line: line.partition("'record-")[2]), strict=True)
    )
    assert "'record-1' has lost its words, so that no search finds it and the terms of its" in problems["1"]
    assert "'record-2' is damaged: a packed signature is damaged: wanted" in problems["2"]
    assert "'record-3' is damaged: it has lost its signature" in problems["3"]
    assert "'record-4' is damaged" in problems["4"]
    assert sorted(record.id for record in backend.salvage()) == ["blank", "record-0", "record-1", "record-5"]
    with pytest.raises(StorageError, match="'record-2' is damaged"):
        backend.get(["record-0", "record-2"])
    with pytest.raises(StorageError, match=r"'record-[234]' is damaged"):
        list(backend.scan())
    backend.add(records, replace=True)
    assert list(backend.check()) == []


def test_an_index_that_has_lost_its_shards_is_an_error_and_a_problem(open_backend, client, name):
    # New shards have nowhere to go, as if the server that has them were gone.
    client.indices.create(
        index=name,
        mappings=mapping.mappings(DEFAULT_SCHEME, Options()),
        settings={"index.routing.allocation.require._name": "nobody"},
        wait_for_active_shards=0,
    )
    backend = open_backend(create=False, timeout=2)
    assert backend.info()["health"] == "red"
    assert [problem for problem in backend.check() if "lost 1 of its shards" in problem]
    for call in (
        lambda: backend.count(),
        lambda: list(backend.scan()),
        lambda: backend.get(["record-0"]),
        lambda: backend.candidates(make_signature(1)[np.newaxis], where=None, cutoff=1, limit=1),
        lambda: backend.add(make_records(1), replace=True),
    ):
        with pytest.raises(StorageError, match=r"available|in time"):
            call()


def test_info_says_what_a_person_wants_to_know(elasticsearch_server, backend, name):
    backend.add(make_records(20), replace=False)
    backend.refresh()
    told = backend.info()
    assert told["bytes"] > 0
    assert told["server"] == elasticsearch_server.version
    assert {key: told[key] for key in ("format", "index", "shards", "replicas", "health")} == {
        "format": 1,
        "index": f"{name}-000001",
        "shards": 1,
        "replicas": 0,
        "health": "green",
    }


def test_what_the_server_does_not_tell_is_left_out(through_proxy, proxy):
    for part in ("_stats", "_cluster", "_nodes"):
        proxy.trouble(part, says(403, "security_exception"))
    assert set(through_proxy.info()) == {"format", "index", "shards", "replicas"}


def test_who_may_only_read_may_open(proxy, open_backend, name):
    writer = open_backend()
    writer.add(make_records(2), replace=False)
    writer.refresh()
    proxy.trouble("_refresh", says(403, "security_exception"))
    reader = open_backend(location=f"elasticsearch://{proxy.host}/{name}", create=False)
    assert reader.count() == 2
    proxy.trouble("_refresh", says(403, "security_exception"))
    with pytest.raises(AccessDeniedError):
        reader.refresh()


# The plugin


def test_the_public_names_are_there():
    import sigsearch_elasticsearch

    assert sigsearch_elasticsearch.ElasticsearchBackend is ElasticsearchBackend
    with pytest.raises(AttributeError, match="no_such_name"):
        sigsearch_elasticsearch.no_such_name  # noqa: B018


def test_announcing_it_does_not_load_the_driver():
    import subprocess
    import sys

    code = (
        "import sys; from sigsearch import plugins; plugins.discover().find('elasticsearch');"
        "print('elasticsearch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_driver_of_another_kind_is_refused():
    with pytest.raises(InputError, match=r"client as an elasticsearch.Elasticsearch"):
        Options.of({"client": Elasticsearch})


def test_an_index_of_regions_has_the_matches_of_the_one_in_memory(elasticsearch_server, name):
    pictures = {f"{seed}": make_picture(seed, (320, 240)) for seed in range(12)}
    items = [sigsearch.Item(image=picture, id=id) for id, picture in pictures.items()]
    location = elasticsearch_server.location(name)
    with (
        sigsearch.open(location, views="regions", **elasticsearch_server.options) as index,
        sigsearch.open("memory://", views="regions") as oracle,
    ):
        assert index.add_many(items).added == oracle.add_many(items).added == len(pictures)
        index.refresh()
        for id, picture in pictures.items():
            crop = picture[40:200, 60:280]
            [match] = index.search(crop, effort=5)
            assert match.id == id
            assert [match] == oracle.search(crop, effort=5)
    with sigsearch.open(location, **elasticsearch_server.options) as index:
        assert index.scheme.views == "regions"
