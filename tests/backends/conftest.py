"""What the tests of the Elasticsearch backend share: a client of the test server, the name of an index."""

import pytest


@pytest.fixture
def client(elasticsearch_server):
    with elasticsearch_server.client() as client:
        yield client


@pytest.fixture
def name(elasticsearch_index_name):
    return elasticsearch_index_name
