"""The plugin of the shelf backend: what sigsearch reads before anybody opens a shelf, so kept light."""

from __future__ import annotations

from collections.abc import Iterator

from sigsearch.backend import Backend, BackendInfo
from sigsearch.hookspecs import hookimpl


def load() -> type[Backend]:
    """Import the backend, and with it whatever it needs."""
    from sigsearch_shelf.backend import ShelfBackend

    return ShelfBackend


@hookimpl
def sigsearch_register_backends() -> Iterator[BackendInfo]:
    """Announce the backend."""
    yield BackendInfo(
        name="shelf",
        schemes=("shelf",),
        summary="a file of JSON lines, found by shared words; for small collections",
        load=load,
        install="pip install sigsearch-shelf",
        protocol=1,
    )
