"""Certainty: what chance gives, where the law holds, by hand, and in an index whose strangers are known."""

import math

import numpy as np
import pytest

import sigsearch
from sigsearch import certainty
from sigsearch.backend import Capability
from sigsearch.certainty import DOUBTFUL, NEAREST, USUAL, Background, expected_false, save_background
from sigsearch.neighbours import opposites
from sigsearch.records import Record, View
from sigsearch.scheme import DEFAULT_SCHEME, IMAGE_MATCH_SCHEME
from sigsearch.testing.pictures import make_near_duplicate, make_picture

GRID = 9
STEPS = np.arange(0, 1.001, 0.01)


def signatures_from(rng, count, weights=(1, 1, 1, 1, 1)):
    """As pictures have them: each difference stands there twice."""
    forward, backward = opposites(GRID)
    shares = np.array(weights) / sum(weights)
    values = rng.choice(np.arange(-2, 3), (count, len(forward)), p=shares)
    signatures = np.zeros((count, 648), np.int8)
    signatures[:, forward], signatures[:, backward] = values, -values
    return signatures


@pytest.fixture(scope="module")
def shipped():
    return Background.shipped(DEFAULT_SCHEME)


@pytest.fixture(scope="module")
def queries():
    """A made picture, a gradient, one bright spot."""
    y, x = np.mgrid[0:120, 0:160]
    spot = 250 * np.exp(-((x - 50) ** 2 + (y - 40) ** 2) / 900)
    pictures = [make_picture(1), x.astype(np.uint8), spot.astype(np.uint8)]
    return np.stack([sigsearch.compute_signature(picture) for picture in pictures])


def gradient(slant):
    """A picture of one gradient, slanting a little."""
    y, x = np.mgrid[0:120, 0:160]
    return (x + slant * y).astype(np.uint8)


# The number


def test_it_grows_with_the_distance_and_is_never_0(shipped, queries):
    for query in queries:
        expected = expected_false(query[np.newaxis], STEPS, 1000, shipped)
        assert (np.diff(expected) >= 0).all()
        assert expected[0] > 0
        assert expected[-1] == pytest.approx(1000, rel=0.1)


def test_twice_the_records_give_twice_as_many(shipped, queries):
    once, twice = (expected_false(queries[:1], STEPS, records, shipped) for records in (500, 1000))
    np.testing.assert_allclose(twice, 2 * once)


def test_the_chances_of_several_orientations_add_up(shipped):
    turned = sigsearch.compute_orientations(make_picture(1))
    steps = [0.6, 0.65, 0.7]  # where the background is counted, not carried on
    apart = [expected_false(signature[np.newaxis], steps, 1000, shipped) for signature in turned]
    np.testing.assert_allclose(expected_false(turned, steps, 1000, shipped), np.sum(apart, axis=0), rtol=0.1)


def test_the_plainer_a_query_the_more_strangers_are_near(shipped, queries):
    rich, *plain = (expected_false(query[np.newaxis], [0.45], 10**6, shipped)[0] for query in queries)
    assert rich < 10
    assert min(plain) > 300


def test_one_difference_of_one_level_is_the_nearest_that_there_is(shipped, queries):
    norm = math.sqrt((queries[0].astype(int) ** 2).sum())
    step = math.sqrt(2) / (2 * norm)
    none, least, more = expected_false(queries[:1], [0, step, step + 0.01], 1000, shipped)
    assert none == least < more


def test_below_the_background_it_is_worked_by_hand():
    # The doubtful ones at 0.1 count as if they were at 0.3, as the next are.
    near = np.array([0.1] * DOUBTFUL + [0.3] * (NEAREST - DOUBTFUL) + [0.5] * 8)
    sine_of = {d: d * math.sqrt(1 - d * d) for d in (0.2, 0.3, 0.5)}
    excess = NEAREST * math.log(sine_of[0.5] / sine_of[0.3]) + 1 / USUAL
    deeper = math.log(sine_of[0.5] / sine_of[0.2])
    expected = [NEAREST * (1 + deeper / excess) ** -(NEAREST - DOUBTFUL + 1), NEAREST + 8]
    np.testing.assert_allclose(certainty._below(near, np.array([0.2, 0.5])), expected)


@pytest.mark.parametrize("dimensions", [10, 30, 60])
def test_where_the_law_holds_so_many_come_as_are_promised(dimensions):
    # In the mean over backgrounds of 4,000 whose share within a distance is (sine / sine of 60 degrees) ** D.
    rng = np.random.default_rng(dimensions)
    least, most = 1e-12, math.sqrt(3) / 4
    steps = np.linspace(0.001, 0.5, 2000)
    truth = (steps * np.sqrt(1 - steps**2) / most) ** dimensions
    came = []
    for _ in range(500):
        sines = most * np.maximum(rng.random(4000), least) ** (1 / dimensions)
        near = np.sort(np.sqrt((1 - np.sqrt(1 - 4 * sines**2)) / 2))
        promised = certainty._below(near, steps) / 4000
        came.append([truth[np.searchsorted(promised, share) - 1] / share for share in (1e-3, 1e-4, 1e-5)])
    assert 0.5 < np.min(np.mean(came, axis=0))
    assert np.max(np.mean(came, axis=0)) < 2


# The background


@pytest.mark.parametrize("all_orientations", [False, True])
def test_copies_of_the_query_in_the_background_do_no_harm(all_orientations):
    query = sigsearch.compute_orientations(make_picture(5))[: 16 if all_orientations else 1]
    others = np.stack([sigsearch.compute_signature(make_picture(seed)) for seed in range(100, 400)])
    clean, one, several = (
        expected_false(query, [0.2, 0.3, 0.4], 1000, Background(rows, GRID))
        for rows in (others, *(np.concatenate([others, *[query[:1]] * copies]) for copies in (1, DOUBTFUL)))
    )
    assert (np.abs(np.log10(one / clean)) < 1.5).all()  # less than another few hundred pictures would change
    assert several[0] < 1e-3  # a copy is still told from chance


def test_a_background_that_is_nothing_but_the_query_is_no_error():
    query = signatures_from(np.random.default_rng(0), 1)
    expected = expected_false(query, [0.1, 1.0], 10, Background(np.repeat(query, 50, axis=0), GRID))
    assert 0 < expected[0] < expected[1] == 10


def test_the_shipped_background_is_what_it_should_be(shipped):
    assert len(shipped.distances(np.ones((1, 648), np.int8))) == 4000
    assert Background.shipped(IMAGE_MATCH_SCHEME) is shipped  # other words, the same signatures
    assert Background.shipped(sigsearch.Scheme(decode_side=128)) is shipped
    assert Background.shipped(sigsearch.Scheme(levels=1)) is None
    assert Background.shipped(sigsearch.Scheme(grid_size=7)) is None


def test_a_saved_background_is_read_as_it_was(tmp_path, monkeypatch):
    signatures = signatures_from(np.random.default_rng(0), 30)
    save_background(signatures, tmp_path / "background.npz")
    monkeypatch.setattr(certainty, "files", lambda _: tmp_path)
    read = certainty._shipped.__wrapped__()
    query = signatures_from(np.random.default_rng(1), 1)
    np.testing.assert_array_equal(read.distances(query), Background(signatures, GRID).distances(query))


# Searching


@pytest.fixture
def index():
    with sigsearch.open("memory://") as index:
        index.add_many(
            sigsearch.Item(image=make_picture(seed), id=f"{seed}", metadata={"even": seed % 2 == 0})
            for seed in range(10)
        )
        yield index


def test_a_match_says_how_many_chance_gives_of_it(index, shipped):
    [match] = index.search(make_near_duplicate(make_picture(3)))
    query = sigsearch.compute_signature(make_near_duplicate(make_picture(3)))
    [expected] = expected_false(query[np.newaxis], [match.distance], 10, shipped)
    assert match.expected_false == expected < 1e-6
    assert match.to_json()["expected_false"] == expected


def test_among_fewer_records_chance_gives_less(index):
    [every] = index.search(make_picture(4))
    [even] = index.search(make_picture(4), where={"even": True})
    assert even.expected_false == pytest.approx(every.expected_false / 2)


def test_in_all_orientations_the_chances_of_all_count(index, shipped):
    [match] = index.search(make_near_duplicate(make_picture(4)), all_orientations=True)
    turned = sigsearch.compute_orientations(make_near_duplicate(make_picture(4)))
    assert match.expected_false == expected_false(turned, [match.distance], 10, shipped)[0]


def test_max_false_holds_beside_the_cutoff(index):
    index.add(gradient(0.3), id="gradient")
    [match] = index.search(gradient(0), cutoff=0.6)
    assert match.expected_false > 1e-4
    assert index.search(gradient(0), cutoff=0.6, max_false=match.expected_false) == [match]
    assert index.search(gradient(0), cutoff=0.6, max_false=1e-4) == []
    assert index.search(gradient(0), cutoff=match.distance, max_false=1) == []
    assert index.search_many([gradient(0), make_picture(2)], cutoff=0.6, max_false=1e-4)[1][0].id == "2"


@pytest.mark.parametrize("max_false", [0, -1, math.nan, True, "1"])
def test_max_false_is_a_number_above_0(index, max_false):
    with pytest.raises(sigsearch.InputError, match=r"wanted max_false as a number above 0, found"):
        index.search(make_picture(1), max_false=max_false)


def test_of_other_signatures_nothing_is_known():
    with sigsearch.open("memory://", scheme=sigsearch.Scheme(levels=1)) as index:
        index.add(make_picture(1), id="1")
        [match] = index.search(make_picture(1))
        assert match.expected_false is None
        with pytest.raises(sigsearch.InputError, match="max_false is for the default scheme"):
            index.search(make_picture(2), max_false=1)


@pytest.mark.full_size
def test_a_plain_query_is_told_to_be_plain():
    slants = np.linspace(-0.5, 0.5, 30)
    with sigsearch.open("memory://") as index:
        index.add_many(sigsearch.Item(image=gradient(slant), id=f"{slant}") for slant in slants)
        index.add_many(
            Record(f"{i}", (View(row),))
            for i, row in enumerate(signatures_from(np.random.default_rng(0), 20_000))
        )
        with pytest.warns(sigsearch.PlainWarning, match=r"chance alone gives about \d+ matches below 0.45"):
            matches = index.search(gradient(0))
        assert matches[-1].expected_false >= 1
        # Who asks for certain ones is not told.
        assert len(index.search(gradient(0), max_false=0.5)) < len(matches)


class _Counting:
    """A backend that takes long to count."""

    capabilities = frozenset[Capability]()
    scheme = DEFAULT_SCHEME

    def __init__(self, clock):
        self.clock, self.counted = clock, 0

    def count(self, where):
        self.counted += 1
        self.clock[0] += 1.0
        return self.counted


def test_records_are_not_counted_for_each_search_where_that_takes_long(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(certainty.time, "monotonic", lambda: clock[0])
    backend = _Counting(clock)
    judge = certainty.Certainty(backend)
    assert [judge._count(None) for _ in range(3)] == [1, 1, 1]
    clock[0] += certainty._COUNTED_FOR
    assert judge._count(None) == 1
    clock[0] += 1
    assert judge._count(None) == 2
