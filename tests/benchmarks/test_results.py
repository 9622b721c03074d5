"""The results: tables on cases worked by hand, one page that loads nothing, and what a run lacks is told."""

import gzip
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from benchmarks.edits import EDITS
from benchmarks.results import document, headline, report
from benchmarks.results.copies import Copies, grouped_share
from benchmarks.results.evidence import Evidence
from benchmarks.results.misses import worst_misses
from benchmarks.results.searches import Searches, median_ratio
from benchmarks.results.words import frontier
from benchmarks.suite.rows import RowFile, RowsError

HEADER = {
    "started": "2026-01-01T00:00:00+00:00",
    "commit": "abc",
    "changed": False,
    "machine": {"cpu": "a cpu", "cores": 2},
    "versions": {"numpy": "2.0", "torch": None},
    "edits": ["grey", "mirror"],
    "mode": "quick",
    "pictures": None,
    "pairs": None,
    "seed": 7,
    "records": [1000, 10_000],
}
OURS, THEIRS, PDQ = "sigsearch", "image-match 1.1.2", "PDQ"


def write(path, rows, header=HEADER):
    """A file of raw rows of (kind, fields)."""
    with RowFile(path, header).unit("all") as keep:
        for kind, fields in rows:
            keep(kind, **fields)
    return path


def copy(picture, edit, own, strangers, ranks):
    """One query of descriptors, in their order."""
    names = (OURS, PDQ)
    return (
        "copy",
        {
            "picture": picture,
            "edit": edit,
            "own": dict(zip(names, own, strict=True)),
            "strangers": dict(zip(names, strangers, strict=True)),
            "ranks": dict(zip(names, ranks, strict=True)),
        },
    )


def descriptor(name, size, cutoff):
    return (
        "descriptor",
        {"name": name, "bytes": size, "cutoff": cutoff, "cutoff_source": "a paper", "note": ""},
    )


FOUR = [
    descriptor(OURS, 173, 0.45),
    descriptor(PDQ, 32, 90),
    ("stranger_records", {"windows": 10, "pictures": 2}),
    ("original", {"picture": "a", "featureless": False, "describe_ms": {OURS: 1.0, PDQ: 5.0}}),
    ("original", {"picture": "b", "featureless": False, "describe_ms": {OURS: 2.0, PDQ: 5.0}}),
    copy("a", "grey", [0.1, 10], [[0.6, 0.9], [95, 99]], [[0, 0], [0, 0]]),
    copy("a", "mirror", [0.7, 20], [[0.62, 0.9], [50, 99]], [[1, 0], [0, 0]]),
    copy("b", "grey", [0.2, 30], [[0.65, 0.9], [120, 130]], [[0, 1], [0, 0]]),
    copy("b", "mirror", [None, 100], [[0.7, 0.9], [130, 140]], [[3, 0], [0, 0]]),
]
"""Two pictures under two edits; the last copy is never found by ours."""


@pytest.fixture
def four(tmp_path):
    return Evidence(write(tmp_path / "rows.jsonl", FOUR))


def cells(markdown, first):
    """The cells of the first line of a table that begins so, without what makes them bold."""
    line = next(line for line in markdown.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip().replace("**", "") for cell in line.strip("|").split("|")]


def part(markdown, heading):
    """What stands below a heading."""
    return re.split(r"^#+ ", markdown.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.M)[0]


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
    markdown = document.write(Evidence(write(tmp_path / "rows.jsonl", [("calibration", row)]))).markdown
    table = part(markdown, "Calibration")
    assert cells(table, "0.4")[1:] == ["2", "4", "0.5 x"]
    assert cells(table, "0.5")[1:] == ["10", "0", "-"]


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


def searches(engine, records, ms, found, near_found):
    row = {"engine": engine, "records": records, "limit": 100, "cutoff": 0.45, "queries": [0, 1, 2, 3]}
    return ("searches", row | {"ms": ms, "found": found, "near_found": near_found})


def engines():
    """Four queries of two sizes: the second engine is twice as slow, finds one more, and is smaller."""
    rows = []
    for records, factor in ((1000, 1), (10_000, 10)):
        for i, (own, near) in enumerate(((0.1, 1), (0.2, 2), (0.5, 0), (0.44, 1))):
            asked = {"records": records, "number": i, "picture": f"p{i}", "edit": "grey"}
            rows.append(("query", asked | {"own_distance": own, "near": near}))
        ms = np.arange(1.0, 5) * factor
        rows.append(searches("sigsearch embedded", records, ms, [1, 1, 0, 0], [1, 2, 0, 0]))
        rows.append(searches(THEIRS, records, 2 * ms, [1, 1, 0, 1], None))
        for engine, size in (("sigsearch embedded", 200), (THEIRS, 100)):
            at = {"engine": engine, "records": records}
            rows.append(("size", at | {"when": "merged", "disk_bytes": size * records, "memory_bytes": None}))
            rows.append(("size", at | {"when": "as loaded", "disk_bytes": 999 * records}))
            rows.append(("load", at | {"added": 900, "seconds": 3.0, "cores_s": None}))
            rows.append(("throughput", at | {"threads": 2, "queries": 100, "seconds": 0.5}))
            rows.append(("throughput", at | {"threads": 1, "queries": 100, "seconds": 1.0}))
    return rows


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


def test_an_engines_losses_are_told_with_both_figures(tmp_path):
    markdown = document.write(Evidence(write(tmp_path / "rows.jsonl", engines()))).markdown
    lost = part(markdown, "Where sigsearch loses: engines")
    lines = [line for line in lost.splitlines() if line.startswith("| sigsearch embedded")]
    told = [[cell.strip() for cell in line.strip("|").split("|")][1:6] for line in lines]
    assert [line[0] for line in told] == [
        "recall",
        "recall of copies below the cutoff",
        "bytes a record on disk",
    ]
    assert told[2] == ["bytes a record on disk", THEIRS, "1,000, 10,000", "200", "100"]


def words(**fields):
    row = {"where": "offline", "shape": "run", "length": 16, "count": 63, "weighting": "equal", "near": 0}
    row |= {"share": None, "records": 1000, "queries": 4, "postings": [10, 20, 30, 40], "index_bytes": 100.0}
    return ("words", row | {"better": [0, 50, None, 10], "equal": [0, 0, None, 0]} | fields)


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


EDITED = ["JPEG 70", "grey", "crop 10 % a side", "rotate 5 degrees", "mirror"]
PICTURES = ["pictures/MonaLisa_Wikipedia.jpg", "made picture 1048576", "gone.jpg"]
MISSED = (PICTURES[0], "rotate 5 degrees")


def random_rows(seed):
    """Rows of all kinds that docs/benchmarks-rows.md tells, with figures somewhat like real ones."""
    rng = np.random.default_rng(seed)
    names = {OURS: 1.0, THEIRS: 1.0, PDQ: 256.0}

    def by_name(low, high, *shape):
        return {name: np.sort(rng.uniform(low, high, shape) * top, axis=-1) for name, top in names.items()}

    rows = [descriptor(name, 100, 0.45 * top) for name, top in names.items()]
    rows += [("stranger_records", {"windows": 900, "pictures": 100})]
    rows += [("ignored", {"a": "x.jpg", "b": "y.jpg", "why": "same picture"})]
    for picture in PICTURES:
        times = dict.fromkeys(names, rng.random())
        rows.append(("original", {"picture": picture, "featureless": False, "describe_ms": times}))
        for edit in EDITED:
            own = {name: rng.uniform(0, 0.7) * top for name, top in names.items()}
            if (picture, edit) == MISSED:
                own = {OURS: 0.95, THEIRS: 0.01, PDQ: 0.01}
            ranks = {name: rng.integers(0, 2, 2) for name in names}
            fields = {"own": own, "strangers": by_name(0.5, 1, 5), "ranks": ranks}
            rows.append(("copy", {"picture": picture, "edit": edit, **fields}))
        for name, top in names.items():
            of = {"descriptor": name, "against": "windows", "query": picture, "records": 1000}
            rows.append(("false_matches", of | {"cutoffs": np.array([0.4, 0.6]) * top, "below": [0, 3]}))
    for name in names:
        for a, b in (PICTURES[:2], ("gone <b>.jpg", "a|b_c_.jpg")):
            rows.append(("look_alike", {"descriptor": name, "a": a, "b": b, "distance": 0.5}))
    pair = {"a": "x", "b": "y", "label": "crop", "verified_by_eye": False}
    rows.append(("pair", pair | {"distances": dict.fromkeys(names, 0.3)}))
    rows.append(("calibration", {"records": 9, "cutoffs": [0.4], "per_million": [1.5], "measured": [2.0]}))
    rows.append(("statistics", {"of": "windows", "records": 9, "name": "zeros", "value": 0.3}))
    rows += engines()
    for engine in ("sigsearch embedded", THEIRS):
        at = {"engine": engine, "records": 1000}
        rows.append(("first_search", at | {"ms": [9.0, 10.0, 11.0]}))
        rows.append(("merge", at | {"seconds": 1.0}))
        rows.append(("orientations", at | {"one_ms": [1.0, 2.0], "all_ms": [3.0, 4.0]}))
        rows.append(("filtered", at | {"share": 0.01, "ms": [1.0, 2.0], "unfiltered_ms": [2.0, 3.0]}))
    rows.append(words())
    rows.append(words(where="elasticsearch", candidates=30, found=[1, 0, 1, 1], ms=[1.0, 2, 3, 4]))
    return rows


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The report of a run with rows of all kinds."""
    folder = tmp_path_factory.mktemp("whole")
    raw = write(folder / "rows.jsonl", random_rows(0), HEADER | {"edits": EDITED})
    return report(raw, folder / "out").parent


class Checker(HTMLParser):
    """Tags that close what was opened, what is loaded from elsewhere, ids, and pictures without words."""

    VOID = frozenset({"meta", "img", "br", "hr"})

    def __init__(self):
        super().__init__()
        self.open, self.links, self.images, self.ids, self.tags = [], [], [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        attributes = dict(attrs)
        assert len(attributes) == len(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "srcset", "data")]
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag == "img":
            self.images.append(attributes)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(whole):
    html = (whole / "index.html").read_text()
    page = Checker()
    page.feed(html)
    assert page.open == []
    assert not page.tags & {"script", "link", "iframe", "object"}
    assert all(link.startswith("data:") or link[1:] in page.ids for link in page.links)
    assert len(page.ids) == len(set(page.ids))
    assert "url(" not in html
    assert "@import" not in html
    assert all(image["alt"] for image in page.images)
    assert "gone &lt;b&gt;.jpg" in html
    assert "<b>" not in html


def test_the_page_shows_edits_misses_and_strangers(whole):
    html = (whole / "index.html").read_text()
    assert html.count("the painting after the edit") == len(EDITED)
    assert f"the query: {MISSED[0]} after {MISSED[1]}" in html
    assert f'alt="{PICTURES[1]}"' in html
    assert "a|b_c_.jpg" in html
    plots = sorted(path.name for path in (whole / "plots").iterdir())
    assert html.count("data:image/svg+xml") == len(plots) == 8
    markdown = (whole / "report.md").read_text()
    assert sorted(re.findall(r"\(plots/(.*?)\)", markdown)) == plots


def test_all_kinds_of_rows_are_told(whole):
    markdown = (whole / "report.md").read_text()
    assert "Not measured:" not in markdown
    assert "Nothing: there are rows of all kinds." in markdown


def test_each_table_has_as_many_cells_in_all_lines(whole):
    tables = re.findall(r"(?:^\|.*\n)+", (whole / "report.md").read_text(), flags=re.M)
    assert len(tables) > 20
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_the_same_rows_give_the_same_report(tmp_path, whole):
    raw = write(tmp_path / "rows.jsonl", random_rows(0), HEADER | {"edits": EDITED})
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(raw.read_bytes()))
    page = report(packed)
    assert page == tmp_path / "rows-report" / "index.html"
    names = [path.relative_to(whole) for path in whole.rglob("*") if path.is_file()]
    assert len(names) == 10
    for name in names:
        one, other = (re.sub(rb"[\d.]+ minutes", b"", (f / name).read_bytes()) for f in (whole, page.parent))
        assert one == other, name


def test_a_run_that_measured_nothing_says_so_and_why(tmp_path):
    raw = write(tmp_path / "rows.jsonl", [("absent", {"what": "Elasticsearch", "why": "no Java was found"})])
    markdown = (report(raw).parent / "report.md").read_text()
    assert "- Elasticsearch: no Java was found" in markdown
    assert "There are no rows of the kinds `original`, `copy`" in markdown
    for heading in re.findall("^## (.*)$", markdown, flags=re.M)[1:]:
        said = part(markdown, heading).strip()
        assert said.startswith("Not measured: the run has no rows of the kind"), heading
        assert said.endswith("(Elasticsearch: no Java was found).")


@pytest.mark.long
@pytest.mark.parametrize("kind", sorted({kind for kind, _ in random_rows(0)}))
def test_any_kind_of_rows_may_be_missing(tmp_path, kind):
    rows = [(each, fields) for each, fields in random_rows(0) if each != kind]
    markdown = document.write(Evidence(write(tmp_path / "rows.jsonl", rows))).markdown
    assert markdown.startswith("# ")


def test_single_figures_by_name(tmp_path):
    found = headline(write(tmp_path / "rows.jsonl", [*FOUR, *engines()]))
    assert found["copies"] == "4"
    assert found["PDQ: recall at 99.99 % precision"] == "75.0 %"
    assert found["sigsearch: bytes a picture"] == "173"
    assert found["sigsearch embedded, 10,000 records: p50, ms"] == "25"
    assert found["image-match 1.1.2, 1,000 records: recall"] == "75.0 %"
    assert found["image-match 1.1.2, 1,000 records: first search, ms"] == "-"


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"kind": "copy"}) + "\n")
    with pytest.raises(RowsError, match="wanted a file of raw rows, found another one"):
        report(path)


def test_the_edits_of_these_tests_are_the_suites():
    assert {*EDITED, "grey"} <= EDITS.keys()
