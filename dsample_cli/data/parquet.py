"""Parquet: string columns, and rows that JSON can hold."""

import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import types

from dsample_cli.core.disk import replacing, writing
from dsample_cli.data.columns import shortened
from dsample_cli.data.json_lines import as_text
from dsample_cli.data.streams import (
    MOST_ROW_BYTES,
    Source,
    check_column_count,
    row_too_long,
    too_large,
)
from dsample_cli.errors import DataError

BATCH_ROWS = 65536
# Of a value that is stored once every row can be a copy, so that a small file holds terabytes:
# where there are such values, a batch of nothing but the longest has no more bytes than these.
BATCH_BYTES = 1 << 28
# Below this, no batch can have more.
SHORT_BYTES = BATCH_BYTES // BATCH_ROWS
# An encoding that stores what a value has beyond the beginning that it shares with the one before.
FRONT_CODED = "DELTA_BYTE_ARRAY"
TEXT_TYPES = (str, bool, int)
WRITTEN_TYPES = (date, datetime, time, timedelta, Decimal)


def read_names(source: Source) -> list[str]:
    """List the columns of a Parquet file.

    Raises:
        DataError: If two have the same name.
    """
    with _opened(source) as file:
        names = list(file.schema_arrow.names)
    check_column_count(names, source.name)
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(
            f"{source.name} has the column '{shortened(twice[0])}' more than once.",
            "Give each column a name of its own.",
        )
    return names


def read_strings(source: Source, columns: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """Read some columns as string arrays."""
    batches = list(iter_strings(source, columns))
    return {
        name: pa.chunked_array([batch.column(place) for batch in batches], pa.string())
        for place, name in enumerate(columns)
    }


def iter_strings(source: Source, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Read some columns as string arrays, in batches."""
    with _faults_told(source):
        for batch in _iter_batches(source, columns, BATCH_ROWS):
            yield pa.record_batch(
                {column: string_array(batch.column(column)) for column in columns}
            )


def iter_rows(source: Source, batch_rows: int) -> Iterator[list[dict[str, Any]]]:
    """Read whole rows in batches, their values such as JSON can hold."""
    with _faults_told(source):
        for batch in _iter_batches(source, read_names(source), batch_rows):
            to_clean = [field.name for field in batch.schema if not _is_plain(field.type)]
            rows = batch.to_pylist()
            for column in to_clean:
                for row in rows:
                    row[column] = json_value(row[column])
            yield rows


def string_array(values: pa.Array) -> pa.Array:
    """Turn any array into strings, as Python would write the values.

    Missing values and NaN are null; a list or a struct becomes compact JSON.

    Examples:
        >>> string_array(pa.array([1.0, None])).to_pylist()
        ['1.0', None]
        >>> string_array(pa.array(["a", "b"]).dictionary_encode()).to_pylist()
        ['a', 'b']
    """
    if types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if _is_plain(kind) or types.is_null(kind):
        strings = pc.cast(values, pa.string())
    else:
        written = [as_text(_written(value)) for value in _python_values(values)]
        strings = pa.array(written, pa.string())
    strings.validate(full=True)  # Parquet strings need not be UTF-8
    return strings


def json_value(value: Any) -> Any:
    """Turn a value of a Parquet row into one that JSON can hold; NaN into None."""
    if value is None or isinstance(value, TEXT_TYPES):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    return str(value)


def _written(value: Any) -> Any:
    """A value as it is to be read: finite and infinite numbers as Python writes them."""
    if isinstance(value, float | np.floating):
        return None if math.isnan(value) else str(value)
    return json_value(value)


def _python_values(values: pa.Array) -> list[Any]:
    if types.is_float16(values.type) or types.is_float32(values.type):
        # As Python floats they would show digits that their type does not have.
        # Missing values become NaN, which is missing all the same.
        return list(values.to_numpy(zero_copy_only=False))
    return values.to_pylist()


def _is_binary(kind: pa.DataType) -> bool:
    return (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
    )


def _is_plain(kind: pa.DataType) -> bool:
    return (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_integer(kind)
        or types.is_boolean(kind)
    )


def _iter_batches(
    source: Source, columns: Sequence[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Read some columns in batches of bounded size.

    Raises:
        DataError: If the columns, or a row of them, have more bytes than may be read.
    """
    most = sys.maxsize if source.max_bytes is None else source.max_bytes
    rows = n_bytes = 0
    with _opened(source) as file:
        chunks = _chunks(file, columns)
        if sum(chunk.total_uncompressed_size for _, chunk in chunks) > most:
            raise too_large(source.name, most, "says that it holds")
        longest = _longest_copied_value(source, file, chunks)
        if longest > SHORT_BYTES:
            batch_rows = max(1, min(batch_rows, BATCH_BYTES // longest))
        for batch in file.iter_batches(batch_rows, columns=list(columns)):
            n_bytes += batch.nbytes
            if n_bytes > most:
                raise too_large(source.name, most, "decompresses to")
            if batch.nbytes > MOST_ROW_BYTES:
                _check_rows(batch, rows, source)
            rows += batch.num_rows
            yield batch


def _chunks(file: pq.ParquetFile, columns: Sequence[str]) -> list[tuple[int, Any]]:
    """The stored pieces of some columns, each with the number of its row group."""
    wanted = set(columns)
    groups = [file.metadata.row_group(k) for k in range(file.metadata.num_row_groups)]
    chunks = [
        (number, group.column(place))
        for number, group in enumerate(groups)
        for place in range(group.num_columns)
    ]
    return [
        (number, chunk)
        for number, chunk in chunks
        if chunk.path_in_schema in wanted or chunk.path_in_schema.partition(".")[0] in wanted
    ]


def _longest_copied_value(
    source: Source, file: pq.ParquetFile, chunks: Sequence[tuple[int, Any]]
) -> int:
    """Most bytes that a value can have of which rows can be copies; 0 if there are none."""
    flat = {field.name for field in file.schema_arrow if _is_binary(field.type)}
    copied = [
        (number, chunk)
        for number, chunk in chunks
        if chunk.physical_type == "BYTE_ARRAY"
        and chunk.total_uncompressed_size > SHORT_BYTES
        and (chunk.has_dictionary_page or FRONT_CODED in chunk.encodings)
    ]
    longest = 0
    for number, chunk in copied:
        path = chunk.path_in_schema
        if path in flat and FRONT_CODED not in chunk.encodings:
            # The first row brings the whole dictionary of its row group.
            with pq.ParquetFile(source.path, read_dictionary=[path]) as coded:
                first = next(coded.iter_batches(1, row_groups=[number], columns=[path]), None)
            values = None if first is None else first.column(0).dictionary
            longest = max(longest, 0 if not values else pc.max(pc.binary_length(values)).as_py())
        else:
            longest = max(longest, chunk.total_uncompressed_size)
    return longest


def _check_rows(batch: pa.RecordBatch, first_row: int, source: Source) -> None:
    """Raise a DataError if a single text has more bytes than a row may have."""
    for values in batch.columns:
        if _is_binary(values.type):
            lengths = pc.fill_null(pc.binary_length(values), 0)
            row = int(np.asarray(lengths).argmax())
            if lengths[row].as_py() > MOST_ROW_BYTES:
                raise row_too_long(source, first_row + row, "row")


@contextmanager
def _opened(source: Source) -> Iterator[pq.ParquetFile]:
    with _faults_told(source), pq.ParquetFile(source.path) as file:
        yield file


@contextmanager
def _faults_told(source: Source) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise DataError(
            f"{source.name} is not a whole Parquet file: it is damaged, cut off or not UTF-8.",
            "Write it again, or export the table as CSV or JSONL.",
        ) from None
    except (OverflowError, ValueError):
        raise DataError(
            f"{source.name} has a date, a time or a duration beyond what Python knows.",
            "Write that column as text.",
        ) from None


def write_numbers(path: Path, name: str, numbers: NDArray[np.integer]) -> None:
    """Write one column of whole numbers; the file appears whole or not at all.

    Raises:
        RunError: If it cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, path.with_name(f".{path.name}.partial")) as partial:
            pq.write_table(pa.table({name: numbers}), partial)
