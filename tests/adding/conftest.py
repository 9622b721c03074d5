"""An index to add to: in memory, and embedded."""

import pytest

import sigsearch


@pytest.fixture(params=["memory", "embedded"])
def index(request, tmp_path):
    with sigsearch.open("memory://" if request.param == "memory" else tmp_path / "index.sig") as index:
        yield index
