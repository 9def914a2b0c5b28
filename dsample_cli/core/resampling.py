"""Classical resampling: how many examples of each class an epoch holds, by over- or under-sampling.

Where a score draws N examples whatever their classes, a resampling changes the length of the epoch
so that nothing is lost (over-sampling) or nothing is repeated (under-sampling).
"""

from collections.abc import Callable

import numpy as np

from dsample_cli.core.class_scores import Counts, Floats
from dsample_cli.errors import ConfigError

# Beyond so many times the epoch of equal shares, and so many examples, a share is a mistake.
_MOST_TIMES_PLAIN = 10
_ALWAYS_FINE = 100_000_000


def oversample(counts: Counts, share: Floats) -> Counts:
    """Keep every example once and repeat those of rare classes up to the wanted share.

    size[c] = share[c] max_k (counts[k] / share[k]): the shortest epoch of that share that holds
    every example. With equal shares each class grows to the largest.

    When: Small data, where no example may be missed.
    Cost: C max(counts) / N times a natural epoch.
    Risk: Repeated texts are memorised; duplicates on both sides of a split flatter the figures.

    Args:
        counts: Examples per class, shape [C], all >= 1.
        share: Wanted class shares, shape [C], summing to 1.

    Returns:
        Draws per class, shape [C], each at least its count.

    Raises:
        ConfigError: If the share is so small for a large class that the epoch would explode.

    References:
        Random over-sampling; see Batista et al., SIGKDD Explorations 2004.

    Examples:
        >>> oversample(np.array([60, 30, 10]), np.full(3, 1 / 3))
        array([60, 60, 60])
    """
    length = (counts / share).max()
    plain = len(counts) * counts.max()
    if not length <= max(_MOST_TIMES_PLAIN * plain, _ALWAYS_FINE):
        raise ConfigError(
            f"Over-sampling to this share would make an epoch of {length:.3g} examples out of "
            f"{counts.sum():,}.",
            "Use --score oversample alone, or a higher --temperature.",
        )
    return np.maximum(counts, np.rint(length * share).astype(counts.dtype))


def undersample(counts: Counts, share: Floats) -> Counts:
    """Take a new random subset of every class each epoch, so small that none is repeated.

    size[c] = share[c] min_k (counts[k] / share[k]): the longest epoch of that share without a
    repetition. With equal shares each class shrinks to the smallest.

    When: So much data that an epoch is too long.
    Cost: C min(counts) / N of a natural epoch.
    Risk: Much is seen seldom: train more epochs. Figures vary from run to run.

    Args:
        counts: Examples per class, shape [C], all >= 1.
        share: Wanted class shares, shape [C], summing to 1.

    Returns:
        Draws per class, shape [C], between 1 and the class's count.

    References:
        Random under-sampling; see Batista et al., SIGKDD Explorations 2004.

    Examples:
        >>> undersample(np.array([60, 30, 10]), np.full(3, 1 / 3))
        array([10, 10, 10])
    """
    length = (counts / share).min()
    return np.clip(np.rint(length * share).astype(counts.dtype), 1, counts)


RESAMPLINGS: dict[str, Callable[[Counts, Floats], Counts]] = {
    "oversample": oversample,
    "undersample": undersample,
}
