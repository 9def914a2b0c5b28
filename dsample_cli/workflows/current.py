"""The workspace's current dataset, which `train` uses when it gets no DATA."""

from typing import Any

from dsample_cli.core.progress import Listener
from dsample_cli.data.sources import path_sha256
from dsample_cli.errors import ConfigError
from dsample_cli.runs.workspace import Workspace


def current_dataset_options(
    workspace: Workspace, listener: Listener, command: str = "train", doing: str = "Training on"
) -> dict[str, Any]:
    """File and columns that `dsample analyze` saw last, as options of a TrainConfig.

    Args:
        workspace: Remembers them.
        listener: Hears which file it is, and whether it has changed.
        command: The command that needs them, for the error.
        doing: What it does with the file, for the note.

    Raises:
        ConfigError: If there is none.
    """
    dataset = workspace.current_dataset()
    if dataset is None:
        raise ConfigError(
            f"No data: {workspace.path} has no current dataset.",
            f"Name a file: dsample {command} DATA, or look at one first: dsample analyze DATA",
        )
    listener.note(f"{doing} {dataset.path}, the current dataset.")
    if path_sha256(dataset.path) not in (None, dataset.sha256):
        listener.warn(f"{dataset.path} has changed since dsample analyze saw it.")
    return {
        "data": dataset.path,
        "text_column": dataset.text_columns,
        "label_column": dataset.label_column,
        "encoding": dataset.encoding,
        "delimiter": dataset.delimiter,
    }
