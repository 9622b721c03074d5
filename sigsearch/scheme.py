"""Scheme: every parameter that changes a signature or a word; stored with each index, compared at open."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal

from sigsearch.errors import InputError, SchemeMismatchError

REVISION = 2
"""Raised whenever the same parameters give another signature or other words. tests/golden pins it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How pictures become signatures and signatures become words.

    Signatures compare only with signatures of the same scheme. The signatures of the default scheme are
    those of the paper and of image-match 1.1.2, value for value; image-match's words are those of
    ``Scheme(word_shape="run", word_length=16, word_count=63)``.

    Parameters
    ----------
    grid_size : int
        Grid points along each axis; the signature has ``8 * grid_size**2`` values.
    crop_percentiles : tuple of int
        Percentiles of the cumulated grey differences between which the grid is laid, 0 to 100.
    tolerance : int
        Grey means closer than this, in 255ths of white, count as the same.
    levels : int
        Levels of difference on each side of zero; a signature's values are ``-levels`` to ``levels``.
    word_shape : 'cross' or 'run'
        Which values a word reads: those along two lines that cross, or one after the other. See
        `sigsearch.words`.
    word_length, word_count : int
        Values in a word, 1 to 39, and words in a signature.
    views : 'whole' or 'regions'
        What of a picture is signed: the whole, or also windows of it, by which its crops are found.
    decode_side : int, optional
        JPEGs are decoded at the smallest of the scales 1, 1/2, 1/4 and 1/8 at which their shorter side
        has still so many pixels, 64 at the least. Big photographs take less time then, and have nearly
        the same signatures, see docs/benchmarks.md. None, the default: in full, for exactly the same.
    revision : int
        The revision of the computation itself.

    Raises
    ------
    InputError
        A parameter is out of its range.

    References
    ----------
    Goldberg, Wong and Bern, "An image signature for any kind of image", ICIP 2002, section 3.
    """

    grid_size: int = 9
    crop_percentiles: tuple[int, int] = (5, 95)
    tolerance: int = 2
    levels: int = 2
    word_shape: Literal["cross", "run"] = "cross"
    word_length: int = 10
    word_count: int = 80
    views: Literal["whole", "regions"] = "whole"
    decode_side: int | None = None
    revision: int = REVISION

    def __post_init__(self) -> None:
        percentiles: Any = self.crop_percentiles
        if isinstance(percentiles, list):  # as read from JSON or TOML
            percentiles = tuple(percentiles)
            object.__setattr__(self, "crop_percentiles", percentiles)
        if not (
            isinstance(percentiles, tuple)
            and len(percentiles) == 2
            and all(type(p) is int for p in percentiles)
            and 0 <= percentiles[0] < percentiles[1] <= 100
        ):
            raise InputError(
                f"crop_percentiles must be two rising whole numbers from 0 to 100, not {percentiles!r}"
            )
        if self.word_shape not in ("cross", "run"):
            raise InputError(f"word_shape must be 'cross' or 'run', not {self.word_shape!r}")
        if self.views not in ("whole", "regions"):
            raise InputError(f"views must be 'whole' or 'regions', not {self.views!r}")
        for name, low, high in (
            ("grid_size", 2, 64),
            ("tolerance", 0, 255),
            ("levels", 1, 9),
            ("word_length", 1, 39),
            ("word_count", 1, self.signature_length if type(self.grid_size) is int else 1),
            ("decode_side", 64, 2**16),
            ("revision", 1, 2**31),
        ):
            value = getattr(self, name)
            if name == "decode_side" and value is None:
                continue
            if type(value) is not int or not low <= value <= high:
                raise InputError(f"{name} must be a whole number from {low} to {high}, not {value!r}")

    @property
    def signature_length(self) -> int:
        """Values in a signature."""
        return 8 * self.grid_size**2

    def to_json(self) -> dict[str, Any]:
        """As a JSON object, to be stored with an index."""
        stored = asdict(self) | {"crop_percentiles": list(self.crop_percentiles)}
        for name in ("views", "decode_side"):  # as before there were these: some servers compare the text
            if stored[name] == _UNSAID[name]:
                del stored[name]
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Scheme":
        """From what `to_json` gave.

        Raises
        ------
        SchemeMismatchError
            It has a parameter or a revision that this version of sigsearch does not know.
        """
        unknown = set(stored) - {field.name for field in fields(cls)}
        revision = stored.get("revision")
        if unknown or revision != REVISION:
            found = f"parameters {', '.join(sorted(unknown))}" if unknown else f"revision {revision!r}"
            raise SchemeMismatchError(
                f"the index was made with a scheme of {found}, this version of sigsearch has "
                f"revision {REVISION}: use the version that made it, or build the index again"
            )
        try:
            return cls(**stored)
        except InputError as error:
            raise SchemeMismatchError(f"the index was made with a scheme that cannot be: {error}") from error

    def with_words_of(self, other: "Scheme") -> "Scheme":
        """The scheme of the same signatures that finds them by the words of another."""
        return replace(
            self,
            word_shape=other.word_shape,
            word_length=other.word_length,
            word_count=min(other.word_count, self.signature_length),
        )

    def check_same(self, stored: "Scheme", location: str) -> None:
        """Raise `SchemeMismatchError` unless an index's stored scheme is this one."""
        if stored == self:
            return
        differing = [f.name for f in fields(self) if getattr(self, f.name) != getattr(stored, f.name)]
        wanted, found = (
            ", ".join(f"{name}={getattr(scheme, name)!r}" for name in differing) for scheme in (self, stored)
        )
        special = [f.name for f in fields(self) if getattr(stored, f.name) != f.default]
        given = ", ".join(f"{name}={getattr(stored, name)!r}" for name in special)
        raise SchemeMismatchError(
            f"{location} was made with another scheme: wanted {wanted}, found {found}; "
            f"open it with scheme=Scheme({given}), or build it again"
        )


_UNSAID: Final[Mapping[str, object]] = {"views": "whole", "decode_side": None}
DEFAULT_SCHEME = Scheme()
IMAGE_MATCH_SCHEME = Scheme(word_shape="run", word_length=16, word_count=63)
"""That of image-match 1.1.2 with its defaults, words and all."""
