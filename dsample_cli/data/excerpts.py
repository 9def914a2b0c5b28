"""Single rows of a file, read again to be shown."""

import os
from collections.abc import Iterable, Sequence

from dsample_cli.core.read_options import DETECTED, ReadOptions
from dsample_cli.data.read import iter_columns
from dsample_cli.data.sources import is_pattern, open_source


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
    wanted = sorted(set(rows))
    if not wanted or not (path == "-" or is_pattern(path) or os.path.isfile(path)):
        return {}
    found: dict[int, tuple[str, ...]] = {}
    first = 0
    for batch in iter_columns(open_source(path, options), list(columns)):
        end = first + batch.num_rows
        for row in wanted:
            if first <= row < end:
                cells = (batch.column(name)[row - first].as_py() for name in columns)
                found[row] = tuple("" if cell is None else str(cell) for cell in cells)
        first = end
        if first > wanted[-1]:
            break
    return found
