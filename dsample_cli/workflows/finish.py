"""What follows training: the correction, figures, predictions, the saved model, the report."""

import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.config import TrainConfig
from dsample_cli.core.corrections import Correction
from dsample_cli.core.progress import Listener
from dsample_cli.evaluation.report import Evaluation, evaluate_predictions, most_confused
from dsample_cli.reports.figures import write_confusion_png
from dsample_cli.reports.html import ClassRow, RunReport, SplitResult, write_run_report
from dsample_cli.runs.files import write_json, write_json_lines
from dsample_cli.runs.run import Run
from dsample_cli.workflows.correction import Choice, Wish, choose_correction
from dsample_cli.workflows.datasets import Datasets, Part
from dsample_cli.workflows.model import TrainedModel
from dsample_cli.workflows.predictions import prediction_record

HELD_OUT = ("validation", "test")


def finish_run(
    run: Run,
    config: TrainConfig,
    data: Datasets,
    model: TrainedModel,
    wish: Wish,
    records: Sequence[Mapping[str, Any]],
    best_epoch: int,
    listener: Listener,
    logits: Mapping[str, NDArray[np.floating]] | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """Correct the model as asked and write everything that a completed run holds.

    Validation figures are those of cross-fitted predictions: each row is corrected by what was
    fitted without it.

    Args:
        run: Where to write.
        config: The run's options.
        data: Its splits.
        model: The trained model, uncorrected.
        wish: The correction that was asked for.
        records: Lines of epochs.jsonl.
        best_epoch: Whose weights the model has.
        listener: Hears what was corrected and what is wrong.
        logits: Of the held-out splits, uncorrected, where they are known already.
        command: What repeats the run; to train by its config when None.

    Returns:
        Entries of run.json: `correction`, `prior` and, for each held-out split, `metrics`.
    """
    if logits is None:
        held_out = [name for name in HELD_OUT if name in data.parts]
        logits = {name: model.logits(data.parts[name].texts) for name in held_out}
    validation = data.parts.get("validation")
    choice = choose_correction(
        wish, logits.get("validation"), None if validation is None else validation.codes
    )
    _tell_correction(choice, listener)
    is_folded = fold_correction(run, model, choice.correction)
    save_model(run, model.network, model.tokenizer)
    corrected = {name: choice.correction(values) for name, values in logits.items()}
    if choice.validation is not None:
        corrected["validation"] = choice.validation
    evaluations = {}
    for split, values in corrected.items():
        probabilities = _softmax(values)
        evaluations[split] = _evaluate(data, config, split, probabilities)
        write_predictions(run, split, data.parts[split], probabilities, data.label_names)
    write_json(run.metrics_file, {name: e.to_json() for name, e in evaluations.items()})
    _warn_of_blind_spots(evaluations, listener)
    if evaluations:
        last = list(evaluations.values())[-1]
        write_confusion_png(run.confusion_file, last.confusion, last.labels)
        command = command or f"dsample train --config {shlex.quote(str(run.config_file))}"
        report = _report(run, config, evaluations, records, best_epoch, command)
        write_run_report(run.report_file, report)
    if not config.keep_checkpoints:
        shutil.rmtree(run.checkpoints_dir, ignore_errors=True)
    return {
        "correction": choice.to_json(data.label_names, is_folded),
        "prior": dict(zip(data.label_names, choice.prior.tolist(), strict=True)),
        "metrics": {name: summary(evaluation) for name, evaluation in evaluations.items()},
    }


def fold_correction(run: Run, model: TrainedModel, correction: Correction) -> bool:
    """Put a correction into the model's last layer; False where it has to stand beside it."""
    from dsample_cli.training.heads import can_fold, fold, save_beside

    if model.head is not None or not can_fold(model.network):
        save_beside(run.head_file, correction.scale, correction.bias, model.head)
        return False
    fold(model.network, correction.scale, correction.bias)
    return True


def _tell_correction(choice: Choice, listener: Listener) -> None:
    gain = choice.gain
    if gain is None:
        return
    change = 100 * (gain.after - gain.before)
    metric = choice.wish.metric.replace("_", "-")
    worth = (
        f"{metric} {gain.before:.4f} -> {gain.after:.4f} on rows that it was not fitted on "
        f"({change:+.1f} points, standard error {100 * gain.error:.1f})"
    )
    if choice.method == "none":
        listener.note(f"No correction: it would not be worth it, {worth}.")
    elif "logit-adjust" in choice.method or choice.wish.method != "auto":
        listener.note(f"Corrected by {choice.method}: {worth}.")
    else:
        listener.note(f"Calibrated by {choice.method}; logit adjustment not worth it, {worth}.")


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


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    from dsample_cli.training.inference import softmax

    return softmax(logits)


def _evaluate(
    data: Datasets, config: TrainConfig, split: str, probabilities: NDArray[np.float64]
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
    run: Run,
    config: TrainConfig,
    evaluations: Mapping[str, Evaluation],
    records: Sequence[Mapping[str, Any]],
    best_epoch: int,
    command: str,
) -> RunReport:
    split, evaluation = list(evaluations.items())[-1]
    options = config.to_options()
    shown = ("data", "val", "test", "model", "schedule", "score")
    return RunReport(
        run=run.id,
        command=command,
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
        epochs=list(records),
        best_epoch=best_epoch,
        most_confused=most_confused(evaluation.confusion, evaluation.labels),
        warnings=[],
    )


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
