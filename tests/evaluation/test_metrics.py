"""Metrics against the published formulas' golden values and against scikit-learn."""

import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsample_cli.evaluation.metrics import (
    SUMMARY_METRICS,
    class_reports,
    confusion_matrix,
    group_recall,
    metrics_from_confusion,
    negative_log_likelihood,
    summary_metrics,
)

sk = pytest.importorskip("sklearn.metrics")

TOY_TRUE = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2])
TOY_PREDICTED = np.array([0, 0, 0, 0, 1, 2, 1, 0, 0, 2])
TOY_CONFUSION = np.array([[4, 1, 1], [2, 1, 0], [0, 0, 1]])


@st.composite
def labelled_rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Draw true ids, predicted ids and a number of classes, of which some may have no rows."""
    n_classes = draw(st.integers(1, 7))
    ids = st.integers(0, n_classes - 1)
    rows = draw(st.lists(st.tuples(ids, ids), min_size=1, max_size=60))
    true, predicted = np.array(rows).T
    return true, predicted, n_classes


def test_toy_has_the_golden_values():
    assert confusion_matrix(TOY_TRUE, TOY_PREDICTED, 3).tolist() == TOY_CONFUSION.tolist()
    assert summary_metrics(TOY_TRUE, TOY_PREDICTED, 3) == pytest.approx(
        {
            "accuracy": 0.6,
            "macro_f1": 0.577778,
            "weighted_f1": 0.586667,
            "balanced_accuracy": 0.666667,
            "g_mean": 0.605707,
            "mcc": 0.290957,
            "kappa": 0.285714,
        },
        abs=1e-6,
    )


def test_toy_class_reports_have_the_golden_values():
    reports = class_reports(TOY_CONFUSION, ["a", "b", "c"], [60, 30, 10])
    assert [r.recall for r in reports] == pytest.approx([0.666667, 0.333333, 1], abs=1e-6)
    assert [r.precision for r in reports] == pytest.approx([0.666667, 0.5, 0.5], abs=1e-6)
    assert [r.f1 for r in reports] == pytest.approx([0.666667, 0.4, 0.666667], abs=1e-6)
    assert [(r.label, r.support, r.train_count) for r in reports] == [
        ("a", 6, 60),
        ("b", 3, 30),
        ("c", 1, 10),
    ]


def test_class_reports_without_train_counts_say_none():
    assert class_reports(TOY_CONFUSION, ["a", "b", "c"])[0].train_count is None


@settings(deadline=None, max_examples=150)
@given(labelled_rows())
def test_summary_agrees_with_scikit_learn(rows):
    true, predicted, n_classes = rows
    supported = np.unique(true)
    ours = summary_metrics(true, predicted, n_classes)
    recalls = sk.recall_score(true, predicted, labels=supported, average=None, zero_division=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "accuracy": sk.accuracy_score(true, predicted),
            "macro_f1": sk.f1_score(
                true, predicted, labels=supported, average="macro", zero_division=0
            ),
            "weighted_f1": sk.f1_score(true, predicted, average="weighted", zero_division=0),
            "balanced_accuracy": recalls.mean(),
            "g_mean": recalls.prod() ** (1 / len(supported)),
            "mcc": sk.matthews_corrcoef(true, predicted),
            # Of one label that is always predicted, scikit-learn's kappa is 0 / 0.
            "kappa": np.nan_to_num(sk.cohen_kappa_score(true, predicted)),
        }
    assert ours == pytest.approx(expected, abs=1e-9)
    assert list(ours) == list(SUMMARY_METRICS)
    assert all(type(value) is float for value in ours.values())


@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(deadline=None, max_examples=60)
@given(labelled_rows())
def test_class_reports_agree_with_scikit_learn(rows):
    true, predicted, n_classes = rows
    confusion = confusion_matrix(true, predicted, n_classes)
    labels = range(n_classes)
    assert confusion.tolist() == sk.confusion_matrix(true, predicted, labels=labels).tolist()
    expected = sk.precision_recall_fscore_support(true, predicted, labels=labels, zero_division=0)
    reports = class_reports(confusion, [str(k) for k in labels])
    ours = [[r.precision, r.recall, r.f1, r.support] for r in reports]
    assert np.allclose(ours, np.array(expected).T)


@settings(deadline=None, max_examples=60)
@given(labelled_rows(), st.randoms(use_true_random=False))
def test_summary_does_not_depend_on_the_order_of_classes(rows, random):
    true, predicted, n_classes = rows
    new_id = list(range(n_classes))
    random.shuffle(new_id)
    renamed = summary_metrics(np.take(new_id, true), np.take(new_id, predicted), n_classes)
    assert renamed == pytest.approx(summary_metrics(true, predicted, n_classes), abs=1e-12)


def test_a_stack_is_measured_like_its_members():
    rng = np.random.default_rng(1)
    stack = rng.integers(0, 5, size=(2, 4, 6, 6))
    stack[0, 0, 2] = 0
    stack[1, 3] = 0
    together = metrics_from_confusion(stack)
    for place in np.ndindex(2, 4):
        alone = metrics_from_confusion(stack[place])
        assert {name: values[place] for name, values in together.items()} == pytest.approx(alone)


def test_degenerate_input_gives_numbers_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        no_rows = metrics_from_confusion(np.zeros((3, 3), np.int64))
        one_class = summary_metrics(np.zeros(4, int), np.zeros(4, int), 1)
        never_right = summary_metrics(np.array([0, 1]), np.array([1, 0]), 3)
    assert set(no_rows.values()) == {0.0}
    assert (one_class["macro_f1"], one_class["mcc"]) == (1.0, 0.0)
    assert (never_right["g_mean"], never_right["mcc"]) == (0.0, -1.0)


def test_g_mean_of_many_classes_does_not_underflow():
    confusion = np.diag(np.ones(2000, np.int64)) + np.eye(2000, k=1, dtype=np.int64) * 9
    assert metrics_from_confusion(confusion)["g_mean"] == pytest.approx(0.1, rel=2e-3)


def test_wrong_ids_are_refused():
    with pytest.raises(ValueError, match="label ids"):
        confusion_matrix(np.array([0, 3]), np.array([0, 1]), 3)
    with pytest.raises(ValueError, match="label ids"):
        confusion_matrix(np.array([0, 1]), np.array([0, -1]), 3)
    with pytest.raises(ValueError, match="must be"):
        confusion_matrix(np.array([0, 1]), np.array([0]), 3)


def test_an_epoch_is_measured_fast():
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 150, size=(2, 100_000))
    start = time.perf_counter()
    summary_metrics(true, predicted, 150)
    assert time.perf_counter() - start < 0.25


def test_negative_log_likelihood_agrees_with_scikit_learn():
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet([0.3] * 4, size=50)
    probabilities[0] = [0, 1, 0, 0]
    true = rng.integers(0, 4, size=50)
    true[0] = 0
    expected = sk.log_loss(true, probabilities, labels=range(4))
    assert negative_log_likelihood(probabilities, true) == pytest.approx(expected)
    single = negative_log_likelihood(probabilities.astype(np.float32), true)
    assert np.isfinite(single)


def test_group_recall_leaves_out_classes_without_support():
    recalls, support = np.array([1.0, 0.5, 0.2, 0.0]), np.array([5, 5, 5, 0])
    found = group_recall(recalls, support, ["many", "few", "few", "medium"])
    assert found == {"many": 1.0, "medium": None, "few": pytest.approx(0.35)}
