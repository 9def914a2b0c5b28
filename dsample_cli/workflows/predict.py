"""Label new text, row by row, in constant memory."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.progress import Listener
from dsample_cli.core.read_options import DETECTED, ReadOptions
from dsample_cli.data.columns import require_column, resolve_columns
from dsample_cli.data.read import iter_rows
from dsample_cli.data.sources import DataSource, check_columns, column_names, open_source
from dsample_cli.errors import ConfigError
from dsample_cli.runs.run import Run
from dsample_cli.workflows.correction import prior_shift
from dsample_cli.workflows.evaluate import completed_manifest
from dsample_cli.workflows.model import TrainedModel, open_model
from dsample_cli.workflows.onnx_engine import ENGINES, TORCH, Int8Loss, check_engine, open_engine
from dsample_cli.workflows.predictions import PredictionLines, no_prediction, to_json
from dsample_cli.workflows.team import Team

if TYPE_CHECKING:
    from dsample_cli.training.tokenization import Collator

__all__ = ["ENGINES", "PredictSummary", "predict"]

# Rows that are tokenized and sorted by length together: their batches of 2,048 tokens are padded by
# 1.2% (of 4,096 rows by 2.2%, of 50,000 by 0.2%), and they take little memory.
_WINDOW = 8192
# Of many classes a window has fewer rows, so that it has no more logits than these.
_WINDOW_LOGITS = 1 << 23
# Lines that are written together.
_LINES = 256


@dataclass
class PredictSummary:
    """What a prediction run did.

    Attributes:
        run: Run id.
        rows: Rows read.
        without_text: Rows that had no text and got no label.
        labels: Label -> rows that got it.
        engine: One of `ENGINES`.
        int8: What int8 costs; None for other engines.
    """

    run: str
    rows: int = 0
    without_text: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    engine: str = TORCH
    int8: Int8Loss | None = None

    def add(self, other: "PredictSummary") -> None:
        """Count the rows of another summary too."""
        self.rows += other.rows
        self.without_text += other.without_text
        self.labels.update(other.labels)


@dataclass(frozen=True)
class _Window:
    """Some rows that follow each other.

    Attributes:
        first_row: 0-based number of the first.
        data: The rows as JSON; None where lines do not repeat them.
        has_text: Whether each has one, shape [N].
        tokens: Of those that have one; None if none has.
    """

    first_row: int
    data: list[str] | None
    has_text: NDArray[np.bool_]
    tokens: "Collator | None"

    @property
    def rows_with_text(self) -> list[int]:
        """0-based numbers of the rows that are predicted."""
        return (self.first_row + np.flatnonzero(self.has_text)).tolist()


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
    engine: str = TORCH,
    trust_remote_code: bool = False,
) -> PredictSummary:
    """Predict every row of a file and write one JSON line a row, in input order.

    While a window of rows is predicted, the next is read and tokenized and the last is written. Of
    several processes (torchrun) each predicts a part of the windows, and rank 0 writes all.

    Args:
        run: A completed run.
        path: Data file, a pattern of several, or "-" for standard input.
        write: Takes text of whole lines; only that of rank 0 is called.
        listener: Hears of progress.
        text_columns: Where the text stands when not in the columns that the run was trained on.
        include_data: Whether a line repeats the input row.
        top: Classes a line lists; all when None.
        device: As in training.
        precision: As in training.
        target_prior: Class shares that the predictions are meant for; the run's own when None.
        read_options: How the file is written, where that is not to be detected.
        engine: One of `ENGINES`: what runs the model.
        trust_remote_code: Whether Python code that was stored with the model is run.

    Returns:
        What was done; of several processes, only rank 0 counts the rows of all.

    Raises:
        DsampleError: If the run, the engine or the file cannot be used.
    """
    check_engine(engine, device, precision)
    manifest = completed_manifest(run)
    team = Team.of_environment()
    if path == "-" and not team.is_alone:
        raise ConfigError(
            "Several processes cannot share standard input.", "Name a file, or leave torchrun out."
        )
    source = open_source(path, read_options)
    columns = _text_columns(source, text_columns, tuple(manifest["text_columns"]), listener)
    check_columns(source, columns)
    shift = prior_shift(manifest, target_prior)
    team.join(uses_cpu=engine != TORCH, device=device)
    summary = PredictSummary(run.id, engine=engine)
    if engine == TORCH:
        model = open_model(run, manifest, device, precision, trust_remote_code)
    else:
        opened = team.main_first(
            lambda: open_engine(run, manifest, engine, listener, trust_remote_code)
        )
        model, summary.int8 = opened
    model = replace(model, shift=shift)
    told = source.notes
    for note in told:
        listener.note(note)
    listener.phase("predicting")
    lines = PredictionLines(model.names, top)

    def forward(window: _Window) -> NDArray[np.floating]:
        listener.advance(int((~window.has_text).sum()))
        if window.tokens is None:
            return np.empty((0, len(model.names)))
        return model.collated_logits(window.tokens, listener.advance)

    def put(window: _Window, logits: NDArray[np.floating]) -> None:
        probabilities = model.as_probabilities(logits)
        counts = _counts(window, probabilities, model.names)
        blocks = _blocks(window, lines(window.rows_with_text, probabilities))
        for of_part, text in team.to_main((counts, blocks if team.is_alone else list(blocks))):
            for block in text:
                write(block)
            summary.add(of_part)

    windows = _windows(model, source, columns, include_data, team)
    _overlapped(windows, forward, put)
    team.leave()
    for note in source.notes:  # the encoding may have shown only while reading
        if note not in told:
            listener.note(note)
    return summary


def _overlapped(
    windows: Iterator[_Window],
    forward: Callable[[_Window], NDArray[np.floating]],
    put: Callable[[_Window, NDArray[np.floating]], None],
) -> None:
    """Forward each window while the next is read and the last is put in its place."""
    # A thread for each, as what a thread frees is room for its own alone.
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
        upcoming = reader.submit(next, windows, None)
        written = writer.submit(lambda: None)
        while (window := upcoming.result()) is not None:
            upcoming = reader.submit(next, windows, None)
            logits = forward(window)
            written.result()
            written = writer.submit(put, window, logits)
        written.result()


def _windows(
    model: TrainedModel,
    source: DataSource,
    columns: tuple[str, ...],
    include_data: bool,
    team: Team,
) -> Iterator[_Window]:
    """This process's windows: of each round of as many as there are processes one, or none."""
    batches = iter_rows(source, min(_WINDOW, max(1, _WINDOW_LOGITS // len(model.names))))
    first_row = 0
    while True:
        own, is_over = None, True
        for rank, rows in enumerate(islice(batches, team.size)):
            if rank == team.rank:
                own = _window(model, rows, columns, first_row, include_data)
            first_row += len(rows)
            is_over = False
        if is_over:
            return
        yield own or _Window(first_row, None, np.empty(0, bool), None)


def _window(
    model: TrainedModel,
    rows: list[dict[str, Any]],
    columns: tuple[str, ...],
    first_row: int,
    include_data: bool,
) -> _Window:
    texts = [[_as_text(row.get(column)) for row in rows] for column in columns]
    has_text = np.array([any(part.strip() for part in parts) for parts in zip(*texts, strict=True)])
    data = [to_json(row) for row in rows] if include_data else None
    present = np.flatnonzero(has_text).tolist()
    tokens = model.collate([[cells[i] for i in present] for cells in texts]) if present else None
    return _Window(first_row, data, has_text, tokens)


def _counts(
    window: _Window, probabilities: NDArray[np.floating], names: tuple[str, ...]
) -> PredictSummary:
    found = np.bincount(probabilities.argmax(axis=1), minlength=len(names))
    labels = Counter({names[c]: int(found[c]) for c in np.flatnonzero(found)})
    without_text = int((~window.has_text).sum())
    return PredictSummary("", len(window.has_text), without_text, labels)


def _blocks(window: _Window, predicted: Iterator[str]) -> Iterator[str]:
    """The lines of a window, some at a time."""
    lines = _lines(window, predicted)
    while block := "".join(islice(lines, _LINES)):
        yield block


def _lines(window: _Window, predicted: Iterator[str]) -> Iterator[str]:
    for place, has_text in enumerate(window.has_text.tolist()):
        line = next(predicted) if has_text else to_json(no_prediction(window.first_row + place))
        if window.data is not None:
            line = f'{line[:-1]}, "data": {window.data[place]}}}'
        yield line + "\n"


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


def _as_text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)
