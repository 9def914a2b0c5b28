"""How far the metrics would move on another test set of the same make-up."""

import numpy as np
from numpy.typing import NDArray

from dsample_cli.evaluation.metrics import metrics_from_confusion, metrics_from_totals


def bootstrap_intervals(
    confusion: NDArray[np.integer], resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """Percentile bootstrap intervals of the summary metrics, stratified by true class.

    Resampling the n_i rows of true class i with replacement gives each drawn row the prediction j
    with probability confusion[i, j] / n_i, independently, so the resampled row of the confusion
    matrix is exactly Multinomial(n_i, confusion[i] / n_i). The metrics depend on the rows through
    the confusion matrix alone: drawing the multinomials is the same bootstrap, at a cost that does
    not grow with the number of rows. Stratifying keeps rare classes in every resample.

    Where the bootstrap is so biased that its percentiles leave the estimate out (G-mean with many
    rare classes, of which a resample often misses one entirely), the interval is widened to the
    estimate, which can only raise its coverage.

    Args:
        confusion: Counts by true and predicted class, shape [C, C].
        resamples: Number of bootstrap resamples.
        seed: Seed of the draws.
        level: Share of the resamples inside the interval, in (0, 1).

    Returns:
        (low, high) of each summary metric.

    Examples:
        >>> low, high = bootstrap_intervals(np.array([[80, 10], [3, 7]]))["accuracy"]
        >>> low < 0.87 < high
        True
    """
    hits, predicted = _resampled_totals(confusion, resamples, np.random.default_rng(seed))
    drawn = metrics_from_totals(hits, confusion.sum(axis=1), predicted)
    tails = ((1 - level) / 2, (1 + level) / 2)
    intervals = {}
    for name, estimate in metrics_from_confusion(confusion).items():
        low, high = np.quantile(drawn[name], tails)
        intervals[name] = (min(float(low), estimate), max(float(high), estimate))
    return intervals


def _resampled_totals(
    confusion: NDArray[np.integer], resamples: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the hits and the predicted counts of each class, both of shape [resamples, C].

    The resampled matrices are never held: one true class at a time is drawn, over the cells that
    are not empty, and added up, so memory is resamples x C and time resamples x filled cells.
    """
    n_classes = len(confusion)
    hits = np.zeros((resamples, n_classes), np.int64)
    predicted = np.zeros((resamples, n_classes), np.int64)
    for true_class, row in enumerate(confusion):
        columns = np.flatnonzero(row)
        if columns.size == 0:
            continue
        draws = rng.multinomial(row.sum(), row[columns] / row.sum(), size=resamples)
        predicted[:, columns] += draws
        hits[:, true_class] = draws[:, columns == true_class].sum(axis=1)
    return hits, predicted
