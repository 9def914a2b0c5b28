"""What the page and the picture of an analysed data file show, as plain data."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.imbalance import Imbalance


@dataclass(frozen=True)
class DataFile:
    """A data file: its path or pattern ("-" for standard input), rows and SHA-256."""

    path: str
    rows: int
    usable_rows: int
    sha256: str

    @property
    def is_stdin(self) -> bool:
        return self.path == "-"

    @property
    def name(self) -> str:
        """What to call it, without its folder."""
        return "standard input" if self.is_stdin else os.path.basename(self.path)


@dataclass(frozen=True)
class ClassSize:
    """One class: its label, usable examples, share of them, and many, medium or few."""

    label: str
    count: int
    share: float
    group: str


@dataclass(frozen=True)
class ScoreDraws:
    """What an epoch that follows one score alone draws.

    Attributes:
        name: Of the score.
        shares: Expected share of each class, in the order of `AnalysisReport.classes`.
        draws: Examples of such an epoch.
        repeated: Label of the class whose examples come most often.
        times: How often each of them is expected.
        is_too_often: Whether that invites memorising.
        settled: Option name -> number that was chosen for it.
    """

    name: str
    shares: NDArray[np.floating]
    draws: int
    repeated: str
    times: float
    is_too_often: bool
    settled: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ScheduleDraws:
    """How much a schedule draws of the few group over a training.

    Attributes:
        name: Of the schedule.
        mean_mix: Mean mix over the epochs.
        few_share: Score name -> expected share of the few group.
        depends_on_run: Whether the run may change it.
    """

    name: str
    mean_mix: float
    few_share: Mapping[str, float]
    depends_on_run: bool


@dataclass(frozen=True)
class Example:
    """A row that has a problem; its texts are as in the file."""

    row: int
    label: str
    texts: Sequence[str]


@dataclass(frozen=True)
class Finding:
    """A problem of the data.

    Attributes:
        code: Its name.
        severity: "error", "warning" or "info".
        message: What it means, and how to mend it.
        count: How many there are.
        rows: The first rows that have it, counted from 0.
        examples: Some of these rows.
        is_of_other_file: Whether the rows are of the file that is compared with.
    """

    code: str
    severity: str
    message: str
    count: int
    rows: Sequence[int] = ()
    examples: Sequence[Example] = ()
    is_of_other_file: bool = False


@dataclass(frozen=True)
class TextLengths:
    """How long the texts are.

    Attributes:
        unit: "tokens" or "words".
        values: Length of each text that was measured, at least one.
        is_whole: Whether these are all usable texts.
        model: Whose tokenizer measured, None for words.
        cut: Tokens that training would keep, None for words.
        losses: Limit -> share of the texts cut there, and of the tokens lost.
        unknown_share: Of all tokens, those that the tokenizer has no entry for.
    """

    unit: str
    values: NDArray[np.integer]
    is_whole: bool
    model: str | None = None
    cut: int | None = None
    losses: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    unknown_share: float | None = None


@dataclass(frozen=True)
class BaselineFigures:
    """How simple models fare, cross-validated.

    Attributes:
        folds: K.
        rows: Rows that were predicted, each by a model that never saw it.
        models: What predicts, in words -> metric -> value.
        best: The one of them with the highest macro-F1.
    """

    folds: int
    rows: int
    models: Mapping[str, Mapping[str, float]]
    best: str


@dataclass(frozen=True)
class DoubtedLabel:
    """A row whose label a simple model contradicts; its label and texts are in `example`."""

    example: Example
    suggested: str
    margin: float


@dataclass(frozen=True)
class DoubtedLabels:
    """The labels that a simple model contradicts.

    Attributes:
        first: The most doubtful ones, in this order.
        count: How many there are.
        checked: Rows that were looked at.
        accuracy: Share of these whose label the model predicts, unseen.
    """

    first: Sequence[DoubtedLabel]
    count: int
    checked: int
    accuracy: float


@dataclass(frozen=True)
class AnalysisReport:
    """Everything on the page.

    Attributes:
        file: What was analysed.
        against: What it was compared with.
        text_columns: One, or two for sentence pairs.
        label_column: Its name.
        notes: What was guessed or found out about the file, a sentence each.
        classes: By falling count, then label.
        imbalance: Measures of their counts.
        findings: The problems, the worst first.
        scores: What each score draws; empty for a single class.
        schedules: What each schedule draws of the few group; empty without one.
        lengths: Of the texts.
        suggestions: A command and the reason for it, the most useful first.
        version: Of the program.
        baseline: How simple models fare; None when that was not asked for.
        doubts: Labels that they contradict; None likewise.
    """

    file: DataFile
    against: DataFile | None
    text_columns: Sequence[str]
    label_column: str
    notes: Sequence[str]
    classes: Sequence[ClassSize]
    imbalance: Imbalance
    findings: Sequence[Finding]
    scores: Sequence[ScoreDraws]
    schedules: Sequence[ScheduleDraws]
    lengths: TextLengths
    suggestions: Sequence[tuple[str, str]]
    version: str
    baseline: BaselineFigures | None = None
    doubts: DoubtedLabels | None = None

    @property
    def has_few_group(self) -> bool:
        return any(c.group == "few" for c in self.classes)
