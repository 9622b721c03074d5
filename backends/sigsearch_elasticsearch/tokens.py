"""Words as the terms of one field: a few letters each, the first of which say the position.

A word means another thing elsewhere in the signature, so its position is part of the term. Words that say
nothing are left out everywhere: those of a plain slope, all signs of a line being the same, and those of
nearly nothing but zeros. A fortieth of the words of pictures are such, and they stand in so many of them
that finding them would cost nearly as much as finding all others.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sigsearch import encode_words
from sigsearch.scheme import Scheme
from sigsearch.words import word_lines, word_positions

LETTERS: Final = np.frombuffer(
    b"!#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}", np.uint8
)
"""One byte each, in Lucene and in JSON."""

_FEW: Final = 10
"""A signature with fewer words that say something is known by all but the empty ones."""

Words = npt.NDArray[np.int64]
Tokens = list[list[str]]
"""Of each signature."""


def tokens_of(signatures: npt.NDArray[np.int8], scheme: Scheme, share: float = 1.0) -> Tokens:
    """The tokens of each signature, shape (n, length); none of a signature without features.

    Parameters
    ----------
    share : float
        Of only the first so many of the words. Crosses come first that are within the grid whole; they stand
        in the fewest strangers.
    """
    telling = telling_words(signatures, scheme)
    telling[:, math.ceil(share * scheme.word_count) :] = False
    return _spelled(encode_words(signatures, scheme=scheme), telling, scheme)


def telling_words(signatures: npt.NDArray[np.int8], scheme: Scheme) -> npt.NDArray[np.bool_]:
    """Which words of each signature say something: shape (n, words)."""
    positions = word_positions(scheme)
    signs = np.where(positions >= 0, np.sign(signatures[:, positions]), 0)
    telling = _telling(signs, scheme)
    # A picture that is one slope is to be found as well.
    poor = telling.sum(axis=1) < _FEW
    telling[poor] = signs[poor].any(axis=-1)
    return telling


def near_tokens_of(signatures: npt.NDArray[np.int8], scheme: Scheme, most: int) -> Tokens:
    """The tokens of words that differ in one sign from those of each signature, `most` a word at most.

    A copy often differs in the sign of a difference that is next to none. So a zero may be either sign,
    which is taken first, and a value of the first level zero.
    """
    positions = word_positions(scheme)
    there = positions >= 0
    values = np.where(there, signatures[:, positions], 0).astype(np.int64)  # (n, words, length)
    # First all that lower a sign, then all that raise it.
    lowered = there & ((values == 0) | (values == 1))
    raised = there & ((values == 0) | (values == -1))
    changes = np.concatenate([lowered, raised], axis=2)
    certain = np.concatenate([values, values], axis=2) != 0
    order = np.argsort(np.where(changes, certain, 2), axis=2, kind="stable")[:, :, :most]
    one = np.eye(scheme.word_length, dtype=np.int64)
    steps = np.concatenate([-one, one])[order]  # (n, words, most, length)
    signs = np.sign(values)[:, :, np.newaxis] + steps
    powers = 3 ** np.arange(scheme.word_length, dtype=np.int64)
    wanted = np.take_along_axis(changes, order, axis=2) & _telling(signs, scheme)
    return _spelled((signs + 1) @ powers, wanted, scheme)


def _telling(signs: npt.NDArray[Any], scheme: Scheme) -> npt.NDArray[np.bool_]:
    """Which words say something, by their signs: shape (n, words, length) or (n, words, k, length)."""
    length = scheme.word_length
    there = (word_positions(scheme) >= 0).reshape(-1, *[1] * (signs.ndim - 3), length)
    least, most = np.where(there, signs, 1), np.where(there, signs, -1)
    slopes = [least[..., line].min(axis=-1) >= most[..., line].max(axis=-1) for line in word_lines(scheme)]
    zeros = (signs == 0).sum(axis=-1)
    telling: npt.NDArray[np.bool_] = ~np.logical_and.reduce(slopes) & (5 * zeros < 4 * length)
    return telling


def _spelled(words: Words, wanted: npt.NDArray[np.bool_], scheme: Scheme) -> Tokens:
    """The words, shape (n, words) or (n, words, k), that are wanted, as tokens."""
    signature, position = np.nonzero(wanted)[:2]
    of_position, of_word = widths(scheme)
    letters = np.empty((len(position), of_position + of_word), np.uint8)
    _spell(position, letters[:, :of_position])
    _spell(words[wanted], letters[:, of_position:])
    text = letters.tobytes().decode("ascii")
    width = letters.shape[1]
    tokens = [text[start : start + width] for start in range(0, len(text), width)]
    ends = np.searchsorted(signature, np.arange(len(words) + 1)).tolist()
    return [tokens[start:end] for start, end in pairwise(ends)]


@lru_cache
def widths(scheme: Scheme) -> tuple[int, int]:
    """Letters of a position and of a word."""
    return _letters(scheme.word_count), _letters(3**scheme.word_length)


def _letters(numbers: int) -> int:
    return next(width for width in range(1, 64) if len(LETTERS) ** width >= numbers)


def _spell(numbers: Words, letters: npt.NDArray[np.uint8]) -> None:
    """Write numbers as letters, the most significant first."""
    for place in range(letters.shape[1] - 1, -1, -1):
        numbers, digits = np.divmod(numbers, len(LETTERS))
        letters[:, place] = LETTERS[digits]
