"""The Trainer callback that runs the schedule: plan, record, judge, keep the best, stop."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch.nn.utils import get_total_norm
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from dsample_cli.core.class_scores import Floats
from dsample_cli.core.config import TrainConfig
from dsample_cli.core.disk import replacing, writing
from dsample_cli.core.imbalance import GROUP_NAMES
from dsample_cli.core.progress import Listener
from dsample_cli.core.reweighting import epoch_weights
from dsample_cli.core.schedules import Schedule
from dsample_cli.core.selection import Progress, advance, should_stop
from dsample_cli.errors import RunError
from dsample_cli.training import distributed
from dsample_cli.training.checkpoints import Record, best_file, seal
from dsample_cli.training.freezing import trained_weights
from dsample_cli.training.memory import ExampleMemory
from dsample_cli.training.objective import NotFinite, Objective
from dsample_cli.training.sampler import EpochSampler
from dsample_cli.training.trackers import epoch_figures

# Key of a validation under which it has the recall of each class, which no record keeps.
CLASS_RECALL = "class_recall"


# How often several processes ask each other whether one was told to stop, or has lost its loss.
_STEPS_BETWEEN_QUESTIONS = 20
# How often the losses are looked at where that means to wait for a device.
_STEPS_BETWEEN_LOOKS = 50
# Rows that a message names.
_MOST_ROWS = 20


@dataclass
class Hooks:
    """What the recorder asks of the outside.

    Attributes:
        validate: Figures of the model on the validation set, beside them the recall of each class,
            shape [C], under CLASS_RECALL; None when there is none.
        save_record: Stores the line of a finished epoch.
        save_draws: Stores the rows that an epoch draws; None when nobody wants them.
        stop_requested: Whether the user asked to stop.
        listener: Hears of progress.
        row_numbers: Of the training rows in their file, shape [N].
    """

    validate: Callable[[], dict[str, Any]] | None
    save_record: Callable[[Record], None]
    save_draws: Callable[[int, NDArray[np.integer]], None] | None
    stop_requested: Callable[[], bool]
    listener: Listener
    row_numbers: NDArray[np.integer]


@dataclass
class Midway:
    """Where a checkpoint stands: finished epochs, and sums of the one in training.

    Attributes:
        epochs_recorded: Finished epochs.
        steps: Steps taken in the present one.
        loss_sums: Sum of each process's losses so far; added up at the epoch's end only, so that
            rounding is the same.
        examples: Their numbers.
        seconds: Training time of it so far.
    """

    epochs_recorded: int = 0
    steps: int = 0
    loss_sums: list[float] = field(default_factory=lambda: [0.0] * distributed.size())
    examples: list[int] = field(default_factory=lambda: [0] * distributed.size())
    seconds: float = 0.0


@dataclass
class EpochRecorder(TrainerCallback, ExportableState):
    """Plans each epoch by the schedule and writes down what it did.

    A checkpoint stores only where it stands, what the example scores remember and the records, from
    which schedule and selection are replayed.

    Attributes:
        folder: Of the checkpoints and the best weights.
        records: Lines of the finished epochs.
        progress: Schedule state and selection after them.
        was_stopped: Whether training ended because the user asked for it.
        report: Tells the trackers figures of an epoch; None where there are none.
    """

    config: TrainConfig
    schedule: Schedule
    sampler: EpochSampler
    objective: Objective
    memory: ExampleMemory
    label_names: tuple[str, ...]
    class_groups: Sequence[str]
    folder: Path
    hooks: Hooks
    progress: Progress
    records: list[Record] = field(default_factory=list)
    was_stopped: bool = False
    resumed: Midway = field(default_factory=Midway)
    report: Callable[[dict[str, float]], None] | None = None

    def __post_init__(self) -> None:
        self._seconds = 0.0
        self._clock = 0.0
        self._left = 0
        self._steps = 0
        self._saved = Midway()
        self._has_told_uneven_end = False
        self._class_recall: Floats | None = None

    @property
    def epoch(self) -> int:
        """The epoch in training."""
        return len(self.records)

    @property
    def _examples_a_step(self) -> int:
        """Examples of a full optimizer step of all processes."""
        return self.config.batch_size * self.config.grad_accum * distributed.size()

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of the recorder."""
        return {"args": {}, "attributes": asdict(self._saved)}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell how much there is to do, and how much a resumed run has done."""
        waits = args.device.type != "cpu"
        self._steps_between_looks = _STEPS_BETWEEN_LOOKS if waits else 1
        if not distributed.is_alone():
            self._steps_between_looks = _STEPS_BETWEEN_QUESTIONS
        self.hooks.listener.phase("training", state.max_steps * self._examples_a_step)
        done = sum(sum(record["drawn"].values()) for record in self.records)
        self.hooks.listener.advance(done + sum(self.resumed.examples))

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Decide the mix, draw the rows."""
        self._plan = self.schedule.plan(self.epoch, self.progress.schedule_state)
        weights = self.memory.weights(self.epoch)
        self._draw = self.sampler.plan(self.epoch, self._plan, weights)
        if self.hooks.save_draws is not None and state.is_world_process_zero:
            self.hooks.save_draws(self.epoch, self.sampler.rows)
        resumed, self.resumed = self.resumed, Midway()
        own, share = distributed.rank(), self._expected_share()
        self.objective.restart(
            resumed.loss_sums[own],
            resumed.examples[own],
            share,
            epoch_weights(self.config, self.epoch, self.sampler.counts, share),
        )
        self._seconds = resumed.seconds
        self._steps = self._first_step = resumed.steps
        self.hooks.listener.epoch_started(self.epoch, self.config.planned_epochs)
        self._tell_uneven_end()
        self._left = len(self.sampler) - sum(resumed.examples)
        self._clock = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report progress; checkpoint and stop when it is time, but not in the last step."""
        done = min(self._examples_a_step, self._left)
        self._left -= done
        self._steps += 1
        self.hooks.listener.advance(done)
        if self._steps == self.sampler.steps:
            return
        if self._steps % self._steps_between_looks == 0:
            self._require_finite_loss()
        if self._should_stop():
            self.was_stopped = control.should_training_stop = True
        every = self.config.checkpoint_steps
        if self.was_stopped or (every and state.global_step % every == 0):
            self._require_finite(kwargs["model"])
            self._save(args, state, control)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Seal the checkpoint. None of that is training time."""
        distributed.wait_for_all()  # until each has written its random state
        if state.is_world_process_zero:
            path = self.folder / f"checkpoint-{state.global_step}"
            seal(path, self.records, self.progress.selection.best_epoch)
        self._clock = time.perf_counter()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Validate, record, judge, keep the best weights, decide to go on."""
        if self.was_stopped:
            return
        self._seconds += time.perf_counter() - self._clock
        self._require_finite(kwargs["model"])
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
            save_weights(kwargs["model"], best_file(self.folder, self.epoch))
        if state.is_world_process_zero:
            self.hooks.save_record(record)
        self.records.append(record)
        self.hooks.listener.epoch_finished(record)
        if self.report is not None:
            rate = kwargs["optimizer"].param_groups[0]["lr"]
            self.report(epoch_figures(record, self._class_recall, self.class_groups, rate))
        self.memory.finish_epoch()
        # The next epoch has no sums yet; a checkpoint written now must say so.
        self.objective.restart()
        self._seconds, self._steps = 0.0, 0
        is_over = len(self.records) == self.config.planned_epochs
        if should_stop(selection, self.config.patience) and not is_over:
            control.should_training_stop = True
            self._tell_unfinished_course()
        elif not is_over:
            self._clock = time.perf_counter()
            self._save(args, state, control)
            if distributed.total(float(self.hooks.stop_requested())):
                self.was_stopped = control.should_training_stop = True

    def _tell_uneven_end(self) -> None:
        """Tell, once, that the processes' last batches are filled up with rows from the first."""
        batch = self.config.batch_size * distributed.size()
        rest = len(self.sampler) % batch
        if rest and not distributed.is_alone() and not self._has_told_uneven_end:
            self._has_told_uneven_end = True
            self.hooks.listener.note(
                f"{len(self.sampler)} examples an epoch are no multiple of {batch}, the batch of "
                f"all processes: the last step repeats {batch - rest} of them."
            )

    def _should_stop(self) -> bool:
        """Whether a stop was requested; several processes must see the request at the same step."""
        if distributed.is_alone():
            return self.hooks.stop_requested()
        is_time = self._steps % _STEPS_BETWEEN_QUESTIONS == 0
        return is_time and distributed.total(float(self.hooks.stop_requested())) > 0

    def _require_finite_loss(self) -> None:
        """See that no loss was nan or infinite since the last look; all processes look together.

        Raises:
            RunError: If one was, in each of them.
        """
        found = self.objective.find_not_finite()
        if not distributed.total(float(found is not None)):
            return
        everywhere = [one for one in distributed.gather(found) if one is not None]
        raise self._diverged(min(everywhere, key=lambda one: one.number))

    def _require_finite(self, model: Any) -> None:
        """See that losses and weights are finite numbers, before they are kept."""
        self._require_finite_loss()
        trained = [p.detach() for p in model.parameters() if p.requires_grad]
        if not bool(torch.isfinite(get_total_norm(trained))):
            end = self._steps * self._examples_a_step
            rows = self.sampler.rows[end - self._examples_a_step : end]
            raise RunError(
                f"The weights are no finite numbers any more after epoch {self.epoch}, step "
                f"{self._steps} of {self.sampler.steps}. Its batch has {self._name_rows(rows)}.",
                self._how_to_train_again(),
            )

    def _diverged(self, found: NotFinite) -> RunError:
        """What to say of a loss that is no number, naming the rows as the user counts them."""
        step = self._first_step + found.number // self.config.grad_accum + 1
        which = "Its batch has"
        if len(found.rows) < found.batch_size:
            which = f"Of the {found.batch_size} rows of its batch it comes from"
        return RunError(
            f"The training loss became {found.loss} in epoch {self.epoch}, step {step} of "
            f"{self.sampler.steps}. {which} {self._name_rows(found.rows)}.",
            self._how_to_train_again(),
        )

    def _name_rows(self, rows: Iterable[int]) -> str:
        """Training rows as the user counts them."""
        numbers = sorted({int(self.hooks.row_numbers[row]) for row in rows})
        named = ", ".join(map(str, numbers[:_MOST_ROWS]))
        if len(numbers) > _MOST_ROWS:
            named += f" and {len(numbers) - _MOST_ROWS} more"
        plural = "s" if len(numbers) > 1 else ""
        return f"row{plural} {named} of {self.config.data}, counted from 0"

    def _how_to_train_again(self) -> str:
        lr = float(self.config.lr)
        others = [] if self.config.precision == "fp32" else ["--precision fp32"]
        others.append(f"a smaller --grad-clip (it was {self.config.grad_clip:g})")
        return (
            f"Look at these rows, or try a lower --lr (it was {lr:.2g}), {' or '.join(others)}: "
            f"dsample train --config {self.folder.parent / 'config.toml'} --lr {lr / 4:.2g}"
        )

    def _save(self, args: Any, state: Any, control: Any) -> None:
        """Have the Trainer write a checkpoint; store beside it what the Trainer does not know."""
        self._seconds += time.perf_counter() - self._clock
        self._saved = Midway(
            len(self.records),
            self._steps,
            distributed.gather(self.objective.sum),
            distributed.gather(self.objective.examples),
            self._seconds,
        )
        self.memory.save(Path(args.output_dir) / f"checkpoint-{state.global_step}")
        control.should_save = True

    def _tell_unfinished_course(self) -> None:
        length = self.schedule.length
        if length is not None and len(self.records) < length:
            self.hooks.listener.warn(
                f"Early stopping ended the training after {len(self.records)} epochs, at mix "
                f"{self._plan.mix:.2f}; --schedule {self.config.schedule} is laid out for {length}."
            )

    def _record(self) -> Record:
        tally = self._draw.tally
        examples = distributed.total(float(self.objective.examples))
        loss = distributed.total(self.objective.sum) / max(1.0, examples)
        if not math.isfinite(loss):
            raise RunError(
                f"The sum of the training losses of epoch {self.epoch} is {loss}.",
                self._how_to_train_again(),
            )
        record: Record = {
            "epoch": self.epoch,
            "mix": self._plan.mix,
            "judged": self._plan.judged,
            "expected": self._by_label(self._expected_share()),
            "drawn": self._by_label(tally.drawn),
            "distinct": self._by_label(tally.distinct),
            "most_repeated": self._by_label(tally.most_repeated),
            "drawn_by_group": self._share_by_group(tally.drawn),
            "train_loss": loss,
        }
        if self.hooks.validate is not None:
            record["validation"] = self.hooks.validate()
            self._class_recall = record["validation"].pop(CLASS_RECALL, None)
        record["seconds"] = round(self._seconds, 3)
        speed = int(tally.drawn.sum()) / max(self._seconds, 1e-9)
        record["examples_per_second"] = round(speed, 1)
        return record

    def _expected_share(self) -> Floats:
        """Of each class in the present epoch, shape [C]."""
        return self._draw.expected / self._draw.expected.sum()

    def _by_label(self, values: NDArray[Any]) -> dict[str, Any]:
        return dict(zip(self.label_names, values.tolist(), strict=True))

    def _share_by_group(self, drawn: NDArray[np.integer]) -> dict[str, float]:
        groups = np.array(self.class_groups)
        return {
            group: float(drawn[groups == group].sum() / drawn.sum())
            for group in GROUP_NAMES
            if group in self.class_groups
        }


def save_weights(model: Any, path: Path) -> None:
    """Write what training changes of a model; the file appears whole or not at all.

    Raises:
        RunError: If it cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, path.with_suffix(".partial")) as partial:
            save_file(trained_weights(getattr(model, "module", model)), str(partial))
