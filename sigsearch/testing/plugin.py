"""The pytest plugin: an empty index, a maker of pictures and a maker of near-duplicates, as fixtures.

pytest loads it wherever sigsearch is installed, so nothing heavy is imported before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from sigsearch import Index
    from sigsearch.testing.pictures import Picture

# Without it a failing conformance test would say no more than "AssertionError".
pytest.register_assert_rewrite(
    "sigsearch.testing.conformance", "sigsearch.testing.samples", "sigsearch.testing.stateful"
)


class MakePicture(Protocol):
    """Type of the fixture `make_picture`."""

    def __call__(self, seed: int = 0, size: tuple[int, int] = (320, 240)) -> Picture: ...


class MakeNearDuplicate(Protocol):
    """Type of the fixture `make_near_duplicate`."""

    def __call__(self, picture: Picture, edit: str = "jpeg") -> Picture: ...


@pytest.fixture
def sigsearch_index() -> Iterator[Index]:
    """An empty index in memory, closed at the end of the test."""
    import sigsearch

    with sigsearch.open("memory://") as index:
        yield index


@pytest.fixture(scope="session")
def make_picture() -> MakePicture:
    """Make a picture: ``make_picture(seed=0, size=(320, 240))``, an (h, w, 3) uint8 array.

    Pictures of different seeds are no copies of each other.
    """
    from sigsearch.testing import pictures

    return pictures.make_picture


@pytest.fixture(scope="session")
def make_near_duplicate() -> MakeNearDuplicate:
    """Make a copy of a picture: ``make_near_duplicate(picture, edit="jpeg")``, an (h, w, 3) uint8 array.

    `sigsearch.testing.EDITS` names the edits. A search for the copy finds the picture.
    """
    from sigsearch.testing import pictures

    return pictures.make_near_duplicate
