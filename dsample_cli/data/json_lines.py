"""JSON Lines: one object a line."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import pyarrow as pa

from dsample_cli.data.decoding import open_text
from dsample_cli.data.streams import MOST_COLUMNS, Source, limited_lines
from dsample_cli.errors import DataError

CHUNK_ROWS = 65536
KEY_SAMPLE_ROWS = 1000
CONSTANTS = {"NaN": None, "Infinity": "Infinity", "-Infinity": "-Infinity"}

# Numbers come as they are written, so that 1.0 and 1e3 stay what they are.
AS_WRITTEN = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=CONSTANTS.get)
# Python neither writes nor reads whole numbers of more digits.
MOST_DIGITS = 4000


def _whole_number(text: str) -> int | str:
    return int(text) if len(text) <= MOST_DIGITS else text


def _finite_number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


# A number that Python cannot hold stays a text.
AS_PARSED = json.JSONDecoder(
    parse_int=_whole_number, parse_float=_finite_number, parse_constant=lambda constant: None
)


def read_keys(source: Source, wanted: Sequence[str] = ()) -> list[str]:
    """List the keys of the first rows, in order of appearance.

    Args:
        source: A JSON Lines file.
        wanted: Keys to look for beyond the first rows if those do not have them.
    """
    keys: dict[str, None] = {}
    for number, row in enumerate(iter_objects(source)):
        keys.update(dict.fromkeys(row))
        if len(keys) > MOST_COLUMNS:
            break
        if number + 1 >= KEY_SAMPLE_ROWS and all(key in keys for key in wanted):
            break
    return list(keys)


def iter_objects(
    source: Source, decode: Callable[[str], Any] = AS_PARSED.decode
) -> Iterator[dict[str, Any]]:
    """Parse one line after the other; blank lines are skipped.

    Raises:
        DataError: If a line does not decode, is not JSON or not an object; names the line.
    """
    with open_text(source) as stream:
        for number, line in enumerate(limited_lines(stream, source), start=1):
            if line.isspace() or not line:
                continue
            yield _parse_line(line, number, source, decode)


def read_strings(source: Source, columns: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """Read some keys of every object as string arrays; null and absent values are null."""
    batches = list(iter_strings(source, columns))
    return {
        name: pa.chunked_array([batch.column(place) for batch in batches], pa.string())
        for place, name in enumerate(columns)
    }


def iter_strings(source: Source, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Read like `read_strings`, in batches."""
    objects = iter_objects(source, partial(_decode_as_written, columns))
    while rows := list(islice(objects, CHUNK_ROWS)):
        yield pa.record_batch(
            {
                column: pa.array([as_text(row.get(column)) for row in rows], pa.string())
                for column in columns
            }
        )


def as_text(value: Any) -> str | None:
    """Write a JSON value as text: true, or compact JSON for a list or an object.

    Examples:
        >>> as_text(True), as_text(["a", 1])
        ('true', '["a",1]')
    """
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _decode_as_written(columns: Sequence[str], text: str) -> Any:
    """Parse a line with its numbers as they are written, and lists in `columns` as JSON text."""
    row = AS_WRITTEN.decode(text)
    if isinstance(row, dict):
        for column in columns:
            if isinstance(row.get(column), list | dict):
                row[column] = as_text(json.loads(text)[column])
    return row


def _parse_line(
    line: bytes, number: int, source: Source, decode: Callable[[str], Any]
) -> dict[str, Any]:
    try:
        row = decode(line.decode("utf-8"))
    except RecursionError:
        raise DataError(
            f"{source.name}, line {number}: lists or objects in it are nested too deep to be read.",
            "Keep the texts and labels, and leave the rest out; `jq -c '{text, label}'` does so.",
        ) from None
    except ValueError:
        raise DataError(
            f"{source.name}, line {number}: not valid JSON.",
            "Write one JSON object a line; `jq -c .` makes that of JSON over several lines.",
        ) from None
    if not isinstance(row, dict):
        raise DataError(
            f"{source.name}, line {number}: not a JSON object.",
            'Write one object a line, such as {"text": "...", "label": "..."}.',
        )
    # Half of a surrogate pair is legal in JSON and cannot be written as UTF-8.
    return without_lone_surrogates(row) if b"\\ud" in line or b"\\uD" in line else row


def without_lone_surrogates(value: Any) -> Any:
    """Replace what no encoding can hold by U+FFFD, in keys and values."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [without_lone_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {
            without_lone_surrogates(key): without_lone_surrogates(item)
            for key, item in value.items()
        }
    return value
