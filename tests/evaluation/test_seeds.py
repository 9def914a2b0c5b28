"""Ways of training compared over several seeds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind, ttest_rel

from dsample_cli.evaluation.comparison import paired_bootstrap
from dsample_cli.evaluation.metrics import SUMMARY_METRICS
from dsample_cli.evaluation.seeds import (
    SeedSpread,
    Tries,
    compare_tries,
    figures_by_seed,
    pooled_spread,
    seeds_difference,
)

GROUPS = ("many", "medium", "few")
VALUES = st.lists(st.floats(0, 1), min_size=2, max_size=5).map(np.array)


def tries(seed: int, n_seeds: int, right: float = 0.7, rows: int = 200) -> Tries:
    """Predictions of three classes that are right so often, on the same rows."""
    true = np.repeat([0, 1, 2], [rows - 50, 30, 20])
    rng = np.random.default_rng(seed)
    shape = (n_seeds, rows)
    predicted = np.where(rng.random(shape) < right, true, rng.integers(0, 3, shape))
    return Tries([true] * n_seeds, list(predicted))


def spread_of(*each: Tries) -> dict[str, SeedSpread]:
    values = [figures_by_seed(one, 3, GROUPS) for one in each]
    return {name: pooled_spread([one[name] for one in values]) for name in values[0]}


@pytest.mark.filterwarnings("ignore:Precision loss")  # of SciPy, where values hardly differ
@settings(max_examples=50)
@given(VALUES, VALUES)
def test_without_variance_of_rows_it_is_students_t_test(first, second):
    found = seeds_difference(first, second, 0.0, pooled_spread([first, second]))
    assert found.difference == pytest.approx(second.mean() - first.mean())
    if pooled_spread([first, second]).variance > 1e-6:
        expected = ttest_ind(second, first)
        low, high = expected.confidence_interval(0.95)
        assert found.p_value == pytest.approx(expected.pvalue, abs=1e-6)
        assert found.interval == pytest.approx((low, high), abs=1e-6)


def test_equal_seeds_are_paired_as_in_the_paired_t_test():
    first, second = np.array([0.80, 0.70, 0.75]), np.array([0.84, 0.75, 0.78])
    found = seeds_difference(first, second, 0.0, None)
    expected = ttest_rel(second, first)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_the_variance_of_rows_widens_the_interval_and_frees_it_of_the_few_seeds():
    first, second = np.array([0.8, 0.8001]), np.array([0.9, 0.9001])
    low, high = seeds_difference(first, second, 0.01**2, pooled_spread([first, second])).interval
    assert (high - low) / 2 == pytest.approx(1.96 * 0.01, rel=1e-3)


def test_means_without_any_variance_differ_surely_or_not_at_all():
    same = np.array([0.5, 0.5])
    assert seeds_difference(same, same, 0.0, None).p_value == 1
    found = seeds_difference(same, same + 0.25, 0.0, None)
    assert (found.interval, found.p_value) == ((0.25, 0.25), 0)


def test_a_single_seed_borrows_the_spread_of_the_others():
    several = np.array([0.7, 0.8, 0.9])
    spread = pooled_spread([several, np.array([0.6])])
    assert (spread.variance, spread.freedom) == (pytest.approx(0.01), 2)
    found = seeds_difference(several, np.array([0.6]), 0.0, spread)
    assert (found.interval[1] - found.interval[0]) / 2 == pytest.approx(
        4.302653 * math.sqrt(0.01 * (1 + 1 / 3)), rel=1e-5
    )


def test_single_tries_on_the_same_rows_are_the_paired_bootstrap():
    first, second = tries(0, 1), tries(1, 1, 0.8)
    found = compare_tries(first, second, 3, GROUPS)
    expected = paired_bootstrap(
        first.truths[0], first.predictions[0], second.predictions[0], 3, class_groups=GROUPS
    )
    assert found == expected
    assert list(found) == [*SUMMARY_METRICS, "many_recall", "medium_recall", "few_recall"]


def test_several_seeds_give_the_difference_of_the_means():
    first, second = tries(0, 3), tries(1, 2, 0.85)
    found = compare_tries(first, second, 3, GROUPS, spread=spread_of(first, second), resamples=200)
    for name in ("macro_f1", "few_recall"):
        means = [figures_by_seed(one, 3, GROUPS)[name].mean() for one in (first, second)]
        assert (found[name].first, found[name].second) == pytest.approx(tuple(means))
        low, high = found[name].interval
        assert low < found[name].difference < high
        assert 0 < found[name].p_value < 0.1


def test_tries_on_other_rows_are_not_tested():
    first, second = tries(0, 1), tries(1, 1, rows=300)
    found = compare_tries(first, second, 3, GROUPS, is_same_rows=False, resamples=200)
    several = tries(2, 2, rows=300)
    spread = spread_of(several)
    of_means = compare_tries(
        first, several, 3, GROUPS, is_same_rows=False, spread=spread, resamples=200
    )
    for differences in (found, of_means):
        low, high = differences["accuracy"].interval
        assert low < differences["accuracy"].difference < high
        assert differences["accuracy"].p_value is None


def test_seeds_may_have_rows_of_their_own():
    parts = [tries(seed, 1, rows=rows) for seed, rows in ((0, 100), (1, 200), (2, 150))]
    several = Tries([one.truths[0] for one in parts], [one.predictions[0] for one in parts])
    spread = spread_of(several)
    found = compare_tries(
        parts[0], several, 3, GROUPS, is_same_rows=False, spread=spread, resamples=100
    )["accuracy"]
    alone = [figures_by_seed(one, 3)["accuracy"][0] for one in parts]
    assert found.second == pytest.approx(np.mean(alone))
    assert found.p_value is None


def test_a_group_without_rows_has_no_figure():
    found = compare_tries(tries(0, 1), tries(1, 1), 4, (*GROUPS, "few"), resamples=50)
    assert "few_recall" in found
    found = compare_tries(tries(0, 1), tries(1, 1), 4, ("many", "many", "many", "few"))
    assert "few_recall" not in found


def test_equal_trainings_are_told_apart_as_rarely_as_promised():
    """Of 200 pairs of equally good trainings of three seeds, about 10 have p <= 0.05."""
    called = 0
    for number in range(200):
        both = tries(number, 6)
        parts = (slice(3), slice(3, 6))
        first, second = (Tries(both.truths[p], both.predictions[p]) for p in parts)
        values = [figures_by_seed(one, 3)["accuracy"] for one in (first, second)]
        spread = {"accuracy": pooled_spread(values)}
        means = [np.equal(one.predictions, one.truths).mean(axis=0) for one in (first, second)]
        row_variance = (means[1] - means[0]).var() / len(both.truths[0])
        found = seeds_difference(*values, row_variance, spread["accuracy"])
        called += found.p_value <= 0.05
    assert called <= 20
