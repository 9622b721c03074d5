"""The report as files: a page that loads nothing, the same for the same rows, which says what a run lacks."""

import gzip
import json
import re
from html.parser import HTMLParser

import pytest
from result_rows import EDITED, FOUR, HEADER, MISSED, PICTURES, engines, part, random_rows, write

from benchmarks.edits import EDITS
from benchmarks.results import document, headline, report
from benchmarks.results.evidence import Evidence
from benchmarks.suite.rows import RowsError


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
