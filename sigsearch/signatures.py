"""Signatures, words and distances: checked public functions over the kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sigsearch import images
from sigsearch.errors import InputError
from sigsearch.limits import DEFAULT_LIMITS, Limits
from sigsearch.orientations import rows_after
from sigsearch.scheme import DEFAULT_SCHEME, Scheme
from sigsearch.words import word_positions

if TYPE_CHECKING:
    from types import ModuleType

    from sigsearch.images import ImageLike, Picture, Pixels

Signature = npt.NDArray[np.int8]
"""``(648,)`` int8 in -2 to 2, in the default scheme."""


def compute_signature(
    image: ImageLike, *, scheme: Scheme = DEFAULT_SCHEME, limits: Limits = DEFAULT_LIMITS
) -> Signature:
    """The signature of a picture.

    Parameters
    ----------
    image : path, URL, bytes, file object, PIL image or array
        See `sigsearch.images.read_pixels`. An int8 array of a signature's shape is a signature.
    scheme : Scheme
        The parameters.
    limits : Limits
        What it may cost to read, and where it may come from.

    Returns
    -------
    ndarray of int8, shape (648,)
        For each of 9 x 9 grid points, row by row, the levels, -2 to 2, of its grey mean less those of
        its 8 neighbours: upper left, upper, upper right, left, right, lower left, lower, lower right.
        All zero for a picture without features.

    Raises
    ------
    ImageError
        The picture cannot be read.

    References
    ----------
    Goldberg, Wong and Bern, "An image signature for any kind of image", ICIP 2002, section 3; equal,
    value for value, to image-match 1.1.2's but where that decides exact ties by rounding.
    """
    if is_signature(image, scheme):
        return as_signatures(image, scheme, ndim=1)
    signature: Signature = _from_image(image, scheme, limits, turned=False)[0]
    return signature


def compute_orientations(
    image: ImageLike, *, scheme: Scheme = DEFAULT_SCHEME, limits: Limits = DEFAULT_LIMITS
) -> npt.NDArray[np.int8]:
    """The signatures of a picture in its 16 orientations, from one decoding.

    Returns
    -------
    ndarray of int8, shape (16, 648)
        In the order of `sigsearch.ORIENTATIONS`. Each is that of the picture really mirrored, turned
        and inverted.

    Raises
    ------
    ImageError
        The picture cannot be read.
    InputError
        A signature was given: its grid no longer tells how a turned picture's would lie.
    """
    if is_signature(image, scheme):
        raise InputError("all orientations can be had of a picture, not of a signature: pass the picture")
    return _from_image(image, scheme, limits, turned=True)


def encode_words(signatures: npt.ArrayLike, *, scheme: Scheme = DEFAULT_SCHEME) -> npt.NDArray[np.int64]:
    """The words of signatures: short runs of their signs, as numbers. Copies share words, strangers few.

    Parameters
    ----------
    signatures : array of int8, shape (n, 648) or (648,)

    Returns
    -------
    ndarray of int64, shape (n, 80) or (80,)
        Word k reads the signs (-1, 0, 1 as 0, 1, 2) of the 10 values that `sigsearch.words.word_positions`
        names as a number of base 3, the first value being the least digit.

    Raises
    ------
    InputError
        Not signatures of this scheme.
    """
    checked = as_signatures(signatures, scheme)
    words: npt.NDArray[np.int64] = _kernels().words_of(np.atleast_2d(checked), word_positions(scheme))
    return words if checked.ndim == 2 else words[0]


def distance(a: npt.ArrayLike, b: npt.ArrayLike, *, scheme: Scheme = DEFAULT_SCHEME) -> float:
    """How far two signatures are apart: ``||a - b|| / (||a|| + ||b||)``.

    Returns
    -------
    float
        0.0 for the same signature, at most 1.0; 1.0 when neither has features. Copies mostly lie below
        0.45, strangers around 0.65 to 0.7.
    """
    return float(distances(a, as_signatures(b, scheme, ndim=1)[np.newaxis], scheme=scheme)[0])


def distances(
    signature: npt.ArrayLike, signatures: npt.ArrayLike, *, scheme: Scheme = DEFAULT_SCHEME
) -> npt.NDArray[np.float64]:
    """Distances from one signature to each of many.

    Parameters
    ----------
    signature : array of int8, shape (648,)
    signatures : array of int8, shape (n, 648)

    Returns
    -------
    ndarray of float64, shape (n,)
        See `distance`.

    Raises
    ------
    InputError
        Not signatures of this scheme.
    """
    found: npt.NDArray[np.float64] = _kernels().distances_to(
        as_signatures(signature, scheme, ndim=1), as_signatures(signatures, scheme, ndim=2)
    )
    return found


def compare(
    image_a: ImageLike,
    image_b: ImageLike,
    *,
    scheme: Scheme = DEFAULT_SCHEME,
    limits: Limits = DEFAULT_LIMITS,
) -> float:
    """The distance between two pictures, each anything that `compute_signature` takes."""
    return distance(
        compute_signature(image_a, scheme=scheme, limits=limits),
        compute_signature(image_b, scheme=scheme, limits=limits),
        scheme=scheme,
    )


def is_signature(image: object, scheme: Scheme = DEFAULT_SCHEME) -> bool:
    """Whether this is a ready signature: an int8 array of the scheme's length. No picture is int8."""
    return (
        isinstance(image, np.ndarray) and image.dtype == np.int8 and image.shape == (scheme.signature_length,)
    )


def as_signatures(values: Any, scheme: Scheme = DEFAULT_SCHEME, *, ndim: int | None = None) -> Signature:
    """Check signatures and give them as a contiguous int8 array.

    Parameters
    ----------
    values : array_like of whole numbers, shape (648,) or (n, 648)
    scheme : Scheme
    ndim : int, optional
        1 or 2, if only that will do.

    Raises
    ------
    InputError
        The shape, type or range is not that of signatures of this scheme.
    """
    length = scheme.signature_length
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"wanted signatures of {length} values, found {type(values).__name__}") from error
    shapes = {1: f"({length},)", 2: f"(n, {length})", None: f"({length},) or (n, {length})"}
    if array.ndim not in ((1, 2) if ndim is None else (ndim,)) or array.shape[-1] != length:
        raise InputError(f"wanted signatures of shape {shapes[ndim]}, found shape {array.shape}")
    if array.dtype.kind not in "iu":
        raise InputError(f"wanted signatures of whole numbers, found {array.dtype}")
    if array.size and (array.min() < -scheme.levels or array.max() > scheme.levels):
        raise InputError(
            f"wanted signatures of values from {-scheme.levels} to {scheme.levels}, "
            f"found {array.min()} to {array.max()}"
        )
    return np.ascontiguousarray(array, dtype=np.int8)


def sum_squares(
    pixels: Pixels, scheme: Scheme, *, turned: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Steps 1 to 3: the sums of grey over the squares, and the squares' rows and columns.

    ``(9, 9)``, ``(9, 2)`` and ``(9, 2)`` int64; if turned, for the axes read both ways, twice the 9.
    """
    kernels = _kernels()
    size = pixels.shape[0], pixels.shape[1]
    lines: Any = kernels.activity(pixels) if not _is_even(pixels, size, 1, scheme) else map(_evenly, size)
    rows, columns = (_intervals(sums, size, scheme, turned) for sums in lines)
    return kernels.square_sums(pixels, rows, columns), rows, columns


def _sum_scaled_squares(
    picture: Picture, scheme: Scheme, *, turned: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
    """As `sum_squares` of the picture in full, from its scaled pixels; None where these cannot tell.

    The squares are laid in the rows and columns of the picture in full and moved by no rounding, for their
    means hardly change by scaling. Nor does the window, unless lines without any difference move it; scaling
    makes more such lines, so then only the picture in full can tell.
    """
    if not _is_even(picture.pixels, picture.size, picture.scale, scheme):
        return None
    rows, columns = (_intervals(_evenly(length), picture.size, scheme, turned) for length in picture.size)
    return _kernels().scaled_square_sums(picture.pixels, rows, columns, picture.scale), rows, columns


def _is_even(pixels: Pixels, size: tuple[int, int], scale: int, scheme: Scheme) -> bool:
    """Whether the window of step 2 lies as if all lines had the same activity, read in either direction.

    Its percentiles are those of the cumulated sums as a list of numbers, and a percentile of an ascending
    list lies at a known rank. So the window lies there in every picture whose cumulated sums rise at these
    ranks: whose activity is above 0 in the few lines that stand there. Nothing else of the sums matters.
    """
    rows, columns = (_deciding_lines(length, scheme.crop_percentiles) for length in size)
    if rows is None or columns is None:
        return False
    even: bool = _kernels().all_active(pixels, rows // scale, columns // scale)
    return even


def _deciding_lines(length: int, percentiles: tuple[int, int]) -> npt.NDArray[np.int64] | None:
    """The lines where the cumulated sums must rise, forwards and backwards; None if there are none such."""
    first = (length - 1) * percentiles[0] // 100 + 1
    last = -(-(length - 1) * percentiles[1] // 100)
    if first >= length:
        return None
    lines = np.array([first, last], np.int64)
    return np.concatenate([lines, length - 1 - lines])


def _evenly(length: int) -> npt.NDArray[np.int64]:
    return np.ones(length, np.int64)


def _intervals(
    sums: npt.NDArray[np.int64], size: tuple[int, int], scheme: Scheme, turned: bool
) -> npt.NDArray[np.int64]:
    side = max(2, (min(size) + 10) // 20)
    found: npt.NDArray[np.int64] = _kernels().intervals(
        sums, side, scheme.grid_size, *scheme.crop_percentiles, turned
    )
    return found


def _from_image(image: ImageLike, scheme: Scheme, limits: Limits, *, turned: bool) -> npt.NDArray[np.int8]:
    """The signature of a picture, or those of its 16 orientations: ``(1 or 16, 648)`` int8."""
    picture = images.read_picture(image, limits=limits, decode_side=scheme.decode_side)
    return signatures_of_picture(picture, scheme, turned=turned)


def signatures_of_picture(picture: Picture, scheme: Scheme, *, turned: bool) -> npt.NDArray[np.int8]:
    """The signature of a picture that was read, or those of its 16 orientations: ``(1 or 16, 648)`` int8."""
    every = turned or picture.turn > 0
    found = None
    if picture.scale > 1:
        found = _sum_scaled_squares(picture, scheme, turned=every)
        if found is None:
            picture = picture.in_full()
    if found is None:
        found = sum_squares(picture.pixels, scheme, turned=every)
    signatures: npt.NDArray[np.int8] = _kernels().signatures_of(
        *found, scheme.grid_size, scheme.tolerance, scheme.levels
    )
    if not picture.turn:
        return signatures
    return signatures[rows_after(picture.turn) if turned else [picture.turn]]


def signatures_of_means(means: npt.NDArray[np.int64], scheme: Scheme) -> npt.NDArray[np.int8]:
    """Step 4: the signatures of grids of grey means, ``(n, 9, 9)`` int64 in units of grey; ``(n, 648)`` int8."""
    found: npt.NDArray[np.int8] = _kernels().signatures_of_means(means, scheme.tolerance, scheme.levels)
    return found


def _kernels() -> ModuleType:
    # Here and not above: importing numba takes longer than most commands.
    from sigsearch import _kernels

    return _kernels
