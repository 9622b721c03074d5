"""Calibration: mirrored signatures, counting in a slow twin, and promises kept where the truth is known."""

import math

import numpy as np
import pytest
from PIL import Image

import sigsearch
from sigsearch import calibration
from sigsearch.bounds import FEWEST_SAMPLES
from sigsearch.calibration import CUTOFFS, Calibration, CalibrationRow, mirrored, pairs_below
from sigsearch.neighbours import opposites
from sigsearch.records import Record, View
from sigsearch.testing.pictures import make_picture

GRID = 9
LENGTH = 648


def random_signatures(count, seed=0, sky=0.0):
    """As pictures have them: each difference stands there twice, and more of the light comes from above."""
    rng = np.random.default_rng(seed)
    ones, twins = opposites(GRID)
    downwards = ones % 8 > 4
    values = rng.integers(-2, 3, (count, len(ones)))
    values[(rng.random(values.shape) < sky) & downwards] = 1
    signatures = np.zeros((count, LENGTH), np.int8)
    signatures[:, ones], signatures[:, twins] = values, -values
    return signatures


def records_of(signatures):
    return [Record(f"{number}", (View(signature),)) for number, signature in enumerate(signatures)]


# Mirrored signatures


def test_a_mirrored_signature_is_worked_by_hand_on_a_grid_of_2_by_2():
    # Points a b / c d; eight neighbours each: of a only right (4), lower (6) and lower right (7) are there.
    signature = np.zeros((4, 8), np.int8)
    signature[0, [4, 6, 7]] = 1, 2, 0  # a - b, a - c, a - d
    signature[1, [3, 5, 6]] = -1, 2, -2  # b - a, b - c, b - d
    signature[2, [1, 2, 4]] = -2, -2, -1  # c - a, c - b, c - d
    signature[3, [0, 1, 3]] = 0, 2, 1  # d - a, d - b, d - c
    expected = np.zeros((4, 8), np.int8)  # of b a / d c
    expected[0, [4, 6, 7]] = -1, -2, 2  # b - a, b - d, b - c
    expected[1, [3, 5, 6]] = 1, 0, 2  # a - b, a - d, a - c
    expected[2, [1, 2, 4]] = 2, 0, 1  # d - b, d - a, d - c
    expected[3, [0, 1, 3]] = -2, -2, -1  # c - b, c - a, c - d
    np.testing.assert_array_equal(mirrored(signature.ravel(), 2), expected.ravel())


def test_mirrored_twice_is_as_before():
    signatures = random_signatures(3)
    assert not np.array_equal(mirrored(signatures, GRID), signatures)
    np.testing.assert_array_equal(mirrored(mirrored(signatures, GRID), GRID), signatures)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("grid_size", [5, 9])
def test_the_mirrored_signature_is_that_of_the_mirrored_picture_where_its_squares_lie_the_same(
    seed, grid_size
):
    # Of ten pixels to a cell, so that the squares fall into the same cells although a pixel aside.
    cells = np.random.default_rng(seed).integers(0, 256, (10 * 4, 10 * 4)).astype(np.uint8)
    picture = cells[np.ix_(*[np.arange(10).repeat(40)] * 2)]
    scheme = sigsearch.Scheme(grid_size=grid_size)
    turned = sigsearch.compute_signature(np.ascontiguousarray(picture[:, ::-1]), scheme=scheme)
    own = sigsearch.compute_signature(picture, scheme=scheme)
    assert sigsearch.distance(own, turned, scheme=scheme) > 0.3
    assert sigsearch.distance(mirrored(own, grid_size), turned, scheme=scheme) < 0.05


def test_the_mirrored_signature_is_nearly_that_of_any_mirrored_picture(
    mona_lisa, other_mona_lisa, caravaggio
):
    pictures = [
        np.asarray(Image.open(path).convert("RGB")) for path in (mona_lisa, other_mona_lisa, caravaggio)
    ]
    pictures += map(make_picture, range(10))
    for picture in pictures:
        turned = sigsearch.compute_signature(np.ascontiguousarray(picture[:, ::-1]))
        assert sigsearch.distance(mirrored(sigsearch.compute_signature(picture), GRID), turned) < 0.15


# Pairs


@pytest.mark.parametrize("cutoff", [0.0, 0.3, 0.6, 1.0])
def test_pairs_below_are_those_of_the_distances_one_by_one(cutoff):
    a, b = random_signatures(20, 1, 0.6), random_signatures(30, 2, 0.6)
    b[:5] = a[:5]
    expected = {
        (i, j): distance
        for i, signature in enumerate(a)
        for j, distance in enumerate(sigsearch.distances(signature, b).tolist())
        if distance < cutoff
    }
    query, signature, distances = pairs_below(a, b, cutoff)
    found = dict(zip(zip(query.tolist(), signature.tolist(), strict=True), distances.tolist(), strict=True))
    assert found == expected
    assert len(found) == {0.0: 0, 0.3: 5}.get(cutoff, len(found))


def test_a_pair_at_the_cutoff_is_not_below_it():
    a, b = random_signatures(2, 3, 0.5)
    cutoff = sigsearch.distance(a, b)
    assert len(pairs_below(a[np.newaxis], b[np.newaxis], cutoff)[0]) == 0
    assert len(pairs_below(a[np.newaxis], b[np.newaxis], math.nextafter(cutoff, 1))[0]) == 1


# Counting


def counted_slowly(signatures, cutoff):
    """False matches and own records of each record, as the docstring of the module tells them."""
    false, own = [], []
    for number, signature in enumerate(signatures):
        others = np.delete(signatures, number, axis=0)
        whole = sigsearch.distances(signature, others)
        decoy = sigsearch.distances(mirrored(signature, GRID), others)
        total = 0.0
        for one, two in zip(whole.tolist(), decoy.tolist(), strict=True):
            weight = 1 if two < one else 0.5 if two == one else 0
            total += weight * ((one < cutoff) + (two < cutoff))
        false.append(total)
        own.append(int((whole < cutoff).sum()))
    return np.array(false), np.array(own)


@pytest.fixture
def alike():
    """Signatures of which many are below 0.6, and some are copies of others or of their mirror images."""
    signatures = random_signatures(70, 4, 0.6)
    signatures[60:65] = signatures[:5]
    signatures[65:70] = mirrored(signatures[5:10], GRID)
    return signatures


def test_the_counts_are_those_of_a_slow_twin(alike):
    found = calibration.calibrate(records_of(alike), GRID)
    assert (found.records, found.queries, found.compared, found.symmetric) == (70, 70, 69, 0)
    assert [row.cutoff for row in found.rows] == list(CUTOFFS)
    met = 0
    for row in found.rows:
        false, own = counted_slowly(alike, row.cutoff)
        assert row.expected == pytest.approx(false.mean() * 70 / 69)
        assert row.per_million == pytest.approx(false.mean() / 69 * 1e6)
        assert row.share == pytest.approx((false > 0).mean())
        assert row.own == pytest.approx(own.mean())
        met += false.sum()
    assert met > 100


def test_copies_of_a_picture_are_not_false_and_count_among_its_own():
    signatures = random_signatures(60)
    found = calibration.calibrate(records_of(np.concatenate([signatures, signatures, signatures])), GRID)
    assert found.rows[0].own == 2
    assert [row.per_million for row in found.rows] == [0] * len(CUTOFFS)


def test_pictures_that_are_their_own_mirror_image_are_not_asked_with():
    signatures = random_signatures(80)
    symmetric = signatures[:20].astype(int) + mirrored(signatures[:20], GRID)
    signatures[:20] = np.clip(symmetric, -2, 2)
    assert (mirrored(signatures[:20], GRID) == signatures[:20]).all()
    found = calibration.calibrate(records_of(signatures), GRID)
    assert (found.records, found.queries, found.symmetric) == (80, 60, 20)


def test_records_without_features_are_counted_and_left_out(alike):
    flat = Record("flat", (View(np.zeros(LENGTH, np.int8)),))
    found = calibration.calibrate([flat, *records_of(alike)], GRID)
    assert (found.records, found.featureless) == (70, 1)
    assert found.rows == calibration.calibrate(records_of(alike), GRID).rows


def test_of_several_views_the_nearest_counts_and_a_record_once(alike):
    far = random_signatures(70, 9)
    plain = calibration.calibrate(records_of(alike), GRID, cutoffs=[0.3])
    with_views = [
        Record(f"{number}", (View(one), View(two), View(one)))
        for number, (one, two) in enumerate(zip(alike, far, strict=True))
    ]
    assert calibration.calibrate(with_views, GRID, cutoffs=[0.3]) == plain
    assert plain.rows[0].own > 0


def test_parts_of_any_size_give_the_same(alike, monkeypatch):
    whole = calibration.calibrate(records_of(alike), GRID)
    monkeypatch.setattr(calibration, "_TABLE", 1000)
    assert calibration.calibrate(records_of(alike), GRID) == whole


def test_a_sample_of_the_records_tells_nearly_the_same():
    signatures = random_signatures(1500, 5, 0.6)
    whole = calibration.calibrate(records_of(signatures), GRID, samples=1500)
    part = calibration.calibrate(records_of(signatures), GRID, samples=300, most=500)
    assert (part.records, part.queries, part.compared) == (1500, 300, 499)
    [row], [other] = (found.rows[-1:] for found in (whole, part))
    assert row.expected > 10
    assert other.expected_low < row.expected < other.expected_high
    assert abs(other.share - row.share) < 0.1
    assert part == calibration.calibrate(records_of(signatures), GRID, samples=300, most=500)
    assert part != calibration.calibrate(records_of(signatures), GRID, samples=300, most=500, seed=1)


def test_each_record_is_as_likely_in_a_sample_as_any_other():
    signatures = random_signatures(60)
    drawn = np.zeros(60)
    for seed in range(400):
        sample = calibration._Sample(15, np.random.default_rng(seed))
        sample.read(records_of(signatures), calibration.Meter("", "", on=False))
        views, _ = sample.views()
        drawn += (views[:, np.newaxis] == signatures).all(axis=2).sum(axis=0)
    assert drawn.sum() == 400 * 15
    # 100 are expected of each, with a standard deviation of sqrt(400 * 1/4 * 3/4) = 8.7.
    assert abs(drawn - 100).max() < 5 * 8.7
    assert abs(drawn[:15].mean() - 100) < 4 * 8.7 / math.sqrt(15)


# Intervals, shares, and choosing


def test_the_interval_is_that_of_drawing_pictures_not_pairs():
    # One of 100 pictures meets 1000, the others none: it is drawn 0 to 3 times in 95 % of all draws.
    false = np.zeros((100, 1))
    false[0] = 1000
    [low], [high] = calibration._intervals(false, np.random.default_rng(0))
    assert (low, high) == (0, 30)


def test_where_none_was_seen_the_rule_of_three_holds_with_as_many_as_are_met_next():
    false = np.zeros((100, 3))
    false[:10, 1] = 4
    false[:, 2] = 50
    _, high = calibration._intervals(false, np.random.default_rng(0))
    assert high[0] == pytest.approx(0.03 * 4)
    _, high = calibration._intervals(np.zeros((60, 1)), np.random.default_rng(0))
    assert high == [pytest.approx(0.05)]


def test_the_share_of_searches_goes_on_as_a_negative_binomial_distribution():
    # With k = 1 it is geometric: none is 1 / (1 + m), and of ten times as many 1 / (1 + 10 m).
    assert calibration._share_with_one(0.25, 1 - 1 / 1.25, 10) == pytest.approx(1 - 1 / 3.5)
    assert calibration._share_with_one(0.25, 1 - 1 / 1.25, 1) == pytest.approx(0.2)
    # Poisson's has the most that meet one; where more were counted, searches are independent.
    assert calibration._share_with_one(0.1, 1 - math.exp(-0.1), 5) == pytest.approx(
        1 - math.exp(-0.5), rel=1e-4
    )
    assert calibration._share_with_one(0.1, 0.1, 2) == pytest.approx(0.19)
    assert calibration._share_with_one(0, 0, 5) == 0
    assert calibration._share_with_one(7, 1, 5) == 1


def row(cutoff, high):
    rest = dict.fromkeys(["per_million", "low", "high", "expected", "expected_low", "share", "own"], 0.0)
    return CalibrationRow(cutoff=cutoff, expected_high=high, **rest)


def test_the_cutoff_for_a_number_of_false_matches_is_the_largest_that_keeps_it():
    rows = (row(0.1, 0.001), row(0.2, 0.01), row(0.3, 2), row(0.4, 1.5))
    found = Calibration(records=1, featureless=0, queries=1, compared=1, symmetric=0, rows=rows)
    assert found.cutoff_for(0.01) == 0.2
    assert found.cutoff_for(1.9) == 0.2  # 0.4 is no use if 0.3 is not
    assert found.cutoff_for(5) == 0.4
    assert found.cutoff_for(0.0001) is None
    for wrong in (0, -1, math.nan, "1", True, None):
        with pytest.raises(sigsearch.InputError, match="wanted a number of false matches above 0, found"):
            found.cutoff_for(wrong)


# Through an index


def test_an_index_tells_it_of_its_records_whatever_keeps_them(alike, tmp_path):
    expected = calibration.calibrate(records_of(alike), GRID).rows
    for location in ("memory://", tmp_path / "some.sig"):
        with sigsearch.open(location) as index:
            index.add_many(records_of(alike))
            found = index.calibrate()
            assert found.records == 70
            for one, two in zip(found.rows, expected, strict=True):
                assert one.expected == pytest.approx(two.expected)  # read in another order
                assert (one.share, one.own) == pytest.approx((two.share, two.own))


def test_cutoffs_of_ones_own_are_taken_in_any_order(alike):
    with sigsearch.open("memory://") as index:
        index.add_many(records_of(alike))
        usual = {row.cutoff: row for row in index.calibrate().rows}
        found = index.calibrate(cutoffs=[0.6, 0.2])
    assert [row.cutoff for row in found.rows] == [0.2, 0.6]
    assert [row.own for row in found.rows] == [usual[0.2].own, usual[0.6].own]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 49}, "wanted samples as a whole number from 50, found 49"),
        ({"samples": 100.0}, "wanted samples as a whole number from 50, found 100.0"),
        ({"seed": -1}, "wanted seed as a whole number from 0, found -1"),
        ({"cutoffs": []}, "wanted cutoffs, found none"),
        ({"cutoffs": [0.2, 1.1]}, "wanted a cutoff from 0 to 1, found 1.1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with sigsearch.open("memory://") as index, pytest.raises(sigsearch.InputError, match=message):
        index.calibrate(**arguments)


def test_too_few_records_are_told_in_a_line():
    with sigsearch.open("memory://") as index:
        index.add_many(records_of(random_signatures(FEWEST_SAMPLES - 1)))
        with pytest.raises(sigsearch.InputError, match=r"wanted 50 records with features, found 49$"):
            index.calibrate()


def test_too_few_that_are_not_their_own_mirror_image_are_told_in_a_line():
    signatures = random_signatures(60)
    symmetric = np.clip(signatures.astype(int) + mirrored(signatures, GRID), -2, 2).astype(np.int8)
    symmetric[:7] = signatures[:7]
    with pytest.raises(sigsearch.InputError, match=r"wanted 50 records that are not .* found 7$"):
        calibration.calibrate(records_of(symmetric), GRID)


def test_what_is_promised_is_met_by_strangers_of_the_same_kind():
    """Strangers that are drawn as the records were, whom the calibration has not seen."""
    everything = random_signatures(3000, 6, 0.6)
    index, strangers = everything[:2000], everything[2000:]
    # Half of the index has copies in it, which are nobody's false matches.
    promised = calibration.calibrate(records_of(np.concatenate([index, index[:1000]])), GRID, cutoffs=[0.6])
    met = np.mean([(sigsearch.distances(stranger, index) < 0.6).mean() for stranger in strangers[:300]])
    assert met * 1e6 > 100
    assert promised.rows[0].per_million == pytest.approx(met * 1e6, rel=0.3)
