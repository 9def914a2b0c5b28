"""Which epoch is best, and when to stop: a state and a pure update."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from dsample_cli.core.schedules import Schedule

# What --select-on may watch: option value -> (key of the validation figures, higher is better).
SELECTION_METRICS: dict[str, tuple[str, bool]] = {
    "macro-f1": ("macro_f1", True),
    "balanced-accuracy": ("balanced_accuracy", True),
    "accuracy": ("accuracy", True),
    "loss": ("loss", False),
}


class Selection(NamedTuple):
    """Best judged epoch so far.

    Attributes:
        best: Its value of the watched metric, None before the first judged epoch.
        best_epoch: Its number.
        epochs_without_improvement: Judged epochs in a row that were not strictly better.
    """

    best: float | None = None
    best_epoch: int | None = None
    epochs_without_improvement: int = 0


def judge(selection: Selection, epoch: int, value: float, select_on: str) -> Selection:
    """Take a judged epoch into account. Improvement is strict, and NaN never improves.

    Examples:
        >>> judge(judge(Selection(), 0, 0.7, "loss"), 1, 0.7, "loss")
        Selection(best=0.7, best_epoch=0, epochs_without_improvement=1)
    """
    higher_is_better = SELECTION_METRICS[select_on][1]
    is_first = selection.best is None and not math.isnan(value)
    if is_first or (
        selection.best is not None
        and (value > selection.best if higher_is_better else value < selection.best)
    ):
        return Selection(value, epoch, 0)
    return selection._replace(epochs_without_improvement=selection.epochs_without_improvement + 1)


def should_stop(selection: Selection, patience: int) -> bool:
    """Whether `patience` judged epochs in a row brought nothing; 0 never stops."""
    return 0 < patience <= selection.epochs_without_improvement


class Progress(NamedTuple):
    """What decides the next epoch: the schedule's state and the selection."""

    schedule_state: Any
    selection: Selection


def advance(
    progress: Progress,
    schedule: Schedule,
    epoch: int,
    judged: bool,
    validation: Mapping[str, float] | None,
    select_on: str,
) -> Progress:
    """Progress after an epoch.

    Args:
        validation: The epoch's validation figures; None when there is no validation set, where
            nothing improves and nothing counts.
    """
    selection, improved = progress.selection, None
    if judged and validation is not None:
        value = validation[SELECTION_METRICS[select_on][0]]
        selection = judge(progress.selection, epoch, value, select_on)
        improved = selection.best_epoch == epoch
    return Progress(schedule.update(epoch, progress.schedule_state, improved), selection)


def replay(schedule: Schedule, records: Iterable[Mapping[str, Any]], select_on: str) -> Progress:
    """Progress after the logged epochs (lines of epochs.jsonl), for resuming."""
    progress = Progress(schedule.initial_state, Selection())
    for record in records:
        progress = advance(
            progress,
            schedule,
            record["epoch"],
            record["judged"],
            record.get("validation"),
            select_on,
        )
    return progress
