"""Pieces of HTML. Whatever takes a name, a label or another text escapes it."""

import base64
import re
import struct
from collections.abc import Callable, Sequence
from html import escape
from io import BytesIO

from dsample_cli.core.printable import printable
from dsample_cli.reports._drawing import DOTS_PER_INCH
from dsample_cli.reports._files import Target
from dsample_cli.reports._labels import drawable_labels

UNKNOWN = "–"
CSS_PIXELS_PER_INCH = 96
# A table with more columns than this has narrower ones.
MANY_COLUMNS = 7


def safe(text: str) -> str:
    """Escape a text of the user, with what is not to be seen in it shown as such.

    Examples:
        >>> safe("<b>1 & 2\\x1b[0m")
        '&lt;b&gt;1 &amp; 2\ufffd[0m'
    """
    return escape(printable(text))


def snippet(text: str, most_characters: int = 160) -> str:
    """The beginning of a text on one line; what follows is an ellipsis.

    Examples:
        >>> snippet("one  line\\nand another", 8)
        'one lin…'
    """
    # No more than needed: a text may be a book.
    line = " ".join(text[: 4 * most_characters].split())
    is_whole = len(line) <= most_characters and len(text) <= 4 * most_characters
    return line if is_whole else line[: most_characters - 1].rstrip() + "…"


def prose(text: str) -> str:
    """Make a text safe whose lines are not to break after the dashes of an option."""
    return re.sub(r"--\w[\w-]*", r'<span class="option">\g<0></span>', safe(text))


def number_text(value: float | int | None, digits: int = 3) -> str:
    """Write a number for people: counts with commas, the rest with fixed digits.

    Examples:
        >>> number_text(0.91666), number_text(12345), number_text(None)
        ('0.917', '12,345', '–')
    """
    if value is None:
        return UNKNOWN
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"


def share_text(share: float) -> str:
    """Write a share as a percentage, with a digit more where it is tiny.

    Examples:
        >>> share_text(0.341), share_text(0.0004), share_text(0)
        ('34.1%', '0.04%', '0%')
    """
    if share == 0:
        return "0%"
    return f"{share:.1%}" if share >= 0.001 else f"{share:.2%}"


def text_cell(text: str, sort_by: str | None = None) -> str:
    """Make a cell of text; `<bdi>` keeps a right-to-left name from turning its row around."""
    value = safe(text if sort_by is None else sort_by)
    return f'<td data-value="{value}"><bdi>{safe(text)}</bdi></td>'


def row_head(text: str, class_name: str = "") -> str:
    """Make the cell that names its row."""
    attribute = f' class="{class_name}"' if class_name else ""
    return f'<th scope="row"{attribute} data-value="{safe(text)}"><bdi>{safe(text)}</bdi></th>'


def number_cell(value: float | int | None, digits: int = 3, addition: str = "") -> str:
    """Make a cell of a number, with HTML such as a bar behind it."""
    sort_by = "" if value is None else repr(value)
    return f'<td class="number" data-value="{sort_by}">{number_text(value, digits)}{addition}</td>'


def share_cell(share: float, addition: str = "") -> str:
    """Make a cell of a share, with HTML such as a bar behind it."""
    return f'<td class="number" data-value="{share!r}">{share_text(share)}{addition}</td>'


def bar(share: float) -> str:
    """Draw a share in [0, 1] as a small bar; the number beside it says the same in words."""
    return f'<span class="bar" aria-hidden="true"><span style="width:{share:.1%}"></span></span>'


def table(
    name: str,
    heads: Sequence[tuple[str, bool]],
    rows: Sequence[str],
    is_sortable: bool = False,
    is_tall: bool = False,
) -> str:
    """Make a table in a box of its own, so that a narrow screen scrolls it and not the page.

    Args:
        name: What it lists, for screen readers.
        heads: Name of each column and whether it holds numbers.
        rows: Cells of each row, or whole `<tr>` elements.
        is_sortable: Whether a click on a head sorts by it.
        is_tall: Whether many rows scroll inside the box.
    """
    head_cells = "".join(
        f'<th scope="col"{" class=number" if is_number else ""}>{safe(head)}</th>'
        for head, is_number in heads
    )
    classes = ["sortable"] * is_sortable + ["dense"] * (len(heads) > MANY_COLUMNS)
    attribute = f' class="{" ".join(classes)}"' if classes else ""
    body = "\n".join(row if row.startswith("<tr") else f"<tr>{row}</tr>" for row in rows)
    return (
        f'<div class="scroll{" tall" if is_tall else ""}" role="region" tabindex="0" '
        f'aria-label="{safe(name)}"><table{attribute}>\n'
        f"<thead><tr>{head_cells}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def picture(
    draw: Callable[[Target], None], description: str, caption: str, is_large: bool = False
) -> str:
    """Embed what `draw` writes as a PNG, at its natural size.

    Args:
        draw: Writes a PNG to the binary file that it gets.
        description: What it shows, for those who cannot see it.
        caption: HTML, already escaped.
        is_large: Whether it needs more width than a phone has.
    """
    file = BytesIO()
    draw(file)
    png = file.getvalue()
    width, height = struct.unpack(">II", png[16:24])  # of the header chunk, always the first
    scale = CSS_PIXELS_PER_INCH / DOTS_PER_INCH
    encoded = base64.b64encode(png).decode("ascii")
    return (
        f'<figure><div class="picture"><img{" class=large" if is_large else ""} '
        f'alt="{safe(description)}" width="{width * scale:.0f}" height="{height * scale:.0f}" '
        f'src="data:image/png;base64,{encoded}"></div>\n<figcaption>{caption}</figcaption></figure>'
    )


def tile(name: str, value: str, note: str) -> str:
    """Show one figure large; for the `div.tiles` of a section."""
    return (
        f'<div class="tile"><p class="tile-name">{safe(name)}</p>'
        f'<p class="tile-value">{safe(value)}</p><p class="tile-note">{safe(note)}</p></div>'
    )


def header(eyebrow: Sequence[str], title: str, facts: Sequence[tuple[str, str]]) -> str:
    """Name what the page is about; facts without a value are left out."""
    items = "".join(
        f"<div><dt>{safe(name)}</dt><dd>{safe(value)}</dd></div>" for name, value in facts if value
    )
    return (
        f'<header>\n<p class="eyebrow">{safe(" · ".join(filter(None, eyebrow)))}</p>\n'
        f'<h1>{safe(title)}</h1>\n<dl class="facts">{items}</dl>\n</header>'
    )


def command_block(command: str) -> str:
    """Show what to type."""
    words = " ".join(f"<span>{safe(word)}</span>" for word in command.split(" "))
    return f"<pre><code>{words}</code></pre>"


def numbered_labels(labels: Sequence[str]) -> str:
    """Name the classes that a picture can only number: the browser has more fonts."""
    texts, _ = drawable_labels(labels)
    numbered = [
        f"#{label_id} <bdi>{safe(label)}</bdi>"
        for label_id, label in enumerate(labels)
        if texts[label_id] == f"#{label_id}" != label
    ]
    return f" In it, {', '.join(numbered)}." if numbered else ""


def section(title: str, *parts: str) -> str:
    """Make a titled section of the parts that are not empty."""
    return "\n".join(["<section>", f"<h2>{safe(title)}</h2>", *filter(None, parts), "</section>"])
