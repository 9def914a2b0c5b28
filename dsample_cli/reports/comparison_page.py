"""The page of a comparison of runs: one file that opens anywhere, offline."""

import shlex
from functools import partial
from html import escape
from typing import Any

from dsample_cli.core.imbalance import GROUP_NAMES
from dsample_cli.reports._files import Target
from dsample_cli.reports._markup import (
    UNKNOWN,
    command_block,
    header,
    number_cell,
    number_text,
    picture,
    row_head,
    safe,
    section,
    table,
    text_cell,
    tile,
)
from dsample_cli.reports._metrics import METRIC_NAMES
from dsample_cli.reports._page import page, write_page
from dsample_cli.reports._sections import warnings_section
from dsample_cli.reports.comparison import (
    change_text,
    difference_notes,
    figure_title,
    gains_text,
    letter,
    letters,
    p_text,
    range_text,
    runs_text,
    verdict,
    wins,
)
from dsample_cli.reports.comparison_figure import write_comparison_png

HEADLINE = "macro_f1"
# The first, and the best of the others.
MOST_TILES = 4


def write_comparison_html(target: Target, result: Any) -> None:
    """Write the page of a `CompareResult`, whole or not at all.

    The page fetches nothing, and its Content-Security-Policy forbids it to; every text is escaped.

    Args:
        target: Path or open binary file.
        result: What to show.
    """
    write_page(target, render_comparison(result))


def render_comparison(result: Any) -> str:
    """Return the page of a comparison as HTML."""
    parts = (
        _header_section(result),
        warnings_section(result.warnings),
        _entries_section(result),
        _figures_section(result),
        _differences_section(result),
        _classes_section(result),
        _runs_section(result),
        _repeat_section(result),
    )
    return page("dsample comparison of runs", "\n".join(filter(None, parts)))


def draw_recalls(target: Target, result: Any) -> None:
    """Draw the recall of each class against its train count, for each entry."""
    write_comparison_png(
        target,
        result.train_counts,
        [entry.recall for entry in result.entries],
        [f"{letter(place)}  {entry.name}" for place, entry in enumerate(result.entries)],
    )


def _header_section(result: Any) -> str:
    rows = f"{result.entries[0].rows:,}" if result.is_same_rows else "differ between the runs"
    facts = (("Split", result.split), ("Rows", rows), ("Classes", f"{len(result.labels):,}"))
    title = f"{len(result.runs)} runs compared"
    return header(("dsample comparison",), title, facts)


def _entries_section(result: Any) -> str:
    """What the letters stand for."""
    rows = [
        row_head(letter(place)) + _name_cell(entry.name) + _name_cell(runs_text(entry))
        for place, entry in enumerate(result.entries)
    ]
    heads = [("", False), ("Differs in", False), ("Run", False)]
    return section(
        "What is compared",
        f"<p>{safe(verdict(result))}</p>",
        table("What is compared", heads, rows),
    )


def _name_cell(text: str) -> str:
    return f'<td class="text" data-value="{safe(text)}">{safe(text)}</td>'


def _figures_section(result: Any) -> str:
    """Every figure of every entry, and which is best."""
    best = result.best_of(HEADLINE)
    order = sorted(
        range(1, len(result.entries)), key=lambda place: -result.entries[place].figures[HEADLINE]
    )
    tiles = "".join(
        tile(
            f"Macro-F1 of {letter(place)}{' (best)' if place in best else ''}",
            number_text(result.entries[place].figures[HEADLINE]),
            _difference_note(result.entries[place]) if place else "compared with",
        )
        for place in sorted([0, *order[: MOST_TILES - 1]])
    )
    heads = [("Figure", False), *((letter(i), True) for i in range(len(result.entries)))]
    rows = [
        row_head(figure_title(name))
        + "".join(
            number_cell(entry.figures.get(name), addition=_spread(entry, name))
            for entry in result.entries
        )
        + text_cell(letters(result.best_of(name)))
        for name in _figures(result)
    ]
    won = "".join(number_cell(count) for count in wins(result))
    rows.append(row_head("Classes won") + won + text_cell(""))
    means = " Means over the seeds, with standard deviations." if result.has_seeds else ""
    return section(
        "Figures",
        f'<p class="lead">Macro-F1 and balanced accuracy count every class alike.{means} A class '
        "is won by who alone has its highest F1.</p>",
        f'<div class="tiles">{tiles}</div>',
        table("Figures", [*heads, ("Best", False)], rows),
    )


def _figures(result: Any) -> list[str]:
    """Names of the figures, those first that tell of rare classes."""
    known = set().union(*(entry.figures for entry in result.entries))
    groups = [f"{group}_recall" for group in GROUP_NAMES]
    order = [*METRIC_NAMES][:3] + groups + [*METRIC_NAMES][3:]
    return [name for name in order if name in known]


def _spread(entry: Any, name: str) -> str:
    spread = entry.spread.get(name)
    return "" if spread is None else f' <span class="spread">±{spread:.3f}</span>'


def _difference_note(entry: Any) -> str:
    found = entry.differences[HEADLINE]
    return f"{change_text(found.difference, 3)} ({range_text(found.interval)})"


def _differences_section(result: Any) -> str:
    """Each entry against the first, in every figure."""
    tested = result.is_same_rows
    heads = [
        ("Figure", False),
        ("Run", False),
        ("Difference from A", True),
        ("95% interval", True),
        *[("p", True)] * tested,
    ]
    rows = [
        row_head(figure_title(name)) + _difference_cells(place, entry, name, tested)
        for name in _figures(result)
        for place, entry in enumerate(result.entries)
        if name in entry.differences
    ]
    parts = [table("Differences", heads, rows, is_sortable=True, is_tall=len(rows) > 20)]
    tests = [(i, entry) for i, entry in enumerate(result.entries) if entry.mcnemar is not None]
    if tests:
        heads = [
            ("Run", False),
            ("Rows that only A gets right", True),
            ("Rows that only it gets right", True),
            ("p", True),
        ]
        rows = [
            row_head(letter(place))
            + number_cell(entry.mcnemar.only_first)
            + number_cell(entry.mcnemar.only_second)
            + _p_cell(entry.mcnemar_holm)
            for place, entry in tests
        ]
        parts += ["<h3>McNemar's test against A</h3>", table("McNemar's test", heads, rows)]
    notes = " ".join(difference_notes(result))
    return section("Differences from A", f'<p class="lead">{safe(notes)}</p>', *parts)


def _difference_cells(place: int, entry: Any, name: str, tested: bool) -> str:
    found = entry.differences[name]
    difference = found.difference
    return (
        text_cell(letter(place))
        + f'<td class="number" data-value="{difference!r}">{change_text(difference)}</td>'
        + f'<td class="number" data-value="{found.interval[0]!r}">{range_text(found.interval)}</td>'
        + (_p_cell(entry.p_holm.get(name)) if tested else "")
    )


def _p_cell(p_value: float | None) -> str:
    sort_by = "" if p_value is None else repr(p_value)
    text = UNKNOWN if p_value is None else p_text(p_value)
    return f'<td class="number" data-value="{sort_by}">{escape(text)}</td>'


def _classes_section(result: Any) -> str:
    """The picture, and the sortable table of all classes."""
    entries = result.entries
    heads = [
        ("Class", False),
        ("Group", False),
        ("Train rows", True),
        ("Recall of A", True),
        *((f"{letter(place)}−A", True) for place in range(1, len(entries))),
        ("Best F1", False),
    ]
    gains = "; ".join(
        f"{letter(place)} is {gains_text(entries[0], entry)}"
        for place, entry in enumerate(entries)
        if place > 0
    )
    return section(
        "Classes",
        f'<p class="lead">Recall of all {len(result.labels):,} classes. As against A, {gains}.</p>',
        picture(
            partial(draw_recalls, result=result),
            "Recall of each class against its number of training examples, for each run, and "
            "below it the difference from the first run.",
            "Pale marks are classes, moved sideways a little so that they do not cover each "
            "other; lines are means of classes of about equal train counts. Below: how many "
            "points of recall each line is above or below that of A.",
            is_large=True,
        ),
        table(
            "Classes",
            heads,
            [_class_cells(result, label_id) for label_id in range(len(result.labels))],
            is_sortable=True,
            is_tall=len(result.labels) > 20,
        ),
    )


def _class_cells(result: Any, label_id: int) -> str:
    group = result.class_groups[label_id]
    base, *others = (float(entry.recall[label_id]) for entry in result.entries)
    is_known = base == base
    return "".join(
        (
            row_head(result.labels[label_id]),
            text_cell(group, sort_by=str(GROUP_NAMES.index(group))),
            number_cell(result.train_counts[label_id]),
            number_cell(base if is_known else None),
            *(_change_cell(other - base) for other in others),
            text_cell(letters(result.best_of_class(label_id))),
        )
    )


def _change_cell(change: float) -> str:
    if change != change:
        return number_cell(None)
    return f'<td class="number" data-value="{change!r}">{change_text(change, 3)}</td>'


def _runs_section(result: Any) -> str:
    """Every single run, where some are shown as one; not again where they are all above."""
    if not result.has_seeds:
        return ""
    heads = [("Run", False), ("Seed", True), ("Differs in", False), ("Macro-F1", True)]
    heads += [("Accuracy", True)]
    rows = [
        row_head(entry.runs[0])
        + number_cell(entry.seeds[0])
        + _name_cell(entry.name)
        + number_cell(entry.figures[HEADLINE])
        + number_cell(entry.figures["accuracy"])
        for entry in result.runs
    ]
    return section("The runs", table("The runs", heads, rows, is_sortable=True))


def _repeat_section(result: Any) -> str:
    """Show what makes this page again."""
    words = ["dsample", "compare", *(entry.runs[0] for entry in result.runs)]
    words += ["--split", result.split, *["--different-data"] * (not result.is_same_rows)]
    return section("Repeat this comparison", command_block(shlex.join(words)))
