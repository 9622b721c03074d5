"""The one hook by which a distribution adds backends to sigsearch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from sigsearch.backend import BackendInfo

PROJECT = "sigsearch"
"""The pluggy project, and the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def sigsearch_register_backends() -> Iterable[BackendInfo]:  # type: ignore[empty-body]
    """Announce the backends of a distribution.

    Called whenever a location is opened, so keep it cheap: import the driver in `BackendInfo.load`.
    A whole plugin, named in the entry-point group ``sigsearch`` of its distribution::

        import sigsearch.backend, sigsearch.hookspecs

        def load():
            from sigsearch_foo.backend import FooBackend
            return FooBackend

        @sigsearch.hookspecs.hookimpl
        def sigsearch_register_backends():
            yield sigsearch.backend.BackendInfo(
                name="foo", schemes=("foo",), summary="records in a Foo server",
                load=load, install="pip install sigsearch-foo", protocol=1,
            )
    """
