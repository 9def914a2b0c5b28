"""Class names made fit for a picture: short, on one line, in a font that has their letters."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

BASE_FAMILY = "DejaVu Sans"  # comes with matplotlib, so it is always there
PREFERRED_FAMILIES = (
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "NanumGothic",
    "Nanum Gothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "AppleGothic",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Arial Unicode MS",
)


def drawable_labels(labels: Sequence[str], max_width: int = 24) -> tuple[list[str], list[str]]:
    """Prepare labels for a picture and find the fonts that show them.

    A label with a character that no installed font has becomes "#" and its label id: a number can
    be looked up, a row of empty boxes cannot.

    Args:
        labels: Class names, in label-id order.
        max_width: Longest label in columns, an East Asian character taking two.

    Returns:
        The texts to draw, and the font families to draw them with, in order of fallback.

    Examples:
        >>> drawable_labels(["spam", "a rather long name of a class"], max_width=12)
        (['spam', 'a rathe…lass'], ['DejaVu Sans'])
    """
    lines = [_one_line(label) for label in labels]
    families, missing = _families_for(set().union(*lines))
    texts = [
        f"#{label_id}" if missing.intersection(line) or not line else shortened(line, max_width)
        for label_id, line in enumerate(lines)
    ]
    return texts, families


def text_width(text: str) -> int:
    """Count the columns of a text, wide East Asian characters as two.

    Examples:
        >>> text_width("ab"), text_width("스팸")
        (2, 4)
    """
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _one_line(label: str) -> str:
    """Compose letters (macOS stores Hangul taken apart) and drop what has no shape of its own."""
    composed = unicodedata.normalize("NFC", label)
    spaced = "".join(" " if char.isspace() else char for char in composed)
    # Controls, formats, surrogates and unassigned characters, and variation selectors.
    visible = (
        char
        for char in spaced
        if not unicodedata.category(char).startswith("C") and not "\ufe00" <= char <= "\ufe0f"
    )
    return " ".join("".join(visible).split())


def shortened(text: str, max_width: int) -> str:
    """Cut the middle out: names of classes often share their beginning."""
    if text_width(text) <= max_width:
        return text
    tail_width = max_width // 3
    head, tail = "", ""
    for char in text:
        if text_width(head + char) > max_width - tail_width - 1:
            break
        head += char
    for char in reversed(text):
        if text_width(char + tail) > tail_width:
            break
        tail = char + tail
    return f"{head}…{tail}"


def _families_for(characters: Iterable[str]) -> tuple[list[str], set[str]]:
    """Choose font families that together have the characters; also return what none has."""
    from matplotlib.font_manager import FontProperties, findfont, fontManager

    missing = _not_in(findfont(FontProperties(family=BASE_FAMILY)), characters)
    families = [BASE_FAMILY]
    if not missing:
        return families, missing
    for font in sorted(fontManager.ttflist, key=_preference):
        still_missing = _not_in(font.fname, missing)
        if len(still_missing) < len(missing):
            families.append(font.name)
            missing = still_missing
        if not missing:
            break
    return families, missing


def _preference(font: Any) -> tuple[int, bool, str]:
    """Sort preferred families first, then regular upright faces, then by name."""
    known = font.name in PREFERRED_FAMILIES
    rank = PREFERRED_FAMILIES.index(font.name) if known else len(PREFERRED_FAMILIES)
    is_plain = font.style == "normal" and font.weight in (400, "normal", "regular", "book")
    return rank, not is_plain, font.name


def _not_in(font_path: str, characters: Iterable[str]) -> set[str]:
    """Return the characters that the font file lacks: all of them if it cannot be used."""
    from matplotlib.font_manager import get_font

    wanted = {char for char in characters if not char.isspace()}
    # Bitmap fonts of coloured pictures open, but cannot be drawn at any size; the last-resort font
    # has a shape for everything, and all of them are boxes.
    if any(word in font_path.lower() for word in ("emoji", "lastresort")):
        return wanted
    try:
        font = get_font(font_path)
    except (OSError, RuntimeError):
        return wanted
    return {char for char in wanted if font.get_char_index(ord(char)) == 0}
