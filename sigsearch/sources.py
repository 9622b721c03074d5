"""What is given to be added: told apart, folders opened, ids and paths made; no picture is read here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sigsearch import images
from sigsearch.errors import InputError
from sigsearch.records import MAX_ID_BYTES, Item, Record, check_id
from sigsearch.signatures import is_signature

if TYPE_CHECKING:
    from typing import TypeAlias

    from sigsearch.images import ImageLike
    from sigsearch.scheme import Scheme

    Source: TypeAlias = ImageLike | Item | Record
    """What add_many takes: a picture, a folder of them, an `Item`, a `Record` of another index."""


def describe(source: object) -> str:
    """Name a source in an error message or a report."""
    if isinstance(source, Record):
        return source.id
    if isinstance(source, Item):
        return source.id or source.path or describe(source.image)
    return images.describe(source)


def path_of(source: object) -> str | None:
    """The absolute path or URL of what is given by one."""
    if isinstance(source, Item):
        return source.path if source.path is not None or source.image is None else path_of(source.image)
    if isinstance(source, str) and images.is_url(source):
        return source
    if isinstance(source, (str, os.PathLike)):
        return os.path.abspath(source)
    return None


def known_id(source: object) -> str | None:
    """The id of a source, if it has one that can be told without reading the picture."""
    given = source.id if isinstance(source, (Item, Record)) else None
    id = path_of(source) if given is None else given
    try:
        encoded = id.encode() if id is not None else b""
        if given is None and len(encoded) > MAX_ID_BYTES:
            id = "path:" + hashlib.sha256(encoded).hexdigest()
        return None if id is None else check_id(id)
    except (AttributeError, UnicodeEncodeError, InputError):
        return None  # making the record says what is wrong with it


def ready_signatures(source: object, scheme: Scheme) -> Sequence[Any]:
    """The signatures that a source comes with, not checked; none if its picture must be read."""
    if isinstance(source, Record):
        return [view.signature for view in source.views]
    image = source
    if isinstance(source, Item):
        if source.signature is not None:
            return [source.signature]
        image = source.image
    return [image] if is_signature(image, scheme) else []


def expand(sources: Iterable[Source] | Source) -> Iterator[Source]:
    """Sources one by one, folders as the pictures in them."""
    if not is_one(sources) and not isinstance(sources, Iterable):
        raise InputError(f"wanted paths, pictures or Items, found {sources!r}")
    every: Iterable[Any] = [sources] if is_one(sources) else sources  # type: ignore[assignment]
    for source in every:
        # Whether it is like a path takes longest to tell, and of these there may be millions.
        if isinstance(source, (Item, Record)) or not isinstance(source, (str, os.PathLike)):
            yield source
        else:
            yield from pictures_of(source)


def pictures_of(path: str | os.PathLike[str]) -> Iterable[str | os.PathLike[str]]:
    """The pictures in a folder and below, or the path of what is no folder."""
    folder = not images.is_url(path) and os.path.isdir(path)
    return find_pictures(path) if folder else [path]


def find_pictures(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Walk a folder, in order of name, and yield the files with a picture's ending.

    Hidden files and folders are passed over, links to folders are not followed. A folder that may not be
    read is yielded itself, so that reading it says so.
    """
    endings = images.picture_endings()
    closed: list[OSError] = []
    for here, folders, files in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in endings:
                yield Path(here, name)
    for error in closed:
        yield Path(error.filename)


def is_one(sources: object) -> bool:
    """Whether it is one source and not several, though Python could iterate over it."""
    one = (str, os.PathLike, bytes, bytearray, memoryview, np.ndarray, Item, Record)
    return isinstance(sources, one) or hasattr(sources, "read")
