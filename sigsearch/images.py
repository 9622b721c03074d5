"""Pictures in, pixels out: the only module that decodes, and the only one that knows imageio and Pillow."""

from __future__ import annotations

import http.client
import os
import re
import stat
import urllib.error
import urllib.parse
import urllib.request
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sigsearch.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    import PIL.Image

    ImageLike: TypeAlias = (
        "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] "
        "| PIL.Image.Image | npt.NDArray[Any]"
    )
    """A picture: path, URL, encoded bytes, binary file object, PIL image or array of pixels."""

Pixels = npt.NDArray[Any]
"""``(h, w, 3)`` uint8 RGB, or ``(h, w)`` int32 grey from 0 to `WHITE`."""

WHITE = 2_550_000
"""White in int32 grey: ten-thousandths of an 8-bit level, in which the luma of RGB is a whole number."""
LUMA = (2125, 7154, 721)
"""Weights of red, green and blue in ten-thousandths, those of scikit-image's rgb2gray."""

URL_TIMEOUT = 30.0
"""Seconds that a server may keep silent."""
URL_MAX_BYTES = 256 * 2**20

# Formats that Pillow opens but decodes only with an outside program or not at all.
_UNREADABLE_FORMATS = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
_DEEP_MODES = frozenset({"I;16", "I;16B", "I;16L", "I", "F"})
_ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})


def read_pixels(image: ImageLike) -> Pixels:
    """Read a picture as a person sees it: turned as its EXIF says, on white, its first frame or page.

    Parameters
    ----------
    image : path, URL, bytes, file object, PIL image or array
        An array has shape ``(h, w)``, ``(h, w, 1)``, ``(h, w, 3)`` or ``(h, w, 4)`` (RGB, RGBA) and is
        of bool, uint8 (0 to 255), uint16 (0 to 65535) or a float type (0 to 1).

    Returns
    -------
    Pixels
        8-bit RGB where the picture has 8 bits a channel, else int32 grey.

    Raises
    ------
    ImageError
        It cannot be read as a picture. Names the picture and says why.
    """
    name = describe(image)
    if isinstance(image, np.ndarray):
        return _from_array(image, name)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _decode(bytes(image), name)
    if isinstance(image, (str, os.PathLike)):
        return _decode(_fetch(str(image)) if is_url(image) else _read_file(image), name)
    from PIL import Image

    if isinstance(image, Image.Image):
        return _from_pil(image, name)
    if hasattr(image, "read"):
        data: object = image.read()
        if not isinstance(data, bytes):
            raise ImageError(name, "it is open as text; open it in binary mode, 'rb'")
        return _decode(data, name)
    raise ImageError(name, "wanted a path, URL, bytes, binary file object, PIL image or array of pixels")


def describe(image: object) -> str:
    """Name a picture in an error message: its path or URL, or what kind of thing it is."""
    if isinstance(image, (str, os.PathLike)):
        return os.fspath(image) or "''"
    if isinstance(image, np.ndarray):
        return f"array of shape {image.shape} and type {image.dtype}"
    if isinstance(image, (bytes, bytearray, memoryview)):
        return f"picture of {len(image)} bytes"
    name = getattr(image, "name", None) or getattr(image, "filename", None)
    return name if isinstance(name, str) and name else f"{type(image).__name__} object"


def is_url(image: object) -> bool:
    """Whether a picture is given by an http or https address."""
    return isinstance(image, str) and re.match(r"https?://", image, re.IGNORECASE) is not None


def find_pictures(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Walk a folder, in order of name, and yield the files with a picture's ending.

    Hidden files and folders are passed over, links to folders are not followed. A folder that may not be
    read is yielded itself, so that reading it says so.
    """
    endings = picture_endings()
    closed: list[OSError] = []
    for here, folders, files in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in endings:
                yield Path(here, name)
    for error in closed:
        yield Path(error.filename)


def picture_endings() -> frozenset[str]:
    """Endings of the files that can be read here, lower case with their dot."""
    from PIL import Image

    endings = Image.registered_extensions()
    return frozenset(
        ending for ending, kind in endings.items() if kind in Image.OPEN and kind not in _UNREADABLE_FORMATS
    )


def _read_file(path: str | os.PathLike[str]) -> bytes:
    name = describe(path)
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
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise ImageError(name, "no such file") from error
    except (OSError, ValueError) as error:
        raise ImageError(name, getattr(error, "strerror", None) or str(error)) from error


def _fetch(url: str) -> bytes:
    request = urllib.request.Request(
        urllib.parse.quote(url, safe=":/?#[]@!$&'()*+,;=%~"), headers={"User-Agent": "sigsearch"}
    )
    try:
        with urllib.request.urlopen(request, timeout=URL_TIMEOUT) as response:
            data: bytes = response.read(URL_MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        with error:
            raise ImageError(url, str(error)) from error
    except urllib.error.URLError as error:
        raise ImageError(url, str(error.reason)) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ImageError(url, _reason(error)) from error
    if len(data) > URL_MAX_BYTES:
        raise ImageError(url, f"it is larger than {URL_MAX_BYTES} bytes")
    return data


def _decode(data: bytes, name: str) -> Pixels:
    if not data:
        raise ImageError(name, "it is empty (0 bytes)")
    import imageio.v3 as iio
    from imageio.core.request import InitializationError

    try:
        with warnings.catch_warnings():
            # Pillow warns of much that does not concern the user: odd metadata, palettes.
            warnings.simplefilter("ignore")
            file = iio.imopen(data, "r", plugin="pillow")
            with file:
                info = file.metadata(index=0, exclude_applied=False)
                mode = _wanted_mode(info["mode"], "transparency" in info)
                # imageio declares the mode as "str = None".
                array = file.read(index=0, mode=mode, writeable_output=False)  # type: ignore[arg-type]
                # Read again: Pillow turns some pictures itself, and then drops the tag.
                turn = file.metadata(index=0, exclude_applied=False).get("Orientation", 1)
    except Exception as error:
        # Decoders raise whatever they please: OSError, SyntaxError, struct.error, IndexError ...
        cause = error.__cause__ or error  # imageio wraps what its plugin says in something vaguer
        if isinstance(cause, InitializationError):
            raise ImageError(name, "its content is not a picture of a known format") from error
        raise ImageError(name, _reason(cause)) from error
    return _from_array(_as_displayed(array, turn), name, in_range=False)


def _reason(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _from_pil(image: PIL.Image.Image, name: str) -> Pixels:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mode = _wanted_mode(image.mode, "transparency" in image.info)
            array = np.asarray(image if mode is None else image.convert(mode))
            turn = image.getexif().get(0x0112, 1)
    except Exception as error:
        raise ImageError(name, _reason(error)) from error
    return _from_array(_as_displayed(array, turn), name, in_range=False)


def _wanted_mode(mode: str, transparency: bool) -> str | None:
    """The Pillow mode to convert to; None keeps pixels that have more than 8 bits."""
    if mode in _DEEP_MODES:
        return None
    return "RGBA" if transparency or mode in _ALPHA_MODES else "RGB"


def _as_displayed(array: Pixels, orientation: object) -> Pixels:
    """Apply an EXIF orientation.

    imageio's own ``rotate=True`` flips the wrong axis of a grey or palette picture read as RGB
    (2.38: it looks at the file's mode, not at the array's).
    """
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, 0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _from_array(array: Pixels, name: str, in_range: bool = True) -> Pixels:
    """Turn any array of pixels into `Pixels`.

    Files may hold deep pixels in any range and are stretched; a caller's array in the wrong range is
    more likely a mistake, and is refused (``in_range``).
    """
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise ImageError(name, f"wanted shape (h, w), (h, w, 3) or (h, w, 4), found {array.shape}")
    if array.size == 0:
        raise ImageError(name, "it has no pixels")
    kind = array.dtype.kind
    if kind == "b":
        array, white = array.astype(np.uint8), 1.0
    elif array.dtype == np.uint8:
        return _from_bytes(array)
    elif array.dtype == np.uint16:
        white = 65535.0
    elif kind == "f" or not in_range:
        white = 1.0 if kind == "f" else 65535.0
    else:
        raise ImageError(name, f"wanted pixels of type uint8, uint16, float or bool, found {array.dtype}")
    return _to_grey(array, white, name, in_range)


def _from_bytes(array: Pixels) -> Pixels:
    if array.ndim == 2:
        array = np.repeat(array[:, :, np.newaxis], 3, axis=2)
    elif array.shape[2] == 4:
        alpha = array[:, :, 3:]
        if alpha.min() == 255:
            array = array[:, :, :3]
        else:  # on white, rounded to the nearest level
            wide = alpha.astype(np.uint16)
            blended = array[:, :, :3] * wide + 255 * (255 - wide)
            array = ((blended.astype(np.uint32) + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(array)


def _to_grey(array: Pixels, white: float, name: str, in_range: bool) -> Pixels:
    values = array.astype(np.float64)
    if not np.isfinite(values).all():
        raise ImageError(name, "it has pixels that are not finite numbers")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > white:
        if in_range:
            raise ImageError(name, f"wanted pixels from 0 to {white:g}, found {low:g} to {high:g}")
        values, white = values - low, high - low
    if values.ndim == 3:
        luma = sum(weight * values[:, :, channel] for channel, weight in enumerate(LUMA))
        if values.shape[2] == 4:
            alpha = values[:, :, 3] / white
            luma = luma * alpha + white * sum(LUMA) * (1 - alpha)
        values, white = np.asarray(luma), white * sum(LUMA)
    return np.ascontiguousarray(np.rint(values * (WHITE / white)).astype(np.int32))
