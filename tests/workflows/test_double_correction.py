"""A score and a loss that make up for the same imbalance."""

import numpy as np
import pytest
import torch

from dsample_cli.core.class_scores import effective_number_score
from dsample_cli.core.config import TrainConfig
from dsample_cli.training.losses import loss_weights
from dsample_cli.workflows.double_correction import (
    combine_emphasis,
    tell_double_correction,
    training_emphasis,
)
from dsample_cli.workflows.scoring import resolve_config_score

COUNTS = np.array([90, 900, 10])
NAMES = ("b", "a", "c")
BALANCED = np.full(3, 1 / 3)


def emphasis_of(**options):
    config = TrainConfig(data="x.csv", epochs=4, **options)
    return training_emphasis(config, resolve_config_score(config, COUNTS).score, COUNTS)


def told(heard, **options):
    config = TrainConfig(data="x.csv", epochs=4, **options)
    score = resolve_config_score(config, COUNTS).score
    tell_double_correction(config, score, COUNTS, NAMES, heard)
    return heard.warnings


def test_the_factors_are_the_drawn_share_over_the_natural_one_times_the_weight():
    drawn, weights = np.array([0.3, 0.5, 0.2]), np.array([1.0, 0.5, 4.0])
    found = combine_emphasis(COUNTS, drawn, weights)
    scale = (drawn * weights).sum()  # so that the mean weight of what is drawn is 1
    assert found.factors == pytest.approx(drawn / (COUNTS / 1000) * weights / scale)
    assert found.share.sum() == pytest.approx(1)
    assert found.over_balance == pytest.approx(3 * 0.8 / scale)


def test_one_correction_is_balance():
    for once in (
        {"schedule": "always", "score": "inverse"},
        {"schedule": "natural", "loss": "weighted"},
        {"schedule": "natural", "loss": "balanced-softmax"},
        {"schedule": "always", "score": "sqrt", "loss": "vs"},
        {"schedule": "cyclic", "score": "inverse", "loss": "logit-adjusted"},
        {"schedule": "always", "score": "inverse", "loss": "logit-adjusted", "tau": 2.0},
    ):
        found = emphasis_of(**once)
        assert found.share == pytest.approx(BALANCED), once
        assert not found.is_too_much


@pytest.mark.parametrize("loss", ["ce", "focal", "seesaw", "equalization", "soft-f1", "dice"])
def test_a_loss_without_weights_is_never_too_much(heard, loss):
    options = {"schedule": "always", "score": "power", "power": -1.0, "loss": loss}
    assert emphasis_of(**options).over_balance > 2
    assert told(heard, **options) == []


@pytest.mark.parametrize("kind", ["balanced", "one-minus-share", "effective-number"])
def test_the_weights_are_those_of_the_loss(kind):
    found = emphasis_of(loss="weighted", class_weight=kind, schedule="natural")
    by_loss = loss_weights(torch.from_numpy(COUNTS.astype(float)), kind).numpy()
    expected = COUNTS * by_loss
    assert found.share == pytest.approx(expected / expected.sum())


def test_the_share_is_that_of_all_epochs():
    found = emphasis_of(loss="weighted", score="inverse", schedule="cyclic", cycle=2)
    drawn = (COUNTS / 1000 + BALANCED) / 2
    expected = drawn / COUNTS
    assert found.share == pytest.approx(expected / expected.sum())


def test_balanced_draws_with_balanced_weights_are_warned_of(heard):
    (warning,) = told(heard, schedule="always", score="inverse", loss="weighted")
    assert warning == (
        "--score inverse and --loss weighted make up for the same imbalance: together 'c' (10 "
        "examples) weighs 89.1 times as much as in the data and 'a' (900) 0.011 times, 2.7 times "
        "the rarest class's balanced share. Use --loss balanced-softmax, which sees what is drawn, "
        "or --schedule natural."
    )


@pytest.mark.parametrize("loss", ["ce", "ldam"])
def test_reweighted_epochs_alone_are_about_balance(heard, loss):
    found = emphasis_of(loss=loss, schedule="natural", drw=True)
    expected = COUNTS * effective_number_score(COUNTS, 0.9999)
    assert found.share == pytest.approx(expected / expected.sum())
    assert found.over_balance == pytest.approx(1, abs=0.05)
    assert told(heard, loss=loss, schedule="natural", drw=True) == []


def test_balanced_draws_in_reweighted_epochs_are_warned_of(heard):
    """Of the epochs before it does not matter what they draw."""
    (warning,) = told(heard, schedule="always", score="inverse", loss="ldam", drw=True)
    assert warning == (
        "--score inverse and --drw make up for the same imbalance: from epoch 3 on, together 'c' "
        "(10 examples) weighs 89 times as much as in the data and 'a' (900) 0.0115 times, 2.7 "
        "times the rarest class's balanced share. Leave --drw out, or use it with --schedule "
        "natural and --loss ldam or ce."
    )
    late = {"schedule": "deferred", "defer": 0.7, "score": "inverse", "drw": True}
    assert emphasis_of(**late).share == pytest.approx(
        emphasis_of(**late | {"schedule": "always"}).share
    )
    early = {"schedule": "always:3+natural", "score": "inverse", "drw": True}
    assert not emphasis_of(**early).is_too_much


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"loss": "weighted", "score": "inverse"}, "--score inverse and --loss weighted and --drw"),
        ({"loss": "weighted", "schedule": "natural"}, "--loss weighted and --drw"),
        ({"loss": "balanced-softmax", "score": "inverse"}, "--loss balanced-softmax and --drw"),
    ],
)
def test_what_reweighted_epochs_correct_again_is_named(heard, options, named):
    (warning,) = told(heard, **{"schedule": "always", "drw": True} | options)
    assert warning.startswith(f"{named} make up for the same imbalance")


def test_a_tau_beyond_balance_is_warned_of(heard):
    (warning,) = told(heard, schedule="natural", loss="logit-adjusted", tau=2.0)
    assert warning.startswith("--tau 2 corrects for more than the imbalance: 'c' (10 examples)")
    assert warning.endswith("Use --tau 1, which is balance whatever is drawn.")
