"""Columns beside text and label: does one give the label away, or name whom a row belongs to?

The first rows tell which columns are worth reading whole, so that a wide file costs no more than a
narrow one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dsample_cli.data.hashing import hash_strings
from dsample_cli.data.table import is_blank

# A column with more distinct values than these cannot give a label away: it is an id or a text.
MOST_VALUES = 2000
ROWS_PER_VALUE = 10
LEAST_LAMBDA = 0.95
IDENTIFIER = re.compile(
    r"(^|_)(id|ids|uid|uuid|guid|user|username|customer|client|account|author|speaker|patient|"
    r"person|member|employee|agent|owner|sender|session|conversation|dialog|dialogue|thread|email|"
    r"phone|device|group)$",
    re.IGNORECASE,
)
WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\s.\-]+")


@dataclass(frozen=True)
class ColumnFacts:
    """One column beside the label.

    Attributes:
        name: Its name.
        is_text: Whether it is one of the text columns.
        codes: Number of the value per row, int32, -1 where blank; None when there are too many
            distinct values to give a label away.
        ids: Hash of the value per row, 0 where blank; None unless it is named like an identifier.
    """

    name: str
    is_text: bool
    codes: NDArray[np.int32] | None
    ids: NDArray[np.uint64] | None


class IncrementalEncoder:
    """Numbers strings by first appearance, batch after batch; blank ones are -1."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    @property
    def values(self) -> list[str]:
        """Code -> string."""
        return list(self._codes)

    def __len__(self) -> int:
        return len(self._codes)

    def encode(self, array: pa.Array) -> NDArray[np.int32]:
        """The code of each string."""
        encoded = array.dictionary_encode()
        distinct = encoded.dictionary
        codes = np.full(len(distinct) + 1, -1, np.int32)  # the last one is for null
        blank = is_blank(distinct)
        for place, value in enumerate(distinct.to_pylist()):
            if not blank[place]:
                codes[place] = self._codes.setdefault(value, len(self._codes))
        return codes[np.asarray(encoded.indices.fill_null(len(distinct)))]


class ColumnGatherer:
    """Gathers the facts of one column from batches."""

    def __init__(self, name: str, is_text: bool, is_label_like: bool) -> None:
        self.name = name
        self._is_text = is_text
        self._encoder = IncrementalEncoder() if is_label_like else None
        self._codes: list[NDArray[np.int32]] = []
        self._ids: list[NDArray[np.uint64]] | None = [] if is_identifier(name) else None

    def add(self, array: pa.Array) -> None:
        """Take in one batch."""
        if self._encoder is not None:
            self._codes.append(self._encoder.encode(array))
            if len(self._encoder) > MOST_VALUES:
                self._encoder = None
                self._codes = []
        if self._ids is not None:
            self._ids.append(np.where(is_blank(array), np.uint64(0), hash_strings(array)[0]))

    def facts(self) -> ColumnFacts:
        """What was gathered."""
        codes = np.concatenate(self._codes) if self._encoder is not None else None
        ids = np.concatenate(self._ids) if self._ids is not None else None
        return ColumnFacts(self.name, self._is_text, codes, ids)


def likely_columns(
    head: pa.Table, text_columns: Sequence[str], label_column: str
) -> list[ColumnGatherer]:
    """Choose the columns that may have something to tell, by the first rows of the file.

    Args:
        head: The first rows, all columns.
        text_columns: A text column can give the label away too.
        label_column: Left out.
    """
    labels = IncrementalEncoder().encode(head.column(label_column).combine_chunks())
    chosen = []
    for name in head.column_names:
        if name == label_column:
            continue
        values = head.column(name).combine_chunks()
        n_values = len(values.unique())
        is_few = n_values <= min(MOST_VALUES, max(1, len(values) // ROWS_PER_VALUE))
        gives_away = (
            is_few and label_lambda(IncrementalEncoder().encode(values), labels) >= LEAST_LAMBDA
        )
        is_text = name in text_columns
        repeats = not is_text and is_identifier(name) and n_values < len(values)
        if gives_away or repeats:
            chosen.append(ColumnGatherer(name, is_text, gives_away))
    return chosen


def is_identifier(name: str) -> bool:
    """Whether a column is named like an identifier of a person or a thing.

    Examples:
        >>> is_identifier("customer_id"), is_identifier("userId"), is_identifier("paid")
        (True, True, False)
    """
    return IDENTIFIER.search(WORD_START.sub("_", name.strip())) is not None


def label_lambda(codes: NDArray[np.integer], labels: NDArray[np.integer]) -> float:
    """Goodman and Kruskal's lambda: the share of errors that knowing the value spares.

    lambda = (sum_v max_y n[v, y] - max_y n[y]) / (n - max_y n[y]). A value that only one row has
    tells nothing and counts as an error; lambda is 1 where all rows have one label.

    Args:
        codes: Number of the value per row; negative is missing, and counts as a value.
        labels: Label id per row; rows below 0 are left out.

    References:
        Goodman and Kruskal, Measures of Association for Cross Classifications, JASA 1954.

    Examples:
        >>> label_lambda(np.array([0, 0, 1, 1]), np.array([5, 5, 7, 7]))
        1.0
        >>> label_lambda(np.array([0, 0, 0, 0]), np.array([5, 5, 7, 7]))
        0.0
    """
    codes, labels = codes[labels >= 0], labels[labels >= 0]
    if len(codes) == 0:
        return 0.0
    n_labels = int(labels.max()) + 1
    most_common = int(np.bincount(labels).max())
    if most_common == len(labels):
        return 1.0
    cells, counts = np.unique((codes.astype(np.int64) + 1) * n_labels + labels, return_counts=True)
    values = cells // n_labels
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    best = np.maximum.reduceat(counts, starts)
    best[np.add.reduceat(counts, starts) == 1] = 0
    return float((best.sum() - most_common) / (len(labels) - most_common))
