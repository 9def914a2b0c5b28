"""Class scores: how much each example deserves to be drawn, from its class's count alone.

A score maps `counts[C]` to `weights[C]`, the weight of ONE example of each class. The share that a
class gets when the score is followed is `counts * weights`, normalised (`scored_share`).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.names import look_up
from dsample_cli.core.signatures import call_with
from dsample_cli.errors import ConfigError

Counts = NDArray[np.integer]
Floats = NDArray[np.float64]


def softmax_score(counts: Counts, temperature: float = 1.0) -> Floats:
    """Weight each class by a tempered softmax of its rarity.

    weights[c] = softmax((1 - counts / counts.sum()) / temperature)[c]

    When: The D-Sampling method, and the default. Few classes, or a temperature chosen for balance
        (auto): at 1 no example is drawn more than e times as often as another.
    Cost: None.
    Risk: One number cannot balance more than two classes; below auto it starves the largest.

    Args:
        counts: Examples per class, shape [C], all >= 1, in label-id order.
        temperature: Positive; lower favours rare classes more. The reference's gamma.

    Returns:
        Per-example weight of each class, shape [C], summing to 1.

    Raises:
        ConfigError: If temperature <= 0 or a class is empty.

    References:
        D-Sampling, HCLT 2021; Korean patent 10-2458360.

    Examples:
        >>> softmax_score(np.array([90, 10])).round(2)
        array([0.31, 0.69])
    """
    if not temperature > 0:
        raise ConfigError(
            f"The temperature must be above 0, not {temperature:g}.",
            "Use --temperature auto, or a number such as 0.25 (lower draws rare classes more).",
        )
    rarity = 1 - _checked(counts) / counts.sum()
    exponent = (rarity - rarity.max()) / temperature
    # A weight that underflows would make a class impossible to draw and its log infinite.
    return _normalised(np.exp(np.maximum(exponent, -700.0)))


def inverse_score(counts: Counts) -> Floats:
    """Weight each class by one over its count, so that every class is drawn equally often.

    weights[c] = (1 / counts[c]) / sum_k (1 / counts[k])

    When: Many classes, under a schedule that brings the natural order back. Known as weighted
        random sampling, or class-balanced sampling.
    Cost: None.
    Risk: The few texts of a rare class come again and again in an epoch and are memorised.

    Args:
        counts: Examples per class, shape [C], all >= 1.

    Returns:
        Per-example weight of each class, shape [C], summing to 1.

    References:
        Kang et al., Decoupling, ICLR 2020 (q = 0).

    Examples:
        >>> scored_share(np.array([90, 10]), inverse_score(np.array([90, 10])))
        array([0.5, 0.5])
    """
    return _normalised(1 / _checked(counts))


def sqrt_score(counts: Counts) -> Floats:
    """Weight each class by one over the root of its count: half way to balance.

    weights[c] = counts[c]^(-1/2) / sum_k counts[k]^(-1/2)

    When: A careful choice where rare classes have very few texts.
    Cost: None.
    Risk: What is left of the imbalance stays in the model, and asks for a correction.

    Args:
        counts: Examples per class, shape [C], all >= 1.

    Returns:
        Per-example weight of each class, shape [C], summing to 1.

    References:
        Kang et al., Decoupling, ICLR 2020 (q = 1/2).

    Examples:
        >>> scored_share(np.array([90, 10]), sqrt_score(np.array([90, 10])))
        array([0.75, 0.25])
    """
    return _normalised(1 / np.sqrt(_checked(counts)))


def power_score(counts: Counts, power: float = 0.25) -> Floats:
    """Weight each class so that its share follows a power of its count.

    weights[c] = counts[c]^(q - 1) / sum_k counts[k]^(q - 1), so share[c] ~ counts[c]^q

    When: A strength between `inverse` (q = 0), `sqrt` (q = 1/2) and natural order (q = 1).
    Cost: None.
    Risk: Below 0 rare classes outweigh the large ones, which are then forgotten.

    Args:
        counts: Examples per class, shape [C], all >= 1.
        power: The exponent q.

    Returns:
        Per-example weight of each class, shape [C], summing to 1.

    Raises:
        ConfigError: If power is no finite number.

    References:
        Kang et al., Decoupling, ICLR 2020.

    Examples:
        >>> scored_share(np.array([81, 16]), power_score(np.array([81, 16]), 0.25)).round(2)
        array([0.6, 0.4])
    """
    if not np.isfinite(power):
        raise ConfigError(
            f"--power must be a finite number, not {power:g}.",
            "Use for example --power 0.25: 0 balances the classes, 1 leaves them as they are.",
        )
    exponent = (power - 1) * np.log(_checked(counts))
    return _normalised(np.exp(np.maximum(exponent - exponent.max(), -700.0)))


def effective_number_score(counts: Counts, beta: float = 0.999) -> Floats:
    """Weight each class by one over its effective number of examples.

    weights[c] ~ 1 / E[c], with E[c] = (1 - beta^counts[c]) / (1 - beta)

    When: Large classes repeat themselves, so that more of the same adds nothing. Classes well above
        1 / (1 - beta) examples count alike; well below it the score is `inverse`. The default
        (auto) puts that point at the median class.
    Cost: None.
    Risk: A beta far from the data's sizes is `inverse` or no score at all.

    Args:
        counts: Examples per class, shape [C], all >= 1.
        beta: From 0 (no score) to below 1 (towards `inverse`).

    Returns:
        Per-example weight of each class, shape [C], summing to 1.

    Raises:
        ConfigError: If beta lies outside 0..1 or is 1.

    References:
        Cui et al., Class-Balanced Loss Based on Effective Number of Samples, CVPR 2019.

    Examples:
        >>> effective_number_score(np.array([60, 30, 10]), 0.99).round(3)
        array([0.134, 0.233, 0.634])
    """
    if not 0 <= beta < 1:
        raise ConfigError(
            f"--beta must be a number from 0 to below 1, not {beta:g}.",
            "Use --beta auto, or for example --beta 0.999.",
        )
    counts = _checked(counts)
    if beta == 0:
        return _normalised(np.ones(len(counts)))
    return _normalised(-1 / np.expm1(counts * np.log(beta)))


def auto_beta(counts: Counts) -> float:
    """The effective number's beta at the data's own scale: 1 - 1 / median count, at least 1/2.

    Examples:
        >>> auto_beta(np.array([60, 30, 10])).__round__(4)
        0.9667
    """
    return 1 - 1 / max(2.0, float(np.median(counts)))


CLASS_SCORES: dict[str, Callable[..., Floats]] = {
    "softmax": softmax_score,
    "inverse": inverse_score,
    "sqrt": sqrt_score,
    "power": power_score,
    "effective-number": effective_number_score,
}


def class_weights(name: str, counts: Counts, **options: Any) -> Floats:
    """Compute the score called `name`; options that it does not have are left out.

    Raises:
        ConfigError: If the name is unknown, or as the score says.
    """
    return call_with(look_up(CLASS_SCORES, name, "score"), counts, **options)


def scored_share(counts: Counts, weights: Floats) -> Floats:
    """Share of each class when examples are drawn in proportion to their weight.

    q[c] = counts[c] weights[c] / sum_k counts[k] weights[k]
    """
    return _normalised(counts * weights)


def expected_share(counts: Counts, weights: Floats, mix: float, geometric: bool = False) -> Floats:
    """Class share that an epoch of the given mix draws on average.

    The number that preview, sampler and records share:

    (1 - mix) natural + mix scored,  or, geometric:  ~ natural^(1 - mix) scored^mix

    Args:
        counts: Examples per class, shape [C].
        weights: Per-example weight of each class, shape [C].
        mix: 0 (natural order) to 1 (the score alone).
        geometric: The second form, that of the `dcl` schedules.

    Returns:
        Shares, shape [C], summing to 1.
    """
    if geometric:
        return scored_share(counts, weights**mix)
    return (1 - mix) * _normalised(counts) + mix * scored_share(counts, weights)


def _checked(counts: Counts) -> Counts:
    if len(counts) == 0 or counts.min() < 1:
        raise ConfigError(
            "Every class needs at least one training example to be scored.",
            "Add examples, or leave the empty classes out.",
        )
    return counts


def _normalised(values: NDArray) -> Floats:
    return np.asarray(values / values.sum(), dtype=np.float64)
