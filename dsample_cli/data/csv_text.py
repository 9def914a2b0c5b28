"""CSV: its delimiter, its header, its rows as a stream for Arrow, and where it is broken."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import BinaryIO

from dsample_cli.data.columns import shortened
from dsample_cli.data.decoding import open_text
from dsample_cli.data.streams import (
    MOST_ROW_BYTES,
    Source,
    check_column_count,
    limited_lines,
    row_too_long,
)
from dsample_cli.errors import DataError

DELIMITERS = ",\t;|"
# A header is looked for in so many bytes, and where it does not end there, in so many.
HEADER_BYTES, MOST_HEADER_BYTES = 1 << 20, 1 << 24
MOST_UTF8_BYTES = 4
QUOTED = re.compile(r'"(?:[^"]|"")*"')
# A row put after the last one. It comes back whole unless a quote before it was left open.
END_CELL = "\0dsample-end"


def sniff_delimiter(head: str, preferred: str = ",") -> str:
    """Find the delimiter that the header line has most often outside quotes.

    Args:
        head: Start of the file.
        preferred: What to take when the header has as many of another, and by its suffix a tab
            wherever there is one.

    Examples:
        >>> sniff_delimiter('"a,b,c";label')
        ';'
    """
    header = next((line for line in head.splitlines() if line.strip()), "")
    if header.count('"') % 2:  # a quoted name runs over the end of the line
        header = QUOTED.sub("", head).strip().partition("\n")[0]
    header = QUOTED.sub("", header)
    if preferred == "\t" and "\t" in header:
        return "\t"
    return max([preferred, *DELIMITERS], key=header.count)


def read_header(source: Source) -> tuple[list[str], int]:
    """Read the column names of a CSV file.

    Cells without a name are called column_1, column_2 and so on by their place.

    Returns:
        The names, and the number of bytes of UTF-8 up to the end of the header.

    Raises:
        DataError: If two columns have the same name, or a quote is left open.
    """
    cells, n_bytes = _header_cells(source, HEADER_BYTES)
    if n_bytes > HEADER_BYTES:
        cells, n_bytes = _header_cells(source, MOST_HEADER_BYTES)
    if n_bytes > MOST_HEADER_BYTES:
        raise row_too_long(source, 1, most=MOST_HEADER_BYTES)
    if END_CELL in "".join(cells) and END_CELL not in cells:
        raise _open_quote(source, 1)
    if not any(cells) or END_CELL in cells:
        raise DataError(f"{source.name} has no header.", "Name the columns in the first line.")
    check_column_count(cells, source.name)
    names = [cell or f"column_{place}" for place, cell in enumerate(cells, start=1)]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(
            f"{source.name}: the header has the column '{shortened(twice[0])}' more than once.",
            "Give each column a name of its own in the first line.",
        )
    return names, n_bytes


def _header_cells(source: Source, most_bytes: int) -> tuple[list[str], int]:
    """The cells of the first row that has any, and where it ends; beyond `most_bytes` if cut."""
    with open_text(source) as stream:
        head = stream.read(most_bytes + 1)
    text = head[:most_bytes].decode("utf-8", errors="ignore")
    lines = _Counted(chain(io.StringIO(text, newline=""), _end_lines(source, 1)))
    with _cells_up_to(MOST_ROW_BYTES):
        cells = next((row for row in csv.reader(lines, delimiter=source.delimiter) if any(row)), [])
    is_cut = len(head) > most_bytes and lines.bytes_read >= most_bytes - MOST_UTF8_BYTES
    return cells, most_bytes + 1 if is_cut else lines.bytes_read


@contextmanager
def csv_body(source: Source, header_bytes: int, n_columns: int) -> Iterator["CsvBody"]:
    """Open the rows of a CSV file, header left out and the end row added."""
    with open_text(source) as stream:
        stream.read(header_bytes)
        yield CsvBody(stream, end_row(source, n_columns).encode())


def end_row(source: Source, n_columns: int) -> str:
    """The row put after the last one, on a line of its own."""
    return "\n" + source.delimiter.join([END_CELL] * n_columns) + "\n"


def _end_lines(source: Source, n_columns: int) -> Iterable[str]:
    """The same for Python's csv module, which takes no two lines at once."""
    return io.StringIO(end_row(source, n_columns), newline="")


class CsvBody(io.RawIOBase):
    """A stream, and then the end row."""

    def __init__(self, stream: BinaryIO, end: bytes) -> None:
        self._stream = stream
        self._end = io.BytesIO(end)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size) or self._end.read(size)


def broken_csv(source: Source) -> DataError:
    """Find out what is wrong with a CSV file that Arrow refused.

    Arrow gives no line numbers and quotes the row, so the file is read again in a slower way that
    counts lines and tells no text.
    """
    names, _ = read_header(source)
    with open_text(source) as stream:
        fault = _first_ragged_row(stream, source, len(names))
    return fault or DataError(
        f"{source.name} cannot be read as CSV.", "Write it again with a CSV library, or as JSONL."
    )


def _first_ragged_row(stream: BinaryIO, source: Source, n_columns: int) -> DataError | None:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    lines = chain(limited_lines(text, source), _end_lines(source, n_columns))
    first_line, header_seen = 1, False
    with _cells_up_to(MOST_ROW_BYTES):
        reader = csv.reader(lines, delimiter=source.delimiter)
        try:
            for row in reader:
                if _is_too_long(row):
                    return row_too_long(source, first_line)
                if row and header_seen and len(row) != n_columns:
                    return _ragged(source, row, n_columns, first_line, reader.line_num)
                last_row, last_line = row, first_line
                header_seen = header_seen or any(row)
                first_line = reader.line_num + 1
        except csv.Error:
            return row_too_long(source, first_line)
    return _open_quote(source, last_line) if END_CELL not in last_row else None


def _is_too_long(row: list[str]) -> bool:
    characters = sum(map(len, row))
    if characters * MOST_UTF8_BYTES <= MOST_ROW_BYTES:
        return False
    return sum(len(cell.encode()) for cell in row) > MOST_ROW_BYTES


def _ragged(
    source: Source, row: list[str], n_columns: int, first_line: int, last_line: int
) -> DataError:
    if END_CELL in row[-1] and row[-1] != END_CELL:
        return _open_quote(source, first_line)
    fields = f"{len(row)} field" + "s" * (len(row) != 1)
    hint = "Put double quotes around cells that hold the delimiter or a line break."
    if last_line > first_line:
        hint += f" This row runs on to line {last_line}: is a quote left open?"
    return DataError(
        f"{source.name}, line {first_line}: the row has {fields}, the header has {n_columns}.", hint
    )


def _open_quote(source: Source, line: int) -> DataError:
    return DataError(
        f"{source.name}, line {line}: a quoted cell of the row that starts here is never closed.",
        'Close it with ", and write a quote inside a quoted cell as "".',
    )


class _Counted:
    """Lines of text, with the number of UTF-8 bytes handed out so far."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines
        self.bytes_read = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.bytes_read += len(line.encode())
            yield line


@contextmanager
def _cells_up_to(most_characters: int) -> Iterator[None]:
    """Let Python's csv module read cells longer than it usually does."""
    before = csv.field_size_limit(most_characters)
    try:
        yield
    finally:
        csv.field_size_limit(before)
