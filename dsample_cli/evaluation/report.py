"""One evaluation of a set of predictions: everything that `dsample evaluate` shows."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.imbalance import frequency_groups
from dsample_cli.errors import DataError, RunError
from dsample_cli.evaluation.calibration import (
    CalibrationBins,
    calibration_bins,
    classwise_calibration_error,
)
from dsample_cli.evaluation.intervals import (
    Interval,
    as_pairs,
    bootstrap_intervals,
    f1_intervals,
    group_intervals,
    recall_intervals,
)
from dsample_cli.evaluation.metrics import (
    ClassReport,
    class_reports,
    confusion_matrix,
    group_recall,
    metrics_from_confusion,
)
from dsample_cli.evaluation.ranking import average_precisions

# Of more classes the matrix is written cell by cell, without the empty ones.
MOST_CLASSES_IN_MATRIX = 1000


@dataclass(frozen=True)
class Evaluation:
    """How good a set of predictions is.

    Attributes:
        rows: Evaluated rows.
        metrics: The summary metrics, "macro_average_precision", "ece" and "classwise_ece"; these
            three are None without probabilities.
        per_class: Every class, in label-id order.
        groups: Mean recall of the many, medium and few groups, None where empty.
        class_groups: Group of each class, in label-id order.
        labels: Name of each class, in label-id order.
        confusion: Counts by true and predicted class, shape [C, C].
        intervals: 95% interval of each summary metric, None when not asked for.
        calibration: Rows by the probability of their predicted class, None without probabilities.
        group_intervals: 95% interval of each group's mean recall, None where empty; None when not
            asked for.
    """

    rows: int
    metrics: dict[str, float | None]
    per_class: tuple[ClassReport, ...]
    groups: dict[str, float | None]
    class_groups: tuple[str, ...]
    labels: tuple[str, ...]
    confusion: NDArray[np.int64]
    intervals: dict[str, Interval] | None
    calibration: CalibrationBins | None
    group_intervals: dict[str, Interval | None] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the public JSON object of `dsample evaluate --json`, but for its key `run`."""
        answer: dict[str, Any] = {
            "rows": self.rows,
            "metrics": dict(self.metrics),
            "per_class": [asdict(report) for report in self.per_class],
            "groups": dict(self.groups),
            "confusion": self._confusion_to_json(),
            "calibration": None if self.calibration is None else self.calibration.to_json(),
        }
        return answer | self._intervals_to_json(answer["per_class"])

    def figures_to_json(self) -> dict[str, Any]:
        """What stands for the rows of one slice: `to_json` without the figures of each class."""
        answer = self.to_json()
        for key in ("per_class", "confusion", "calibration"):
            del answer[key]
        return answer

    def _confusion_to_json(self) -> dict[str, Any]:
        """The labels and `matrix`; of many classes `cells`: true id, predicted id and rows."""
        labels = list(self.labels)
        if len(labels) <= MOST_CLASSES_IN_MATRIX:
            return {"labels": labels, "matrix": self.confusion.tolist()}
        true, predicted = np.nonzero(self.confusion)
        cells = np.column_stack([true, predicted, self.confusion[true, predicted]])
        return {"labels": labels, "cells": cells.tolist()}

    def _intervals_to_json(self, per_class: list[dict[str, Any]]) -> dict[str, Any]:
        if self.intervals is None or self.group_intervals is None:
            for report in per_class:
                del report["recall_interval"], report["f1_interval"]
            return {}
        return {
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
            "group_intervals": {
                name: None if ends is None else list(ends)
                for name, ends in self.group_intervals.items()
            },
        }


def evaluate_predictions(
    y_true: NDArray[np.integer],
    y_pred: NDArray[np.integer],
    label_names: Sequence[str],
    train_counts: Sequence[int] | NDArray[np.integer] | None = None,
    probabilities: NDArray[np.floating] | None = None,
    group_thresholds: Sequence[int] | None = None,
    intervals: bool = True,
    seed: int = 0,
    class_groups: Sequence[str] | None = None,
) -> Evaluation:
    """Evaluate predictions.

    Args:
        y_true: True label ids, shape [N], N >= 1.
        y_pred: Predicted label ids, shape [N].
        label_names: Name of each class, length C, in label-id order.
        train_counts: Training rows of each class, length C. Without them the groups follow the
            evaluated rows.
        probabilities: Probability of each class, shape [N, C], for the calibration errors and the
            average precision.
        group_thresholds: `(high, low)` train counts that part the groups, instead of terciles.
        intervals: Whether to give 95% intervals.
        seed: Seed of the bootstrap.
        class_groups: Group of each class, length C, where it is known already.

    Raises:
        DataError: If there are no rows.
        RunError: If a probability is not a finite number.

    Examples:
        >>> found = evaluate_predictions(np.array([0, 0, 1]), np.array([0, 1, 1]), ["ham", "spam"])
        >>> found.metrics["balanced_accuracy"], found.groups["few"]
        (0.75, 1.0)
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if len(y_true) == 0:
        raise DataError("There are no rows to evaluate.", "Give a file with at least one row.")
    confusion = confusion_matrix(y_true, y_pred, len(label_names))
    calibration = None if probabilities is None else _calibration(y_true, y_pred, probabilities)
    precisions = None if probabilities is None else average_precisions(probabilities, y_true)
    reports = _class_reports(confusion, label_names, train_counts, precisions, intervals)
    support = confusion.sum(axis=1)
    groups = class_groups or _class_groups(support, train_counts, group_thresholds)
    return Evaluation(
        rows=len(y_true),
        metrics={
            **metrics_from_confusion(confusion),
            "macro_average_precision": (
                None if precisions is None else float(np.nanmean(precisions))
            ),
            "ece": None if calibration is None else calibration.expected_error,
            "classwise_ece": (
                None
                if probabilities is None
                else classwise_calibration_error(probabilities, y_true)
            ),
        },
        per_class=reports,
        groups=group_recall(np.array([report.recall for report in reports]), support, groups),
        class_groups=tuple(groups),
        labels=tuple(label_names),
        confusion=confusion,
        intervals=bootstrap_intervals(confusion, seed=seed) if intervals else None,
        calibration=calibration,
        group_intervals=group_intervals(confusion, groups) if intervals else None,
    )


def most_confused(
    confusion: NDArray[np.integer], labels: Sequence[str], count: int = 10
) -> list[tuple[str, str, int]]:
    """List the commonest mistakes as (true label, predicted label, rows), most rows first.

    Args:
        confusion: Counts by true and predicted class, shape [C, C].
        labels: Name of each class, length C.
        count: At most so many; ties are in label-id order.

    Examples:
        >>> most_confused(np.array([[4, 1, 0], [2, 1, 0], [0, 0, 1]]), ["a", "b", "c"])
        [('b', 'a', 2), ('a', 'b', 1)]
    """
    true, predicted = np.nonzero(confusion)
    is_mistake = true != predicted
    true, predicted = true[is_mistake], predicted[is_mistake]
    rows = np.asarray(confusion)[true, predicted]
    order = np.argsort(-rows, kind="stable")[: max(count, 0)]
    return [(labels[true[k]], labels[predicted[k]], int(rows[k])) for k in order]


def _class_reports(
    confusion: NDArray[np.integer],
    label_names: Sequence[str],
    train_counts: Sequence[int] | NDArray[np.integer] | None,
    precisions: NDArray[np.float64] | None,
    intervals: bool,
) -> tuple[ClassReport, ...]:
    """Reports of the classes with what the confusion matrix alone does not tell."""
    reports = class_reports(confusion, label_names, train_counts)
    if precisions is not None:
        known = [None if np.isnan(value) else value for value in precisions.tolist()]
        reports = tuple(
            replace(report, average_precision=value)
            for report, value in zip(reports, known, strict=True)
        )
    if not intervals:
        return reports
    ends = zip(
        as_pairs(recall_intervals(confusion)), as_pairs(f1_intervals(confusion)), strict=True
    )
    return tuple(
        replace(report, recall_interval=recall, f1_interval=f1)
        for report, (recall, f1) in zip(reports, ends, strict=True)
    )


def _class_groups(
    support: NDArray[np.integer],
    train_counts: Sequence[int] | NDArray[np.integer] | None,
    thresholds: Sequence[int] | None,
) -> list[str]:
    """Group the classes by train count, else by support.

    By support, classes without any are set aside first: names that only a model made up would
    otherwise fill the group few and leave it empty of recall.
    """
    if train_counts is not None:
        return frequency_groups(np.asarray(train_counts), thresholds)
    supported = np.flatnonzero(support)
    groups = ["few"] * len(support)
    groups_of_supported = frequency_groups(support[supported], thresholds)
    for class_id, group in zip(supported, groups_of_supported, strict=True):
        groups[class_id] = group
    return groups


def _calibration(
    y_true: NDArray[np.integer], y_pred: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> CalibrationBins:
    """Bins of the probability that each row's predicted class was given."""
    confidence = np.asarray(probabilities)[np.arange(len(y_pred)), y_pred]
    if not np.isfinite(confidence).all():
        raise RunError(
            "The model's probabilities are not finite numbers: its training diverged.",
            "Train again with a lower --lr, or with --precision fp32.",
        )
    return calibration_bins(confidence, y_true == y_pred)
