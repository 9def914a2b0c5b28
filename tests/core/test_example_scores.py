"""Example scores: golden values, and one check suite over every registered score."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dsample_cli.core import example_scores
from dsample_cli.core.example_scores import (
    EXAMPLE_SCORES,
    active_bias_score,
    easy_score,
    hard_score,
    label_entropy,
    online_batch_score,
    recency_bias_score,
)
from dsample_cli.core.history import History
from dsample_cli.core.scores import make_score
from dsample_cli.core.signatures import input_names, option_names
from dsample_cli.errors import ConfigError
from tests.core.helpers import TOY

NAN, INF = float("nan"), float("inf")
LOSSES = np.array([0.1, 2, 0.5, 1])
ONE_CLASS = np.zeros(4, dtype=int)
PROBS = ((0.2, 0.6, 0.4, 0.8), (0.9, 0.9, 0.9, 0.9), (0.5, 0.4, 0.6, 0.5))
WINDOW = np.array([[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 2, 0], [0, 1, 0, 1]])

VARIANTS = [
    *((name, {}) for name in sorted(EXAMPLE_SCORES)),
    ("easy", {"easy_start": 0.01}),
    ("easy", {"easy_start": 1.0}),
    ("hard", {"hard_share": 0.01}),
    ("hard", {"hard_share": 1.0}),
    ("online-batch", {"pressure": 1.0}),
    ("online-batch", {"pressure": 1e9}),
    ("active-bias", {"active_bias": "closeness"}),
    ("recency-bias", {"pressure": 1e9}),
]
every_variant = pytest.mark.parametrize(("name", "options"), VARIANTS)
every_score = pytest.mark.parametrize("name", sorted(EXAMPLE_SCORES))

BAD_OPTIONS = {
    "easy_start": (0.0, -0.5, 1.1, NAN),
    "hard_share": (0.0, -0.5, 1.1, NAN),
    "pressure": (0.99, 0.0, -1.0, INF, NAN),
    "active_bias": ("", "Variance", "threshold"),
}
SEEDS = st.integers(0, 100_000)


def normalised(weights):
    return weights / weights.sum()


def made_up_inputs(seed):
    """Inputs of all scores: unseen examples, equal losses and short windows among them."""
    rng = np.random.default_rng(seed)
    size, n_classes = int(rng.integers(1, 40)), int(rng.integers(2, 6))
    times_seen = rng.integers(0, 8, size)
    losses = rng.exponential(size=size).round(rng.integers(1, 5)).astype(np.float32)
    window = rng.integers(0, n_classes, (size, 5)).astype(np.int16)
    window[np.arange(5) >= times_seen[:, None]] = -1
    mean = rng.random(size)
    return {
        "codes": rng.integers(0, n_classes, size).astype(np.int32),
        "n_classes": n_classes,
        "progress": float(rng.choice([0, 1, rng.random()])),
        "losses": np.where(times_seen > 0, losses, np.inf).astype(np.float32),
        "times_seen": times_seen,
        "prob_mean": mean * (times_seen > 0),
        "prob_variance": rng.random(size) * mean * (1 - mean) * (times_seen > 1),
        "window": window,
    }


def weigh(name, inputs, **options):
    score = EXAMPLE_SCORES[name]
    return score(*(inputs[needed] for needed in input_names(score)), **options)


def test_easy_keeps_the_golden_half():
    kept = easy_score(LOSSES, ONE_CLASS, 0.0)
    assert kept.tolist() == [1, 0, 1, 0]
    assert (kept @ LOSSES) / kept.sum() == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("progress", "kept"),
    [(0.0, [1, 0, 1, 0]), (0.4, [1, 0, 1, 1]), (0.5, [1, 0, 1, 1]), (1.0, [1, 1, 1, 1])],
)
def test_easy_keeps_more_as_training_goes_on(progress, kept):
    assert easy_score(LOSSES, ONE_CLASS, progress).tolist() == kept


def test_easy_takes_its_quantile_in_each_class_and_drops_none():
    losses = np.array([0.1, 0.2, 0.3, 0.4, 9.0, 8.0, 7.0])
    codes = np.array([0, 0, 0, 0, 3, 3, 5])
    assert easy_score(losses, codes, 0.0, 0.5).tolist() == [1, 1, 0, 0, 0, 1, 1]
    assert easy_score(losses, codes, 0.0, 0.01).tolist() == [1, 0, 0, 0, 0, 1, 1]


def test_easy_and_hard_both_keep_what_is_unknown():
    losses = np.array([0.1, INF, 0.5, 1])
    assert easy_score(losses, ONE_CLASS, 0.0).tolist() == [1, 1, 0, 0]
    assert hard_score(losses).tolist() == [0, 1, 0, 1]
    assert hard_score(np.array([0.1, INF, INF, 1]), 0.25).tolist() == [0, 1, 1, 0]


def test_hard_keeps_the_golden_half():
    kept = hard_score(LOSSES)
    assert kept.tolist() == [0, 1, 0, 1]
    assert (kept @ LOSSES) / kept.sum() == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("share", "kept"), [(0.01, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.75, 3), (1.0, 4)]
)
def test_hard_keeps_the_share_that_is_asked_for(share, kept):
    assert hard_score(LOSSES, share).sum() == kept


@pytest.mark.parametrize("share", [0.07, 0.1, 0.28, 0.55, 0.9])
def test_a_share_that_is_a_whole_number_of_examples_is_not_rounded_up(share):
    losses = np.arange(100.0)
    assert hard_score(losses, share).sum() == round(100 * share)
    assert easy_score(losses, np.zeros(100, dtype=int), 0.0, share).sum() == round(100 * share)


def test_ties_with_the_last_one_kept_are_kept():
    losses = np.array([1.0, 1, 1, 0])
    assert hard_score(losses, 0.25).tolist() == [1, 1, 1, 0]
    assert easy_score(losses, ONE_CLASS, 0.0, 0.5).tolist() == [1, 1, 1, 1]


def test_online_batch_draws_the_golden_share():
    share = normalised(online_batch_score(LOSSES, 0.0))
    assert share == pytest.approx((0.021841, 0.690679, 0.069068, 0.218412), abs=5e-7)


@pytest.mark.parametrize(
    ("epoch", "pressure"), [(10, 100), (11, 95.011851), (55, 10), (100, 1), (120, 1)]
)
def test_the_pressure_fades_as_in_the_golden_epochs_10_to_100(epoch, pressure):
    progress = make_score("online-batch", TOY, score_warmup=10, epochs=101).progress(epoch)
    highest, lowest = online_batch_score(np.array([1.0, 0.0]), progress)
    assert (highest / lowest) ** 2 == pytest.approx(pressure, abs=5e-7)
    certain, uncertain = recency_bias_score(np.array([[0, 0], [0, 1]]), 2, progress)
    assert uncertain / certain == pytest.approx(pressure, abs=5e-7)


def test_neighbours_and_ends_in_rank_differ_by_powers_of_the_pressure():
    weights = online_batch_score(np.arange(20.0), 0.0, pressure=50)
    assert weights[1:] / weights[:-1] == pytest.approx(np.full(19, 50 ** (1 / 20)))
    assert weights[-1] / weights[0] == pytest.approx(50 ** (19 / 20))


def test_equal_losses_share_their_ranks():
    weights = online_batch_score(np.array([1.0, 3, 1, 2, INF, INF]), 0.0, pressure=np.e**6)
    assert -np.log(weights) == pytest.approx([5.5, 3, 5.5, 4, 1.5, 1.5])


def observed(probs):
    history = History(len(probs), 2, ["times_seen", "prob_mean", "prob_variance"])
    for column in np.transpose(probs):
        history.update(np.arange(len(probs)), np.log(column), np.zeros(len(probs), dtype=int))
    return [history.get(name) for name in input_names(active_bias_score)]


def test_active_bias_by_variance_is_golden():
    weights = active_bias_score(*observed(PROBS))
    uncertainty = np.array([0.225462, 0, 0.070770])
    assert weights == pytest.approx(uncertainty + 0.098744, abs=1e-6)
    assert normalised(weights) == pytest.approx((0.547217, 0.166667, 0.286116), abs=1e-6)


def test_active_bias_by_closeness_is_golden():
    weights = active_bias_score(*observed(PROBS), active_bias="closeness")
    assert weights == pytest.approx(np.array([0.25, 0.09, 0.25]) + 0.196667, abs=1e-6)
    assert normalised(weights) == pytest.approx((0.378531, 0.242938, 0.378531), abs=1e-6)


def test_the_variance_of_fewer_than_two_observations_is_unknown():
    seen, mean, variance = np.array([0, 1, 4]), np.array([0, 0.5, 0.5]), np.array([0.1, 0.1, 0.05])
    weights = active_bias_score(seen, mean, variance)
    assert weights[0] == weights[1] < weights[2]
    closeness = active_bias_score(seen, mean, variance, "closeness")
    assert closeness[0] < closeness[1] == closeness[2]


def test_examples_weigh_alike_where_none_is_uncertain():
    seen, zeros = np.full(5, 3), np.zeros(5)
    assert active_bias_score(seen, zeros, zeros).tolist() == [1] * 5
    assert active_bias_score(seen, np.ones(5), zeros, "closeness").tolist() == [1] * 5


def test_label_entropies_are_golden():
    golden = (0, 0.511860, 0.946395, 0.630930)
    assert label_entropy(WINDOW, 3) == pytest.approx(golden, abs=5e-7)


def test_recency_bias_draws_the_golden_share():
    weights = recency_bias_score(WINDOW, 3, 0.0)
    assert -np.log(weights) * 4 / np.log(100) == pytest.approx([4, 2, 1, 2])
    golden = (0.019003, 0.190032, 0.600933, 0.190032)
    assert normalised(weights) == pytest.approx(golden, abs=5e-7)


@pytest.mark.parametrize(
    ("n_classes", "labels", "index"),
    [(8, 1, 1), (8, 8, 0), (16, 8, 1 / 4), (32, 4, 3 / 5), (32, 8, 2 / 5), (32, 16, 1 / 5)],
)
@pytest.mark.parametrize("size", [20, 40, 49, 100, 2000])
def test_rounding_errors_do_not_reach_the_next_index(n_classes, labels, index, size):
    assert 1 / (1 / 49) > 49
    window = np.resize(np.arange(labels), (size, 16))
    quantized = -np.log(recency_bias_score(window, n_classes, 0.0, np.e)) * size
    assert quantized == pytest.approx(np.full(size, np.ceil(index * size - 1e-6)), abs=1e-6)


@given(
    labels=st.lists(st.lists(st.integers(0, 4), max_size=6), min_size=1, max_size=12),
    seed=SEEDS,
)
def test_label_entropy_is_that_of_the_labels_in_any_place(labels, seed):
    rng = np.random.default_rng(seed)
    window = np.full((len(labels), 6), -1, dtype=np.int16)
    for row, of_row in zip(window, labels, strict=True):
        row[rng.permutation(6)[: len(of_row)]] = of_row
    expected = []
    for of_row in labels:
        shares = np.unique(of_row, return_counts=True)[1] / max(1, len(of_row))
        expected.append(-(shares * np.log(shares)).sum() / np.log(5) if of_row else 1)
    assert label_entropy(window, 5) == pytest.approx(np.array(expected), abs=1e-12)
    with patch.object(example_scores, "_CHUNK", 3):
        assert (label_entropy(window, 5) == label_entropy(window, 5)).all()
        assert label_entropy(window, 5) == pytest.approx(np.array(expected), abs=1e-12)


@every_variant
@given(seed=SEEDS)
def test_weights_are_finite_and_not_negative_nor_all_zero(name, options, seed):
    inputs = made_up_inputs(seed)
    weights = weigh(name, inputs, **options)
    assert weights.shape == inputs["codes"].shape
    assert weights.dtype == np.float64
    assert np.isfinite(weights).all()
    assert (weights >= 0).all()
    assert weights.sum() > 0


@every_variant
@given(seed=SEEDS)
def test_weights_move_with_their_rows(name, options, seed):
    inputs = made_up_inputs(seed)
    order = np.random.default_rng(seed).permutation(len(inputs["codes"]))
    moved = {k: v[order] if isinstance(v, np.ndarray) else v for k, v in inputs.items()}
    assert weigh(name, moved, **options) == pytest.approx(
        weigh(name, inputs, **options)[order], rel=1e-9
    )


@every_variant
@given(seed=SEEDS)
def test_weights_do_not_depend_on_how_classes_are_numbered(name, options, seed):
    inputs = made_up_inputs(seed)
    new = np.random.default_rng(seed).permutation(inputs["n_classes"])
    window = np.where(inputs["window"] < 0, -1, new[inputs["window"]]).astype(np.int16)
    renamed = {**inputs, "codes": new[inputs["codes"]], "window": window}
    assert weigh(name, renamed, **options) == pytest.approx(
        weigh(name, inputs, **options), rel=1e-9
    )


@every_variant
@given(seed=SEEDS)
def test_a_score_is_deterministic_and_does_not_change_its_inputs(name, options, seed):
    inputs, again = made_up_inputs(seed), made_up_inputs(seed)
    first = weigh(name, inputs, **options)
    assert (weigh(name, inputs, **options) == first).all()
    for key, value in again.items():
        assert np.array_equal(inputs[key], value)


@every_variant
@given(seed=SEEDS)
def test_examples_of_which_training_saw_the_same_weigh_alike(name, options, seed):
    inputs = made_up_inputs(seed)
    assume(len(inputs["codes"]) > 1)
    for value in inputs.values():
        if isinstance(value, np.ndarray):
            value[0] = value[1]
    weights = weigh(name, inputs, **options)
    assert weights[0] == weights[1]


@every_variant
def test_examples_that_training_has_not_seen_weigh_alike(name, options):
    codes = np.array([0, 0, 0, 1, 1, 2])
    history = History(6, 3, input_names(EXAMPLE_SCORES[name]))
    known = {"codes": codes, "n_classes": 3, "progress": 0.0}
    needed = [n for n in input_names(EXAMPLE_SCORES[name]) if n not in known]
    weights = weigh(name, {**known, **{n: history.get(n) for n in needed}}, **options)
    assert np.ptp(weights) == 0


@every_score
def test_a_score_works_on_names_that_are_known(name):
    assert set(input_names(EXAMPLE_SCORES[name])) <= set(made_up_inputs(0))


@every_score
def test_impossible_options_are_refused_by_their_flag(name):
    for option in option_names(EXAMPLE_SCORES[name]):
        for value in BAD_OPTIONS[option]:
            with pytest.raises(ConfigError, match=f"--{option.replace('_', '-')}"):
                weigh(name, made_up_inputs(0), **{option: value})
