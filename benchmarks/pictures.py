"""The pictures that are measured with: a folder's, or by default what comes with sigsearch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

T = TypeVar("T")

SHIPPED = Path(str(files("sigsearch"))) / "pictures"


def rgb_pictures(folder: Path | None) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    """Names and RGB arrays of a folder's pictures, as Pillow's ``convert("RGB")`` gives them.

    Without a folder: the three paintings that come with sigsearch, parts of them, and 200 made pictures.
    """
    if folder is None:
        yield from _default_pictures()
        return
    from sigsearch.sources import find_pictures

    Image.MAX_IMAGE_PIXELS = None
    for path in map(Path, find_pictures(folder)):
        try:
            with warnings.catch_warnings(), Image.open(path) as image:
                warnings.simplefilter("ignore")
                rgb = np.asarray(image.convert("RGB"))
        except Exception as error:
            print(f"passed over {path}: {error}")
            continue
        yield str(path.relative_to(folder)), rgb


def find_jpegs(folder: Path) -> list[Path]:
    """The files of a folder that end as JPEGs do."""
    from sigsearch.sources import find_pictures

    return [Path(path) for path in find_pictures(folder) if is_jpeg(path)]


def is_jpeg(name: str) -> bool:
    """Whether a file's name ends as that of a JPEG."""
    return name.lower().endswith((".jpg", ".jpeg"))


def spread(found: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of them, from all over the list."""
    return found[:: max(1, len(found) // most)][:most]


def _default_pictures() -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    from sigsearch.testing.pictures import make_picture

    for path in sorted(SHIPPED.glob("*.jpg")):
        with Image.open(path) as image:
            rgb = np.asarray(image.convert("RGB"))
        height, width = rgb.shape[:2]
        parts: dict[str, tuple[Any, ...]] = {
            "whole": (slice(None), slice(None)),
            "upper half": (slice(0, height // 2), slice(None)),
            "lower half": (slice(height // 2, None), slice(None)),
            "left half": (slice(None), slice(0, width // 2)),
            "right half": (slice(None), slice(width // 2, None)),
            "middle": (slice(height // 4, -height // 4), slice(width // 4, -width // 4)),
            "every third pixel": (slice(None, None, 3), slice(None, None, 3)),
            "every fourth row": (slice(None, None, 4), slice(None)),
        }
        for part, where in parts.items():
            yield f"{path.stem}, {part}", np.ascontiguousarray(rgb[where])
    for seed in range(200):
        yield f"made picture {seed}", make_picture(seed)
