"""Whether one way of training is better than another, each tried with one seed or several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dsample_cli.evaluation.comparison import (
    Difference,
    figures_from_totals,
    figures_of,
    paired_bootstrap,
    resampled_totals,
)
from dsample_cli.evaluation.intervals import LEVEL, percentile_interval


@dataclass(frozen=True)
class Tries:
    """What one way of training predicted for its test rows, once for each seed.

    Attributes:
        truths: True label ids of the rows of each seed, S arrays of shape [N].
        predictions: Predicted label ids of the same rows.
    """

    truths: Sequence[NDArray[np.integer]]
    predictions: Sequence[NDArray[np.integer]]


@dataclass(frozen=True)
class SeedSpread:
    """How far a figure moves with the seed.

    Attributes:
        variance: Of single runs.
        freedom: Degrees of freedom that it was measured with.
    """

    variance: float
    freedom: int


def compare_tries(
    first: Tries,
    second: Tries,
    n_classes: int,
    class_groups: Sequence[str] = (),
    is_same_rows: bool = True,
    is_same_seeds: bool = False,
    spread: Mapping[str, SeedSpread] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    level: float = LEVEL,
) -> dict[str, Difference]:
    """Compare two ways of training in every figure of `figures_of`, by their means over seeds.

    Without `spread`, of one seed each, it is `paired_bootstrap`, which says how far the difference
    of these two models would move on other test rows. With it the interval also covers how far it
    would move with other seeds: `seeds_difference` adds the variance between the seeds to that of
    the rows, which all seeds are resampled for together.

    Args:
        first: What is compared with.
        second: What is compared.
        n_classes: Number of classes C.
        class_groups: Group of each class, length C; empty for no figures of groups.
        is_same_rows: Whether all have the same test rows in the same order. Otherwise each seed's
            are resampled by themselves, and there are no p-values.
        is_same_seeds: Whether both have the same seeds, two or more, in the same order.
        spread: `pooled_spread` of each figure; needed where one has several seeds.
        resamples: Number of bootstrap resamples.
        seed: Seed of the draws.
        level: Coverage of the intervals, in (0, 1).

    Returns:
        The difference of the means in each figure that both have.
    """
    tries = (first, second)
    if is_same_rows and spread is None:
        both = first.predictions[0], second.predictions[0]
        return paired_bootstrap(
            first.truths[0], *both, n_classes, resamples, seed, level, class_groups
        )
    drawn = _drawn_means(first, second, n_classes, class_groups, is_same_rows, resamples, seed)
    values = [figures_by_seed(one, n_classes, class_groups) for one in tries]
    found = {}
    for name in (name for name in values[0] if name in values[1]):
        of_rows = drawn[1][name] - drawn[0][name]
        if spread is None:
            once = [float(one[name][0]) for one in values]
            interval = percentile_interval(of_rows, once[1] - once[0], level)
            found[name] = Difference(once[0], once[1], interval, None)
            continue
        own = None if is_same_seeds else spread[name]
        of_seeds = seeds_difference(
            values[0][name], values[1][name], float(of_rows.var()), own, level
        )
        found[name] = of_seeds if is_same_rows else replace(of_seeds, p_value=None)
    return found


def figures_by_seed(
    tries: Tries, n_classes: int, class_groups: Sequence[str] = ()
) -> dict[str, NDArray[np.float64]]:
    """Each of `figures_of`, one value a seed, shape [S]."""
    each = [
        figures_of(truth, ids, n_classes, class_groups)
        for truth, ids in zip(tries.truths, tries.predictions, strict=True)
    ]
    known = [name for name in each[0] if all(name in figures for figures in each)]
    return {name: np.array([figures[name] for figures in each]) for name in known}


def pooled_spread(values: Sequence[NDArray[np.floating]]) -> SeedSpread:
    """How far a figure moves with the seed, were it equally far for all ways of training.

    The squared deviations from the mean of each way of training, over all of them, divided by
    their degrees of freedom: two or three seeds of one alone tell little of a variance.

    Args:
        values: Of each way of training, the figure by seed; at least one has two seeds.

    Examples:
        >>> pooled_spread([np.array([0.7, 0.9]), np.array([0.5])]).variance.__round__(3)
        0.02
    """
    freedom = sum(len(one) - 1 for one in values)
    return SeedSpread(sum(float(one.var()) * len(one) for one in values) / freedom, freedom)


def seeds_difference(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    row_variance: float,
    spread: SeedSpread | None,
    level: float = LEVEL,
) -> Difference:
    """The difference of two means over seeds, with an interval for other seeds and other rows.

    With S and T seeds that move a figure by the variance v, measured with f degrees of freedom,

        d_mean -+ t sqrt(s + r), s = v (1 / S + 1 / T),

    in which r is the variance of d_mean over resampled rows and t the quantile of Student's
    distribution with f (s + r)^2 / s^2 degrees of freedom (Satterthwaite; r counts as known). With
    equal seeds paired, d their differences, s = var(d) / S and f = S - 1. What seeds and rows do
    together is counted in s and in r: the interval is rather too wide than too narrow.

    Args:
        first: A figure by seed, shape [S].
        second: The same figure, shape [T].
        row_variance: r.
        spread: v and f; None where the seeds of both are the same, two or more, in the same order.
        level: Coverage, in (0, 1).

    References:
        Student, Biometrika 1908; Satterthwaite, Biometrics Bulletin 1946; Bouthillier et al.,
        Accounting for variance in machine learning benchmarks, MLSys 2021.

    Examples:
        >>> first, second = np.array([0.8, 0.7, 0.75]), np.array([0.9, 0.8, 0.88])
        >>> found = seeds_difference(first, second, 0.0, None)
        >>> round(found.difference, 3), [round(end, 3) for end in found.interval]
        (0.11, [0.067, 0.153])
    """
    from scipy.special import stdtr, stdtrit

    means = float(first.mean()), float(second.mean())
    difference = means[1] - means[0]
    if spread is None:
        freedom = len(first) - 1
        of_seeds = float((second - first).var(ddof=1)) / len(first)
    else:
        freedom = spread.freedom
        of_seeds = spread.variance * (1 / len(first) + 1 / len(second))
    variance = of_seeds + row_variance
    if variance == 0:
        return Difference(*means, (difference, difference), float(difference == 0))
    # Beyond a million, Student's distribution is the normal one.
    of_both = min(freedom * (variance / of_seeds) ** 2 if of_seeds > 0 else np.inf, 1e6)
    error = float(np.sqrt(variance))
    reach = float(stdtrit(of_both, (1 + level) / 2)) * error
    p_value = min(1.0, 2 * float(stdtr(of_both, -abs(difference) / error)))
    return Difference(*means, (difference - reach, difference + reach), p_value)


def _drawn_means(
    first: Tries,
    second: Tries,
    n_classes: int,
    class_groups: Sequence[str],
    is_same_rows: bool,
    resamples: int,
    seed: int,
) -> list[dict[str, NDArray[np.float64]]]:
    """Of both, the mean over the seeds of each figure on each resample of the rows."""
    tries = (first, second)
    if is_same_rows:
        together = np.stack([*first.predictions, *second.predictions])
        totals = resampled_totals(first.truths[0], together, n_classes, resamples, seed)
        figures = _figures_of_sets(*totals, class_groups)
        parts = [figures[: len(first.predictions)], figures[len(first.predictions) :]]
    else:
        seeds = iter(range(seed, seed + len(first.truths) + len(second.truths)))
        parts = [
            [
                _figures_of_sets(
                    *resampled_totals(truth, ids[None], n_classes, resamples, next(seeds)),
                    class_groups,
                )[0]
                for truth, ids in zip(one.truths, one.predictions, strict=True)
            ]
            for one in tries
        ]
    return [
        {
            name: np.mean([figures[name] for figures in part], axis=0)
            for name in part[0]
            if all(name in figures for figures in part)
        }
        for part in parts
    ]


def _figures_of_sets(
    hits: NDArray[np.float64],
    predicted: NDArray[np.float64],
    support: NDArray[np.float64],
    class_groups: Sequence[str],
) -> list[dict[str, NDArray[np.float64]]]:
    """Of each set of predictions, each figure on each resample, shape [R]."""
    return [
        figures_from_totals(h, support, p, class_groups)
        for h, p in zip(hits, predicted, strict=True)
    ]
