"""The Trainer callback that runs the schedule: plan, record, judge, keep the best, stop."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_model
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from dsample_cli.core.class_scores import Floats, expected_share
from dsample_cli.core.config import TrainConfig
from dsample_cli.core.imbalance import GROUP_NAMES
from dsample_cli.core.progress import Listener
from dsample_cli.core.schedules import EpochPlan, Schedule
from dsample_cli.core.selection import Progress, advance, should_stop
from dsample_cli.errors import RunError
from dsample_cli.training import distributed
from dsample_cli.training.losses import Objective
from dsample_cli.training.sampler import EpochSampler

Record = dict[str, Any]


@dataclass
class Hooks:
    """What the recorder asks of the outside.

    Attributes:
        validate: Figures of the model on the validation set; None when there is none.
        save_record: Stores the line of a finished epoch.
        stop_requested: Whether the user asked to stop.
        listener: Hears of progress.
    """

    validate: Callable[[], dict[str, Any]] | None
    save_record: Callable[[Record], None]
    stop_requested: Callable[[], bool]
    listener: Listener


@dataclass
class EpochRecorder(TrainerCallback, ExportableState):
    """Plans each epoch by the schedule and writes down what it did.

    A checkpoint stores only how many epochs are recorded and the running sums of the present one;
    schedule and selection are replayed from the records.

    Attributes:
        records: Lines of the finished epochs.
        progress: Schedule state and selection after them.
        was_stopped: Whether training ended because the user asked for it.
    """

    config: TrainConfig
    schedule: Schedule
    sampler: EpochSampler
    objective: Objective
    label_names: tuple[str, ...]
    class_groups: Sequence[str]
    counts: NDArray[np.integer]
    weights: Floats
    best_file: Path
    hooks: Hooks
    progress: Progress
    records: list[Record] = field(default_factory=list)
    was_stopped: bool = False
    resumed: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self._seconds = 0.0
        self._clock = 0.0
        self._left = 0
        self._plan = EpochPlan(0.0)
        self._drawn: NDArray[np.integer] = np.zeros(0, int)

    @property
    def epoch(self) -> int:
        """The epoch in training."""
        return len(self.records)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of the recorder."""
        running = {
            "epochs_recorded": len(self.records),
            "loss_sum": self.objective.sum,
            "examples": self.objective.examples,
            "seconds": self._seconds + time.perf_counter() - self._clock,
        }
        return {"args": {}, "attributes": running}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell how much there is to do, and how much a resumed run has done."""
        size = len(self.sampler)
        self.hooks.listener.phase("training", size * self.config.planned_epochs)
        started = (self.resumed or {}).get("examples", 0)
        self.hooks.listener.advance(size * len(self.records) + started)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Decide the mix, draw the rows."""
        self._plan = self.schedule.plan(self.epoch, self.progress.schedule_state)
        self._drawn = self.sampler.plan(self.epoch, self._plan.mix)
        resumed, self.resumed = self.resumed or {}, None
        is_midway = resumed.get("examples", 0) > 0
        self.objective.restart(
            *((resumed["loss_sum"], resumed["examples"]) if is_midway else ()),
        )
        self._seconds = resumed["seconds"] if is_midway else 0.0
        self.hooks.listener.epoch_started(self.epoch, self.config.planned_epochs)
        self._left = int(self._drawn.sum()) - self.objective.examples
        self._clock = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report progress; on request checkpoint and stop, unless the epoch is about to end."""
        done = min(self.config.batch_size * args.world_size, self._left)
        self._left -= done
        self.hooks.listener.advance(done)
        is_last = state.global_step % (state.max_steps // self.config.planned_epochs) == 0
        # Several processes could see the request at different steps; they agree at the epoch's end.
        if not is_last and distributed.is_alone() and self.hooks.stop_requested():
            self.was_stopped = control.should_save = control.should_training_stop = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Validate, record, judge, keep the best weights, decide to go on."""
        if self.was_stopped:
            return
        self._seconds += time.perf_counter() - self._clock
        record = self._record()
        validation = record.get("validation")
        self.progress = advance(
            self.progress,
            self.schedule,
            self.epoch,
            self._plan.judged,
            validation,
            self.config.select_on,
        )
        selection = self.progress.selection
        record["improved"] = selection.best_epoch == self.epoch
        if record["improved"] and state.is_world_process_zero:
            save_weights(kwargs["model"], self.best_file)
        if state.is_world_process_zero:
            self.hooks.save_record(record)
        self.records.append(record)
        self.hooks.listener.epoch_finished(record)
        # The next epoch has no sums yet; a checkpoint written now must say so.
        self.objective.restart()
        is_over = len(self.records) == self.config.planned_epochs
        if should_stop(selection, self.config.patience) and not is_over:
            control.should_training_stop = True
        elif not is_over:
            control.should_save = True
            if distributed.total(float(self.hooks.stop_requested())):
                self.was_stopped = control.should_training_stop = True

    def _record(self) -> Record:
        names, drawn = self.label_names, self._drawn
        examples = distributed.total(float(self.objective.examples))
        loss = distributed.total(self.objective.sum) / max(1.0, examples)
        if not math.isfinite(loss):
            raise RunError(
                f"The training loss became {loss} in epoch {self.epoch}.",
                "Lower --lr, or use --precision fp32.",
            )
        expected = expected_share(self.counts, self.weights, self._plan.mix)
        record: Record = {
            "epoch": self.epoch,
            "mix": self._plan.mix,
            "judged": self._plan.judged,
            "expected": dict(zip(names, expected.tolist(), strict=True)),
            "drawn": dict(zip(names, drawn.tolist(), strict=True)),
            "drawn_by_group": self._share_by_group(drawn),
            "train_loss": loss,
        }
        if self.hooks.validate is not None:
            record["validation"] = self.hooks.validate()
        record["seconds"] = round(self._seconds, 3)
        record["examples_per_second"] = round(int(drawn.sum()) / max(self._seconds, 1e-9), 1)
        return record

    def _share_by_group(self, drawn: NDArray[np.integer]) -> dict[str, float]:
        groups = np.array(self.class_groups)
        return {
            group: float(drawn[groups == group].sum() / drawn.sum())
            for group in GROUP_NAMES
            if group in self.class_groups
        }


def save_weights(model: Any, path: Path) -> None:
    """Write a model's weights; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_model(getattr(model, "module", model), str(partial))
    partial.replace(path)
