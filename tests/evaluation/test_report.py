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
    assert list(found) == [
        "rows",
        "metrics",
        "per_class",
        "groups",
        "confusion",
        "calibration",
        "intervals",
        "group_intervals",
    ]
    assert list(found["metrics"]) == [
        "accuracy",
        "macro_f1",
        "weighted_f1",
        "balanced_accuracy",
        "g_mean",
        "mcc",
        "kappa",
        "macro_average_precision",
        "ece",
        "classwise_ece",
    ]
    assert found["metrics"]["ece"] is None
    assert found["metrics"]["classwise_ece"] is None
    assert found["metrics"]["macro_average_precision"] is None
    assert found["calibration"] is None
    assert list(found["per_class"][0]) == [
        "label",
        "support",
        "train_count",
        "precision",
        "recall",
        "f1",
        "average_precision",
        "recall_interval",
        "f1_interval",
    ]
    assert found["groups"] == pytest.approx({"many": 4 / 6, "medium": 1 / 3, "few": 1.0})
    assert found["confusion"] == {"labels": NAMES, "matrix": [[4, 1, 1], [2, 1, 0], [0, 0, 1]]}
    assert len(found["intervals"]["macro_f1"]) == 2
    assert len(found["group_intervals"]["few"]) == 2
    json.dumps(found, allow_nan=False)


def test_intervals_are_absent_when_not_asked_for():
    found = evaluate_predictions(TRUE, PREDICTED, NAMES, intervals=False).to_json()
    assert {"intervals", "group_intervals"}.isdisjoint(found)
    assert {"recall_interval", "f1_interval"}.isdisjoint(found["per_class"][0])


def test_what_has_no_rows_has_no_interval_and_no_average_precision():
    probabilities = np.full((10, 4), 0.25)
    found = evaluate_predictions(TRUE, PREDICTED, [*NAMES, "x"], probabilities=probabilities)
    nothing = found.to_json()["per_class"][3]
    assert nothing["support"] == 0
    assert nothing["recall_interval"] is nothing["f1_interval"] is None
    assert nothing["average_precision"] is None
    # Where all are equal, each row is of the class by its share.
    of_classes = [report.average_precision for report in found.per_class[:3]]
    assert of_classes == pytest.approx([0.6, 0.3, 0.1])
    assert found.metrics["macro_average_precision"] == pytest.approx(1 / 3)


def test_calibration_bins_are_told():
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9]])
    found = evaluate_predictions(
        np.array([0, 1, 1]), np.array([0, 0, 1]), ["a", "b"], probabilities=probabilities
    ).to_json()["calibration"]
    assert len(found) == 15
    assert sum(found_bin["rows"] for found_bin in found) == 3
    assert (found[0]["low"], found[-1]["high"]) == (0, 1)
    filled = [found_bin for found_bin in found if found_bin["rows"] == 2]
    assert filled == [
        {
            "low": pytest.approx(8 / 15),
            "high": pytest.approx(9 / 15),
            "rows": 2,
            "accuracy": 0.5,
            "confidence": pytest.approx(0.6),
        }
    ]
    assert found[0]["accuracy"] is found[0]["confidence"] is None


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
