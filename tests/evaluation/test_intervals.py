"""Bootstrap intervals: sane, repeatable, and equal to resampling rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsample_cli.evaluation.intervals import bootstrap_intervals
from dsample_cli.evaluation.metrics import (
    SUMMARY_METRICS,
    confusion_matrix,
    metrics_from_confusion,
)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 6), st.integers(0, 10_000))
def test_intervals_are_ordered_and_hold_the_estimate(n_classes, seed):
    confusion = np.random.default_rng(seed).integers(0, 9, size=(n_classes, n_classes))
    intervals = bootstrap_intervals(confusion, resamples=60)
    assert list(intervals) == list(SUMMARY_METRICS)
    for name, estimate in metrics_from_confusion(confusion).items():
        low, high = intervals[name]
        assert low <= estimate <= high
        assert type(low) is type(high) is float


def test_the_same_seed_gives_the_same_intervals():
    confusion = np.array([[40, 9], [5, 6]])
    assert bootstrap_intervals(confusion) == bootstrap_intervals(confusion)
    assert bootstrap_intervals(confusion) != bootstrap_intervals(confusion, seed=1)


def test_perfect_predictions_have_no_width():
    assert bootstrap_intervals(np.diag([9, 5]))["macro_f1"] == (1.0, 1.0)


def test_multinomial_draws_equal_resampled_rows():
    """The interval by rows, resampled within each true class, is the same but for its noise."""
    rng = np.random.default_rng(0)
    true = np.repeat([0, 1, 2], [60, 30, 10])
    predicted = np.where(rng.random(100) < 0.7, true, rng.integers(0, 3, size=100))
    rows_of_class = [np.flatnonzero(true == k) for k in range(3)]
    by_rows = []
    for _ in range(4000):
        rows = np.concatenate([rng.choice(rows, size=len(rows)) for rows in rows_of_class])
        by_rows.append(confusion_matrix(true[rows], predicted[rows], 3))
    drawn = metrics_from_confusion(np.stack(by_rows))
    exact = bootstrap_intervals(confusion_matrix(true, predicted, 3), resamples=4000)
    for name in SUMMARY_METRICS:
        assert exact[name] == pytest.approx(np.quantile(drawn[name], (0.025, 0.975)), abs=0.02)


def test_intervals_cover_the_truth():
    """Nominal 95%: of 200 test sets from one known confusion, about 190 intervals hold it."""
    rng = np.random.default_rng(4)
    rows, truth = np.array([200, 80, 40]), np.array([[8, 1, 1], [2, 7, 1], [2, 2, 6]]) / 10
    expected = metrics_from_confusion(truth * rows[:, None])
    covered = dict.fromkeys(SUMMARY_METRICS, 0)
    for _ in range(200):
        sample = np.stack([rng.multinomial(n, p) for n, p in zip(rows, truth, strict=True)])
        for name, (low, high) in bootstrap_intervals(sample, resamples=200).items():
            covered[name] += low <= expected[name] <= high
    assert all(176 <= hits <= 200 for hits in covered.values()), covered
