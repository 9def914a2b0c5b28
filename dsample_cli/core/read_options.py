"""What a user may say about how text files are written; what is not said is detected."""

from dataclasses import dataclass
from difflib import get_close_matches
from encodings.aliases import aliases

from dsample_cli.core.names import did_you_mean
from dsample_cli.errors import ConfigError

DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|"}
_COMMON_ENCODINGS = ("utf-8", "utf-16", "cp949", "euc-kr", "windows-1252", "latin-1", "shift_jis")
_NOT_DELIMITERS = '"\r\n\0'


@dataclass(frozen=True)
class ReadOptions:
    """How CSV and JSON Lines files are written; Parquet files say it themselves.

    Attributes:
        encoding: Name of a Python codec; detected when None.
        delimiter: One character or its name, between the cells of CSV files; detected when None.

    Raises:
        ConfigError: On construction, if there is no such encoding or delimiter.
    """

    encoding: str | None = None
    delimiter: str | None = None

    def __post_init__(self) -> None:
        if self.encoding is not None:
            check_encoding(self.encoding)
        if self.delimiter is not None:
            parse_delimiter(self.delimiter)


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
