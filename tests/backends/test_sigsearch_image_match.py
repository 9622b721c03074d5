"""image-match's layout against the conformance suite, and its own: indexes as they are out there."""

import pytest

from sigsearch.testing import BackendConformance


class TestImageMatchBackend(BackendConformance):
    @pytest.fixture
    def location(self, elasticsearch_server, elasticsearch_index_name):
        return elasticsearch_server.location(elasticsearch_index_name).replace(
            "elasticsearch", "image-match", 1
        )

    @pytest.fixture
    def options(self, elasticsearch_server):
        return elasticsearch_server.options
