"""Find out what a data file is: by its first bytes, then by its suffix."""

import atexit
import hashlib
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import BinaryIO

from dsample_cli.data import csv_text, json_lines, parquet
from dsample_cli.data.encodings import check_is_text
from dsample_cli.data.streams import Source, cannot_read, open_bytes
from dsample_cli.errors import DataError

__all__ = ["Source", "column_names", "file_sha256", "open_source"]

STDIN = "standard input"
HEAD_BYTES = 1 << 16
COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
PARQUET_MAGIC = b"PAR1"
FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
COMPRESSION_SUFFIXES = (".gz", ".zst")
TAB_SUFFIXES = (".tsv", ".tab")
JSON_ARRAY = re.compile(r"\[\s*[\[{]")


def open_source(path: str | Path) -> Source:
    """Tell the format, compression and delimiter of a data file.

    Standard input ("-") and pipes are copied into a temporary file, deleted at exit, so that they
    can be read more than once.

    Raises:
        DataError: If there is no such file, or it is empty, binary, not UTF-8 or not a table.
    """
    name = STDIN if str(path) == "-" else str(path)
    file = _readable_file(Path(path), name)
    try:
        with open(file, "rb") as stream:
            magic = stream.read(len(PARQUET_MAGIC))
    except OSError as error:
        raise cannot_read(name, error) from None
    compression = next((kind for m, kind in COMPRESSIONS.items() if magic.startswith(m)), None)
    source = Source(file, name, "csv", compression, ",")
    if magic == PARQUET_MAGIC:
        return replace(source, format="parquet")
    with open_bytes(file, compression, name) as stream:
        head = _head_of(stream, name)
    if compression and head.startswith(PARQUET_MAGIC):
        raise DataError(f"{name} is compressed Parquet.", f"Decompress it first ({compression}).")
    return _as_text_source(source, head)


def column_names(source: Source, wanted: Sequence[str] = ()) -> list[str]:
    """List the columns: a CSV header, a Parquet schema, or the keys of the first JSON lines.

    Args:
        source: What `open_source` gave.
        wanted: Columns that may come only later in a JSONL file; looked for to its end.
    """
    if source.format == "parquet":
        return parquet.read_names(source)
    if source.format == "jsonl":
        return json_lines.read_keys(source, wanted)
    return csv_text.read_header(source)[0]


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _as_text_source(source: Source, head: bytes) -> Source:
    suffix = _suffix(source.name)
    by_suffix = FORMATS.get(suffix, "csv")
    if by_suffix == "parquet":
        raise DataError(
            f"{source.name} is not a Parquet file, for all its name.",
            "Write it again, or rename it after what it is (.csv, .jsonl).",
        )
    source = replace(source, format=by_suffix)
    check_is_text(head, source)
    text = head.decode("utf-8-sig", errors="ignore").lstrip()
    if JSON_ARRAY.match(text) or (text.startswith("[") and by_suffix == "jsonl"):
        given = "in.json" if source.name == STDIN else source.name
        lines = shlex.quote(given.removesuffix(".json") + ".jsonl")
        raise DataError(
            f"{source.name} is one JSON array; JSON Lines (one object a line) is read.",
            f"jq -c '.[]' {shlex.quote(given)} > {lines}",
        )
    if text.startswith("{"):
        return replace(source, format="jsonl")
    preferred = "\t" if suffix in TAB_SUFFIXES else ","
    return replace(source, delimiter=csv_text.sniff_delimiter(text, preferred))


def _head_of(stream: BinaryIO, name: str) -> bytes:
    """The first bytes, from the first on that is not white space."""
    skipped = 0
    while block := stream.read(HEAD_BYTES):
        blank = block.removeprefix(b"\xef\xbb\xbf") if not skipped else block
        if blank.strip():
            return block
        skipped += len(block)
    raise DataError(
        f"{name} is empty{' but for blanks' if skipped else ''}.",
        "Give a file with a header line and one example a row.",
    )


def _readable_file(path: Path, name: str) -> Path:
    """The file itself, or a copy of what can be read only once."""
    if name == STDIN:
        return _spooled(sys.stdin.buffer)
    try:
        if path.is_dir():
            raise DataError(f"{name} is a directory, not a file.", _files_within(path))
        if not path.exists():
            raise DataError(f"There is no file {name}.", _near_files(path))
        if path.is_file():
            return path
        with open(path, "rb") as stream:
            return _copy(stream)
    except OSError as error:
        raise cannot_read(name, error) from None


@cache
def _spooled(stream: BinaryIO) -> Path:
    """A copy of a stream, the same one when it is asked for again."""
    return _copy(stream)


def _copy(stream: BinaryIO) -> Path:
    handle, name = tempfile.mkstemp(prefix="dsample-")
    atexit.register(Path(name).unlink, missing_ok=True)
    with os.fdopen(handle, "wb") as copy:
        shutil.copyfileobj(stream, copy, HEAD_BYTES)
    return Path(name)


def _suffix(name: str) -> str:
    plain = name.lower()
    for ending in COMPRESSION_SUFFIXES:
        plain = plain.removesuffix(ending)
    return Path(plain).suffix


def _near_files(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {folder} either; check the path."
    near = get_close_matches(path.name, [entry.name for entry in folder.iterdir()], n=1)
    return f"Did you mean {folder / near[0]}?" if near else "Check the path."


def _files_within(folder: Path) -> str:
    data = sorted(entry for entry in folder.iterdir() if _suffix(entry.name) in FORMATS)
    return f"Give one of its files, such as {data[0]}." if data else "Give a data file."
