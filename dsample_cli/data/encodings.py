"""Tell text from binary data, and find out the encoding of text by its bytes."""

import codecs
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from dsample_cli.data.streams import UTF8
from dsample_cli.errors import DataError

KOREAN = "CP949"
WESTERN = "Windows-1252"
BYTE_ORDER_MARKS = {  # UTF-32 first: the mark of UTF-16 begins like that of UTF-32
    codecs.BOM_UTF8: UTF8,
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
TEXT_CONTROLS = "\t\n\r\f\x0b\x1b"
HIGH_BYTES = bytes(range(0x80, 0x100))
# High bytes, with the letters behind them: the second byte of a rarer Korean syllable is a letter.
WORD = re.compile(rb"[\x80-\xff][A-Za-z\x80-\xff]*")
BYTE_PAIR = re.compile(rb"[\x81-\xfe][A-Za-z\x81-\xfe]")
LONG_RUN = re.compile(rb"[\x80-\xff]{3,}")
# So many words of valid UTF-8 before the first other one are no chance.
PROOF_WORDS = 64
ENOUGH_WORDS = 100_000
SAMPLE_BYTES = 1 << 16
FOREIGN_FILES = {
    b"PK\x03\x04": ("an Excel workbook or ZIP archive", "Save the sheet as CSV UTF-8."),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "Save the sheet as CSV UTF-8."),
    b"BZh": ("bzip2 data", "Decompress it first: bunzip2 -k FILE"),
    b"\xfd7zXZ": ("xz data", "Decompress it first: unxz -k FILE"),
    b"ARROW1": ("an Arrow file", "Save it as Parquet or CSV."),
}


@dataclass(frozen=True)
class Evidence:
    """What the words that are not ASCII say about the encoding.

    Attributes:
        words: How many were looked at.
        valid_words: How many of them are valid UTF-8.
        sample: Some of the others.
    """

    words: int
    valid_words: int
    sample: bytes

    @property
    def is_proof_of_utf8(self) -> bool:
        """Whether all words are valid UTF-8, and there are enough of them."""
        return self.valid_words == self.words >= PROOF_WORDS


def check_is_text(head: bytes, name: str) -> None:
    """Check the first bytes of a text file in an unknown encoding, UTF-16 and UTF-32 apart.

    Raises:
        DataError: If they are binary data.
    """
    controls = sum(head.count(byte) for byte in range(32) if chr(byte) not in TEXT_CONTROLS)
    if b"\0" in head or controls * 10 > len(head) * 3:
        raise DataError(
            f"{name} is binary data, not CSV, JSONL or Parquet.",
            "Export the table as CSV (UTF-8), JSON Lines or Parquet.",
        )


def check_is_no_other_format(head: bytes, name: str) -> None:
    """Raise a DataError if a file begins like one of a well-known other format."""
    for magic, (kind, hint) in FOREIGN_FILES.items():
        if head.startswith(magic):
            raise DataError(f"{name} is {kind}, not CSV, JSONL or Parquet.", hint)


def wide_encoding(head: bytes) -> str | None:
    """The encoding that the first bytes settle: by a byte order mark, or UTF-16 without one.

    Examples:
        >>> wide_encoding("text,label".encode("utf-16-be"))
        'UTF-16BE'
    """
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding
    if b"\0" not in head:
        return None
    likely = {name: _ascii_share(head, name) for name in ("UTF-16LE", "UTF-16BE")}
    best = max(likely, key=lambda name: likely[name])
    return best if likely[best] >= 0.1 else None


def weigh(blocks: Iterable[bytes]) -> Evidence:
    """Look at the words that are not ASCII, until there is proof or enough of them.

    Args:
        blocks: A file's bytes in order, cut anywhere.
    """
    n_words, n_valid, sample, carry = 0, 0, b"", b""
    for block in blocks:
        if not carry and block.isascii():
            continue
        whole, carry = split_whole(carry + block)
        words = WORD.findall(whole)
        others = [word for word in words if not _is_utf8(word)]
        n_words += len(words)
        n_valid += len(words) - len(others)
        if len(sample) < SAMPLE_BYTES:
            sample += b" ".join(others) + b" "
        evidence = Evidence(n_words, n_valid, sample)
        if evidence.is_proof_of_utf8 or n_words >= ENOUGH_WORDS:
            return evidence
    # What is left is a character that the file cuts off, or that only looks like one.
    return Evidence(n_words + bool(carry), n_valid, sample + carry)


def guess_encoding(evidence: Evidence) -> str | None:
    """The likely encoding; None if it is none of those that can be told apart by bytes.

    Text in which many words are valid UTF-8 is UTF-8, damaged where it is not. By chance, one
    Korean syllable in eleven is, and next to no word in Western text.

    Examples:
        >>> guess_encoding(weigh(["안녕하세요".encode("cp949")]))
        'CP949'
        >>> guess_encoding(weigh(["café".encode("latin-1")]))
        'Windows-1252'
    """
    valid_share = evidence.valid_words / max(1, evidence.words)
    if _is_korean(evidence.sample) and valid_share < 0.5:
        return KOREAN
    if valid_share >= 0.1 or not evidence.words:
        return UTF8
    in_runs = sum(map(len, LONG_RUN.findall(evidence.sample)))
    return WESTERN if in_runs * 2 <= _count_high(evidence.sample) else None


def split_whole(block: bytes) -> tuple[bytes, bytes]:
    """Cut off the start of a UTF-8 character that goes on behind the block.

    Examples:
        >>> split_whole("aé".encode()[:-1])
        (b'a', b'\\xc3')
    """
    for behind in range(1, min(3, len(block)) + 1):
        byte = block[-behind]
        if byte >= 0xC0:
            length = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return (block[:-behind], block[-behind:]) if behind < length else (block, b"")
        if byte < 0x80:
            break
    return block, b""


def _is_korean(sample: bytes) -> bool:
    """Whether byte pairs are mostly the Hangul of the standard set, and few are Chinese."""
    pairs = BYTE_PAIR.findall(sample)
    second_half = [pair for pair in pairs if pair[1] >= 0xA1]
    hangul = sum(0xB0 <= pair[0] <= 0xC8 for pair in second_half)
    chinese = sum(0xCA <= pair[0] <= 0xFD for pair in second_half)
    return hangul * 2 > len(pairs) and chinese * 5 < len(pairs)


def _ascii_share(head: bytes, encoding: str) -> float:
    """Share of printable ASCII characters and line breaks; 0 if it is no text in this encoding."""
    text = head.decode(encoding, "ignore")
    kinds = {c: unicodedata.category(c) for c in set(text) if c not in TEXT_CONTROLS}
    if any(kind == "Cc" for kind in kinds.values()):
        return 0.0
    strange = sum(text.count(c) for c, kind in kinds.items() if kind in ("Cn", "Co"))
    if strange * 100 > len(text):
        return 0.0
    return sum(c.isascii() for c in text) / len(text)


def _is_utf8(word: bytes) -> bool:
    try:
        word.decode()
    except UnicodeDecodeError:
        return False
    return True


def _count_high(text: bytes) -> int:
    return len(text) - len(text.translate(None, HIGH_BYTES))
