"""Label new text, row by row, in constant memory."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from dsample_cli.core.progress import Listener
from dsample_cli.core.read_options import DETECTED, ReadOptions
from dsample_cli.data.columns import require_column, resolve_columns
from dsample_cli.data.read import iter_rows
from dsample_cli.data.sources import DataSource, check_columns, column_names, open_source
from dsample_cli.runs.run import Run
from dsample_cli.workflows.correction import prior_shift
from dsample_cli.workflows.evaluate import completed_manifest
from dsample_cli.workflows.model import TrainedModel, open_model
from dsample_cli.workflows.predictions import no_prediction, prediction_record

# Rows that are tokenized and sorted by length together: enough to save padding, little memory.
_WINDOW = 4096


@dataclass
class PredictSummary:
    """What a prediction run did.

    Attributes:
        run: Run id.
        rows: Rows read.
        without_text: Rows that had no text and got no label.
        labels: Label -> rows that got it.
    """

    run: str
    rows: int = 0
    without_text: int = 0
    labels: Counter[str] = field(default_factory=Counter)


def predict(
    run: Run,
    path: str,
    write: Callable[[str], object],
    listener: Listener,
    text_columns: tuple[str, ...] = (),
    include_data: bool = True,
    top: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    target_prior: str | None = None,
    read_options: ReadOptions = DETECTED,
) -> PredictSummary:
    """Predict every row of a file and write one JSON line a row, in input order.

    Args:
        run: A completed run.
        path: Data file, a pattern of several, or "-" for standard input.
        write: Takes each line.
        listener: Hears of progress.
        text_columns: Where the text stands when not in the columns that the run was trained on.
        include_data: Whether a line repeats the input row.
        top: Classes a line lists; all when None.
        device: As in training.
        precision: As in training.
        target_prior: Class shares that the predictions are meant for; the run's own when None.
        read_options: How the file is written, where that is not to be detected.

    Raises:
        DsampleError: If the run or the file cannot be used.
    """
    manifest = completed_manifest(run)
    source = open_source(path, read_options)
    columns = _text_columns(source, text_columns, tuple(manifest["text_columns"]), listener)
    check_columns(source, columns)
    shift = prior_shift(manifest, target_prior)
    model = replace(open_model(run, manifest, device, precision), shift=shift)
    told = source.notes
    for note in told:
        listener.note(note)
    listener.phase("predicting")
    summary = PredictSummary(run.id)
    for rows in iter_rows(source, _WINDOW):
        records = _predict_window(model, rows, columns, summary.rows, top)
        for record, row in zip(records, rows, strict=True):
            summary.without_text += record["label"] is None
            summary.labels.update([record["label"]] if record["label"] is not None else [])
            if include_data:
                record["data"] = row
            write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
        summary.rows += len(rows)
        listener.advance(len(rows))
    for note in source.notes:  # the encoding may have shown only while reading
        if note not in told:
            listener.note(note)
    return summary


def _text_columns(
    source: DataSource, asked: tuple[str, ...], trained: tuple[str, ...], listener: Listener
) -> tuple[str, ...]:
    names = column_names(source)
    if not asked and set(trained) <= set(names):
        return trained
    columns, _, notes = resolve_columns(names, asked, None, False, where=source.name)
    for name in columns:
        require_column(names, name, source.name)
    for note in notes:
        listener.note(note)
    return columns


def _predict_window(
    model: TrainedModel,
    rows: list[dict[str, Any]],
    columns: tuple[str, ...],
    first_row: int,
    top: int | None,
) -> list[dict[str, Any]]:
    texts = [[_as_text(row.get(column)) for column in columns] for row in rows]
    present = [i for i, parts in enumerate(texts) if any(part.strip() for part in parts)]
    records = [no_prediction(first_row + i) for i in range(len(rows))]
    if present:
        by_column = [[texts[i][c] for i in present] for c in range(len(columns))]
        for i, probabilities in zip(present, model.probabilities(by_column), strict=True):
            records[i] = prediction_record(first_row + i, probabilities, model.names, top)
    return records


def _as_text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)
