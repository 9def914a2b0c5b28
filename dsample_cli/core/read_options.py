"""What a user may say about how data files are written and how much of one is read.

What is not said about how they are written is detected.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from encodings.aliases import aliases

from dsample_cli.core.names import did_you_mean
from dsample_cli.errors import ConfigError

DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|"}
_COMMON_ENCODINGS = ("utf-8", "utf-16", "cp949", "euc-kr", "windows-1252", "latin-1", "shift_jis")
_NOT_DELIMITERS = '"\r\n\0'

# Beyond this, files whose own size does not tell theirs are read only if --max-bytes says so:
# compressed files, Parquet, pipes and devices.
DEFAULT_MAX_BYTES = 16 << 30
# Text hardly ever becomes so many times smaller; a compressed file that grows by more is a bomb,
# from so many bytes on.
DEFAULT_MAX_GROWTH = 50
LEAST_MAX_BYTES = 128 << 20
_SIZE = re.compile(r"(\d{1,15}) ?([KMGT]?)(i?B)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True)
class ReadOptions:
    """How CSV and JSON Lines files are written, which Parquet files say themselves, and a limit.

    Attributes:
        encoding: Name of a Python codec; detected when None.
        delimiter: One character or its name, between the cells of CSV files; detected when None.
        max_bytes: Size, such as 500M, that a file may have after decompression. When None, plain
            files are read whatever their size, others up to `default_max_bytes`.

    Raises:
        ConfigError: On construction, if there is no such encoding, delimiter or size.
    """

    encoding: str | None = None
    delimiter: str | None = None
    max_bytes: str | None = None

    def __post_init__(self) -> None:
        if self.encoding is not None:
            check_encoding(self.encoding)
        if self.delimiter is not None:
            parse_delimiter(self.delimiter)
        if self.max_bytes is not None:
            parse_size(self.max_bytes)


DETECTED = ReadOptions()


def check_encoding(name: str) -> None:
    """Check that Python knows how to decode a text encoding.

    Raises:
        ConfigError: If it does not; the hint holds the nearest names.

    Examples:
        >>> check_encoding("cp949")
        >>> check_encoding("cp9499")
        Traceback (most recent call last):
        dsample_cli.errors.ConfigError: Unknown --encoding 'cp9499'.
    """
    if not _is_encoding(name):
        near = get_close_matches(name.lower(), (*_COMMON_ENCODINGS, *sorted(aliases)))
        known = [encoding for encoding in near if _is_encoding(encoding)]
        raise ConfigError(
            f"Unknown --encoding '{name}'.", did_you_mean(name, known or _COMMON_ENCODINGS)
        )


def _is_encoding(name: str) -> bool:
    try:
        "a".encode(name)  # codecs.lookup would also find hex, zip and rot13
        # The encodings of names in the Internet, idna and punycode, know only whole names.
        b"a\xff".decode(name, errors="ignore")
    except (LookupError, ValueError):
        return False
    return True


def parse_delimiter(text: str) -> str:
    r"""Read a delimiter: one ASCII character, \t, or the name of one.

    Raises:
        ConfigError: If it is none.

    Examples:
        >>> parse_delimiter("semicolon"), parse_delimiter("|"), parse_delimiter(r"\t")
        (';', '|', '\t')
    """
    if text == r"\t":
        return "\t"
    if len(text) == 1:
        if not text.isascii() or text.isalnum() or text in _NOT_DELIMITERS:
            raise ConfigError(
                f"--delimiter cannot be {text!r}.",
                "It is one ASCII character that is no letter, digit, quote or line break, or "
                f"{', '.join(DELIMITERS)}.",
            )
        return text
    if text.lower() not in DELIMITERS:
        raise ConfigError(
            f"--delimiter takes one character or its name, not '{text}'.",
            did_you_mean(text, DELIMITERS),
        )
    return DELIMITERS[text.lower()]


def parse_size(text: str) -> int:
    """Read a number of bytes, with K, M, G or T behind it for 1,024 bytes, 1,024 K and so on.

    Raises:
        ConfigError: If it is none.

    Examples:
        >>> parse_size("500M"), parse_size("2 KiB"), parse_size("1000")
        (524288000, 2048, 1000)
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None or not int(found[1]):
        raise ConfigError(
            f"--max-bytes takes a size, not '{text}'.", "Write for example --max-bytes 4G"
        )
    return int(found[1]) * _UNITS[found[2].upper()]


def size_text(n_bytes: int) -> str:
    """A number of bytes as `parse_size` reads it, rounded up where it is long.

    Examples:
        >>> size_text(1 << 34), size_text(1000), size_text((5 << 20) + 1)
        ('16G', '1000', '6M')
    """
    for unit in ("T", "G", "M", "K"):
        whole = -(-n_bytes // _UNITS[unit])
        if n_bytes >= _UNITS[unit] and (whole >= 4 or n_bytes % _UNITS[unit] == 0):
            return f"{whole}{unit}"
    return str(n_bytes)


def default_max_bytes(compressed_bytes: int) -> int:
    """How much is read of a compressed file unless --max-bytes says so.

    It is 16G, and not more than 50 times the file, but at least 128M.

    Examples:
        >>> [size_text(default_max_bytes(n)) for n in (1000, 10 << 20, 1 << 40)]
        ['128M', '500M', '16G']
    """
    grown = max(LEAST_MAX_BYTES, DEFAULT_MAX_GROWTH * compressed_bytes)
    return min(DEFAULT_MAX_BYTES, grown)
