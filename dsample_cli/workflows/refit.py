"""Refit the head of a trained run on the features of its frozen encoder: a new run."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from dsample_cli.core.config import TrainConfig
from dsample_cli.core.heads import Head, LinearHead
from dsample_cli.core.progress import Listener, WarningsKept
from dsample_cli.core.refitting import RefitConfig
from dsample_cli.core.sampling import count_classes
from dsample_cli.core.selection import SELECTION_METRICS
from dsample_cli.core.signatures import call_with
from dsample_cli.errors import ConfigError
from dsample_cli.runs.files import read_json_lines
from dsample_cli.runs.run import COMPLETED, Run
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows.correction import (
    Wish,
    make_wish,
    read_carried_prior,
    require_validation,
    wished_value,
)
from dsample_cli.workflows.datasets import Datasets
from dsample_cli.workflows.derived import derive_run
from dsample_cli.workflows.evaluate import completed_manifest
from dsample_cli.workflows.features import Features, run_features
from dsample_cli.workflows.finish import HELD_OUT, finish_run
from dsample_cli.workflows.manifest import training_warnings
from dsample_cli.workflows.model import (
    TrainedModel,
    has_cosine_head,
    has_head_beside,
    open_model,
    uncorrected,
)
from dsample_cli.workflows.run_data import load_run_datasets
from dsample_cli.workflows.scoring import resolve_config_score
from dsample_cli.workflows.train import TrainResult

if TYPE_CHECKING:
    from dsample_cli.training.refit import Examples, Refitted

_MOST_NAMES = 10


@dataclass(frozen=True)
class RefitResult(TrainResult):
    """How a refit ended; `epochs` and `best_epoch` are of the training that it started from.

    Attributes:
        parent: Run id of that training.
        refit: The entry `refit` of run.json.
    """

    parent: str
    refit: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The public JSON object of `dsample refit --json`."""
        return super().to_json() | {"parent": self.parent, "refit": self.refit}


@dataclass(frozen=True)
class _Start:
    """The training whose head is refitted.

    Attributes:
        run: Where it is stored; it is left as it is but for the cache of features.
        manifest: Its run.json.
        config: Its options, with those of the correction as they are wanted now.
        data: Its splits.
        records: Lines of its epochs.jsonl.
        model: Its model, uncorrected.
        wish: The correction that is wanted, of the model as training left it.
    """

    run: Run
    manifest: dict[str, Any]
    config: TrainConfig
    data: Datasets
    records: list[dict[str, Any]]
    model: TrainedModel
    wish: Wish


def refit(
    run: Run,
    workspace: Workspace,
    listener: Listener,
    wanted: RefitConfig,
    changes: Mapping[str, Any] | None = None,
    use_cache: bool = True,
    device: str = "auto",
    precision: str = "auto",
    trust_remote_code: bool = False,
) -> RefitResult:
    """Refit the head of a run and store the result as a new run.

    Args:
        run: A completed run. One that was itself refitted or corrected stands for the training that
            it came from, so that all heads start from the same one.
        workspace: Where the new run goes.
        listener: Hears what is done and what it is worth.
        wanted: The head and its options.
        changes: Of the run's config, for the correction: `correct`, `target_prior`, `select_on`.
        use_cache: Whether features are taken from the run where they are known, and kept in it.
        device: Where features are extracted.
        precision: As in training.
        trust_remote_code: Whether Python code that was stored with the model is run.

    Raises:
        DsampleError: If the run, its data or the options cannot be used.
    """
    _check_extra(wanted)
    training = _training_of(run, workspace, listener)
    heard = WarningsKept(listener, training_warnings(training.read_manifest()))
    start = _open(training, heard, wanted.head, changes or {}, device, precision, trust_remote_code)
    if wanted.seed is None:
        wanted = replace(wanted, seed=start.config.seed)
    began = perf_counter()
    features = run_features(start.run, start.model, start.data, use_cache, heard)
    extracted = perf_counter()
    heard.phase("refitting the head")
    refitted = _refit(start, features, wanted, heard)
    seconds = {
        "features": round(extracted - began, 3),
        "head": round(perf_counter() - extracted, 3),
    }
    entry = {
        "seed": wanted.seed,
        "epochs": refitted.epochs,
        "best_epoch": refitted.best_epoch,
        "kept_beside": not isinstance(refitted.head, LinearHead),
        "seconds": seconds,
    }
    return _store(start, workspace, features, refitted, wanted, entry, heard)


def _training_of(run: Run, workspace: Workspace, listener: Listener) -> Run:
    """The run itself, or the training that it was derived from, if that is still there."""
    found = run
    while parent := completed_manifest(found).get("parent"):
        folders = (found.path.parent, workspace.runs_dir)
        known = [Run(folder / parent) for folder in folders if (folder / parent).is_dir()]
        if not known:
            listener.note(f"Run {parent}, which {found.id} came from, is gone.")
            break
        found = known[0]
    if found != run:
        listener.note(f"Refitting {found.id}, the training that {run.id} came from.")
    return found


def _open(
    run: Run,
    listener: Listener,
    head: str,
    changes: Mapping[str, Any],
    device: str,
    precision: str,
    trust_remote_code: bool,
) -> _Start:
    manifest = completed_manifest(run)
    config = replace(TrainConfig.from_options(manifest["config"]), **changes)
    data = load_run_datasets(run, manifest, config, listener)
    require_validation(config.correct, "validation" in data.parts)
    if has_cosine_head(manifest) and head == "tau-norm":
        raise ConfigError(
            "--head tau-norm divides by the lengths of class weights, and the cosine head of "
            f"run {run.id} has none.",
            "Use --head crt.",
        )
    counts = count_classes(data.parts["train"].codes, len(data.label_names))
    score = resolve_config_score(config, counts).score
    listener.phase("loading the model")
    opened = open_model(run, manifest, device, precision, trust_remote_code)
    model = uncorrected(opened, manifest)
    # What is beside is of another refit, or the cosine head that the last layer stands for.
    model = replace(model, head=None)
    records = read_json_lines(run.epochs_file)
    wish = make_wish(config, data.label_names, counts, score, records, manifest["best_epoch"], None)
    if "refit" in manifest and not has_head_beside(manifest):
        wish = replace(wish, carried=read_carried_prior(manifest))
    return _Start(run, manifest, config, data, records, model, wish)


def _refit(
    start: _Start, features: Features, wanted: RefitConfig, listener: Listener
) -> "Refitted":
    from dsample_cli.training.heads import read_linear
    from dsample_cli.training.refit import REFITS, Examples, RefitTask

    parts = start.data.parts
    train, validation = (
        Examples(features[name], parts[name].codes) if name in parts else None
        for name in ("train", "validation")
    )
    assert train is not None
    judged = np.empty(0, np.int32) if validation is None else validation.labels
    task = RefitTask(
        _resampled(train, wanted, start.data, listener),
        validation,
        wished_value(start.wish, judged),
        read_linear(start.model.network),
        train.features.mean(axis=0, dtype=np.float64),
        wanted.seed or 0,
    )
    given = {name: getattr(wanted, name) for name in ("epochs", "lr", "rho")}
    options = {name: value for name, value in given.items() if value is not None}
    return call_with(REFITS[wanted.head], task, **options)


def _resampled(
    train: "Examples", wanted: RefitConfig, data: Datasets, listener: Listener
) -> "Examples":
    if wanted.resample is None:
        return train
    from dsample_cli.training.feature_resampling import find_resampling
    from dsample_cli.training.refit import Examples

    found = find_resampling(wanted.resample)(train.features, train.labels, wanted.seed or 0)
    for fate, classes in found.told.items():
        if classes:
            shown = ", ".join(f"'{data.label_names[c]}'" for c in classes[:_MOST_NAMES])
            more = f" and {len(classes) - _MOST_NAMES} more" if len(classes) > _MOST_NAMES else ""
            listener.warn(f"--resample {wanted.resample}: {fate}: {shown}{more}.")
    return Examples(found.features, found.labels)


def _store(
    start: _Start,
    workspace: Workspace,
    features: Features,
    refitted: "Refitted",
    wanted: RefitConfig,
    entry: dict[str, Any],
    listener: WarningsKept,
) -> RefitResult:
    """Write the new run: the training under the refitted head."""
    model, config, parts = _with_head(start.model, refitted.head), start.config, start.data.parts
    carried = start.wish.carried if refitted.carried is None else refitted.carried
    wish = replace(start.wish, carried=carried, head=model.norms_and_bias())
    commands, best_epoch = (_command(start, wanted),), start.manifest["best_epoch"]

    def finish(run: Run) -> dict[str, Any]:
        listener.phase("evaluating")
        logits = {name: model.logits_of(features[name]) for name in HELD_OUT if name in parts}
        return finish_run(
            run,
            config,
            start.data,
            model,
            wish,
            start.records,
            best_epoch,
            listener,
            logits,
            commands,
        )

    device = model.device
    entries = {
        "head": wanted.head,
        "resample": wanted.resample,
        "refit": entry,
        "select_on": SELECTION_METRICS[config.select_on][0],
        "device": {"type": device.type, "name": device.name, "precision": device.precision},
    }
    label = f"{config.schedule}-{wanted.head}"
    run, found = derive_run(workspace, label, start.run, config, entries, finish, commands)
    return RefitResult(
        run,
        COMPLETED,
        len(start.records),
        best_epoch,
        found["metrics"],
        start.run.id,
        entry,
        baseline=found["baseline"],
    )


def _command(start: _Start, wanted: RefitConfig) -> str:
    """What makes the same run of the same training."""
    given = asdict(wanted) | {
        "correct": start.config.correct,
        "target_prior": start.config.target_prior,
        "select_on": start.config.select_on,
    }
    options = [
        f"--{name.replace('_', '-')} {shlex.quote(str(value))}"
        for name, value in given.items()
        if value is not None
    ]
    return f"dsample refit --run {start.run.id} {' '.join(options)}"


def _with_head(model: TrainedModel, head: Head) -> TrainedModel:
    if not isinstance(head, LinearHead):
        return replace(model, head=head)
    from dsample_cli.training.heads import write_linear

    write_linear(model.network, head)
    return model


def _check_extra(wanted: RefitConfig) -> None:
    """Tell before any work is done that a package is missing."""
    if wanted.resample is not None:
        from dsample_cli.training.feature_resampling import find_resampling

        find_resampling(wanted.resample)
