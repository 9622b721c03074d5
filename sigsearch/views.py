"""The views of a picture that an index keeps, as its scheme says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigsearch import images
from sigsearch.limits import DEFAULT_LIMITS, Limits
from sigsearch.records import View
from sigsearch.scheme import DEFAULT_SCHEME, Scheme
from sigsearch.signatures import as_signatures, is_signature, signatures_of_picture

if TYPE_CHECKING:
    from sigsearch.images import ImageLike


def compute_views(
    image: ImageLike, *, scheme: Scheme = DEFAULT_SCHEME, limits: Limits = DEFAULT_LIMITS
) -> tuple[View, ...]:
    """The views of a picture that an index of this scheme keeps: the whole, and with regions its windows.

    Parameters
    ----------
    image : path, URL, bytes, file object, PIL image or array
        See `compute_signature`. Of a ready signature there is but the whole.
    scheme : Scheme
        The parameters.
    limits : Limits
        What it may cost to read, and where it may come from.

    Returns
    -------
    tuple of View
        The first is the whole picture, with the signature that `compute_signature` gives.

    Raises
    ------
    ImageError
        The picture cannot be read.
    """
    if is_signature(image, scheme):
        return (View(as_signatures(image, scheme, ndim=1)),)
    picture = images.read_picture(image, limits=limits, decode_side=scheme.decode_side)
    whole = View(signatures_of_picture(picture, scheme, turned=False)[0])
    if scheme.views == "whole":
        return (whole,)
    from sigsearch.regions import sign_windows

    return whole, *sign_windows(picture, scheme)
