"""Scores as a user types them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsample_cli.core.class_scores import (
    CLASS_SCORES,
    class_weights,
    inverse_score,
    scored_share,
    softmax_score,
    sqrt_score,
)
from dsample_cli.core.example_scores import EXAMPLE_SCORES, hard_score, online_batch_score
from dsample_cli.core.history import History
from dsample_cli.core.resampling import RESAMPLINGS
from dsample_cli.core.scores import SCORE_NAMES, is_run_dependent, make_score, parse_score
from dsample_cli.errors import ConfigError
from tests.core.helpers import TOY, shuffled_codes

CODES = shuffled_codes()


def trained_history(score, seed=0, size=100):
    history = History(size, 3, score.keeps)
    rng = np.random.default_rng(seed)
    for _ in range(4):
        log_probs = np.log(rng.uniform(0.01, 1, size))
        history.update(rng.integers(0, size, size), log_probs, rng.integers(0, 3, size))
    return history


def test_names_are_those_of_all_registries():
    assert {*SCORE_NAMES} == {*CLASS_SCORES, *RESAMPLINGS, *EXAMPLE_SCORES}
    assert len(SCORE_NAMES) == len(set(SCORE_NAMES))


@pytest.mark.parametrize("name", SCORE_NAMES)
def test_every_name_stands_alone(name):
    assert parse_score(name) == (name,)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("recency-bias+sqrt", ("recency-bias", "sqrt")),
        (" sqrt + hard ", ("sqrt", "hard")),
        ("oversample+sqrt", ("oversample", "sqrt")),
        ("softmax+power+active-bias", ("softmax", "power", "active-bias")),
    ],
)
def test_names_are_joined_by_plus(text, names):
    assert parse_score(text) == names


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("sofmax", "Unknown score 'sofmax'", "Did you mean softmax?"),
        ("recency+sqrt", "Unknown score 'recency'", "recency-bias"),
        ("", "Unknown score ''", "Choose one of"),
        ("sqrt+", "Unknown score ''", "Choose one of"),
        ("sqrt+hard+sqrt", "--score sqrt+hard+sqrt names a score twice", "Leave one"),
        ("oversample+undersample", "either over-sampled or under-sampled", "Leave one"),
        ("hard+oversample", "oversample goes with class scores only", "hard with a class score"),
        ("undersample+sqrt+easy", "undersample goes with class scores only", "easy with a class"),
        ("easy+hard", "easy and hard", "Leave one"),
        ("hard+sqrt+easy", "easy and hard", "Leave one"),
    ],
)
def test_other_texts_are_refused(text, message, hint):
    with pytest.raises(ConfigError) as caught:
        parse_score(text)
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", SCORE_NAMES)
def test_only_example_scores_depend_on_the_run(name):
    assert is_run_dependent(name) == (name in EXAMPLE_SCORES)
    if name not in RESAMPLINGS:
        assert is_run_dependent(f"sqrt+{name}" if name != "sqrt" else "sqrt+easy") == (
            name in EXAMPLE_SCORES or name == "sqrt"
        )


@pytest.mark.parametrize("name", sorted(CLASS_SCORES))
def test_one_class_score_is_taken_as_it_is(name):
    score = make_score(name, TOY)
    assert score.class_weights == pytest.approx(class_weights(name, TOY))
    assert score.example_names == ()
    assert score.resampling is None
    assert score.keeps == frozenset()


def test_class_scores_multiply():
    product = softmax_score(TOY, 0.5) * sqrt_score(TOY)
    score = make_score("softmax+sqrt", TOY, temperature=0.5)
    assert score.class_weights == pytest.approx(product / product.sum())


def test_an_example_score_alone_treats_all_classes_alike():
    assert make_score("hard", TOY).is_uniform
    assert make_score("hard", TOY).class_weights == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert make_score("hard+power", TOY, power=1.0).is_uniform
    assert not make_score("hard+sqrt", TOY).is_uniform


@given(seed=st.integers(0, 1000), epoch=st.integers(0, 12))
def test_example_weights_are_the_product_of_all_weights(seed, epoch):
    score = make_score("online-batch+sqrt+hard", TOY, epochs=10, pressure=20.0, hard_share=0.3)
    history = trained_history(score, seed)
    losses = history.get("losses")
    expected = (
        sqrt_score(TOY)[CODES]
        * online_batch_score(losses, score.progress(epoch), 20.0)
        * hard_score(losses, 0.3)
    )
    assert score.example_weights(epoch, CODES, history) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", sorted(EXAMPLE_SCORES))
def test_a_history_of_what_a_score_keeps_is_all_that_it_needs(name):
    score = make_score(f"{name}+inverse", TOY, epochs=6)
    history = trained_history(score)
    before = {key: array.copy() for key, array in history.arrays.items()}
    weights = score.example_weights(3, CODES, history)
    assert weights.shape == CODES.shape
    assert np.isfinite(weights).all()
    assert (weights >= 0).all()
    assert weights.sum() > 0
    assert history.arrays
    assert all((history.arrays[key] == array).all() for key, array in before.items())
    assert score.class_weights == pytest.approx(inverse_score(TOY))


@pytest.mark.parametrize(
    ("text", "arrays"),
    [
        ("hard", {"losses"}),
        ("easy+recency-bias", {"losses", "times_seen", "window"}),
        ("active-bias+sqrt", {"times_seen", "prob_mean", "prob_squares"}),
        ("sqrt", set()),
        ("oversample", set()),
    ],
)
def test_nothing_is_kept_that_no_score_works_on(text, arrays):
    assert set(History(3, 2, make_score(text, TOY).keeps).arrays) == arrays


@pytest.mark.parametrize(
    ("warmup", "epochs", "expected"),
    [
        (0, 5, [0, 0.25, 0.5, 0.75, 1, 1]),
        (1, 5, [0, 0, 1 / 3, 2 / 3, 1, 1]),
        (4, 5, [0, 0, 0, 0, 0, 0]),
        (9, 5, [0, 0, 0, 0, 0, 0]),
        (0, 1, [0, 0]),
    ],
)
def test_progress_runs_from_the_first_scored_epoch_to_the_last(warmup, epochs, expected):
    score = make_score("easy", TOY, score_warmup=warmup, epochs=epochs)
    assert [score.progress(epoch) for epoch in range(len(expected))] == pytest.approx(expected)


def test_example_scores_act_once_their_warmup_is_over():
    score = make_score("hard+sqrt", TOY, score_warmup=2, epochs=5)
    assert [score.acts_on_examples(epoch) for epoch in range(4)] == [False, False, True, True]
    assert not make_score("sqrt", TOY, score_warmup=2).acts_on_examples(3)


@pytest.mark.parametrize(("name", "sizes"), [("oversample", [60] * 3), ("undersample", [10] * 3)])
def test_a_resampling_alone_balances_the_classes(name, sizes):
    score = make_score(name, TOY)
    assert score.class_weights == pytest.approx(inverse_score(TOY))
    assert score.resampling(TOY, np.full(3, 1 / 3)).tolist() == sizes


@pytest.mark.parametrize(
    ("name", "sizes"), [("oversample", [60, 42, 24]), ("undersample", [24, 17, 10])]
)
def test_a_resampling_follows_the_share_of_its_class_score(name, sizes):
    score = make_score(f"{name}+sqrt", TOY)
    share = scored_share(TOY, score.class_weights)
    assert share == pytest.approx((0.472734, 0.334273, 0.192993), abs=5e-7)
    drawn = score.resampling(TOY, share)
    assert drawn.tolist() == sizes
    assert drawn / drawn.sum() == pytest.approx(share, abs=0.5 / drawn.sum() * 2)


@pytest.mark.parametrize(
    ("text", "options", "flag"),
    [
        ("softmax", {"temperature": 0.0}, "--temperature"),
        ("power", {"power": float("nan")}, "--power"),
        ("effective-number+hard", {"beta": 1.0}, "--beta"),
    ],
)
def test_impossible_options_of_class_scores_are_refused_at_once(text, options, flag):
    with pytest.raises(ConfigError) as caught:
        make_score(text, TOY, **options)
    assert flag in caught.value.message + caught.value.hint
