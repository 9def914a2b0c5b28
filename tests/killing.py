"""Trainings that die, and what must be the same once they are resumed."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from safetensors.numpy import load_file

from dsample_cli.core.config import TrainConfig
from dsample_cli.core.progress import Listener, Silent
from dsample_cli.runs.run import Run
from dsample_cli.runs.workspace import Workspace
from dsample_cli.training.recorder import EpochRecorder
from dsample_cli.workflows import train as workflow
from tests.forks import fork
from tests.helpers import epochs_without_timing


def make_config(data: Path, **options: Any) -> TrainConfig:
    """A short training of `tiny`, with dropout so that random states matter too."""
    settings = {
        "model": "tiny",
        "epochs": 6,
        "batch_size": 16,
        "lr": 2e-3,
        "dropout": 0.1,
        "device": "cpu",
        "precision": "fp32",
        "checkpoint_steps": 4,
        "score_warmup": 2,
        "window": 3,
    }
    return TrainConfig(data=str(data), **{**settings, **options})


def train(config: TrainConfig, workspace: Path) -> Run:
    """Train without interruption."""
    return workflow.train(config, Workspace(workspace), Silent()).run


class Told(Silent):
    """Keeps what it hears.

    Attributes:
        lines: Notes and warnings, in their order.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        self.lines.append(message)

    def warn(self, message: str) -> None:
        self.lines.append(message)


def resume(workspace: Path, listener: Listener | None = None) -> Run:
    """Resume the only run of a workspace."""
    run = only_run(workspace)
    return workflow.resume(run, listener or Silent()).run


def only_run(workspace: Path) -> Run:
    """The only run of a workspace, whatever its state."""
    [path] = (workspace / "runs").iterdir()
    return Run(path)


class Dies(Exception):
    """Stands for the end of the process."""


@contextmanager
def dying_after(step: int) -> Iterator[None]:
    """Let training end behind a step, its checkpoint included, as if the process died."""
    on_step_end = EpochRecorder.on_step_end

    def dies(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        on_step_end(self, args, state, control, **kwargs)
        if state.global_step == step:
            raise Dies

    with mock.patch.object(EpochRecorder, "on_step_end", dies), pytest.raises(Dies):
        yield


def train_and_die(config: TrainConfig, workspace: Path, step: int, delay: float) -> None:
    """Train in a process of its own that gets SIGKILL `delay` seconds after a step."""
    child = fork(_train_until, config, workspace, step, delay)
    child.join(240)
    assert child.exitcode == -signal.SIGKILL, "it was still running"


def _train_until(config: TrainConfig, workspace: Path, step: int, delay: float) -> None:
    on_step_end = EpochRecorder.on_step_end

    def dying(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == step:
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
        on_step_end(self, args, state, control, **kwargs)

    EpochRecorder.on_step_end = dying  # type: ignore[method-assign]
    train(config, workspace)
    threading.Event().wait(5)  # the end came before the delay was over


def assert_same(run: Run, expected: Run) -> None:
    """Epochs, predictions and weights are equal, bit for bit."""
    assert epochs_without_timing(run.path) == epochs_without_timing(expected.path)
    predictions = "predictions-validation.jsonl"
    assert (run.path / predictions).read_bytes() == (expected.path / predictions).read_bytes()
    weights, others = (load_file(r.model_dir / "model.safetensors") for r in (run, expected))
    assert weights.keys() == others.keys()
    assert all((weights[name] == others[name]).all() for name in weights)
    assert not run.checkpoints_dir.exists()
