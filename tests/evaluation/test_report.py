"""The evaluation as users and scripts see it."""

import json

import numpy as np
import pytest

from dsample_cli.errors import DataError, RunError
from dsample_cli.evaluation.report import evaluate_predictions, most_confused

TRUE = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2])
PREDICTED = np.array([0, 0, 0, 0, 1, 2, 1, 0, 0, 2])
NAMES = ["ham", "spam", "스팸"]


def test_json_has_the_keys_of_the_contract():
    found = evaluate_predictions(TRUE, PREDICTED, NAMES, train_counts=[60, 30, 10]).to_json()
    assert list(found) == ["rows", "metrics", "per_class", "groups", "confusion", "intervals"]
    assert list(found["metrics"]) == [
        "accuracy",
        "macro_f1",
        "weighted_f1",
        "balanced_accuracy",
        "g_mean",
        "mcc",
        "ece",
        "classwise_ece",
    ]
    assert found["metrics"]["ece"] is None
    assert found["metrics"]["classwise_ece"] is None
    assert list(found["per_class"][0]) == [
        "label",
        "support",
        "train_count",
        "precision",
        "recall",
        "f1",
    ]
    assert found["groups"] == pytest.approx({"many": 4 / 6, "medium": 1 / 3, "few": 1.0})
    assert found["confusion"] == {"labels": NAMES, "matrix": [[4, 1, 1], [2, 1, 0], [0, 0, 1]]}
    assert len(found["intervals"]["macro_f1"]) == 2
    json.dumps(found, allow_nan=False)


def test_intervals_are_absent_when_not_asked_for():
    assert (
        "intervals" not in evaluate_predictions(TRUE, PREDICTED, NAMES, intervals=False).to_json()
    )


def test_calibration_reads_the_probability_of_the_predicted_class():
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4]])
    found = evaluate_predictions(
        np.array([0, 1]), np.array([0, 1]), ["a", "b"], probabilities=probabilities
    )
    assert found.metrics["ece"] == pytest.approx(0.5)
    assert found.metrics["classwise_ece"] == pytest.approx(0.1), "each bin holds both classes"
    assert found.calibration.rows.sum() == 2


def test_groups_follow_train_counts_or_thresholds_or_support():
    by_counts = evaluate_predictions(TRUE, PREDICTED, NAMES, train_counts=[10, 30, 60])
    assert by_counts.class_groups == ("few", "medium", "many")
    by_thresholds = evaluate_predictions(
        TRUE, PREDICTED, NAMES, train_counts=[10, 30, 60], group_thresholds=(50, 40)
    )
    assert by_thresholds.class_groups == ("few", "few", "many")
    assert by_thresholds.groups["medium"] is None
    assert evaluate_predictions(TRUE, PREDICTED, NAMES).class_groups == ("many", "medium", "few")


def test_classes_that_only_the_predictions_have_do_not_shift_the_groups():
    found = evaluate_predictions(TRUE, PREDICTED, [*NAMES, "new", "newer", "newest"])
    assert found.class_groups[:3] == ("many", "medium", "few")
    assert found.groups["few"] == 1.0
    assert [report.support for report in found.per_class] == [6, 3, 1, 0, 0, 0]


def test_no_rows_and_diverged_models_are_told():
    with pytest.raises(DataError, match="no rows"):
        evaluate_predictions(np.array([], int), np.array([], int), NAMES)
    with pytest.raises(RunError, match="diverged"):
        evaluate_predictions(
            np.array([0]), np.array([0]), ["a", "b"], probabilities=np.array([[np.nan, np.nan]])
        )


def test_most_confused_lists_mistakes_only_and_most_first():
    confusion = np.array([[4, 1, 1], [2, 1, 0], [0, 0, 1]])
    assert most_confused(confusion, NAMES) == [
        ("spam", "ham", 2),
        ("ham", "spam", 1),
        ("ham", "스팸", 1),
    ]
    assert most_confused(confusion, NAMES, count=1) == [("spam", "ham", 2)]
    assert most_confused(np.diag([3, 4, 5]), NAMES) == []
    assert confusion[0, 0] == 4
