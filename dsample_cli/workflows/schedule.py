"""What each epoch of a training would draw, without training."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dsample_cli.core.class_scores import Counts, Floats
from dsample_cli.core.config import AUTO, TrainConfig, auto_epochs
from dsample_cli.core.epochs import expected_draws
from dsample_cli.core.imbalance import GROUP_NAMES, frequency_groups
from dsample_cli.core.progress import Listener
from dsample_cli.core.sampling import count_classes
from dsample_cli.core.schedules import EpochPlan, Schedule, plans, run_dependent_epochs
from dsample_cli.core.scores import Score
from dsample_cli.workflows.datasets import Datasets, load_datasets
from dsample_cli.workflows.scoring import (
    MOST_REPEATS,
    most_repeated,
    repetition_warning,
    resolve_config_score,
)


@dataclass(frozen=True)
class EpochPreview:
    """What one epoch is expected to draw.

    Attributes:
        epoch: Its number, from 0.
        plan: Its mix, and whether it is judged.
        draws: Expected draws of each class, shape [C].
        repeats: Expected draws of each example of a class, shape [C].
        is_reaction: Whether the schedule lets the run decide its plan; this one is what it does
            while every epoch improves.
        weighs_examples: Whether an example score acts, so that the draws are its class part alone.
    """

    epoch: int
    plan: EpochPlan
    draws: Floats
    repeats: Floats
    is_reaction: bool
    weighs_examples: bool

    @property
    def length(self) -> int:
        """Draws in all."""
        return round(self.draws.sum())

    @property
    def share(self) -> Floats:
        """Expected class shares, shape [C], as `epochs.jsonl` records them."""
        return self.draws / self.draws.sum()

    @property
    def depends_on_run(self) -> bool:
        return self.is_reaction or self.weighs_examples

    @property
    def repeats_too_much(self) -> bool:
        return bool(self.repeats.max() > MOST_REPEATS)


@dataclass(frozen=True)
class ScheduleResult:
    """What `dsample schedule` shows.

    Attributes:
        config: With `epochs` as a number.
        data: The split that `train` would make.
        counts: Training examples per class, shape [C].
        class_groups: many, medium or few, per class.
        settled: Option name -> number, where the score settled an `auto`.
        example_names: Example scores.
        epochs: The planned epochs.
        warnings: What may spoil the training.
    """

    config: TrainConfig
    data: Datasets
    counts: Counts
    class_groups: tuple[str, ...]
    settled: dict[str, float]
    example_names: tuple[str, ...]
    epochs: tuple[EpochPreview, ...]
    warnings: tuple[str, ...]

    @property
    def group_names(self) -> tuple[str, ...]:
        """The groups that there are."""
        return tuple(group for group in GROUP_NAMES if group in self.class_groups)

    def group_share(self, draws: Floats, group: str) -> float:
        """Share of the draws, shape [C], that falls to a group."""
        return float(draws[np.array(self.class_groups) == group].sum() / draws.sum())

    @property
    def mixes(self) -> list[float]:
        """Mix of each epoch."""
        return [epoch.plan.mix for epoch in self.epochs]

    @property
    def shares_by_group(self) -> dict[str, list[float]]:
        """Expected share of each group by epoch."""
        return {
            group: [self.group_share(epoch.draws, group) for epoch in self.epochs]
            for group in self.group_names
        }

    def to_json(self, plot: str | None = None) -> dict[str, Any]:
        """The public JSON object of `dsample schedule --json`."""
        train, text = self.data.parts["train"], self.data.text_columns
        return {
            "data": {
                "path": train.path,
                "rows": self.data.rows,
                "train_rows": len(train.rows),
                "sha256": train.sha256,
                "text_column": text[0] if len(text) == 1 else list(text),
                "label_column": self.data.label_column,
            },
            "score": self.config.score,
            "settled": self.settled,
            "schedule": self.config.schedule,
            "epochs": [self._epoch_to_json(epoch) for epoch in self.epochs],
            "depends_on_run": any(epoch.depends_on_run for epoch in self.epochs),
            "warnings": list(self.warnings),
            "plot": plot,
        }

    def _epoch_to_json(self, epoch: EpochPreview) -> dict[str, Any]:
        names = self.data.label_names
        return {
            "epoch": epoch.epoch,
            "mix": epoch.plan.mix,
            "judged": epoch.plan.judged,
            "length": epoch.length,
            "expected": dict(zip(names, epoch.share.tolist(), strict=True)),
            "groups": {group: self.group_share(epoch.draws, group) for group in self.group_names},
            "repeats": dict(zip(names, epoch.repeats.tolist(), strict=True)),
            "depends_on_run": epoch.depends_on_run,
        }


def preview_schedule(config: TrainConfig, listener: Listener) -> ScheduleResult:
    """Split the data as `train` would, and say what each epoch is expected to draw.

    Raises:
        DsampleError: If the data or the options cannot be used.
    """
    data = load_datasets(config, listener)
    train = data.parts["train"]
    if config.epochs == AUTO:
        config = replace(config, epochs=auto_epochs(len(train.rows)))
    counts = count_classes(train.codes, len(data.label_names))
    resolved = resolve_config_score(config, counts)
    schedule = config.make_schedule()
    has_validation = "validation" in data.parts
    warnings = _warnings(config, schedule, resolved.score, counts, data)
    for warning in warnings:
        listener.warn(warning)
    return ScheduleResult(
        config,
        data,
        counts,
        tuple(frequency_groups(counts, config.group_thresholds)),
        resolved.settled,
        resolved.score.example_names,
        _preview_epochs(schedule, resolved.score, counts, config.planned_epochs, has_validation),
        warnings,
    )


def _preview_epochs(
    schedule: Schedule, score: Score, counts: Counts, epochs: int, has_validation: bool
) -> tuple[EpochPreview, ...]:
    # Without validation nothing is judged, and so nothing is reacted to.
    reacts = run_dependent_epochs(schedule, epochs) if has_validation else [False] * epochs

    def preview(epoch: int, plan: EpochPlan) -> EpochPreview:
        draws = expected_draws(counts, score, plan, epoch)
        weighs_examples = score.acts_on_examples(epoch) and plan.mix > 0
        return EpochPreview(epoch, plan, draws, draws / counts, reacts[epoch], weighs_examples)

    return tuple(preview(epoch, plan) for epoch, plan in enumerate(plans(schedule, epochs)))


def _warnings(
    config: TrainConfig, schedule: Schedule, score: Score, counts: Counts, data: Datasets
) -> tuple[str, ...]:
    found = []
    repetition = most_repeated(counts, score, schedule, config.planned_epochs)
    if repetition.is_too_much:
        found.append(repetition_warning(repetition, counts, data.label_names))
    if score.example_names and not score.acts_on_examples(config.planned_epochs - 1):
        found.append(
            f"--score {config.score} acts after {config.planned_score_warmup} epochs, and there "
            f"are {config.planned_epochs}. Lower --score-warmup or raise --epochs."
        )
    if schedule.depends_on_run and "validation" not in data.parts:
        found.append(f"--schedule {config.schedule} never switches without validation data.")
    return tuple(found)
