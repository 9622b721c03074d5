"""image-match's users come over: its indexes as a backend, and its classes for code written to it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sigsearch.backend import Backend, BackendInfo
from sigsearch.hookspecs import hookimpl

if TYPE_CHECKING:
    from sigsearch_image_match.elasticsearch_driver import Elasticsearch as Elasticsearch
    from sigsearch_image_match.elasticsearch_driver import SignatureES as SignatureES
    from sigsearch_image_match.elasticsearch_driver import make_record as make_record
    from sigsearch_image_match.goldberg import CorruptImageError as CorruptImageError
    from sigsearch_image_match.goldberg import ImageSignature as ImageSignature

_MODULES = {
    "CorruptImageError": "goldberg",
    "Elasticsearch": "elasticsearch_driver",
    "ImageSignature": "goldberg",
    "SignatureES": "elasticsearch_driver",
    "make_record": "elasticsearch_driver",
}
"""The public names, and where they are: in modules named as image-match's. They are imported when first used,
for they load the driver."""


def _load() -> type[Backend]:
    from sigsearch_image_match.backend import ImageMatchBackend

    return ImageMatchBackend


@hookimpl
def sigsearch_register_backends() -> Iterator[BackendInfo]:
    """Announce the backend."""
    yield BackendInfo(
        name="image-match",
        schemes=("image-match", "image-match+https"),
        summary="an index of image-match in Elasticsearch 8 or 9, as it is: image-match://host:9200/images",
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
