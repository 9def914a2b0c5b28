"""The one place where transformers' Trainer is subclassed and configured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    DefaultFlowCallback,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainingArguments,
)

from dsample_cli.core.config import TrainConfig
from dsample_cli.training.devices import Device
from dsample_cli.training.objective import Objective
from dsample_cli.training.sampler import EpochSampler

# transformers' own "constant" would leave the warm-up out.
_LR_SCHEDULES = {
    "linear": "linear",
    "cosine": "cosine",
    "constant": "constant_with_warmup",
}


class RowNumbers(torch.utils.data.Dataset[int]):
    """A dataset whose items are their own row numbers; the collator looks the rows up."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, row: int) -> int:
        return row

    def __getitems__(self, rows: list[int]) -> list[int]:
        return rows


@dataclass(frozen=True)
class Course:
    """How far training goes, and where it begins.

    Attributes:
        steps: Optimizer steps that are planned in all; the learning rate decays over them.
        epochs_done: Finished epochs of a resumed run.
        steps_done: Steps that it has taken in the epoch after them.
    """

    steps: int
    epochs_done: int = 0
    steps_done: int = 0


class ScheduledTrainer(Trainer):
    """A Trainer that reads its epochs from an `EpochSampler`, each of a length of its own.

    The Trainer takes all epochs to be as long as the first. The overrides below put the sampler's
    lengths in that place, and do nothing else.
    """

    def __init__(self, sampler: EpochSampler, course: Course, **options: Any) -> None:
        super().__init__(**options)
        self._epoch_sampler = sampler
        self._course = course
        # The recorder reports, saves and stops; the Trainer's own ways would mix with it.
        for callback in (PrinterCallback, ProgressCallback, DefaultFlowCallback):
            self.remove_callback(callback)

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        return self._epoch_sampler

    def set_initial_training_values(self, *args: Any, **options: Any) -> Any:
        """What the Trainer plans with; its last item is the number of steps in all."""
        return (*super().set_initial_training_values(*args, **options)[:-1], self._course.steps)

    def _init_training_state(self, *args: Any, **options: Any) -> tuple[int, int]:
        super()._init_training_state(*args, **options)
        return self._course.epochs_done, self._course.steps_done

    def _run_epoch(self, **options: Any) -> None:
        steps = self._epoch_sampler.steps
        super()._run_epoch(
            **options | {"steps_in_epoch": steps, "num_update_steps_per_epoch": steps}
        )


def make_trainer(
    config: TrainConfig,
    model: Any,
    optimizer: torch.optim.Optimizer,
    sampler: EpochSampler,
    course: Course,
    collator: Callable[[list[int]], dict[str, torch.Tensor]],
    objective: Objective,
    device: Device,
    checkpoints_dir: Path,
    callbacks: Sequence[Any],
) -> ScheduledTrainer:
    """Build the Trainer of a run. Evaluation, logging and saving are its callbacks' decisions."""
    arguments = TrainingArguments(
        output_dir=str(checkpoints_dir),
        num_train_epochs=config.planned_epochs,
        per_device_train_batch_size=config.batch_size,
        lr_scheduler_type=_LR_SCHEDULES[config.lr_schedule],
        warmup_steps=config.lr_warmup,
        max_grad_norm=config.grad_clip,
        seed=config.seed,
        use_cpu=device.type == "cpu",
        bf16=device.precision == "bf16",
        fp16=device.precision == "fp16",
        tf32=True if device.type == "cuda" and torch.cuda.get_device_capability()[0] >= 8 else None,
        eval_strategy="no",
        save_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        save_total_limit=2,
        remove_unused_columns=False,
        run_name=checkpoints_dir.parent.name,
        report_to="none",  # trackers are among the callbacks
        disable_tqdm=True,
        dataloader_pin_memory=device.type == "cuda",
        ddp_find_unused_parameters=False,
    )
    # Several visible GPUs without torchrun would make it DataParallel with a multiplied batch.
    arguments._n_gpu = min(1, arguments.n_gpu)
    return ScheduledTrainer(
        sampler,
        course,
        model=model,
        args=arguments,
        train_dataset=RowNumbers(int(sampler.counts.sum())),
        data_collator=collator,
        optimizers=(optimizer, None),
        compute_loss_func=objective,
        callbacks=list(callbacks),
    )
