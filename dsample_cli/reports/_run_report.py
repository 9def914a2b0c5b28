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
class ClassShares:
    """What a class makes up: of the training rows, of what training drew, of what is answered for.

    Attributes:
        natural: Its share of the training rows.
        carried: Its share of the prior that training left in the model.
        served: Its share of the prior that the run's probabilities stand for.
        bias: What the correction adds to its logit.
    """

    label: str
    natural: float
    carried: float
    served: float
    bias: float


@dataclass(frozen=True)
class CorrectionGain:
    """What a correction is worth on rows that it was not fitted on.

    Attributes:
        metric: Key of the metric that it was fitted for.
        before: Its value uncorrected.
        after: Its value corrected.
        error: Standard error of the difference.
        is_taken: Whether it was taken; else it was tried, and left.
    """

    metric: str
    before: float
    after: float
    error: float
    is_taken: bool


@dataclass(frozen=True)
class CorrectionReport:
    """How the logits were corrected.

    Attributes:
        verdict: What was taken, in words, without a full stop.
        method: "none", or names of corrections joined by "+".
        is_folded: Whether the saved model's last layer holds it; else it is beside the model.
        gain: What was tried is worth; None when nothing was.
        prior: Which class shares the probabilities stand for, in words.
        strengths: What was fitted, by name.
        shares: Every class, in label-id order.
    """

    verdict: str
    method: str
    is_folded: bool
    gain: CorrectionGain | None
    prior: str
    strengths: Mapping[str, float]
    shares: Sequence[ClassShares]


@dataclass(frozen=True)
class Reliability:
    """How often predictions of each confidence are right, in equal bins (lo, hi] of [0, 1].

    Attributes:
        name: Of the predictions, such as "as trained".
        rows: Rows in each bin, length B.
        confidence: Mean confidence of each bin, length B, 0 where it is empty.
        accuracy: Share of each bin that is right, length B, 0 where it is empty.
        expected_error: Expected calibration error, ECE.
        maximum_error: Maximum calibration error, MCE.
    """

    name: str
    rows: Sequence[int]
    confidence: Sequence[float]
    accuracy: Sequence[float]
    expected_error: float
    maximum_error: float


@dataclass(frozen=True)
class DataPart:
    """The usable rows of one split, and the file or pattern of files that they are from."""

    name: str
    path: str
    sha256: str
    rows: int


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
        facts: Name and value of what else the header shows.
        correction: How the logits were corrected, None when unknown.
        calibration: Of `class_split`, uncorrected and, where it was, corrected.
        baseline: How the run fares against a simple model, in words; empty when unknown.
        data: The splits, in the order to show.
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
    facts: Sequence[tuple[str, str]] = ()
    correction: CorrectionReport | None = None
    calibration: Sequence[Reliability] = ()
    baseline: str = ""
    data: Sequence[DataPart] = ()
