"""A data file as aligned arrays of texts, labels and groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dsample_cli.core.read_options import DETECTED, ReadOptions
from dsample_cli.data.columns import require_column, resolve_columns
from dsample_cli.data.read import read_columns
from dsample_cli.data.sources import (
    DataSource,
    check_columns,
    check_unchanged,
    column_names,
    open_source,
    source_path,
    source_sha256,
)
from dsample_cli.errors import DataError

# A list, not just a bracketed name such as [INFO]: quoted items, several items, numbers or nothing.
LIST_PATTERN = r"""^\s*\[(\s*|\s*['"].*|.*,.*|[\d\s.]+)\]\s*$"""
LIST_SAMPLE_ROWS = 1000


@dataclass(frozen=True)
class TextTable:
    """The columns of a data file that training reads, one array each, aligned by row.

    Attributes:
        path: Absolute path or pattern as text; "-" for standard input.
        sha256: Of the file's bytes as they lie, compressed or not; of several files, of their
            SHA-256 in hex one after the other.
        columns: All columns of the file.
        text_columns: One column, or two for sentence pairs.
        label_column: None where labels are not needed and none was named.
        texts: One string array per text column; null is missing.
        labels: String array, or None; null is missing.
        groups: String array of the group column, or None.
        notes: What was found out or guessed, a sentence each.
    """

    path: str
    sha256: str
    columns: tuple[str, ...]
    text_columns: tuple[str, ...]
    label_column: str | None
    texts: tuple[pa.ChunkedArray, ...]
    labels: pa.ChunkedArray | None
    groups: pa.ChunkedArray | None
    notes: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Number of data rows."""
        return len(self.texts[0])


def read_text_table(
    path: str | Path | DataSource,
    text_columns: Sequence[str] = (),
    label_column: str | None = None,
    group_column: str | None = None,
    need_labels: bool = True,
    options: ReadOptions = DETECTED,
) -> TextTable:
    """Read the text, label and group columns of a data file, or of several as one table.

    Args:
        path: CSV, TSV, JSONL or Parquet, also compressed; a pattern; "-" is standard input.
        text_columns: One, or two for sentence pairs; guessed when empty.
        label_column: Guessed when None, if labels are needed.
        group_column: Rows with the same value here belong together.
        need_labels: Whether a file without a label column is an error.
        options: How the file is written, where that is not to be detected.

    Raises:
        DataError: If the file cannot be read, a column is missing or cannot be guessed, or the
            label column holds lists of labels.
    """
    source = open_source(path, options)
    wanted = [c for c in (*text_columns, label_column, group_column) if c is not None]
    names = column_names(source, wanted)
    texts, label, notes = resolve_columns(
        names, text_columns, label_column, need_labels, where=source.name
    )
    if group_column is not None:
        require_column(names, group_column, source.name)
    used = [c for c in (*texts, label, group_column) if c is not None]
    check_columns(source, used)
    table = read_columns(source, used)
    check_unchanged(source)
    labels = None if label is None else table.column(label)
    if labels is not None:
        check_single_label(labels, label, source.name)
    return TextTable(
        path=source_path(source),
        sha256=source_sha256(source),
        columns=tuple(names),
        text_columns=texts,
        label_column=label,
        texts=tuple(table.column(column) for column in texts),
        labels=labels,
        groups=None if group_column is None else table.column(group_column),
        notes=(*source.notes, *notes),
    )


def is_blank(array: pa.ChunkedArray | pa.Array) -> NDArray[np.bool_]:
    """Tell for each row whether it is missing, empty or only (Unicode) white space.

    Examples:
        >>> is_blank(pa.array(["a", "", " ", None]))
        array([False,  True,  True,  True])
    """
    blank = pc.or_(pc.utf8_is_space(array), pc.equal(pc.binary_length(array), 0))
    return np.asarray(pc.fill_null(blank, True), dtype=bool)


def usable_rows(table: TextTable) -> NDArray[np.int64]:
    """Row numbers that can be trained on or scored.

    A row needs a text that is not blank (of a pair: at least one) and, where the table has labels,
    a label that is not blank.
    """
    unusable = np.logical_and.reduce([is_blank(text) for text in table.texts])
    if table.labels is not None:
        unusable |= is_blank(table.labels)
    return np.flatnonzero(~unusable).astype(np.int64)


def check_single_label(labels: pa.ChunkedArray, column: str | None, where: str) -> None:
    """Raise a DataError if most of the first labels look like lists."""
    head = labels.slice(0, 100 * LIST_SAMPLE_ROWS)
    sample = head.filter(pa.array(~is_blank(head))).slice(0, LIST_SAMPLE_ROWS)
    lists = pc.sum(pc.match_substring_regex(sample, LIST_PATTERN)).as_py() or 0
    if lists * 2 > len(sample):
        raise DataError(
            f"{where}: column '{column}' is multi-label (it holds lists), which is out of scope.",
            "Give a column with one label a row: --label-column NAME.",
        )
