"""Train a run from a config, or go on with one that was stopped."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core import torchrun
from dsample_cli.core.config import AUTO, TrainConfig, auto_epochs
from dsample_cli.core.corrections import label_probabilities
from dsample_cli.core.imbalance import frequency_groups
from dsample_cli.core.progress import Listener, WarningsKept
from dsample_cli.core.sampling import count_classes
from dsample_cli.core.schedules import plans
from dsample_cli.core.scores import Score
from dsample_cli.data.parquet import write_numbers
from dsample_cli.errors import MissingExtraError, RunError
from dsample_cli.runs.files import append_json_line
from dsample_cli.runs.manifests import OF_A_MODEL
from dsample_cli.runs.run import (
    COMPLETED,
    INTERRUPTED,
    RUNNING,
    FollowedRun,
    Run,
)
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows.baseline import asked_baseline
from dsample_cli.workflows.correction import (
    make_wish,
    read_target_prior,
    require_class_norms,
    require_validation,
)
from dsample_cli.workflows.datasets import Datasets, load_datasets
from dsample_cli.workflows.double_correction import tell_double_correction
from dsample_cli.workflows.faults import explained
from dsample_cli.workflows.finish import finish_run
from dsample_cli.workflows.manifest import failure, first_manifest, now, training_warnings
from dsample_cli.workflows.model import COSINE, TrainedModel
from dsample_cli.workflows.run_data import load_run_datasets
from dsample_cli.workflows.scoring import (
    most_repeated,
    repetition_warning,
    resolve_config_score,
    settle,
)
from dsample_cli.workflows.trackers import require_trackers


@dataclass(frozen=True)
class TrainResult:
    """How a training run ended.

    Attributes:
        run: Where it is stored.
        status: "completed" or "interrupted".
        epochs: Epochs trained.
        best_epoch: Epoch whose weights were kept; None when interrupted.
        metrics: Split name -> figures.
        baseline: What a simple model reaches on the same rows, as in run.json; None where
            `analyze --baseline` has not seen the training file.
    """

    run: Run
    status: str
    epochs: int
    best_epoch: int | None
    metrics: dict[str, dict[str, Any]]
    baseline: dict[str, Any] | None = field(default=None, kw_only=True)

    def to_json(self) -> dict[str, Any]:
        """The public JSON object of `dsample train --json`."""
        return {
            "run": self.run.id,
            "path": str(self.run.path.absolute()),
            "status": self.status,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "metrics": self.metrics,
            "baseline": self.baseline,
        }


def train(
    config: TrainConfig,
    workspace: Workspace,
    listener: Listener,
    named: Run | None = None,
    entries: Mapping[str, Any] | None = None,
) -> TrainResult:
    """Train a new run.

    Args:
        config: Its options.
        workspace: Gets it.
        listener: Hears of progress.
        named: The run, named by the workspace; it is begun anew if it was made but not begun.
        entries: Further ones of its run.json.

    Raises:
        DsampleError: If the data, the options or the workspace cannot be used. A run that had
            begun stays in the workspace with the status `failed`.
    """
    require_class_norms(config.correct, not config.has_cosine_head)
    require_trackers(config.report_to)
    _require_peft(config)
    heard = WarningsKept(listener)
    data = load_datasets(config, heard)
    if config.epochs == AUTO:
        config = replace(config, epochs=auto_epochs(len(data.parts["train"].rows)))
    run = _shared(lambda: _new_run(workspace, config, named), config)
    with run.locked():
        # The manifest comes last: a run that has one can be resumed.
        run.write_config(config.to_options())
        run.write_split({name: part.rows for name, part in data.parts.items()})
        baseline = asked_baseline(workspace, data)
        manifest = first_manifest(config, data) | {"baseline": baseline}
        run.write_manifest(manifest | dict(entries or {}))
        return _guarded(run, config, data, heard)


def resume(run: Run, listener: Listener, trust_remote_code: bool = False) -> TrainResult:
    """Go on with a stopped run; without a checkpoint it starts again under the same id.

    Args:
        run: The run.
        listener: Hears of progress.
        trust_remote_code: Whether Python code that comes with its model is run; no run stores that.

    Raises:
        RunError: If the run is completed, in use, or its data has changed.
    """
    manifest = run.read_manifest()
    if manifest["status"] == COMPLETED:
        raise _completed(run)
    if parent := manifest.get("parent"):
        raise RunError(
            f"Run {run.id} was made of run {parent} and trains nothing that could go on.",
            f"Make it again, and remove this one: dsample runs remove {run.id}",
        )
    manifest = run.read_manifest(OF_A_MODEL)
    stored = TrainConfig.from_options(manifest["config"])
    config = replace(stored, trust_remote_code=trust_remote_code)
    require_trackers(config.report_to)
    _require_peft(config)
    run = _shared(lambda: run, config)
    with run.locked():
        if run.read_manifest()["status"] == COMPLETED:
            raise _completed(run)  # by another process, meanwhile
        heard = WarningsKept(listener, training_warnings(manifest))
        data = load_run_datasets(run, manifest, config, heard)
        run.update_manifest(status=RUNNING)
        return _guarded(run, config, data, heard)


def _completed(run: Run) -> RunError:
    return RunError(
        f"Run {run.id} is completed.",
        f"Repeat it with: dsample train --config {run.config_file}",
    )


def _require_peft(config: TrainConfig) -> None:
    if config.lora and find_spec("peft") is None:
        raise MissingExtraError(
            "--lora needs the package peft, which is not installed.",
            "Install it: pip install 'dsample-cli[peft]'",
        )


def _new_run(workspace: Workspace, config: TrainConfig, named: Run | None) -> Run:
    if named is None:
        return workspace.create_run(config.schedule)
    workspace.create()
    if not named.path.is_dir():
        workspace.make_run(named)
    return named


def _shared(make_run: Callable[[], Run], config: TrainConfig) -> Run:
    """The run that rank 0 makes; with several processes the others follow it without writing."""
    if torchrun.size() == 1:
        return make_run()
    from dsample_cli.training import distributed
    from dsample_cli.training.devices import choose_device

    distributed.join(use_cpu=choose_device(config.device).type == "cpu")
    is_main = distributed.rank() == 0
    path = distributed.from_main(make_run().path if is_main else None)
    assert path is not None
    return Run(path) if is_main else FollowedRun(path)


def _guarded(
    run: Run,
    config: TrainConfig,
    data: Datasets,
    listener: WarningsKept,
) -> TrainResult:
    """Train, and leave the run with a true status whatever happens."""
    try:
        return _train(run, config, data, listener)
    except KeyboardInterrupt:
        with suppress(Exception):  # such as a full disk: as nobody holds the run, it reads so
            run.update_manifest(status=INTERRUPTED)
        raise
    except BaseException as error:
        told = explained(error, run, config)
        with suppress(Exception):
            run.update_manifest(**failure(told))
        if told is error:
            raise
        raise told from error


def _train(
    run: Run,
    config: TrainConfig,
    data: Datasets,
    listener: WarningsKept,
) -> TrainResult:
    # Imported here: the data was checked without waiting for torch.
    from dsample_cli.training import distributed
    from dsample_cli.training.devices import choose_device
    from dsample_cli.training.encoders import hub_id
    from dsample_cli.training.fit import fit, prepare

    part = data.parts["train"]
    counts = count_classes(part.codes, len(data.label_names))
    # Told before training, not after.
    read_target_prior(config.target_prior, data.label_names, counts)
    require_validation(config.correct, "validation" in data.parts)
    resolved = resolve_config_score(config, counts)
    config = settle(config, resolved)
    device = choose_device(config.device, config.precision)
    listener.phase("loading the model")
    validation = data.parts.get("validation")
    fitting = prepare(
        config,
        data.label_names,
        part.texts,
        part.codes,
        None if validation is None else validation.texts,
        device,
    )
    config = fitting.config
    _tell_plan(config, fitting.cut_share, part.codes, validation is not None, listener)
    _tell_repetitions(config, resolved.score, counts, data.label_names, listener)
    tell_double_correction(config, resolved.score, counts, data.label_names, listener)
    run.write_config(config.to_options())
    run.update_manifest(
        config=config.to_options(),
        device={"type": device.type, "name": device.name, "precision": device.precision},
        base_model=hub_id(config.model),
        warnings={"training": listener.warnings},
    )

    def save_record(record: dict[str, Any]) -> None:
        append_json_line(run.epochs_file, record)

    def save_draws(epoch: int, rows: NDArray[np.integer]) -> None:
        write_numbers(run.draws_file(epoch), "row", part.rows[rows])

    result = fit(
        fitting,
        resolved.score,
        run.checkpoints_dir,
        _measure(data, counts, config),
        save_record,
        save_draws if config.record_draws else None,
        listener,
        part.rows,
        on_restart=run.write_epochs,
        logs_dir=run.logs_dir,
    )
    if result.was_stopped:
        run.update_manifest(status=INTERRUPTED, epochs=len(result.records))
        return TrainResult(run, INTERRUPTED, len(result.records), None, {})
    listener.phase("evaluating")
    is_main = not isinstance(run, FollowedRun)
    entries: dict[str, Any] = {"metrics": {}}
    if is_main:
        trained = TrainedModel(
            result.model, result.tokenizer, device, data.label_names, config.max_length, result.head
        )
        wish = make_wish(
            config,
            data.label_names,
            counts,
            resolved.score,
            result.records,
            result.best_epoch,
            trained.norms_and_bias(),
        )
        entries = finish_run(
            run, config, data, trained, wish, result.records, result.best_epoch, listener
        )
        if result.head is not None:
            entries["head"] = COSINE
            _tell_cosine_head(entries["correction"]["method"], listener)
    distributed.leave()
    run.update_manifest(
        status=COMPLETED,
        completed=now(),
        epochs=len(result.records),
        best_epoch=result.best_epoch,
        **entries,
    )
    _end_checkpoints(run, config)
    return TrainResult(
        run,
        COMPLETED,
        len(result.records),
        result.best_epoch,
        entries["metrics"],
        baseline=entries.get("baseline"),
    )


def _end_checkpoints(run: Run, config: TrainConfig) -> None:
    """Delete them once the run is completed, not before: until then it may have to be resumed."""
    if not config.keep_checkpoints and not isinstance(run, FollowedRun):
        shutil.rmtree(run.checkpoints_dir, ignore_errors=True)


def _measure(
    data: Datasets, counts: NDArray[np.integer], config: TrainConfig
) -> Callable[[NDArray[np.floating]], dict[str, Any]]:
    """Validation figures of an epoch from its logits, and the recall of each class."""
    from dsample_cli.evaluation.metrics import (
        class_totals,
        group_recall,
        mean_log_loss,
        metrics_from_totals,
    )
    from dsample_cli.training.recorder import CLASS_RECALL

    groups = frequency_groups(counts, config.group_thresholds)
    n_classes = len(data.label_names)

    def measure(logits: NDArray[np.floating]) -> dict[str, Any]:
        truth = data.parts["validation"].codes
        if not np.isfinite(logits).all():
            raise RunError(
                "The model's outputs are no longer finite numbers.",
                "Train again with a lower --lr, or with --precision fp32.",
            )
        right, support, predicted = class_totals(truth, logits.argmax(axis=1), n_classes)
        metrics = metrics_from_totals(right, support, predicted)
        recalls = right / np.maximum(support, 1)
        never = (support > 0) & (predicted == 0)
        class_recall = np.where(support > 0, recalls, np.nan)
        return {
            "loss": mean_log_loss(label_probabilities(logits, truth)),
            **{name: float(value) for name, value in metrics.items()},
            "few_recall": group_recall(recalls, support, groups)["few"],
            "never_predicted": int(never.sum()),
            CLASS_RECALL: class_recall,
        }

    return measure


def _tell_plan(
    config: TrainConfig,
    cut_share: float,
    codes: NDArray[np.integer],
    has_validation: bool,
    listener: Listener,
) -> None:
    if cut_share > 0.05:
        listener.warn(
            f"{cut_share:.0%} of the training texts fill --max-length {config.max_length} and may "
            "be cut."
        )
    is_sorted = np.count_nonzero(np.diff(codes)) < 2 * len(np.unique(codes))
    if config.order == "file" and is_sorted:
        listener.warn(
            "The training rows are sorted by label and --order file reads them so: natural epochs "
            "will unlearn one class while they learn the next. Use --order shuffled."
        )
    if config.grad_accum > 1 and (config.loss == "soft-f1" or config.contrastive):
        name = "--loss soft-f1" if config.loss == "soft-f1" else "--contrastive"
        listener.warn(
            f"{name} compares the {config.batch_size} examples of a batch with each other, not the "
            f"{config.batch_size * config.grad_accum} of a step: --grad-accum does not stand for a "
            "larger --batch-size there."
        )
    if not has_validation:
        listener.warn("There is no validation data: the last epoch is kept, nothing is selected.")
    planned = plans(config.make_schedule(), config.planned_epochs)
    if not any(plan.judged for plan in planned):
        listener.warn(
            f"All {config.planned_epochs} epochs of --schedule {config.schedule} are warmup: none "
            "draws by the score or is judged. Lower --warmup-epochs or raise --epochs."
        )


def _tell_cosine_head(correction: str, listener: Listener) -> None:
    kept, same = "The cosine head is kept", "the same labels, with nearly the same probabilities"
    if correction != "none":
        kept, same = "The cosine head and its correction are kept", "as the uncorrected head does"
    listener.note(f"{kept} in head.safetensors beside the model; model/ alone predicts {same}.")


def _tell_repetitions(
    config: TrainConfig,
    score: Score,
    counts: NDArray[np.integer],
    names: Sequence[str],
    listener: Listener,
) -> None:
    found = most_repeated(counts, score, config.make_schedule(), config.planned_epochs)
    if found.is_too_much:
        listener.warn(repetition_warning(found, counts, names))
