"""Read columns as strings, at once or in a stream, or whole rows in a stream.

Several files are one table: their rows come one file after the other.

No message ever holds text from the rows: what Arrow says about a bad row is replaced.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc

from dsample_cli.data import json_lines, parquet
from dsample_cli.data.csv_text import END_CELL, broken_csv, csv_body, read_header
from dsample_cli.data.streams import MOST_ROW_BYTES, DataSource, Source
from dsample_cli.errors import DataError

# A CSV row must fit into a block; one that does not is tried again with the next larger block.
BLOCK_BYTES = (1 << 20, 1 << 24, MOST_ROW_BYTES)
ROW_TOO_LONG = "straddl"
# Whole rows of long texts come in batches of about so many characters, however many rows are asked.
BATCH_CHARACTERS = 1 << 24


def read_columns(source: DataSource, columns: Sequence[str]) -> pa.Table:
    """Read some columns, each as text exactly as it is written.

    Args:
        source: What `open_source` gave.
        columns: Names of existing columns; a name that comes twice is read once.

    Returns:
        A table of `pa.string()` columns. Null is missing: no value in Parquet, null or no key in
        JSONL. A CSV file has no null, only empty cells.

    Raises:
        DataError: If there are no rows, or a file is broken; names the file and the line.
    """
    distinct = list(dict.fromkeys(columns))
    table = pa.concat_tables([_read_part(part, distinct) for part in source.parts])
    if table.num_rows == 0:
        raise _no_rows(source)
    return table


def iter_columns(source: DataSource, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Read some columns like `read_columns`, in batches that come in the order of the rows.

    Only a part of a file is in memory at a time.

    Raises:
        DataError: If there are no rows; where the file is broken, after the rows before that place.
    """
    distinct = list(dict.fromkeys(columns))
    readers = {"csv": _iter_csv, "jsonl": json_lines.iter_strings, "parquet": parquet.iter_strings}
    rows = 0
    for part in source.parts:
        for batch in readers[part.format](part, distinct):
            rows += batch.num_rows
            yield batch
    if rows == 0:
        raise _no_rows(source)


def iter_rows(source: DataSource, batch_rows: int = 4096) -> Iterator[list[dict[str, Any]]]:
    """Read whole rows in order, in batches, holding only a part of a file in memory.

    CSV cells are strings; JSONL values are as parsed; of Parquet, dates, decimals and bytes are
    strings and NaN is None. All values can be written as JSON.

    Raises:
        DataError: Where a file is broken, after the rows before that place.
    """
    batch: list[dict[str, Any]] = []
    characters = 0
    for row in chain.from_iterable(_iter_part(part, batch_rows) for part in source.parts):
        batch.append(row)
        characters += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(batch) == batch_rows or characters > BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _iter_part(source: Source, batch_rows: int) -> Iterator[dict[str, Any]]:
    if source.format == "parquet":
        return chain.from_iterable(parquet.iter_rows(source, batch_rows))
    if source.format == "jsonl":
        return json_lines.iter_objects(source)
    names = read_header(source)[0]
    return chain.from_iterable(batch.to_pylist() for batch in _iter_csv(source, names))


def _read_part(source: Source, columns: Sequence[str]) -> pa.Table:
    if source.format == "csv":
        return _read_csv(source, columns)
    reader = json_lines if source.format == "jsonl" else parquet
    return pa.table(reader.read_strings(source, columns))


def _no_rows(source: DataSource) -> DataError:
    return DataError(
        f"{source.name} has a header but no rows.", "Give a file with one example a row."
    )


def _read_csv(source: Source, columns: Sequence[str]) -> pa.Table:
    names, header_bytes = read_header(source)
    for block_bytes in BLOCK_BYTES:
        try:
            with csv_body(source, header_bytes, len(names)) as body:
                table = pc.read_csv(body, **_options(source, names, columns, block_bytes))
        except pa.ArrowInvalid as error:
            if ROW_TOO_LONG not in str(error):
                raise broken_csv(source) from None
        else:
            return _without_end_row(table, source)
    raise broken_csv(source)


def _iter_csv(source: Source, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Record batches of a CSV file; starts again behind the rows given if one is too long."""
    names, header_bytes = read_header(source)
    rows_given = 0
    for block_bytes in BLOCK_BYTES:
        try:
            with csv_body(source, header_bytes, len(names)) as body:
                options = _options(source, names, columns, block_bytes)
                for batch in _from_row(pc.open_csv(body, **options), rows_given, source):
                    rows_given += batch.num_rows
                    yield batch
                return
        except pa.ArrowInvalid as error:
            if ROW_TOO_LONG not in str(error):
                raise broken_csv(source) from None
    raise broken_csv(source)


def _from_row(
    batches: Iterator[pa.RecordBatch], first_row: int, source: Source
) -> Iterator[pa.RecordBatch]:
    """Leave out the rows before `first_row` and the end row, which is in the last batch."""
    held = None
    for batch in batches:
        if batch.num_rows == 0:
            continue
        if held is not None:
            yield held
        held = batch.slice(min(first_row, batch.num_rows))
        first_row = max(0, first_row - batch.num_rows)
    if held is not None:
        yield _without_end_row(held, source)


def _without_end_row(table: Any, source: Source) -> Any:
    if table.num_rows == 0 or table.column(0)[-1].as_py() != END_CELL:
        raise broken_csv(source)  # an open quote took the end row in
    return table.slice(0, table.num_rows - 1)


def _options(
    source: Source, names: Sequence[str], columns: Sequence[str], block_bytes: int
) -> dict[str, Any]:
    return {
        "read_options": pc.ReadOptions(column_names=list(names), block_size=block_bytes),
        "parse_options": pc.ParseOptions(delimiter=source.delimiter, newlines_in_values=True),
        "convert_options": pc.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()),
            include_columns=list(columns),
            strings_can_be_null=False,
            check_utf8=False,  # open_text has checked all columns
        ),
    }
