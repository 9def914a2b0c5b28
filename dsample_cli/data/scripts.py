"""The scripts that texts are written in."""

from bisect import bisect_right
from collections import Counter
from functools import cache

# Script -> first and last code point of its blocks.
BLOCKS = {
    "Latin": ((0x41, 0x24F), (0x1E00, 0x1EFF), (0xFF21, 0xFF5A)),
    "Greek": ((0x370, 0x3FF), (0x1F00, 0x1FFF)),
    "Cyrillic": ((0x400, 0x52F),),
    "Armenian": ((0x531, 0x58F),),
    "Hebrew": ((0x590, 0x5FF),),
    "Arabic": ((0x600, 0x6FF), (0x750, 0x77F), (0xFB50, 0xFDFF), (0xFE70, 0xFEFF)),
    "Devanagari": ((0x900, 0x97F),),
    "Bengali": ((0x980, 0x9FF),),
    "Tamil": ((0xB80, 0xBFF),),
    "Telugu": ((0xC00, 0xC7F),),
    "Thai": ((0xE00, 0xE7F),),
    "Georgian": ((0x10A0, 0x10FF),),
    "Hangul": ((0x1100, 0x11FF), (0x3130, 0x318F), (0xAC00, 0xD7AF)),
    "Kana": ((0x3040, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F)),
    "Han": ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF)),
}
OTHER = "other scripts"
_RANGES = sorted((first, last, name) for name, blocks in BLOCKS.items() for first, last in blocks)
_STARTS = [first for first, _, _ in _RANGES]


def count_scripts(text: str) -> Counter[str]:
    """Letters of each script in a text.

    Examples:
        >>> count_scripts("OK, 좋아요!") == {"Latin": 2, "Hangul": 3}
        True
    """
    found: Counter[str] = Counter()
    for character, count in Counter(text).items():
        script = _script_of(character)
        if script is not None:
            found[script] += count
    return found


@cache
def _script_of(character: str) -> str | None:
    """The script of a letter; None of what is no letter."""
    if not character.isalpha():
        return None
    place = bisect_right(_STARTS, ord(character)) - 1
    first, last, name = _RANGES[max(place, 0)]
    return name if first <= ord(character) <= last else OTHER
