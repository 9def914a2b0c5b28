"""Heads as arrays: golden values of the method reference, section 5."""

import numpy as np
import pytest

from dsample_cli.core import corrections
from dsample_cli.core.heads import (
    CosineHead,
    GatedAlignment,
    LinearHead,
    NearestMean,
    class_means,
    nearest_mean,
    rarity_weights,
    sharpened,
    squared_distances,
    unit_rows,
)

Z = np.array([[2, 1, 0.1]])
H = np.array([[0.2, 0.4]])
W = np.array([[3, 4], [1, 0], [0, 0.5]])
MEANS = np.array([[2, 0], [0, 1], [-1, -1]])


@pytest.mark.parametrize(
    ("tau", "golden"),
    [(0.0, (2.2, 0.2, 0.2)), (0.5, (0.983870, 0.2, 0.282843)), (1.0, (0.44, 0.2, 0.4))],
)
def test_tau_norm_divides_by_a_power_of_the_norms_and_drops_the_bias(monkeypatch, tau, golden):
    """Up to a common factor, which keeps the logits' size."""
    monkeypatch.setattr(corrections, "_best", lambda value_of, candidates: (tau,))
    head = LinearHead(W, np.array([5.0, -3.0, 1.0]))
    correction = corrections.tau_norm(head(H), np.array([0]), None, *head.norms_and_bias)
    logits = head.corrected(correction)(H)[0]
    factor = logits[1] / golden[1]
    assert logits == pytest.approx(factor * np.array(golden), abs=1e-6)
    assert head.corrected(correction).bias == pytest.approx([0, 0, 0])
    assert (tau != 0) or factor == pytest.approx(1)


def test_a_linear_head_without_bias_keeps_none():
    head = LinearHead(W, None)
    assert head(H)[0] == pytest.approx([2.2, 0.2, 0.2])
    scaled = head.corrected(corrections.Correction(np.array([1, 2, 3.0]), np.zeros(3), {}))
    assert scaled.bias is None
    assert scaled(H)[0] == pytest.approx([2.2, 0.4, 0.6])


def test_learned_scaling_by_construction():
    """g[c] (w[c] h + b[c]): the bias is scaled too."""
    g, b = np.array([2.0, 0.5, 1.0]), np.array([1.0, 2.0, -1.0])
    head = LinearHead(W, b).corrected(corrections.Correction(g, np.zeros(3), {}))
    assert head(H)[0] == pytest.approx(g * (W @ H[0] + b))


def test_golden_distances_and_cosines_to_class_means():
    point = np.array([[0.5, 0.9]])
    assert -squared_distances(point, MEANS)[0] == pytest.approx([-3.06, -0.26, -5.86])
    cosines = unit_rows(point) @ unit_rows(MEANS).T
    assert cosines[0] == pytest.approx([0.485643, 0.874157, -0.961524], abs=1e-6)


@pytest.mark.parametrize("length", [0.3, 1.0, 20.0])
def test_a_cosine_head_goes_by_the_direction_alone(length):
    head = CosineHead(MEANS, 30.0)
    golden = 30 * np.array([0.485643, 0.874157, -0.961524])
    assert head(length * np.array([[0.5, 0.9]]))[0] == pytest.approx(golden, abs=1e-4)
    assert CosineHead(length * MEANS, 30.0)(H) == pytest.approx(head(H))
    assert head(np.zeros((1, 2))).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("has_bias", [True, False])
def test_the_linear_head_that_stands_for_a_cosine_head(has_bias):
    """It is the same for features of the given length, and up to a factor for all others."""
    head = CosineHead(MEANS, 30.0)
    linear = head.linear(1.5, has_bias)
    assert (linear.bias is not None) == has_bias
    assert not has_bias or linear.bias.tolist() == [0] * 3
    features = np.random.default_rng(0).normal(size=(20, 2))
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    assert linear(1.5 * features / lengths) == pytest.approx(head(features))
    assert linear(features) == pytest.approx(head(features) * lengths / 1.5)


def test_features_are_centred_then_of_length_one():
    features = np.array([[3.0, 1.0], [1.0, 3.0], [1.0, 1.0], [7.0, 1.0]])
    head = nearest_mean(features, np.array([0, 1, 2, 0]), np.array([1.0, 1.0]), 3)
    assert head.means == pytest.approx(np.array([[1, 0], [0, 1], [0, 0]]))
    assert head(np.array([[9.0, 1.0]]))[0] == pytest.approx(-head.sharpness * np.array([0, 2, 1]))


def test_the_sharpness_makes_labels_most_probable():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    features = rng.normal(size=(400, 3)) + 2 * np.eye(2, 3)[labels]
    rough = nearest_mean(features, labels, features.mean(axis=0), 2)
    fine = sharpened(rough, features, labels)

    def loss(sharpness):
        logits = NearestMean(fine.center, fine.means, sharpness)(features)
        return corrections.log_losses(logits, labels).mean()

    assert loss(fine.sharpness) < min(loss(rough.sharpness), loss(0.9 * fine.sharpness))
    assert loss(fine.sharpness) < loss(1.1 * fine.sharpness)
    assert (fine(features).argmax(1) == rough(features).argmax(1)).all()


def test_golden_class_weights_of_distribution_alignment():
    weights = rarity_weights(np.array([60, 30, 10]), 1.2)
    assert weights == pytest.approx([0.084152, 0.193331, 0.722516], abs=1e-6)
    assert rarity_weights(np.array([60, 30, 10]), 0) == pytest.approx([1 / 3] * 3)


def test_golden_aligned_logits():
    """A gate that is half open; a is 1 + factor."""
    head = GatedAlignment(
        np.array([0.8, 1, 1.4]) - 1, np.array([-0.1, 0, 0.2]), np.zeros(2), offset=0.0
    )
    assert head(H, Z)[0] == pytest.approx([1.75, 1, 0.22])


def test_the_gate_reads_the_features():
    head = GatedAlignment(np.ones(3), np.zeros(3), np.array([1000.0, 0.0]), offset=-100.0)
    opened, closed = head(np.array([[1.0, 0.0], [0.0, 0.0]]), np.repeat(Z, 2, axis=0))
    assert opened == pytest.approx(2 * Z[0])
    assert closed == pytest.approx(Z[0])


def test_class_means_are_those_of_numpy():
    rng = np.random.default_rng(1)
    features, labels = rng.normal(size=(50, 4)).astype(np.float32), rng.integers(0, 5, size=50)
    found = class_means(features, labels, 5)
    for c in range(5):
        assert found[c] == pytest.approx(features[labels == c].mean(axis=0), abs=1e-6)


def test_a_row_of_zeros_has_no_direction():
    assert unit_rows(np.zeros((1, 3))).tolist() == [[0, 0, 0]]
