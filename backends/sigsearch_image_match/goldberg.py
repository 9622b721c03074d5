"""`ImageSignature` and `CorruptImageError` as image-match has them, for code written to it."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sigsearch.errors import ImageError, InputError
from sigsearch.images import LUMA, WHITE, read_pixels
from sigsearch.limits import DEFAULT_LIMITS, Limits
from sigsearch.scheme import IMAGE_MATCH_SCHEME, Scheme
from sigsearch.signatures import compute_orientations, compute_signature

if TYPE_CHECKING:
    from sigsearch.images import ImageLike
    from sigsearch.signatures import Signature

_EIGHT_BITS = 255


class CorruptImageError(ImageError, RuntimeError):
    """A picture cannot be read. image-match raised it for some, and whatever a decoder raised for others."""


class ImageSignature:
    """Signatures of pictures and distances between them, by sigsearch, under image-match's names.

    Parameters
    ----------
    n : int
        Grid points along each axis.
    crop_percentiles : pair of int
    identical_tolerance : float
        In parts of white; a whole number of 255ths, of which image-match's default is two.
    n_levels : int
    P, diagonal_neighbors, fix_ratio
        Only image-match's defaults, None, True and False, are served.

    Raises
    ------
    InputError (a ValueError)
        A parameter that is not served.
    """

    def __init__(
        self,
        n: int = 9,
        crop_percentiles: tuple[int, int] | None = (5, 95),
        P: int | None = None,  # noqa: N803 - image-match's name
        diagonal_neighbors: bool = True,
        identical_tolerance: float = 2 / 255,
        n_levels: int = 2,
        fix_ratio: bool = False,
        *,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        for name, given, served in (
            ("P", P, None),
            ("diagonal_neighbors", diagonal_neighbors, True),
            ("fix_ratio", fix_ratio, False),
        ):
            if given is not served:
                raise InputError(f"wanted {name}={served!r}, image-match's default, found {given!r}")
        if crop_percentiles is None:
            raise InputError("wanted crop_percentiles as two whole numbers from 0 to 100, found None")
        tolerance = identical_tolerance * _EIGHT_BITS
        if abs(tolerance - round(tolerance)) > 1e-6:
            raise InputError(
                f"wanted identical_tolerance as whole 255ths, such as 2/255, found {identical_tolerance!r}"
            )
        self.scheme = Scheme(
            grid_size=n,
            crop_percentiles=(crop_percentiles[0], crop_percentiles[1]),
            tolerance=round(tolerance),
            levels=n_levels,
        ).with_words_of(IMAGE_MATCH_SCHEME)
        self.limits = limits
        self.n = n
        self.crop_percentiles = crop_percentiles
        self.identical_tolerance = identical_tolerance
        self.n_levels = n_levels
        self.sig_length = self.scheme.signature_length

    def generate_signature(self, path_or_image: ImageLike, bytestream: bool = False) -> Signature:
        """The signature of a picture: int8, shape (648,).

        Parameters
        ----------
        path_or_image : path, URL or array; bytes with bytestream=True
            Beside what image-match takes, file objects and PIL images.
        bytestream : bool
            Whether it is the content of a file.

        Raises
        ------
        CorruptImageError
            The picture cannot be read.
        """
        try:
            source = _source(path_or_image, bytestream)
            return compute_signature(source, scheme=self.scheme, limits=self.limits)
        except ImageError as error:
            raise CorruptImageError(error.source, error.reason) from error

    def orientations(self, path_or_image: ImageLike, bytestream: bool = False) -> npt.NDArray[np.int8]:
        """The signatures of a picture in its 16 orientations, shape (16, 648); not one of image-match's."""
        try:
            source = _source(path_or_image, bytestream)
            return compute_orientations(source, scheme=self.scheme, limits=self.limits)
        except ImageError as error:
            raise CorruptImageError(error.source, error.reason) from error

    @staticmethod
    def preprocess_image(
        image_or_path: ImageLike, bytestream: bool = False, handle_mpo: bool = False
    ) -> npt.NDArray[np.float64]:
        """Read a picture as grey, 0 to 1, shape (h, w).

        It is seen as a person sees it: turned as its EXIF says, transparent parts on white. Of several
        pictures in a file it is the first, whatever `handle_mpo` says.

        Raises
        ------
        CorruptImageError
            The picture cannot be read.
        """
        try:
            pixels = read_pixels(_source(image_or_path, bytestream))
        except ImageError as error:
            raise CorruptImageError(error.source, error.reason) from error
        grey = pixels @ np.array(LUMA) if pixels.ndim == 3 else pixels
        scaled: npt.NDArray[np.float64] = grey / WHITE
        return scaled

    @staticmethod
    def normalized_distance(_a: npt.ArrayLike, _b: npt.ArrayLike) -> float:
        """How far two signatures are apart: ``||b - a|| / (||b|| + ||a||)``; 1.0 of two without features.

        Parameters
        ----------
        _a, _b : array of whole numbers, shape (648,)
        """
        a, b = (np.asarray(values).astype(np.int64) for values in (_a, _b))
        if a.ndim != 1 or a.shape != b.shape:
            raise InputError(f"wanted two signatures of one length, found shapes {a.shape} and {b.shape}")
        # Squares of whole numbers, and one root of each sum: the same everywhere, and as sigsearch.distance.
        norms = math.sqrt(a @ a) + math.sqrt(b @ b)
        return math.sqrt((b - a) @ (b - a)) / norms if norms else 1.0


def _source(image: ImageLike, bytestream: bool) -> Any:
    """What image-match's argument means to sigsearch: to it, bytes are a path but with `bytestream`."""
    if isinstance(image, bytes) and not bytestream:
        return os.fsdecode(image)
    if bytestream and not isinstance(image, (bytes, bytearray, memoryview)):
        raise InputError(f"wanted bytes with bytestream=True, found {type(image).__name__}")
    if isinstance(image, np.ndarray) and image.dtype == np.int8:
        raise InputError("wanted a picture, found an array of int8, such as a signature is")
    return image
