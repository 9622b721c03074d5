"""How kernels are compiled, in the core and in backends: for given types, kept on disk, without the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def _can_cache() -> bool:
    """Whether numba finds a folder for its machine code; without one it would refuse to compile."""
    try:
        numba.njit(cache=True)(_can_cache)
    except RuntimeError:
        return False
    return True


_CACHE: Final = _can_cache()


def kernel(signatures: list[Any]) -> Callable[[F], F]:
    """Compile for just these types, release the GIL, and keep the machine code on disk if that can be.

    Numba's cache watches only the file a kernel stands in: a kernel calls kernels of its own file alone.
    No fastmath: a signature is stored data, and a distance must be the same everywhere.
    """
    return cast("Callable[[F], F]", numba.njit(signatures, cache=_CACHE, nogil=True, error_model="numpy"))


def helper(function: F) -> F:
    """Compile as part of the kernels that call it."""
    return cast("F", numba.njit(cache=_CACHE, nogil=True, error_model="numpy")(function))
