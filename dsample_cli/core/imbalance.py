"""How imbalanced a class distribution is, in the field's usual measures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GROUP_NAMES = ("many", "medium", "few")


@dataclass(frozen=True)
class Imbalance:
    """Measures of a class distribution with shares pi and C classes.

    Attributes:
        ratio: Largest count over smallest.
        entropy: -sum pi log pi, in nats.
        evenness: entropy / log C, 1 when balanced (0 for one class).
        effective_classes: exp(entropy).
        gini: Gini coefficient of the counts, 0 when balanced, at most 1 - 1/C.
        kl_to_uniform: KL(pi, uniform) = log C - entropy, in nats.
        total_variation: Half the L1 distance between pi and uniform.
    """

    ratio: float
    entropy: float
    evenness: float
    effective_classes: float
    gini: float
    kl_to_uniform: float
    total_variation: float


def measure_imbalance(counts: NDArray[np.integer]) -> Imbalance:
    """Measure how far `counts` is from balance.

    Args:
        counts: Examples per class, shape [C], all >= 1.

    Examples:
        >>> round(measure_imbalance(np.array([60, 30, 10])).gini, 6)
        0.333333
    """
    n_classes = len(counts)
    shares = counts / counts.sum()
    entropy = max(0.0, float(-(shares * np.log(shares)).sum()))
    rank = np.arange(1, n_classes + 1)
    gini = 2 * (rank * np.sort(shares)).sum() / n_classes - (n_classes + 1) / n_classes
    return Imbalance(
        ratio=float(counts.max() / counts.min()),
        entropy=entropy,
        evenness=float(entropy / np.log(n_classes)) if n_classes > 1 else 0.0,
        effective_classes=float(np.exp(entropy)),
        gini=max(0.0, float(gini)),
        kl_to_uniform=max(0.0, float(np.log(n_classes) - entropy)),
        total_variation=float(np.abs(shares - 1 / n_classes).sum() / 2),
    )


def frequency_groups(
    counts: NDArray[np.integer], thresholds: Sequence[int] | None = None
) -> list[str]:
    """Put each class into the group many, medium or few.

    Without thresholds the classes are sorted by count and cut into three equal parts by number of
    classes, equal counts staying together (two classes: many and few). With thresholds
    `(high, low)`, many is above `high`, few is below `low` (the long-tail literature's 100, 20).

    Args:
        counts: Training examples per class, shape [C].
        thresholds: Optional `(high, low)` with high >= low.

    Returns:
        Group name per class, in label-id order. All are "many" when the counts are equal.

    Examples:
        >>> frequency_groups(np.array([60, 30, 10]))
        ['many', 'medium', 'few']
        >>> frequency_groups(np.array([200, 50, 3]), thresholds=(100, 20))
        ['many', 'medium', 'few']
    """
    if thresholds is not None:
        high, low = thresholds
        return ["many" if n > high else "few" if n < low else "medium" for n in counts.tolist()]
    n_classes = len(counts)
    # A class takes the place of the first one with its count, so that ties stay together.
    place = np.searchsorted(np.sort(-counts), -counts, side="left")
    if n_classes == 2:
        return [("many", "few")[i] for i in place]
    return [GROUP_NAMES[i] for i in place * 3 // n_classes]
