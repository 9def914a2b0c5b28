"""Score a run on labelled data, or predictions that any tool made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dsample_cli.core.config import TrainConfig, parse_thresholds
from dsample_cli.core.priors import shift_prior
from dsample_cli.core.progress import Listener
from dsample_cli.core.read_options import DETECTED, ReadOptions
from dsample_cli.data.columns import require_column
from dsample_cli.data.excerpts import read_cells
from dsample_cli.data.labels import check_is_target, encode_labels
from dsample_cli.data.nested import has_objects, parse_objects, read_named
from dsample_cli.data.sources import DataSource, column_names, open_source, path_sha256
from dsample_cli.data.table import check_single_label, is_blank
from dsample_cli.errors import ConfigError, DataError, RunError
from dsample_cli.evaluation.checks import (
    Check,
    CheckResult,
    check_labels,
    parse_check,
    run_checks,
)
from dsample_cli.evaluation.mistakes import worst_mistakes
from dsample_cli.evaluation.report import Evaluation, evaluate_predictions, most_confused
from dsample_cli.evaluation.slices import Slice, evaluate_slices
from dsample_cli.reports.correction import correction_line
from dsample_cli.runs.files import read_json_lines
from dsample_cli.runs.manifests import OF_A_MODEL
from dsample_cli.runs.run import COMPLETED, Run
from dsample_cli.workflows.correction import prior_shift
from dsample_cli.workflows.datasets import absent_classes, read_labelled
from dsample_cli.workflows.model import open_model
from dsample_cli.workflows.predictions import whole_probabilities

# Slices that are evaluated: those with the most rows.
MOST_SLICES = 50
# Column of a file of predictions with the probability of each label, as `predict` writes it.
_PROBABILITIES = "probabilities"
_TEXT_JOINT = " | "


@dataclass(frozen=True)
class Extras:
    """What is wanted besides the figures.

    Attributes:
        errors: How many of the worst mistakes to list; None for no list.
        by: Column whose values part the rows into slices.
        checks: What the figures must reach.
    """

    errors: int | None = None
    by: str | None = None
    checks: tuple[Check, ...] = ()


NO_EXTRAS = Extras()


def make_extras(errors: int | None, by: str | None, fail_under: Sequence[str]) -> Extras:
    """The extras of command-line options.

    Raises:
        ConfigError: If a check cannot be read.
    """
    return Extras(errors, by, tuple(parse_check(text) for text in fail_under))


@dataclass(frozen=True)
class ShownMistake:
    """A wrong prediction.

    Attributes:
        row: 0-based data row.
        true: True label.
        predicted: Predicted label.
        probability: Of the predicted label, None where unknown.
        true_probability: Of the true label, None where unknown.
        text: The row's text, of a pair both; None where no column has it.
    """

    row: int
    true: str
    predicted: str
    probability: float | None
    true_probability: float | None
    text: str | None


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
        errors: Worst mistakes, None when not asked for.
        by: Column of the slices and how many values it has, None when not asked for.
        slices: The slices with the most rows, None when not asked for.
        checks: How the checks went.
    """

    run: str | None
    source: str
    evaluation: Evaluation
    confused: list[tuple[str, str, int]]
    correction: str | None = None
    errors: list[ShownMistake] | None = None
    by: tuple[str, int] | None = None
    slices: list[Slice] | None = None
    checks: tuple[CheckResult, ...] = ()

    @property
    def failed_checks(self) -> list[CheckResult]:
        return [result for result in self.checks if not result.passed]

    def to_json(self) -> dict[str, Any]:
        """The public JSON object of `dsample evaluate --json`."""
        answer: dict[str, Any] = {"run": self.run, **self.evaluation.to_json()}
        answer["confused"] = [
            {"true": true, "predicted": predicted, "count": count}
            for true, predicted, count in self.confused
        ]
        if self.errors is not None:
            answer["errors"] = [vars(mistake) for mistake in self.errors]
        if self.by is not None and self.slices is not None:
            answer["by"] = {"column": self.by[0], "values": self.by[1]}
            answer["slices"] = [found.to_json() for found in self.slices]
        if self.checks:
            answer["checks"] = [result.to_json() for result in self.checks]
        return answer


@dataclass(frozen=True)
class _Scored:
    """Predicted rows.

    Attributes:
        names: Label id -> name.
        truth: True label ids, shape [N].
        predicted: Predicted label ids, shape [N].
        probabilities: Shape [N, C], None where unknown.
        rows: 0-based data rows, shape [N].
        texts: Places among the N rows -> their texts; None where no column has them.
        by: Column of slices, one value a row; None when not asked for.
    """

    names: Sequence[str]
    truth: NDArray[np.integer]
    predicted: NDArray[np.integer]
    probabilities: NDArray[np.floating] | None
    rows: NDArray[np.integer]
    texts: Callable[[Sequence[int]], Sequence[str | None]]
    by: pa.ChunkedArray | None


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
    extras: Extras = NO_EXTRAS,
    trust_remote_code: bool = False,
) -> EvaluateResult:
    """Evaluate a run on a labelled file, or on its own held-out split.

    Without `data` the predictions that the run stored for its test split, else its validation
    split, are scored.

    Raises:
        DsampleError: If the run or the file cannot be used.
    """
    manifest = completed_manifest(run)
    names = manifest["labels"]
    check_labels(extras.checks, names)
    if data is None:
        split = _stored_split(run)
        scored = _stored_predictions(run, manifest, split, extras)
        source = f"the {split} split of {manifest['data'][split]['path']}"
    else:
        file, source = open_source(data, read_options), data
        columns = text_columns or tuple(manifest["text_columns"])
        part = read_labelled(
            file,
            columns,
            label_column or manifest["label_column"],
            names,
            unknown_labels,
            listener,
        )
        if absent := absent_classes(part.codes, names):
            listener.warn(f"{data} has {absent}.")
        by = None if extras.by is None else _column(file, extras.by).take(part.rows)
        model = open_model(run, manifest, device, precision, trust_remote_code)
        listener.phase("evaluating", len(part.rows))
        probabilities = model.probabilities(part.texts, listener.advance)
        scored = _Scored(
            names,
            part.codes,
            probabilities.argmax(axis=1),
            probabilities,
            part.rows,
            lambda places: [_TEXT_JOINT.join(text[i] for text in part.texts) for i in places],
            by,
        )
    shift = prior_shift(manifest, target_prior)
    if shift is not None:
        assert scored.probabilities is not None
        shifted = shift_prior(scored.probabilities, *shift)
        scored = replace(scored, probabilities=shifted, predicted=shifted.argmax(axis=1))
    thresholds = groups or manifest["config"].get("groups")
    counts = np.array(manifest["train_counts"])
    evaluation = _evaluate(scored, thresholds, intervals, counts)
    correction = correction_line(manifest, target_prior)
    return _result(run.id, source, scored, evaluation, extras, listener, correction)


def evaluate_file(
    path: str,
    label_column: str,
    prediction_column: str,
    listener: Listener,
    groups: str | None = None,
    intervals: bool = True,
    read_options: ReadOptions = DETECTED,
    extras: Extras = NO_EXTRAS,
    text_columns: tuple[str, ...] = (),
) -> EvaluateResult:
    """Evaluate predictions made by any tool: a file with a true and a predicted label a row.

    Where JSON lines have an object `probabilities` of every label, as those of `predict` do,
    calibration and average precision are measured too.

    Raises:
        DataError: If a column is missing or a label is empty.
        ConfigError: If a check or the column of slices cannot be used.
    """
    file = open_source(path, read_options)
    wanted = [label_column, prediction_column, *text_columns]
    has_probabilities = has_objects(file, _PROBABILITIES)
    wanted += [_PROBABILITIES] * has_probabilities
    wanted += [] if extras.by is None else [extras.by]
    columns = read_named(file, wanted)
    for note in file.notes:
        listener.note(note)
    labels, predicted = columns[label_column], columns[prediction_column]
    check_single_label(labels, label_column, file.name)
    for column in (label_column, prediction_column):
        blank = np.flatnonzero(is_blank(columns[column]))
        if len(blank):
            raise DataError(
                f"{path}: column '{column}' is empty in {len(blank)} rows, the first is row "
                f"{blank[0]}.",
                "Fill these rows or take them out.",
            )
        counts = np.bincount(encode_labels(columns[column]).codes)
        check_is_target(counts, column, file.name)
    names = sorted({*labels.unique().to_pylist(), *predicted.unique().to_pylist()})
    probabilities = None
    if has_probabilities:
        names, probabilities = _read_probabilities(columns[_PROBABILITIES], names, listener)
    check_labels(extras.checks, names)

    def texts(places: Sequence[int]) -> list[str | None]:
        if not text_columns:
            return [None] * len(places)
        cells = [columns[column].take(pa.array(places)).to_pylist() for column in text_columns]
        return [_TEXT_JOINT.join(text or "" for text in row) for row in zip(*cells, strict=True)]

    scored = _Scored(
        names,
        encode_labels(labels, names).codes,
        encode_labels(predicted, names).codes,
        probabilities,
        np.arange(len(labels)),
        texts,
        None if extras.by is None else columns[extras.by],
    )
    evaluation = _evaluate(scored, groups, intervals)
    return _result(None, path, scored, evaluation, extras, listener)


def completed_manifest(run: Run, needed: tuple[str, ...] = OF_A_MODEL) -> dict[str, Any]:
    """run.json of a run that has a model.

    Args:
        run: The run.
        needed: Entries that must be there.

    Raises:
        RunError: If the run is not completed, or its run.json is damaged.
    """
    manifest = run.read_manifest()
    if manifest["status"] == COMPLETED:
        manifest = run.read_manifest(needed)
    if manifest["status"] != COMPLETED:
        raise RunError(
            f"Run {run.id} is {manifest['status']}, so it has no model.",
            f"Finish it with: dsample train --resume {run.id}",
        )
    return manifest


def _evaluate(
    scored: _Scored,
    thresholds: str | None,
    intervals: bool,
    train_counts: NDArray[np.integer] | None = None,
) -> Evaluation:
    return evaluate_predictions(
        scored.truth,
        scored.predicted,
        scored.names,
        train_counts,
        scored.probabilities,
        parse_thresholds(thresholds) if thresholds else None,
        intervals,
    )


def _result(
    run: str | None,
    source: str,
    scored: _Scored,
    evaluation: Evaluation,
    extras: Extras,
    listener: Listener,
    correction: str | None = None,
) -> EvaluateResult:
    """The figures with what is wanted besides."""
    by, slices = None, None
    if scored.by is not None and extras.by is not None:
        n_values, slices = _slices(scored, scored.by, extras.by, evaluation, listener)
        by = (extras.by, n_values)
    return EvaluateResult(
        run,
        source,
        evaluation,
        most_confused(evaluation.confusion, evaluation.labels),
        correction,
        None if extras.errors is None else _mistakes(scored, extras.errors),
        by,
        slices,
        tuple(run_checks(extras.checks, evaluation)),
    )


def _mistakes(scored: _Scored, count: int) -> list[ShownMistake]:
    worst = worst_mistakes(scored.truth, scored.predicted, scored.probabilities, count)
    texts = scored.texts([mistake.place for mistake in worst])
    return [
        ShownMistake(
            int(scored.rows[m.place]),
            scored.names[m.true],
            scored.names[m.predicted],
            m.probability,
            m.true_probability,
            text,
        )
        for m, text in zip(worst, texts, strict=True)
    ]


def _slices(
    scored: _Scored, column: pa.ChunkedArray, name: str, whole: Evaluation, listener: Listener
) -> tuple[int, list[Slice]]:
    """How many values the column has, and the slices of those with the most rows."""
    encoded = encode_labels(column)
    values = [None, *encoded.names]
    counts = np.bincount(encoded.codes + 1, minlength=len(values))
    n_values, n_rows = int((counts > 0).sum()), len(encoded.codes)
    if n_rows > 1 and (n_values == n_rows or n_values > max(MOST_SLICES, n_rows / 2)):
        raise ConfigError(
            f"--by {name}: the column has {n_values:,} values in {n_rows:,} rows, so that its "
            "slices would be hardly more than single rows.",
            "Name a column with few values, such as the language or the source of a text.",
        )
    largest = np.argsort(-counts, kind="stable")[: min(MOST_SLICES, n_values)]
    if n_values > MOST_SLICES:
        listener.note(f"--by {name}: the {MOST_SLICES} largest of {n_values:,} slices are shown.")
    place = np.full(len(values), -1)
    place[largest] = np.arange(len(largest))
    return n_values, evaluate_slices(
        [values[i] for i in largest],
        place[encoded.codes + 1],
        scored.truth,
        scored.predicted,
        whole,
        scored.probabilities,
    )


def _column(file: DataSource, name: str) -> pa.ChunkedArray:
    require_column(column_names(file, (name,)), name, file.name)
    return read_named(file, (name,))[name]


def _read_probabilities(
    column: pa.ChunkedArray, found: list[str], listener: Listener
) -> tuple[list[str], NDArray[np.float64] | None]:
    """Names of all labels that have a probability, and the probabilities, if they are whole."""
    records = parse_objects(column)
    names = sorted({*found, *records[0]})
    try:
        probabilities = np.array([[r[name] for name in names] for r in records], np.float64)
    except (KeyError, TypeError, ValueError):
        probabilities = np.array([[np.nan]])
    # NaN compares false too.
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        listener.warn(
            f"Column '{_PROBABILITIES}' does not give every label a probability in every row; "
            "calibration and average precision are left out."
        )
        return found, None
    return names, probabilities


def _stored_split(run: Run) -> str:
    for split in ("test", "validation"):
        if run.predictions_file(split).is_file():
            return split
    raise RunError(
        f"Run {run.id} has neither a test nor a validation split.",
        f"Name a labelled file: dsample evaluate DATA --run {run.id}",
    )


def _stored_predictions(run: Run, manifest: dict[str, Any], split: str, extras: Extras) -> _Scored:
    """What a run stored for a split; texts and slices come from the file that it read."""
    names = manifest["labels"]
    ids = {name: i for i, name in enumerate(names)}
    records = read_json_lines(run.predictions_file(split))
    try:
        if len(records) != manifest["data"][split]["rows"]:
            raise ValueError("lines are missing")
        rows = np.array([r["row"] for r in records], dtype=np.int64)
        truth = np.array([ids[r["true"]] for r in records], dtype=np.int32)
        # Stored probabilities are rounded, so the nearest two may be equal; the label is not.
        predicted = np.array([ids[r["label"]] for r in records], dtype=np.int32)
        probabilities = whole_probabilities(records, names)
        # NaN compares false too.
        if (rows < 0).any() or not ((probabilities >= 0) & (probabilities <= 1)).all():
            raise ValueError("numbers are impossible")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _damaged_predictions(run, split) from error
    path = manifest["data"][split]["path"]
    options = TrainConfig.from_options(manifest["config"]).read_options
    if extras.by is not None or extras.errors is not None:
        _check_unchanged(run, split, path, manifest["data"][split]["sha256"])

    def texts(places: Sequence[int]) -> list[str | None]:
        numbers = [int(rows[place]) for place in places]
        cells = read_cells(path, manifest["text_columns"], numbers, options)
        return [_TEXT_JOINT.join(cells[n]) if n in cells else None for n in numbers]

    by = None
    if extras.by is not None:
        column = _column(open_source(path, options), extras.by)
        if rows.max() >= len(column):
            raise _damaged_predictions(run, split)
        by = column.take(pa.array(rows))
    return _Scored(names, truth, predicted, probabilities, rows, texts, by)


def _damaged_predictions(run: Run, split: str) -> RunError:
    return RunError(
        f"{run.predictions_file(split)} is damaged.",
        f"Name a labelled file: dsample evaluate DATA --run {run.id}",
    )


def _check_unchanged(run: Run, split: str, path: str, sha256: str) -> None:
    """Raise a RunError unless the file of a stored split is as it was."""
    now = None if path == "-" else path_sha256(path)
    if now == sha256:
        return
    what = "was standard input" if path == "-" else "is gone" if now is None else "has changed"
    raise RunError(
        f"The texts and columns of the {split} split cannot be read again: {path} {what}"
        f"{'' if path == '-' else f' since run {run.id} read it'}.",
        f"Put the file back, or name a labelled file: dsample evaluate DATA --run {run.id}",
    )
