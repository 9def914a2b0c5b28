"""From a score's options to what a run draws by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dsample_cli.core.class_scores import CLASS_SCORES, Counts, auto_beta
from dsample_cli.core.config import AUTO, TrainConfig
from dsample_cli.core.epochs import expected_draws
from dsample_cli.core.schedules import EpochPlan, Schedule, plans
from dsample_cli.core.scores import Score, make_score, parse_score
from dsample_cli.core.signatures import option_names
from dsample_cli.core.temperature import auto_temperature, temperature_for_minority_share

_OPTIONS = (
    "temperature",
    "minority_share",
    "power",
    "beta",
    "hard_share",
    "easy_start",
    "pressure",
    "active_bias",
)
# An example that comes more often than this in one epoch is more likely memorised than learned.
MOST_REPEATS = 30


@dataclass(frozen=True)
class ResolvedScore:
    """A score with the numbers that stand for `auto`.

    Attributes:
        score: What is drawn by.
        settled: Option name -> number, for those options of the score that can be auto.
    """

    score: Score
    settled: dict[str, float]


def resolve_score(
    name: str,
    counts: Counts,
    temperature: str | float = AUTO,
    minority_share: float | None = None,
    beta: str | float = AUTO,
    **options: Any,
) -> ResolvedScore:
    """Build a score, choosing from the counts what is left open.

    Args:
        name: As a user types it.
        counts: Examples per class, shape [C], all >= 1.
        temperature: Of softmax: a number, or auto.
        minority_share: Sets the temperature instead.
        beta: Of effective-number: a number, or auto.
        **options: Of the other scores, see `core.scores.make_score`.

    Raises:
        ConfigError: If the score is unknown or an option impossible.
    """
    of_classes = [CLASS_SCORES[n] for n in parse_score(name) if n in CLASS_SCORES]
    used = frozenset[str]().union(*map(option_names, of_classes))
    settled = {}
    if "temperature" in used:
        if minority_share is not None:
            settled["temperature"] = temperature_for_minority_share(counts, minority_share)
        elif temperature == AUTO:
            settled["temperature"] = auto_temperature(counts)
        else:
            settled["temperature"] = float(temperature)
    if "beta" in used:
        settled["beta"] = auto_beta(counts) if beta == AUTO else float(beta)
    return ResolvedScore(make_score(name, counts, **(options | settled)), settled)


def resolve_config_score(config: TrainConfig, counts: Counts) -> ResolvedScore:
    """The score that a run's config describes."""
    return resolve_score(
        config.score,
        counts,
        score_warmup=config.planned_score_warmup,
        epochs=config.planned_epochs,
        **{name: getattr(config, name) for name in _OPTIONS},
    )


def settle(config: TrainConfig, resolved: ResolvedScore) -> TrainConfig:
    """The config with numbers where the score settled an `auto`."""
    if "temperature" in resolved.settled:
        config = replace(config, minority_share=None)
    settled: dict[str, Any] = dict(resolved.settled)
    return replace(config, **settled)


@dataclass(frozen=True)
class Repetition:
    """The example that is expected to come most often in one epoch.

    Attributes:
        times: Expected draws of each example of the class.
        class_id: Its label id.
        epoch: The epoch.
    """

    times: float
    class_id: int
    epoch: int

    @property
    def is_too_much(self) -> bool:
        return self.times > MOST_REPEATS


def most_repeated(counts: Counts, score: Score, schedule: Schedule, epochs: int) -> Repetition:
    """Where a schedule repeats an example most, by the expected draws.

    Where the run decides between natural and scored epochs, every epoch may be a scored one.
    """
    found = Repetition(0.0, 0, 0)
    for epoch, own in enumerate(plans(schedule, epochs)):
        for plan in (own, EpochPlan(1.0)) if schedule.depends_on_run else (own,):
            times = expected_draws(counts, score, plan, epoch) / counts
            class_id = int(times.argmax())
            if times[class_id] > found.times:
                found = Repetition(float(times[class_id]), class_id, epoch)
    return found


def repetition_warning(found: Repetition, counts: Counts, names: Sequence[str]) -> str:
    """What to know about an example that comes too often, and what to do."""
    count = int(counts[found.class_id])
    return (
        f"The {count} example{'s' * (count != 1)} of '{names[found.class_id]}' will come "
        f"{found.times:.0f} times each in epoch {found.epoch}, which invites memorising. Use "
        "--score sqrt, a higher --temperature, or more examples."
    )
