"""Parquet: string columns, and rows that JSON can hold."""

import math
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

from dsample_cli.data.json_lines import as_text
from dsample_cli.data.streams import Source
from dsample_cli.errors import DataError

BATCH_ROWS = 65536
TEXT_TYPES = (str, bool, int)
WRITTEN_TYPES = (date, datetime, time, timedelta, Decimal)


def read_names(source: Source) -> list[str]:
    """List the columns of a Parquet file.

    Raises:
        DataError: If two have the same name.
    """
    with _opened(source) as file:
        names = list(file.schema_arrow.names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{source.name} has the column '{twice[0]}' more than once.",
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
    with _opened(source) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
            yield pa.record_batch(
                {column: string_array(batch.column(column)) for column in columns}
            )


def iter_rows(source: Source, batch_rows: int) -> Iterator[list[dict[str, Any]]]:
    """Read whole rows in batches, their values such as JSON can hold."""
    with _opened(source) as file:
        to_clean = [field.name for field in file.schema_arrow if not _is_plain(field.type)]
        for batch in file.iter_batches(batch_rows):
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


def _is_plain(kind: pa.DataType) -> bool:
    return (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_integer(kind)
        or types.is_boolean(kind)
    )


@contextmanager
def _opened(source: Source) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(source.path) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise DataError(
            f"{source.name} is not a whole Parquet file: it is damaged, cut off or not UTF-8.",
            "Write it again, or export the table as CSV or JSONL.",
        ) from None


def write_numbers(path: Path, name: str, numbers: NDArray[np.integer]) -> None:
    """Write one column of whole numbers; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    pq.write_table(pa.table({name: numbers}), partial)
    partial.replace(path)
