"""Settings of a run of the benchmarks suite that is over in seconds."""

from benchmarks.suite.run import Settings

TINY = {
    "mode": "quick",
    "pictures": None,
    "pairs": None,
    "seed": 0,
    "originals": 4,
    "strangers": 20,
    "records": (100, 200),
    "hnsw_records": 100,
    "queries": 10,
    "words_records": 100,
    "elasticsearch": False,
    "version": None,
}


def tiny(**changed):
    return Settings(**(TINY | changed))
