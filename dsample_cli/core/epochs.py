"""The engine: what an epoch is expected to draw, and what it draws.

`EpochPlan` (schedule) and `Score` come together here. Preview, sampler, records and prior-aware
losses all read the expected shares of this module.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Counts, Floats, expected_share
from dsample_cli.core.sampling import (
    Rows,
    Tally,
    draw_by_class,
    draw_by_row,
    draw_resampled,
    epoch_rng,
    index_classes,
    mix_rows,
    tally_rows,
)
from dsample_cli.core.schedules import EpochPlan, Schedule, plans
from dsample_cli.core.scores import Score


def expected_draws(
    counts: Counts, score: Score, plan: EpochPlan, epoch: int, example_mass: Floats | None = None
) -> Floats:
    """How many examples of each class an epoch is expected to draw.

    Their sum is the epoch's length; divided by it they are the expected class shares, and divided
    by the counts the mean number of times that an example of the class comes.

    Args:
        counts: Examples per class, shape [C].
        score: What is drawn by.
        plan: Of the epoch.
        epoch: Its number, from 0.
        example_mass: Sum of the example weights of each class, shape [C] (of their power `mix` when
            the plan is geometric). Without it, example scores count as equal for all examples of a
            class, which is all that can be known before training.

    Returns:
        Shape [C].
    """
    if is_natural(score, plan, epoch):
        return counts.astype(np.float64)
    weights = score.class_weights
    if example_mass is not None:
        weights = example_mass / counts
        if plan.geometric:
            return counts.sum() * example_mass / example_mass.sum()
    share = expected_share(counts, weights, plan.mix, plan.geometric)
    if score.resampling is not None:
        return score.resampling(counts, share).astype(np.float64)
    return counts.sum() * share


def epoch_lengths(counts: Counts, score: Score, schedule: Schedule, epochs: int) -> list[int]:
    """Draws of each planned epoch; the longer kind where the run decides between two.

    Args:
        counts: Examples per class, shape [C].
        score: What is drawn by; only a resampling gives epochs a length other than N.
        schedule: Plans the epochs.
        epochs: How many.
    """

    def length(epoch: int, plan: EpochPlan) -> int:
        return round(expected_draws(counts, score, plan, epoch).sum())

    planned = enumerate(plans(schedule, epochs))
    if not schedule.depends_on_run:
        return [length(epoch, plan) for epoch, plan in planned]
    both = EpochPlan(0.0), EpochPlan(1.0)
    return [max(length(epoch, plan) for plan in (own, *both)) for epoch, own in planned]


def is_natural(score: Score, plan: EpochPlan, epoch: int) -> bool:
    """Whether an epoch reads every example once.

    So it does at mix 0, and while an example score that acts alone is still warming up.
    """
    is_warming_up = bool(score.example_names) and not score.acts_on_examples(epoch)
    return plan.mix == 0 or (is_warming_up and score.is_uniform)


@dataclass(frozen=True)
class EpochDraw:
    """The rows of an epoch, and what it draws of each class.

    Attributes:
        rows: In the order of training, shape [M].
        expected: Expected draws of each class, shape [C].
        tally: What became of each class.
        rng: The generator that drew them, for what is yet to shuffle.
    """

    rows: Rows
    expected: Floats
    tally: Tally
    rng: np.random.Generator


class EpochDrawer:
    """Draws epochs of a data set. The same seed, epoch, plan and weights give the same rows.

    Args:
        codes: Label id of each row, shape [N].
        score: What is drawn by.
        seed: Of all draws.
        order: What a natural epoch reads: "shuffled", or "file" for the file's own order.
    """

    def __init__(
        self, codes: NDArray[np.integer], score: Score, seed: int, order: str = "shuffled"
    ) -> None:
        self._codes = codes
        self._score = score
        self._seed = seed
        self._order = order
        self._index = index_classes(codes, len(score.class_weights))

    @property
    def counts(self) -> Counts:
        """Examples per class, shape [C]."""
        return self._index.counts

    def draw(self, epoch: int, plan: EpochPlan, example_weights: Floats | None = None) -> EpochDraw:
        """Draw an epoch.

        Args:
            epoch: Its number, from 0.
            plan: Its mix.
            example_weights: Weight of each row where example scores act, shape [N].
        """
        rng = epoch_rng(self._seed, epoch)
        mass: Floats | None = None
        if example_weights is not None:
            if plan.geometric:
                example_weights = example_weights**plan.mix
            mass = self._sum_by_class(example_weights)
        expected = expected_draws(self.counts, self._score, plan, epoch, mass)
        if is_natural(self._score, plan, epoch):
            return EpochDraw(self._natural_rows(rng), expected, self._natural_tally(), rng)
        if self._score.resampling is not None:
            rows = draw_resampled(self._index, expected.astype(np.int64), rng)
            rng.shuffle(rows)
            return EpochDraw(rows, expected, tally_rows(self._index, rows), rng)
        tally = Tally(len(self.counts))
        mix = 1.0 if plan.geometric else plan.mix

        def draw(size: int) -> Rows:
            if example_weights is not None:
                return draw_by_row(example_weights, size, rng)
            weights = self._score.class_weights
            if plan.geometric:
                weights = weights**plan.mix
            return draw_by_class(self._index, weights, size, rng, tally)

        rows = mix_rows(len(self._codes), mix, draw, rng)
        if mix < 1 or example_weights is not None:
            tally = tally_rows(self._index, rows)
        return EpochDraw(rows, expected, tally, rng)

    def _sum_by_class(self, values: Floats) -> Floats:
        sums = np.bincount(self._codes, weights=values, minlength=len(self.counts))
        return sums.astype(np.float64)

    def _natural_rows(self, rng: np.random.Generator) -> Rows:
        rows: Rows = np.arange(len(self._codes), dtype=self._index.rows.dtype)
        if self._order == "shuffled":
            rng.shuffle(rows)
        return rows

    def _natural_tally(self) -> Tally:
        tally = Tally(len(self.counts))
        tally.drawn[:] = tally.distinct[:] = self.counts
        tally.most_repeated[:] = self.counts > 0
        return tally
