"""Pictures that know where they are and read themselves: what an archive or a pattern stands for."""

from __future__ import annotations

from dataclasses import dataclass

from sigsearch.errors import ImageError
from sigsearch.limits import Limits


class Located:
    """A picture that is more than a path. Can be pickled, for other processes read it."""

    __slots__ = ()

    @property
    def path(self) -> str:
        """Its path and, if none is given, its id."""
        raise NotImplementedError

    def read(self, limits: Limits) -> bytes:
        """Its bytes.

        Raises
        ------
        ImageError
            They cannot be had, or are more than the limits allow.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Unreadable(Located):
    """What was given and stands for nothing, or not for all that it should; reading it says why."""

    name: str
    reason: str

    @property
    def path(self) -> str:  # noqa: D102
        return self.name

    def read(self, limits: Limits) -> bytes:  # noqa: D102
        raise ImageError(self.name, self.reason)


def too_large(limits: Limits) -> str:
    """The reason why a picture that has more bytes is not read."""
    return f"it is larger than the limit of {limits.bytes:,} bytes"


def reason_of(error: BaseException) -> str:
    """What an error of others says, in one line; some say nothing."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).strip() or type(error).__name__).splitlines()[0]
