"""Write rows as CSV, each into the file of its part."""

from collections.abc import Iterable, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

NEEDS_QUOTES = '[",\r\n]'
# A header with another delimiter in a name could be taken for one that is delimited by it.
NAME_NEEDS_QUOTES = '[",\r\n\t;|]'
# What a spreadsheet takes for a formula and runs, unless it is a number with a sign.
FORMULA = r"^[=+\-@＝＋－＠\t\r\n]"
SIGNED_NUMBER = r"^[+-](\d+([.,]\d+)*|[.,]\d+)([eE][+-]?\d+)?%?$"


def write_parts(
    batches: Iterable[pa.RecordBatch],
    columns: Sequence[str],
    parts: NDArray[np.integer],
    files: Sequence[BinaryIO],
    keep_empty: bool,
    is_spreadsheet_safe: bool = False,
) -> int:
    """Write a header to each file, and each row to the file of its part; in the order of the rows.

    Args:
        batches: The rows, all columns as strings.
        columns: Their names.
        parts: Index in `files` per row; a row below 0 is left out.
        files: Binary streams.
        keep_empty: Write an empty text as "", which tells it from a missing one.
        is_spreadsheet_safe: Put an apostrophe before what a spreadsheet would run as a formula.

    Returns:
        How many cells got one; those of the header once.
    """
    header = pa.record_batch([pa.array([name]) for name in columns], names=list(columns))
    changed = 0
    if is_spreadsheet_safe:
        header, counts = without_formulas(header)
        changed += int(counts.sum())
    for file in files:
        file.write(_joined(csv_lines(header, quotes=NAME_NEEDS_QUOTES)))
    done = 0
    for batch in batches:
        rows, part_of_row = batch.select(list(columns)), parts[done : done + batch.num_rows]
        done += batch.num_rows
        if is_spreadsheet_safe:
            rows, counts = without_formulas(rows)
            changed += int(counts[part_of_row >= 0].sum())
        lines = csv_lines(rows, keep_empty)
        for part, file in enumerate(files):
            chosen = part_of_row == part
            if chosen.any():
                file.write(_joined(lines.filter(pa.array(chosen))))
    return changed


def without_formulas(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, NDArray[np.int64]]:
    """Put an apostrophe before each cell that a spreadsheet would run; numbers stay as they are.

    Returns:
        The batch, and how many cells of each row have changed, shape [rows].

    Examples:
        >>> rows = pa.record_batch({"a": ["=1+1", "-5", "- no"], "b": ["x", "@me", None]})
        >>> safe, counts = without_formulas(rows)
        >>> safe.to_pydict()
        {'a': ["'=1+1", '-5', "'- no"], 'b': ['x', "'@me", None]}
        >>> counts.tolist()
        [1, 1, 1]
    """
    counts = np.zeros(batch.num_rows, np.int64)
    columns = []
    for values in batch.columns:
        is_formula = pc.and_not(
            pc.match_substring_regex(values, FORMULA),
            pc.match_substring_regex(values, SIGNED_NUMBER),
        )
        marked = pc.binary_join_element_wise("'", values, "")
        columns.append(pc.if_else(is_formula, marked, values))
        counts += np.asarray(pc.fill_null(is_formula, False), dtype=bool)
    return pa.record_batch(columns, names=batch.schema.names), counts


def csv_lines(
    batch: pa.RecordBatch, keep_empty: bool = False, quotes: str = NEEDS_QUOTES
) -> pa.Array:
    r"""Write each row as a line of CSV, with quotes only where they are needed.

    Examples:
        >>> rows = pa.record_batch({"a": ["x", 'an "a" here', "1\n2"], "b": ["007", "NA", None]})
        >>> csv_lines(rows).to_pylist()
        ['x,007', '"an ""a"" here",NA', '"1\n2",']
        >>> csv_lines(pa.record_batch({"a": ["", None], "b": ["x", "x"]}), True).to_pylist()
        ['"",x', ',x']
    """
    if keep_empty:
        quotes += "|^$"
    cells = [_cells(column, quotes) for column in batch.columns]
    return pc.binary_join_element_wise(*cells, ",")


def _cells(values: pa.Array, quotes: str) -> pa.Array:
    escaped = pc.replace_substring(values, '"', '""')
    quoted = pc.binary_join_element_wise('"', escaped, '"', "")
    needed = pc.match_substring_regex(values, quotes)
    return pc.fill_null(pc.if_else(needed, quoted, values), "")


def _joined(lines: pa.Array) -> bytes:
    return ("\n".join(lines.to_pylist()) + "\n").encode()
