"""Choose the softmax score's temperature from the class counts.

With beta = 1 / temperature and rarity r_c = 1 - n_c / N the drawn share is

    log q_c(beta) = log n_c + beta r_c - log sum_k n_k exp(beta r_k)

which is concave in beta for every class. So "each class keeps at least a given share" holds on one
interval that starts at beta = 0, KL(uniform, q) is convex, and the share of the rarest class only
rises: each question below has one answer, found by bisection.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Counts, Floats
from dsample_cli.errors import ConfigError

# Two classes of 10^9 rows that differ by one row need no more; it only ends the search.
_LARGEST_BETA = 1e12


def auto_temperature(counts: Counts) -> float:
    """Temperature whose drawn share is nearest to uniform without starving a class.

    Minimises KL(uniform, q) over the temperature, while every class keeps
    q_c >= min(n_c / N, 1 / C) / 2.

    Args:
        counts: Examples per class, shape [C], all >= 1.

    Returns:
        A positive temperature; 1 when all counts are equal, where it has no effect.

    Examples:
        >>> round(auto_temperature(np.array([90, 10])), 6)
        0.364096
        >>> auto_temperature(np.array([5, 5, 5]))
        1.0
    """
    if counts.min() == counts.max():
        return 1.0
    rarity = 1 - counts / counts.sum()
    floor = np.log(np.minimum(counts / counts.sum(), 1 / len(counts)) / 2)

    def overshoots(beta: float) -> bool:
        log_share = _log_share(counts, beta)
        slope_of_kl = (np.exp(log_share) * rarity).sum() - rarity.mean()
        return bool(slope_of_kl > 0 or (log_share < floor).any())

    return 1 / _bisect(overshoots)


def temperature_for_minority_share(counts: Counts, share: float) -> float:
    """Temperature at which the rarest class is drawn with the given share.

    Args:
        counts: Examples per class, shape [C], all >= 1.
        share: Wanted share of the rarest class (of each of them when several are equally rare).

    Raises:
        ConfigError: If the share is not above its natural share and below what the score can reach.

    Examples:
        >>> round(temperature_for_minority_share(np.array([90, 10]), 0.5), 6)
        0.364096
    """
    rarest = counts == counts.min()
    natural = float(counts.min() / counts.sum())
    highest = 1 / int(rarest.sum())
    if not natural < share < highest:
        raise ConfigError(
            f"--minority-share {share:g} is out of reach: the rarest class has a share of "
            f"{natural:.4g} and can be drawn with less than {highest:.4g}.",
            f"Choose a number between {natural:.4g} and {highest:.4g}.",
        )
    index = int(np.argmax(rarest))
    return 1 / _bisect(lambda beta: bool(_log_share(counts, beta)[index] > np.log(share)))


def _log_share(counts: NDArray, beta: float) -> Floats:
    rarity = 1 - counts / counts.sum()
    scores = np.log(counts) + beta * rarity
    highest = scores.max()
    return scores - highest - np.log(np.exp(scores - highest).sum())


def _bisect(is_above: Callable[[float], bool]) -> float:
    """Largest beta (to float precision) below which the monotone `is_above` is still false."""
    low, high = 0.0, 1.0
    while not is_above(high) and high < _LARGEST_BETA:
        low, high = high, high * 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (low, middle) if is_above(middle) else (middle, high)
    return high if low == 0.0 else low
