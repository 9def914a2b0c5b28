"""Class scores: golden values, and one check suite over every registered score."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsample_cli.core.class_scores import (
    CLASS_SCORES,
    auto_beta,
    class_weights,
    effective_number_score,
    expected_share,
    inverse_score,
    power_score,
    scored_share,
    softmax_score,
    sqrt_score,
)
from dsample_cli.core.sampling import count_classes
from dsample_cli.core.schedules import linear
from dsample_cli.core.signatures import option_names
from dsample_cli.errors import ConfigError
from tests.core.helpers import TOY

NAN, INF = float("nan"), float("inf")
NATURAL = (0.6, 0.3, 0.1)
COUNTS = st.lists(st.integers(1, 100_000), min_size=1, max_size=40).map(np.array)

every_score = pytest.mark.parametrize("name", sorted(CLASS_SCORES))
# Also at the edges of what their options may be.
VARIANTS = [
    *((name, {}) for name in sorted(CLASS_SCORES)),
    ("softmax", {"temperature": 0.01}),
    ("softmax", {"temperature": 1e9}),
    ("power", {"power": 0.0}),
    ("power", {"power": 1.0}),
    ("power", {"power": -3.0}),
    ("effective-number", {"beta": 0.0}),
    ("effective-number", {"beta": 0.5}),
    ("effective-number", {"beta": 1 - 1e-12}),
]
every_variant = pytest.mark.parametrize(("name", "options"), VARIANTS)
BAD_OPTIONS = {
    "temperature": (0.0, -1.0, NAN),
    "power": (NAN, INF, -INF),
    "beta": (-0.1, 1.0, 1.5, NAN),
}


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


def test_power_runs_from_inverse_through_sqrt_to_natural_order():
    assert power_score(TOY, 0.0) == pytest.approx(inverse_score(TOY))
    assert power_score(TOY, 0.5) == pytest.approx(sqrt_score(TOY))
    assert power_score(TOY, 1.0) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert scored_share(TOY, power_score(TOY, 1.0)) == pytest.approx(NATURAL)


@given(counts=COUNTS, power=st.floats(-1, 2))
def test_the_share_of_power_is_that_power_of_the_counts(counts, power):
    share = scored_share(counts, power_score(counts, power))
    assert share == pytest.approx(counts**power / (counts**power).sum(), rel=1e-9)


def test_a_huge_power_leaves_no_class_impossible():
    weights = power_score(np.array([1, 10**9]), -200.0)
    assert np.isfinite(weights).all()
    assert (weights > 0).all()


@pytest.mark.parametrize(
    ("beta", "weights"),
    [(0.99, (0.401302, 0.698145, 1.900553)), (0.999, (0.340018, 0.669981, 1.990001))],
)
def test_effective_number_has_the_golden_weights(beta, weights):
    assert 3 * effective_number_score(TOY, beta) == pytest.approx(weights, abs=5e-7)


def test_effective_number_draws_the_golden_share():
    share = scored_share(TOY, effective_number_score(TOY, 0.99))
    assert share == pytest.approx((0.376056, 0.327112, 0.296832), abs=5e-7)


def test_effective_number_lies_between_no_score_and_inverse():
    assert effective_number_score(TOY, 0.0) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert effective_number_score(TOY, 1e-9) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert effective_number_score(TOY, 1 - 1e-10) == pytest.approx(inverse_score(TOY))


@pytest.mark.parametrize(
    ("counts", "beta"),
    [([60, 30, 10], 1 - 1 / 30), ([1000, 10], 1 - 1 / 505), ([1, 1, 9], 0.5), ([7], 1 - 1 / 7)],
)
def test_auto_beta_is_set_by_the_median_class(counts, beta):
    assert auto_beta(np.array(counts)) == pytest.approx(beta)


def test_expected_share_lies_between_natural_and_scored():
    weights = softmax_score(TOY)
    assert expected_share(TOY, weights, 0.0) == pytest.approx(NATURAL)
    assert expected_share(TOY, weights, 1.0) == pytest.approx(scored_share(TOY, weights))
    half = (0.6 + 0.512895, 0.3 + 0.346168, 0.1 + 0.140937)
    assert expected_share(TOY, weights, 0.5) == pytest.approx(np.array(half) / 2, abs=5e-7)


@pytest.mark.parametrize(
    ("mix", "share"),
    [
        (2 / 5, (0.493333, 0.313333, 0.193333)),
        (linear(5).plan(2, None).mix, (0.466667, 0.316667, 0.216667)),
    ],
)
def test_progressively_balanced_shares_are_golden(mix, share):
    assert expected_share(TOY, inverse_score(TOY), mix) == pytest.approx(share, abs=5e-7)


@every_score
@given(counts=COUNTS, mix=st.floats(0, 1))
def test_a_geometric_share_is_the_product_of_powers(name, counts, mix):
    weights = class_weights(name, counts)
    natural, scored = counts / counts.sum(), scored_share(counts, weights)
    product = natural ** (1 - mix) * scored**mix
    share = expected_share(counts, weights, mix, geometric=True)
    assert share == pytest.approx(product / product.sum(), rel=1e-9)


@pytest.mark.parametrize("geometric", [False, True])
def test_the_ends_of_both_ways_to_mix_are_natural_and_scored(geometric):
    weights = sqrt_score(TOY)
    assert expected_share(TOY, weights, 0.0, geometric) == pytest.approx(NATURAL)
    assert expected_share(TOY, weights, 1.0, geometric) == pytest.approx(scored_share(TOY, weights))


@every_variant
@given(counts=COUNTS)
def test_weights_are_positive_finite_and_sum_to_one(name, options, counts):
    weights = class_weights(name, counts, **options)
    assert weights.shape == counts.shape
    assert weights.dtype == np.float64
    assert np.isfinite(weights).all()
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1)


@every_variant
@given(counts=COUNTS, seed=st.integers(0, 1000))
def test_weights_move_with_their_classes(name, options, counts, seed):
    order = np.random.default_rng(seed).permutation(len(counts))
    assert class_weights(name, counts[order], **options) == pytest.approx(
        class_weights(name, counts, **options)[order], rel=1e-9
    )


@every_variant
@given(counts=COUNTS)
def test_a_rarer_class_never_has_a_smaller_weight(name, options, counts):
    by_count = np.argsort(counts)
    ordered, weights = counts[by_count], class_weights(name, counts, **options)[by_count]
    assert (np.diff(weights) <= 1e-12 * weights[:-1]).all()
    for count in np.unique(ordered):
        assert np.ptp(weights[ordered == count]) <= 1e-12


@every_variant
def test_a_score_is_deterministic_and_does_not_change_the_counts(name, options):
    counts = TOY.copy()
    first = class_weights(name, counts, **options)
    assert (counts == TOY).all()
    assert (class_weights(name, counts, **options) == first).all()


@every_variant
@given(size=st.integers(1, 20), count=st.integers(1, 10**6))
def test_balanced_classes_have_equal_weights(name, options, size, count):
    weights = class_weights(name, np.full(size, count), **options)
    assert weights == pytest.approx(np.full(size, 1 / size))


@every_score
@pytest.mark.parametrize("counts", [[], [0], [5, 0, 3], [5, -1]])
def test_an_empty_class_is_refused(name, counts):
    with pytest.raises(ConfigError, match="at least one training example"):
        class_weights(name, np.array(counts, dtype=int))


@every_score
def test_impossible_options_are_refused_by_their_flag(name):
    for option in option_names(CLASS_SCORES[name]):
        for value in BAD_OPTIONS[option]:
            with pytest.raises(ConfigError) as caught:
                class_weights(name, TOY, **{option: value})
            assert f"--{option}" in caught.value.message + caught.value.hint


@every_score
def test_options_of_other_scores_are_left_out(name):
    others = {"temperature": 0.5, "power": 0.1, "beta": 0.9, "pressure": 10.0}
    for option in option_names(CLASS_SCORES[name]):
        del others[option]
    assert (class_weights(name, TOY, **others) == class_weights(name, TOY)).all()


def test_a_tiny_temperature_leaves_no_class_impossible():
    weights = softmax_score(np.array([100_000, 5, 1]), 1e-9)
    assert (weights > 0).all()
    assert weights.argmax() == 2


def test_an_unknown_score_answers_with_a_near_one():
    with pytest.raises(ConfigError, match="Unknown score 'sofmax'") as caught:
        class_weights("sofmax", TOY)
    assert caught.value.hint == "Did you mean softmax?"
