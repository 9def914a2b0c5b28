"""Experiment trackers: the Trainer's integrations, and what each of them is told of an epoch."""

import contextlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback

from dsample_cli.core.class_scores import Floats
from dsample_cli.core.imbalance import GROUP_NAMES
from dsample_cli.core.progress import Listener
from dsample_cli.errors import RunError, first_line

# Before the Trainer imports it: under WANDB_MODE=offline it prints a line, which is no result.
with contextlib.redirect_stdout(sys.stderr):
    from transformers.integrations.integration_utils import get_reporting_integration_callbacks

# With more classes, their recall is told by group.
MOST_CLASSES = 50
_LONGEST_LABEL = 80
_TENSORBOARD, _WANDB = "tensorboard", "wandb"


class Tracker(TrainerCallback):
    """One of the Trainer's integrations, with its failures and its words kept in their place.

    What fails before training ends it, with the tracker's name. What fails later is warned of, and
    training goes on without the tracker. What it prints goes to stderr.

    Args:
        name: As typed.
        callback: The integration.
        logs_dir: Where TensorBoard's files go, unless TENSORBOARD_LOGGING_DIR says otherwise.
        listener: Hears of a failure.
    """

    def __init__(self, name: str, callback: Any, logs_dir: Path, listener: Listener) -> None:
        self._name, self._callback = name, callback
        self._logs_dir, self._listener = logs_dir, listener
        self._has_failed = self._has_begun_run = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                if self._name == _TENSORBOARD and state.is_world_process_zero:
                    self._open_tensorboard(state.global_step)
                self._has_begun_run = self._name == _WANDB and import_module(_WANDB).run is None
                self._callback.on_train_begin(args, state, control, **kwargs)
        except Exception as error:
            raise RunError(
                f"--report-to {self._name} could not begin: {first_line(error)}",
                f"Look at the settings of {self._name}, or leave --report-to out.",
            ) from error

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._tell("on_log", args, state, control, **kwargs)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._tell("on_save", args, state, control, **kwargs)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._tell("on_train_end", args, state, control, **kwargs)
        if self._has_begun_run:  # else the next training of this process would go on in it
            self._guard(import_module(_WANDB).finish)

    def _tell(self, event: str, *args: Any, **kwargs: Any) -> None:
        self._guard(getattr(self._callback, event), *args, **kwargs)

    def _guard(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if self._has_failed:
            return
        try:
            with contextlib.redirect_stdout(sys.stderr):
                call(*args, **kwargs)
        except Exception as error:
            self._has_failed = True
            self._listener.warn(
                f"--report-to {self._name} failed ({first_line(error)}); training goes on without "
                "it, and epochs.jsonl has everything."
            )

    def _open_tensorboard(self, step: int) -> None:
        """Go on in the log of a run that was stopped; what it will do again is taken out."""
        from torch.utils.tensorboard import SummaryWriter

        folder = self._callback.logging_dir or str(self._logs_dir)
        self._callback.logging_dir = folder
        self._callback.tb_writer = SummaryWriter(folder, purge_step=step + 1)


def make_trackers(names: Sequence[str], logs_dir: Path, listener: Listener) -> list[Tracker]:
    """The trackers of these names: tensorboard, wandb, mlflow.

    Raises:
        RunError: If one of them is switched off by its environment variable.
    """
    made = []
    for name, kind in zip(names, get_reporting_integration_callbacks(list(names)), strict=True):
        try:
            made.append(Tracker(name, kind(), logs_dir, listener))
        except (RuntimeError, ImportError) as error:
            raise RunError(
                f"--report-to {name} could not begin: {first_line(error)}",
                "Look at its environment variables, or leave --report-to out.",
            ) from error
    return made


def epoch_figures(
    record: Mapping[str, Any],
    class_recall: Floats | None,
    class_groups: Sequence[str],
    learning_rate: float,
) -> dict[str, float]:
    """What a tracker is told of an epoch: numbers, and no text of the data but label names.

    Args:
        record: The epoch's line of epochs.jsonl.
        class_recall: On the validation rows, shape [C], nan without rows; None without validation.
        class_groups: Group of each class, shape [C].
        learning_rate: Of the encoder, after the epoch.
    """
    groups = np.array(class_groups)
    expected = np.array(list(record["expected"].values()))
    figures = {
        "loss": record["train_loss"],
        "learning_rate": learning_rate,
        "mix": record["mix"],
        "examples": sum(record["drawn"].values()),
        "examples_per_second": record["examples_per_second"],
    }
    for group in GROUP_NAMES:
        if group in class_groups:
            figures[f"expected_{group}_share"] = float(expected[groups == group].sum())
    figures |= {f"eval_{name}": value for name, value in (record.get("validation") or {}).items()}
    if class_recall is not None:
        has_rows = ~np.isnan(class_recall)
        for group in GROUP_NAMES:
            if (found := class_recall[has_rows & (groups == group)]).size:
                figures[f"eval_{group}_recall"] = float(found.mean())
        if len(class_recall) <= MOST_CLASSES:
            names = label_keys(list(record["expected"]))
            recalls = zip(names, class_recall.tolist(), has_rows, strict=True)
            figures |= {f"eval_recall_{name}": value for name, value, known in recalls if known}
    return {name: value for name, value in figures.items() if value is not None}


def label_keys(labels: Sequence[str]) -> list[str]:
    """Labels as parts of a metric's name; numbered where they would not stay distinct.

    MLflow takes ASCII letters, digits and a few signs, and 250 characters.

    Examples:
        >>> label_keys(["spam", "a/b"]), label_keys(["정상", "욕설"])
        (['spam', 'a_b'], ['0_정상', '1_욕설'])
        >>> label_keys(["a/b", "a:b"])
        ['0_a_b', '1_a_b']
    """
    keys = [re.sub(r"[^\w.\- ]", "_", label)[:_LONGEST_LABEL] for label in labels]
    in_ascii = {re.sub(r"[^0-9A-Za-z_.\- ]", "_", key) for key in keys}
    is_distinct = len(in_ascii) == len(keys)
    return keys if is_distinct else [f"{i}_{key}" for i, key in enumerate(keys)]
