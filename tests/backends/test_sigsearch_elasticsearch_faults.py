"""The Elasticsearch backend and servers that are killed, stopped, restarted, small, or ask for a password."""

import hashlib
import ssl
import threading
import time

import numpy as np
import pytest
from sigsearch_elasticsearch.backend import ElasticsearchBackend

import sigsearch
from sigsearch.backend import Outcome
from sigsearch.errors import AccessDeniedError, InputError, SigsearchError, StorageError
from sigsearch.records import Item
from sigsearch.scheme import DEFAULT_SCHEME
from sigsearch.testing.samples import check_same, make_record, make_records, make_signature

pytestmark = [pytest.mark.long, pytest.mark.elasticsearch]


@pytest.fixture(scope="module")
def server(own_elasticsearch):
    # A small http.max_content_length, so that what is too large need not be large.
    with own_elasticsearch(settings={"http.max_content_length": "200kb"}) as server:
        yield server


@pytest.fixture
def open_backend(server, request):
    opened = []
    name = request.node.name.lower()[:100]

    def open_backend(**options):
        backend = ElasticsearchBackend.open(
            server.location(name), scheme=DEFAULT_SCHEME, create=True, options={"timeout": 60, **options}
        )
        opened.append(backend)
        return backend

    yield open_backend
    for backend in opened:
        backend.close()


def in_background(work):
    """Run something in a thread; the errors that it raises are collected."""
    errors = []

    def run():
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, errors


# Killed and stopped


def test_what_was_acknowledged_is_there_once_after_the_server_was_killed(server, open_backend):
    backend = open_backend()
    acknowledged, outcomes, stop = [], [], threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            records = [make_record(f"{number}-{i}", seed=i, metadata=number) for i in range(20)]
            outcomes.extend(backend.add(records, replace=False))
            acknowledged.extend(records)
            number += 1

    thread, errors = in_background(write)
    for _ in range(2):
        time.sleep(1.5)
        before = len(acknowledged)
        server.kill()
        time.sleep(0.5)
        server.start_node()
        deadline = time.monotonic() + 60
        while len(acknowledged) <= before + 20 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(acknowledged) > before + 20, "it does not go on"
    stop.set()
    thread.join(60)
    assert errors == []
    assert set(outcomes) == {Outcome.ADDED}
    scanned = list(backend.scan())
    assert sorted(record.id for record in scanned) == sorted(record.id for record in acknowledged)
    assert backend.count() == len(acknowledged)
    assert list(backend.check()) == []


def test_an_add_many_that_the_server_dies_under_can_be_repeated(server, open_backend):
    open_backend()
    name = open_backend()._connection.name
    items = [Item(signature=make_signature(i % 50), id=f"{i}") for i in range(12_000)]
    with sigsearch.open(server.location(name), timeout=1) as index:
        thread, errors = in_background(lambda: index.add_many(items))
        time.sleep(0.7)
        server.kill()
        thread.join(60)
        assert not thread.is_alive()
        assert [type(error) for error in errors] in ([StorageError], [])
        server.start_node()
        report = index.add_many(items)
        assert (report.added + report.skipped, report.failures) == (12_000, ())
        assert index.count() == 12_000
        assert len({record.id for record in index.scan()}) == 12_000


def test_a_server_that_hangs_is_given_up_and_answers_again_later(server, open_backend):
    backend = open_backend(timeout=1.5)
    backend.add(make_records(3), replace=False)
    server.pause_node()
    try:
        begun = time.monotonic()
        with pytest.raises(StorageError, match="did not answer in time"):
            backend.add([make_record("a")], replace=False)
        with pytest.raises(StorageError, match="did not answer in time"):
            backend.count()
        assert time.monotonic() - begun < 20
    finally:
        server.resume_node()
    assert backend.add([make_record("a"), make_record("b")], replace=True)[1] is Outcome.ADDED
    assert backend.count() == 5
    check_same(backend.get(["a"])[0], make_record("a"))


def test_a_server_that_hangs_for_a_while_is_waited_for(server, open_backend):
    backend = open_backend(timeout=6)
    outcomes = []
    server.pause_node()
    thread, errors = in_background(lambda: outcomes.extend(backend.add(make_records(5), replace=False)))
    time.sleep(7)
    server.resume_node()
    thread.join(60)
    assert errors == []
    assert outcomes == [Outcome.ADDED] * 5  # although the first sending was carried out, too
    assert backend.count() == 5


def test_after_a_restart_the_same_object_goes_on_and_a_scan_says_what_happened(server, open_backend):
    backend = open_backend()
    backend.add([make_record(f"{i}", seed=i % 20) for i in range(700)], replace=False)
    scan = backend.scan()
    next(scan)
    server.restart()
    with pytest.raises(StorageError, match="given up this scan"):
        list(scan)
    assert len(list(backend.scan())) == 700
    found = backend.candidates(make_signature(7)[np.newaxis], where=None, cutoff=0.3, limit=100)[0]
    assert len(found) == 35
    assert backend.delete(["0"]) == 1


# Small and full


def test_a_server_that_takes_small_requests_only_gets_small_ones(open_backend):
    backend = open_backend()
    records = [make_record(f"{i}", seed=i % 20, metadata="x" * 1000) for i in range(1000)]
    assert backend.add(records, replace=False) == [Outcome.ADDED] * 1000
    assert backend.count() == 1000
    with pytest.raises(InputError, match=r"'large': .*http\.max_content_length"):
        backend.add([make_record("large", metadata="x" * 300_000)], replace=False)


def test_compacting_gives_back_the_space_of_what_was_deleted(server, open_backend):
    backend = open_backend()
    backend.add([make_record(f"{i}") for i in range(300)], replace=False)
    backend.refresh()
    backend.delete([f"{i}" for i in range(200)])
    backend.refresh()

    def deleted():
        with server.client() as client:
            return client.indices.stats(index=backend._connection.name)["_all"]["primaries"]["docs"][
                "deleted"
            ]

    assert deleted() >= 200
    deadline = time.monotonic() + 90
    while deleted() and time.monotonic() < deadline:
        backend.compact()  # the server keeps what was deleted in the last half minute, for its replicas
        backend.refresh()
        time.sleep(2)
    assert deleted() == 0
    assert backend.count() == 100


# With a password and a certificate


@pytest.fixture(scope="module")
def secure(own_elasticsearch):
    with own_elasticsearch(security=True) as server:
        yield server


@pytest.fixture
def open_secure(secure, monkeypatch):
    opened = []
    host = secure.hosts[0]

    def open_secure(userinfo="", *, name="photos", scheme="elasticsearch+https", create=True, **options):
        location = f"{scheme}://{userinfo}{host}/{name}"
        opened.append(
            ElasticsearchBackend.open(location, scheme=DEFAULT_SCHEME, create=create, options=options)
        )
        return opened[-1]

    yield open_secure
    for backend in opened:
        backend.close()


def add_and_find(backend):
    backend.add([make_record("a", seed=1)], replace=True)
    found = backend.candidates(make_signature(1)[np.newaxis], where=None, cutoff=0.3, limit=5)[0]
    assert [candidate.id for candidate in found] == ["a"]
    assert backend.info()["health"] == "green"


def test_a_user_a_key_a_certificate_and_its_fingerprint_are_taken(secure, open_secure, monkeypatch):
    user = f"{secure.user}:{secure.password}@"
    add_and_find(open_secure(user, ca_certs=secure.ca_file))
    add_and_find(open_secure(user, verify_certs=False))
    host, port = secure.hosts[0].split(":")
    certificate = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, int(port))))
    fingerprint = hashlib.sha256(certificate).hexdigest()
    add_and_find(open_secure(user, ca_fingerprint=fingerprint))
    key = secure.make_api_key()
    add_and_find(open_secure(ca_certs=secure.ca_file, api_key=key))
    monkeypatch.setenv("SIGSEARCH_ES_CA_CERTS", str(secure.ca_file))
    monkeypatch.setenv("SIGSEARCH_ES_API_KEY", key)
    add_and_find(open_secure())
    monkeypatch.delenv("SIGSEARCH_ES_API_KEY")
    monkeypatch.setenv("SIGSEARCH_ES_USER", secure.user)
    monkeypatch.setenv("SIGSEARCH_ES_PASSWORD", secure.password)
    add_and_find(open_secure())


def test_what_is_wrong_with_a_password_or_certificate_is_said(secure, open_secure):
    user = f"{secure.user}:{secure.password}@"
    trust = {"ca_certs": secure.ca_file}
    for userinfo, options, error, said in (
        ("", trust, AccessDeniedError, "pass user and password"),
        (f"{secure.user}:geheim@", trust, AccessDeniedError, "pass user and password"),
        ("", {**trust, "api_key": "geheim"}, AccessDeniedError, "pass user and password"),
        (user, {}, StorageError, "not trusted.*ca_certs.*ca_fingerprint"),
        (user, {"ca_fingerprint": "ab" * 32}, StorageError, "not trusted"),
        (user, {"scheme": "elasticsearch"}, StorageError, "elasticsearch\\+https://"),
    ):
        with pytest.raises(error, match=said) as raised:
            open_secure(userinfo, **options)
        assert "geheim" not in str(raised.value)
        assert len(str(raised.value).splitlines()) == 1


def test_who_may_only_read_can_search_and_is_told_what_it_may_not(secure, open_secure):
    user = f"{secure.user}:{secure.password}@"
    trust = {"ca_certs": secure.ca_file}
    owner = open_secure(user, name="readable", **trust)
    owner.add([make_record("a", seed=1)], replace=False)
    owner.refresh()
    key = secure.make_api_key(
        role_descriptors={
            "reader": {"indices": [{"names": ["readable*"], "privileges": ["read", "view_index_metadata"]}]}
        }
    )
    reader = open_secure(name="readable", create=False, api_key=key, **trust)
    assert reader.count() == 1
    assert [record.id for record in reader.scan()] == ["a"]
    assert reader.contains(["a"]) == {"a"}
    assert list(reader.check()) == []
    assert "health" not in reader.info()
    for call in (
        lambda: reader.add([make_record("b")], replace=False),
        lambda: reader.delete(["a"]),
        lambda: reader.refresh(),
        lambda: reader.compact(),
        lambda: open_secure(name="other", api_key=key, **trust),
    ):
        with pytest.raises(AccessDeniedError, match="ask for the rights"):
            call()
    with pytest.raises(SigsearchError):
        open_secure(name="other", create=False, api_key=key, **trust)
