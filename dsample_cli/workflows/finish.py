"""What follows training: the correction, figures, predictions, the saved model, the report."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.config import TrainConfig
from dsample_cli.core.corrections import Correction, label_probabilities, softmax
from dsample_cli.core.disk import replace_file, sync_file, sync_tree, writing
from dsample_cli.core.progress import WarningsKept
from dsample_cli.evaluation.calibration import CalibrationBins, calibration_bins
from dsample_cli.evaluation.report import Evaluation, evaluate_predictions
from dsample_cli.reports.correction import correction_text
from dsample_cli.reports.figures import write_confusion_png
from dsample_cli.reports.html import write_run_report
from dsample_cli.reports.model_card import render_model_card
from dsample_cli.reports.reliability import write_reliability_png
from dsample_cli.runs.files import write_json, write_json_lines
from dsample_cli.runs.run import Run
from dsample_cli.workflows.baseline import measure_baseline
from dsample_cli.workflows.correction import NONE, Choice, Wish, choose_correction
from dsample_cli.workflows.datasets import Datasets, Part
from dsample_cli.workflows.documents import Completed, make_card, make_report, reliabilities
from dsample_cli.workflows.model import TrainedModel
from dsample_cli.workflows.predictions import prediction_record, stored_classes

HELD_OUT = ("validation", "test")


def finish_run(
    run: Run,
    config: TrainConfig,
    data: Datasets,
    model: TrainedModel,
    wish: Wish,
    records: Sequence[Mapping[str, Any]],
    best_epoch: int,
    listener: WarningsKept,
    logits: Mapping[str, NDArray[np.floating]] | None = None,
    commands: Sequence[str] = (),
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
        listener: Hears what was corrected and what is wrong; heard the warnings of the training.
        logits: Of the held-out splits, uncorrected, where they are known already.
        commands: What was done after training, in this order.

    Returns:
        Entries of run.json: `correction`, `prior`, `warnings`, `baseline` and, for each held-out
        split, `metrics`.
    """
    if logits is None:
        held_out = [name for name in HELD_OUT if name in data.parts]
        logits = {name: model.logits(data.parts[name].texts) for name in held_out}
    validation = data.parts.get("validation")
    choice = choose_correction(
        wish, logits.get("validation"), None if validation is None else validation.codes
    )
    is_folded = fold_correction(run, model, choice.correction)
    correction = choice.to_json(data.label_names, is_folded)
    prior = dict(zip(data.label_names, choice.prior.tolist(), strict=True))
    if choice.gain is not None:
        listener.note(correction_text(correction))
    probabilities = {split: _probabilities(split, of, choice) for split, of in logits.items()}
    evaluations = {s: _evaluate(data, config, s, probs) for s, probs in probabilities.items()}
    manifest = run.read_manifest()
    completed = Completed(
        run,
        manifest,
        config,
        data,
        model,
        correction,
        prior,
        evaluations,
        _calibrations(data, logits, evaluations, choice, "refit" in manifest),
        records,
        best_epoch,
        commands,
    )
    save_model(run, model.network, model.tokenizer, render_model_card(make_card(completed)))
    for split, probs in probabilities.items():
        write_predictions(run, split, data.parts[split], probs, data.label_names)
    write_json(run.metrics_file, {name: e.to_json() for name, e in evaluations.items()})
    baseline = _baseline(manifest.get("baseline"), data, listener)
    of_training, of_results = list(listener.warnings), _blind_spots(evaluations)
    for warning in of_results:
        listener.warn(warning)
    if evaluations:
        last = list(evaluations.values())[-1]
        curves = reliabilities(completed)
        report = make_report(completed, [*of_training, *of_results], baseline)
        with _kept(run.confusion_file) as file:
            write_confusion_png(file, last.confusion, last.labels)
        with _kept(run.reliability_file) as file:
            write_reliability_png(file, curves)
        with _kept(run.report_file) as file:
            write_run_report(file, report)
    return {
        "correction": correction,
        "prior": prior,
        "warnings": {"training": of_training, "results": of_results},
        "metrics": {name: summary(evaluation) for name, evaluation in evaluations.items()},
        "baseline": baseline,
    }


@contextmanager
def _kept(file: Path) -> Iterator[Path]:
    """See that a file which is written in the block is on the disk, and tell if it cannot be."""
    with writing(file):
        yield file
        sync_file(file)


def _baseline(
    entry: dict[str, Any] | None, data: Datasets, listener: WarningsKept
) -> dict[str, Any] | None:
    """What a simple model reaches on the run's rows, if it is wanted and not known already.

    Args:
        entry: `baseline` of run.json: only `model`, or of a derived run what its parent had.
        data: The run's splits.
        listener: Hears if it fails; the run is stored by then.
    """
    if entry is None or "fitted_rows" in entry:
        return entry
    listener.phase("fitting TF-IDF and logistic regression")
    try:
        return measure_baseline(entry["model"], data)
    except (MemoryError, ValueError) as error:
        listener.warn(
            "TF-IDF and logistic regression could not be fitted to compare with "
            f"({type(error).__name__}); the run itself is complete."
        )
        return None


def fold_correction(run: Run, model: TrainedModel, correction: Correction) -> bool:
    """Put a correction into the model's last layer; False where it has to stand beside it."""
    from dsample_cli.training.heads import can_fold, fold, save_beside

    if model.head is not None or not can_fold(model.network):
        with _kept(run.head_file) as file:
            save_beside(file, correction.scale, correction.bias, model.head)
        return False
    fold(model.network, correction.scale, correction.bias)
    return True


def summary(evaluation: Evaluation) -> dict[str, Any]:
    """The figures of one split that run.json and `train --json` hold."""
    recalls = {f"{group}_recall": recall for group, recall in evaluation.groups.items()}
    return dict(evaluation.metrics) | recalls


def save_model(run: Run, model: Any, tokenizer: Any, card: str) -> None:
    """Write model/ with its card so that it appears whole or not at all."""
    partial = run.path / ".model.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with writing(run.model_dir):
            model.save_pretrained(partial)
            tokenizer.save_pretrained(partial)
            (partial / "README.md").write_text(card, encoding="utf-8", newline="\n")
            for file in partial.iterdir():
                file.chmod(0o644)  # safetensors writes weights for their owner alone
            sync_tree(partial)
            shutil.rmtree(run.model_dir, ignore_errors=True)
            replace_file(partial, run.model_dir)
    except BaseException:  # Ctrl-C too
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_predictions(
    run: Run, split: str, part: Part, probabilities: NDArray, names: Sequence[str]
) -> None:
    """Write predictions-<split>.jsonl: predictions with the true label, without the text."""
    top = stored_classes(len(names))
    write_json_lines(
        run.predictions_file(split),
        (
            prediction_record(row, probs, names, top) | {"true": names[code]}
            for row, probs, code in zip(
                part.rows.tolist(), probabilities, part.codes.tolist(), strict=True
            )
        ),
    )


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


def _probabilities(split: str, logits: NDArray[np.floating], choice: Choice) -> NDArray[np.float64]:
    """Probabilities of a split's rows, shape [N, C]; where fitted on, cross-fitted ones."""
    if split == "validation" and choice.validation is not None:
        return softmax(choice.validation)
    return softmax(choice.correction(logits))


def _calibrations(
    data: Datasets,
    logits: Mapping[str, NDArray[np.floating]],
    evaluations: Mapping[str, Evaluation],
    choice: Choice,
    is_refitted: bool,
) -> dict[str, CalibrationBins]:
    """Calibration on the last split, before the correction and, where one was taken, with it."""
    if not evaluations:
        return {}
    split = list(evaluations)[-1]
    predicted = logits[split].argmax(axis=1)
    confidence = label_probabilities(logits[split], predicted)
    name = "as refitted" if is_refitted else "as trained"
    found = {name: calibration_bins(confidence, predicted == data.parts[split].codes)}
    corrected = evaluations[split].calibration
    if choice.method != NONE and corrected is not None:
        found["corrected"] = corrected
    return found


def _blind_spots(evaluations: Mapping[str, Evaluation]) -> list[str]:
    """A warning for each split with classes that are never predicted."""
    warnings = []
    for split, evaluation in evaluations.items():
        confusion = evaluation.confusion
        missed = (confusion.sum(axis=1) > 0) & (confusion.sum(axis=0) == 0)
        if missed.any():
            names = [evaluation.labels[c] for c in np.flatnonzero(missed)]
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            shown = ", ".join(f"'{n}'" for n in names[:5])
            count = "1 class is" if len(names) == 1 else f"{len(names)} classes are"
            warnings.append(
                f"{count} never predicted on {split}: {shown}{more}. "
                "Try more --epochs, or a stronger score: --score inverse."
            )
    return warnings
