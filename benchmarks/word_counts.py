"""Words without a server: the postings of records, and where originals come when counted by shared words.

Which words a record has, and which a query asks for, the Elasticsearch backend says. What a word adds to a
record's count are whole numbers, so that equal counts are equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import types
from sigsearch_elasticsearch.tokens import LETTERS, near_tokens_of, telling_words, tokens_of, widths

from benchmarks.made import Signatures
from benchmarks.report import cores
from sigsearch.jit import kernel
from sigsearch.scheme import Scheme
from sigsearch.signatures import encode_words

Weighting: TypeAlias = Literal["equal", "idf"]
"""All words count the same; or the rarer the more, as BM25 has it for a field without norms."""
Integers: TypeAlias = npt.NDArray[np.int64]
Array: TypeAlias = npt.NDArray[Any]

LONGEST: Final = 20
"""Values of a word that fits in 32 bits."""
DICTIONARY_BYTES: Final = 4
"""What a word takes beside its postings: some letters, how many records have it, where they stand."""
_CHUNK: Final = 4096
_SILENT: Final = 2**32 - 1
"""Stands for a word that says nothing; greater than any word."""
_SAME: Final = 2
_NEAR: Final = 1
"""What a word counts that is the same, and one that differs in one sign: in halves."""
_FINE: Final = 2**20
"""Weights by frequency are multiples of a so-manieth."""

_INTS: Final = types.int64[::1]
_TWO: Any = types.UniTuple(_INTS, 2)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Postings:
    """The records that have each word.

    Attributes
    ----------
    scheme : Scheme
    records : int
    words : ndarray of int64, shape (words,)
        Each word with its position, as one number, ascending.
    starts : ndarray of int64, shape (words + 1,)
        Where the postings of each begin.
    numbers : ndarray of uint32, shape (postings,)
        Of the records that have it, ascending.
    """

    scheme: Scheme
    records: int
    words: Integers
    starts: Integers
    numbers: npt.NDArray[np.uint32]

    @property
    def bytes(self) -> int:
        """What they would take in an index, about.

        Of the records with a word the first number and the differences from one to the next, each in as
        many bytes as it has groups of 7 bits; and for each word `DICTIONARY_BYTES`.
        """
        gaps = np.diff(self.numbers.astype(np.int64), prepend=0)
        gaps[self.starts[:-1]] = self.numbers[self.starts[:-1]]
        longer = sum(int(np.count_nonzero(gaps >= 1 << bits)) for bits in (7, 14, 21, 28))
        return len(gaps) + longer + DICTIONARY_BYTES * len(self.words)


@dataclass(frozen=True)
class Asked:
    """The words that queries ask for.

    Attributes
    ----------
    words : ndarray of int64, shape (asked,)
        As `Postings` has them; those of one query together.
    is_same : ndarray of bool, shape (asked,)
        Whether it is a word of the query, or differs in one sign from one.
    ends : ndarray of int64, shape (queries + 1,)
        Where those of each query begin.
    """

    words: Integers
    is_same: npt.NDArray[np.bool_]
    ends: Integers


@dataclass(frozen=True)
class Ranks:
    """Where the original of each query comes.

    Attributes
    ----------
    better, equal : list of int or None
        Records that count more than the original, and other records that count as much; None if it shares
        no word that is asked for.
    postings : list of int
        That each query reads.
    """

    better: list[int | None]
    equal: list[int | None]
    postings: list[int]


def index_words(signatures: Signatures, scheme: Scheme) -> Postings:
    """The postings of records, by their numbers.

    Parameters
    ----------
    signatures : ndarray of int8, shape (n, 648)

    Raises
    ------
    ValueError
        The words are longer than `LONGEST`.
    """
    if scheme.word_length > LONGEST:
        raise ValueError(f"wanted words of {LONGEST} values at most, found {scheme.word_length}")
    words = np.empty((scheme.word_count, len(signatures)), np.uint32)

    def fill(start: int) -> None:
        part = signatures[start : start + _CHUNK]
        found = np.where(telling_words(part, scheme), encode_words(part, scheme=scheme), _SILENT)
        words[:, start : start + len(part)] = found.T

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(fill, range(0, len(signatures), _CHUNK)))
    places = np.arange(len(signatures), dtype=np.uint64)
    distinct, lengths, numbers = [], [], []
    for position, row in enumerate(words):
        # A word and its record in one number: to sort such is many times as fast as an argsort.
        both = np.sort(row.astype(np.uint64) << np.uint64(32) | places)
        both = both[: np.searchsorted(both, np.uint64(_SILENT << 32))]
        own, counts = np.unique_counts((both >> np.uint64(32)).astype(np.int64))
        distinct.append(_with_position(own, position, scheme))
        lengths.append(counts)
        numbers.append(both.astype(np.uint32))  # the lower half
    return Postings(
        scheme,
        len(signatures),
        np.concatenate(distinct),
        _starts(np.concatenate(lengths)),
        np.concatenate(numbers),
    )


def ask(signatures: Signatures, scheme: Scheme, *, near: int = 0, share: float = 1.0) -> Asked:
    """What the backend asks for, for each query.

    Parameters
    ----------
    signatures : ndarray of int8, shape (n, 648)
    near : int
        Words that differ in one sign, beside each word, at most.
    share : float
        Of the words; those that differ are of all.
    """
    same = tokens_of(signatures, scheme, share)
    differing = near_tokens_of(signatures, scheme, near) if near else [[] for _ in same]
    tokens = [token for both in zip(same, differing, strict=True) for part in both for token in part]
    sizes = np.array([[len(s), len(d)] for s, d in zip(same, differing, strict=True)], np.int64)
    is_same = np.repeat(np.tile([True, False], len(same)), sizes.ravel())
    return Asked(_read(tokens, scheme), is_same, _starts(sizes.sum(axis=1)))


def rank(postings: Postings, asked: Asked, own: Sequence[int], weighting: Weighting = "equal") -> Ranks:
    """Count what records share with each query, and compare with its original's count.

    Parameters
    ----------
    own : sequence of int
        The original's number, of each query.
    """
    places = np.searchsorted(postings.words, asked.words)
    places[places == len(postings.words)] = 0
    there = postings.words[places] == asked.words
    first = postings.starts[places]
    last = np.where(there, postings.starts[places + 1], first)
    weights = np.where(asked.is_same, _SAME, _NEAR)
    if weighting == "idf":
        weights = weights * _rarity(last - first, postings.records)
    better, equal = _count(
        postings.numbers, first, last, weights, asked.ends, np.array(own, np.int64), postings.records
    )
    read = _starts(last - first)[asked.ends]
    return Ranks(
        [None if number < 0 else number for number in better.tolist()],
        [None if number < 0 else number for number in equal.tolist()],
        np.diff(read).tolist(),
    )


def _rarity(found: Integers, records: int) -> Integers:
    """BM25's weights of words that so many of the records have."""
    idf = np.log1p((records - found + 0.5) / (found + 0.5))
    weights: Integers = np.rint(_FINE * idf).astype(np.int64)
    return weights


def _starts(lengths: Integers) -> Integers:
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def _with_position(words: Integers, position: int, scheme: Scheme) -> Integers:
    """Words as the numbers that their tokens spell."""
    spelled: Integers = words + position * len(LETTERS) ** widths(scheme)[1]
    return spelled


def _read(tokens: Sequence[str], scheme: Scheme) -> Integers:
    """The numbers that tokens spell."""
    width = sum(widths(scheme))
    letters = np.frombuffer("".join(tokens).encode(), np.uint8).reshape(-1, width)
    powers = len(LETTERS) ** np.arange(width - 1, -1, -1, dtype=np.int64)
    found: Integers = np.searchsorted(LETTERS, letters) @ powers
    return found


@kernel([_TWO(types.uint32[::1], _INTS, _INTS, _INTS, _INTS, _INTS, types.int64)])
def _count(
    numbers: Array, first: Array, last: Array, weights: Array, ends: Array, own: Array, records: int
) -> tuple[Array, Array]:
    """For each query, how many records count more than its own, and how many others as much; or -1 twice.

    Parameters
    ----------
    numbers : array of uint32
        The postings of all words.
    first, last : array of int64, shape (asked,)
        Where the postings of each word that is asked for begin and end.
    weights : array of int64, shape (asked,)
        What it counts.
    ends : array of int64, shape (queries + 1,)
        Where the words of each query begin.
    own : array of int64, shape (queries,)
    """
    counts = np.zeros(records, np.int64)
    better = np.full(len(own), -1, np.int64)
    equal = np.full(len(own), -1, np.int64)
    for query in range(len(own)):
        for k in range(ends[query], ends[query + 1]):
            for i in range(first[k], last[k]):
                counts[numbers[i]] += weights[k]
        mine = counts[own[query]]
        if mine:
            better[query] = 0  # and itself is equal, which makes 0 of -1
        for k in range(ends[query], ends[query + 1]):
            for i in range(first[k], last[k]):
                count = counts[numbers[i]]
                counts[numbers[i]] = 0  # for the next query; and each is looked at once
                if mine and count > mine:
                    better[query] += 1
                elif mine and count == mine:
                    equal[query] += 1
    return better, equal
