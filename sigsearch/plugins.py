"""Finding backends: entry points loaded one by one, so that a broken one hurts nobody but itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

import pluggy

from sigsearch import hookspecs
from sigsearch.backend import PROTOCOL_VERSION, Backend, BackendInfo
from sigsearch.errors import (
    BackendConflictError,
    BackendNotInstalledError,
    BrokenBackendError,
    InputError,
    UnknownBackendError,
)

DEFAULT_SCHEME = "file"
"""Of a location without one."""


@dataclass(frozen=True, slots=True)
class FoundBackend:
    """A backend and the distribution that announces it."""

    info: BackendInfo
    distribution: str


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """An entry point that did not load, and why."""

    name: str
    distribution: str
    reason: str

    def __str__(self) -> str:
        return f"plugin {self.name!r} of {self.distribution}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Registry:
    """The backends of one look at the installed distributions."""

    backends: tuple[FoundBackend, ...]
    broken: tuple[BrokenPlugin, ...]

    def find(self, scheme: str) -> FoundBackend:
        """The backend that serves a location's scheme.

        Raises
        ------
        UnknownBackendError, BrokenBackendError, BackendConflictError
        """
        serving = [found for found in self.backends if scheme in found.info.schemes]
        if not serving:
            for plugin in self.broken:
                if plugin.name == scheme:
                    raise BrokenBackendError(f"the backend for {scheme}:// does not load: {plugin}")
            raise UnknownBackendError(self._unknown(scheme))
        names = {found.info.name for found in serving}
        rivals = [found for found in self.backends if found.info.name in names]
        if len(rivals) > 1:
            claims = " and ".join(f"{found.info.name!r} of {found.distribution}" for found in rivals)
            raise BackendConflictError(
                f"several backends claim {scheme}:// or one name: {claims}; uninstall all but one of them"
            )
        return serving[0]

    def load(self, scheme: str) -> type[Backend]:
        """Import the backend that serves a location's scheme.

        Raises
        ------
        BackendNotInstalledError, BrokenBackendError
            Beside those of `find`.
        """
        found = self.find(scheme)
        info = found.info
        if info.protocol != PROTOCOL_VERSION:
            raise BrokenBackendError(
                f"the backend {info.name!r} of {found.distribution} speaks protocol {info.protocol}, this "
                f"version of sigsearch speaks {PROTOCOL_VERSION}: install versions that fit each other"
            )
        try:
            loaded = info.load()
        except ImportError as error:
            raise BackendNotInstalledError(
                f"the backend {info.name!r} needs something that is not installed ({error}): {info.install}"
            ) from error
        except (Exception, SystemExit) as error:
            raise BrokenBackendError(
                f"the backend {info.name!r} of {found.distribution} does not load: {_say(error)}"
            ) from error
        if not (isinstance(loaded, type) and issubclass(loaded, Backend)):
            raise BrokenBackendError(
                f"the backend {info.name!r} of {found.distribution} loads {loaded!r}, not a Backend class"
            )
        return loaded

    def _unknown(self, scheme: str) -> str:
        known = sorted(s for found in self.backends for s in found.info.schemes if s != DEFAULT_SCHEME)
        there = ", ".join(f"{s}://" for s in known)
        broken = "".join(f"; broken: {plugin}" for plugin in self.broken)
        return (
            f"no backend for {scheme}://; wanted a path or one of {there}{broken}; "
            "'sigsearch backends' lists what is installed"
        )


def location_scheme(location: str) -> str:
    """The scheme of a location: ``elasticsearch`` of ``elasticsearch://host/name``, ``file`` of a path."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", location)
    return found[1].lower() if found else DEFAULT_SCHEME


def without_password(location: str) -> str:
    """A location that can be shown: of ``elasticsearch://user:secret@host/name`` without what is secret."""
    return re.sub(r"://(?:([^:/@]*):)?.*@", lambda m: f"://{m[1] + ':' if m[1] else ''}***@", location)


def discover(found: Iterable[EntryPoint] | None = None) -> Registry:
    """Load every plugin of the entry-point group ``sigsearch`` and collect its backends.

    Parameters
    ----------
    found : iterable of EntryPoint, optional
        Default: those of the installed distributions.
    """
    backends: list[FoundBackend] = []
    broken: list[BrokenPlugin] = []
    points = entry_points(group=hookspecs.PROJECT) if found is None else found
    for point in sorted(points, key=lambda p: (p.name, p.value)):
        distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
        try:
            backends.extend(FoundBackend(info, distribution) for info in _backends_of(point))
        except (Exception, SystemExit) as error:
            # Whatever a third party's module does on import, sys.exit() included, must not stop the others.
            broken.append(BrokenPlugin(point.name, distribution, _say(error)))
    return Registry(tuple(dict.fromkeys(backends)), tuple(broken))


def _backends_of(point: EntryPoint) -> list[BackendInfo]:
    # A manager a plugin: pluggy then never skips a second plugin of the same name in silence.
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(point.load(), name=point.name)
    manager.check_pending()  # a misspelt hook is an error, not a plugin without backends
    if not manager.hook.sigsearch_register_backends.get_hookimpls():
        raise InputError("it has no function sigsearch_register_backends marked with @hookimpl")
    infos = [info for result in manager.hook.sigsearch_register_backends() for info in result]
    for info in infos:
        if not isinstance(info, BackendInfo):
            raise InputError(f"sigsearch_register_backends gave {info!r}, wanted a BackendInfo")
        if not isinstance(info.schemes, tuple):
            # Of a bare string every part would count as a scheme.
            raise InputError(f"wanted schemes of {info.name!r} that are a tuple, found {info.schemes!r}")
    return infos


def _say(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
