"""Some rows of a file, read again."""

import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dsample_cli.core.read_options import DETECTED, ReadOptions
from dsample_cli.data.read import iter_columns
from dsample_cli.data.sources import DataSource, is_pattern, open_source


def iter_rows(
    source: DataSource, columns: Sequence[str], rows: NDArray[np.integer]
) -> Iterator[tuple[NDArray[np.integer], pa.RecordBatch]]:
    """Read some rows in one pass that holds no others and goes no further than the last of them.

    Args:
        source: What `open_source` gave.
        columns: Columns to read.
        rows: Row numbers, counted from 0, rising.

    Yields:
        Row numbers, and a batch with these rows alone.

    Raises:
        DataError: If the file is broken.
    """
    first = 0
    for batch in iter_columns(source, columns):
        end = first + batch.num_rows
        here = rows[np.searchsorted(rows, first) : np.searchsorted(rows, end)]
        if len(here):
            yield here, batch.take(pa.array(here - first))
        first = end
        if len(rows) == 0 or first > rows[-1]:
            break


def read_cells(
    path: str, columns: Sequence[str], rows: Iterable[int], options: ReadOptions = DETECTED
) -> dict[int, tuple[str, ...]]:
    """Read a few rows of a file that was read before, no further than the last of them.

    Args:
        path: The file or pattern; "-" for standard input, of which there is a copy.
        columns: Columns to read.
        rows: Row numbers, counted from 0.
        options: How the file is written, where that is not to be detected.

    Returns:
        Row number -> cells; nothing for a named pipe, which cannot be read twice, and no row that
        the file does not have.

    Raises:
        DataError: If the file cannot be read.
    """
    wanted = np.unique(np.fromiter(rows, dtype=np.int64))
    if not len(wanted) or not (path == "-" or is_pattern(path) or os.path.isfile(path)):
        return {}
    found: dict[int, tuple[str, ...]] = {}
    for here, batch in iter_rows(open_source(path, options), list(columns), wanted):
        cells = zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
        for row, values in zip(here.tolist(), cells, strict=True):
            found[row] = tuple("" if value is None else str(value) for value in values)
    return found
