"""Text of others made fit to be shown: nothing in it drives a terminal, turns or hides letters."""

import json
import re
import unicodedata
from typing import Any

REPLACEMENT = "\ufffd"
_LINE_BLANKS = "\n\t"
# They shape pictures, and letters from Arabic to Burmese, Khmer and Mongolian, between which they
# stand; anywhere else they only hide.
_JOINERS = "\u200c\u200d"
_JOINED_LETTERS = re.compile("[\u0600-\u109f\u1780-\u18af]")
_JOINED_PICTURES = frozenset(("So", "Sk"))
_PICTURE_STYLE = "\ufe0f"
# Letters and marks by their category, but without any shape.
_SHAPELESS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\U000e0100-\U000e01ef]"
)
# What JSON allows in a string but a terminal obeys, or some reader takes for the end of the line.
_JSON_HIDDEN = re.compile(
    "[\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    r"""Replace what is not to be seen, and what moves or hides what is.

    Control characters, marks of direction, invisible characters, tags, halves of surrogate pairs
    and what has no character become U+FFFD. Line breaks and tabs stay, unusual blanks become plain
    ones, and joiners stay where they shape pictures or letters of scripts that need them.

    Examples:
        >>> printable("a\x1b[31mb"), printable("gpj.\u202eexe")
        ('a\ufffd[31mb', 'gpj.\ufffdexe')
        >>> printable("👩\u200d💻 नमस्\u200dते") == "👩\u200d💻 नमस्\u200dते"
        True
    """
    if text.isascii() and text.isprintable():
        return text
    shown = [_shown(char) for char in text]
    for joiner in _JOINERS:
        place = text.find(joiner)
        while place >= 0:
            around = text[place - 1 : place] + text[place + 1 : place + 2]
            if len(around) == 2 and all(map(_is_joined, around)):
                shown[place] = joiner
            place = text.find(joiner, place + 1)
    return "".join(shown)


def one_line(value: Any, most: int | None = None) -> str:
    """Make a value printable without line breaks and tabs; cut where it is very long.

    Args:
        value: What is shown.
        most: Longest text, the ellipsis included; None for any.

    Examples:
        >>> one_line("two\\nlines"), one_line("a long name", most=6)
        ('two\ufffdlines', 'a lon…')
    """
    text = str(value)
    if most is not None and len(text) > most:
        text = text[: most - 1] + "…"
    return re.sub(f"[{_LINE_BLANKS}]", REPLACEMENT, printable(text))


def json_text(value: Any, **options: Any) -> str:
    r"""Write a value as JSON in which nothing drives a terminal or looks like the end of a line.

    Such characters are written as escapes, so that any reader finds the same value.

    Args:
        value: What JSON can hold.
        options: Of `json.dumps`.

    Examples:
        >>> json_text("é\u2028\x9b31m")
        '"é\\u2028\\u009b31m"'
    """
    return escaped_json(json.dumps(value, ensure_ascii=False, **options))


def escaped_json(text: str) -> str:
    """Write those characters of a JSON text as escapes; they stand in its strings alone."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _JSON_HIDDEN.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _is_joined(char: str) -> bool:
    if _JOINED_LETTERS.match(char):
        return unicodedata.category(char)[0] in "LM"
    return char == _PICTURE_STYLE or unicodedata.category(char) in _JOINED_PICTURES


def _shown(char: str) -> str:
    if char in _LINE_BLANKS:
        return char
    if char.isprintable():
        return REPLACEMENT if _SHAPELESS.match(char) else char
    if unicodedata.category(char) == "Zs":
        return char if char == "\u3000" else " "
    return REPLACEMENT
