"""Files of the file system."""

from __future__ import annotations

import os
import stat

from sigsearch.errors import ImageError
from sigsearch.limits import Limits


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
        raise ImageError(name, "no such file") from error
    except (OSError, ValueError) as error:
        raise ImageError(name, getattr(error, "strerror", None) or str(error)) from error
    if len(data) > limits.bytes:
        raise ImageError(name, f"it is larger than the limit of {limits.bytes:,} bytes")
    return data
