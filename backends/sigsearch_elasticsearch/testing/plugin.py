"""The pytest fixtures: a running Elasticsearch server, and a name for an index of its own for each test.

They are not there by themselves; a conftest.py asks for them::

    pytest_plugins = ["sigsearch_elasticsearch.testing.plugin"]

``SIGSEARCH_TEST_ES_URL`` names a server to be used, which is never stopped. Without it one is started, in
the version of ``SIGSEARCH_TEST_ES_VERSION``, once for all workers of pytest-xdist. Where that cannot be done
for want of Java or Maven the tests are skipped; with ``SIGSEARCH_TEST_ES=require`` they fail.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from sigsearch_elasticsearch.testing import ElasticsearchServer, LocalElasticsearch

_Server = TypeVar("_Server")


@pytest.fixture(scope="session")
def elasticsearch_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ElasticsearchServer]:
    """A running Elasticsearch server without security, shared by all tests: have indexes of your own.

    See `elasticsearch_index_name`; a test that stops its server or wants another kind: `own_elasticsearch`.
    """
    from sigsearch_elasticsearch import testing
    from sigsearch_elasticsearch.testing.sharing import shared_server

    context: AbstractContextManager[ElasticsearchServer]
    if os.environ.get("SIGSEARCH_TEST_ES_URL") or "PYTEST_XDIST_WORKER" not in os.environ:
        context = testing.elasticsearch_server()
    else:
        # The folder of a worker lies in that of the run.
        context = shared_server(tmp_path_factory.getbasetemp().parent, _version())
    with _possible(context) as server:
        yield server


@pytest.fixture
def elasticsearch_index_name(elasticsearch_server: ElasticsearchServer) -> Iterator[str]:
    """A new name for an index. Every index whose name begins with it is deleted after the test."""
    name = f"sigsearch-test-{uuid.uuid4().hex[:12]}"
    yield name
    with elasticsearch_server.client() as client:
        # One by one: the server does not delete what is named by a pattern.
        for index in client.indices.get_settings(index=f"{name}*", expand_wildcards="all"):
            client.indices.delete(index=index, ignore_unavailable=True)


@pytest.fixture(scope="session")
def own_elasticsearch() -> Callable[..., AbstractContextManager[LocalElasticsearch]]:
    """Start a server of one's own: ``with own_elasticsearch(nodes=3, security=True) as server:``.

    It takes the arguments of `sigsearch_elasticsearch.testing.LocalElasticsearch`, and starts one even
    where ``SIGSEARCH_TEST_ES_URL`` names another. That takes 10 s and a gigabyte.
    """
    from sigsearch_elasticsearch.testing import LocalElasticsearch

    def start(version: str | None = None, **options: object) -> AbstractContextManager[LocalElasticsearch]:
        return _possible(LocalElasticsearch(version or _version(), **options))  # type: ignore[arg-type]

    return start


@contextmanager
def _possible(context: AbstractContextManager[_Server]) -> Iterator[_Server]:
    """Enter a context; where the machine lacks what it needs, skip, or fail if that was asked for."""
    from sigsearch_elasticsearch.testing import PrerequisiteError

    with ExitStack() as stack:
        try:
            server = stack.enter_context(context)
        except PrerequisiteError as error:
            if os.environ.get("SIGSEARCH_TEST_ES") == "require":
                raise
            pytest.skip(f"no Elasticsearch: {error}")
        yield server


def _version() -> str:
    from sigsearch_elasticsearch.testing import DEFAULT_VERSION

    return os.environ.get("SIGSEARCH_TEST_ES_VERSION") or DEFAULT_VERSION
