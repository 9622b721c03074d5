"""What is given to be added: told apart, folders opened, ids and paths made; no picture is read here."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import stat
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sigsearch import images
from sigsearch.errors import ImageError, InputError
from sigsearch.limits import DEFAULT_LIMITS, Limits
from sigsearch.reading import is_address
from sigsearch.reading.addresses import without_password
from sigsearch.reading.archives import (
    SEPARATOR,
    Member,
    find_members,
    is_archive,
    member_at,
    names_in,
    split,
)
from sigsearch.reading.located import Located, Unreadable, reason_of
from sigsearch.reading.remote import changed_at, find_remote, is_remote
from sigsearch.records import MAX_ID_BYTES, Item, Record, check_id
from sigsearch.signatures import is_signature

if TYPE_CHECKING:
    from typing import TypeAlias

    from sigsearch.images import ImageLike
    from sigsearch.scheme import Scheme

    Source: TypeAlias = ImageLike | Item | Record
    """What add_many takes: a picture, a folder or archive of them, an `Item`, a `Record` of another index."""


PAUSE: Final[Any] = object()
"""In the place of a source: nothing more for now, so what was given so far is to be seen to."""


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
    if isinstance(source, str):
        if "://" in source and is_address(source):
            return without_password(source) if images.is_url(source) else source
        # The name of a member is none of a file, and stays as it is.
        if SEPARATOR in source and (parts := split(source)) is not None:
            return os.path.abspath(parts[0]) + SEPARATOR + parts[1]
        return os.path.abspath(source)
    if isinstance(source, Located):
        return source.path
    return os.path.abspath(os.fsdecode(source)) if isinstance(source, os.PathLike) else None


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


@dataclass(slots=True, eq=False)
class Place:
    """A folder or an archive that was given.

    Attributes
    ----------
    path : str
    prefix : str
        How the paths of the pictures in it begin.
    pictures : int
        How many were found in it so far.
    """

    path: str
    prefix: str
    pictures: int = 0

    def counted(self, pictures: Iterable[Source]) -> Iterator[Source]:
        """The pictures that are found in it."""
        for picture in pictures:
            self.pictures += not isinstance(picture, Unreadable)
            yield picture


def expand(
    sources: Iterable[Source] | Source, limits: Limits = DEFAULT_LIMITS, places: list[Place] | None = None
) -> Iterator[Source]:
    """Sources one by one: folders and archives as the pictures in them, patterns as what they match.

    An `Item` of such without an id stands for as many Items.

    Parameters
    ----------
    places : list, optional
        The folders and archives that were met are put there.
    """
    if not is_one(sources) and not isinstance(sources, Iterable):
        raise InputError(f"wanted paths, pictures or Items, found {sources!r}")
    every: Iterable[Any] = [sources] if is_one(sources) else sources  # type: ignore[assignment]
    met = [] if places is None else places
    for source in every:
        # Whether it is like a path takes longest to tell, and of these there may be millions.
        if isinstance(source, str):
            yield from _pictures_of(source, limits, met)
        elif isinstance(source, Item) and source.id is None and isinstance(source.image, (str, os.PathLike)):
            for picture in _pictures_of(source.image, limits, met):
                yield source if picture is source.image else replace(source, image=picture)  # type: ignore[arg-type]
        elif isinstance(source, (Item, Record)) or not isinstance(source, os.PathLike):
            yield source
        else:
            yield from _pictures_of(source, limits, met)


def _pictures_of(path: str | os.PathLike[str], limits: Limits, places: list[Place]) -> Iterable[Source]:
    """The pictures that a path or an address stands for, which may be itself.

    A folder stands for those in it and below; an archive for those in it; the address of a folder of an
    object store for those below; a string with ``*``, ``?`` or ``[``, if there is no such file, for what
    matches it as a pattern, in which ``**`` is any number of folders.
    """
    name = path if isinstance(path, str) else os.fsdecode(path)
    # There may be millions, each but a picture: all that is cheap to tell comes before what asks the system.
    if "://" in name and is_address(name):
        if is_remote(name):
            return find_remote(name, images.picture_endings(), limits)
        return (path,)
    if os.path.isdir(name):
        return _pictures_in(name, limits, places)
    if ("*" in name or "?" in name or "[" in name) and isinstance(path, str) and not os.path.lexists(name):
        return _matches(name, limits, places)
    if is_archive(name):
        return _pictures_in(name, limits, places)
    return (path,)


def _pictures_in(path: str, limits: Limits, places: list[Place]) -> Iterator[Source]:
    """The pictures in a folder or an archive."""
    is_folder = os.path.isdir(path)
    here = os.path.abspath(path)
    place = Place(here, os.path.join(here, "") if is_folder else here + SEPARATOR)
    places.append(place)
    endings = images.picture_endings()
    return place.counted(find_pictures(path) if is_folder else find_members(path, endings, limits))


def _matches(pattern: str, limits: Limits, places: list[Place]) -> Iterator[Source]:
    try:
        matches = sorted(glob.iglob(pattern, recursive=True))
    except (OSError, ValueError, re.error) as error:
        matches = []
        reason = f"it cannot be used as a pattern: {reason_of(error)}"
    else:
        # What is in an archive has a path that may look like a pattern.
        if not matches and member_at(pattern) is not None:
            matches = [pattern]
        reason = "no file matches"
    if not matches:
        yield Unreadable(pattern, reason)
    folders: set[str] = set()
    for match in matches:
        # folder/** matches the folder, each one in it, and each file.
        if folders and not folders.isdisjoint(_above(match)):
            continue
        if os.path.isdir(match):
            folders.add(match.rstrip(os.sep))
        if os.path.isdir(match) or is_archive(match):
            yield from _pictures_in(match, limits, places)
        else:
            yield match


def _above(path: str) -> Iterator[str]:
    """The folders that a path is in."""
    while (folder := os.path.dirname(path)) and folder != path:
        yield folder
        path = folder


def find_pictures(folder: str | os.PathLike[str]) -> Iterator[str]:
    """Walk a folder, in order of name, and yield the files with a picture's ending.

    Hidden files and folders are passed over, links to folders are not followed. A folder that may not be
    read is yielded itself, so that reading it says so.
    """
    # os.walk asks thrice for each file whether it is a folder, and a Path takes longer than the file's entry.
    endings = images.picture_endings()
    closed: list[str] = []
    waiting = [os.fspath(folder)]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                listed = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError:
            closed.append(here)
            continue
        folders, files = [], []
        for entry in listed:
            if _is_folder(entry):
                if not entry.is_symlink():
                    folders.append(entry.path)
            elif os.path.splitext(entry.name)[1].lower() in endings:
                files.append(entry.path)
        yield from sorted(files)
        waiting += sorted(folders, reverse=True)
    yield from closed


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # reading it says what is wrong


def stamp_of(source: object, limits: Limits = DEFAULT_LIMITS) -> float | None:
    """When the file of a source was last changed, as POSIX time, as far as can be told without reading it.

    Of a picture in an archive, when the archive was. None for what is at an address of the web, not a file,
    or not there.
    """
    if isinstance(source, Item):
        return None if source.image is None else stamp_of(source.image, limits)
    if isinstance(source, Member):
        return _stamp(source.archive)
    if not isinstance(source, (str, os.PathLike)):
        return None
    if isinstance(source, str) and "://" in source and is_address(source):
        return changed_at(source, limits) if is_remote(source) else None
    stamp = _stamp(source)
    name = os.fspath(source)
    if stamp is None and isinstance(name, str) and (member := member_at(name)) is not None:
        return _stamp(member.archive)
    return stamp


def _stamp(path: str | os.PathLike[str]) -> float | None:
    try:
        status = os.lstat(path)
        stamp = _latest(status)
        if stat.S_ISLNK(status.st_mode):  # which may lead elsewhere now, to a file that is older
            status = os.stat(path)
            stamp = max(stamp, _latest(status))
    except (OSError, ValueError):
        return None
    return stamp if stat.S_ISREG(status.st_mode) else None


def _latest(status: os.stat_result) -> float:
    # A file that is renamed over another, or unpacked, keeps its time of writing; ctime tells of it. On
    # Windows it is the time of making.
    written, changed = status.st_mtime, status.st_ctime
    if sys.platform == "win32":
        return written
    # A time of writing that is yet to come, as from a camera's clock, would make it look changed for ever.
    return changed if written > time.time() else max(written, changed)


def vanished(ids: Iterable[str], places: Iterable[str | os.PathLike[str]]) -> Iterator[str]:
    """Of ids that are paths, those in some folders or archives whose file is gone.

    Only what is surely gone is told: not what lies in a folder that may not be read, nor in an archive that
    is damaged, and nothing in a place that is itself not there, which is rather not mounted than deleted.

    Parameters
    ----------
    ids : iterable of str
        As `known_id` makes them; others are passed over.
    places : iterable of paths
        Folders and archives.
    """
    beginnings = []
    for place in places:
        path = os.path.abspath(place)
        if os.path.isdir(path):
            beginnings.append(os.path.join(path, ""))
        elif is_archive(path) and os.path.isfile(path):
            beginnings.append(path + SEPARATOR)
    within = tuple(beginnings)
    listings: dict[str, Collection[str] | None] = {}
    for id in ids:
        if id.startswith(within) and _is_gone(id, listings):
            yield id


def _is_gone(path: str, listings: dict[str, Collection[str] | None]) -> bool:
    """Whether there is no file and no member of this path; archives that were read are kept."""
    try:
        os.lstat(path)
        return False
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError):
        return False
    member = member_at(path)
    if member is None:
        return True
    if member.archive not in listings:
        try:
            listings[member.archive] = names_in(member.archive)
        except ImageError:
            listings[member.archive] = None
    names = listings[member.archive]
    return names is not None and member.name not in names


def is_one(sources: object) -> bool:
    """Whether it is one source and not several, though Python could iterate over it."""
    one = (str, os.PathLike, bytes, bytearray, memoryview, np.ndarray, Item, Record, Located)
    return isinstance(sources, one) or hasattr(sources, "read")
