"""The 16 orientations a copy may come in, named: four turns, mirrored or not, inverted or not."""

from typing import Final

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
