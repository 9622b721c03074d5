"""From an embedded index into Elasticsearch and back: every record as it was, damaged ones named."""

import pytest

import sigsearch
from sigsearch import migrate
from sigsearch.records import Record
from sigsearch.testing.conformance import JSON_VALUES
from sigsearch.testing.samples import (
    check_same,
    featureless,
    make_copy,
    make_record,
    make_records,
    make_signature,
    make_views,
)


@pytest.fixture
def server(elasticsearch_server, name):
    """The location of an index that is not there yet."""
    return elasticsearch_server.location(name)


def some_records():
    records = make_records(1200)
    records += [make_record(f"json-{k}", metadata=value) for k, value in enumerate(JSON_VALUES)]
    records += [make_record(f"copy-{k}", make_copy(make_signature(1000 + k), 30)) for k in range(40)]
    return [
        *records,
        make_record("blank", featureless()),
        Record("views", make_views(*map(make_signature, (1, 2)))),
    ]


def check_holds(index, records):
    found = {record.id: record for record in index.scan()}
    assert found.keys() == {record.id for record in records}
    for record in records:
        check_same(found[record.id], record)


def test_there_and_back_every_record_is_as_it_was(server, tmp_path):
    records = some_records()
    with (
        sigsearch.open(tmp_path / "a.sig") as first,
        sigsearch.open(server) as there,
        sigsearch.open(tmp_path / "b.sig") as back,
    ):
        first.add_many(records)
        for source, target in ((first, there), (there, back)):
            report = migrate(source, target)
            assert (report.read, report.added, report.left_out) == (len(records), len(records), 0)
            assert report.verification.wrong == ()
            assert report.verification.found_too == report.verification.matches
            check_holds(target, records)
        again = migrate(there, back)
        assert (again.added, again.present, again.verification.wrong) == (0, len(records), ())


def test_of_damaged_documents_those_are_copied_whose_signature_is_whole(server, tmp_path, client, name):
    records = make_records(6)
    with sigsearch.open(server) as source, sigsearch.open(tmp_path / "b.sig") as target:
        source.add_many(records)
        source.refresh()
        # As another program might write it: words and terms are lost, since they are not given back.
        client.index(index=name, id="record-1", document=client.get(index=name, id="record-1")["_source"])
        client.index(index=name, id="record-2", document={"path": "/x"}, refresh=True)
        skipped = migrate(source, target)
        assert (skipped.read, skipped.added, skipped.left_out) == (6, 4, 2)
        assert sorted(problem.id for problem in skipped.damaged) == ["record-1", "record-2"]
        assert all(repr(problem.id) in str(problem) for problem in skipped.damaged)
        copied = migrate(source, target, on_damage="copy")
        assert (copied.read, copied.added, copied.left_out) == (6, 1, 1)
        assert copied.verification.wrong == ()
        check_holds(target, [record for record in records if record.id != "record-2"])
