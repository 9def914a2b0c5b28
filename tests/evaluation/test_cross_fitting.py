"""What a correction is worth, measured on rows that it did not see."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from dsample_cli.core.corrections import Correction, no_correction, thresholds
from dsample_cli.evaluation.cross_fitting import Gain, cross_fit, measure_gain, metric_value

COUNTS = np.array([47, 21, 9])
LABELS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], COUNTS))
RAW = np.random.default_rng(1).normal(size=(77, 3)) + 1.2 * np.eye(3)[LABELS] + [1, 0, -1]
BETTER = RAW - [1, 0, -1]
SCORERS = {
    "macro_f1": lambda *rows, **weights: f1_score(*rows, average="macro", **weights),
    "accuracy": accuracy_score,
    "balanced_accuracy": balanced_accuracy_score,
}


def row_numbers(size):
    """Logits by which a fit knows the rows that it sees."""
    return np.stack([np.arange(size), np.zeros(size)], axis=1).astype(float)


def folds_of(labels, seed=0):
    """For each fit: the rows that it saw, and those that it corrected."""
    seen, size = [], len(labels)

    def fit(logits, of_rows):
        rows = logits[:, 0].astype(int)
        assert (of_rows == labels[rows]).all()
        seen.append(set(rows.tolist()))
        return Correction(np.ones(2), np.array([0.0, len(seen)]), {})

    corrected = cross_fit(fit, row_numbers(size), labels, seed)
    assert (corrected[:, 0] == np.arange(size)).all()
    by_fit = [set(np.flatnonzero(corrected[:, 1] == i + 1).tolist()) for i in range(len(seen))]
    return list(zip(seen, by_fit, strict=True))


@pytest.mark.parametrize("seed", [0, 1])
def test_every_row_is_corrected_once_by_a_fit_that_saw_all_other_folds(seed):
    folds = folds_of(LABELS, seed)
    everything = set(range(len(LABELS)))
    assert len(folds) == 5
    assert set().union(*(corrected for _, corrected in folds)) == everything
    for seen, corrected in folds:
        assert seen == everything - corrected


def test_folds_spread_each_class_evenly():
    for _, corrected in folds_of(LABELS):
        sizes = np.bincount(LABELS[list(corrected)], minlength=3)
        assert (np.abs(sizes - COUNTS / 5) < 1).all()
    sizes = [len(corrected) for _, corrected in folds_of(LABELS)]
    assert max(sizes) - min(sizes) <= 1


def test_folds_depend_on_the_seed_alone():
    assert folds_of(LABELS) == folds_of(LABELS)
    assert folds_of(LABELS) != folds_of(LABELS, seed=1)


@pytest.mark.parametrize("size", [1, 2, 4, 6])
def test_few_rows_are_not_lost(size):
    labels = np.arange(size) % 2
    folds = folds_of(labels)
    assert len(folds) == (0 if size == 1 else min(5, size))
    corrected = cross_fit(lambda *rows: no_correction(2), row_numbers(size), labels)
    assert (corrected == row_numbers(size)).all()


def test_the_logits_are_not_changed_in_place():
    before = RAW.copy()
    cross_fit(lambda *rows: Correction(np.zeros(3), np.ones(3), {}), RAW, LABELS)
    assert (before == RAW).all()


def test_what_is_fitted_to_noise_is_worth_nothing():
    """Thresholds for logits that know nothing: every rule has a balanced accuracy of a third."""
    metric = "balanced_accuracy"
    value = metric_value(metric, 3)

    def fit(logits, labels):
        return thresholds(logits, labels, value)

    fitted, held_out = [], []
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=(77, 3))
        fitted.append(measure_gain(noise, fit(noise, LABELS)(noise), LABELS, metric))
        held_out.append(measure_gain(noise, cross_fit(fit, noise, LABELS), LABELS, metric))
    assert np.mean([gain.after - gain.before for gain in fitted]) > 0.07
    assert abs(np.mean([gain.after - gain.before for gain in held_out])) < 0.05
    assert sum(g.is_beyond_noise for g in held_out) < sum(g.is_beyond_noise for g in fitted) - 5


@pytest.mark.parametrize("metric", SCORERS)
def test_a_gain_is_the_difference_of_two_figures(metric):
    gain = measure_gain(RAW, BETTER, LABELS, metric)
    assert gain.before == pytest.approx(SCORERS[metric](LABELS, RAW.argmax(axis=1)))
    assert gain.after == pytest.approx(SCORERS[metric](LABELS, BETTER.argmax(axis=1)))
    value = metric_value(metric, 3)
    assert value(LABELS, RAW.argmax(axis=1)) == gain.before
    assert measure_gain(RAW, BETTER, LABELS, metric) == gain


@pytest.mark.parametrize("metric", SCORERS)
def test_the_error_is_that_of_a_paired_bootstrap(metric):
    before, after = RAW.argmax(axis=1), BETTER.argmax(axis=1)
    rng, gains = np.random.default_rng(5), []
    value = metric_value(metric, 3)
    for _ in range(3000):
        rows = rng.integers(0, len(LABELS), size=len(LABELS))
        gains.append(value(LABELS[rows], after[rows]) - value(LABELS[rows], before[rows]))
    # Ours has 200 resamples: its own error is a twentieth.
    assert measure_gain(RAW, BETTER, LABELS, metric).error == pytest.approx(np.std(gains), rel=0.2)


def test_equal_predictions_have_no_gain_and_no_error():
    gain = measure_gain(RAW, RAW + 5, LABELS, "macro_f1")
    assert (gain.after - gain.before, gain.error) == (0, 0)
    assert not gain.is_beyond_noise


@pytest.mark.parametrize(
    ("after", "error", "expected"),
    [(0.62, 0.01, True), (0.62, 0.02, False), (0.58, 0.001, False), (0.6, 0.0, False)],
)
def test_a_gain_must_exceed_its_error_by_a_quarter(after, error, expected):
    assert Gain(0.6, after, error).is_beyond_noise is expected


@pytest.mark.parametrize("metric", SCORERS)
def test_weights_of_classes_stand_for_so_many_rows(metric):
    weights = np.array([1, 2, 5])
    rows = np.repeat(np.arange(len(LABELS)), weights[LABELS])
    weighted = measure_gain(RAW, BETTER, LABELS, metric, weights.astype(float))
    repeated = measure_gain(RAW[rows], BETTER[rows], LABELS[rows], metric)
    assert weighted.before == pytest.approx(repeated.before)
    assert weighted.after == pytest.approx(repeated.after)
    found = metric_value(metric, 3, weights.astype(float))(LABELS, BETTER.argmax(axis=1))
    assert found == pytest.approx(
        SCORERS[metric](LABELS, BETTER.argmax(axis=1), sample_weight=weights[LABELS])
    )


def test_weights_of_predictions_that_are_all_one_class(recwarn):
    labels = np.repeat([0, 1, 2], [17, 5, 2])
    for seed in range(50):
        weights = np.random.default_rng(seed).dirichlet(np.ones(3)) / [17, 5, 2] * 24
        assert metric_value("mcc", 3, weights)(labels, 0 * labels) == pytest.approx(0, abs=1e-6)
    assert not recwarn.list


def test_a_class_without_rows_does_not_count():
    labels = np.array([0, 0, 1, 1])
    predicted = np.array([0, 2, 1, 1])
    expected = np.mean([2 / 3, 1.0])
    assert metric_value("macro_f1", 3)(labels, predicted) == pytest.approx(expected)
