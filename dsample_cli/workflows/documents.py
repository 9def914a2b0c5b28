"""What a completed run says of itself: its report page and the card of its model."""

import inspect
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from dsample_cli import __version__
from dsample_cli.core.class_scores import CLASS_SCORES
from dsample_cli.core.config import AUTO, TrainConfig
from dsample_cli.core.heads import CosineHead
from dsample_cli.core.imbalance import frequency_groups
from dsample_cli.core.scores import parse_score
from dsample_cli.core.signatures import option_names
from dsample_cli.evaluation.calibration import CalibrationBins
from dsample_cli.evaluation.report import Evaluation, most_confused
from dsample_cli.reports.baseline import gain_text
from dsample_cli.reports.correction import correction_verdict, prior_text
from dsample_cli.reports.html import (
    ClassRow,
    ClassShares,
    CorrectionGain,
    CorrectionReport,
    DataPart,
    Reliability,
    RunReport,
    SplitResult,
)
from dsample_cli.reports.model_card import HeadBeside, ModelCard
from dsample_cli.runs.run import Run
from dsample_cli.workflows.datasets import Datasets
from dsample_cli.workflows.model import COSINE, TrainedModel
from dsample_cli.workflows.run_names import LEAVE_NO_TRACE

_FILES = ("data", "val", "test")


@dataclass(frozen=True)
class Completed:
    """A run whose model is final.

    Attributes:
        run: Where it is stored.
        manifest: Its run.json so far.
        config: Its options.
        data: Its splits.
        model: What predicts, but for the correction.
        correction: `correction` of its run.json.
        prior: `prior` of its run.json.
        evaluations: Of the held-out splits, as the run predicts them.
        calibrations: Name of the predictions -> bins, of the last of these splits.
        records: Lines of epochs.jsonl.
        best_epoch: Whose weights the model has.
        commands: What was done after training, in this order.
    """

    run: Run
    manifest: Mapping[str, Any]
    config: TrainConfig
    data: Datasets
    model: TrainedModel
    correction: Mapping[str, Any]
    prior: Mapping[str, float]
    evaluations: Mapping[str, Evaluation]
    calibrations: Mapping[str, CalibrationBins]
    records: Sequence[Mapping[str, Any]]
    best_epoch: int
    commands: Sequence[str]

    @property
    def natural(self) -> dict[str, float]:
        """Share of each label in the training rows."""
        counts = np.array(self.manifest["train_counts"])
        return dict(zip(self.data.label_names, (counts / counts.sum()).tolist(), strict=True))


def make_report(
    completed: Completed, warnings: Sequence[str], baseline: Mapping[str, Any] | None = None
) -> RunReport:
    """What the report page of a run with held-out rows shows.

    Args:
        completed: The run.
        warnings: What the reader should know first.
        baseline: `baseline` of its run.json.
    """
    run, config, manifest = completed.run, completed.config, completed.manifest
    split, evaluation = list(completed.evaluations.items())[-1]
    shown_above = ("model", "schedule", "score", "loss")
    command = f"dsample train --config {shlex.quote(str(run.config_file))}"
    return RunReport(
        run=run.id,
        command=completed.commands[-1] if completed.commands else command,
        created=str(manifest["created"])[:16].replace("T", " ") + " UTC",
        model=config.model,
        schedule=config.schedule,
        score=config.score,
        settings=[
            (name, Path(str(value)).name if name in _FILES else _shown(value))
            for name, value in config.to_options().items()
            if name not in shown_above
        ],
        splits=_splits(completed),
        class_split=split,
        classes=_class_rows(completed),
        confusion=evaluation.confusion,
        epochs=list(completed.records),
        best_epoch=completed.best_epoch,
        most_confused=most_confused(evaluation.confusion, evaluation.labels),
        warnings=warnings,
        facts=_facts(completed),
        correction=_correction(completed),
        calibration=reliabilities(completed),
        baseline=gain_text(
            baseline,
            {name: e.metrics for name, e in completed.evaluations.items()},
        ),
        data=[
            DataPart(name, part.path, part.sha256, len(part.rows))
            for name, part in completed.data.parts.items()
        ],
    )


def reliabilities(completed: Completed) -> list[Reliability]:
    """The reliability diagrams of a run."""
    return [
        Reliability(
            name,
            bins.rows.tolist(),
            bins.confidence.tolist(),
            bins.accuracy.tolist(),
            bins.expected_error,
            bins.maximum_error,
        )
        for name, bins in completed.calibrations.items()
    ]


def make_card(completed: Completed) -> ModelCard:
    """What the card of a run's model says; no folder of this machine is in it."""
    manifest, config, head = completed.manifest, completed.config, completed.model.head
    is_refitted = "refit" in manifest and head is None
    return ModelCard(
        run=completed.run.id,
        version=__version__,
        base_model=manifest.get("base_model"),
        classes=_class_rows(completed),
        class_split=list(completed.evaluations)[-1] if completed.evaluations else None,
        splits=_splits(completed),
        training=_training_facts(completed),
        commands=[_without_folders(c) for c in (train_command(config), *completed.commands)],
        correction=_correction(completed),
        head_beside=None if head is None else _head_beside(completed),
        refitted=manifest["head"] if is_refitted else None,
        parent=manifest.get("parent"),
        text_columns=len(completed.data.text_columns),
        max_length=completed.model.max_length,
        dataset=Path(completed.data.parts["train"].path).name,
    )


def train_command(config: TrainConfig) -> str:
    """The `dsample train` that a config describes; defaults are left out.

    Examples:
        >>> train_command(TrainConfig(data="t.csv", text_column=("a", "b"), cycle=2, lr=2e-4))
        'dsample train t.csv --text-column a --text-column b --cycle 2 --lr 0.0002'
    """
    words = ["dsample", "train", config.data]
    for field in fields(config):
        value, name = getattr(config, field.name), field.name.replace("_", "-")
        if name in ("data", *LEAVE_NO_TRACE) or value == field.default:
            continue
        flag = f"--{name}"
        if isinstance(value, bool):
            words.append(flag)
            continue
        for one in value if isinstance(value, tuple) else (value,):
            words += [flag, str(one)]
    return shlex.join(words)


def _without_folders(command: str) -> str:
    """A command that does not tell where files were.

    Examples:
        >>> _without_folders("dsample train /home/me/t.csv --model /models/bert")
        'dsample train t.csv --model bert'
    """
    return shlex.join(os.path.basename(w) if os.path.isabs(w) else w for w in shlex.split(command))


def _splits(completed: Completed) -> list[SplitResult]:
    return [
        SplitResult(name, e.rows, e.metrics, e.intervals, e.groups)
        for name, e in completed.evaluations.items()
    ]


def _class_rows(completed: Completed) -> list[ClassRow]:
    if completed.evaluations:
        evaluation = list(completed.evaluations.values())[-1]
        return [
            ClassRow(c.label, c.train_count, c.support, c.precision, c.recall, c.f1, group)
            for c, group in zip(evaluation.per_class, evaluation.class_groups, strict=True)
        ]
    counts = completed.manifest["train_counts"]
    groups = frequency_groups(np.array(counts), completed.config.group_thresholds)
    return [
        ClassRow(label, count, 0, 0.0, 0.0, 0.0, group)
        for label, count, group in zip(completed.data.label_names, counts, groups, strict=True)
    ]


def _correction(completed: Completed) -> CorrectionReport:
    entry, prior, natural = completed.correction, completed.prior, completed.natural
    return CorrectionReport(
        verdict=correction_verdict(entry),
        method=entry["method"],
        is_folded=entry["folded"],
        gain=None if "before" not in entry else _gain(entry),
        prior=prior_text(prior, natural, entry["target_prior"]),
        strengths=entry["strengths"],
        shares=[
            ClassShares(
                label,
                natural[label],
                entry["carried_prior"][label],
                prior[label],
                entry["bias"][label],
            )
            for label in completed.data.label_names
        ],
    )


def _gain(entry: Mapping[str, Any]) -> CorrectionGain:
    # Under auto it is that of logit adjustment, whatever was taken besides.
    is_taken = entry["asked"] != AUTO or "logit-adjust" in entry["method"]
    return CorrectionGain(
        entry["metric"],
        entry["before"],
        entry["cross_fitted"],
        entry["standard_error"],
        is_taken,
    )


def _facts(completed: Completed) -> list[tuple[str, str]]:
    """What the header of the report shows besides model, schedule and score."""
    manifest, is_beside = completed.manifest, completed.model.head is not None
    name = manifest.get("head") or (COSINE if is_beside else None)
    head = " after ".join(filter(None, (name, manifest.get("resample"))))
    if is_beside:
        head += ", in head.safetensors beside the model"
    facts = (("Loss", completed.config.loss), ("Head", head), ("Made of", manifest.get("parent")))
    return [(name, value) for name, value in facts if value]


def _training_facts(completed: Completed) -> list[tuple[str, str]]:
    config, parts = completed.config, completed.data.parts
    model = config.model
    epochs = f"{len(completed.records)}, of which the weights of epoch {completed.best_epoch}"
    rows = ", ".join(f"{len(p.rows):,} {name} ({Path(p.path).name})" for name, p in parts.items())
    batches = f"{config.batch_size}" + (f" x {config.grad_accum}" if config.grad_accum > 1 else "")
    facts = {
        "Model": os.path.basename(model) if os.path.isabs(model) else model,
        "Rows": rows,
        "Score": _score(config),
        "Schedule": config.schedule,
        "Loss": config.loss,
        "Epochs": f"{epochs} (from 0) were kept",
        "Batch size and learning rate": f"{batches}, {_shown(config.lr)}",
        "Seed": str(config.seed),
    }
    return list(facts.items())


def _score(config: TrainConfig) -> str:
    """The score with the numbers that were settled for it."""
    of_classes = [CLASS_SCORES[name] for name in parse_score(config.score) if name in CLASS_SCORES]
    used = frozenset[str]().union(*map(option_names, of_classes)) & {"temperature", "beta", "power"}
    numbers = ", ".join(f"{name} {_shown(getattr(config, name))}" for name in sorted(used))
    return f"{config.score} ({numbers})" if numbers else config.score


def _head_beside(completed: Completed) -> HeadBeside:
    head = completed.model.head
    # The first line of the docstring of each head is its formula.
    formula = (inspect.getdoc(head) or "").split("\n")[0].rstrip(".")
    return HeadBeside(completed.manifest.get("head", COSINE), formula, isinstance(head, CosineHead))


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
