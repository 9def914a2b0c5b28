"""The one place where transformers' Trainer is subclassed and configured."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType
from torch.nn.utils import get_total_norm
from transformers import (
    DefaultFlowCallback,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainingArguments,
)

from dsample_cli.core.config import TrainConfig
from dsample_cli.core.disk import writing
from dsample_cli.errors import RunError
from dsample_cli.training.devices import Device
from dsample_cli.training.freezing import trained_weights
from dsample_cli.training.objective import Objective
from dsample_cli.training.sampler import EpochSampler

# transformers' own "constant" would leave the warm-up out.
_LR_SCHEDULES = {
    "linear": "linear",
    "cosine": "cosine",
    "constant": "constant_with_warmup",
}


# Where each process has all gradients whole.
_PLAIN_GRADIENTS = (DistributedType.NO, DistributedType.MULTI_GPU, DistributedType.MULTI_CPU)
# What torch's own clipping adds to the norm.
_EPSILON = 1e-6


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
        batches_done: Batches that each process has taken in the epoch after them.
    """

    steps: int
    epochs_done: int = 0
    batches_done: int = 0


class ScheduledTrainer(Trainer):
    """A Trainer that reads its epochs from an `EpochSampler`, each of a length of its own.

    The Trainer takes all epochs to be as long as the first; most of the overrides below put the
    sampler's lengths in that place.
    """

    def __init__(
        self, sampler: EpochSampler, course: Course, compiles: bool, **options: Any
    ) -> None:
        super().__init__(**options)
        self._epoch_sampler = sampler
        self._course = course
        self._compiles = compiles
        self._compiled: Any = None
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
        return self._course.epochs_done, self._course.batches_done

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write the weights of a checkpoint: what is frozen, the next process has anew."""
        super()._save(output_dir, trained_weights(self.model))
        # A pickle that nobody reads.
        Path(output_dir or self.args.output_dir, "training_args.bin").unlink(missing_ok=True)

    def _save_checkpoint(self, *args: Any, **options: Any) -> None:
        """Write a checkpoint; what was written of one that fails leaves its room to others."""
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        try:
            with writing(folder):
                super()._save_checkpoint(*args, **options)
        except RunError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def floating_point_ops(self, inputs: Any) -> int:
        """Nobody reads them, and counting walks the whole model in every step."""
        return 0

    def _clip_grad_norm(self, model: Any) -> Any:
        """Norm of the gradients; a fused Adam divides by it while it reads them anyway."""
        optimizer: Any = getattr(self.optimizer, "optimizer", self.optimizer)
        is_plain = self.accelerator.distributed_type in _PLAIN_GRADIENTS
        if not optimizer.defaults.get("fused") or self.accelerator.scaler or not is_plain:
            return super()._clip_grad_norm(model)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
        optimizer.grad_scale = ((norm + _EPSILON) / self.args.max_grad_norm).clamp(min=1.0)
        return norm

    def training_step(self, model: Any, *inputs: Any, **options: Any) -> Any:
        """Forward and backward, of the compiled model where that is asked for.

        The model itself stays as it is: what validates and saves it finds no trace of a compiler.
        """
        if self._compiles:
            if self._compiled is None:
                self._compiled = torch.compile(model, dynamic=True)
            model = self._compiled
        return super().training_step(model, *inputs, **options)

    def _run_epoch(self, **options: Any) -> None:
        sampler = self._epoch_sampler
        super()._run_epoch(
            **options
            | {"steps_in_epoch": sampler.batches, "num_update_steps_per_epoch": sampler.steps}
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
        gradient_accumulation_steps=config.grad_accum,
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
        save_total_limit=None,  # the recorder deletes old ones, when a new one is sealed
        remove_unused_columns=False,
        run_name=checkpoints_dir.parent.name,
        report_to="none",  # trackers are among the callbacks
        disable_tqdm=True,
        dataloader_pin_memory=device.type == "cuda",
        dataloader_num_workers=config.workers,
        ddp_find_unused_parameters=False,
    )
    # Several visible GPUs without torchrun would make it DataParallel with a multiplied batch.
    arguments._n_gpu = min(1, arguments.n_gpu)
    return ScheduledTrainer(
        sampler,
        course,
        config.compile,
        model=model,
        args=arguments,
        train_dataset=RowNumbers(int(sampler.counts.sum())),
        data_collator=collator,
        optimizers=(optimizer, None),
        compute_loss_func=objective,
        callbacks=list(callbacks),
    )
