"""From wherever a picture is to its bytes: files, archives, web servers, object stores."""

from __future__ import annotations

import os

import numpy as np

from sigsearch.errors import ImageError
from sigsearch.limits import Limits
from sigsearch.reading.files import is_file_url, read_file, read_file_url
from sigsearch.reading.urls import fetch, is_url, without_password

__all__ = ["describe", "encoded", "is_far", "is_url", "read_bytes"]


def read_bytes(image: object, limits: Limits) -> bytes:
    """The bytes of a picture that is given encoded: by its path or URL, as bytes or as a file object.

    Raises
    ------
    ImageError
        They cannot be had, or are more than the limits allow.
    """
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    if isinstance(image, str) and is_url(image):
        return fetch(image, limits)
    if isinstance(image, str) and is_file_url(image):
        return read_file_url(image, limits)
    if isinstance(image, (str, os.PathLike)):
        return read_file(image, limits)
    if hasattr(image, "read"):
        data: object = image.read()
        if not isinstance(data, bytes):
            raise ImageError(describe(image), "it is open as text; open it in binary mode, 'rb'")
        return data
    raise ImageError(
        describe(image), "wanted a path, URL, bytes, binary file object, PIL image or array of pixels"
    )


def is_far(image: object) -> bool:
    """Whether it takes long to fetch, while another could be decoded."""
    return is_url(image)


def encoded(image: object, limits: Limits) -> str | bytes:
    """What another process can read in its place: a path, or the bytes."""
    return os.path.abspath(image) if isinstance(image, (str, os.PathLike)) else read_bytes(image, limits)


def describe(image: object) -> str:
    """Name a picture in an error message: its path or URL, or what kind of thing it is."""
    if isinstance(image, str) and is_url(image):
        return without_password(image)
    if isinstance(image, (str, os.PathLike)):
        return os.fspath(image) or "''"
    if isinstance(image, np.ndarray):
        return f"array of shape {image.shape} and type {image.dtype}"
    if isinstance(image, (bytes, bytearray, memoryview)):
        return f"picture of {len(image)} bytes"
    name = getattr(image, "name", None) or getattr(image, "filename", None)
    return name if isinstance(name, str) and name else f"{type(image).__name__} object"
