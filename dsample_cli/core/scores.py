"""A run's score: class scores, example scores and a resampling, multiplied as the user typed it.

`softmax`, `recency-bias+sqrt`, `oversample`: names joined by `+` multiply their weights.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.class_scores import CLASS_SCORES, Counts, Floats, class_weights, inverse_score
from dsample_cli.core.example_scores import EXAMPLE_SCORES
from dsample_cli.core.history import History
from dsample_cli.core.names import look_up
from dsample_cli.core.resampling import RESAMPLINGS
from dsample_cli.core.signatures import call_with, input_names
from dsample_cli.errors import ConfigError

SCORE_NAMES = (*CLASS_SCORES, *RESAMPLINGS, *EXAMPLE_SCORES)


def parse_score(text: str) -> tuple[str, ...]:
    """Names in a score that a user typed.

    Raises:
        ConfigError: If a name is unknown, occurs twice, or does not go with another.

    Examples:
        >>> parse_score("recency-bias+sqrt")
        ('recency-bias', 'sqrt')
    """
    names = tuple(part.strip() for part in text.split("+"))
    known = dict.fromkeys(SCORE_NAMES)
    for name in names:
        look_up(known, name, "score")
    if len(set(names)) < len(names):
        raise ConfigError(f"--score {text} names a score twice.", "Leave one of them out.")
    resamplings = [name for name in names if name in RESAMPLINGS]
    if len(resamplings) > 1:
        raise ConfigError(
            f"--score {text}: an epoch is either over-sampled or under-sampled.",
            "Leave one of them out.",
        )
    examples = [name for name in names if name in EXAMPLE_SCORES]
    if resamplings and examples:
        raise ConfigError(
            f"--score {text}: {resamplings[0]} goes with class scores only.",
            f"Use {resamplings[0]} alone, or {examples[0]} with a class score such as sqrt.",
        )
    if {"easy", "hard"} <= set(examples):
        raise ConfigError(
            f"--score {text}: easy and hard may leave no example between them.",
            "Leave one of them out.",
        )
    return names


def is_run_dependent(text: str) -> bool:
    """Whether a score needs what only training can tell."""
    return any(name in EXAMPLE_SCORES for name in parse_score(text))


@dataclass(frozen=True)
class Score:
    """What a run draws by.

    Attributes:
        class_weights: Per-example weight of each class, shape [C]; all equal without class score.
        example_names: Example scores, which multiply it once `first_epoch` has come.
        resampling: (counts, share) -> draws per class, or None to draw N examples an epoch.
        options: Of the example scores.
        first_epoch: Epochs before it weigh all examples of a class alike.
        epochs: Planned epochs.
    """

    class_weights: Floats
    example_names: tuple[str, ...] = ()
    resampling: Callable[[Counts, Floats], Counts] | None = None
    options: Mapping[str, Any] | None = None
    first_epoch: int = 0
    epochs: int = 1

    @property
    def keeps(self) -> frozenset[str]:
        """Names of what the example scores work on."""
        return frozenset().union(*(input_names(EXAMPLE_SCORES[n]) for n in self.example_names))

    @property
    def is_uniform(self) -> bool:
        """Whether the class part treats all classes alike."""
        return bool(np.ptp(self.class_weights) == 0)

    def acts_on_examples(self, epoch: int) -> bool:
        """Whether example scores have a say in an epoch."""
        return bool(self.example_names) and epoch >= self.first_epoch

    def progress(self, epoch: int) -> float:
        """0 in the first epoch in which example scores act, 1 in the last planned one."""
        span = self.epochs - 1 - self.first_epoch
        return min(1.0, max(0.0, (epoch - self.first_epoch) / span)) if span > 0 else 0.0

    def example_weights(self, epoch: int, codes: NDArray[np.integer], history: History) -> Floats:
        """Weight of each example, shape [N]: class score times example scores."""
        inputs: dict[str, Any] = {
            "codes": codes,
            "n_classes": len(self.class_weights),
            "progress": self.progress(epoch),
        }
        weights = self.class_weights[codes]
        for name in self.example_names:
            score = EXAMPLE_SCORES[name]
            needed = [inputs[n] if n in inputs else history.get(n) for n in input_names(score)]
            weights *= call_with(score, *needed, **(self.options or {}))
        return weights


def make_score(
    text: str,
    counts: Counts,
    score_warmup: int = 0,
    epochs: int = 1,
    **options: Any,
) -> Score:
    """Build the score that a user typed, for the given class counts.

    Args:
        text: Names joined by "+".
        counts: Examples per class, shape [C], all >= 1.
        score_warmup: Epochs before example scores act.
        epochs: Planned epochs.
        **options: Of all scores; each takes its own.

    Raises:
        ConfigError: If a name or an option is impossible.
    """
    names = parse_score(text)
    of_classes = [class_weights(n, counts, **options) for n in names if n in CLASS_SCORES]
    resampling = next((RESAMPLINGS[n] for n in names if n in RESAMPLINGS), None)
    if resampling is not None and not of_classes:
        of_classes = [inverse_score(counts)]
    weights = reduce(np.multiply, of_classes, np.ones(len(counts)))
    score = Score(
        weights / weights.sum(),
        tuple(n for n in names if n in EXAMPLE_SCORES),
        resampling,
        options,
        score_warmup,
        epochs,
    )
    # Impossible options of example scores would come to light only after the warm-up epochs.
    score.example_weights(0, np.zeros(2, int), History(2, len(counts), score.keeps))
    return score
