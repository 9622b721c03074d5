"""The in-memory backend against the conformance suite, and what is its own."""

import pytest

import sigsearch
from sigsearch.testing import BackendConformance


class TestMemoryBackend(BackendConformance):
    @pytest.fixture
    def location(self):
        return "memory://"


def test_each_open_gives_an_index_of_its_own():
    with sigsearch.open("memory://a") as first, sigsearch.open("memory://a") as second:
        first.add(id="a", signature=[1] * 648)
        assert (first.count(), second.count()) == (1, 0)
