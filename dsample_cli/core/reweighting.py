"""Deferred re-weighting: in the last epochs each class weighs as its effective number says."""

import numpy as np

from dsample_cli.core.class_scores import Counts, Floats, effective_number_score
from dsample_cli.core.config import TrainConfig


def deferred_weights(counts: Counts, share: Floats, beta: float = 0.9999) -> Floats:
    """Weight of one example of each class in a re-weighted epoch.

    w[c] ~ (1 - b) / (1 - b^n[c]), scaled so that sum_c share[c] w[c] = 1: the mean weight of what
    the epoch draws is 1, so that the losses keep their scale however batches are cut

    Args:
        counts: Training examples per class n, shape [C], all >= 1.
        share: Class share that the epoch is expected to draw, shape [C].
        beta: b, from 0 (no weights) to below 1 (towards 1 / n).

    Returns:
        Shape [C].

    References:
        Cao et al., LDAM-DRW, NeurIPS 2019; weights: Cui et al., Class-Balanced Loss, CVPR 2019.

    Examples:
        >>> counts = np.array([60, 30, 10])
        >>> deferred_weights(counts, counts / 100).round(3)
        array([0.556, 1.111, 3.329])
    """
    weights = effective_number_score(counts, beta)
    return np.asarray(weights / (share * weights).sum(), dtype=np.float64)


def epoch_weights(config: TrainConfig, epoch: int, counts: Counts, share: Floats) -> Floats:
    """What the losses of each class are multiplied by in an epoch of a run.

    Args:
        config: The run's options.
        epoch: From 0.
        counts: Training examples per class, shape [C], all >= 1.
        share: Class share that the epoch is expected to draw, shape [C].

    Returns:
        Shape [C]; ones but for the epochs that --drw re-weights.
    """
    if not config.is_reweighted(epoch):
        return np.ones(len(counts))
    return deferred_weights(counts, share, config.drw_beta)
