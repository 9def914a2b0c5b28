"""Correct a trained run in another way: a new run with the same weights."""

import shlex
from dataclasses import replace
from typing import Any

from dsample_cli.core.config import CORRECT_NAMES, TrainConfig
from dsample_cli.core.names import did_you_mean
from dsample_cli.core.progress import Listener, WarningsKept
from dsample_cli.core.sampling import count_classes
from dsample_cli.errors import ConfigError
from dsample_cli.runs.files import read_json_lines
from dsample_cli.runs.run import COMPLETED, Run
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows.correction import (
    make_wish,
    read_carried_prior,
    require_class_norms,
    require_validation,
)
from dsample_cli.workflows.derived import derive_run
from dsample_cli.workflows.evaluate import completed_manifest
from dsample_cli.workflows.finish import finish_run
from dsample_cli.workflows.manifest import training_warnings
from dsample_cli.workflows.model import open_model, uncorrected
from dsample_cli.workflows.run_data import load_run_datasets
from dsample_cli.workflows.scoring import resolve_config_score
from dsample_cli.workflows.train import TrainResult


def correct(
    parent: Run,
    workspace: Workspace,
    listener: Listener,
    method: str = "auto",
    target_prior: str = "uniform",
    device: str = "auto",
    precision: str = "auto",
    trust_remote_code: bool = False,
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
        trust_remote_code: Whether Python code that was stored with the model is run.

    Raises:
        DsampleError: If the run, its data or the options cannot be used.
    """
    if method not in CORRECT_NAMES:
        raise ConfigError(f"Unknown --method '{method}'.", did_you_mean(method, CORRECT_NAMES))
    manifest = completed_manifest(parent)
    config = replace(
        TrainConfig.from_options(manifest["config"]), correct=method, target_prior=target_prior
    )
    heard = WarningsKept(listener, training_warnings(manifest))
    data = load_run_datasets(parent, manifest, config, heard)
    require_validation(method, "validation" in data.parts)
    counts = count_classes(data.parts["train"].codes, len(data.label_names))
    score = resolve_config_score(config, counts).score
    listener.phase("loading the model")
    opened = open_model(parent, manifest, device, precision, trust_remote_code)
    model = uncorrected(opened, manifest)
    records, best_epoch = read_json_lines(parent.epochs_file), manifest["best_epoch"]
    head = model.norms_and_bias()
    require_class_norms(method, head is not None)
    wish = make_wish(config, data.label_names, counts, score, records, best_epoch, head)
    if "refit" in manifest:
        wish = replace(wish, carried=read_carried_prior(manifest))

    commands = _commands(parent, manifest, method, target_prior)

    def finish(run: Run) -> dict[str, Any]:
        listener.phase("evaluating")
        return finish_run(
            run, config, data, model, wish, records, best_epoch, heard, commands=commands
        )

    label = f"{config.schedule}-correct"
    run, entries = derive_run(workspace, label, parent, config, {}, finish, commands)
    return TrainResult(
        run,
        COMPLETED,
        len(records),
        best_epoch,
        entries["metrics"],
        baseline=entries["baseline"],
    )


def _commands(
    parent: Run, manifest: dict[str, Any], method: str, target_prior: str
) -> tuple[str, ...]:
    """What repeats the correction; nothing where training with the same option does."""
    if "refit" not in manifest:
        return ()
    words = ["dsample", "correct", "--run", parent.id, "--method", method]
    own = shlex.join([*words, "--target-prior", target_prior])
    return (*manifest.get("commands", ()), own)
