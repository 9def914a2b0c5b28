"""Class scores: golden values, and one check suite over every registered score."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsample_cli.core.class_scores import (
    CLASS_SCORES,
    class_weights,
    expected_share,
    inverse_score,
    scored_share,
    softmax_score,
    sqrt_score,
)
from dsample_cli.core.sampling import count_classes
from dsample_cli.errors import ConfigError

TOY = np.array([60, 30, 10])
COUNTS = st.lists(st.integers(1, 100_000), min_size=1, max_size=40).map(np.array)

every_score = pytest.mark.parametrize("name", sorted(CLASS_SCORES))


@pytest.mark.parametrize(
    ("temperature", "share"),
    [
        (1.0, (0.512895, 0.346168, 0.140937)),
        (0.5, (0.422993, 0.385372, 0.191636)),
        (0.25, (0.256966, 0.426578, 0.316456)),
        (0.1, (0.027950, 0.280694, 0.691356)),
    ],
)
def test_softmax_draws_the_golden_share(temperature, share):
    drawn = scored_share(TOY, softmax_score(TOY, temperature))
    assert drawn == pytest.approx(share, abs=5e-7)


def test_softmax_has_the_golden_weights_at_temperature_1():
    assert softmax_score(TOY) == pytest.approx((0.250089, 0.337585, 0.412327), abs=5e-7)


def test_softmax_of_two_classes_is_golden():
    counts = np.array([90, 10])
    assert scored_share(counts, softmax_score(counts)) == pytest.approx(
        (0.801743, 0.198257), abs=5e-7
    )
    balanced = scored_share(counts, softmax_score(counts, 0.36409567))
    assert balanced == pytest.approx((0.5, 0.5), abs=1e-6)


def test_scores_go_to_their_own_class_whatever_label_comes_first():
    """The reference zipped sorted labels with scores in first-seen order."""
    codes = np.repeat([2, 0, 1], [10, 60, 30])
    counts = count_classes(codes, 3)
    weights = softmax_score(counts)
    share = scored_share(counts, weights)
    assert weights == pytest.approx((0.250089, 0.337585, 0.412327), abs=5e-7)
    assert share == pytest.approx((0.512895, 0.346168, 0.140937), abs=5e-7)
    assert share != pytest.approx((0.694579, 0.210642, 0.094779), abs=1e-3)


def test_inverse_draws_every_class_equally_often():
    assert inverse_score(TOY) == pytest.approx(np.array([1 / 60, 1 / 30, 1 / 10]) / 0.15)
    assert scored_share(TOY, inverse_score(TOY)) == pytest.approx((1 / 3, 1 / 3, 1 / 3))


def test_sqrt_draws_the_golden_share():
    share = scored_share(TOY, sqrt_score(TOY))
    assert share == pytest.approx((0.472734, 0.334273, 0.192993), abs=5e-7)


def test_expected_share_lies_between_natural_and_scored():
    weights = softmax_score(TOY)
    assert expected_share(TOY, weights, 0.0) == pytest.approx((0.6, 0.3, 0.1))
    assert expected_share(TOY, weights, 1.0) == pytest.approx(scored_share(TOY, weights))
    half = (0.6 + 0.512895, 0.3 + 0.346168, 0.1 + 0.140937)
    assert expected_share(TOY, weights, 0.5) == pytest.approx(np.array(half) / 2, abs=5e-7)


@every_score
@given(counts=COUNTS)
def test_weights_are_positive_finite_and_sum_to_one(name, counts):
    weights = class_weights(name, counts)
    assert weights.shape == counts.shape
    assert weights.dtype == np.float64
    assert np.isfinite(weights).all()
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1)


@every_score
@given(counts=COUNTS, seed=st.integers(0, 1000))
def test_weights_move_with_their_classes(name, counts, seed):
    order = np.random.default_rng(seed).permutation(len(counts))
    assert class_weights(name, counts[order]) == pytest.approx(
        class_weights(name, counts)[order], rel=1e-9
    )


@every_score
@given(counts=COUNTS)
def test_a_rarer_class_never_has_a_smaller_weight(name, counts):
    by_count = np.argsort(counts)
    ordered, weights = counts[by_count], class_weights(name, counts)[by_count]
    assert (np.diff(weights) <= 1e-12 * weights[:-1]).all()
    for count in np.unique(ordered):
        assert np.ptp(weights[ordered == count]) <= 1e-12


@every_score
def test_a_score_does_not_change_the_counts(name):
    counts = TOY.copy()
    class_weights(name, counts)
    assert (counts == TOY).all()


@every_score
@pytest.mark.parametrize("counts", [[], [0], [5, 0, 3], [5, -1]])
def test_an_empty_class_is_refused(name, counts):
    with pytest.raises(ConfigError, match="at least one training example"):
        class_weights(name, np.array(counts, dtype=int))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ConfigError, match="temperature") as caught:
        softmax_score(TOY, temperature)
    assert "--temperature auto" in caught.value.hint


def test_a_tiny_temperature_leaves_no_class_impossible():
    weights = softmax_score(np.array([100_000, 5, 1]), 1e-9)
    assert (weights > 0).all()
    assert weights.argmax() == 2


def test_an_unknown_score_answers_with_a_near_one():
    with pytest.raises(ConfigError, match="Unknown score 'sofmax'") as caught:
        class_weights("sofmax", TOY)
    assert caught.value.hint == "Did you mean softmax?"
