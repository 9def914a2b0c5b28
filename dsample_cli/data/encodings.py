"""Tell text from binary data, and name the encoding of text that is not UTF-8."""

import re
import shlex
from typing import BinaryIO

from dsample_cli.data.streams import Source, open_bytes
from dsample_cli.errors import DataError

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
SAMPLE_BYTES = 1 << 16
# Pairs of the Korean standard set; rarer syllables of CP949 look too much like other encodings.
HANGUL_PAIR = re.compile(rb"[\xb0-\xc8][\xa1-\xfe]")
HIGH_BYTE = re.compile(rb"[\x80-\xff]")
WINDOWS_BYTE = re.compile(rb"[\x80-\x9f]")
TEXT_CONTROLS = b"\t\n\r\f\x0b\x1b"
FOREIGN_FILES = {
    b"PK\x03\x04": ("an Excel workbook or ZIP archive", "Save the sheet as CSV UTF-8."),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "Save the sheet as CSV UTF-8."),
    b"BZh": ("bzip2 data", "Decompress it first: bunzip2 -k FILE"),
    b"\xfd7zXZ": ("xz data", "Decompress it first: unxz -k FILE"),
    b"ARROW1": ("an Arrow file", "Save it as Parquet or CSV."),
}


def check_is_text(head: bytes, source: Source) -> None:
    """Check the first bytes of a text file.

    Raises:
        DataError: If they are binary data or not UTF-8.
    """
    for magic, (kind, hint) in FOREIGN_FILES.items():
        if head.startswith(magic):
            raise DataError(f"{source.name} is {kind}, not CSV, JSONL or Parquet.", hint)
    if head.startswith(UTF16_MARKS) or _looks_like_utf16(head):
        raise wrong_encoding(source)
    controls = sum(head.count(byte) for byte in range(32) if byte not in TEXT_CONTROLS)
    if b"\0" in head or controls * 10 > len(head) * 3:
        raise DataError(
            f"{source.name} is binary data, not CSV, JSONL or Parquet.",
            "Export the table as CSV (UTF-8), JSON Lines or Parquet.",
        )
    try:
        head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.end < len(head) or error.reason != "unexpected end of data":
            raise wrong_encoding(source) from None


def wrong_encoding(source: Source) -> DataError:
    """The error for a file that is not UTF-8: first bad line and byte, and how to convert it."""
    with open_bytes(source.path, source.compression, source.name) as stream:
        bad = find_undecodable(stream)
    if bad is None:
        return DataError(f"{source.name} is not UTF-8 text.", "Convert it to UTF-8.")
    line, byte, sample = bad
    encoding = guess_encoding(sample)
    return DataError(
        f"{source.name} is not UTF-8: line {line} has the byte 0x{byte:02X}; "
        f"it looks like {encoding}.",
        _conversion(source, encoding),
    )


def find_undecodable(stream: BinaryIO) -> tuple[int, int, bytes] | None:
    """Find the first line that is not UTF-8.

    Returns:
        Line number from 1, the first byte that does not fit, and the bytes from that line on for
        guessing the encoding (of the whole head, for UTF-16); None if all is UTF-8.
    """
    for number, line in enumerate(stream, start=1):
        is_utf16 = number == 1 and (line.startswith(UTF16_MARKS) or _looks_like_utf16(line))
        try:
            line.decode("utf-8")
            bad_byte = 0
        except UnicodeDecodeError as error:
            bad_byte = line[error.start]
        else:
            if not is_utf16:
                continue
        return number, bad_byte, line + stream.read(SAMPLE_BYTES)
    return None


def guess_encoding(sample: bytes) -> str:
    """Name the likely encoding of text that is not UTF-8, as iconv spells it.

    Examples:
        >>> guess_encoding("안녕하세요".encode("cp949"))
        'CP949'
        >>> guess_encoding("café".encode("latin-1"))
        'ISO-8859-1'
    """
    if sample.startswith(UTF16_MARKS):
        return "UTF-16"
    if _looks_like_utf16(sample):
        return "UTF-16LE" if sample[1::2].count(0) > sample[::2].count(0) else "UTF-16BE"
    in_hangul = 2 * len(HANGUL_PAIR.findall(sample))
    if in_hangul * 2 > len(HIGH_BYTE.findall(sample)):
        return "CP949"
    return "WINDOWS-1252" if WINDOWS_BYTE.search(sample) else "ISO-8859-1"


def _looks_like_utf16(head: bytes) -> bool:
    """Whether every other byte is mostly zero, as Latin text is in UTF-16."""
    half = len(head) // 2
    zeros = sorted((head[::2].count(0), head[1::2].count(0)))
    return half > 1 and zeros[1] * 10 > half * 4 and zeros[0] * 10 < half


def _conversion(source: Source, encoding: str) -> str:
    if not source.path.is_file() or source.name == "standard input":
        return f"Convert it on the way: iconv -f {encoding} -t UTF-8 in.csv | dsample ..."
    suffix = ".jsonl" if source.format == "jsonl" else ".csv"
    stem = source.name.removesuffix(".gz").removesuffix(".zst").rpartition(".")[0] or source.name
    given, mended = shlex.quote(source.name), shlex.quote(f"{stem}.utf8{suffix}")
    unpack = {"gzip": "gzip -dc", "zstd": "zstd -dc"}.get(source.compression or "")
    if unpack:
        return f"{unpack} {given} | iconv -f {encoding} -t UTF-8 > {mended}"
    return f"iconv -f {encoding} -t UTF-8 {given} > {mended}"
