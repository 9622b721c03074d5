"""Every error sigsearch raises on purpose. Each says what was wanted, what was found and what to do next.

::

    SigsearchError
    ├── InputError (also a ValueError)    an argument: a cutoff, a limit, an id, a filter
    │   └── MetadataError                 metadata that is not JSON
    ├── ImageError                        a picture that cannot be read
    ├── WorkerError                       processes to decode in cannot be started
    ├── ConfigError                       a configuration file, an environment variable
    ├── PluginError                       finding and loading backends
    │   ├── UnknownBackendError           no backend for the scheme of a location
    │   ├── BackendNotInstalledError      its driver is missing
    │   ├── BrokenBackendError            its plugin does not load, or speaks another protocol
    │   └── BackendConflictError          two plugins want the same name
    └── BackendError                      what a backend says of its store
        ├── IndexNotFoundError            nothing there
        ├── NotAnIndexError               something there, but not an index of this backend
        ├── FormatVersionError            written by a newer sigsearch
        ├── SchemeMismatchError           made with another scheme
        ├── RecordExistsError             an id that is in the index already
        ├── RecordNotFoundError           an id that is not
        ├── StorageError                  the store failed: disk full, locked, damaged, unreachable
        │   └── AccessDeniedError         it wants other credentials, or allows too little with these
        └── ClosedError                   the index was closed
"""

from collections.abc import Sequence


class SigsearchError(Exception):
    """The root; never raised itself. ``str()`` of any of them is one line fit to be shown to a user."""


class InputError(SigsearchError, ValueError):
    """An argument is not what the function takes."""


class MetadataError(InputError):
    """Metadata is not JSON."""


class ImageError(SigsearchError):
    """A picture cannot be read.

    Attributes
    ----------
    source : str
        The picture, as its name or a description of it.
    reason : str
        Why it cannot be read.
    """

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(source, reason)
        self.source = source
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot read {self.source}: {self.reason}"


class WorkerError(SigsearchError):
    """Processes to decode pictures in cannot be started."""


class ConfigError(SigsearchError):
    """A configuration file or environment variable cannot be used."""


class PluginError(SigsearchError):
    """A backend cannot be found or loaded."""


class UnknownBackendError(PluginError):
    """No installed backend serves the scheme of a location."""


class BackendNotInstalledError(PluginError):
    """A backend is known but something that it imports is not installed."""


class BrokenBackendError(PluginError):
    """A plugin failed to load, or was made for another version of the backend protocol."""


class BackendConflictError(PluginError):
    """Several installed plugins provide a backend of the same name or scheme."""


class BackendError(SigsearchError):
    """A backend cannot do what it was asked."""


class IndexNotFoundError(BackendError):
    """There is no index at the location, and none was to be created."""


class NotAnIndexError(BackendError):
    """What is at the location is not an index of this backend; it was left as it is."""


class FormatVersionError(BackendError):
    """The index was written in a format this version of sigsearch does not know."""


class SchemeMismatchError(BackendError):
    """The index was made with another scheme, so its signatures compare with no others."""


class RecordExistsError(BackendError):
    """Records of these ids are in the index already.

    Attributes
    ----------
    ids : tuple of str
    """

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(tuple(ids))
        self.ids = tuple(ids)

    def __str__(self) -> str:
        return (
            f"already in the index: {', '.join(map(repr, self.ids))}; pass another id, "
            "or on_conflict='replace' to put this one in its place, or on_conflict='skip' to keep the old one"
        )


class RecordNotFoundError(BackendError):
    """No record of this id is in the index."""


class StorageError(BackendError):
    """The store failed: full, locked, damaged, read-only or out of reach."""


class AccessDeniedError(StorageError):
    """The store wants other credentials, or does not allow this with those given; trying again is no use."""


class ClosedError(BackendError):
    """The index was closed before this call."""
