"""On classes whose Bayes rule is known: who sees the drawn share needs no correction."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dsample_cli.core.class_scores import class_weights, expected_share
from dsample_cli.training.objective import Objective

COUNTS = np.array([900, 90, 10])
MEANS = np.array([[0.0, 0.0], [1.8, 0.0], [0.5, 1.6]])
TRAINED_ON, TESTED_ON = 20_000, 21_000
# Within it of the Bayes rule's balanced accuracy is sampling error.
POINTS = 0.015


def draw(share, size, seed):
    """Examples of Gaussian classes with unit covariance, so that the Bayes rule is linear."""
    codes = np.repeat(np.arange(3), np.rint(share * size).astype(int))
    noise = np.random.default_rng(seed).normal(size=(len(codes), 2))
    return MEANS[codes] + noise, codes


def share_of(score, mix=1.0):
    weights = class_weights(score, COUNTS) if mix else np.ones(3)
    return expected_share(COUNTS, weights, mix)


def fit_linear(loss, shares, **options):
    """Train a linear softmax model on epochs that draw the given shares."""
    model = torch.nn.Linear(2, 3, dtype=torch.float64)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    epochs = []
    for seed, share in enumerate(shares):
        points, codes = draw(share, TRAINED_ON, seed)
        objective = Objective(
            loss, torch.from_numpy(codes), torch.from_numpy(COUNTS.astype(float)), options
        )
        objective.restart(share=share)
        epochs.append((torch.from_numpy(points), torch.arange(len(codes)), objective))
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def step():
        optimizer.zero_grad()
        value = sum(
            objective(SimpleNamespace(logits=model(points)), rows)
            for points, rows, objective in epochs
        )
        value.backward()
        return value

    optimizer.step(step)
    return model


def balanced_accuracy(predicted, codes):
    return np.mean([(predicted[codes == c] == c).mean() for c in range(3)])


def shortfall(model):
    """How far the uncorrected model stays behind the Bayes rule of equally frequent classes."""
    points, codes = draw(np.ones(3) / 3, TESTED_ON, 1000)
    bayes = (points @ MEANS.T - (MEANS**2).sum(axis=1) / 2).argmax(axis=1)
    with torch.no_grad():
        predicted = model(torch.from_numpy(points)).argmax(dim=1).numpy()
    return balanced_accuracy(bayes, codes) - balanced_accuracy(predicted, codes)


NATURAL, INVERSE, SOFTMAX = share_of("inverse", 0.0), share_of("inverse"), share_of("softmax")
SHARES = {
    "natural": [NATURAL],
    "inverse": [INVERSE],
    "softmax": [SOFTMAX],
    "cyclic": [NATURAL, INVERSE, INVERSE],
    "linear": [share_of("inverse", mix) for mix in (0.0, 0.5, 1.0)],
}


@pytest.mark.parametrize("schedule", SHARES)
@pytest.mark.parametrize("loss", ["balanced-softmax", "logit-adjusted"])
def test_what_sees_the_drawn_share_reaches_the_bayes_rule_uncorrected(loss, schedule):
    assert shortfall(fit_linear(loss, SHARES[schedule])) < POINTS


def test_balanced_weights_reach_it_on_natural_shares():
    assert shortfall(fit_linear("weighted", [NATURAL])) < POINTS


@pytest.mark.parametrize(
    ("loss", "shares", "options"),
    [
        ("ce", [NATURAL], {"label_smoothing": 0.0}),
        ("ce", [SOFTMAX], {"label_smoothing": 0.0}),
        ("weighted", [INVERSE], {}),  # corrected twice
        ("logit-adjusted", [NATURAL], {"tau": 2.0}),
    ],
)
def test_what_corrects_too_little_or_twice_does_not(loss, shares, options):
    assert shortfall(fit_linear(loss, shares, **options)) > 3 * POINTS
