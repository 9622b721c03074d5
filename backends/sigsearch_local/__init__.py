"""The plugin of the embedded backend: a file, no server; the default."""

from __future__ import annotations

from collections.abc import Iterator

from sigsearch.backend import Backend, BackendInfo
from sigsearch.hookspecs import hookimpl


def _load() -> type[Backend]:
    from sigsearch_local.backend import LocalBackend

    return LocalBackend


@hookimpl
def sigsearch_register_backends() -> Iterator[BackendInfo]:
    """Announce the backend."""
    yield BackendInfo(
        name="local",
        schemes=("file",),
        summary="embedded, in one file: exact, durable, no server; a path without a scheme",
        load=_load,
        install="pip install sigsearch",
        protocol=1,
    )
