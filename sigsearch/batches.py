"""What itertools.batched does, which Python has from 3.12 on."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """So many items at a time, in their order; no more are taken than the batch has."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
