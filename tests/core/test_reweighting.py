"""Deferred re-weighting: which epochs, and by how much."""

import numpy as np
import pytest

from dsample_cli.core.config import TrainConfig
from dsample_cli.core.reweighting import deferred_weights, epoch_weights

COUNTS = np.array([60, 30, 10])
SHARE = COUNTS / 100


def reweighted(epochs, **options):
    config = TrainConfig("data.csv", epochs=epochs, drw=True, **options)
    return [epoch for epoch in range(epochs) if config.is_reweighted(epoch)]


def test_golden_weights():
    """Of the method reference, which scales them to sum C."""
    weights = deferred_weights(COUNTS, SHARE)
    assert 3 * weights / weights.sum() == pytest.approx((0.334, 0.667, 1.999), abs=5e-4)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.9999])
@pytest.mark.parametrize("share", [SHARE, np.full(3, 1 / 3)])
def test_the_mean_weight_of_what_is_drawn_is_one(beta, share):
    weights = deferred_weights(COUNTS, share, beta)
    assert (share * weights).sum() == pytest.approx(1)
    assert beta > 0 or weights == pytest.approx(np.ones(3))


def test_the_last_epochs_are_reweighted():
    assert reweighted(10) == [8, 9]
    assert reweighted(16) == [13, 14, 15]
    assert reweighted(5, drw_start=0.5) == [2, 3, 4]
    assert reweighted(4, drw_start=0.0) == [0, 1, 2, 3]


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_short_trainings_have_one_reweighted_epoch(epochs):
    assert reweighted(epochs) == [epochs - 1]


def test_nothing_is_reweighted_unasked():
    config = TrainConfig("data.csv", epochs=5)
    assert not any(config.is_reweighted(epoch) for epoch in range(5))
    assert epoch_weights(config, 4, COUNTS, SHARE).tolist() == [1, 1, 1]


def test_the_weights_of_an_epoch():
    config = TrainConfig("data.csv", epochs=5, drw=True, drw_beta=0.99)
    assert epoch_weights(config, 3, COUNTS, SHARE).tolist() == [1, 1, 1]
    assert epoch_weights(config, 4, COUNTS, SHARE) == pytest.approx(
        deferred_weights(COUNTS, SHARE, 0.99)
    )
