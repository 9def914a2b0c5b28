"""The data that a run was trained on, read again."""

from typing import Any

from dsample_cli.core.config import TrainConfig
from dsample_cli.core.progress import Listener
from dsample_cli.errors import RunError
from dsample_cli.runs.run import Run, read_split
from dsample_cli.workflows.datasets import SPLITS, Datasets, load_datasets


def load_run_datasets(
    run: Run, manifest: dict[str, Any], config: TrainConfig, listener: Listener
) -> Datasets:
    """Read a run's data with the split that it stored.

    Args:
        run: Has the split.
        manifest: Its run.json.
        config: Its options.
        listener: Hears what was guessed or dropped.

    Raises:
        RunError: If a file has changed since.
    """
    stored = {name: read_split(run, name) for name in SPLITS}
    for name in ("validation", "test"):
        if manifest["data"].get(name, {}).get("path") != manifest["data"]["train"]["path"]:
            stored.pop(name)
    data = load_datasets(config, listener, stored)
    for name, part in data.parts.items():
        known = manifest["data"].get(name, {})
        if known.get("sha256") != part.sha256:
            raise RunError(
                f"{part.path} has changed since run {run.id} began, so the run cannot go on.",
                f"Begin anew with: dsample train --config {run.config_file}",
            )
    return data
