"""What all tests share: the three paintings that come with sigsearch, made pictures, an Elasticsearch."""

import importlib.util
import os
import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

# For the benchmarks; last, for what is tested is the installed sigsearch.
sys.path.append(str(Path(__file__).parents[1]))

pytest_plugins = ["sigsearch_elasticsearch.testing.plugin"]

BENCHMARKS_WANT = [
    name
    for name in (
        "cv2",
        "faiss",
        "imagehash",
        "matplotlib",
        "pandas",
        "pdqhash",
        "perception",
        "scipy",
        "skimage",
    )
    if importlib.util.find_spec(name) is None
]
"""What is missing of the extra `benchmarks`."""
collect_ignore = ["benchmarks"] if BENCHMARKS_WANT else []

PICTURES = Path(str(files("sigsearch"))) / "pictures"


@pytest.fixture(scope="session")
def mona_lisa():
    return PICTURES / "MonaLisa_Wikipedia.jpg"


@pytest.fixture(scope="session")
def other_mona_lisa():
    return PICTURES / "MonaLisa_WikiImages.jpg"


@pytest.fixture(scope="session")
def caravaggio():
    return PICTURES / "Caravaggio_Wikipedia.jpg"


@pytest.fixture
def small_picture():
    """A (60, 80, 3) uint8 picture with features everywhere, none of them a tie."""
    rng = np.random.default_rng(7)
    coarse = rng.integers(0, 256, (12, 16, 3)).repeat(5, axis=0).repeat(5, axis=1)
    return np.clip(coarse + rng.integers(-20, 21, coarse.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def image_match():
    """image-match's own code; where it cannot be had, skip, or fail if servers and all were asked for."""
    from benchmarks.image_match import ImageMatch

    try:
        return ImageMatch()
    except (SystemExit, subprocess.CalledProcessError) as error:
        if os.environ.get("SIGSEARCH_TEST_ES") == "require":
            raise
        pytest.skip(f"no image-match: {error}")


def pytest_report_header():
    if not BENCHMARKS_WANT:
        return None
    return (
        f"tests/benchmarks is NOT RUN for want of {', '.join(BENCHMARKS_WANT)}: pip install '.[benchmarks]'"
    )


def pytest_configure():
    if BENCHMARKS_WANT and os.environ.get("SIGSEARCH_TEST_BENCHMARKS") == "require":
        raise pytest.UsageError(
            f"the benchmarks' tests want {', '.join(BENCHMARKS_WANT)}: pip install '.[benchmarks]'"
        )
    # A shell that runs the tests in the background has SIGINT ignored, and so would the programs that
    # they start and interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    servers = {"elasticsearch_server", "own_elasticsearch"}
    for item in items:
        if servers & set(getattr(item, "fixturenames", ())):
            item.add_marker("elasticsearch")
