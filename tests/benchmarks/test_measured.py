"""What the texts quote is what was measured: the committed raw rows give the report, and README's figures."""

from pathlib import Path

import pytest

from benchmarks.results import document
from benchmarks.results.evidence import Evidence

ROOT = Path(__file__).parents[2]
RAW = ROOT / "benchmarks" / "measured" / "full.jsonl.gz"
REPORT = ROOT / "docs" / "measured" / "report.md"
README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())

RECALL, PRECISE = "recall at the recommended cutoff", "recall at 99.99 % precision"
AVERAGE = "micro-average precision"
TURNED, PDQ = "sigsearch, 16 orientations", "PDQ, 8 orientations"
BELOW, P50, DISK = "recall of copies below the cutoff", "p50, ms", "bytes a record on disk"
EMBEDDED, FAISS = "sigsearch embedded", "faiss binary flat, signatures"
SERVER = "sigsearch elasticsearch, effort {}".format


def photographs(name, figure):
    return f"JPEG files, {name}: {figure}"


def at(records, name, figure):
    return f"{name}, {records:,} records: {figure}"


def million(name, figure):
    return at(1_000_000, name, figure)


QUOTED = [
    ("{} copies: {} pictures under 55 edits", "copies", "pictures"),
    (
        "copies {} are below the cutoff of 0.45, {} in all orientations (pHash: {}, PDQ: {}, at theirs)",
        *(photographs(name, RECALL) for name in ("sigsearch", TURNED, "pHash", "PDQ")),
    ),
    (
        "it is {} in all orientations, PDQ in its eight {}, pHash {}; micro-average precision {}, {} and {}.",
        *(photographs(name, PRECISE) for name in (TURNED, PDQ, "pHash")),
        *(photographs(name, AVERAGE) for name in (TURNED, PDQ, "pHash")),
    ),
    (
        "descriptor of {} bytes, EfficientNet-Lite0, has {}",
        "EfficientNet-Lite0: bytes a picture",
        photographs("EfficientNet-Lite0", AVERAGE),
    ),
    (
        "for all: micro-average precision {}, EfficientNet-Lite0's {}",
        f"other files, {TURNED}: {AVERAGE}",
        f"other files, EfficientNet-Lite0: {AVERAGE}",
    ),
    (
        "embedded: p50 {} ms, nothing below the cutoff missed, {} bytes a record.",
        million(EMBEDDED, P50),
        million(EMBEDDED, DISK),
    ),
    ("signatures: {} ms, {} bytes", million(FAISS, P50), million(FAISS, "bytes a record in memory")),
    (
        "finds {} of the copies below the cutoff in {} ms (p50), effort 5 {} in {} ms",
        *(million(SERVER(effort), figure) for effort in (3, 5) for figure in (BELOW, P50)),
    ),
    (
        "own index and query {} in {} ms. {} bytes a record against {}.",
        *(million("image-match 1.1.2", figure) for figure in (BELOW, P50)),
        *(million(name, DISK) for name in (SERVER(3), "image-match 1.1.2")),
    ),
    (
        "vectors of bits finds {} in {} ms, our default effort {} in {} ms",
        *(
            at(100_000, name, figure)
            for name in ("elasticsearch dense_vector", SERVER(3))
            for figure in (BELOW, P50)
        ),
    ),
]
"""Sentences of README, and the names of the figures in them."""


@pytest.fixture(scope="module")
def evidence():
    return Evidence(RAW)


@pytest.mark.long
def test_the_report_and_readmes_figures_are_made_of_the_committed_rows(evidence):
    found = document.write(evidence)
    assert found.markdown == REPORT.read_text(encoding="utf-8")
    figures = document.headline(evidence, found.copies)
    assert figures[million(EMBEDDED, "recall of all below the cutoff")] == "100.0 %"
    for sentence, *names in QUOTED:
        assert sentence.format(*(figures[name] for name in names)) in README


def test_the_committed_rows_tell_no_path_of_a_machine(evidence):
    for kind in ("run", "original", "ignored", "look_alike", "pair", "query"):
        for row in evidence.of(kind):
            told = [value for value in row.values() if isinstance(value, str)]
            assert not [value for value in told if value.startswith("/")], row
