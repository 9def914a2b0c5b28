"""What follows training: figures, predictions, the saved model, the report."""

import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.config import TrainConfig
from dsample_cli.core.progress import Listener
from dsample_cli.evaluation.report import Evaluation, evaluate_predictions, most_confused
from dsample_cli.reports.figures import write_confusion_png
from dsample_cli.reports.html import ClassRow, RunReport, SplitResult, write_run_report
from dsample_cli.runs.files import write_json, write_json_lines
from dsample_cli.runs.run import Run
from dsample_cli.workflows.datasets import Datasets, Part
from dsample_cli.workflows.predictions import prediction_record

if TYPE_CHECKING:
    from dsample_cli.training.fit import FitResult, Fitting

HELD_OUT = ("validation", "test")


def finish_run(
    run: Run,
    config: TrainConfig,
    data: Datasets,
    fitting: "Fitting",
    result: "FitResult",
    listener: Listener,
) -> dict[str, dict[str, Any]]:
    """Write everything that a completed run holds.

    Returns:
        For each held-out split the figures of `dsample train --json`.
    """
    save_model(run, result.model, result.tokenizer)
    evaluations = {}
    for split in HELD_OUT:
        if split in data.parts:
            probabilities = _probabilities(fitting, data.parts[split], result.model)
            evaluations[split] = _evaluate(run, data, config, split, probabilities)
            write_predictions(run, split, data.parts[split], probabilities, data.label_names)
    write_json(run.metrics_file, {name: e.to_json() for name, e in evaluations.items()})
    _warn_of_blind_spots(evaluations, listener)
    if evaluations:
        last = list(evaluations.values())[-1]
        write_confusion_png(run.confusion_file, last.confusion, last.labels)
        write_run_report(run.report_file, _report(run, config, evaluations, result))
    if not config.keep_checkpoints:
        shutil.rmtree(run.checkpoints_dir, ignore_errors=True)
    return {name: summary(evaluation) for name, evaluation in evaluations.items()}


def summary(evaluation: Evaluation) -> dict[str, Any]:
    """The figures of one split that run.json and `train --json` hold."""
    recalls = {f"{group}_recall": recall for group, recall in evaluation.groups.items()}
    return dict(evaluation.metrics) | recalls


def save_model(run: Run, model: Any, tokenizer: Any) -> None:
    """Write model/ so that it appears whole or not at all."""
    partial = run.path / ".model.partial"
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    for file in partial.iterdir():
        file.chmod(0o644)  # safetensors writes weights for their owner alone
    shutil.rmtree(run.model_dir, ignore_errors=True)
    partial.rename(run.model_dir)


def write_predictions(
    run: Run, split: str, part: Part, probabilities: NDArray, names: Sequence[str]
) -> None:
    """Write predictions-<split>.jsonl: predictions with the true label, without the text."""
    write_json_lines(
        run.predictions_file(split),
        (
            prediction_record(row, probs, names) | {"true": names[code]}
            for row, probs, code in zip(
                part.rows.tolist(), probabilities, part.codes.tolist(), strict=True
            )
        ),
    )


def _probabilities(fitting: "Fitting", part: Part, model: Any) -> NDArray[np.float64]:
    from dsample_cli.training.inference import predict_logits, softmax
    from dsample_cli.training.tokenization import make_collator, tokenize

    tokens = tokenize(fitting.tokenizer, part.texts, fitting.config.max_length)
    collator = make_collator(fitting.tokenizer, tokens)
    return softmax(predict_logits(model, collator, fitting.device, len(fitting.label_names)))


def _evaluate(
    run: Run, data: Datasets, config: TrainConfig, split: str, probabilities: NDArray[np.float64]
) -> Evaluation:
    counts = np.bincount(data.parts["train"].codes, minlength=len(data.label_names))
    return evaluate_predictions(
        data.parts[split].codes,
        probabilities.argmax(axis=1),
        data.label_names,
        counts,
        probabilities,
        config.group_thresholds,
    )


def _warn_of_blind_spots(evaluations: Mapping[str, Evaluation], listener: Listener) -> None:
    for split, evaluation in evaluations.items():
        confusion = evaluation.confusion
        missed = (confusion.sum(axis=1) > 0) & (confusion.sum(axis=0) == 0)
        if missed.any():
            names = [evaluation.labels[c] for c in np.flatnonzero(missed)]
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            shown = ", ".join(f"'{n}'" for n in names[:5])
            count = "1 class is" if len(names) == 1 else f"{len(names)} classes are"
            listener.warn(
                f"{count} never predicted on {split}: {shown}{more}. "
                "Try more --epochs, or a stronger score: --score inverse."
            )


def _report(
    run: Run, config: TrainConfig, evaluations: Mapping[str, Evaluation], result: "FitResult"
) -> RunReport:
    split, evaluation = list(evaluations.items())[-1]
    options = config.to_options()
    shown = ("data", "val", "test", "model", "schedule", "score")
    return RunReport(
        run=run.id,
        command=f"dsample train --config {shlex.quote(str(run.config_file))}",
        created=str(run.read_manifest()["created"])[:16].replace("T", " ") + " UTC",
        model=config.model,
        schedule=config.schedule,
        score=config.score,
        settings=[
            (name, Path(str(value)).name if name in ("data", "val", "test") else _shown(value))
            for name, value in options.items()
            if name not in shown[3:]
        ],
        splits=[
            SplitResult(name, e.rows, e.metrics, e.intervals, e.groups)
            for name, e in evaluations.items()
        ],
        class_split=split,
        classes=[
            ClassRow(c.label, c.train_count, c.support, c.precision, c.recall, c.f1, group)
            for c, group in zip(evaluation.per_class, evaluation.class_groups, strict=True)
        ],
        confusion=evaluation.confusion,
        epochs=result.records,
        best_epoch=result.best_epoch,
        most_confused=most_confused(evaluation.confusion, evaluation.labels),
        warnings=[],
    )


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
