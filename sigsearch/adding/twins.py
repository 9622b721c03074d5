"""Files of the same content, of which one is read for all."""

from __future__ import annotations

import filecmp
import os
from contextlib import suppress


class Twins:
    """Remembers the files that it was shown, by their sizes; only those of one size are compared."""

    def __init__(self) -> None:
        self._of_size: dict[int, list[str]] = {}
        self._ids: dict[str, str | None] = {}

    def first(self, path: str, id: str | None) -> tuple[str, str | None] | None:
        """The first file of the same content and its id; None if this is the first itself."""
        with suppress(OSError, ValueError):
            met = self._of_size.setdefault(os.path.getsize(path), [])
            for other in met:
                with suppress(OSError):
                    if other != path and filecmp.cmp(path, other, shallow=False):
                        return other, self._ids[other]
            met.append(path)
            self._ids[path] = id
        return None
