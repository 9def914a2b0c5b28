"""Score a run on labelled data, or predictions that any tool made."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.config import parse_thresholds
from dsample_cli.core.priors import shift_prior
from dsample_cli.core.progress import Listener
from dsample_cli.core.read_options import DETECTED, ReadOptions
from dsample_cli.data.labels import encode_labels
from dsample_cli.data.table import is_blank, read_text_table
from dsample_cli.errors import DataError, RunError
from dsample_cli.evaluation.report import Evaluation, evaluate_predictions, most_confused
from dsample_cli.reports.correction import correction_line
from dsample_cli.runs.files import read_json_lines
from dsample_cli.runs.run import COMPLETED, Run
from dsample_cli.workflows.correction import prior_shift
from dsample_cli.workflows.datasets import read_labelled
from dsample_cli.workflows.model import open_model


@dataclass(frozen=True)
class EvaluateResult:
    """An evaluation and what was evaluated.

    Attributes:
        run: Run id, None for predictions of another tool.
        source: What was evaluated, in words.
        evaluation: The figures.
        confused: Commonest mistakes as (true, predicted, rows).
        correction: How the run's logits are corrected and what its probabilities stand for, in
            words; None when unknown.
    """

    run: str | None
    source: str
    evaluation: Evaluation
    confused: list[tuple[str, str, int]]
    correction: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The public JSON object of `dsample evaluate --json`."""
        return {"run": self.run, **self.evaluation.to_json()}


def evaluate_run(
    run: Run,
    data: str | None,
    listener: Listener,
    text_columns: tuple[str, ...] = (),
    label_column: str | None = None,
    unknown_labels: str = "error",
    groups: str | None = None,
    intervals: bool = True,
    device: str = "auto",
    precision: str = "auto",
    target_prior: str | None = None,
    read_options: ReadOptions = DETECTED,
) -> EvaluateResult:
    """Evaluate a run on a labelled file, or on its own held-out split.

    Without `data` the predictions that the run stored for its test split, else its validation
    split, are scored.

    Raises:
        DsampleError: If the run or the file cannot be used.
    """
    manifest = completed_manifest(run)
    names = manifest["labels"]
    if data is None:
        split = _stored_split(run)
        truth, predicted, probabilities = _read_predictions(run, split, names)
        source = f"the {split} split of {manifest['data'][split]['path']}"
    else:
        part = read_labelled(
            data,
            text_columns or tuple(manifest["text_columns"]),
            label_column or manifest["label_column"],
            names,
            unknown_labels,
            listener,
            read_options,
        )
        model = open_model(run, manifest, device, precision)
        listener.phase("evaluating", len(part.rows))
        truth, source = part.codes, data
        probabilities = model.probabilities(part.texts, listener.advance)
        predicted = probabilities.argmax(axis=1)
    shift = prior_shift(manifest, target_prior)
    if shift is not None:
        probabilities = shift_prior(probabilities, *shift)
        predicted = probabilities.argmax(axis=1)
    thresholds = groups or manifest["config"].get("groups")
    evaluation = evaluate_predictions(
        truth,
        predicted,
        names,
        np.array(manifest["train_counts"]),
        probabilities,
        parse_thresholds(thresholds) if thresholds else None,
        intervals,
    )
    return _result(run.id, source, evaluation, correction_line(manifest, target_prior))


def evaluate_file(
    path: str,
    label_column: str,
    prediction_column: str,
    listener: Listener,
    groups: str | None = None,
    intervals: bool = True,
    read_options: ReadOptions = DETECTED,
) -> EvaluateResult:
    """Evaluate predictions made by any tool: a file with a true and a predicted label a row.

    Raises:
        DataError: If a column is missing or a label is empty.
    """
    # Reading the prediction column as the "text" takes it verbatim, like labels.
    table = read_text_table(path, (prediction_column,), label_column, options=read_options)
    for note in table.notes:
        listener.note(note)
    assert table.labels is not None
    predicted = table.texts[0]
    for column, values in ((label_column, table.labels), (prediction_column, predicted)):
        blank = np.flatnonzero(is_blank(values))
        if len(blank):
            raise DataError(
                f"{path}: column '{column}' is empty in {len(blank)} rows, the first is row "
                f"{blank[0]}.",
                "Fill these rows or take them out.",
            )
    found = set(table.labels.unique().to_pylist()) | set(predicted.unique().to_pylist())
    names = tuple(sorted(found))
    evaluation = evaluate_predictions(
        encode_labels(table.labels, names).codes,
        encode_labels(predicted, names).codes,
        names,
        group_thresholds=parse_thresholds(groups) if groups else None,
        intervals=intervals,
    )
    return _result(None, path, evaluation)


def completed_manifest(run: Run) -> dict[str, Any]:
    """run.json of a run that has a model.

    Raises:
        RunError: If the run is not completed.
    """
    manifest = run.read_manifest()
    if manifest["status"] != COMPLETED:
        raise RunError(
            f"Run {run.id} is {manifest['status']}, so it has no model.",
            f"Finish it with: dsample train --resume {run.id}",
        )
    return manifest


def _result(
    run: str | None, source: str, evaluation: Evaluation, correction: str | None = None
) -> EvaluateResult:
    confused = most_confused(evaluation.confusion, evaluation.labels)
    return EvaluateResult(run, source, evaluation, confused, correction)


def _stored_split(run: Run) -> str:
    for split in ("test", "validation"):
        if run.predictions_file(split).is_file():
            return split
    raise RunError(
        f"Run {run.id} has neither a test nor a validation split.",
        f"Name a labelled file: dsample evaluate DATA --run {run.id}",
    )


def _read_predictions(
    run: Run, split: str, names: list[str]
) -> tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.float64]]:
    """True and predicted label ids, shape [N], and probabilities, shape [N, C]."""
    ids = {name: i for i, name in enumerate(names)}
    records = read_json_lines(run.predictions_file(split))
    try:
        truth = np.array([ids[r["true"]] for r in records], dtype=np.int32)
        # Stored probabilities are rounded, so the nearest two may be equal; the label is not.
        predicted = np.array([ids[r["label"]] for r in records], dtype=np.int32)
        probabilities = np.array([[r["probabilities"][n] for n in names] for r in records])
    except (KeyError, TypeError) as error:
        raise RunError(
            f"{run.predictions_file(split)} is damaged.",
            f"Name a labelled file: dsample evaluate DATA --run {run.id}",
        ) from error
    return truth, predicted, probabilities
