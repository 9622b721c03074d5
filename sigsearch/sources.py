"""What is given to be added: told apart, folders opened, ids and paths made; no picture is read here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sigsearch import images
from sigsearch.errors import InputError
from sigsearch.limits import DEFAULT_LIMITS, Limits
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


def stamp_of(source: object) -> float | None:
    """When the file of a source last changed, in seconds since 1970, if it is a file."""
    image = source.image if isinstance(source, Item) else source
    if not isinstance(image, (str, os.PathLike)):
        return None
    try:
        found = os.stat(image)
    except (OSError, ValueError):
        return None
    return max(found.st_mtime, found.st_ctime)


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


@dataclass(slots=True, eq=False)
class Place:
    """A folder or an archive that was given, and how many pictures there are in it.

    Attributes
    ----------
    prefix : str
        How the ids of the pictures in it begin.
    pictures : int
    """

    prefix: str
    pictures: int = 0


def is_gone(id: str) -> bool:
    """Whether the picture that an id names is no longer there."""
    try:
        os.lstat(id)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        pass
    return False


def expand(
    sources: Iterable[Source] | Source, limits: Limits = DEFAULT_LIMITS, places: list[Place] | None = None
) -> Iterator[Source]:
    """Sources one by one, folders as the pictures in them."""
    if not is_one(sources) and not isinstance(sources, Iterable):
        raise InputError(f"wanted paths, pictures or Items, found {sources!r}")
    every: Iterable[Any] = [sources] if is_one(sources) else sources  # type: ignore[assignment]
    for source in every:
        # Whether it is like a path takes longest to tell, and of these there may be millions.
        if isinstance(source, Item) and isinstance(source.image, (str, os.PathLike)) and source.id is None:
            for picture in pictures_of(source.image, places):
                yield source if picture is source.image else replace(source, image=picture)
        elif isinstance(source, (Item, Record)) or not isinstance(source, (str, os.PathLike)):
            yield source
        else:
            yield from pictures_of(source, places)


def pictures_of(
    path: str | os.PathLike[str], places: list[Place] | None = None
) -> Iterator[str | os.PathLike[str]]:
    """The pictures in a folder and below, or the path of what is no folder."""
    if images.is_url(path) or not os.path.isdir(path):
        yield path
        return
    place = Place(os.path.join(os.path.abspath(path), ""))
    if places is not None:
        places.append(place)
    for picture in find_pictures(path):
        place.pictures += 1
        yield picture


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
