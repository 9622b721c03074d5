"""Metrics on cases of four elements, worked by hand; and that ties and order change nothing."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import metrics
from benchmarks.metrics import Estimate

DISTANCES = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=8)


def test_a_share_has_wilsons_interval():
    # 9 of 10: (0.9 + 3.8416/20 +- 1.96 sqrt(0.09/10 + 3.8416/400)) / (1 + 3.8416/10)
    found = metrics.share(9, 10)
    assert found.value == 0.9
    assert found.low == pytest.approx(0.5958, abs=1e-4)
    assert found.high == pytest.approx(0.9821, abs=1e-4)


def test_of_nothing_there_is_no_share():
    assert all(math.isnan(figure) for figure in metrics.share(0, 0))


def test_a_match_is_below_the_cutoff_not_at_it():
    assert metrics.recall_at([0.1, 0.2, 0.45, math.nan], 0.45).value == 0.5


def test_intervals_overlap_where_they_have_a_number_in_common():
    assert Estimate(2, 1, 3).overlaps(Estimate(4, 3, 5))
    assert not Estimate(2, 1, 3).overlaps(Estimate(4, 3.1, 5))


@pytest.mark.parametrize(
    ("precision", "cutoff"),
    [
        (1.0, 4.0),  # below 4 are 1, 2, 3 and no stranger; the stranger at 4 is not below 4
        (0.75, 6.0),  # below 6 are all four, and wrongly 4: four of five
        (0.8, 6.0),
        (0.81, 4.0),
        (0.6, 7.0),  # below 7 are 1, 2, 3, 5 and wrongly 4, 6: four of six; below 8 and on: four of seven
        (0.5, math.inf),
    ],
)
def test_the_largest_cutoff_of_a_precision(precision, cutoff):
    assert metrics.cutoff_at_precision([1, 2, 3, 5], [4, 6, 7, 9], precision) == cutoff


def test_no_cutoff_is_good_enough_where_a_stranger_comes_first():
    assert metrics.cutoff_at_precision([2, 3, 4, 5], [1, 6, 6, 6], 0.99) == 0.0


def test_a_stranger_as_near_as_the_copies_is_never_below_alone():
    # A cutoff above 1 takes both copies and the stranger at 1; at 1 it takes nothing.
    assert metrics.cutoff_at_precision([1, 1, 2, 2], [1, 3, 3, 3], 1.0) == 0.0
    assert metrics.cutoff_at_precision([0, 1, 1, 2], [1, 3, 3, 3], 1.0) == 1.0


@given(DISTANCES, st.randoms())
def test_the_cutoff_keeps_what_it_promises_and_no_larger_one_does(own, random):
    strangers = [random.choice(range(6)) for _ in own]
    cutoff = metrics.cutoff_at_precision(own, strangers, 0.75)

    def is_good(at):
        found, false = sum(d < at for d in own), sum(d < at for d in strangers)
        return found > 0 and 4 * found >= 3 * (found + false)

    assert cutoff == 0 or is_good(cutoff)
    assert not any(is_good(at) for at in [*np.arange(0, 7, 0.5), math.inf] if at > cutoff)


def test_micro_average_precision_of_four_queries():
    # In order: right 1, right 2, wrong 3, right 4, wrong 5, right 6.
    # Precisions at the right ones: 1/1, 2/2, 3/4, 4/6; their mean is (1 + 1 + 3/4 + 2/3) / 4.
    found = metrics.micro_average_precision([1, 2, 4, 6], [[3], [5], [9], [9]])
    assert found == pytest.approx((1 + 1 + 3 / 4 + 2 / 3) / 4)


def test_answers_equally_far_come_all_at_once():
    # Two right and two wrong at distance 1: precision 1/2 for both; then 3/5 and 4/7.
    found = metrics.micro_average_precision([1, 1, 2, 3], [[1], [1], [3], [9]])
    assert found == pytest.approx((1 / 2 + 1 / 2 + 3 / 5 + 4 / 7) / 4)


def test_what_is_never_found_counts_nothing():
    assert metrics.micro_average_precision([1, math.nan, math.nan, 2], [[9]] * 4) == 0.5


@given(DISTANCES, st.integers(0, 2**32))
def test_the_order_of_queries_changes_nothing(own, seed):
    rng = np.random.default_rng(seed)
    strangers = rng.integers(0, 6, (len(own), 3)).astype(float)
    order = rng.permutation(len(own))
    one = metrics.micro_average_precision(own, strangers)
    other = metrics.micro_average_precision(np.array(own)[order], strangers[order])
    assert one == pytest.approx(other)
    assert 0 < one <= 1


def test_expected_recall_shares_the_last_places_among_equals():
    # First: at the top. Second: 2 before it, it is one of 4 equals for the last place of 3.
    # Third: 3 before it, out. Fourth: no candidate at all.
    found = metrics.expected_recall([0, 2, 3, None], [0, 3, 0, None], 3)
    assert found.value == pytest.approx((1 + 1 / 4) / 4)


def test_expected_recall_of_all_equals_is_their_share():
    assert metrics.expected_recall([0] * 4, [9] * 4, 5).value == pytest.approx(0.5)


def test_groups_are_drawn_whole():
    values = np.array([0.0, 0.0, 1.0, 1.0])
    # Two groups, alike within: a draw has the mean 0, 1/2 or 1, each end with the chance 1/4.
    together = metrics.bootstrap([[0, 1], [2, 3]], lambda cases: float(values[cases].mean()))
    assert together == Estimate(0.5, 0.0, 1.0)
    # In one group there is nothing that varies.
    assert metrics.bootstrap([[0, 1, 2, 3]], lambda cases: float(values[cases].mean())) == (0.5, 0.5, 0.5)


def test_a_mean_of_equal_values_is_certain():
    assert metrics.mean([3.0] * 4) == Estimate(3.0, 3.0, 3.0)


def test_the_interval_of_a_mean_is_about_two_of_its_standard_errors():
    values = np.random.default_rng(0).normal(10, 2, 400)
    found = metrics.mean(values)
    # Of deviation 2 and 400 values: 2 x 1.96 x 2 / 20.
    assert found.high - found.low == pytest.approx(0.392, rel=0.15)


def test_quantiles_and_their_intervals():
    values = np.arange(1.0, 101)
    median = metrics.quantile(values, 0.5)
    assert median.value == 50.5
    # The binomial's 2.5 % and 97.5 % points of 100 throws of a coin are 40 and 60.
    assert (median.low, median.high) == (40, 61)
    assert math.isnan(metrics.quantile([1.0, 2, 3, 4], 0.99).high)


def test_a_power_law_is_the_slope_of_logarithms():
    found = metrics.power_law([10, 100, 1000, 10_000], [3, 6, 12, 24])
    assert found.value == pytest.approx(math.log10(2))
    assert found.high - found.low == pytest.approx(0, abs=1e-6)
    assert math.isnan(metrics.power_law([10, 10], [1, 2]).value)
    assert math.isnan(metrics.power_law([10, 100], [1, 2]).low)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32))
def test_the_interval_of_an_exponent_is_students(seed):
    # Three sizes a decade apart, one of them off by a factor e: by hand, slope and standard error.
    off = np.random.default_rng(seed).uniform(0.1, 2)
    x = np.log([1, 10, 100])
    y = np.array([0, off, 0])
    slope = ((x - x.mean()) * y).sum() / ((x - x.mean()) ** 2).sum()
    residual = ((y - y.mean() - slope * (x - x.mean())) ** 2).sum()
    error = math.sqrt(residual / ((x - x.mean()) ** 2).sum())
    found = metrics.power_law([1, 10, 100], np.exp(y))
    assert found.value == pytest.approx(slope, abs=1e-9)
    assert found.high - found.value == pytest.approx(12.706205 * error, rel=1e-5)
