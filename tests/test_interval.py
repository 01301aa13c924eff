import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats

from vgrad.interval import Interval, of_difference, of_mean, of_median, of_share

TRIALS = 400


def share_that_holds(truth: float, make: Callable[[np.random.Generator], Interval]) -> float:
    random = np.random.default_rng(7)
    intervals = [make(random) for _ in range(TRIALS)]
    return sum(one.low <= truth <= one.high for one in intervals) / TRIALS


@pytest.mark.parametrize("count", [2, 3, 5, 9])
def test_the_interval_of_a_mean_of_few_is_the_one_that_scipy_gives(count):
    values = np.random.default_rng(count).normal(size=count)
    expected = scipy.stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    made = of_mean(values)
    assert (made.low, made.high) == pytest.approx((expected.low, expected.high))
    assert made.value == pytest.approx(values.mean())
    assert made.count == count


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 5), (5, 30)])
def test_the_interval_of_a_difference_is_the_one_that_scipy_gives(n, m):
    random = np.random.default_rng(n)
    a, b = random.normal(1.0, 3.0, size=n), random.normal(0.0, 0.1, size=m)
    expected = scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    made = of_difference(a, b)
    assert (made.low, made.high) == pytest.approx((expected.low, expected.high))
    assert made.count == n + m


@pytest.mark.parametrize("count", [3, 5])
def test_the_interval_of_a_mean_of_few_holds_the_truth_as_often_as_it_says(count):
    held = share_that_holds(2.0, lambda random: of_mean(random.normal(2.0, 5.0, size=count)))
    assert 0.92 <= held <= 0.98


def test_a_bootstrap_of_three_would_hold_the_truth_far_less_often():
    def bootstrap(random: np.random.Generator) -> Interval:
        values = random.normal(2.0, 5.0, size=3)
        drawn = np.mean(random.choice(values, size=(500, 3)), axis=1)
        return Interval(values.mean(), *np.quantile(drawn, [0.025, 0.975]), 3)

    assert share_that_holds(2.0, bootstrap) < 0.85


def test_from_ten_values_on_the_interval_is_a_bootstrap_and_follows_the_skew():
    values = np.exp(np.random.default_rng(3).normal(size=15))
    made = of_mean(values)
    assert made.high - made.value > made.value - made.low
    assert made == of_mean(values)
    held = scipy.stats.bootstrap((values,), np.mean, random_state=np.random.default_rng(0))
    limits = held.confidence_interval
    assert (made.low, made.high) == pytest.approx((limits.low, limits.high))


def test_a_difference_of_two_groups_of_ten_is_a_bootstrap():
    random = np.random.default_rng(5)
    made = of_difference(np.exp(random.normal(size=12)), random.normal(size=10))
    assert made.low < made.value < made.high
    assert made.high - made.value > made.value - made.low


@pytest.mark.parametrize("count", [2, 3, 12])
def test_values_that_are_all_one_have_an_interval_without_width(count):
    assert of_mean([0.1] * count) == Interval(*[pytest.approx(0.1, rel=1e-12)] * 3, count)
    made = of_difference([0.3] * count, [0.1] * count)
    assert made.low == made.value == made.high == pytest.approx(0.2)


def test_one_seed_says_nothing_of_the_others():
    made = of_mean([0.5])
    assert (made.value, made.count, made.is_known) == (0.5, 1, False)
    assert math.isnan(made.low)
    assert math.isnan(made.high)
    assert not of_difference([0.5], [0.1, 0.2]).is_known
    assert of_difference([0.5], [0.1, 0.2]).value == pytest.approx(0.35)
    assert of_median([0.5]).value == 0.5


def test_no_values_have_no_mean():
    for made in (of_mean([]), of_difference([], [1.0, 2.0]), of_median([])):
        assert math.isnan(made.value)
        assert not made.is_known


@pytest.mark.parametrize("count", [3, 12])
@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_leaves_no_limits(odd, count):
    values = [odd, *np.linspace(0, 1, count - 1)]
    assert of_mean(values).value == pytest.approx(odd, nan_ok=True)
    assert not of_mean(values).is_known
    assert not of_difference(values, [1.0] * count).is_known
    assert not of_difference([1.0] * count, values).is_known


def test_infinities_of_both_signs_have_no_mean():
    assert math.isnan(of_mean([math.inf, -math.inf]).value)
    assert math.isnan(of_difference([math.inf] * 2, [math.inf] * 2).value)


def test_numbers_whose_squares_leave_the_floats_have_an_interval_as_others_do():
    plain = of_mean([1.0, 2.0, 4.0])
    for scale in (1e-200, 1e200):
        made = of_mean([scale, 2 * scale, 4 * scale])
        assert made.low == pytest.approx(plain.low * scale)
        assert made.high == pytest.approx(plain.high * scale)
        made = of_difference([scale, 2 * scale], [3 * scale, 5 * scale])
        assert made.low == pytest.approx(of_difference([1, 2], [3, 5]).low * scale)


def test_a_median_lies_between_two_of_the_values():
    assert of_median(range(9)) == Interval(4.0, 1.0, 7.0, 9)
    assert not of_median(range(5)).is_known


def test_a_median_may_lie_below_infinity_but_not_among_nan():
    assert of_median([*range(8), math.inf]) == Interval(4.0, 1.0, 7.0, 9)
    assert not of_median([*range(8), math.nan]).is_known


def test_the_interval_of_a_median_holds_the_truth_at_least_as_often_as_it_says():
    held = share_that_holds(0.0, lambda random: of_median(random.standard_cauchy(size=11)))
    assert held >= 0.93


def test_a_higher_level_makes_a_wider_interval():
    values = [1.0, 2.0, 4.0]
    assert of_mean(values, 0.99).low < of_mean(values, 0.9).low


def test_a_share_of_few_runs_leaves_much_open():
    made = of_share(5, 5)
    assert (made.value, made.high, made.count) == (1.0, 1.0, 5)
    assert made.low == pytest.approx(0.025 ** (1 / 5))  # five of five happen so often by chance
    assert not of_share(0, 0).is_known
