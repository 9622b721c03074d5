"""Pictures in zip and tar archives, read where they lie: nothing is unpacked to a disk.

A zip and a tar that is not compressed are read at any place, by any process. A compressed tar can only be
read from its beginning, so its pictures are read while it is gone through, and carry their bytes.

Of members of one name the last counts, as if all were unpacked; in a compressed tar the first, for it is met
first, and none is added to such a one later.
"""

from __future__ import annotations

import atexit
import bz2
import copy
import gzip
import lzma
import os
import stat
import struct
import sys
import tarfile
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from sigsearch.errors import ImageError
from sigsearch.limits import Limits
from sigsearch.reading.located import Located, Unreadable, reason_of, too_large

SEPARATOR = "!/"
"""Between the path of an archive and the name of a member, as in Java's ``jar:`` addresses."""

_ZIP = (".zip",)
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")
_ENDINGS = _ZIP + _TAR
_LONGEST_ENDING = max(map(len, _ENDINGS))
_MAGIC = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "xz": b"\xfd7zXZ\0", "zstd": b"\x28\xb5\x2f\xfd"}
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_PIECE = 2**20
_MOST_HEADER = 2**24
_OPEN = 8


@dataclass(frozen=True, slots=True)
class Member(Located):
    """A picture in an archive.

    Attributes
    ----------
    archive : str
        Absolute path.
    name : str
        As the archive has it, but for a ``./`` at its beginning; never a place to write to.
    data : bytes or None
        Its content, if it is not to be read from the archive.
    """

    archive: str
    name: str
    data: bytes | None = field(default=None, repr=False)

    @property
    def path(self) -> str:  # noqa: D102
        return self.archive + SEPARATOR + self.name

    def read(self, limits: Limits) -> bytes:  # noqa: D102
        data = _read(self, limits) if self.data is None else self.data
        if len(data) > limits.bytes:
            raise ImageError(self.path, too_large(limits))
        return data


def is_archive(path: str) -> bool:
    """Whether a path has an archive's ending; there may be no such file."""
    return path[-_LONGEST_ENDING:].lower().endswith(_ENDINGS)


def split(path: str) -> tuple[str, str] | None:
    """The path of an archive and the name of a member that a path is made of; nothing is looked up."""
    return next(_splits(path), None)


def member_at(path: str) -> Member | None:
    """The member that a path names, if its archive is there and nothing else is of that path."""
    if SEPARATOR not in path or os.path.lexists(path):
        return None
    for archive, name in _splits(path):
        if os.path.isfile(archive):
            return Member(archive, name)
    return None


def _splits(path: str) -> Iterator[tuple[str, str]]:
    end = path.find(SEPARATOR)
    while end >= 0:
        if is_archive(path[:end]):
            yield path[:end], path[end + len(SEPARATOR) :]
        end = path.find(SEPARATOR, end + 1)


def find_members(archive: str, endings: Collection[str], limits: Limits) -> Iterator[Located]:
    """The pictures in an archive, in its order.

    Those in hidden folders are passed over, as are links and devices. Behind damage there is one more, and to
    read it says what is lost.

    Parameters
    ----------
    archive : str
        Path.
    endings : collection of str
        Of pictures, lower case with their dot.
    limits : Limits
        In a compressed tar, what is larger is not read, but to read it later says so.
    """
    archive = os.path.abspath(archive)
    try:
        listing = _list(archive)
        if listing is not None:
            names, damage = listing
            for name in names:
                if _is_picture(name, endings):
                    yield Member(archive, name)
            if damage is not None:
                yield Unreadable(archive, damage)
            return
        with _Compressed(archive) as stream:
            for info in stream:
                name = _shown(info.name)
                if not info.isreg() or not _is_picture(name, endings):
                    continue
                if info.size > limits.bytes:
                    yield Unreadable(archive + SEPARATOR + name, too_large(limits))
                else:
                    yield Member(archive, name, stream.read(info, limits))
    except ImageError as error:
        yield Unreadable(archive, error.reason)
    except Exception as error:
        # zipfile and tarfile raise whatever they please on what is damaged, and so do the decompressors.
        yield Unreadable(archive, _damage(error))


def names_in(archive: str) -> Collection[str]:
    """The names of all files in an archive.

    Raises
    ------
    ImageError
        It cannot be read to its end.
    """
    try:
        listing = _list(archive)
        if listing is None:
            with _Compressed(archive) as stream:
                return frozenset(_shown(info.name) for info in stream if info.isreg())
        names, damage = listing
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(archive, _damage(error)) from error
    if damage is not None:
        raise ImageError(archive, damage)
    return frozenset(names)


def close_archives() -> None:
    """Close the archives that this process keeps open; they are opened again as needed."""
    with _lock:
        while _open_archives:
            _open_archives.popitem()[1].close()


def _is_picture(name: str, endings: Collection[str]) -> bool:
    if os.path.splitext(name)[1].lower() not in endings:
        return False
    parts = name.split("/")
    return parts[0] != "__MACOSX" and not any(
        part.startswith(".") and part not in (".", "..") for part in parts
    )


def _shown(name: str) -> str:
    """A name without the ./ that tar begins all with if it is told to pack the folder it is in."""
    while name.startswith("./"):
        name = name[2:]
    return name


def _damage(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, OSError) and error.errno is not None:
        return reason_of(error)
    return f"it is no archive, or is damaged, and what lies behind the damage is lost: {reason_of(error)}"


def _read(member: Member, limits: Limits) -> bytes:
    try:
        with _lock:
            opened = _opened(member.archive)
            if opened is not None:
                return opened.read(member.name, limits)
        with _Compressed(member.archive) as stream:
            for info in stream:
                if info.isreg() and _shown(info.name) == member.name:
                    return stream.read(info, limits)
            raise ImageError(member.path, "the archive has no such file")
    except ImageError as error:
        raise ImageError(member.path, error.reason) from error
    except KeyError as error:
        raise ImageError(member.path, "the archive has no such file") from error
    except FileNotFoundError as error:
        raise ImageError(member.path, "the archive is not there") from error
    except Exception as error:
        raise ImageError(member.path, reason_of(error)) from error


# Zip and plain tar, which are kept open: to read the directory of a large one takes seconds


class _Zip:
    """A zip archive.

    zipfile itself checks the sum of what it reads and compares the directory with each file's own header.
    """

    damage: str | None = None
    """A zip's directory is its end, so of one that is cut off nothing is found."""

    def __init__(self, path: str) -> None:
        self._zip = zipfile.ZipFile(path)
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            if not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16):
                _put_last(self._members, _shown(info.filename), info)
        self.names: Collection[str] = self._members.keys()

    def read(self, name: str, limits: Limits) -> bytes:
        info = self._members[name]
        if info.flag_bits & _ENCRYPTED:
            raise ImageError(name, "it is encrypted")
        if info.file_size > limits.bytes:
            raise ImageError(name, too_large(limits))
        if info.compress_type in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
            return self._decompress(info)
        try:
            with self._zip.open(info) as file:
                if info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    # With a number, zlib makes no more than that of a bomb; one more for the end to be seen,
                    # where the sum is checked.
                    return file.read(info.file_size + 1)
                # Of zstd zipfile makes all there is in what it reads, so that must be little.
                return b"".join(iter(lambda: file.read(4096), b""))
        except NotImplementedError as error:
            method = f"{info.compress_type} {zipfile.compressor_names.get(info.compress_type, '')}".strip()  # type: ignore[attr-defined]
            raise ImageError(name, f"it is compressed by a method that is not supported: {method}") from error

    def _decompress(self, info: zipfile.ZipInfo) -> bytes:
        """As zipfile does, but for a limit: it would make gigabytes of four thousand bytes of bzip2."""
        stored = copy.copy(info)
        stored.compress_type, stored.file_size = zipfile.ZIP_STORED, info.compress_size
        del stored.CRC  # that of what is decompressed
        made = bytearray()
        with self._zip.open(stored) as file:
            decompressor = _lzma(file) if info.compress_type == zipfile.ZIP_LZMA else bz2.BZ2Decompressor()
            while not decompressor.eof and len(made) < info.file_size:
                piece = file.read(_PIECE) if decompressor.needs_input else b""
                if decompressor.needs_input and not piece:
                    raise EOFError("unexpected end of data")
                made += decompressor.decompress(piece, info.file_size - len(made))
        if zlib.crc32(made) != info.CRC:
            raise zipfile.BadZipFile(f"Bad CRC-32 for file {info.filename!r}")
        return bytes(made)

    def close(self) -> None:
        self._zip.close()


def _lzma(file: IO[bytes]) -> lzma.LZMADecompressor:
    """The decompressor that the first bytes describe: version, size of the rest, lc lp pb, dictionary."""
    try:
        _, size, packed, dictionary = struct.unpack("<HHBI", file.read(9))
    except struct.error as error:
        raise EOFError("unexpected end of data") from error
    if size != 5:
        raise zipfile.BadZipFile("a header of LZMA that is not known")
    rest, lc = divmod(packed, 9)
    pb, lp = divmod(rest, 5)
    described = {"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": lc, "lp": lp, "pb": pb}
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[described])


class _Tar:
    """A tar that is not compressed; only the place of each member is kept, not all that tarfile knows."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "rb")  # noqa: SIM115
        self._places: dict[str, int] = {}
        self.names: Collection[str] = self._places.keys()
        self.damage: str | None = None
        try:
            self._tar = _as_tar(self._file)
            for info in _headers(self._tar):
                if info.isreg():
                    _put_last(self._places, _shown(info.name), info.offset)
        except Exception as error:
            self.damage = _damage(error)
            if not self._places:
                self._file.close()
                raise

    def read(self, name: str, limits: Limits) -> bytes:
        self._file.seek(self._places[name])
        return _extract(self._tar, tarfile.TarInfo.fromtarfile(self._tar), limits)

    def close(self) -> None:
        self._file.close()


_open_archives: OrderedDict[tuple[str, int, int], _Zip | _Tar] = OrderedDict()
_lock = threading.Lock()
"""Held while anything is read of an open archive, too: each has one place at which it reads."""


def _opened(path: str) -> _Zip | _Tar | None:
    """An archive, from those that are open if it has not changed; None if it is a compressed tar.

    The caller holds the lock.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(path, "it is not a regular file")
    key = (path, status.st_mtime_ns, status.st_size)
    opened = _open_archives.get(key)
    if opened is None:
        if not path.lower().endswith(_ZIP) and _compression(path) is not None:
            return None
        opened = _Zip(path) if path.lower().endswith(_ZIP) else _Tar(path)
        _open_archives[key] = opened
        while len(_open_archives) > _OPEN:
            _open_archives.popitem(last=False)[1].close()
    _open_archives.move_to_end(key)
    return opened


def _list(path: str) -> tuple[Collection[str], str | None] | None:
    """The names in an archive and what is wrong with it; None if it is a compressed tar."""
    with _lock:
        opened = _opened(path)
        return None if opened is None else (opened.names, opened.damage)


_inherited: list[object] = []


def _forget_archives() -> None:
    """In a forked process: an open file's place is one for both, and another thread may have held a lock."""
    global _lock, _open_archives
    _inherited.append(_open_archives)  # closed by nobody, for the file's own lock may be held as well
    _lock, _open_archives = threading.Lock(), OrderedDict()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_archives)
atexit.register(close_archives)


def _put_last(members: dict[str, Any], name: str, value: object) -> None:
    members.pop(name, None)
    members[name] = value


# Tar


class _Compressed:
    """A compressed tar, gone through once."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> _Compressed:
        self._file = _decompress(self._path)
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        self._tar = _as_tar(self._file)
        return _headers(self._tar)

    def read(self, info: tarfile.TarInfo, limits: Limits) -> bytes:
        """The content of the member that was come to last."""
        return _extract(self._tar, info, limits)


class _Careful:
    """A file for tarfile, which would read a name of gigabytes into memory if a header told it to."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MOST_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        data: bytes = self._file.read(size)
        return data


def _compression(path: str) -> str | None:
    """What a file is compressed by, as its first bytes tell; its name may be wrong."""
    with open(path, "rb") as file:
        begin = file.read(6)
    return next((kind for kind, magic in _MAGIC.items() if begin.startswith(magic)), None)


def _decompress(path: str) -> IO[bytes]:
    kind = _compression(path)
    file: Any
    if kind == "gzip":
        file = gzip.open(path)  # noqa: SIM115
    elif kind == "bzip2":
        file = bz2.open(path)  # noqa: SIM115
    elif kind == "xz":
        file = lzma.open(path)  # noqa: SIM115
    elif sys.version_info >= (3, 14):
        from compression import zstd

        file = zstd.open(path)
    else:
        raise ImageError(path, "it is compressed by zstd, which Python reads from 3.14 on; unpack it")
    return file  # type: ignore[no-any-return]


def _as_tar(file: IO[bytes] | None) -> tarfile.TarFile:
    careful: Any = _Careful(file)
    return tarfile.TarFile(fileobj=careful)


def _headers(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """What is in a tar.

    ``TarFile.next`` takes damage for the end, unless it is at the beginning, and keeps all that it has read.
    """
    info = tar.next()  # was read when it was opened
    while info is not None:
        yield info
        tar.members = []  # type: ignore[attr-defined]
        end = tar.offset
        if end <= info.offset:
            raise tarfile.ReadError("a member of negative size")
        file: Any = tar.fileobj
        file.seek(end - 1)
        if not file.read(1):
            raise tarfile.ReadError("unexpected end of data")
        try:
            info = tarfile.TarInfo.fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            return
        except tarfile.EmptyHeaderError as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError("it ends without the mark of its end") from error


def _extract(tar: tarfile.TarFile, info: tarfile.TarInfo, limits: Limits) -> bytes:
    if info.size > limits.bytes:
        raise ImageError(info.name, too_large(limits))
    file = tar.extractfile(info)
    if file is None:
        raise tarfile.ReadError("it is not a file any more")
    with file:
        data = b"".join(iter(lambda: file.read(_PIECE), b""))
    if len(data) != info.size:
        raise tarfile.ReadError("unexpected end of data")
    return data
