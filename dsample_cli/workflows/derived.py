"""Runs that are made of another's training: corrected or refitted."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dsample_cli.core.config import TrainConfig
from dsample_cli.errors import RunError
from dsample_cli.runs.files import atomic_writer
from dsample_cli.runs.run import COMPLETED, RUNNING, Run
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows.manifest import failure, now

# What a new run takes over from its parent's run.json.
_INHERITED = (
    "data",
    "text_columns",
    "label_column",
    "labels",
    "train_counts",
    "validation_rows_sha256",
    "select_on",
    "seed",
    "base_model",
    "versions",
    "device",
    "epochs",
    "best_epoch",
    "head",
    "resample",
    "refit",
    "baseline",
)


def derive_run(
    workspace: Workspace,
    label: str,
    parent: Run,
    config: TrainConfig,
    entries: Mapping[str, Any],
    finish: Callable[[Run], dict[str, Any]],
    commands: Sequence[str],
) -> tuple[Run, dict[str, Any]]:
    """Make a run with the data, the split and the epochs of another.

    Args:
        workspace: Where it goes.
        label: Part of its id.
        parent: The other run.
        config: Its options.
        entries: Of run.json, where they differ from the parent's.
        finish: Writes what the run holds and returns further entries.
        commands: What was done after training, in this order.

    Returns:
        The run, completed, and what `finish` returned.
    """
    manifest = parent.read_manifest()
    # Read before anything is made: the parent may be removed meanwhile.
    with parent.reading():
        copied = {file: _content(parent, file) for file in (parent.split_file, parent.epochs_file)}
    run = workspace.create_run(label)
    with run.locked():
        run.write_config(config.to_options(), ", then: ".join(commands))
        for file, content in copied.items():
            with atomic_writer(run.path / file.name, "wb") as own_file:
                own_file.write(content)
        inherited = {key: manifest[key] for key in _INHERITED if key in manifest}
        own = {
            "status": RUNNING,
            "created": now(),
            "parent": parent.id,
            "commands": list(commands),
        }
        run.write_manifest(own | {"config": config.to_options()} | inherited | dict(entries))
        try:
            found = finish(run)
        except BaseException as error:
            with suppress(Exception):  # the first error is the one to tell
                run.update_manifest(**failure(error))
            raise
        run.update_manifest(status=COMPLETED, completed=now(), **found)
    return run, found


def _content(parent: Run, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise RunError(
            f"Run {parent.id} has no usable {file.name}: {error.strerror}.",
            "See what there is: dsample runs list, and what can be mended: dsample doctor",
        ) from error
