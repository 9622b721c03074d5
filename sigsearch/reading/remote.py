"""Pictures in object stores, and wherever else fsspec leads: S3, Google Cloud, Azure, Hugging Face.

`Limits` bounds the bytes of a picture and says where it may come from, but not the seconds: no file system of
fsspec can be told when to give up, and each has settings of its own for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

from sigsearch.errors import ImageError
from sigsearch.limits import Limits
from sigsearch.reading.located import Located, Unreadable, reason_of, too_large

# A scheme has two letters at least, for C:// is a path.
_ADDRESS = re.compile(r"((?:[a-z0-9+.-]+::)*)([a-z][a-z0-9+.-]+)://", re.IGNORECASE)

_OBJECT_STORES = frozenset(
    {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "ocilake", "tos", "hf"}
)
"""An address of these names a bucket or an account, and the settings of the machine say at which server."""

_LOCAL = frozenset({"local", "asynclocal"})

_LEADING_ON = frozenset(
    {"async_wrapper", "asyncwrapper", "blockcache", "cached", "dask", "dir", "filecache", "generic", "git"}
    | {"libarchive", "reference", "simplecache", "tar", "zip"}
)
"""What stands before another file system, this machine's for want of one."""

_CHANGED = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")


def is_remote(image: object) -> bool:
    """Whether a picture is given by an address that is neither of the web nor of a file."""
    if not isinstance(image, str) or (found := _ADDRESS.match(image)) is None:
        return False
    return bool(found[1]) or found[2].lower() not in ("http", "https", "file")


def read_remote(url: str, limits: Limits) -> bytes:
    """The bytes at an address, in one request where the store can do that."""
    system, path = _open(url, limits)
    try:
        data: bytes = _read(system, path, limits)
    except Exception as error:
        raise ImageError(url, _reason(error)) from error
    if len(data) > limits.bytes:
        raise ImageError(url, too_large(limits))
    return data


def find_remote(url: str, endings: Collection[str], limits: Limits) -> Iterator[str | Located]:
    """The addresses of the pictures below one, or itself if it is that of a picture.

    Whether something is a folder the store is only asked where the ending is not a picture's, for of
    pictures there may be millions.
    """
    if not url.endswith("/") and _ending(url) in endings:
        yield url
        return
    try:
        system, path = _open(url, limits)
        system.invalidate_cache()  # or what was put there since the last time is not seen
        is_folder = url.endswith("/") or system.isdir(path)
        found = system.find(path) if is_folder else None
    except ImageError as error:
        yield Unreadable(url, error.reason)
        return
    except Exception as error:
        yield Unreadable(url, _reason(error))
        return
    if found is None:
        yield url
        return
    if not found:
        yield Unreadable(url, "nothing is there")
    root = path.rstrip("/")
    base = url if url.endswith("://") else url.rstrip("/") + "/"
    for name in found:
        # Not what the store calls it, which leaves out an account or a server.
        below = name[len(root) :].removeprefix("/")
        if _ending(below) in endings and not any(part.startswith(".") for part in below.split("/")):
            yield base + below if name.startswith(root) else system.unstrip_protocol(name)


def changed_at(url: str, limits: Limits) -> float | None:
    """When what is at an address was written last, as POSIX time; None if that cannot be told."""
    try:
        system, path = _open(url, limits)
        info = system.info(path)
    except Exception:
        return None
    return next((time for key in _CHANGED if (time := _posix(info.get(key))) is not None), None)


def _open(url: str, limits: Limits) -> tuple[Any, str]:
    """The file system of an address, and the path in it."""
    match = _ADDRESS.match(url)
    if match is None:
        raise ImageError(url, "wanted an address such as s3://bucket/folder/picture.jpg")
    scheme = match[2].lower()
    # fsspec takes :: for a chain wherever it stands.
    if "::" in url:
        raise ImageError(url, "an address that leads on to another by '::' is not followed")
    if scheme in _LEADING_ON:
        raise ImageError(url, f"{scheme}:// leads on to another address and is not followed")
    if scheme in _LOCAL:
        if not limits.file_urls:
            raise ImageError(url, f"{scheme}:// is only read if the limits allow file_urls")
    elif scheme not in _OBJECT_STORES and not limits.private_addresses:
        raise ImageError(
            url,
            f"{scheme}:// may lead anywhere, and is only read if the limits allow private_addresses; "
            f"always read are {', '.join(sorted(_OBJECT_STORES))}",
        )
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ImageError(
            url, f"{scheme}:// needs fsspec, and that is missing: pip install 'sigsearch[remote]'"
        ) from error
    try:
        system, path = url_to_fs(url)
    except ImportError as error:
        raise ImageError(url, f"{scheme}:// {_missing(scheme, error)}") from error
    except Exception as error:
        raise ImageError(url, _reason(error)) from error
    return system, path


def _missing(scheme: str, error: ImportError) -> str:
    from fsspec.registry import known_implementations

    package = known_implementations.get(scheme, {}).get("class", "").partition(".")[0]
    if not package or package == "fsspec":
        return f"needs something that is missing: {reason_of(error)}"
    return f"needs {package}, and that is missing: pip install {package.replace('_', '-')}"


def _read(system: Any, path: str, limits: Limits) -> bytes:
    try:
        data: bytes = system.cat_file(path, start=0, end=limits.bytes + 1)
    except Exception:
        # Of an empty object a store has no first byte to give.
        if system.info(path)["size"] != 0:
            raise
        return b""
    return data


def _reason(error: BaseException) -> str:
    # Their messages are the path at best.
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a folder, wanted a picture file"
    return reason_of(error)


def _ending(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _posix(value: object) -> float | None:
    """A time as the stores give it: a number, a datetime, which without a zone is in UTC, or ISO 8601."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return float(value) if isinstance(value, (int, float)) else None
