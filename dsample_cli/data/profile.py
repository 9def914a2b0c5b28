"""What a table holds: its classes, how imbalanced they are, and what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dsample_cli.core.imbalance import Imbalance, frequency_groups, measure_imbalance
from dsample_cli.data.labels import encode_labels
from dsample_cli.data.problems import Problem, UsableExamples, find_problems
from dsample_cli.data.splits import duplicate_groups
from dsample_cli.data.table import TextTable, is_blank, usable_rows
from dsample_cli.errors import DataError

__all__ = ["ClassCount", "Problem", "Profile", "profile_table"]

WORD_SAMPLE_ROWS = 50_000


@dataclass(frozen=True)
class ClassCount:
    """One class: its label, usable examples, share of them, and many, medium or few."""

    label: str
    count: int
    share: float
    group: str


@dataclass(frozen=True)
class Profile:
    """What `analyze` tells about a table.

    Attributes:
        rows: All data rows.
        usable_rows: Those with a text and a label.
        names: Label id -> name, sorted.
        counts: Usable examples per class, shape [C], in label-id order.
        classes: By falling count, then label.
        imbalance: Measures of `counts`.
        problems: Errors first, then warnings.
        median_words: Median text length in words between white space, of a sample if there are
            very many rows.
    """

    rows: int
    usable_rows: int
    names: tuple[str, ...]
    counts: NDArray[np.int64]
    classes: tuple[ClassCount, ...]
    imbalance: Imbalance
    problems: tuple[Problem, ...]
    median_words: float


def profile_table(table: TextTable, group_thresholds: Sequence[int] | None = None) -> Profile:
    """Count the classes of a table and look for problems.

    Args:
        table: A table with labels.
        group_thresholds: `(high, low)` class counts for many and few; by default the classes are
            cut into three equal parts.

    Raises:
        DataError: If there are no labels, or no row with both a text and a label.
    """
    if table.labels is None:
        raise DataError(f"{table.path} has no labels.", "Name them with --label-column NAME.")
    rows = usable_rows(table)
    if len(rows) == 0:
        raise _nothing_usable(table)
    texts = tuple(_rows_of(text, rows, table.rows) for text in table.texts)
    encoded = encode_labels(_rows_of(table.labels, rows, table.rows))
    counts = np.bincount(encoded.codes, minlength=len(encoded.names))
    examples = UsableExamples(rows, encoded.names, encoded.codes, counts, duplicate_groups(*texts))
    return Profile(
        rows=table.rows,
        usable_rows=len(rows),
        names=encoded.names,
        counts=counts,
        classes=_class_counts(encoded.names, counts, group_thresholds),
        imbalance=measure_imbalance(counts),
        problems=find_problems(table, examples),
        median_words=_median_words(texts),
    )


def _class_counts(
    names: Sequence[str], counts: NDArray[np.int64], thresholds: Sequence[int] | None
) -> tuple[ClassCount, ...]:
    groups = frequency_groups(counts, thresholds)
    shares = counts / counts.sum()
    classes = map(ClassCount, names, counts.tolist(), shares.tolist(), groups)
    return tuple(sorted(classes, key=lambda c: (-c.count, c.label)))


def _median_words(texts: Sequence[pa.ChunkedArray]) -> float:
    """Median number of words of an evenly spread sample, sentence pairs added up."""
    n_rows = len(texts[0])
    sample = np.linspace(0, n_rows - 1, min(n_rows, WORD_SAMPLE_ROWS)).astype(np.int64)
    words = sum(np.asarray(_word_counts(_rows_of(text, sample, n_rows))) for text in texts)
    return float(np.median(words))


def _word_counts(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    trimmed = pc.utf8_trim_whitespace(pc.fill_null(texts, ""))
    parts = pc.list_value_length(pc.utf8_split_whitespace(trimmed))
    return pc.if_else(pc.equal(trimmed, ""), 0, parts)


def _rows_of(values: pa.ChunkedArray, rows: NDArray[np.int64], n_rows: int) -> pa.ChunkedArray:
    return values if len(rows) == n_rows else values.filter(_mask(rows, n_rows))


def _mask(rows: NDArray[np.int64], n_rows: int) -> pa.Array:
    mask = np.zeros(n_rows, bool)
    mask[rows] = True
    return pa.array(mask)


def _nothing_usable(table: TextTable) -> DataError:
    if all(is_blank(text).all() for text in table.texts):
        what, kind, column = "texts are empty", "text", table.text_columns[0]
    elif is_blank(table.labels).all():
        what, kind, column = "labels are missing", "label", str(table.label_column)
    else:
        return DataError(
            f"{table.path}: no row has both a text and a label.", "Fill in the missing cells."
        )
    return DataError(
        f"{table.path}: all {what} (column '{column}').",
        f"Name another column with --{kind}-column NAME.",
    )
