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


def write_parts(
    batches: Iterable[pa.RecordBatch],
    columns: Sequence[str],
    parts: NDArray[np.integer],
    files: Sequence[BinaryIO],
    keep_empty: bool,
) -> None:
    """Write a header to each file, and each row to the file of its part; in the order of the rows.

    Args:
        batches: The rows, all columns as strings.
        columns: Their names.
        parts: Index in `files` per row; a row below 0 is left out.
        files: Binary streams.
        keep_empty: Write an empty text as "", which tells it from a missing one.
    """
    header = pa.record_batch([pa.array([name]) for name in columns], names=list(columns))
    for file in files:
        file.write(_joined(csv_lines(header, quotes=NAME_NEEDS_QUOTES)))
    done = 0
    for batch in batches:
        lines = csv_lines(batch.select(list(columns)), keep_empty)
        part_of_row = parts[done : done + batch.num_rows]
        done += batch.num_rows
        for part, file in enumerate(files):
            chosen = part_of_row == part
            if chosen.any():
                file.write(_joined(lines.filter(pa.array(chosen))))


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
