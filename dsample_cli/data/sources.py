"""Find out what data files are: by their first bytes, then by their suffix."""

import atexit
import codecs
import glob
import hashlib
import os
import re
import select
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from dsample_cli.core.read_options import (
    DEFAULT_MAX_BYTES,
    DELIMITERS,
    DETECTED,
    ReadOptions,
    default_max_bytes,
    parse_delimiter,
    parse_size,
)
from dsample_cli.data import csv_text, json_lines, parquet
from dsample_cli.data.columns import list_columns, require_column
from dsample_cli.data.decoding import settle_encoding
from dsample_cli.data.encodings import check_is_no_other_format, check_is_text, wide_encoding
from dsample_cli.data.streams import (
    UTF8,
    DataSource,
    Source,
    SourceSet,
    TextEncoding,
    cannot_read,
    check_column_count,
    check_unchanged,
    file_stamp,
    open_bytes,
    too_large,
)
from dsample_cli.errors import DataError

__all__ = [
    "DataSource",
    "Source",
    "SourceSet",
    "check_unchanged",
    "column_names",
    "file_sha256",
    "open_source",
]

STDIN = "standard input"
HEAD_BYTES = 1 << 16
PIPE_SECONDS = 20
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
USUAL_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
DELIMITER_NAMES = {character: name for name, character in DELIMITERS.items()}
JSON_ARRAY = re.compile(r"\[\s*[\[{]")


def open_source(path: str | Path | DataSource, options: ReadOptions = DETECTED) -> DataSource:
    """Tell the format, compression, encoding and delimiter of a data file, or of several.

    Args:
        path: A file, "-" for standard input, or a pattern such as "data/part-*.csv" (`**` stands
            for folders of any depth) whose files are read as one table, in the order of their
            names. A file that has the pattern as its name goes before. What is open stays so.
        options: What is not to be detected.

    Raises:
        DataError: If there is no such file, or one is empty, binary or not a table.
    """
    if isinstance(path, Source | SourceSet):
        return path
    if not is_pattern(path):
        return _open_file(path, options)
    files = matching_files(str(path))
    if not files:
        raise DataError(f"No file matches {path}.", _data_files_near(Path(path)))
    return SourceSet(str(path), tuple(_open_file(file, options) for file in files))


def is_pattern(path: str | Path) -> bool:
    """Whether a path stands for several files."""
    return glob.has_magic(str(path)) and not os.path.exists(path)


def matching_files(pattern: str) -> list[str]:
    """The files that fit a pattern, in the order of their names."""
    return sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))


def absolute_path(path: str | Path) -> str:
    """A path or pattern that stands for the same files from any folder."""
    if is_pattern(path):
        return os.path.join(glob.escape(os.getcwd()), path)
    return str(Path(path).absolute())


def column_names(source: DataSource, wanted: Sequence[str] = ()) -> list[str]:
    """List the columns: a CSV header, a Parquet schema, or the keys of the first JSON lines.

    Args:
        source: What `open_source` gave.
        wanted: Columns that may come only later in a JSONL file; looked for to its end.

    Raises:
        DataError: If one of several files has other columns than the first CSV or Parquet file.
            JSON lines may lack some; see `check_columns`.
    """
    by_part = [(part, _names_of_part(part, wanted)) for part in source.parts]
    for part, names in by_part:
        check_column_count(names, part.name)
    tables = [(part, names) for part, names in by_part if part.format != "jsonl"]
    if not tables:
        return list(dict.fromkeys(chain.from_iterable(names for _, names in by_part)))
    for part, names in by_part:
        _check_same_columns(part, names, *tables[0])
    return tables[0][1]


def check_columns(source: DataSource, columns: Sequence[str]) -> None:
    """Raise a DataError unless each of several files has the columns to be used."""
    if len(source.parts) > 1:
        for part in source.parts:
            names = _names_of_part(part, columns)
            for column in columns:
                require_column(names, column, part.name)


def _names_of_part(source: Source, wanted: Sequence[str]) -> list[str]:
    if source.format == "parquet":
        return parquet.read_names(source)
    if source.format == "jsonl":
        return json_lines.read_keys(source, wanted)
    return csv_text.read_header(source)[0]


def _check_same_columns(
    part: Source, names: Sequence[str], first: Source, first_names: Sequence[str]
) -> None:
    lacking = [name for name in first_names if name not in names and part.format != "jsonl"]
    added = [name for name in names if name not in first_names]
    if not lacking and not added:
        return
    differences = [f"it lacks {_quoted(lacking)}"] * bool(lacking)
    differences += [f"it adds {_quoted(added)}"] * bool(added)
    raise DataError(
        f"{part.name} has other columns than {first.name}: {' and '.join(differences)}.",
        f"Give all files the same columns, or leave files out. {list_columns(first_names)}",
    )


def _quoted(names: Sequence[str]) -> str:
    return list_columns(names).removeprefix("Columns: ").removesuffix(".")


def source_sha256(source: DataSource) -> str:
    """SHA-256 of a file's bytes; of several files, of their SHA-256 in hex one after the other."""
    if isinstance(source, Source):
        return file_sha256(source.path)
    return _joined_sha256([part.path for part in source.parts])


def source_path(source: DataSource) -> str:
    """The absolute path or pattern; "-" for standard input."""
    return "-" if source.name == STDIN else absolute_path(source.name)


def path_sha256(path: str) -> str | None:
    """What `source_sha256` gives for a path or pattern; None if there is no such file."""
    if is_pattern(path):
        files = matching_files(path)
        return _joined_sha256(files) if files else None
    return file_sha256(path) if os.path.isfile(path) else None


def _joined_sha256(files: Sequence[str | Path]) -> str:
    return hashlib.sha256("".join(map(file_sha256, files)).encode()).hexdigest()


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _open_file(path: str | Path, options: ReadOptions) -> Source:
    """Open one file.

    Standard input ("-") and pipes are copied into a temporary file, deleted at exit, so that they
    can be read more than once.
    """
    name = STDIN if str(path) == "-" else str(path)
    most = None if options.max_bytes is None else parse_size(options.max_bytes)
    file = _readable_file(Path(path), name, most)
    try:
        with open(file, "rb") as stream:
            magic = stream.read(len(PARQUET_MAGIC))
            n_bytes = os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise cannot_read(name, error) from None
    compression = next((kind for m, kind in COMPRESSIONS.items() if magic.startswith(m)), None)
    if most is not None and compression is None and n_bytes > most:
        raise too_large(name, most)
    source = Source(file, name, "csv", compression, ",", max_bytes=most, stamp=file_stamp(file))
    if magic == PARQUET_MAGIC:
        return replace(source, format="parquet", max_bytes=most or default_max_bytes(n_bytes))
    if compression is not None:
        source = replace(source, max_bytes=most or default_max_bytes(n_bytes))
    with open_bytes(source) as stream:
        head = _head_of(stream, name)
    if compression and head.startswith(PARQUET_MAGIC):
        raise DataError(f"{name} is compressed Parquet.", f"Decompress it first ({compression}).")
    return _as_text_source(source, head, options)


def _as_text_source(source: Source, head: bytes, options: ReadOptions) -> Source:
    suffix = _suffix(source.name)
    by_suffix = FORMATS.get(suffix, "csv")
    if by_suffix == "parquet":
        raise DataError(
            f"{source.name} is not a Parquet file, for all its name.",
            "Write it again, or rename it after what it is (.csv, .jsonl).",
        )
    check_is_no_other_format(head, source.name)
    source = replace(source, format=by_suffix, encoding=_encoding_of(head, source, options))
    if source.encoding.name is None and not head.isascii():
        settle_encoding(source, head)
    text = head.decode(source.encoding.name or UTF8, errors="ignore").lstrip("\ufeff \t\r\n\f\v")
    if JSON_ARRAY.match(text) or (text.startswith("[") and by_suffix == "jsonl"):
        given = "in.json" if source.name == STDIN else source.name
        lines = shlex.quote(given.removesuffix(".json") + ".jsonl")
        raise DataError(
            f"{source.name} is one JSON array; JSON Lines (one object a line) is read.",
            f"jq -c '.[]' {shlex.quote(given)} > {lines}",
        )
    if text.startswith("{"):
        return replace(source, format="jsonl")
    if by_suffix == "jsonl":
        return source
    if options.delimiter is not None:
        return replace(source, delimiter=parse_delimiter(options.delimiter))
    usual = USUAL_DELIMITERS.get(suffix)
    found = csv_text.sniff_delimiter(text, usual or ",")
    told = f"separated by {DELIMITER_NAMES[found]}; --delimiter names another"
    is_surprise = usual not in (None, found)
    return replace(source, delimiter=found, told_delimiter=told if is_surprise else None)


def _encoding_of(head: bytes, source: Source, options: ReadOptions) -> TextEncoding:
    """The encoding that is given, or that the first bytes settle."""
    if options.encoding is not None:
        is_utf8 = codecs.lookup(options.encoding).name in ("utf-8", "utf-8-sig")
        return TextEncoding(UTF8 if is_utf8 else options.encoding, is_given=True)
    wide = wide_encoding(head)
    if wide is None:
        check_is_text(head, source.name)
    return TextEncoding(wide)


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


def _readable_file(path: Path, name: str, max_bytes: int | None) -> Path:
    """The file itself, or a copy of what can be read only once."""
    if name == STDIN:
        return _spooled(sys.stdin.buffer, max_bytes)
    try:
        if path.is_dir():
            raise DataError(f"{name} is a directory, not a file.", _files_within(path))
        if not path.exists():
            raise DataError(f"There is no file {name}.", _near_files(path))
        if path.is_file():
            return path
        if path.is_fifo():
            return _copy_of_pipe(path, name, max_bytes)
        with open(path, "rb") as stream:
            return _copy(stream, name, max_bytes)
    except OSError as error:
        raise cannot_read(name, error) from None


@cache
def _spooled(stream: BinaryIO, max_bytes: int | None) -> Path:
    """A copy of a stream, the same one when it is asked for again."""
    return _copy(stream, STDIN, max_bytes)


def _copy(stream: BinaryIO, name: str, max_bytes: int | None, first: bytes = b"") -> Path:
    """Copy a stream that may have no end, unless its first bytes are no data at all."""
    most = DEFAULT_MAX_BYTES if max_bytes is None else max_bytes
    handle, file = tempfile.mkstemp(prefix="dsample-")
    atexit.register(Path(file).unlink, missing_ok=True)
    with os.fdopen(handle, "wb") as copy:
        block, n_bytes = first + (stream.read(HEAD_BYTES) or b""), 0
        if not block.startswith((PARQUET_MAGIC, *COMPRESSIONS)) and wide_encoding(block) is None:
            check_is_text(block, name)
        while block:
            n_bytes += len(block)
            if n_bytes > most:
                copy.truncate(0)
                raise too_large(name, most)
            copy.write(block)
            block = stream.read(HEAD_BYTES)
    return Path(file)


def _copy_of_pipe(path: Path, name: str, max_bytes: int | None) -> Path:
    """Copy what comes out of a named pipe.

    Raises:
        DataError: If nobody writes to it, which would be waited for for ever.
    """
    # To open it in the usual way would itself wait for a writer.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as pipe:
        waited = select.poll()
        waited.register(pipe, select.POLLIN)
        first = None
        if not waited.poll(1000 * PIPE_SECONDS):
            first = pipe.read(1)  # None: there is a writer, but a slow one
            if first == b"":
                raise DataError(
                    f"Nobody wrote to the pipe {name} for {PIPE_SECONDS} seconds.",
                    "Start what writes to it first, or give a file.",
                )
        os.set_blocking(pipe.fileno(), True)
        return _copy(pipe, name, max_bytes, first or b"")


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


def _data_files(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if _suffix(entry.name) in FORMATS]


def _data_files_near(pattern: Path) -> str:
    folder = pattern.parent
    data = sorted(path.name for path in _data_files(folder)) if folder.is_dir() else []
    more = ", ..." if len(data) > 3 else ""
    return f"{folder} has {', '.join(data[:3])}{more}." if data else "Check the pattern."


def _files_within(folder: Path) -> str:
    data = sorted(_data_files(folder))
    if not data:
        return "Give a data file."
    pattern = shlex.quote(str(folder / f"*{data[0].suffix}"))
    return f"Give one of its files, such as {data[0]}, or several as a pattern: {pattern}"
