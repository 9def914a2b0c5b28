"""How far the figures would move on another test set of the same make-up.

Two kinds of interval, each where it is at home. Summary metrics are functions of the whole
confusion matrix: they are bootstrapped. What is a share of few rows, such as the recall of a rare
class, gets Wilson's interval: a bootstrap of 3 rows out of 3 would promise [1, 1].
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.imbalance import GROUP_NAMES
from dsample_cli.evaluation.metrics import metrics_from_confusion, metrics_from_totals

Interval = tuple[float, float]
LEVEL = 0.95
# With which the mean of a group takes part in the share of each of its classes.
_ADDED_ROWS = 4
# Classes times resamples whose metrics are computed at a time.
_CELLS = 1 << 20


def bootstrap_intervals(
    confusion: NDArray[np.integer], resamples: int = 1000, seed: int = 0, level: float = LEVEL
) -> dict[str, Interval]:
    """Percentile bootstrap intervals of the summary metrics, stratified by true class.

    Resampling m of the n rows of true class i with replacement gives each drawn row the prediction
    j with probability confusion[i, j] / n, independently, so the resampled row of the confusion
    matrix is exactly Multinomial(m, confusion[i] / n). The metrics depend on the rows through
    the confusion matrix alone: drawing the multinomials is the same bootstrap, at a cost that does
    not grow with the number of rows. Stratifying keeps rare classes in every resample.

    Drawn are m = n - 1 rows that weigh n / (n - 1) each (the one row of a class that has no more):
    so the spread is that of an unbiased variance. With m = n it is too narrow by (n - 1) / n, which
    shows in classes of ten rows.

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

    References:
        Rao and Wu, Resampling inference with complex survey data, JASA 1988.

    Examples:
        >>> low, high = bootstrap_intervals(np.array([[80, 10], [3, 7]]))["accuracy"]
        >>> low < 0.87 < high
        True
    """
    hits, predicted = _resampled_totals(confusion, resamples, np.random.default_rng(seed))
    support = confusion.sum(axis=1)
    size = max(1, _CELLS // len(confusion))
    drawn = [
        metrics_from_totals(hits[at : at + size], support, predicted[at : at + size])
        for at in range(0, resamples, size)
    ]
    return {
        name: percentile_interval(np.concatenate([d[name] for d in drawn]), estimate, level)
        for name, estimate in metrics_from_confusion(confusion).items()
    }


def percentile_interval(
    drawn: NDArray[np.floating], estimate: float, level: float = LEVEL
) -> Interval:
    """The middle `level` of resampled values, widened to the estimate where they leave it out."""
    low, high = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    return min(float(low), estimate), max(float(high), estimate)


def wilson_intervals(
    successes: NDArray[np.number], trials: NDArray[np.number], level: float = LEVEL
) -> NDArray[np.float64]:
    """Wilson's score interval of shares.

    (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), p = successes / trials.
    It has a width for p = 0 and p = 1 too, and stays within [0, 1].

    Args:
        successes: Shape [K], in [0, trials].
        trials: n, shape [K].
        level: Coverage, in (0, 1).

    Returns:
        Low and high ends, shape [K, 2]; NaN without trials.

    References:
        Wilson, JASA 1927; Brown, Cai and DasGupta, Interval estimation for a binomial proportion,
        Statistical Science 2001.

    Examples:
        >>> wilson_intervals(np.array([3, 30]), np.array([3, 30])).round(3).tolist()
        [[0.439, 1.0], [0.886, 1.0]]
    """
    n = np.where(np.asarray(trials) > 0, trials, np.nan)
    share, z = successes / n, NormalDist().inv_cdf((1 + level) / 2)
    middle = share + z**2 / (2 * n)
    reach = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    ends = np.stack([middle - reach, middle + reach], axis=-1) / (1 + z**2 / n)[..., None]
    # The share lies within, but for the last bit of the division.
    low, high = np.minimum(ends[..., 0], share), np.maximum(ends[..., 1], share)
    return np.clip(np.stack([low, high], axis=-1), 0, 1)


def recall_intervals(confusion: NDArray[np.integer], level: float = LEVEL) -> NDArray[np.float64]:
    """Wilson's interval of each class's recall, shape [C, 2]; NaN without support."""
    return wilson_intervals(confusion.diagonal(), confusion.sum(axis=1), level)


def f1_intervals(confusion: NDArray[np.integer], level: float = LEVEL) -> NDArray[np.float64]:
    """Wilson's interval of each class's F1, by way of a share.

    Of the rows that are of the class or predicted as it, the share J = hits / (support + predicted
    - hits) is right, and F1 = 2 J / (1 + J) rises with J: the ends of J's interval become those of
    F1.

    Args:
        confusion: Counts by true and predicted class, shape [C, C].
        level: Coverage, in (0, 1).

    Returns:
        Low and high ends, shape [C, 2]; NaN without support.

    References:
        Lam, Gopal and Qian, Confidence intervals for the F1 score, arXiv 2309.14621, 2023.

    Examples:
        >>> f1_intervals(np.array([[3, 0], [0, 30]])).round(3).tolist()
        [[0.61, 1.0], [0.94, 1.0]]
    """
    hits, support = confusion.diagonal(), confusion.sum(axis=1)
    either = np.where(support > 0, support + confusion.sum(axis=0) - hits, 0)
    share = wilson_intervals(hits, either, level)
    return 2 * share / (1 + share)


def group_intervals(
    confusion: NDArray[np.integer], groups: Sequence[str], level: float = LEVEL
) -> dict[str, Interval | None]:
    """Wilson's interval of the mean recall of each frequency group, by the rows that it is worth.

    The mean m of the recalls of K classes with n_k rows has the variance

        v = sum_k p_k (1 - p_k) / n_k / K^2, p_k = (hits_k + 4 m) / (n_k + 4),

    in which the group's mean stands in for what a class of three rows cannot tell of itself. A
    share m of N rows has the variance m (1 - m) / N, so the group is worth N = m (1 - m) / v rows;
    where m is 0 or 1, K^2 / sum_k 1 / n_k. Of one class this is Wilson's interval of its recall.

    Args:
        confusion: Counts by true and predicted class, shape [C, C].
        groups: "many", "medium" or "few" for each class, length C.
        level: Coverage, in (0, 1).

    Returns:
        (low, high) of each group, None for a group without supported classes.

    References:
        Dean and Pagano, Evaluating confidence interval methods for binomial proportions in
        clustered surveys, J. Survey Statistics and Methodology 2015 (rows that a share is worth);
        Agresti and Coull, The American Statistician 1998 (four rows added).

    Examples:
        >>> found = group_intervals(np.array([[9, 1], [1, 4]]), ["many", "few"])
        >>> [round(end, 3) for end in found["few"]]
        [0.376, 0.964]
    """
    group_of_class, support = np.asarray(groups), confusion.sum(axis=1)
    found: dict[str, Interval | None] = {}
    for name in GROUP_NAMES:
        members = (group_of_class == name) & (support > 0)
        found[name] = (
            _mean_interval(confusion.diagonal()[members], support[members], level)
            if members.any()
            else None
        )
    return found


def as_pairs(intervals: NDArray[np.float64]) -> list[Interval | None]:
    """Rows of [low, high] as pairs; None where they are unknown."""
    return [None if np.isnan(low) else (low, high) for low, high in intervals.tolist()]


def _mean_interval(hits: NDArray[np.integer], rows: NDArray[np.integer], level: float) -> Interval:
    mean, size = float((hits / rows).mean()), len(rows)
    shares = (hits + _ADDED_ROWS * mean) / (rows + _ADDED_ROWS)
    variance = float((shares * (1 - shares) / rows).sum()) / size**2
    worth = mean * (1 - mean) / variance if 0 < mean < 1 else size**2 / float((1 / rows).sum())
    low, high = wilson_intervals(np.array([mean * worth]), np.array([worth]), level)[0].tolist()
    return min(low, mean), max(high, mean)


def _resampled_totals(
    confusion: NDArray[np.integer], resamples: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the hits and the predicted counts of each class, both of shape [resamples, C].

    The resampled matrices are never held: one true class at a time is drawn, over the cells that
    are not empty, and added up, so memory is resamples x C and time resamples x filled cells.
    """
    n_classes = len(confusion)
    hits = np.zeros((resamples, n_classes))
    predicted = np.zeros((resamples, n_classes))
    for true_class, row in enumerate(confusion):
        columns = np.flatnonzero(row)
        if columns.size == 0:
            continue
        rows = row.sum()
        draws = max(1, rows - 1)
        counts = rng.multinomial(draws, row[columns] / rows, size=resamples) * rows / draws
        predicted[:, columns] += counts
        hits[:, true_class] = counts[:, columns == true_class].sum(axis=1)
    return hits, predicted
