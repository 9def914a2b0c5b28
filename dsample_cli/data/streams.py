"""A data file as a stream of bytes, whatever it is compressed with."""

import gzip
import io
import shlex
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from dsample_cli.errors import DataError

BUFFER_BYTES = 1 << 20
DECOMPRESSION_ERRORS = (EOFError, zlib.error, OSError, pa.ArrowException)


@dataclass(frozen=True)
class Source:
    """A data file and how to read it.

    Attributes:
        path: The file; for standard input and pipes, a temporary copy.
        name: What messages call it: the path as given, or "standard input".
        format: "csv", "jsonl" or "parquet".
        compression: None, "gzip" or "zstd".
        delimiter: Between the cells of a CSV file.
    """

    path: Path
    name: str
    format: str
    compression: str | None
    delimiter: str


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
