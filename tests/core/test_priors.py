"""The prior that a model carries, and the one that it is to serve."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsample_cli.core.priors import (
    carried_prior,
    learning_rates,
    parse_target_prior,
    shift_prior,
    target_prior,
)
from dsample_cli.errors import ConfigError

NAMES, COUNTS = ["ham", "spam", "scam"], np.array([60, 30, 10])
SHARES = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
lengths_of_epochs = st.lists(st.integers(1, 500), min_size=1, max_size=12)


def make_training(epochs, seed):
    """Shares and rates of some epochs."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(4), size=epochs), rng.uniform(0.01, 1, size=epochs).tolist()


trainings = st.builds(make_training, st.integers(1, 8), st.integers(0, 10_000))


@given(trainings)
def test_a_prior_is_a_mean_of_the_epochs_shares(training):
    shares, rates = training
    prior = carried_prior(shares, rates)
    assert prior.sum() == pytest.approx(1)
    assert (prior >= shares.min(axis=0) - 1e-12).all()
    assert (prior <= shares.max(axis=0) + 1e-12).all()


@given(trainings, st.permutations(range(4)))
def test_a_prior_follows_the_order_of_the_classes(training, order):
    shares, rates = training
    found = carried_prior(shares[:, order], rates)
    assert found == pytest.approx(carried_prior(shares, rates)[order])


@given(trainings, st.floats(1e-6, 1e6))
def test_rates_may_be_in_any_unit(training, unit):
    shares, rates = training
    found = carried_prior(shares, np.multiply(rates, unit).tolist())
    assert found == pytest.approx(carried_prior(shares, rates))


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_shares_that_never_change_are_carried_whatever_the_rates(schedule):
    rates = learning_rates([100] * 5, schedule, 0.2)
    assert carried_prior(np.tile(SHARES[0], (5, 1)), rates) == pytest.approx(SHARES[0])


def test_one_epoch_leaves_its_own_share():
    assert carried_prior(SHARES[:1], [0.3]) == pytest.approx(SHARES[0])


def test_what_was_trained_later_weighs_more():
    """The weight of each epoch, read off shares in which each epoch has a class of its own."""
    weights = carried_prior(np.eye(5), [1.0] * 5)
    assert weights[1:] / weights[:-1] == pytest.approx(np.exp(2))


def test_an_epoch_that_learned_nothing_counts_for_nothing():
    assert carried_prior(np.eye(3), [1.0, 1.0, 0.0])[2] == pytest.approx(0, abs=1e-7)


def test_a_class_that_was_never_drawn_keeps_a_little():
    prior = carried_prior(np.array([[0.5, 0.5, 0.0]]), [1.0])
    assert prior == pytest.approx([0.5, 0.5, 0], abs=1e-7)
    assert np.isfinite(np.log(prior)).all()


@given(lengths_of_epochs, st.sampled_from([0.0, 0.1, 0.5, 0.9]))
@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_rates_add_up_to_the_whole_training(schedule, lengths, warmup):
    rates = learning_rates(lengths, schedule, warmup)
    whole = warmup / 2 + (1 - warmup) * (1 if schedule == "constant" else 0.5)
    assert len(rates) == len(lengths)
    assert np.average(rates, weights=lengths) == pytest.approx(whole, abs=1e-3)


@pytest.mark.parametrize("warmup", [0.0, 0.2])
@pytest.mark.parametrize(
    ("schedule", "scheduler"),
    [("linear", "linear"), ("cosine", "cosine"), ("constant", "constant_with_warmup")],
)
def test_rates_are_those_of_the_steps(schedule, scheduler, warmup):
    """Epochs of 300, 100 and 600 steps under the schedulers of transformers."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    steps = {"num_warmup_steps": round(1000 * warmup), "num_training_steps": 1000}
    stepper = transformers.get_scheduler(scheduler, optimizer, **steps)
    taken = []
    for _ in range(1000):
        taken.append(stepper.get_last_lr()[0])
        optimizer.step()
        stepper.step()
    expected = [np.mean(part) for part in np.split(taken, [300, 400])]
    assert learning_rates([300, 100, 600], schedule, warmup) == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("uniform", [1 / 3, 1 / 3, 1 / 3]),
        ("train", [0.6, 0.3, 0.1]),
        ("ham=0.5,spam=0.2,scam=0.3", [0.5, 0.2, 0.3]),
        ("scam=0.3, ham=0.5 ,spam=0.2", [0.5, 0.2, 0.3]),
        ("spam=0.2", [0.4, 0.2, 0.4]),
        ("scam=1e-3,ham=0.9", [0.9, 0.099, 0.001]),
    ],
)
def test_a_target_prior_is_read(text, shares):
    assert parse_target_prior(text, NAMES, COUNTS) == pytest.approx(shares)


def test_a_label_may_hold_an_equals_sign():
    assert parse_target_prior("a=b=0.2", ["a=b", "c"], np.array([1, 1])).tolist() == [0.2, 0.8]


def test_shares_that_sum_to_1_but_for_rounding_are_taken():
    prior = target_prior({"ham": 0.3333333, "spam": 0.3333333, "scam": 0.3333333}, NAMES)
    assert prior.sum() == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("unifrom", "--target-prior 'unifrom' holds no class shares.", "Write uniform, train"),
        ("", "--target-prior '' holds no class shares.", "Write uniform, train"),
        ("spam", "--target-prior 'spam' holds no class shares.", "label=share"),
        ("spam=0.2,", "--target-prior 'spam=0.2,' holds no class shares.", "label=share"),
        ("spma=0.2", "--target-prior names the unknown label 'spma'.", "Did you mean spam"),
        ("=0.2", "--target-prior names the unknown label ''.", "Choose one of: ham, spam, scam"),
        ("spam=much", "--target-prior gives 'spam' a share of nan.", "between 0 and 1"),
        ("spam=", "--target-prior gives 'spam' a share of nan.", "between 0 and 1"),
        ("spam=0", "--target-prior gives 'spam' a share of 0.", "between 0 and 1"),
        ("spam=1", "--target-prior gives 'spam' a share of 1.", "between 0 and 1"),
        ("spam=-0.2", "--target-prior gives 'spam' a share of -0.2.", "between 0 and 1"),
        ("spam=20%", "--target-prior gives 'spam' a share of nan.", "between 0 and 1"),
        ("spam=inf", "--target-prior gives 'spam' a share of inf.", "between 0 and 1"),
        ("spam=0.2,spam=0.3", "--target-prior names 'spam' twice.", "Leave one of them out"),
        ("ham=0.5,spam=0.5", "The shares of --target-prior sum to 1.", "less when labels are left"),
        ("ham=0.9,spam=0.3", "The shares of --target-prior sum to 1.2.", "must sum to 1"),
        ("ham=0.5,spam=0.2,scam=0.2", "The shares of --target-prior sum to 0.9.", "must sum to 1"),
    ],
)
def test_shares_that_are_no_distribution_are_refused(text, message, hint):
    with pytest.raises(ConfigError) as caught:
        parse_target_prior(text, NAMES, COUNTS)
    assert caught.value.message == message
    assert hint in caught.value.hint


def test_a_shift_moves_the_mean_probability_from_prior_to_prior():
    """Probabilities of a known joint distribution: class c shows feature x with p[c, x]."""
    likelihood = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    old, new = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.2, 0.6])
    joint = (likelihood * old[:, None]).T
    shifted = shift_prior(joint / joint.sum(axis=1, keepdims=True), old, new)
    joint = (likelihood * new[:, None]).T
    assert shifted == pytest.approx(joint / joint.sum(axis=1, keepdims=True))


def test_a_shift_can_be_taken_back_and_one_to_the_same_changes_nothing():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), size=20)
    there = shift_prior(probabilities, SHARES[0], SHARES[1])
    assert shift_prior(there, SHARES[1], SHARES[0]) == pytest.approx(probabilities)
    assert shift_prior(probabilities, SHARES[0], SHARES[0]) == pytest.approx(probabilities)
