"""What the tests on Elasticsearch share: a client of the test server, the name of an index, a crowd."""

import numpy as np
import pytest


@pytest.fixture
def client(elasticsearch_server):
    with elasticsearch_server.client() as client:
        yield client


@pytest.fixture
def name(elasticsearch_index_name):
    return elasticsearch_index_name


@pytest.fixture
def crowd():
    """Make a query, so many signatures with half of its words, beyond the cutoff, and a near one with few."""

    def crowd(count):
        random = np.random.default_rng(1)
        query = random.choice(np.array([-2, -1, 1, 2], np.int8), 648)
        weaker, near = np.tile(query, (count, 1)), query.copy()
        weaker[:, 324:] *= -1
        for number in range(count):
            weaker[number, 330 + number % 300] *= -1
        near[::12] *= -1
        return query, weaker, near

    return crowd
