"""What a report page shows, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SplitResult:
    """Metrics of one split.

    Attributes:
        name: Such as "validation" or "test".
        rows: Evaluated rows.
        metrics: Value of each metric, None when unknown.
        intervals: 95% interval of the metrics that have one.
        groups: Mean recall of many, medium and few, None when empty.
    """

    name: str
    rows: int
    metrics: Mapping[str, float | None]
    intervals: Mapping[str, Sequence[float]] | None = None
    groups: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassRow:
    """How one class fared in `RunReport.class_split`; support 0 makes its recall unknown."""

    label: str
    train_count: int | None
    support: int
    precision: float
    recall: float
    f1: float
    group: str


@dataclass(frozen=True)
class RunReport:
    """Everything on the page.

    Attributes:
        run: Run id.
        command: The command that repeats the run.
        created: When, as shown.
        model: Model name.
        schedule: Schedule, as typed.
        score: Score, as typed.
        settings: Name and value of the other settings, in the order to show.
        splits: Results; the last one makes the headline.
        class_split: Which split `classes` and `confusion` are of.
        classes: Every class, in label-id order.
        confusion: Counts by true and predicted class, shape [C, C], in the order of `classes`.
        epochs: Lines of epochs.jsonl: `epoch`, `mix`, `expected` (label -> share), `drawn`
            (label -> examples), `train_loss`, `validation` (metric -> value); all but `epoch` may
            be absent.
        best_epoch: The epoch that was kept.
        most_confused: The commonest mistakes, as (true label, predicted label, rows).
        warnings: What the reader should know before trusting the figures.
    """

    run: str
    command: str
    created: str
    model: str
    schedule: str
    score: str
    settings: Sequence[tuple[str, str]]
    splits: Sequence[SplitResult]
    class_split: str
    classes: Sequence[ClassRow]
    confusion: NDArray[np.integer]
    epochs: Sequence[Mapping[str, Any]]
    best_epoch: int | None = None
    most_confused: Sequence[tuple[str, str, int]] = ()
    warnings: Sequence[str] = ()
