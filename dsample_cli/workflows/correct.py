"""Correct a trained run in another way: a new run with the same weights."""

import shutil
from dataclasses import replace
from typing import Any

from dsample_cli.core.config import TrainConfig
from dsample_cli.core.progress import Listener
from dsample_cli.core.sampling import count_classes
from dsample_cli.errors import DsampleError
from dsample_cli.runs.files import read_json_lines
from dsample_cli.runs.run import COMPLETED, FAILED, RUNNING, Run
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows.correction import make_wish
from dsample_cli.workflows.evaluate import completed_manifest
from dsample_cli.workflows.finish import finish_run
from dsample_cli.workflows.manifest import now
from dsample_cli.workflows.model import TrainedModel, open_model, read_correction
from dsample_cli.workflows.run_data import load_run_datasets
from dsample_cli.workflows.scoring import resolve_config_score
from dsample_cli.workflows.train import TrainResult

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
    "versions",
    "device",
    "epochs",
    "best_epoch",
)


def correct(
    parent: Run,
    workspace: Workspace,
    listener: Listener,
    method: str = "auto",
    target_prior: str = "uniform",
    device: str = "auto",
    precision: str = "auto",
) -> TrainResult:
    """Take back the correction of a run, fit another, and store the result as a new run.

    Args:
        parent: A completed run; it is left as it is.
        workspace: Where the new run goes.
        listener: Hears what the correction is worth.
        method: As in `train --correct`.
        target_prior: As in `train --target-prior`.
        device: Where the validation rows are predicted.
        precision: As in training.

    Raises:
        DsampleError: If the run, its data or the options cannot be used.
    """
    manifest = completed_manifest(parent)
    config = replace(
        TrainConfig.from_options(manifest["config"]), correct=method, target_prior=target_prior
    )
    data = load_run_datasets(parent, manifest, config, listener)
    counts = count_classes(data.parts["train"].codes, len(data.label_names))
    score = resolve_config_score(config, counts).score
    listener.phase("loading the model")
    model = _uncorrected(open_model(parent, manifest, device, precision), manifest)
    records, best_epoch = read_json_lines(parent.epochs_file), manifest["best_epoch"]

    from dsample_cli.training.heads import head_parameters

    head = head_parameters(model.network)
    wish = make_wish(config, data.label_names, counts, score, records, best_epoch, head)
    run = workspace.create_run(f"{config.schedule}-correct")
    with run.locked():
        run.write_config(config.to_options())
        for file in (parent.split_file, parent.epochs_file):
            shutil.copyfile(file, run.path / file.name)
        inherited = {key: manifest[key] for key in _INHERITED if key in manifest}
        own = {"status": RUNNING, "created": now(), "parent": parent.id}
        run.write_manifest(own | {"config": config.to_options()} | inherited)
        listener.phase("evaluating")
        try:
            entries = finish_run(run, config, data, model, wish, records, best_epoch, listener)
        except BaseException as error:
            message = error.message if isinstance(error, DsampleError) else type(error).__name__
            run.update_manifest(status=FAILED, error=message)
            raise
        run.update_manifest(status=COMPLETED, completed=now(), **entries)
    return TrainResult(run, COMPLETED, len(records), best_epoch, entries["metrics"])


def _uncorrected(model: TrainedModel, manifest: dict[str, Any]) -> TrainedModel:
    """The model as training left it."""
    from dsample_cli.training.heads import unfold

    if model.correction is None:
        correction = read_correction(manifest)
        unfold(model.network, correction.scale, correction.bias)
    return replace(model, correction=None)
