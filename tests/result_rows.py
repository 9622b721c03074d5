"""Raw rows of the benchmarks suite for tests: small cases with known figures, and some of all kinds."""

import re

import numpy as np

from benchmarks.suite.rows import RowFile

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
            disk, stored = size * (records + 5), records + 5
            merged = {"when": "merged", "stored": stored, "disk_bytes": disk, "memory_bytes": None}
            rows.append(("size", at | merged))
            rows.append(("size", at | merged | {"when": "as loaded", "disk_bytes": 9 * disk}))
            rows.append(("load", at | {"added": 900, "seconds": 3.0}))
            rows.append(("throughput", at | {"threads": 2, "queries": 100, "seconds": 0.5}))
            rows.append(("throughput", at | {"threads": 1, "queries": 100, "seconds": 1.0}))
    return rows


def words(**fields):
    row = {"where": "offline", "shape": "run", "length": 16, "count": 63, "weighting": "equal", "near": 0}
    row |= {"share": None, "records": 1000, "queries": 4, "postings": [10, 20, 30, 40], "index_bytes": 100.0}
    return ("words", row | {"better": [0, 50, None, 10], "equal": [0, 0, None, 0]} | fields)


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
    rows.append(words())
    rows.append(words(where="elasticsearch", candidates=30, found=[1, 0, 1, 1], ms=[1.0, 2, 3, 4]))
    return rows


def cells(markdown, first):
    """The cells of the first line of a table that begins so, without what makes them bold."""
    line = next(line for line in markdown.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip().replace("**", "") for cell in line.strip("|").split("|")]


def part(markdown, heading):
    """What stands below a heading."""
    return re.split(r"^#+ ", markdown.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.M)[0]
