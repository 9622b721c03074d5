"""Files of the file system."""

from __future__ import annotations

import os
import re
import stat
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sigsearch.errors import ImageError
from sigsearch.limits import Limits
from sigsearch.reading.located import too_large

NO_SUCH_FILE = "no such file"


def is_file_url(image: object) -> bool:
    """Whether a picture is given by a ``file://`` address."""
    return isinstance(image, str) and re.match("file://", image, re.IGNORECASE) is not None


def read_file_url(url: str, limits: Limits) -> bytes:
    """The bytes of a file of this machine, named by its address."""
    if not limits.file_urls:
        raise ImageError(
            url, "file:// is refused unless asked for, with Limits(file_urls=True) or --allow-file-urls"
        )
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ImageError(url, str(error)) from error
    if parts.netloc.lower() not in ("", "localhost"):
        raise ImageError(
            url, f"wanted a file of this machine (file:///path), found the host {parts.netloc!r}"
        )
    try:
        return read_file(url2pathname(parts.path), limits)
    except ImageError as error:
        raise ImageError(url, error.reason) from error


def read_file(path: str | os.PathLike[str], limits: Limits) -> bytes:
    """The bytes of a file."""
    name = os.fspath(path) or "''"
    try:
        # A pipe or a device would be waited for; only a file ends.
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            readable = os.access(path, os.R_OK | os.X_OK)
            raise ImageError(
                name, f"it is a folder{'' if readable else ' that may not be read'}, wanted a picture file"
            )
        if not stat.S_ISREG(mode):
            raise ImageError(name, "it is not a regular file")
        with open(path, "rb") as file:
            data = file.read(limits.bytes + 1)
    except FileNotFoundError as error:
        raise ImageError(name, NO_SUCH_FILE) from error
    except (OSError, ValueError) as error:
        raise ImageError(name, getattr(error, "strerror", None) or str(error)) from error
    if len(data) > limits.bytes:
        raise ImageError(name, too_large(limits))
    return data
