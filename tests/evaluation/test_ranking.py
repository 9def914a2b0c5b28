"""Average precision against golden values and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from dsample_cli.evaluation.ranking import average_precisions


def test_toy_has_the_golden_value():
    of_class = np.array([0.9, 0.8, 0.7, 0.6, 0.2])
    found = average_precisions(of_class[:, None], np.array([0, 1, 0, 1, 0]))
    assert found[0] == pytest.approx(0.755556, abs=1e-6)


@settings(deadline=None, max_examples=150)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(1, 6), st.integers(0, 10_000))
def test_it_agrees_with_scikit_learn_with_ties(n_classes, rows, levels, seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.integers(0, levels, size=(rows, n_classes)) / levels
    true = rng.integers(0, n_classes, rows)
    found = average_precisions(probabilities, true)
    for c in range(n_classes):
        if (true == c).any():
            expected = average_precision_score(true == c, probabilities[:, c])
            assert found[c] == pytest.approx(expected, abs=1e-12)
        else:
            assert np.isnan(found[c])


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 30), st.integers(0, 10_000))
def test_only_the_order_of_the_probabilities_counts(rows, seed):
    rng = np.random.default_rng(seed)
    probabilities, true = rng.random((rows, 3)), rng.integers(0, 3, rows)
    found, order = average_precisions(probabilities, true), rng.permutation(rows)
    assert average_precisions(probabilities**3 / 2, true) == pytest.approx(found, nan_ok=True)
    shuffled = average_precisions(probabilities[order], true[order])
    assert shuffled == pytest.approx(found, nan_ok=True)


def test_a_perfect_ranking_has_one_and_the_worst_has_little():
    true = np.array([0] * 3 + [1] * 7)
    best = np.stack([true == 0, true == 1], axis=1).astype(float)
    assert average_precisions(best, true).tolist() == [1, 1]
    assert average_precisions(1 - best, true)[0] == pytest.approx(0.3)
