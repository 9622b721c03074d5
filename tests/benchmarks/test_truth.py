"""What a search should find: near records by brute force, and answers with ties, by hand."""

import numpy as np

import sigsearch
from benchmarks import made
from benchmarks.truth import count_found, near_records, wanted


def test_what_an_answer_has_of_the_records_below_the_cutoff():
    near = {7: 0.2, 8: 0.1, 9: 0.4}
    assert wanted(near) == (3, 0.4)
    assert count_found(near, [7, 8, 9]) == 3
    assert count_found(near, [9, 9, 1000]) == 1
    assert count_found(near, []) == 0
    assert wanted({}) == (0, 0)
    assert count_found({}, [1, 2]) == 0


def test_of_equally_distant_records_at_the_limit_any_will_do():
    # 99 nearer ones, and three for the last place.
    crowded = dict.fromkeys(range(99), 0.1) | dict.fromkeys(range(99, 102), 0.3) | {200: 0.4}
    assert wanted(crowded) == (100, 0.3)
    assert count_found(crowded, [*range(99), 101]) == 100
    assert count_found(crowded, [*range(102)]) == 100
    assert count_found(crowded, [*range(98), 101, 200]) == 99


def test_the_near_records_are_those_of_one_distance_after_the_other():
    rng = np.random.default_rng(0)
    stored = np.concatenate(list(made.make_chunks(300, [1, 2, 3], 7, workers=0)))
    queries = made.change(stored[rng.permutation(300)[:20]], rng)
    near = near_records(queries, stored, 1000)
    for signature, found in zip(queries, near, strict=True):
        apart = sigsearch.distances(signature, stored)
        assert found == {1000 + i: apart[i] for i in np.flatnonzero(apart < 0.45)}
    assert all(near)
