"""A data set whose texts, labels and names all try to take over what shows them."""

import random
import re
from pathlib import Path

MARKER = "owned"
# A title and a colour for the terminal, rich markup, marks of direction, invisible characters, a
# control character of eight bits, ends of lines, and HTML that would run.
EVIL = (
    f"\x1b]0;{MARKER}\x07\x1b[31m\x9b2J\x7f[bold red]x[/bold red][/]:boom:\u202egpj\u202c\u2066"
    f"\u200b\ufeff\u200f\u061c\U000e0041\u2028\u2029\u0085"
    f"</script></title><script>document.title='{MARKER}'</script>"
    f"<img src=x onerror=\"document.title='{MARKER}'\">'\"&$\\frac{{x}}$ javascript:alert(1)"
)
BENIGN = "plain"
NAMES = ("alpha", "beta", "gamma")
# Whatever obeys instead of being shown, and whatever hides. Not the escape that begins a style.
HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e"
    "\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[^\[])")


def write_table(path: Path, tail: str, rows: int = 60, seed: int = 0) -> tuple[str, str, str]:
    """Write a CSV file with `tail` behind each name; give the columns of text, label and source."""
    rng = random.Random(seed)
    columns = (f"the text {tail}", f"the label {tail}", f"the source {tail}")
    lines = [columns]
    for k in range(rows):
        name = NAMES[min(rng.randrange(6) // 2, 2)] if k > 8 else NAMES[k % 3]
        words = " ".join(rng.choices(["one", "two", "three", name, "four", name], k=6))
        lines.append((f"{words} {k} {tail}", f"{name} {tail}", f"site {k % 2} {tail}"))
    quoted = ('"{}"'.format('","'.join(c.replace('"', '""') for c in line)) for line in lines)
    path.write_text("\n".join(quoted) + "\n", encoding="utf-8", newline="")
    return columns


def found_in(shown: str, allowed: frozenset[str] = frozenset()) -> list[str]:
    """What of a terminal's input would be obeyed or hidden, allowed sequences apart."""
    sequences = [found for found in SEQUENCE.findall(shown) if found not in allowed]
    return sequences + HIDDEN.findall(shown)
