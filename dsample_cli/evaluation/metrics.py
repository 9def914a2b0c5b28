"""Classification metrics that all follow from one confusion matrix.

Every summary metric depends on the rows only through three vectors per evaluation: the hits, the
support and the predicted count of each class. `metrics_from_totals` is the single place that turns
them into numbers; an epoch's validation, a report and a thousand bootstrap resamples all go there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.imbalance import GROUP_NAMES

SUMMARY_METRICS = (
    "accuracy",
    "macro_f1",
    "weighted_f1",
    "balanced_accuracy",
    "g_mean",
    "mcc",
    "kappa",
)


@dataclass(frozen=True)
class ClassReport:
    """How one class fared.

    Attributes:
        label: Class name.
        support: Rows of this class in the evaluated data.
        train_count: Rows of this class in the training data, None when unknown.
        precision: Share of the rows predicted as this class that are of it, 0 when none is.
        recall: Share of the class's rows that were found, 0 without support.
        f1: Harmonic mean of precision and recall, 0 when both are 0.
        average_precision: Area under the curve of precision over recall, None without
            probabilities or support.
        recall_interval: 95% interval of the recall, None without support or when not asked for.
        f1_interval: 95% interval of the F1, None without support or when not asked for.
    """

    label: str
    support: int
    train_count: int | None
    precision: float
    recall: float
    f1: float
    average_precision: float | None = None
    recall_interval: tuple[float, float] | None = None
    f1_interval: tuple[float, float] | None = None


def confusion_matrix(
    y_true: NDArray[np.integer], y_pred: NDArray[np.integer], n_classes: int
) -> NDArray[np.int64]:
    """Count rows by true class (row) and predicted class (column).

    Args:
        y_true: True label ids, shape [N], in [0, n_classes).
        y_pred: Predicted label ids, shape [N], in [0, n_classes).
        n_classes: Number of classes C, those without rows included.

    Returns:
        Counts, shape [C, C].

    Raises:
        ValueError: If the lengths differ or an id is out of range.

    Examples:
        >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    true_ids, predicted_ids = np.asarray(y_true, np.int64), np.asarray(y_pred, np.int64)
    if true_ids.shape != predicted_ids.shape or true_ids.ndim != 1:
        raise ValueError(f"y_true {true_ids.shape} and y_pred {predicted_ids.shape} must be [N]")
    for ids in (true_ids, predicted_ids):
        if ids.size and (ids.min() < 0 or ids.max() >= n_classes):
            raise ValueError(f"label ids must be in [0, {n_classes})")
    cell_of_row = true_ids * n_classes + predicted_ids
    if n_classes**2 <= len(cell_of_row):
        cells = np.bincount(cell_of_row, minlength=n_classes**2)
    else:  # of zeros, only those that are written take memory
        cells = np.zeros(n_classes**2, np.int64)
        filled, rows = np.unique(cell_of_row, return_counts=True)
        cells[filled] = rows
    return cells.reshape(n_classes, n_classes)


def class_totals(
    y_true: NDArray[np.integer], y_pred: NDArray[np.integer], n_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Hits, support and predicted rows of each class, each of shape [C]; no matrix is made.

    Examples:
        >>> hits, support, predicted = class_totals(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
        >>> hits.tolist(), support.tolist(), predicted.tolist()
        ([1, 1], [2, 1], [1, 2])
    """
    return (
        np.bincount(y_true[y_true == y_pred], minlength=n_classes),
        np.bincount(y_true, minlength=n_classes),
        np.bincount(y_pred, minlength=n_classes),
    )


def summary_metrics(
    y_true: NDArray[np.integer], y_pred: NDArray[np.integer], n_classes: int
) -> dict[str, float]:
    """Measure predictions by the metrics that matter on imbalanced data.

    Args:
        y_true: True label ids, shape [N], in [0, n_classes).
        y_pred: Predicted label ids, shape [N], in [0, n_classes).
        n_classes: Number of classes.

    Returns:
        One float for each of `SUMMARY_METRICS`; `metrics_from_totals` has the formulas.

    Examples:
        >>> y_true = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2])
        >>> y_pred = np.array([0, 0, 0, 0, 1, 2, 1, 0, 0, 2])
        >>> round(summary_metrics(y_true, y_pred, 3)["macro_f1"], 6)
        0.577778
    """
    return metrics_from_confusion(confusion_matrix(y_true, y_pred, n_classes))


def metrics_from_confusion(confusion: NDArray[np.integer]) -> dict[str, Any]:
    """Compute the summary metrics of one confusion matrix, or of each in a stack.

    Args:
        confusion: Counts by true and predicted class, shape [C, C] or [..., C, C].

    Returns:
        For each of `SUMMARY_METRICS` a float, or for a stack an array of shape [...].

    Examples:
        >>> one = np.array([[4, 1, 1], [2, 1, 0], [0, 0, 1]])
        >>> metrics_from_confusion(one)["accuracy"]
        0.6
        >>> metrics_from_confusion(np.stack([one, one]))["accuracy"].tolist()
        [0.6, 0.6]
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    metrics = metrics_from_totals(hits, confusion.sum(axis=-1), confusion.sum(axis=-2))
    if confusion.ndim == 2:
        return {name: float(value) for name, value in metrics.items()}
    return dict(metrics)


def metrics_from_totals(
    hits: NDArray[np.number], support: NDArray[np.number], predicted: NDArray[np.number]
) -> dict[str, NDArray[np.float64]]:
    """Compute the summary metrics from the totals of each class.

    With S the classes that have support, s all rows, c all hits, and 0 for any 0/0:

        recall[k] = hits[k] / support[k]
        f1[k] = 2 hits[k] / (support[k] + predicted[k])
        accuracy = c / s
        macro_f1 = mean of f1 over S
        weighted_f1 = sum_k support[k] f1[k] / s
        balanced_accuracy = mean of recall over S
        g_mean = (product of recall over S) ^ (1 / |S|), so 0 if any recall is 0
        mcc = (c s - sum_k support[k] predicted[k])
              / sqrt((s^2 - sum_k predicted[k]^2) (s^2 - sum_k support[k]^2))
        kappa = (c s - sum_k support[k] predicted[k]) / (s^2 - sum_k support[k] predicted[k])

    Args:
        hits: Rows of each class predicted right, shape [..., C].
        support: Rows of each class, shape [..., C].
        predicted: Rows predicted as each class, shape [..., C].

    Returns:
        For each of `SUMMARY_METRICS` an array of shape [...].

    Examples:
        >>> metrics = metrics_from_totals(np.array([4, 1]), np.array([5, 1]), np.array([4, 2]))
        >>> float(metrics["balanced_accuracy"])
        0.9
    """
    true_rows, predicted_rows = np.asarray(support, np.float64), np.asarray(predicted, np.float64)
    recall = _divide(hits, true_rows)
    f1 = _divide(2 * hits, true_rows + predicted_rows)
    rows, correct = true_rows.sum(axis=-1), hits.sum(axis=-1)
    has_support = true_rows > 0
    n_supported = has_support.sum(axis=-1)
    by_chance = (true_rows * predicted_rows).sum(axis=-1)
    covariance = correct * rows - by_chance
    predicted_spread = rows**2 - (predicted_rows**2).sum(axis=-1)
    true_spread = rows**2 - (true_rows**2).sum(axis=-1)
    return {
        "accuracy": _divide(correct, rows),
        "macro_f1": _divide(np.where(has_support, f1, 0).sum(axis=-1), n_supported),
        "weighted_f1": _divide((true_rows * f1).sum(axis=-1), rows),
        "balanced_accuracy": _divide(recall.sum(axis=-1), n_supported),
        "g_mean": _geometric_mean(recall, has_support),
        # Of weighted rows a spread of 0 may come out a little below it.
        "mcc": _divide(covariance, np.sqrt(np.maximum(predicted_spread * true_spread, 0))),
        "kappa": _divide(covariance, rows**2 - by_chance),
    }


def class_reports(
    confusion: NDArray[np.integer],
    label_names: Sequence[str],
    train_counts: Sequence[int] | NDArray[np.integer] | None = None,
) -> tuple[ClassReport, ...]:
    """Report precision, recall and F1 of every class, those without support included.

    Args:
        confusion: Counts by true and predicted class, shape [C, C].
        label_names: Name of each class, length C, in label-id order.
        train_counts: Training rows of each class, length C, if known.

    Examples:
        >>> spam = class_reports(np.array([[3, 1], [1, 3]]), ["ham", "spam"], [90, 10])[1]
        >>> spam.label, spam.support, spam.train_count, spam.precision, spam.recall, spam.f1
        ('spam', 4, 10, 0.75, 0.75, 0.75)
    """
    hits, support, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = _divide(hits, predicted), _divide(hits, support)
    f1 = _divide(2 * hits, support + predicted)
    return tuple(
        ClassReport(
            label=label,
            support=int(support[k]),
            train_count=None if train_counts is None else int(train_counts[k]),
            precision=float(precision[k]),
            recall=float(recall[k]),
            f1=float(f1[k]),
        )
        for k, label in enumerate(label_names)
    )


def group_recall(
    recalls: NDArray[np.floating], support: NDArray[np.integer], groups: Sequence[str]
) -> dict[str, float | None]:
    """Average recall over the classes of each frequency group.

    Args:
        recalls: Recall of each class, shape [C].
        support: Rows of each class, shape [C]; classes without any are left out.
        groups: "many", "medium" or "few" for each class, length C.

    Returns:
        Mean recall of each group, None for a group without supported classes.

    Examples:
        >>> group_recall(np.array([0.8, 0.4, 0.0]), np.array([9, 4, 0]), ["many", "few", "few"])
        {'many': 0.8, 'medium': None, 'few': 0.4}
    """
    group_of_class, recalls = np.asarray(groups), np.asarray(recalls)
    members = {name: (group_of_class == name) & (np.asarray(support) > 0) for name in GROUP_NAMES}
    return {
        name: float(recalls[chosen].mean()) if chosen.any() else None
        for name, chosen in members.items()
    }


def negative_log_likelihood(
    probabilities: NDArray[np.floating], y_true: NDArray[np.integer]
) -> float:
    """Average -log p(true class), in nats.

    Args:
        probabilities: Probability of each class, shape [N, C], N >= 1; a 0 is read as the
            smallest step of its dtype from 1, as scikit-learn's `log_loss` does.
        y_true: True label ids, shape [N].

    Examples:
        >>> round(negative_log_likelihood(np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([0, 1])), 6)
        0.458145
    """
    return mean_log_loss(np.asarray(probabilities)[np.arange(len(y_true)), y_true])


def mean_log_loss(of_truth: NDArray[np.floating]) -> float:
    """Average of -log p, in nats, of the probabilities of the true classes, shape [N], N >= 1."""
    floored = np.maximum(of_truth, np.finfo(of_truth.dtype).eps).astype(np.float64)
    return float(-np.log(floored).mean())


def _divide(numerator: Any, denominator: Any) -> NDArray[np.float64]:
    """Divide elementwise, 0/0 being 0."""
    quotient = np.zeros(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)))
    return np.divide(numerator, denominator, out=quotient, where=np.asarray(denominator) != 0)


def _geometric_mean(
    values: NDArray[np.float64], included: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Geometric mean over the last axis in logarithms: a product of 150 recalls underflows."""
    is_zero = included & (values == 0)
    logs = np.log(np.where(included & ~is_zero, values, 1.0)).sum(axis=-1)
    n_included = included.sum(axis=-1)
    mean = np.exp(_divide(logs, n_included))
    return np.where(is_zero.any(axis=-1) | (n_included == 0), 0.0, mean)
