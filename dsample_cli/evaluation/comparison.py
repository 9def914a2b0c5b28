"""Whether one set of predictions is better than another on the same rows."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsample_cli.evaluation.intervals import LEVEL, Interval, percentile_interval
from dsample_cli.evaluation.metrics import metrics_from_totals, summary_metrics


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
    """

    first: float
    second: float
    interval: Interval
    p_value: float

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

    Returns:
        The difference in each summary metric.

    References:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993.

    Examples:
        >>> truth = np.repeat([0, 1], 50)
        >>> found = paired_bootstrap(truth, np.zeros(100, int), truth, 2)["accuracy"]
        >>> found.difference, found.interval
        (0.5, (0.5, 0.5))
    """
    y_true = np.asarray(y_true, np.int64)
    predictions = [np.asarray(ids, np.int64) for ids in (first, second)]
    kinds = (y_true * n_classes + predictions[0]) * n_classes + predictions[1]
    found, rows = np.unique(kinds, return_counts=True)
    rng = np.random.default_rng(seed)
    shape = (2, resamples, n_classes)
    hits, predicted, support = np.zeros(shape), np.zeros(shape), np.zeros(n_classes)
    for true_class in np.unique(y_true):
        own = found // n_classes**2 == true_class
        counts, support[true_class] = rows[own], rows[own].sum()
        draws = max(1, counts.sum() - 1)
        drawn = rng.multinomial(draws, counts / counts.sum(), size=resamples)
        for which, labels in enumerate(
            (found[own] // n_classes % n_classes, found[own] % n_classes)
        ):
            order = np.argsort(labels, kind="stable")
            distinct, starts = np.unique(labels[order], return_index=True)
            totals = np.add.reduceat(drawn[:, order], starts, axis=1) * counts.sum() / draws
            predicted[which][:, distinct] += totals
            hits[which][:, true_class] = totals[:, distinct == true_class].sum(axis=1)
    of_resamples = [
        metrics_from_totals(h, support, p) for h, p in zip(hits, predicted, strict=True)
    ]
    once = [summary_metrics(y_true, ids, n_classes) for ids in predictions]
    return {
        name: _difference(
            of_resamples[1][name] - of_resamples[0][name], once[0][name], value, level
        )
        for name, value in once[1].items()
    }


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
