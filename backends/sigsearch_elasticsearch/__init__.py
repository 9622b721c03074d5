"""The plugin of the Elasticsearch backend, for collections of any size, on one server or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sigsearch.backend import Backend, BackendInfo
from sigsearch.hookspecs import hookimpl

if TYPE_CHECKING:
    from sigsearch_elasticsearch.backend import ElasticsearchBackend as ElasticsearchBackend
    from sigsearch_elasticsearch.fields import ImageSignature as ImageSignature
    from sigsearch_elasticsearch.fields import StoredSignature as StoredSignature
    from sigsearch_elasticsearch.similar import SimilarImage as SimilarImage

_MODULES = {
    "ElasticsearchBackend": "backend",
    "ImageSignature": "fields",
    "SimilarImage": "similar",
    "StoredSignature": "fields",
}
"""The public names, and where they are. They are imported when first used, for they load the driver."""


def _load() -> type[Backend]:
    from sigsearch_elasticsearch.backend import ElasticsearchBackend

    return ElasticsearchBackend


@hookimpl
def sigsearch_register_backends() -> Iterator[BackendInfo]:
    """Announce the backend."""
    yield BackendInfo(
        name="elasticsearch",
        schemes=("elasticsearch", "elasticsearch+https"),
        summary="Elasticsearch 8 and 9: elasticsearch://host:9200/name; elasticsearch+https:// with TLS",
        load=_load,
        install="pip install 'sigsearch[elasticsearch]'",
        protocol=1,
    )


# No `__dir__` beside it: pluggy looks at every name that dir() tells, which would load the driver whenever
# any index is opened.
def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
