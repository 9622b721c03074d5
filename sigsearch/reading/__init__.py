"""From wherever a picture is to its bytes: files, archives, web servers, object stores."""

from __future__ import annotations

import os

import numpy as np

from sigsearch.errors import ImageError
from sigsearch.limits import Limits
from sigsearch.reading.archives import member_at
from sigsearch.reading.files import read_file
from sigsearch.reading.located import Located
from sigsearch.reading.remote import is_remote, read_remote
from sigsearch.reading.urls import fetch, is_url

__all__ = ["Located", "describe", "is_remote", "is_url", "read_bytes"]


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
    if isinstance(image, (str, os.PathLike)):
        if is_url(image):
            return fetch(str(image), limits)
        if is_remote(image):
            return read_remote(str(image), limits)
        path = os.fspath(image)
        member = member_at(path) if isinstance(path, str) else None
        return read_file(image, limits) if member is None else member.read(limits)
    if hasattr(image, "read"):
        data: object = image.read()
        if not isinstance(data, bytes):
            raise ImageError(describe(image), "it is open as text; open it in binary mode, 'rb'")
        return data
    raise ImageError(
        describe(image), "wanted a path, URL, bytes, binary file object, PIL image or array of pixels"
    )


def describe(image: object) -> str:
    """Name a picture in an error message: its path or URL, or what kind of thing it is."""
    if isinstance(image, Located):
        return image.path
    if isinstance(image, (str, os.PathLike)):
        return os.fspath(image) or "''"
    if isinstance(image, np.ndarray):
        return f"array of shape {image.shape} and type {image.dtype}"
    if isinstance(image, (bytes, bytearray, memoryview)):
        return f"picture of {len(image)} bytes"
    name = getattr(image, "name", None) or getattr(image, "filename", None)
    return name if isinstance(name, str) and name else f"{type(image).__name__} object"
