"""Pieces of HTML. Whatever takes a name, a label or another text escapes it."""

import base64
import struct
from collections.abc import Callable, Sequence
from html import escape
from io import BytesIO

from dsample_cli.reports._drawing import DOTS_PER_INCH
from dsample_cli.reports._files import Target

UNKNOWN = "–"
CSS_PIXELS_PER_INCH = 96


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
        >>> share_text(0.341), share_text(0.0004)
        ('34.1%', '0.04%')
    """
    return f"{share:.1%}" if share >= 0.001 else f"{share:.2%}"


def text_cell(text: str, sort_by: str | None = None) -> str:
    """Make a cell of text; `<bdi>` keeps a right-to-left name from turning its row around."""
    value = escape(text if sort_by is None else sort_by)
    return f'<td data-value="{value}"><bdi>{escape(text)}</bdi></td>'


def row_head(text: str, class_name: str = "") -> str:
    """Make the cell that names its row."""
    attribute = f' class="{class_name}"' if class_name else ""
    return f'<th scope="row"{attribute} data-value="{escape(text)}"><bdi>{escape(text)}</bdi></th>'


def number_cell(value: float | int | None, digits: int = 3, addition: str = "") -> str:
    """Make a cell of a number, with HTML such as a bar behind it."""
    sort_by = "" if value is None else repr(value)
    return f'<td class="number" data-value="{sort_by}">{number_text(value, digits)}{addition}</td>'


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
        f'<th scope="col"{" class=number" if is_number else ""}>{escape(head)}</th>'
        for head, is_number in heads
    )
    body = "\n".join(row if row.startswith("<tr") else f"<tr>{row}</tr>" for row in rows)
    return (
        f'<div class="scroll{" tall" if is_tall else ""}" role="region" tabindex="0" '
        f'aria-label="{escape(name)}"><table{" class=sortable" if is_sortable else ""}>\n'
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
        f'alt="{escape(description)}" width="{width * scale:.0f}" height="{height * scale:.0f}" '
        f'src="data:image/png;base64,{encoded}"></div>\n<figcaption>{caption}</figcaption></figure>'
    )


def tile(name: str, value: str, note: str) -> str:
    """Show one figure large; for the `div.tiles` of a section."""
    return (
        f'<div class="tile"><p class="tile-name">{escape(name)}</p>'
        f'<p class="tile-value">{escape(value)}</p><p class="tile-note">{escape(note)}</p></div>'
    )


def section(title: str, *parts: str) -> str:
    """Make a titled section of the parts that are not empty."""
    return "\n".join(["<section>", f"<h2>{escape(title)}</h2>", *filter(None, parts), "</section>"])
