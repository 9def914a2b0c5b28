"""Whether one set of predictions is better than another on the same rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.imbalance import GROUP_NAMES
from dsample_cli.evaluation.intervals import LEVEL, Interval, percentile_interval
from dsample_cli.evaluation.metrics import confusion_matrix, metrics_from_totals


@dataclass(frozen=True)
class McNemar:
    """McNemar's test of two sets of predictions.

    Attributes:
        only_first: Rows that only the first gets right, b.
        only_second: Rows that only the second gets right, c.
        p_value: Exact and two-sided.
        chi2: Statistic with continuity correction, max(0, |b - c| - 1)^2 / (b + c); 0 without
            rows.
        chi2_p_value: Of it, with one degree of freedom.
    """

    only_first: int
    only_second: int
    p_value: float
    chi2: float
    chi2_p_value: float


@dataclass(frozen=True)
class Difference:
    """One metric of two sets of predictions.

    Attributes:
        first: Of the first set.
        second: Of the second set.
        interval: Of second - first.
        p_value: Two-sided, that there is no difference: twice the share of resamples in which the
            sign of the difference is turned or there is none, never below 2 / (resamples + 1).
            None where no test was made.
    """

    first: float
    second: float
    interval: Interval
    p_value: float | None

    @property
    def difference(self) -> float:
        return self.second - self.first


def mcnemar(
    y_true: NDArray[np.integer], first: NDArray[np.integer], second: NDArray[np.integer]
) -> McNemar:
    """Test whether two sets of predictions are right equally often.

    Only the b + c rows that one of them gets right count; were both equally good, b would be
    Binomial(b + c, 1/2):

        p = min(1, 2 sum_{k <= min(b, c)} C(b + c, k) / 2^(b + c))

    Args:
        y_true: True label ids, shape [N].
        first: Predicted label ids, shape [N].
        second: Predicted label ids of the same rows, shape [N].

    References:
        McNemar, Psychometrika 1947; Dietterich, Neural Computation 1998.

    Examples:
        >>> first, second = np.array([1] * 8 + [0] * 2), np.array([0] * 8 + [1] * 2)
        >>> found = mcnemar(np.ones(10, int), first, second)
        >>> round(found.p_value, 6), found.chi2, round(found.chi2_p_value, 6)
        (0.109375, 2.5, 0.113846)
    """
    is_first, is_second = np.asarray(first) == y_true, np.asarray(second) == y_true
    b, c = int((is_first & ~is_second).sum()), int((is_second & ~is_first).sum())
    statistic = max(0, abs(b - c) - 1) ** 2 / max(1, b + c)
    # With one degree of freedom the chi-square's tail is that of a squared normal variable.
    tail = math.erfc(math.sqrt(statistic / 2))
    return McNemar(b, c, _sign_test(b, c), statistic, tail)


def holm(p_values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Correct p-values for their number, by Holm's step-down method.

    The i-th smallest of m (from 0) becomes max over j <= i of (m - j) p_j, at most 1: whoever
    rejects what is below alpha then rejects any true hypothesis with a probability of at most
    alpha, however the tests depend on each other.

    Args:
        p_values: Shape [m].

    Returns:
        Shape [m], in the order of `p_values`.

    References:
        Holm, Scandinavian Journal of Statistics 1979.

    Examples:
        >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, np.float64)
    order = np.argsort(p_values, kind="stable")
    raised = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(raised), 1)
    return corrected


def paired_bootstrap(
    y_true: NDArray[np.integer],
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    n_classes: int,
    resamples: int = 1000,
    seed: int = 0,
    level: float = LEVEL,
    class_groups: Sequence[str] = (),
) -> dict[str, Difference]:
    """Bootstrap the difference of two sets of predictions, both scored on the same resamples.

    As in `bootstrap_intervals`, rows are resampled within each true class, n - 1 of n, and only
    how many come of each kind is drawn: a kind is a true label with the two predictions.

    Args:
        y_true: True label ids, shape [N], in [0, n_classes).
        first: Predicted label ids, shape [N].
        second: Predicted label ids of the same rows, shape [N].
        n_classes: Number of classes.
        resamples: Number of bootstrap resamples.
        seed: Seed of the draws.
        level: Share of the resamples inside the interval, in (0, 1).
        class_groups: Group of each class, length C; empty for no figures of groups.

    Returns:
        The difference in each of `figures_of`.

    References:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993.

    Examples:
        >>> truth = np.repeat([0, 1], 50)
        >>> found = paired_bootstrap(truth, np.zeros(100, int), truth, 2)["accuracy"]
        >>> found.difference, found.interval
        (0.5, (0.5, 0.5))
    """
    predictions = np.stack([first, second])
    hits, predicted, support = resampled_totals(y_true, predictions, n_classes, resamples, seed)
    drawn = [
        figures_from_totals(h, support, p, class_groups)
        for h, p in zip(hits, predicted, strict=True)
    ]
    once = [figures_of(y_true, ids, n_classes, class_groups) for ids in predictions]
    return {
        name: _difference(drawn[1][name] - drawn[0][name], once[0][name], value, level)
        for name, value in once[1].items()
    }


def figures_of(
    y_true: NDArray[np.integer],
    predicted: NDArray[np.integer],
    n_classes: int,
    class_groups: Sequence[str] = (),
) -> dict[str, float]:
    """The summary metrics of predictions, and `<group>_recall` of each group that has rows.

    Args:
        y_true: True label ids, shape [N], in [0, n_classes).
        predicted: Predicted label ids, shape [N].
        n_classes: Number of classes C.
        class_groups: "many", "medium" or "few" for each class, length C; empty for no groups.

    Examples:
        >>> truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
        >>> figures_of(truth, predicted, 2, ["many", "few"])["few_recall"]
        0.5
    """
    matrix = confusion_matrix(y_true, predicted, n_classes)
    found = figures_from_totals(
        matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0), class_groups
    )
    return {name: float(value) for name, value in found.items()}


def figures_from_totals(
    hits: NDArray[np.number],
    support: NDArray[np.number],
    predicted: NDArray[np.number],
    class_groups: Sequence[str] = (),
) -> dict[str, NDArray[np.float64]]:
    """`figures_of` from the totals of each class, which `metrics_from_totals` explains.

    Args:
        hits: Rows of each class predicted right, shape [..., C].
        support: Rows of each class, shape [C].
        predicted: Rows predicted as each class, shape [..., C].
        class_groups: Group of each class, length C; empty for no groups.
    """
    figures = metrics_from_totals(hits, support, predicted)
    group_of_class = np.asarray(class_groups)
    for group in GROUP_NAMES if class_groups else ():
        members = (group_of_class == group) & (support > 0)
        if members.any():
            recall = hits[..., members] / support[members]
            figures[f"{group}_recall"] = recall.mean(axis=-1)
    return figures


def resampled_totals(
    y_true: NDArray[np.integer],
    predictions: NDArray[np.integer],
    n_classes: int,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Score several sets of predictions on the same resamples of their rows.

    Args:
        y_true: True label ids, shape [N], in [0, n_classes).
        predictions: Predicted label ids of each set, shape [K, N].
        n_classes: Number of classes C.
        resamples: Number of bootstrap resamples R.
        seed: Seed of the draws.

    Returns:
        Hits and predicted rows of each set, resample and class, both of shape [K, R, C], and the
        support of each class, which all resamples share, shape [C].
    """
    truth, labels_of_sets = np.asarray(y_true, np.int64), np.asarray(predictions, np.int64)
    places, rows = _kinds_of_rows(truth, labels_of_sets, n_classes)
    rng = np.random.default_rng(seed)
    shape = (len(labels_of_sets), resamples, n_classes)
    hits, predicted, support = np.zeros(shape), np.zeros(shape), np.zeros(n_classes)
    true_classes = truth[places]
    for true_class in np.unique(truth):
        own = true_classes == true_class
        counts, support[true_class] = rows[own], rows[own].sum()
        draws = max(1, counts.sum() - 1)
        drawn = rng.multinomial(draws, counts / counts.sum(), size=resamples)
        for which, labels in enumerate(labels_of_sets[:, places[own]]):
            order = np.argsort(labels, kind="stable")
            distinct, starts = np.unique(labels[order], return_index=True)
            totals = np.add.reduceat(drawn[:, order], starts, axis=1) * counts.sum() / draws
            predicted[which][:, distinct] += totals
            hits[which][:, true_class] = totals[:, distinct == true_class].sum(axis=1)
    return hits, predicted, support


def _kinds_of_rows(
    y_true: NDArray[np.int64], predictions: NDArray[np.int64], n_classes: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Place of one row of each kind, a true label with all its predictions, and their numbers.

    Kinds are in the order of their labels, so that the order of the rows does not matter.
    """
    kinds = y_true
    for ids in predictions:
        # Numbered anew for each set: C^(K + 1) soon overflows.
        _, kinds = np.unique(kinds * n_classes + ids, return_inverse=True)
    _, places, rows = np.unique(kinds, return_index=True, return_counts=True)
    return places, rows


def _difference(
    drawn: NDArray[np.float64], first: float, second: float, level: float
) -> Difference:
    turned = drawn <= 0 if second > first else drawn >= 0
    p_value = min(1.0, 2 * (int(turned.sum()) + 1) / (len(drawn) + 1)) if second != first else 1.0
    return Difference(first, second, percentile_interval(drawn, second - first, level), p_value)


def _sign_test(b: int, c: int) -> float:
    """Exact two-sided p-value of b against c; in logarithms, as 2^(b + c) may overflow."""
    n, fewer = b + c, np.arange(1, min(b, c) + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log((n - fewer + 1) / fewer))]) - n * math.log(2)
    return min(1.0, 2 * float(np.exp(logs).sum()))
