"""Every record from one index into another: kept, counted, compared; interrupted and run again."""

import json
import re
from contextlib import contextmanager
from dataclasses import replace

import pytest

import sigsearch
from sigsearch import migrate
from sigsearch.errors import InputError, SchemeMismatchError, StorageError
from sigsearch.records import Problem, Record, View
from sigsearch.scheme import IMAGE_MATCH_SCHEME, Scheme
from sigsearch.testing.samples import (
    check_same,
    featureless,
    make_copy,
    make_record,
    make_records,
    make_signature,
    make_views,
)


@contextmanager
def two(tmp_path, records=()):
    """An embedded index with records, and an empty one."""
    with sigsearch.open(tmp_path / "a.sig") as source, sigsearch.open(tmp_path / "b.sig") as target:
        source.add_many(records)
        yield source, target


def some_records():
    """Records of every kind, and copies of some of them."""
    records = make_records(2500)
    records += [
        make_record(f"copy-{k}", make_copy(make_signature(1000 + k), 30), metadata=[k]) for k in range(50)
    ]
    records += [make_record("blank", featureless()), make_record("bare")]
    return [
        *records,
        Record("views", make_views(make_signature(1), make_signature(2)), "/v.jpg", {"a": None}),
    ]


def check_all_there(index, records):
    assert index.count() == len(records)
    for record in records:
        check_same(index.get(record.id), record)


def test_every_record_is_copied_with_all_that_belongs_to_it(tmp_path):
    records = some_records()
    with two(tmp_path, records) as (source, target):
        report = migrate(source, target)
        check_all_there(target, records)
    assert (report.read, report.added, report.present, report.left_out) == (len(records), len(records), 0, 0)
    found = report.verification
    assert (found.records, found.sampled, found.wrong) == (len(records), 100, ())
    assert found.found in (99, 100)  # one has no features
    assert found.found_too == found.matches > 0


def test_a_second_run_adds_nothing_and_a_later_one_what_was_added_since(tmp_path):
    records = make_records(30)
    with two(tmp_path, records) as (source, target):
        migrate(source, target)
        again = migrate(source, target)
        assert (again.read, again.added, again.present) == (30, 0, 30)
        assert again.verification.sampled == 30
        later = make_records(5, prefix="later")
        source.add_many(later)
        third = migrate(source, target)
        assert (third.read, third.added, third.present) == (35, 5, 30)
        check_all_there(target, [*records, *later])


def test_after_an_interruption_the_same_call_goes_on(tmp_path):
    records = make_records(3500)

    def interrupt(report):
        if report.read >= 2000:
            raise KeyboardInterrupt

    with two(tmp_path, records) as (source, target):
        with pytest.raises(KeyboardInterrupt):
            migrate(source, target, on_advance=interrupt)
        assert target.count() == 2000
        report = migrate(source, target)
        assert (report.added, report.present) == (1500, 2000)
        check_all_there(target, records)


def test_the_progress_so_far_is_told(tmp_path):
    told = []
    with two(tmp_path, make_records(2500)) as (source, target):
        migrate(source, target, on_advance=lambda report: told.append((report.read, report.added)))
    assert told == [(1000, 1000), (2000, 2000), (2500, 2500)]


def test_words_may_differ_and_signatures_may_not(tmp_path):
    records = make_records(10)
    with (
        sigsearch.open(tmp_path / "a.sig", scheme=IMAGE_MATCH_SCHEME) as source,
        sigsearch.open(tmp_path / "b.sig") as target,
        sigsearch.open(tmp_path / "c.sig", scheme=Scheme(crop_percentiles=(0, 100))) as other,
    ):
        source.add_many(records)
        assert migrate(source, target).added == 10
        check_all_there(target, records)
        with pytest.raises(
            SchemeMismatchError, match=r"c\.sig was made with another scheme: .*crop_percentiles"
        ):
            migrate(source, other)
        assert other.count() == 0


def test_an_index_is_not_copied_into_itself(tmp_path):
    with (
        sigsearch.open(tmp_path / "a.sig") as source,
        sigsearch.open(f"{tmp_path}/../{tmp_path.name}/a.sig") as same,
    ):
        for target in (source, same):
            with pytest.raises(InputError, match="wanted two indexes, found one"):
                migrate(source, target)


@pytest.mark.parametrize("arguments", [{"on_damage": "ignore"}, {"sample": -1}, {"sample": 1.5}])
def test_arguments_that_are_none_are_refused(tmp_path, arguments):
    with two(tmp_path) as (source, target), pytest.raises(InputError, match="wanted"):
        migrate(source, target, **arguments)


def test_an_empty_index_is_copied(tmp_path):
    with two(tmp_path) as (source, target):
        report = migrate(source, target)
    assert (report.read, report.verification.records, report.verification.wrong) == (0, 0, ())


# Damage


@contextmanager
def damaged(tmp_path, monkeypatch):
    """Two of five records are damaged; of one of them the signature is whole."""
    records = make_records(5)
    with two(tmp_path, records) as (source, target):
        whole = source.examine

        def examine(known=None):
            for record in whole(known):
                if record.id == "record-1":
                    yield Problem("record-1", "the record 'record-1' is damaged: no signature")
                elif record.id == "record-3":
                    yield Problem("record-3", "the record 'record-3': its words do not fit", record)
                else:
                    yield record

        monkeypatch.setattr(source, "examine", examine)
        yield source, target


def test_damaged_records_are_left_out_counted_and_named(tmp_path, monkeypatch):
    with damaged(tmp_path, monkeypatch) as (source, target):
        for added in (3, 0):
            report = migrate(source, target)
            assert (report.read, report.added, report.left_out, report.repaired) == (5, added, 2, 0)
            assert [problem.id for problem in report.damaged] == ["record-1", "record-3"]
            assert "its words do not fit" in str(report.damaged[1])
            assert report.verification.wrong == ()
        assert target.contains([f"record-{k}" for k in range(5)]) == {"record-0", "record-2", "record-4"}


def test_damaged_records_are_copied_where_the_signature_is_whole_if_asked(tmp_path, monkeypatch):
    with damaged(tmp_path, monkeypatch) as (source, target):
        report = migrate(source, target, on_damage="copy")
        assert (report.read, report.added, report.left_out, report.repaired) == (5, 4, 1, 1)
        assert target.contains(["record-1", "record-3"]) == {"record-3"}


def test_a_damaged_record_ends_it_if_asked(tmp_path, monkeypatch):
    with damaged(tmp_path, monkeypatch) as (source, target):
        with pytest.raises(StorageError, match=r"'record-1' is damaged: no signature; .* on_damage='skip'"):
            migrate(source, target, on_damage="stop")
        assert target.count() == 0


def test_records_that_the_target_refuses_are_named_and_the_others_copied(tmp_path, monkeypatch):
    with two(tmp_path, make_records(5)) as (source, target):
        add = target._backend.add

        def picky(records, *, replace):
            for record in records:
                if record.id == "record-2":
                    raise InputError("wanted smaller metadata")
            return add(records, replace=replace)

        monkeypatch.setattr(target._backend, "add", picky)
        report = migrate(source, target)
    assert (report.read, report.added, report.left_out) == (5, 4, 1)
    assert [str(failure) for failure in report.refused] == ["record-2: wanted smaller metadata"]
    assert report.verification.wrong == ()


# A target that lies


def lies(monkeypatch, target, change):
    """Let a target keep other records than those it is given."""
    add = target._backend.add
    monkeypatch.setattr(
        target._backend,
        "add",
        lambda records, *, replace: add([change(record) for record in records], replace=replace),
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda r: replace(r, metadata={"number": 1.0}), "has another metadata"),
        (lambda r: replace(r, timestamp=None), "has another timestamp"),
        (lambda r: replace(r, path="/elsewhere"), "has another path"),
        (lambda r: replace(r, views=(View(-r.views[0].signature),)), "has another views"),
        (lambda r: replace(r, id="one"), "wanted 5 records in .*, found 1"),
        (lambda r: replace(r, id=r.id + "!"), "the record 'record-0' is not in"),
        (
            lambda r: replace(r, views=(View(-r.views[0].signature),)),
            "is not found in .* by its own signature",
        ),
    ],
)
def test_what_is_not_as_it_should_be_is_told(tmp_path, monkeypatch, change, told):
    with two(tmp_path, make_records(5)) as (source, target):
        lies(monkeypatch, target, change)
        report = migrate(source, target)
    assert any(re.search(told, line) for line in report.verification.wrong)


def test_distances_that_differ_are_told(tmp_path, monkeypatch):
    near = make_record("near", make_copy(make_signature(1), 30))
    with two(tmp_path, [make_record("a", make_signature(1)), near]) as (source, target):
        farther = replace(near, views=(View(make_copy(make_signature(1), 60)),))
        lies(monkeypatch, target, lambda record: farther if record.id == "near" else record)
        wrong = migrate(source, target).verification.wrong
    assert any(line.startswith("'near' is 0.") and "from 'a'" in line for line in wrong)


def test_what_a_search_misses_behind_others_is_looked_for_without_a_limit(tmp_path, monkeypatch):
    with two(tmp_path, make_records(5)) as (source, target):
        candidates = target._backend.candidates

        def few(queries, *, limit, **options):
            found = candidates(queries, limit=limit, **options)
            return found if limit is None else [near[:0] for near in found]

        monkeypatch.setattr(target._backend, "candidates", few)
        found = migrate(source, target).verification
    assert (found.found, found.found_deep, found.wrong) == (0, 5, ())


def test_hundreds_of_the_same_picture_are_no_fault(tmp_path):
    signature = make_signature(1)
    with two(tmp_path, [make_record(f"{k:03}", signature) for k in range(250)]) as (source, target):
        found = migrate(source, target).verification
    assert found.wrong == ()
    assert found.found == 100


def test_a_report_is_json(tmp_path, monkeypatch):
    with damaged(tmp_path, monkeypatch) as (source, target):
        told = migrate(source, target).to_json()
    assert told["read"] == 5
    assert told["left_out"] == 2
    assert told["damaged"][0] == {
        "id": "record-1",
        "reason": "the record 'record-1' is damaged: no signature",
    }
    assert told["verification"]["records"] == 3
    assert '"left_out": 2' in json.dumps(told)
