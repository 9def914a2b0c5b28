"""Class scores: how much each example deserves to be drawn, from its class's count alone.

A score maps `counts[C]` to `weights[C]`, the weight of ONE example of each class. The share that a
class gets when the score is followed is `counts * weights`, normalised (`scored_share`).
"""

from collections.abc import Callable

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

    Use it for the D-Sampling method; with many classes choose the temperature by
    `temperature.auto_temperature`, since at 1 no weight exceeds another by more than e.

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

    This is weighted random sampling, or class-balanced sampling.

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


CLASS_SCORES: dict[str, Callable[..., Floats]] = {
    "softmax": softmax_score,
    "inverse": inverse_score,
    "sqrt": sqrt_score,
}


def class_weights(name: str, counts: Counts, temperature: float = 1.0) -> Floats:
    """Compute the score called `name`; options that it does not have are left out.

    Raises:
        ConfigError: If the name is unknown, or as the score says.
    """
    score = look_up(CLASS_SCORES, name, "score")
    return call_with(score, counts, temperature=temperature)


def scored_share(counts: Counts, weights: Floats) -> Floats:
    """Share of each class when examples are drawn in proportion to their weight.

    q[c] = counts[c] weights[c] / sum_k counts[k] weights[k]
    """
    return _normalised(counts * weights)


def expected_share(counts: Counts, weights: Floats, mix: float) -> Floats:
    """Class share that an epoch of the given mix draws on average.

    (1 - mix) natural + mix scored, the number that preview, sampler and records share.

    Args:
        counts: Examples per class, shape [C].
        weights: Per-example weight of each class, shape [C].
        mix: 0 (natural order) to 1 (the score alone).

    Returns:
        Shares, shape [C], summing to 1.
    """
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
