"""Runs that are made of another's training: corrected or refitted."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dsample_cli.core.config import TrainConfig
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
    run = workspace.create_run(label)
    with run.locked():
        run.write_config(config.to_options(), ", then: ".join(commands))
        for file in (parent.split_file, parent.epochs_file):
            shutil.copyfile(file, run.path / file.name)
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
            run.update_manifest(**failure(error))
            raise
        run.update_manifest(status=COMPLETED, completed=now(), **found)
    return run, found
