"""Whether score and loss make up for the same imbalance twice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsample_cli.core.class_scores import Counts, Floats, effective_number_score, inverse_score
from dsample_cli.core.config import TrainConfig
from dsample_cli.core.epochs import expected_draws
from dsample_cli.core.progress import Listener
from dsample_cli.core.reweighting import epoch_weights
from dsample_cli.core.schedules import EpochPlan, plans
from dsample_cli.core.scores import Score

# So many times its balanced share is too much for the rarest class.
MOST_OVER_BALANCE = 1.5


@dataclass(frozen=True)
class Emphasis:
    """How much each class weighs in a training, by what is drawn and by the loss.

    Attributes:
        counts: Training examples per class, shape [C].
        share: Share of the loss that falls to each class, shape [C]: the drawn share times the
            loss's own weight.
        is_of_loss: Whether the loss treats the drawn classes unequally, by itself.
    """

    counts: Counts
    share: Floats
    is_of_loss: bool

    @property
    def factors(self) -> Floats:
        """How many times as much a class weighs as in the data, shape [C]."""
        return self.share / (self.counts / self.counts.sum())

    @property
    def over_balance(self) -> float:
        """How many times its balanced share 1/C the rarest class has."""
        return float(len(self.share) * self.share[self.counts.argmin()])

    @property
    def is_too_much(self) -> bool:
        return self.is_of_loss and self.over_balance > MOST_OVER_BALANCE


def combine_emphasis(counts: Counts, drawn_share: Floats, weights: Floats) -> Emphasis:
    """Put together what the sampler and the loss do to each class.

    share[c] ~ drawn_share[c] weights[c];  factors[c] = share[c] / natural[c]

    Args:
        counts: Training examples per class, shape [C], all >= 1.
        drawn_share: Expected class share of the whole training, shape [C].
        weights: What one drawn example of each class weighs in the loss, shape [C], up to a factor.

    Examples:
        >>> counts, balanced = np.array([90, 10]), np.array([0.5, 0.5])
        >>> combine_emphasis(counts, balanced, 1 / counts).factors.round(2)
        array([0.11, 9.  ])
    """
    share = drawn_share * weights / (drawn_share * weights).sum()
    return Emphasis(counts, share, bool(np.ptp(weights) > 1e-9 * weights.max()))


def training_emphasis(config: TrainConfig, score: Score, counts: Counts) -> Emphasis:
    """What the planned epochs of a run do to each class; under --drw those that it re-weights.

    They come last, so what they do stays. Where the run decides between natural and scored epochs,
    what it does while every epoch improves; example scores count by their class part.
    """
    drawn = weighted = np.zeros(len(counts))
    for epoch, plan in _decisive_epochs(config):
        draws = expected_draws(counts, score, plan, epoch)
        drawn = drawn + draws
        weighted = weighted + draws * epoch_weights(config, epoch, counts, draws / draws.sum())
    drawn_share = drawn / drawn.sum()
    weights = loss_weights(config, counts, drawn_share) * weighted / np.maximum(drawn, 1e-8)
    return combine_emphasis(counts, drawn_share, weights)


def tell_double_correction(
    config: TrainConfig, score: Score, counts: Counts, names: Sequence[str], listener: Listener
) -> None:
    """Warn where the classes do not come out balanced but turned around."""
    emphasis = training_emphasis(config, score, counts)
    if emphasis.is_too_much:
        listener.warn(double_correction_warning(config, emphasis, names))


def double_correction_warning(config: TrainConfig, emphasis: Emphasis, names: Sequence[str]) -> str:
    """What to know about classes that are corrected beyond balance, and what to do."""
    counts, factors = emphasis.counts, emphasis.factors
    rarest, largest = int(counts.argmin()), int(counts.argmax())
    effect = (
        f"'{names[rarest]}' ({counts[rarest]} examples) weighs {factors[rarest]:.3g} times as much "
        f"as in the data and '{names[largest]}' ({counts[largest]}) {factors[largest]:.3g} times, "
        f"{emphasis.over_balance:.1f} times the rarest class's balanced share."
    )
    if config.drw:
        first = _decisive_epochs(config)[0][0]
        return (
            f"{' and '.join(_favouring(config))} make up for the same imbalance: from epoch "
            f"{first} on, together {effect} Leave --drw out, or use it with --schedule natural and "
            "--loss ldam or ce."
        )
    if config.loss == "weighted":
        return (
            f"--score {config.score} and --loss weighted make up for the same imbalance: together "
            f"{effect} Use --loss balanced-softmax, which sees what is drawn, or "
            "--schedule natural."
        )
    return (
        f"--tau {config.tau:g} corrects for more than the imbalance: {effect} Use --tau 1, which "
        "is balance whatever is drawn."
    )


def _decisive_epochs(config: TrainConfig) -> list[tuple[int, EpochPlan]]:
    """The planned epochs that --drw re-weights, or all without it."""
    planned = enumerate(plans(config.make_schedule(), config.planned_epochs))
    return [(e, plan) for e, plan in planned if config.is_reweighted(e) or not config.drw]


def _favouring(config: TrainConfig) -> list[str]:
    """The options that favour rare classes in the epochs that --drw re-weights."""
    takes_out_draws = _tau(config) > 0
    is_scored = any(plan.mix > 0 for _, plan in _decisive_epochs(config))
    by_score = [f"--score {config.score}"] * (is_scored and not takes_out_draws)
    by_loss = [f"--loss {config.loss}"] * (takes_out_draws or config.loss == "weighted")
    return [*by_score, *by_loss, "--drw"]


def loss_weights(config: TrainConfig, counts: Counts, drawn_share: Floats) -> Floats:
    """What one drawn example weighs in the loss, up to a factor; see training/losses.py.

    The losses that adjust logits by the drawn share divide by its power tau: at 1 the classes come
    out balanced under every score. Seesaw and equalization see the drawn share too.
    """
    if config.loss == "weighted":
        if config.class_weight == "balanced":
            return inverse_score(counts)
        if config.class_weight == "one-minus-share":
            return 1 - counts / counts.sum()
        return effective_number_score(counts, config.weight_beta)
    return np.maximum(drawn_share, 1e-8) ** -_tau(config)


def _tau(config: TrainConfig) -> float:
    """Power of the drawn share that the loss takes out of the logits."""
    taus = {"balanced-softmax": 1.0, "logit-adjusted": config.tau, "vs": config.tau}
    return taus.get(config.loss, 0.0)
