"""Find the checkpoint to resume from."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PARTS = ("trainer_state.json", "model.safetensors", "optimizer.pt", "scheduler.pt")


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint.

    Attributes:
        path: Its folder.
        step: Optimizer steps taken.
        recorder: What the EpochRecorder stored: the fields of its `Midway`.
    """

    path: Path
    step: int
    recorder: dict[str, Any]


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest complete checkpoint; one that a crash cut off is passed over.

    trainer_state.json is written last, so a folder that has it whole is complete.
    """
    found = []
    for path in folder.glob("checkpoint-*"):
        checkpoint = _read(path)
        if checkpoint is not None:
            found.append(checkpoint)
    return max(found, key=lambda c: c.step, default=None)


def remove_newer(folder: Path, step: int) -> None:
    """Delete cut-off checkpoints beyond `step`, which a resumed run would collide with."""
    for path in folder.glob("checkpoint-*"):
        checkpoint = _read(path)
        if checkpoint is None or checkpoint.step > step:
            shutil.rmtree(path)


def _read(path: Path) -> Checkpoint | None:
    if not all((path / part).is_file() for part in _PARTS):
        return None
    try:
        state = json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        recorder = state["stateful_callbacks"]["EpochRecorder"]
        if isinstance(recorder, list):
            recorder = recorder[-1]
        return Checkpoint(path, int(state["global_step"]), recorder["attributes"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
