"""Tests between two sets of predictions: golden values, scipy, and what must always hold."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2

from dsample_cli.evaluation.comparison import holm, mcnemar, paired_bootstrap
from dsample_cli.evaluation.metrics import SUMMARY_METRICS, summary_metrics


def discordant(b: int, c: int, both: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True labels and two predictions of which one alone is right b and c times."""
    first = np.array([1] * b + [0] * c + [1] * both)
    second = np.array([0] * b + [1] * c + [1] * both)
    return np.ones(len(first), int), first, second


def two_predictions(seed: int, rows: int = 300, n_classes: int = 4):
    rng = np.random.default_rng(seed)
    true = rng.choice(n_classes, rows, p=np.arange(n_classes, 0, -1) / sum(range(n_classes + 1)))
    wrong = rng.integers(0, n_classes, (2, rows))
    first, second = (
        np.where(rng.random(rows) < right, true, any_class)
        for right, any_class in zip((0.6, 0.75), wrong, strict=True)
    )
    return true, first, second


def test_mcnemar_has_the_golden_values():
    found = mcnemar(*discordant(8, 2))
    assert (found.only_first, found.only_second) == (8, 2)
    assert found.p_value == pytest.approx(0.109375, abs=1e-9)
    assert found.chi2 == pytest.approx(2.5)
    assert found.chi2_p_value == pytest.approx(0.113846, abs=1e-6)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_agrees_with_scipy(b, c):
    found, turned = mcnemar(*discordant(b, c)), mcnemar(*discordant(c, b))
    expected = binomtest(b, b + c).pvalue if b + c else 1.0
    assert found.p_value == pytest.approx(expected, rel=1e-9)
    statistic = max(0, abs(b - c) - 1) ** 2 / (b + c) if b + c else 0
    assert found.chi2 == pytest.approx(statistic)
    assert found.chi2_p_value == pytest.approx(chi2.sf(statistic, 1), abs=1e-12)
    assert turned.p_value == found.p_value


def test_mcnemar_of_very_many_rows_is_a_number():
    found = mcnemar(*discordant(60_000, 58_000))
    assert found.p_value == pytest.approx(found.chi2_p_value, rel=1e-2)
    assert 0 < found.p_value < 1e-8


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(0, 1), min_size=0, max_size=12))
def test_holm_rejects_as_going_down_step_by_step_does(p_values):
    """The method as Holm wrote it: reject the smallest while p <= alpha / (hypotheses left)."""
    corrected = holm(np.array(p_values))
    assert corrected.shape == (len(p_values),)
    for alpha in (0.01, 0.05, 0.2):
        rejected = set()
        for left, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
            if p_values[i] * (len(p_values) - left) > alpha:
                break
            rejected.add(i)
        assert rejected == set(np.flatnonzero(corrected <= alpha).tolist())
    assert (corrected >= np.array(p_values)).all()
    assert (corrected <= 1).all()


def test_a_paired_bootstrap_has_the_metrics_of_both():
    true, first, second = two_predictions(0)
    found = paired_bootstrap(true, first, second, 4)
    assert list(found) == list(SUMMARY_METRICS)
    once, twice = summary_metrics(true, first, 4), summary_metrics(true, second, 4)
    for name, difference in found.items():
        assert (difference.first, difference.second) == (once[name], twice[name])
        low, high = difference.interval
        assert low <= difference.difference <= high
        assert 0 < difference.p_value <= 1
    assert found["accuracy"].p_value < 0.05


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000))
def test_equal_predictions_do_not_differ_and_turned_ones_mirror(seed):
    true, first, second = two_predictions(seed, 60)
    same = paired_bootstrap(true, first, first, 4, resamples=50)
    assert {(d.difference, d.interval, d.p_value) for d in same.values()} == {(0, (0, 0), 1)}
    forth, back = (
        paired_bootstrap(true, *pair, 4, resamples=2000)["accuracy"]
        for pair in ((first, second), (second, first))
    )
    assert back.difference == -forth.difference
    assert sorted(-end for end in back.interval) == pytest.approx(forth.interval, abs=0.03)


def test_a_paired_bootstrap_equals_resampled_rows():
    true, first, second = two_predictions(3)
    rng = np.random.default_rng(0)
    rows_of_class = [np.flatnonzero(true == k) for k in range(4)]
    drawn = []
    for _ in range(3000):
        rows = np.concatenate([rng.choice(rows, len(rows) - 1) for rows in rows_of_class])
        weights = np.repeat([len(r) / (len(r) - 1) for r in rows_of_class], np.bincount(true) - 1)
        right = [(ids[rows] == true[rows]) * weights for ids in (first, second)]
        drawn.append((right[1].sum() - right[0].sum()) / len(true))
    exact = paired_bootstrap(true, first, second, 4, resamples=3000)["accuracy"]
    assert exact.interval == pytest.approx(np.quantile(drawn, (0.025, 0.975)), abs=0.008)


def test_pairing_narrows_the_interval():
    """Of predictions that differ in few rows, the difference is known better than either."""
    true, first, _ = two_predictions(1, 1000)
    second = first.copy()
    second[:20] = true[:20]
    low, high = paired_bootstrap(true, first, second, 4)["accuracy"].interval
    alone = math.sqrt(0.6 * 0.4 / 1000) * 1.96
    assert high - low < alone


def test_equal_models_are_told_apart_as_rarely_as_promised():
    """Of 300 pairs of equally good predictions, about 15 have p <= 0.05."""
    rng = np.random.default_rng(8)
    true = np.repeat([0, 1, 2], [120, 50, 30])
    called = 0
    for seed in range(300):
        first, second = (
            np.where(rng.random(200) < 0.7, true, rng.integers(0, 3, 200)) for _ in range(2)
        )
        found = paired_bootstrap(true, first, second, 3, resamples=200, seed=seed)
        called += found["macro_f1"].p_value <= 0.05
    assert 3 <= called <= 30
