"""Example scores: how much each example deserves to be drawn, from what training saw of it.

A score names what it works on in its signature, from a `History` of the training forward passes
(`losses`, `times_seen`, `prob_mean`, `prob_variance`, `window`), the label ids (`codes`), the
number of classes (`n_classes`) and how far the scored part of the training is (`progress`, 0 in its
first epoch, 1 in the last). What it does not name is not kept. Options have defaults.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Floats
from dsample_cli.errors import ConfigError

_CHUNK = 1 << 18


def easy_score(
    losses: Floats, codes: NDArray[np.integer], progress: float, easy_start: float = 0.5
) -> Floats:
    """Draw the easiest examples of each class first, and more of them as training goes on.

    weights[i] = 1 if the loss of i is among the lowest r of its class, else 0;
    r = easy_start + (1 - easy_start) progress

    When: Labels are noisy: what contradicts them comes late.
    Cost: None: the losses are those of the training steps.
    Risk: What is hard for being rare comes late too; the quantile is taken in each class so that no
        class is dropped.

    Args:
        losses: Latest loss of each example, shape [N]; inf where it is unknown, which counts as
            easy so that every example is seen.
        codes: Label ids, shape [N].
        progress: 0 to 1.
        easy_start: Share of each class that is kept at first, above 0.

    Returns:
        Weights, shape [N], 0 or 1; ties with the last one kept are kept.

    Raises:
        ConfigError: If easy_start lies outside 0..1 or is 0.

    References:
        Kumar et al., Self-Paced Learning, NIPS 2010; here with a quantile per class.

    Examples:
        >>> easy_score(np.array([0.1, 2, 0.5, 1]), np.zeros(4, int), 0.0)
        array([1., 0., 1., 0.])
    """
    _require_share("easy_start", easy_start)
    kept_share = easy_start + (1 - easy_start) * progress
    difficulty = np.where(np.isinf(losses), -np.inf, losses)
    order = np.lexsort((difficulty, codes))
    counts = np.bincount(codes)
    ends = np.cumsum(counts)
    # The last easy example of each class; classes without examples have no threshold to read.
    last = ends - counts + np.maximum(1, np.ceil(kept_share * counts - 1e-9).astype(int)) - 1
    present = counts > 0
    threshold = np.full(len(counts), -np.inf)
    threshold[present] = difficulty[order][last[present]]
    return (difficulty <= threshold[codes]).astype(np.float64)


def hard_score(losses: Floats, hard_share: float = 0.5) -> Floats:
    """Draw the examples of the highest latest losses alone.

    weights[i] = 1 if the loss of i is among the highest hard_share of all, else 0

    When: Clean labels, and most examples learned early.
    Cost: None: the losses are those of the training steps.
    Risk: Wrong labels and outliers have the highest losses of all. An easy example comes back only
        when its last known loss is among the highest again.

    Args:
        losses: Latest loss of each example, shape [N]; inf where it is unknown, which counts as
            hard so that every example is seen.
        hard_share: Share of the examples that is kept, above 0.

    Returns:
        Weights, shape [N], 0 or 1; ties with the last one kept are kept.

    Raises:
        ConfigError: If hard_share lies outside 0..1 or is 0.

    References:
        Shrivastava et al., OHEM, CVPR 2016; here over the epoch instead of the batch.

    Examples:
        >>> hard_score(np.array([0.1, 2, 0.5, 1]))
        array([0., 1., 0., 1.])
    """
    _require_share("hard_share", hard_share)
    kept = max(1, int(np.ceil(hard_share * len(losses) - 1e-9)))
    threshold = np.partition(losses, len(losses) - kept)[len(losses) - kept]
    return (losses >= threshold).astype(np.float64)


def online_batch_score(losses: Floats, progress: float, pressure: float = 100.0) -> Floats:
    """Draw by the rank of the latest loss, with a pressure that fades as training goes on.

    weights[i] = exp(-log(s) rank[i] / N), rank 1 for the highest loss; s = pressure^(1 - progress)

    When: Like `hard`, and no example is ever left out: the ends differ by a factor of s.
    Cost: None: the losses are those of the training steps.
    Risk: Over-fits hard and wrongly labelled examples.

    Args:
        losses: Latest loss of each example, shape [N]; inf where it is unknown, which ranks first.
        progress: 0 to 1.
        pressure: s at first, at least 1.

    Returns:
        Weights, shape [N]; equal losses have equal weights (the mean of their ranks).

    Raises:
        ConfigError: If pressure < 1.

    References:
        Loshchilov and Hutter, Online Batch Selection, ICLR Workshop 2016; decay as in Song et al.,
        CIKM 2020.

    Examples:
        >>> weights = online_batch_score(np.array([0.1, 2, 0.5, 1]), 0.0)
        >>> (weights / weights.sum()).round(3)
        array([0.022, 0.691, 0.069, 0.218])
    """
    return np.exp(-np.log(_faded(pressure, progress)) * _rank_descending(losses) / len(losses))


def active_bias_score(
    times_seen: NDArray[np.integer],
    prob_mean: Floats,
    prob_variance: Floats,
    active_bias: str = "variance",
) -> Floats:
    """Draw the examples that the model is of two minds about.

    weights[i] = u[i] + mean(u), from the probabilities of the true label in all steps that saw i:
    u = sqrt(v + v^2 / (n - 1)) with their variance v and number n (variance), or
    u = m (1 - m) with their mean m (closeness to the threshold)

    When: Many epochs, noisy labels: neither the learned nor the hopeless are repeated.
    Cost: None: the probabilities are those of the training steps.
    Risk: An early part of the training weighs as much as the present; few epochs give few
        observations.

    Args:
        times_seen: Observations of each example, shape [N]; below 2 (variance) or 1 (closeness)
            u is 0.
        prob_mean: Their mean, shape [N].
        prob_variance: Their population variance, shape [N].
        active_bias: "variance" or "closeness".

    Returns:
        Weights, shape [N].

    Raises:
        ConfigError: If active_bias is something else.

    References:
        Chang, Learned-Miller and McCallum, Active Bias, NIPS 2017.

    Examples:
        >>> u = active_bias_score(np.array([4, 4]), np.array([.5, .9]), np.array([.05, 0]))
        >>> u.round(3)
        array([0.338, 0.113])
    """
    if active_bias == "variance":
        others = np.maximum(times_seen - 1, 1)
        uncertainty = np.sqrt(prob_variance + prob_variance**2 / others)
        uncertainty = np.where(times_seen > 1, uncertainty, 0.0)
    elif active_bias == "closeness":
        uncertainty = np.where(times_seen > 0, prob_mean * (1 - prob_mean), 0.0)
    else:
        raise ConfigError(
            f"Unknown --active-bias '{active_bias}'.", "Choose one of: variance, closeness."
        )
    smoothness = uncertainty.mean()
    return uncertainty + (smoothness if smoothness > 0 else 1.0)


def recency_bias_score(
    window: NDArray[np.integer], n_classes: int, progress: float, pressure: float = 100.0
) -> Floats:
    """Draw the examples whose recently predicted labels disagree among themselves.

    weights[i] = exp(-log(s) Q[i] / N), with Q[i] = ceil((1 - F[i]) N), s = pressure^(1 - progress)
    and F[i] the entropy of the labels in i's window over log C

    When: Many epochs; examples at the boundary between classes.
    Cost: None: the predictions are those of the training steps.
    Risk: Knows nothing of frequency or truth: an example that is always predicted wrongly, as rare
        ones are, comes least of all. Multiply it by a class score (recency-bias+sqrt). Needs about
        as many epochs as the window is long.

    Args:
        window: The last predicted labels of each example, shape [N, H]; -1 where there is none.
            An example without any counts as fully uncertain.
        n_classes: C, at least 2.
        progress: 0 to 1.
        pressure: s at first, at least 1.

    Returns:
        Weights, shape [N].

    Raises:
        ConfigError: If pressure < 1.

    References:
        Song et al., Carpe Diem, Seize the Samples Uncertain "At the Moment", CIKM 2020.

    Examples:
        >>> window = np.array([[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 2, 0], [0, 1, 0, 1]])
        >>> weights = recency_bias_score(window, 3, 0.0)
        >>> (weights / weights.sum()).round(3)
        array([0.019, 0.19 , 0.601, 0.19 ])
    """
    size = len(window)
    # A quotient like 49.00000000000001 must not be taken for 50.
    quantized = np.ceil((1 - label_entropy(window, n_classes)) * size - 1e-9)
    return np.exp(-np.log(_faded(pressure, progress)) * quantized / size)


def label_entropy(window: NDArray[np.integer], n_classes: int) -> Floats:
    """Entropy of the labels in each row of a window, over log C; 1 for an empty row.

    Args:
        window: Label ids, shape [N, H]; -1 is no label.
        n_classes: C, at least 2.

    Returns:
        Normalised entropies, shape [N], 0 to 1.

    Examples:
        >>> label_entropy(np.array([[0, 1, -1], [2, 2, 2], [-1, -1, -1]]), 2)
        array([1., 0., 1.])
    """
    entropy = np.empty(len(window))
    for start in range(0, len(window), _CHUNK):
        labels = window[start : start + _CHUNK]
        filled = labels >= 0
        sizes = np.maximum(filled.sum(axis=1), 1)
        total = np.zeros(len(labels))
        for column in range(labels.shape[1]):
            # -sum p log p over labels is -sum log(p) / H over the window's entries.
            equal = (labels == labels[:, column, None]).sum(axis=1)
            total -= np.where(filled[:, column], np.log(equal / sizes), 0.0)
        known = filled.any(axis=1)
        entropy[start : start + _CHUNK] = np.where(known, total / sizes / np.log(n_classes), 1.0)
    return np.maximum(entropy, 0.0)


EXAMPLE_SCORES: dict[str, Callable[..., Floats]] = {
    "easy": easy_score,
    "hard": hard_score,
    "online-batch": online_batch_score,
    "active-bias": active_bias_score,
    "recency-bias": recency_bias_score,
}


def _faded(pressure: float, progress: float) -> float:
    if not 1 <= pressure < np.inf:
        raise ConfigError(
            f"--pressure must be a number of at least 1, not {pressure:g}.",
            "Use for example --pressure 100: the first example is drawn 100 times as often as the "
            "last.",
        )
    return float(pressure ** (1 - progress))


def _require_share(option: str, value: float) -> None:
    if not 0 < value <= 1:
        flag = option.replace("_", "-")
        raise ConfigError(
            f"--{flag} must be a share above 0 and at most 1, not {value:g}.",
            f"Use for example --{flag} 0.5.",
        )


def _rank_descending(values: Floats) -> Floats:
    """Ranks from 1 for the highest; equal values share the mean of theirs."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    ends = np.append(starts[1:], len(values))
    ranks = np.empty(len(values))
    # From the lowest, places starts+1 .. ends; from the highest, N+1 minus their mean.
    ranks[order] = np.repeat(len(values) + 1 - (starts + 1 + ends) / 2, ends - starts)
    return ranks
