"""Class priors: the one that a model carries after training, and the one that it is to serve."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Counts, Floats
from dsample_cli.core.names import did_you_mean
from dsample_cli.errors import ConfigError

# Training that is remembered, in epochs at the mean learning rate.
_MEMORY_EPOCHS = 0.5
_SMALLEST_SHARE = 1e-8


def carried_prior(shares: NDArray[np.floating], rates: Sequence[float]) -> Floats:
    """Class prior of a model that was trained on changing class shares.

    q = sum_e w[e] share[e] / sum_e w[e],  w[e] = rate[e] exp(-later[e] / (m mean rate))

    with `later` the sum of the rates after epoch e and m = 0.5: a memory that fades with the
    learning that follows, so that the last epochs count, and count less where the rate has decayed.

    The form and m were chosen by experiment (classifiers of five Gaussian classes, imbalance 32,
    inverse score, 12 epochs, AdamW with linear decay; three seeds). Points of balanced accuracy
    below Bayes after correcting by the prior of: the last epoch / the mean of all epochs / this:
    a well-trained linear model under cyclic 2.4 / 0.8 / 0.8, linear 1.7 / 2.6 / 1.2, warmup 1.4 /
    4.1 / 1.4, deferred 6.3 / 2.8 / 1.8; a small network under cyclic 2.2 / 0.8 / 0.8, linear 1.6 /
    1.9 / 0.9, warmup 1.2 / 3.3 / 1.1, deferred 6.7 / 1.4 / 2.5; the same network over-fitted at ten
    times the rate, where the memory is shorter, under cyclic 1.4 / 2.5 / 2.4, linear 1.1 / 3.6 /
    1.3, warmup 1.2 / 3.8 / 1.2, deferred 1.4 / 9.3 / 3.5.

    Args:
        shares: Expected class shares of the epochs up to the one whose weights were kept, shape
            [E, C].
        rates: Mean learning rate of each epoch, in any unit, length E, not all 0.

    Returns:
        Shares, shape [C], summing to 1, none below 1e-8.

    Examples:
        >>> carried_prior(np.array([[0.9, 0.1], [0.5, 0.5]]), [1.0, 1.0]).round(3)
        array([0.548, 0.452])
    """
    rate = np.asarray(rates, dtype=np.float64)
    later = rate.sum() - np.cumsum(rate)
    weights = rate * np.exp(-later / (_MEMORY_EPOCHS * rate.mean()))
    prior = np.maximum(weights @ np.asarray(shares) / weights.sum(), _SMALLEST_SHARE)
    return np.asarray(prior / prior.sum(), dtype=np.float64)


def learning_rates(lengths: Sequence[int], schedule: str, warmup: float) -> list[float]:
    """Mean learning rate of each epoch, as a share of the highest.

    Args:
        lengths: Examples of each planned epoch.
        schedule: "linear", "cosine" or "constant".
        warmup: Share of all steps over which the rate rises.

    Examples:
        >>> [round(r, 2) for r in learning_rates([100, 100], "linear", 0.0)]
        [0.75, 0.25]
    """
    grid = (np.arange(100) + 0.5) / 100
    ends = np.cumsum(lengths) / np.sum(lengths)
    starts = np.concatenate([[0.0], ends[:-1]])
    rates = []
    for start, end in zip(starts, ends, strict=True):
        at = start + (end - start) * grid
        decayed = (at - warmup) / (1 - warmup)
        after = {
            "linear": 1 - decayed,
            "cosine": (1 + np.cos(np.pi * decayed)) / 2,
            "constant": np.ones_like(at),
        }[schedule]
        rates.append(float(np.where(at < warmup, at / max(warmup, 1e-9), after).mean()))
    return rates


def parse_target_prior(text: str, names: Sequence[str], counts: Counts) -> Floats:
    """Read the class shares that predictions are meant for.

    Args:
        text: "uniform", "train", or `label=share,...`; labels that are left out share what is left
            equally.
        names: Label names in label-id order.
        counts: Training examples per class, for "train".

    Returns:
        Shares, shape [C], summing to 1.

    Raises:
        ConfigError: If a label is unknown, or the shares are no distribution.

    Examples:
        >>> parse_target_prior("spam=0.2", ["ham", "spam"], np.array([9, 1]))
        array([0.8, 0.2])
    """
    if text == "uniform":
        return np.full(len(names), 1 / len(names))
    if text == "train":
        return np.asarray(counts / counts.sum(), dtype=np.float64)
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = part.rpartition("=")
        label = name.strip()
        if not equals:
            raise ConfigError(
                f"--target-prior '{text}' holds no class shares.",
                "Write uniform, train, label=share,... or the path of a .json file of shares.",
            )
        if label in shares:
            raise ConfigError(f"--target-prior names '{label}' twice.", "Leave one of them out.")
        try:
            shares[label] = float(number)
        except ValueError:
            shares[label] = float("nan")
    return target_prior(shares, names)


def target_prior(shares: Mapping[str, float], names: Sequence[str]) -> Floats:
    """Class shares from those of some labels; the others share what is left equally.

    Raises:
        ConfigError: If a label is unknown, or the shares are no distribution.
    """
    for label, share in shares.items():
        if label not in names:
            raise ConfigError(
                f"--target-prior names the unknown label '{label}'.", did_you_mean(label, names)
            )
        if not 0 < share < 1:
            raise ConfigError(
                f"--target-prior gives '{label}' a share of {share:g}.",
                "Write uniform, train, or label=share,... with shares between 0 and 1.",
            )
    rest, others = 1 - sum(shares.values()), len(names) - len(shares)
    if (others and rest <= 0) or (not others and abs(rest) > 1e-6):
        raise ConfigError(
            f"The shares of --target-prior sum to {1 - rest:g}.",
            "They must sum to 1, or to less when labels are left out.",
        )
    prior = np.array([shares.get(name, rest / max(1, others)) for name in names])
    return np.asarray(prior / prior.sum(), dtype=np.float64)


def shift_prior(
    probabilities: NDArray[np.floating], from_prior: Floats, to_prior: Floats
) -> Floats:
    """Probabilities under other class shares, p[c] to[c] / from[c], normalised; shape [N, C].

    Examples:
        >>> shift_prior(np.array([[0.5, 0.5]]), np.array([0.5, 0.5]), np.array([0.9, 0.1]))
        array([[0.9, 0.1]])
    """
    shifted = probabilities * (to_prior / from_prior)
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float64)
