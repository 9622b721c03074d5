"""The tables of the results, on cases worked by hand."""

import math

import numpy as np
import pytest
from result_rows import FOUR, OURS, PDQ, THEIRS, cells, copy, engines, part, searches, words, write

from benchmarks.results import document
from benchmarks.results.copies import Copies, grouped_share
from benchmarks.results.evidence import Evidence
from benchmarks.results.misses import worst_misses
from benchmarks.results.searches import Searches, median_ratio
from benchmarks.results.words import frontier


@pytest.fixture
def four(tmp_path):
    return Evidence(write(tmp_path / "rows.jsonl", FOUR))


def test_recall_of_four_copies(four):
    copies = Copies(four)
    assert copies.recall_recommended(OURS).value == 0.5
    assert copies.recall_recommended(PDQ).value == 3 / 4
    # The nearest stranger of ours is at 0.6, so that is the cutoff without a false match; below are 0.1, 0.2.
    assert (copies.precise[OURS], copies.recall_precise(OURS).value) == (0.6, 0.5)
    assert (copies.precise[PDQ], copies.recall_precise(PDQ).value) == (50, 3 / 4)
    # Nearest of all: a's copy surely, b's with one as near by half, the others never.
    assert copies.recall_first(OURS).value == pytest.approx(1.5 / 4)
    assert copies.recall_precise(PDQ, "mirror").value == 0.5
    # In order: right 0.1 and 0.2, wrong 0.6, 0.62, 0.65, then 0.7 right and wrong at once: 3 of 7.
    # The wrong ones at 0.9 come after all that is found, and one is never found: (1 + 1 + 3/7) / 4.
    assert copies.micro_average(OURS).value == pytest.approx((1 + 1 + 3 / 7) / 4)


def test_the_table_of_edits_shows_shares_intervals_and_winners(four):
    markdown = document.write(four).markdown
    table = part(markdown, "Recall of each edit, at 99.99 % precision")
    assert cells(table, "grey") == ["grey", "100.0 % (34.2 to 100.0)", "100.0 % (34.2 to 100.0)"]
    # Wilson of 0 and of 1 of 2: 3.8416 / 5.8416 = 0.658, and 0.5 +- 0.405.
    assert cells(table, "mirror") == ["mirror", "0.0 % (0.0 to 65.8)", "50.0 % (9.5 to 90.5)"]
    assert cells(table, "edits at which it is best or as good")[1:] == ["1", "2"]
    assert "**50.0 %" in table
    assert "**0.0 %" not in table


def test_it_says_where_sigsearch_loses_and_only_there(four):
    markdown = document.write(four).markdown
    edits = part(markdown, "sigsearch: recall at 99.99 % precision")
    assert "A peer is better in 1 of 2 edits." in edits
    assert cells(edits, "mirror")[1:] == ["0.0 % (0.0 to 65.8)", "PDQ 50.0 % (9.5 to 90.5), overlapping"]
    assert "| grey |" not in edits
    overall = part(markdown, "sigsearch: over all edits")
    assert cells(overall, "bytes a picture") == ["bytes a picture", "173", "PDQ 32, not known"]
    assert "describing a decoded picture" not in overall
    # PDQ has one stranger below its recommended cutoff, at 50; ours none.
    assert "queries with a stranger" not in overall


def test_the_allowed_false_matches_are_said_in_words(four):
    assert "if every copy were found, no match might be wrong" in document.write(four).markdown


@pytest.mark.parametrize(("queries", "allowed"), [(9998, 0), (9999, 1), (19_998, 2)])
def test_one_match_in_ten_thousand_may_be_wrong(four, queries, allowed):
    copies = Copies(four)
    copies.rows = copies.rows[:1] * queries
    assert copies.allowed == allowed


def test_the_worst_miss_is_what_peers_find_of_what_needs_no_turning(tmp_path):
    more = copy("c", "grey", [0.8, 45], [[0.7], [60]], [[1, 0], [0, 0]])
    copies = Copies(Evidence(write(tmp_path / "rows.jsonl", [*FOUR, more])))
    (miss,) = worst_misses(copies)
    assert (miss.picture, miss.edit, miss.finders) == ("c", "grey", ("PDQ 45 (cutoff 50)",))


def test_an_interval_has_width_where_all_are_found():
    found = grouped_share(np.ones(10, np.bool_), list("aaaaabbbbb"))
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(10 / (10 + 1.96**2), abs=1e-3)


def test_copies_of_one_picture_make_the_interval_wider():
    found = np.repeat([True, False] * 10, 20)
    together = grouped_share(found, [str(i // 20) for i in range(400)])
    # 20 pictures, all or nothing each, are as many throws of a coin: 2.1 % are at most 5, 5.8 % at most 6.
    assert 5 / 20 <= together.low <= 6 / 20
    assert 14 / 20 <= together.high <= 15 / 20


def test_false_matches_per_million(tmp_path):
    rows = [
        ("false_matches", {"descriptor": OURS, "against": "windows", "query": q, "records": 1000})
        for q in "abcd"
    ]
    for (_, fields), below in zip(rows, ([0, 1], [0, 0], [0, 3], [0, 4]), strict=True):
        fields.update(cutoffs=[0.4, 0.5], below=below)
    markdown = document.write(Evidence(write(tmp_path / "rows.jsonl", [*FOUR, *rows]))).markdown
    table = part(markdown, "sigsearch, against windows")
    assert "4 queries, 4,000 comparisons." in table
    # Per million 1000, 0, 3000, 4000; 90 % of the way are 7 tenths from the third to the fourth.
    line = cells(table, "0.5")
    assert line[1].startswith("2,000 (")
    assert line[2:] == ["2,000", "3,700", "4,000"]
    # None of 4,000: Wilson's upper end is 3.8416 / 4003.8416. Bold: 0.45 is recommended.
    assert cells(table, "**0.4**")[1:] == ["0 (0 to 959)", "0", "0", "0"]


def test_false_matches_are_lost_by_who_has_more_at_the_recommended_cutoff(tmp_path):
    of = {"against": "windows", "query": "a", "records": 1000}
    rows = [
        ("false_matches", of | {"descriptor": OURS, "cutoffs": [0.4, 0.45, 0.5], "below": [0, 2, 3]}),
        ("false_matches", of | {"descriptor": PDQ, "cutoffs": [80, 100], "below": [1, 9]}),
    ]
    lost = part(
        document.write(Evidence(write(tmp_path / "rows.jsonl", [*FOUR, *rows]))).markdown,
        "sigsearch: false matches",
    )
    _, ours, theirs = cells(lost, "per million windows, at the recommended cutoff")
    assert ours.startswith("2,000 (")
    assert theirs.startswith("PDQ 1,000 (")
    assert theirs.endswith("overlapping")


def test_a_calibration_is_held_to_what_was_measured(tmp_path):
    row = {"records": 500, "cutoffs": [0.4, 0.5], "per_million": [2.0, 10.0], "measured": [4.0, 0.0]}
    row |= {"low": [1.0, 9.0], "high": [3.0, 11.0]}
    markdown = document.write(Evidence(write(tmp_path / "rows.jsonl", [("calibration", row)]))).markdown
    table = part(markdown, "Calibration")
    assert cells(table, "0.4")[1:] == ["2 (1 to 3)", "4", "0.5 x"]
    assert cells(table, "0.5")[1:] == ["10 (9 to 11)", "0", "-"]


def test_pairs_that_nobody_made_by_label(tmp_path):
    pairs = [("edit", 0.4, 100), ("edit", 0.5, 20), ("different", 0.3, 95)]
    rows = [
        (
            "pair",
            {"a": "x", "b": "y", "label": label, "verified_by_eye": True, "distances": {OURS: d, PDQ: e}},
        )
        for label, d, e in pairs
    ]
    markdown = document.write(Evidence(write(tmp_path / "rows.jsonl", [*FOUR, *rows]))).markdown
    table = part(markdown, "Natural pairs")
    assert [cell.split(" (")[0] for cell in cells(table, "edit")] == ["edit", "2", "2", "50.0 %", "50.0 %"]
    assert "**0.0 %" in next(line for line in table.splitlines() if line.startswith("| different"))
    # Below 0.6 are both edits of ours, below 50 one of PDQ's; ours alone takes the different ones for copies.
    lost = part(markdown, "sigsearch: natural pairs")
    assert "A peer is better in 2 of 4 labels and cutoffs." in lost
    assert cells(lost, "`different`, recommended cutoff")[2].startswith("PDQ 0.0 %")
    assert "`edit`" not in lost


def test_engines_by_four_queries(tmp_path):
    evidence = Evidence(write(tmp_path / "rows.jsonl", engines()))
    found = Searches(evidence)
    ours, theirs = found.at(1000)
    assert (ours.recall.value, theirs.recall.value) == (0.5, 0.75)
    assert ours.recall_below.value == pytest.approx(2 / 3)
    assert ours.recall_near.value == pytest.approx(3 / 4)
    assert math.isnan(theirs.recall_near.value)
    assert ours.latency(0.5).value == 2.5
    assert median_ratio(ours, theirs) == (0.5, 0.5, 0.5)
    assert found.growth("sigsearch embedded").value == pytest.approx(1)
    markdown = document.write(evidence).markdown
    paid = part(markdown, "1,000 records").split("searches a second")[1]
    line = cells(paid, "sigsearch embedded")
    assert line[:5] == ["sigsearch embedded", "200", "-", "300", "200"]
    assert line[-2:] == ["2 x", "1 x"]


def test_a_way_to_ask_has_the_costs_of_its_engine_and_no_others(tmp_path):
    at = {"engine": "sigsearch elasticsearch", "records": 1000}
    merged = {"when": "merged", "stored": 1000, "disk_bytes": 300_000}
    rows = [
        searches("sigsearch elasticsearch, effort 1", 1000, [1.0] * 4, [1] * 4, None),
        searches("sigsearch elasticsearchless", 1000, [1.0] * 4, [1] * 4, None),
        ("size", at | merged),
        ("first_search", at | {"ms": [5.0, 6.0, 9.0]}),
    ]
    raw = write(tmp_path / "rows.jsonl", [*engines(), *rows])
    effort, other = Searches(Evidence(raw)).at(1000)[2:]
    assert effort.cost("bytes a record on disk").value == 300
    assert effort.cost("first search").value == 6
    assert math.isnan(other.cost("bytes a record on disk").value)


def test_an_engines_losses_are_told_with_both_figures(tmp_path):
    markdown = document.write(Evidence(write(tmp_path / "rows.jsonl", engines()))).markdown
    lost = part(markdown, "Where sigsearch loses: engines")
    told = [line.strip("| ").split(" | ") for line in lost.splitlines() if "| sigsearch embedded |" in line]
    assert [line[0] for line in told] == [
        "recall",
        "recall of copies below the cutoff",
        "bytes a record on disk",
    ]
    assert told[2][1:] == [
        "sigsearch embedded",
        "200 at 10,000",
        f"{THEIRS} 100 at 10,000, also at 1,000, not known",
    ]


def test_words_by_four_queries(tmp_path):
    rows = [
        words(),
        words(length=10, postings=[99] * 4, index_bytes=200.0),
        words(where="elasticsearch", candidates=30, found=[1, 1, 0, 1], ms=[1.0, 2, 3, 4], better=None),
    ]
    markdown = document.write(Evidence(write(tmp_path / "rows.jsonl", rows))).markdown
    offline = part(markdown, "Offline")
    line = cells(offline, "**run 63 x 16**")
    assert line[:4] == ["run 63 x 16", "equal", "0", "-"]
    # 0 and 10 before it: within 30; 50 before it: within 100.
    assert [cell.split(" (")[0] for cell in line[4:]] == ["50.0 %", "75.0 %", "25", "100"]
    assert "| run 63 x 10 |" in offline  # as good at a higher cost: no part of the frontier
    assert cells(part(markdown, "In Elasticsearch"), "**run 63 x 16**")[4:6] == [
        "30",
        "75.0 % (30.1 to 95.4)",
    ]


def test_the_frontier_is_what_no_other_outdoes():
    recalls = [0.9, 0.8, 0.9, 0.95, 0.8]
    costs = [[5, 1], [6, 1], [5, 2], [9, 9], [6, math.nan]]
    assert frontier(recalls, costs) == [True, False, False, True, True]
    assert frontier([0.5, 0.5], [[1], [1]]) == [True, True]
