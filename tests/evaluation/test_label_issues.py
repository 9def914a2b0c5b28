"""Confident learning on probabilities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dsample_cli.evaluation.label_issues import find_label_issues


def by_hand(probabilities, codes, least_margin, fewest=5):
    """The rule, row by row."""
    n_classes = probabilities.shape[1]
    known = [c for c in range(n_classes) if (codes == c).sum() >= fewest]
    thresholds = {c: probabilities[codes == c, c].astype(float).mean() for c in known}
    found = []
    for row, (probs, given_label) in enumerate(zip(probabilities, codes, strict=True)):
        sure = [c for c in known if probs[c] >= thresholds[c]]
        if not sure or given_label not in known:
            continue
        best = max(sure, key=lambda c: (probs[c], -c))
        margin = float(probs[best]) - float(probs[given_label])
        if best != given_label and margin > max(least_margin, 0):
            found.append((row, best, margin))
    return sorted(found, key=lambda entry: -entry[2])


@st.composite
def predictions(draw):
    n_rows, n_classes = draw(st.integers(1, 40)), draw(st.integers(2, 4))
    scores = draw(arrays(np.float64, (n_rows, n_classes), elements=st.integers(1, 1000)))
    codes = draw(arrays(np.int64, n_rows, elements=st.integers(0, n_classes - 1)))
    return scores / scores.sum(axis=1, keepdims=True), codes


@given(predictions(), st.sampled_from([0.0, 0.3]))
@settings(max_examples=60)
def test_the_rule(case, least_margin):
    found = find_label_issues(*case, least_margin)
    expected = by_hand(*case, least_margin)
    assert found.margins.tolist() == pytest.approx([margin for *_, margin in expected])
    rows = set(zip(found.places.tolist(), found.suggested.tolist(), strict=True))
    assert rows == {(row, label) for row, label, _ in expected}


@given(predictions(), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_order_of_rows_and_classes_is_no_matter(case, rng):
    probs, codes = case
    rows, classes = list(range(len(codes))), list(range(probs.shape[1]))
    rng.shuffle(rows)
    rng.shuffle(classes)
    new_id = np.argsort(classes)
    plain = find_label_issues(probs, codes)
    moved = find_label_issues(probs[rows][:, classes], new_id[codes[rows]])
    assert sorted(np.array(rows, int)[moved.places].tolist()) == sorted(plain.places.tolist())
    assert moved.margins == pytest.approx(plain.margins)


def test_the_most_doubtful_comes_first():
    probs = np.array([[0.9, 0.1]] * 8 + [[0.1, 0.9]] * 8)
    codes = np.repeat([0, 1], 8)
    probs[3], probs[12] = (0.05, 0.95), (0.99, 0.01)
    found = find_label_issues(probs, codes)
    assert found.places.tolist() == [12, 3]
    assert found.suggested.tolist() == [0, 1]
    assert found.margins.round(2).tolist() == [0.98, 0.9]
    assert len(find_label_issues(probs, codes, 0.95)) == 1


def test_a_class_with_few_rows_neither_accuses_nor_is_accused():
    probs = np.array([[0.9, 0.1]] * 8 + [[0.8, 0.2]] * 4)
    assert len(find_label_issues(probs, np.repeat([0, 1], [8, 4]))) == 0
    probs = np.array([[0.2, 0.8]] * 8 + [[0.1, 0.9]] * 4)
    assert len(find_label_issues(probs, np.repeat([0, 1], [8, 4]))) == 0


def test_right_labels_are_not_doubted():
    probs = np.array([[0.7, 0.3]] * 9 + [[0.4, 0.6]] * 9)
    assert len(find_label_issues(probs, np.repeat([0, 1], 9))) == 0
