"""The plugin of the in-memory backend: the oracle that other backends are held against."""

from __future__ import annotations

from collections.abc import Iterator

from sigsearch.backend import Backend, BackendInfo
from sigsearch.hookspecs import hookimpl


def _load() -> type[Backend]:
    from sigsearch_memory.backend import MemoryBackend

    return MemoryBackend


@hookimpl
def sigsearch_register_backends() -> Iterator[BackendInfo]:
    """Announce the backend."""
    yield BackendInfo(
        name="memory",
        schemes=("memory",),
        summary="in memory, for tests and small jobs; gone when closed",
        load=_load,
        install="pip install sigsearch",
        protocol=1,
    )
