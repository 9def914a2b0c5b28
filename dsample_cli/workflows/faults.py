"""What ends a training from outside: no memory, no disk, no device; and how to go on."""

import shlex
from pathlib import Path

from dsample_cli.core.config import TrainConfig
from dsample_cli.core.disk import as_write_error
from dsample_cli.core.faults import explain_fault, is_lost_device, is_out_of_memory
from dsample_cli.errors import DsampleError, RunError
from dsample_cli.runs.run import Run

DEFAULT_WORKSPACE = Path("dsample_workspace")


def explained(error: BaseException, run: Run, config: TrainConfig) -> BaseException:
    """What to tell of an error that ended a training; the error itself where it is no fault.

    Args:
        error: That was raised.
        run: It stays as it is, and goes on from its last checkpoint.
        config: Its options.

    Returns:
        A RunError whose hint ends with the command that goes on, for a write that failed, memory
        that was not there and a device that was lost.
    """
    if isinstance(error, DsampleError):
        cause = error.__cause__
        is_write = isinstance(cause, Exception) and as_write_error(cause) is not None
        return _with_resume(error, run) if isinstance(error, RunError) and is_write else error
    if is_out_of_memory(error):
        return RunError("There is not enough memory for this training.", _less_memory(run, config))
    told = explain_fault(error)
    if told is None:
        return error
    if is_lost_device(error):
        return RunError(
            f"{told.message} What was trained since the last checkpoint is gone.",
            f"See that it is there again (nvidia-smi), then: {resume_command(run)}",
        )
    return _with_resume(told, run)


def resume_command(run: Run) -> str:
    """The command that goes on with a run."""
    workspace = run.path.parent.parent
    elsewhere = f" --workspace {shlex.quote(str(workspace))}"
    return f"dsample train --resume {run.id}{elsewhere if workspace != DEFAULT_WORKSPACE else ''}"


def _with_resume(error: RunError, run: Run) -> RunError:
    """A write that failed, with the command that goes on once it can be done."""
    if "dsample train" in error.hint:
        return error
    return RunError(error.message, f"{error.hint.rstrip('.')}. Then go on: {resume_command(run)}")


def _less_memory(run: Run, config: TrainConfig) -> str:
    """How to train the same in less memory, and how to go on if others have taken it."""
    smaller = "--gradient-checkpointing"
    if config.batch_size > 1:
        half, doubled = config.batch_size // 2, config.grad_accum * 2
        smaller = f"--batch-size {half} --grad-accum {doubled}"
    return (
        f"Train in less: dsample train --config {shlex.quote(str(run.config_file))} {smaller}, or "
        f"with a shorter --max-length. If other programs took the memory: {resume_command(run)}"
    )
