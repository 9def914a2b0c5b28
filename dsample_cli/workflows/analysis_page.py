"""From an analysis to what its page and its picture show."""

from collections.abc import Iterable

import numpy as np

from dsample_cli import __version__
from dsample_cli.core.read_options import DETECTED, ReadOptions
from dsample_cli.data.excerpts import read_cells
from dsample_cli.data.facts import FileFacts
from dsample_cli.data.problems import TOKEN_LENGTHS, Problem
from dsample_cli.reports.analysis import (
    AnalysisReport,
    BaselineFigures,
    ClassSize,
    DataFile,
    DoubtedLabel,
    DoubtedLabels,
    Example,
    Finding,
    ScheduleDraws,
    ScoreDraws,
    TextLengths,
)
from dsample_cli.reports.baseline import BASELINE_NAME, MODEL_NAMES
from dsample_cli.workflows.analyze import AnalyzeResult
from dsample_cli.workflows.baseline import Baseline

MOST_EXAMPLES, MOST_DOUBTS = 5, 20
# The rows of these problems are rows of the file that is compared with.
_OF_OTHER_FILE = ("leakage", "unseen-labels")
# The rows of this one have a section of their own.
_SUSPECT_LABELS = "suspect-labels"
_MODELS = {
    "majority": "Always the commonest class",
    **{name: f"{BASELINE_NAME}, {kind}" for name, kind in MODEL_NAMES.items()},
}


def make_analysis_report(
    result: AnalyzeResult, options: ReadOptions = DETECTED, with_examples: bool = True
) -> AnalysisReport:
    """What the page of an analysed file shows.

    Args:
        result: Of the analysis.
        options: How the files are written, where that is not to be detected.
        with_examples: Whether to read the files again for the texts of rows with problems.

    Raises:
        DataError: If a file cannot be read again.
    """
    profile, data = result.profile, result.data
    place = {name: label_id for label_id, name in enumerate(profile.names)}
    order = np.array([place[c.label] for c in profile.classes])
    is_alone = len(profile.classes) < 2
    has_few = any(c.group == "few" for c in profile.classes)
    cells = _Cells(result, options) if with_examples else None
    baseline = None if result.baseline is None else _baseline(result.baseline)
    return AnalysisReport(
        file=_data_file(data),
        against=None if result.against is None else _data_file(result.against),
        text_columns=data.text_columns,
        label_column=data.label_column,
        notes=data.notes,
        classes=[ClassSize(c.label, c.count, c.share, c.group) for c in profile.classes],
        imbalance=profile.imbalance,
        findings=[_finding(problem, cells) for problem in profile.problems],
        scores=[
            ScoreDraws(
                score.name,
                score.share[order],
                score.length,
                profile.names[score.repetition.class_id],
                score.repetition.times,
                score.repetition.is_too_much,
                score.settled,
            )
            for score in (() if is_alone else result.scores)
        ],
        schedules=[
            ScheduleDraws(s.name, s.mean_mix, s.few_share, s.depends_on_run)
            for s in (result.schedules if has_few and not is_alone else ())
        ],
        lengths=_lengths(result),
        suggestions=[(s.command, s.reason) for s in result.suggestions],
        version=__version__,
        baseline=baseline,
        doubts=_doubts(result, cells),
    )


class _Cells:
    """Label and texts of the rows that are to be quoted, from one more look at each file."""

    def __init__(self, result: AnalyzeResult, options: ReadOptions) -> None:
        own = list(_doubted_rows(result))
        others: list[int] = []
        for problem in result.profile.problems:
            (others if _is_of_other(problem) else own).extend(_quoted(problem))
        self._own = _read(result.data, own, options)
        self._other = _read(result.against, others, options) if result.against else {}

    def of_problem(self, problem: Problem) -> list[Example]:
        """The first rows that have the problem, those that could be read."""
        cells = self._other if _is_of_other(problem) else self._own
        rows = (row for row in _quoted(problem) if row in cells)
        return [Example(row, cells[row][0], cells[row][1:]) for row in rows]

    def of_row(self, row: int) -> Example | None:
        """A row of the analysed file."""
        cells = self._own.get(row)
        return None if cells is None else Example(row, cells[0], cells[1:])


def _read(
    facts: FileFacts, rows: Iterable[int], options: ReadOptions
) -> dict[int, tuple[str, ...]]:
    return read_cells(facts.path, (facts.label_column, *facts.text_columns), rows, options)


def _quoted(problem: Problem) -> tuple[int, ...]:
    return () if problem.code == _SUSPECT_LABELS else problem.rows[:MOST_EXAMPLES]


def _doubted_rows(result: AnalyzeResult) -> list[int]:
    return [] if result.doubts is None else result.doubts.rows[:MOST_DOUBTS].tolist()


def _baseline(found: Baseline) -> BaselineFigures:
    models = {words: getattr(found, name) for name, words in _MODELS.items()}
    return BaselineFigures(found.folds, found.rows, models, _MODELS[found.better])


def _doubts(result: AnalyzeResult, cells: _Cells | None) -> DoubtedLabels | None:
    doubts, names = result.doubts, result.data.names
    if doubts is None:
        return None
    first = []
    for place, row in enumerate(_doubted_rows(result)):
        example = None if cells is None else cells.of_row(row)
        if example is not None:
            suggested = names[doubts.suggested[place]]
            first.append(DoubtedLabel(example, suggested, float(doubts.margins[place])))
    return DoubtedLabels(first, len(doubts), doubts.checked, doubts.accuracy)


def _is_of_other(problem: Problem) -> bool:
    return problem.code in _OF_OTHER_FILE


def _finding(problem: Problem, cells: _Cells | None) -> Finding:
    return Finding(
        problem.code,
        problem.severity,
        problem.message,
        problem.count,
        problem.rows,
        () if cells is None else cells.of_problem(problem),
        _is_of_other(problem),
    )


def _data_file(facts: FileFacts) -> DataFile:
    return DataFile(facts.path, facts.rows, int((facts.codes >= 0).sum()), facts.sha256)


def _lengths(result: AnalyzeResult) -> TextLengths:
    tokens, sample = result.tokens, result.data.sample
    if tokens is None:
        return TextLengths("words", sample.words, sample.is_whole)
    limits = sorted({*TOKEN_LENGTHS, tokens.max_length})
    return TextLengths(
        "tokens",
        tokens.lengths,
        tokens.is_whole,
        tokens.model,
        tokens.max_length,
        {limit: (tokens.cut_share(limit), tokens.lost_share(limit)) for limit in limits},
        tokens.unknown_share,
    )
