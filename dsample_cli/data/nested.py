"""Columns that hold an object, as JSON lines have them, and the values within."""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from dsample_cli.data.columns import require_column
from dsample_cli.data.json_lines import AS_WRITTEN, as_text
from dsample_cli.data.read import iter_columns, read_columns
from dsample_cli.data.sources import DataSource, check_columns, column_names


def read_named(source: DataSource, columns: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """Read columns as text; `data.label` is the key `label` of the objects in column `data`.

    A column that has the name as it stands goes before.

    Args:
        source: What `open_source` gave.
        columns: Names.

    Returns:
        Name -> string array; null where a value is missing.

    Raises:
        DataError: If there is no such column, or the file is broken.
    """
    outer = {name: _column_of(name, column_names(source, (name,))) for name in columns}
    for column in outer.values():
        require_column(column_names(source, (column,)), column, source.name)
    check_columns(source, list(outer.values()))
    table = read_columns(source, list(outer.values()))
    return {
        name: table.column(column)
        if name == column
        else _within(table.column(column), name, column)
        for name, column in outer.items()
    }


def has_objects(source: DataSource, column: str) -> bool:
    """Whether the first row that has the column holds an object there."""
    if any(part.format != "jsonl" for part in source.parts) or column not in column_names(source):
        return False
    for batch in iter_columns(source, [column]):
        for value in batch.column(0):
            if value.is_valid:
                return bool(value.as_py().startswith("{"))
    return False


def parse_objects(column: pa.ChunkedArray) -> list[dict[str, Any]]:
    """Objects that were read as text; what is none becomes an empty one."""
    return [_object(text, json.loads) for text in column.to_pylist()]


def _column_of(name: str, names: Sequence[str]) -> str:
    head, dot, _ = name.partition(".")
    return head if dot and name not in names and head in names else name


def _within(column: pa.ChunkedArray, name: str, outer: str) -> pa.ChunkedArray:
    key = name.removeprefix(f"{outer}.")
    objects = (_object(text, AS_WRITTEN.decode) for text in column.to_pylist())
    return pa.chunked_array([pa.array([as_text(found.get(key)) for found in objects], pa.string())])


def _object(text: str | None, decode: Any) -> dict[str, Any]:
    if text is None or not text.startswith("{"):
        return {}
    try:
        value = decode(text)
    except ValueError:  # a text that only begins like an object
        return {}
    return value if isinstance(value, dict) else {}
