"""Data files, and their bytes as a stream whatever they are compressed with."""

import gzip
import io
import shlex
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from dsample_cli.errors import DataError

BUFFER_BYTES = 1 << 20
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
    """

    path: Path
    name: str
    format: str
    compression: str | None
    delimiter: str
    encoding: TextEncoding = field(default_factory=TextEncoding, compare=False)
    told_delimiter: str | None = None

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


def open_bytes(path: Path, compression: str | None, name: str) -> BinaryIO:
    """Open a file to read its bytes, decompressed.

    Raises:
        DataError: If it cannot be opened; also while reading, if the compressed data is damaged or
            ends too early.
    """
    try:
        if compression is None:
            return open(path, "rb", buffering=BUFFER_BYTES)
        raw = OPENERS[compression](path)
    except OSError as error:
        raise cannot_read(name, error) from None
    return io.BufferedReader(_Decompressed(raw, compression, name), BUFFER_BYTES)


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

    def __init__(self, stream: Any, compression: str, name: str) -> None:
        self._stream = stream
        self._compression = compression
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return self._stream.readinto(buffer)
        except DECOMPRESSION_ERRORS:
            raise DataError(
                f"{self._name} is damaged or cut off: its {self._compression} data ends too early "
                "or is not valid.",
                f"Copy or download it again; `{self._compression} -t` checks it.",
            ) from None

    def close(self) -> None:
        self._stream.close()
        super().close()


def _open_zstd(path: Path) -> pa.NativeFile:
    return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")


OPENERS: dict[str, Callable[[Path], Any]] = {"gzip": gzip.open, "zstd": _open_zstd}
