"""Data files, and their bytes as a stream whatever they are compressed with."""

import gzip
import io
import os
import shlex
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, AnyStr, BinaryIO

import pyarrow as pa

from dsample_cli.core.read_options import size_text
from dsample_cli.errors import DataError

BUFFER_BYTES = 1 << 20
# A longer row is no example of a text: most often, a quote or an object is left open.
MOST_ROW_BYTES = 1 << 26
# More names than these are no columns of texts and labels, but data in the wrong place.
MOST_COLUMNS = 100_000
UTF8 = "UTF-8"
DECOMPRESSION_ERRORS = (EOFError, zlib.error, OSError, pa.ArrowException)


@dataclass
class TextEncoding:
    """The encoding of a text file.

    Attributes:
        name: Name of a Python codec. None while only ASCII has been read of the file: it is
            settled, once and for all readers, where the first other byte comes.
        is_given: Whether the user named it.
    """

    name: str | None = None
    is_given: bool = False


@dataclass(frozen=True)
class Source:
    """A data file and how to read it.

    Attributes:
        path: The file; for standard input and pipes, a temporary copy.
        name: What messages call it: the path as given, or "standard input".
        format: "csv", "jsonl" or "parquet".
        compression: None, "gzip" or "zstd".
        delimiter: Between the cells of a CSV file.
        encoding: Of CSV and JSONL.
        told_delimiter: What a note says about the delimiter, if it is a surprise.
        max_bytes: Most bytes that are read of it, decompressed; None for no limit.
        stamp: What changes when the file does, see `file_stamp`.
    """

    path: Path
    name: str
    format: str
    compression: str | None
    delimiter: str
    encoding: TextEncoding = field(default_factory=TextEncoding, compare=False)
    told_delimiter: str | None = None
    max_bytes: int | None = None
    stamp: tuple[int, ...] | None = field(default=None, compare=False)

    @property
    def parts(self) -> "tuple[Source, ...]":
        """The files to read: itself."""
        return (self,)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was found out about the file; the encoding may be known only after reading it."""
        found = [] if self.told_delimiter is None else [self.told_delimiter]
        if not self.encoding.is_given and self.encoding.name not in (None, UTF8):
            found.append(f"read as {self.encoding.name}; --encoding names another")
        return tuple(found)

    @property
    def notes(self) -> tuple[str, ...]:
        """The remarks as sentences."""
        return tuple(f"{self.name} is {remark}" for remark in self.remarks)


@dataclass(frozen=True)
class SourceSet:
    """Several data files that are read as one table, one after the other.

    Attributes:
        name: What messages call them: the pattern as given.
        parts: The files in order, at least one.
    """

    name: str
    parts: tuple[Source, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """The remarks on the files, each told once."""
        counts = Counter(remark for part in self.parts for remark in part.remarks)
        return tuple(
            f"{self.name}: {count} of {len(self.parts)} files {'is' if count == 1 else 'are'} "
            f"{remark}"
            for remark, count in counts.items()
        )


DataSource = Source | SourceSet


def open_bytes(source: Source) -> BinaryIO:
    """Open a file to read its bytes, decompressed.

    Raises:
        DataError: If it cannot be opened; also while reading, if the compressed data is damaged,
            ends too early or is more than may be read.
    """
    try:
        if source.compression is None:
            return open(source.path, "rb", buffering=BUFFER_BYTES)
        raw = OPENERS[source.compression](source.path)
    except OSError as error:
        raise cannot_read(source.name, error) from None
    return io.BufferedReader(_Decompressed(raw, source), BUFFER_BYTES)


def file_stamp(path: Path) -> tuple[int, ...] | None:
    """Size, time of the last change and number of a file; None if it is gone."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def check_unchanged(source: DataSource) -> None:
    """Raise a DataError if a file is not the one that was opened, or has been written to since."""
    for part in source.parts:
        now = file_stamp(part.path)
        if now != part.stamp:
            what = "was removed" if now is None else "changed"
            raise DataError(
                f"{part.name} {what} while it was read.",
                "Read a copy that nothing writes to: cp FILE COPY",
            )


def too_large(name: str, max_bytes: int, what: str = "has") -> DataError:
    """The error for a file with more bytes than may be read."""
    return DataError(
        f"{name} {what} more than {size_text(max_bytes)} ({max_bytes:,} bytes), the most that is "
        "read of it.",
        f"If you trust the file, allow more: --max-bytes {size_text(4 * max_bytes)}",
    )


def row_too_long(
    source: Source, number: int, unit: str = "line", most: int = MOST_ROW_BYTES
) -> DataError:
    """The error for a row that is no example of a text."""
    return DataError(
        f"{source.name}, {unit} {number}: the row that starts here has more than "
        f"{size_text(most)}, the most that is read of one.",
        "Leave it out or cut its text; in a CSV file, see whether a quote is left open.",
    )


def limited_lines(stream: IO[AnyStr], source: Source) -> Iterator[AnyStr]:
    """The lines of a text.

    Raises:
        DataError: At one that is longer than a row may be.
    """
    lines = iter(partial(stream.readline, MOST_ROW_BYTES + 1), stream.read(0))
    for number, line in enumerate(lines, start=1):
        if len(line) > MOST_ROW_BYTES:
            raise row_too_long(source, number)
        yield line


def check_column_count(names: Collection[str], name: str) -> None:
    """Raise a DataError if a file has too many columns."""
    if len(names) > MOST_COLUMNS:
        raise DataError(
            f"{name} has {len(names):,} columns; at most {MOST_COLUMNS:,} are read.",
            "Keep the columns with texts, labels and groups, and leave the others out.",
        )


def cannot_read(name: str, error: OSError) -> DataError:
    """The error for a file that the system does not let us read."""
    if isinstance(error, PermissionError):
        return DataError(
            f"{name} may not be read (permission denied).", f"chmod u+r {shlex.quote(name)}"
        )
    reason = error.strerror or type(error).__name__
    return DataError(f"{name} cannot be read: {reason}.", "Check the path and the disk.")


class _Decompressed(io.RawIOBase):
    """Reads a decompressing stream and turns its errors into a DataError."""

    def __init__(self, stream: Any, source: Source) -> None:
        self._stream = stream
        self._source = source
        self._bytes_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        name, compression = self._source.name, self._source.compression
        try:
            count = self._stream.readinto(buffer)
        except DECOMPRESSION_ERRORS:
            raise DataError(
                f"{name} is damaged or cut off: its {compression} data ends too early or is not "
                "valid.",
                f"Copy or download it again; `{compression} -t` checks it.",
            ) from None
        self._bytes_read += count
        most = self._source.max_bytes
        if most is not None and self._bytes_read > most:
            raise too_large(name, most, "decompresses to")
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


def _open_zstd(path: Path) -> pa.NativeFile:
    return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")


OPENERS: dict[str, Callable[[Path], Any]] = {"gzip": gzip.open, "zstd": _open_zstd}
