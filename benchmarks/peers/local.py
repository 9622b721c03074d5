"""Peers that find a picture by a part: local features of OpenCV and perception, ImageHash's segments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from benchmarks.edits import Picture
from benchmarks.peers.descriptors import Peer

SIDE: Final = 512
"""Pixels of a picture's longer side, before SIFT and ORB look for points in it."""
POINTS: Final = 1000
"""Points a picture, at most."""
REACH: Final = 5.0
"""Pixels by which a point may miss its place."""
FACTOR: Final = 8.0
"""By which one picture may be the larger; a map to a spot would take whatever points lie close together."""
_PLACE: Final = 4
"""Bytes of a point's place: two numbers of 16 bits."""
_DIHEDRAL: Final = (None, *Image.Transpose)
"""All ways to turn a picture by quarters or to mirror it; None: as it is."""


class Matcher(ABC):
    """Describes a picture, and tells how alike two descriptions are: 0 for nothing in common, or more."""

    name: str
    note: str
    default: float | None = None
    """What its makers recommend: a match is above it. None: they recommend none."""
    turns: Sequence[Image.Transpose | None] = (None, Image.Transpose.FLIP_LEFT_RIGHT)
    """How a query is turned if all orientations are asked for: the best counts."""

    @abstractmethod
    def describe(self, picture: Picture) -> Any:
        """What is kept of a picture; None if there is nothing to tell it by."""

    @abstractmethod
    def bytes(self, description: Any) -> int:
        """What a description takes, packed."""

    @abstractmethod
    def compare(self, query: Any, stored: Any) -> float:
        """How alike two descriptions are."""

    def ask(self, picture: Picture, *, turned: bool) -> list[Any]:
        """The descriptions of a query."""
        turns = self.turns if turned else (None,)
        found = [self.describe(picture if turn is None else picture.transpose(turn)) for turn in turns]
        return [each for each in found if each is not None]


class Points(NamedTuple):
    """Points of a picture: ``(n, 2)`` pixels, and ``(n, k)`` of how each looks (whole numbers)."""

    places: npt.NDArray[np.float32]
    looks: npt.NDArray[np.uint8]


class Features(Matcher):
    """Points of OpenCV; how many of their matches agree on one rotation, scale and shift (RANSAC).

    A match is nearer than `ratio` times the second nearest (Lowe, IJCV 2004, section 7.1), and no point of
    the stored picture has two: or a shrunk map would take all points to one.
    """

    def __init__(self, name: str, make: Callable[[Any], Any], *, bits: bool, ratio: float) -> None:
        self.name = name
        self.note = f"{SIDE} px, {POINTS} points at most, ratio {ratio}, {REACH:g} px"
        self._make, self._bits, self._ratio = make, bits, ratio

    def describe(self, picture: Picture) -> Points | None:
        picture = ImageOps.contain(picture.convert("L"), (SIDE, SIDE), Image.Resampling.LANCZOS)
        points, looks = self._detector.detectAndCompute(np.asarray(picture), None)
        if len(points) < 2:
            return None
        return Points(np.array([point.pt for point in points], np.float32), looks.astype(np.uint8))

    def bytes(self, description: Points) -> int:
        return int(description.looks.size) + len(description.looks) * _PLACE

    def compare(self, query: Points, stored: Points) -> float:
        cv2 = self._cv2
        if self._bits:
            kind, norm, looks = cv2.CV_32S, cv2.NORM_HAMMING, [query.looks, stored.looks]
        else:
            kind, norm = cv2.CV_32F, cv2.NORM_L2
            looks = [points.looks.astype(np.float32) for points in (query, stored)]
        apart, places = cv2.batchDistance(*looks, kind, normType=norm, K=2)
        rows = np.flatnonzero(apart[:, 0] < self._ratio * apart[:, 1])
        rows = rows[np.argsort(apart[rows, 0], kind="stable")]
        of_stored, first = np.unique(places[rows, 0], return_index=True)
        if len(of_stored) < 3:
            return 0.0  # two points always agree
        turned, agree = cv2.estimateAffinePartial2D(
            query.places[rows[first]],
            stored.places[of_stored],
            method=cv2.RANSAC,
            ransacReprojThreshold=REACH,
            refineIters=0,
        )
        if turned is None or not 1 / FACTOR < np.hypot(*turned[:, 0]) < FACTOR:
            return 0.0
        return float(agree.sum())

    @cached_property
    def _detector(self) -> Any:
        return self._make(self._cv2)

    @cached_property
    def _cv2(self) -> Any:
        import cv2

        cv2.setNumThreads(1)
        return cv2


class Segments(Matcher):
    """ImageHash's crop_resistant_hash: how many segments are alike, less a part of 1 for what differs."""

    name = "ImageHash crop_resistant_hash"
    note = "its defaults: dHash of segments; a match if one is alike"
    default = 0.0
    turns = _DIHEDRAL

    def describe(self, picture: Picture) -> Any:
        import imagehash

        return imagehash.crop_resistant_hash(picture)

    def bytes(self, description: Any) -> int:
        return sum(each.hash.size // 8 for each in description.segment_hashes)

    def compare(self, query: Any, stored: Any) -> float:
        return float(len(query.segment_hashes) - (query - stored))


class Perception(Matcher):
    """perception's local descriptors: the inliers of its own comparing, whatever it would make of them."""

    name = "perception SIFT, inliers"
    note = "256 px, 256 points, as it comes; its other bounds set to 0"
    _least: Final[dict[str, float]] = {
        "minimum_match": 0.0,
        "minimum_intersection": 0.0,
        "minimum_inliers": 0,
    }

    def describe(self, picture: Picture) -> Any:
        return self._local.generate_image_descriptors(picture, self._hasher)

    def bytes(self, description: Any) -> int:
        return int(description["descriptors"].size) + len(description["keypoints"]) * _PLACE

    def compare(self, query: Any, stored: Any) -> float:
        _, found = self._hasher.validate_match(query, stored, **self._least)
        return float(found["inliers"] or 0)

    @cached_property
    def _hasher(self) -> Any:
        return self._local.SIFT()

    @cached_property
    def _local(self) -> Any:
        import cv2
        import faiss
        from perception import local_descriptor_deduplication

        cv2.setNumThreads(1)
        faiss.omp_set_num_threads(1)
        return local_descriptor_deduplication


class PerceptionDefaults(Perception):
    """The same with all its bounds as they come: 1 for a match, else 0."""

    name = "perception SIFT, its bounds"
    note = "256 px, 256 points; 40 % of the points and 60 % of the area must match"
    default = 0.0

    def compare(self, query: Any, stored: Any) -> float:
        matches, _ = self._hasher.validate_match(query, stored)
        return float(matches)


_PERCEPTION: Final = ("cv2", "faiss", "pandas", "perception")
MATCHERS: Final[dict[str, Peer[Matcher]]] = {
    "SIFT": Peer(
        lambda: Features("SIFT", lambda cv2: cv2.SIFT_create(POINTS), bits=False, ratio=0.75),
        ("cv2",),
    ),
    "ORB": Peer(
        lambda: Features("ORB", lambda cv2: cv2.ORB_create(POINTS), bits=True, ratio=0.8),
        ("cv2",),
    ),
    Segments.name: Peer(Segments, ("imagehash",)),
    Perception.name: Peer(Perception, _PERCEPTION),
    PerceptionDefaults.name: Peer(PerceptionDefaults, _PERCEPTION),
}
"""By name."""
