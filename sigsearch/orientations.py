"""The 16 orientations a copy may come in, named: four turns, mirrored or not, inverted or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_TURNS: Final = ("", "rotate-90", "rotate-180", "rotate-270")

ORIENTATIONS: Final[tuple[str, ...]] = tuple(
    "-".join(part for part in ("mirror" * mirrored, _TURNS[turns], "invert" * inverted) if part) or "as-is"
    for inverted in (0, 1)
    for mirrored in (0, 1)
    for turns in range(4)
)
"""Names by row of `sigsearch.compute_orientations`.

A name says what is done to the query to look like the stored picture, in this order: ``mirror`` left to
right, ``rotate-90`` against the clock as `numpy.rot90` does, ``invert`` to the negative.
"""


def rows_after(first: int) -> list[int]:
    """Of a picture that is to be seen in an orientation already: the rows that its 16 orientations are then.

    To turn and then to mirror is to mirror and then to turn the other way.
    """
    mirrored, turns = divmod(first % 8, 4)
    return [
        8 * (inverted ^ first // 8) + 4 * (mirror ^ mirrored) + (turn + (-turns if mirror else turns)) % 4
        for inverted in (0, 1)
        for mirror in (0, 1)
        for turn in range(4)
    ]


def turn_pixels(grey: npt.NDArray[Any], orientation: int, white: int) -> npt.NDArray[Any]:
    """Grey pixels, ``(h, w)``, in another orientation; contiguous."""
    import numpy as np

    inverted, (mirrored, turns) = orientation // 8, divmod(orientation % 8, 4)
    turned = np.rot90(grey[:, ::-1] if mirrored else grey, turns)
    return np.ascontiguousarray(white - turned if inverted else turned)


def turn_boxes(boxes: npt.NDArray[np.float64], orientation: int) -> npt.NDArray[np.float64]:
    """Where parts of a picture lie, ``(n, 4)`` as `Box`, when it is seen in another orientation."""
    mirrored, turns = divmod(orientation % 8, 4)
    if mirrored:
        boxes = _mirror(boxes)
    for _ in range(turns):
        boxes = _turn(boxes)
    return boxes


def turn_boxes_back(boxes: npt.NDArray[np.float64], orientation: int) -> npt.NDArray[np.float64]:
    """Where parts of a picture that is seen in another orientation lie in the picture as it is."""
    mirrored, turns = divmod(orientation % 8, 4)
    for _ in range(-turns % 4):
        boxes = _turn(boxes)
    return _mirror(boxes) if mirrored else boxes


def _mirror(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    import numpy as np

    left, top, right, bottom = boxes.T
    return np.stack([1 - right, top, 1 - left, bottom], axis=1)


def _turn(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """By a quarter turn against the clock."""
    import numpy as np

    left, top, right, bottom = boxes.T
    return np.stack([top, 1 - right, bottom, 1 - left], axis=1)
