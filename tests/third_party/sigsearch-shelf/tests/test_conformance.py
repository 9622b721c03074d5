"""The shelf backend against sigsearch's conformance suite."""

import pytest

from sigsearch.testing import BackendConformance


class TestShelfBackend(BackendConformance):
    @pytest.fixture
    def location(self, tmp_path):
        return f"shelf://{tmp_path}/pictures.shelf"
