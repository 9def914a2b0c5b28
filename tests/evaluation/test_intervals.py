"""Bootstrap intervals: sane, repeatable, and equal to resampling rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsample_cli.evaluation import intervals
from dsample_cli.evaluation.intervals import (
    as_pairs,
    bootstrap_intervals,
    f1_intervals,
    group_intervals,
    recall_intervals,
    wilson_intervals,
)
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


@pytest.mark.parametrize("cells", [1, 3 * 40, 10**9])
def test_metrics_of_some_resamples_at_a_time_are_those_of_all(monkeypatch, cells):
    confusion = np.random.default_rng(2).integers(0, 9, (3, 3))
    expected = bootstrap_intervals(confusion, resamples=100)
    monkeypatch.setattr(intervals, "_CELLS", cells)
    assert bootstrap_intervals(confusion, resamples=100) == expected


def test_perfect_predictions_have_no_width():
    assert bootstrap_intervals(np.diag([9, 5]))["macro_f1"] == (1.0, 1.0)


def test_multinomial_draws_equal_resampled_rows():
    """The interval by n - 1 rows of n in each true class is the same but for its noise."""
    rng = np.random.default_rng(0)
    true = np.repeat([0, 1, 2], [60, 30, 10])
    predicted = np.where(rng.random(100) < 0.7, true, rng.integers(0, 3, size=100))
    rows_of_class = [np.flatnonzero(true == k) for k in range(3)]
    by_rows = []
    for _ in range(4000):
        drawn_rows = [rng.choice(rows, size=len(rows) - 1) for rows in rows_of_class]
        weights = [np.full(len(rows), (len(rows) + 1) / len(rows)) for rows in drawn_rows]
        rows = np.concatenate(drawn_rows)
        by_rows.append(
            np.bincount(true[rows] * 3 + predicted[rows], np.concatenate(weights), 9).reshape(3, 3)
        )
    drawn = metrics_from_confusion(np.stack(by_rows))
    exact = bootstrap_intervals(confusion_matrix(true, predicted, 3), resamples=4000)
    for name in SUMMARY_METRICS:
        assert exact[name] == pytest.approx(np.quantile(drawn[name], (0.025, 0.975)), abs=0.02)


@pytest.mark.parametrize(
    ("rows", "recall"), [([30] * 5, 0.8), ([30] * 5, 0.95), ([300, 100, 30], 0.7), ([10] * 5, 0.7)]
)
def test_intervals_of_macro_f1_cover_the_truth_of_rare_classes(rows, recall):
    """Of 300 test sets; tests/benchmarks/bench_intervals.py tells more, of more."""
    rng, rows = np.random.default_rng(5), np.array(rows)
    n_classes = len(rows)
    truth = np.full((n_classes, n_classes), (1 - recall) / (n_classes - 1))
    np.fill_diagonal(truth, recall)
    expected = metrics_from_confusion(truth * rows[:, None])["macro_f1"]
    samples = np.stack([rng.multinomial(n, p, size=300) for n, p in zip(rows, truth, strict=True)])
    held = 0
    for number in range(300):
        low, high = bootstrap_intervals(samples[:, number], 400, seed=number)["macro_f1"]
        held += low <= expected <= high
    assert 0.90 <= held / 300 <= 0.98


def test_wilson_has_the_golden_values():
    """Of 81 in 263, by hand; of none and of all, where a bootstrap has no width."""
    found = wilson_intervals(np.array([81, 0, 10]), np.array([263, 10, 10]))
    assert found[0] == pytest.approx([0.2553, 0.3662], abs=1e-4)
    assert found[1] == pytest.approx([0, 0.2775], abs=1e-4)
    assert found[2] == pytest.approx([0.7225, 1], abs=1e-4)
    assert np.isnan(wilson_intervals(np.array([0]), np.array([0]))).all()


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_agrees_with_scipy(successes, more):
    from scipy.stats import binomtest

    trials = successes + more - 1 or 1
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    found = wilson_intervals(np.array([successes]), np.array([trials]))[0]
    assert found == pytest.approx([expected.low, expected.high], abs=1e-12)


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 7), st.integers(0, 10_000))
def test_intervals_of_classes_and_groups_hold_the_estimate(n_classes, seed):
    rng = np.random.default_rng(seed)
    confusion = rng.integers(0, 4, size=(n_classes, n_classes)) * rng.integers(
        0, 2, size=(n_classes, 1)
    )
    support, hits = confusion.sum(axis=1), confusion.diagonal()
    either = np.maximum(support + confusion.sum(axis=0), 1)
    for found, estimate in (
        (recall_intervals(confusion), hits / np.maximum(support, 1)),
        (f1_intervals(confusion), 2 * hits / either),
    ):
        for pair, value, rows in zip(as_pairs(found), estimate, support, strict=True):
            assert (pair is None) == (rows == 0)
            if pair is not None:
                assert 0 <= pair[0] <= value + 1e-12
                assert value - 1e-12 <= pair[1] <= 1
                assert pair[0] < pair[1]
    groups = [("many", "medium", "few")[k % 3] for k in range(n_classes)]
    for name, pair in group_intervals(confusion, groups).items():
        members = (np.array(groups) == name) & (support > 0)
        assert (pair is None) == (not members.any())
        if pair is not None:
            mean = (hits[members] / support[members]).mean()
            assert 0 <= pair[0] <= mean <= pair[1] <= 1
            assert pair[0] < pair[1]


def test_the_interval_of_one_class_is_that_of_its_recall():
    confusion = np.array([[9, 1], [1, 4]])
    alone = group_intervals(confusion, ["many", "few"])
    assert np.array([alone["many"], alone["few"]]) == pytest.approx(recall_intervals(confusion))


def test_a_group_of_tiny_classes_is_covered():
    """48 classes of 1 to 3 rows: bootstrapping their mean recall covers it 3 times of 4."""
    rng, rows, recall = np.random.default_rng(2), np.array([1, 2, 3] * 16), 0.8
    held = 0
    for _ in range(300):
        hits = rng.binomial(rows, recall)
        confusion = np.zeros((49, 49), int)
        confusion[np.arange(48), np.arange(48)] = hits
        confusion[np.arange(48), 48] = rows - hits
        low, high = group_intervals(confusion, ["few"] * 48 + ["many"])["few"]
        held += low <= recall <= high
    assert 0.92 <= held / 300 <= 0.99


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
