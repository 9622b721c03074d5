"""From wherever a picture is to its bytes: files, archives, web servers, object stores."""

from __future__ import annotations

import os

import numpy as np

from sigsearch.errors import ImageError
from sigsearch.limits import Limits
from sigsearch.reading.archives import Member, member_at
from sigsearch.reading.files import NO_SUCH_FILE, is_file_url, read_file, read_file_url
from sigsearch.reading.located import Located, reason_of
from sigsearch.reading.remote import is_remote, read_remote
from sigsearch.reading.urls import fetch, is_url, without_password

__all__ = [
    "NO_SUCH_FILE",
    "Located",
    "describe",
    "encoded",
    "is_address",
    "is_far",
    "is_remote",
    "is_url",
    "read_bytes",
]


def read_bytes(image: object, limits: Limits) -> bytes:
    """The bytes of a picture that is given encoded: by its path or URL, as bytes or as a file object.

    A path such as ``photos.zip!/folder/a.jpg`` is that of a picture in an archive.

    Raises
    ------
    ImageError
        They cannot be had, or are more than the limits allow.
    """
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    if isinstance(image, Located):
        return image.read(limits)
    if isinstance(image, str) and "://" in image:
        if is_url(image):
            return fetch(image, limits)
        if is_file_url(image):
            return read_file_url(image, limits)
        if is_remote(image):
            return read_remote(image, limits)
    if isinstance(image, (str, os.PathLike)):
        path = os.fspath(image)
        member = member_at(path) if isinstance(path, str) else None
        return read_file(image, limits) if member is None else member.read(limits)
    if hasattr(image, "read"):
        try:
            data: object = image.read()
        except Exception as error:  # whatever it pleases: it may be closed, or a connection that broke
            raise ImageError(describe(image), reason_of(error)) from error
        if not isinstance(data, bytes):
            raise ImageError(describe(image), "it is open as text; open it in binary mode, 'rb'")
        return data
    raise ImageError(
        describe(image), "wanted a path, URL, bytes, binary file object, PIL image or array of pixels"
    )


def is_address(image: object) -> bool:
    """Whether it is an address of whatever kind, and not a path: what abspath would spoil."""
    return (
        isinstance(image, str)
        and "://" in image
        and (is_url(image) or is_file_url(image) or is_remote(image))
    )


def is_far(image: object) -> bool:
    """Whether it takes long to fetch, while others could be decoded."""
    return is_address(image) and not is_file_url(image)


def encoded(image: object, limits: Limits) -> str | bytes | Located:
    """What another process can read in its place: a path, a picture that knows where it is, or the bytes."""
    if isinstance(image, (str, os.PathLike)):
        return os.fsdecode(image) if is_address(image) else os.path.abspath(os.fsdecode(image))
    if isinstance(image, Member):
        return image if image.data is None else image.read(limits)
    return image if isinstance(image, Located) else read_bytes(image, limits)


def describe(image: object) -> str:
    """Name a picture in an error message: its path or URL, or what kind of thing it is."""
    if isinstance(image, Located):
        return image.path
    if isinstance(image, str) and is_url(image):
        return without_password(image)
    if isinstance(image, (str, os.PathLike)):
        return os.fsdecode(image) or "''"
    if isinstance(image, np.ndarray):
        return f"array of shape {image.shape} and type {image.dtype}"
    if isinstance(image, (bytes, bytearray, memoryview)):
        return f"picture of {len(image)} bytes"
    name = getattr(image, "name", None) or getattr(image, "filename", None)
    return name if isinstance(name, str) and name else f"{type(image).__name__} object"
