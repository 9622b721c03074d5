"""What bounds a search (cutoff, chance, limit, effort) and a calibration: defaults and ranges; light."""

from typing import Final

from sigsearch.errors import InputError

CUTOFF: Final = 0.45
"""Below this, image-match and the paper take two pictures for copies."""
LIMIT: Final = 100
EFFORT: Final = 3
MOST_EFFORT: Final = 5
SAMPLES: Final = 1000
"""Pictures that a calibration asks with."""
FEWEST_SAMPLES: Final = 50
"""With fewer, nothing can be told."""


def check_cutoff(cutoff: object) -> None:
    """Raise `InputError` unless it is a number from 0 to 1."""
    import numpy as np

    if isinstance(cutoff, bool) or not isinstance(cutoff, (int, float, np.floating)) or not 0 <= cutoff <= 1:
        raise InputError(f"wanted a cutoff from 0 to 1, found {cutoff!r}")


def check_max_false(max_false: object) -> None:
    """Raise `InputError` unless it is a number above 0, or None."""
    import numpy as np

    if max_false is not None and (
        isinstance(max_false, bool)
        or not isinstance(max_false, (int, float, np.integer, np.floating))
        or not max_false > 0
    ):
        raise InputError(f"wanted max_false as a number above 0, found {max_false!r}")


def check_limit(limit: object) -> None:
    """Raise `InputError` unless it is a whole number of 1 or more, or None for no limit."""
    import numpy as np

    if limit is not None and (
        isinstance(limit, bool) or not isinstance(limit, (int, np.integer)) or limit < 1
    ):
        raise InputError(f"wanted a limit of 1 or more, found {limit!r}")


def check_effort(effort: object) -> None:
    """Raise `InputError` unless it is a whole number from 1 to 5."""
    if isinstance(effort, bool) or not isinstance(effort, int) or not 1 <= effort <= MOST_EFFORT:
        raise InputError(f"wanted an effort from 1 to {MOST_EFFORT}, found {effort!r}")
