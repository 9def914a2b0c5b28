"""Calibration errors against the golden values of their sources, bin by bin."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsample_cli.evaluation.calibration import (
    calibration_bins,
    classwise_calibration_error,
    expected_calibration_error,
)

CONFIDENCE = np.array([0.95, 0.85, 0.85, 0.65, 0.55])
CORRECT = np.array([1, 1, 0, 1, 0])


@pytest.mark.parametrize("bins", [10, 15])
def test_the_errors_have_the_golden_values(bins):
    found = calibration_bins(CONFIDENCE, CORRECT, bins)
    assert found.expected_error == pytest.approx(0.33)
    assert found.maximum_error == pytest.approx(0.55)
    assert expected_calibration_error(CONFIDENCE, CORRECT, bins) == found.expected_error


def test_the_bins_have_the_golden_values():
    found = calibration_bins(CONFIDENCE, CORRECT)
    filled = {8: (1, 0.55, 0.0), 9: (1, 0.65, 1.0), 12: (2, 0.85, 0.5), 14: (1, 0.95, 1.0)}
    assert np.flatnonzero(found.rows).tolist() == list(filled)
    for place, (rows, confidence, accuracy) in filled.items():
        assert found.rows[place] == rows
        assert found.confidence[place] == pytest.approx(confidence)
        assert found.accuracy[place] == accuracy
    assert len(found.rows) == 15


def test_bins_are_closed_above():
    # Together the two would cancel: (1 - 0.2) + (0 - 0.2) = 0.6 of 2 rows. Apart they add up.
    found = calibration_bins(np.array([0.2, 0.2 + 1e-9]), np.array([1, 0]))
    assert found.rows[[2, 3]].tolist() == [1, 1]
    assert found.expected_error == pytest.approx(0.5)
    ends = calibration_bins(np.array([0.0, 1.0]), np.array([0, 1]))
    assert ends.rows[[0, -1]].tolist() == [1, 1]
    assert ends.expected_error == 0.0


def test_without_rows_there_is_no_error():
    found = calibration_bins(np.array([]), np.array([]))
    assert (found.expected_error, found.maximum_error) == (0.0, 0.0)
    assert found.rows.tolist() == [0] * 15


@settings(max_examples=100)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_bins_hold_every_row_between_their_edges(rows):
    confidence, correct = np.array([c for c, _ in rows]), np.array([r for _, r in rows])
    found = calibration_bins(confidence, correct)
    edges = np.arange(16) / 15
    for b, count in enumerate(found.rows):
        inside = (confidence > edges[b]) & (confidence <= edges[b + 1])
        assert count == inside.sum() + (b == 0) * (confidence == 0).sum()
    lean = confidence.mean() - correct.mean()
    gaps = found.confidence - found.accuracy
    assert (found.rows * gaps).sum() / len(rows) == pytest.approx(lean, abs=1e-9)
    assert abs(lean) <= found.expected_error + 1e-9 <= found.maximum_error + 2e-9


def test_the_classwise_error_has_the_golden_value():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.7, 0.1, 0.2], [0.1, 0.5, 0.4]])
    # Per class, over the bins: |1.4 - 1| + |0.1 - 0|; 0.2 + |0.1 - 1| + 0.5; 0.1 + 0.2 + |0.4 - 1|.
    expected = np.mean([0.5, 1.6, 0.9]) / 3
    assert classwise_calibration_error(probabilities, np.array([0, 1, 2])) == pytest.approx(
        expected
    )
    assert classwise_calibration_error(np.eye(3), np.arange(3)) == 0.0


def test_many_rows_and_classes_are_measured_fast():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(150), size=10_000)
    start = time.perf_counter()
    classwise_calibration_error(probabilities, rng.integers(0, 150, 10_000))
    assert time.perf_counter() - start < 2
