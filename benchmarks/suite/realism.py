"""How real distractors are: words and distances of windows beside those of as many whole pictures."""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks import made
from benchmarks.edits import Source
from benchmarks.suite.rows import Keep
from benchmarks.suite.run import MADE, Run
from sigsearch.scheme import DEFAULT_SCHEME, IMAGE_MATCH_SCHEME
from sigsearch.signatures import encode_words
from sigsearch.words import word_positions

MOST: Final = 2000
"""Whole pictures, and windows; of more windows fewer words would be new."""


def keep_realism(run: Run, keep: Keep) -> None:
    """Rows of the kind ``statistics`` of windows and of whole pictures, as many of both."""
    known, _ = made.sources(run.settings.pictures)
    pictures: list[Source] = [*range(3 * MADE, 3 * MADE + 200)]
    if run.settings.pictures:
        order = run.rng("realism").permutation(len(run.pictures))[:MOST]
        pictures = [run.pictures[i] for i in order]
    whole = made.whole_pictures(pictures)
    # Of each window one orientation, for whole pictures have but one.
    made_rows = made.make_signatures(16 * len(whole), known, run.settings.seed)
    windows = made_rows[run.rng("windows").permutation(len(made_rows))[: len(whole)]]
    for of, signatures in (("windows", windows), ("pictures", whole)):
        found = made.statistics(signatures, run.rng("statistics")) | word_statistics(signatures)
        for name, value in found.items():
            keep("statistics", of=of, records=len(signatures), name=name, value=value)


def word_statistics(signatures: made.Signatures) -> dict[str, float]:
    """The shares of words that are all zeros, and of words that are unique at their position.

    By position, so each is told as the mean of all positions, the least and the most.
    """
    found = {}
    for called, scheme in (("sigsearch", DEFAULT_SCHEME), ("image-match", IMAGE_MATCH_SCHEME)):
        positions = word_positions(scheme)
        values = np.where(positions >= 0, signatures[:, positions], 0)
        zeros = (~values.any(axis=2)).mean(axis=0)
        words = encode_words(signatures, scheme=scheme)
        unique = np.array([len(np.unique(column)) for column in words.T]) / len(words)
        for what, shares in (("all-zero words", zeros), ("different words a record", unique)):
            for how, value in (("mean", shares.mean()), ("least", shares.min()), ("most", shares.max())):
                found[f"{what}, {called}'s, {how}"] = float(value)
    return found
