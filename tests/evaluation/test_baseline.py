"""TF-IDF and logistic regression, cross-validated or fitted once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsample_cli.evaluation.baseline import (
    MODELS,
    cross_validate,
    figures,
    fit_and_predict,
    majority_figures,
)

TOPICS = ["refund invoice card charge", "password login reset code", "server down crash error"]


def texts_of(codes):
    """Two words of a topic in each text, and a number."""
    words = [TOPICS[code].split() for code in codes]
    return [f"{w[i % 4]} {w[(i // 4 + 1) % 4]} no {i}" for i, w in enumerate(words)]


CODES = np.array([0, 0, 0, 1, 1, 2] * 10)
TEXTS = texts_of(CODES)
FOLDS = np.arange(60) // 12


def test_topics_are_told_apart():
    found = cross_validate(TEXTS, CODES, 3, FOLDS)
    assert list(found) == list(MODELS)
    for probabilities in found.values():
        assert probabilities.shape == (60, 3)
        assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
        assert (probabilities.argmax(axis=1) == CODES).all()


def test_equal_input_gives_equal_figures():
    first, second = (cross_validate(TEXTS, CODES, 3, FOLDS)["plain"] for _ in range(2))
    assert (first == second).all()


def test_a_fold_is_predicted_without_its_own_rows():
    """Other labels of the fold's own rows change nothing for it."""
    changed = CODES.copy()
    changed[FOLDS == 0] = 2 - changed[FOLDS == 0]
    before, after = (cross_validate(TEXTS, c, 3, FOLDS)["plain"] for c in (CODES, changed))
    assert (before[FOLDS == 0] == after[FOLDS == 0]).all()
    assert (before[FOLDS != 0] != after[FOLDS != 0]).any()


def test_a_class_that_only_the_fold_has_gets_no_probability():
    codes = CODES.copy()
    codes[7] = 3
    found = cross_validate(TEXTS, codes, 4, FOLDS)
    assert found["plain"][7, 3] == 0
    assert found["plain"].sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_two_classes_of_which_the_training_rows_have_one():
    found = cross_validate(["a b", "a c", "d"], np.array([0, 0, 1]), 2, np.array([0, 0, 1]))
    assert found["plain"].argmax(axis=1).tolist() == [1, 1, 0]


def test_all_rows_in_one_fold_is_an_error():
    with pytest.raises(ValueError, match="two folds"):
        cross_validate(TEXTS, CODES, 3, np.zeros(60, int))


@pytest.mark.parametrize(
    "texts",
    [
        ["!", "?", "\u200b", "...", "!?", "."],
        ["한국어 좋아요", "별로예요", "정말 좋다", "나빠요", "최고예요", "싫어요"],
        ["x" * 10_000, "y", "z", "x", "y" * 50, "zz"],
    ],
)
def test_any_text_can_be_learned(texts):
    found = cross_validate(texts, np.array([0, 1] * 3), 2, np.array([0, 0, 1, 1, 2, 2]))
    assert np.isfinite(found["balanced"]).all()


def test_korean_endings_are_seen_through():
    stems, endings = ["좋", "훌륭하", "나쁘", "지루하"], ["았다", "았어요", "네요", "지만"]
    rows = [(stem + ending, stem in stems[2:]) for ending in endings for stem in stems]
    texts, codes = [text for text, _ in rows], np.array([int(bad) for _, bad in rows])
    found = cross_validate(texts, codes, 2, np.arange(16) // 4)
    assert (found["plain"].argmax(axis=1) == codes).mean() >= 0.75


def test_balance_helps_the_rare_class():
    """A word that 60% of the rare class has and 10% of the other is worth 24% of the rare one."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], [950, 50])
    has_word = rng.random(1000) < np.where(codes == 1, 0.6, 0.1)
    texts = ["sign" if has else "none" for has in has_word]
    found = cross_validate(texts, codes, 2, rng.permutation(1000) % 5)
    plain, balanced = (figures(codes, found[m].argmax(axis=1), 2) for m in MODELS)
    assert plain["balanced_accuracy"] == 0.5
    assert balanced["balanced_accuracy"] > 0.65


@given(st.randoms(use_true_random=False))
@settings(max_examples=5)
def test_the_order_of_classes_is_no_matter(rng):
    order = [0, 1, 2]
    rng.shuffle(order)
    renamed = np.array(order)[CODES]
    found = cross_validate(TEXTS, renamed, 3, FOLDS, ("plain",))["plain"]
    assert (found.argmax(axis=1) == renamed).all()


def test_fitting_once_labels_any_number_of_texts():
    asked = {"validation": TEXTS[:7], "test": [], "new": ["server error", "never seen"]}
    found = fit_and_predict(TEXTS, CODES, 3, asked, "balanced")
    assert found["validation"].tolist() == CODES[:7].tolist()
    assert found["test"].tolist() == []
    assert found["new"][0] == 2


def test_what_was_fitted_does_not_depend_on_what_is_asked(monkeypatch):
    whole = fit_and_predict(TEXTS, CODES, 3, {"a": TEXTS})["a"]
    monkeypatch.setattr("dsample_cli.evaluation.baseline.PREDICTED_ROWS", 7)
    assert (fit_and_predict(TEXTS, CODES, 3, {"b": ["x"], "a": TEXTS})["a"] == whole).all()


def test_the_commonest_class():
    found = majority_figures(np.array([0, 1, 1, 2]), 3)
    assert found == pytest.approx({"accuracy": 0.5, "macro_f1": 2 / 9, "balanced_accuracy": 1 / 3})
