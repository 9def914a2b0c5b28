"""A comparison of runs in the terminal, and the words that its page uses too."""

import textwrap
from collections.abc import Sequence
from math import isnan
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dsample_cli.core.imbalance import GROUP_NAMES
from dsample_cli.reports._metrics import metric_name
from dsample_cli.reports._terminal import clean, figure, name_text, new_table

# Columns from which on there is room for every spread and interval.
_WIDE = 100
_MOST_CLASSES, _MOST_ENTRIES, _FEW_ENTRIES = 10, 8, 4
_SIGNIFICANT = 0.05
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def print_comparison(console: Console, result: Any, written: Sequence[str] = ()) -> None:
    """Draw a `CompareResult`, and say which files were written."""
    is_wide = console.width >= _WIDE
    first = result.entries[0]
    told = f"{first.rows:,} rows, {len(result.labels)} classes"
    heading = f"{len(result.runs)} runs on the {result.split} split"
    console.print(Text.assemble((heading, "bold"), f"  {told}" if result.is_same_rows else ""))
    for warning in result.warnings:
        console.print(Text.assemble(("Warning: ", "bold yellow"), clean(warning)))
    console.print()
    for place, entry in enumerate(result.entries):
        _print_entry(console, letter(place), entry)
    console.print()
    console.print(_figures_table(result, is_wide))
    console.print(_difference_heading(result))
    console.print(_compact(_difference_table(result, is_wide), console.width))
    console.print(Text(verdict(result)))
    for note in (*difference_notes(result), "wins: classes in which it alone has the highest F1."):
        console.print(Text(note, style="dim"))
    _print_classes(console, result)
    for path in written:
        console.print(Text(f"Written: {clean(path)}"), soft_wrap=True)


def letter(place: int) -> str:
    """Short name of an entry by its place.

    Examples:
        >>> letter(0), letter(25), letter(26)
        ('A', 'Z', 'AA')
    """
    head, last = divmod(place, len(_LETTERS))
    return (letter(head - 1) if head else "") + _LETTERS[last]


def runs_text(entry: Any) -> str:
    """The run of an entry, or its seeds."""
    if len(entry.runs) == 1:
        return str(entry.runs[0])
    return f"{len(entry.runs)} seeds: {', '.join(map(str, entry.seeds))}"


def letters(places: Sequence[int]) -> str:
    """Short names of several entries; of more than three their number."""
    return " ".join(map(letter, places)) if len(places) <= 3 else f"{len(places)} tied"


def p_text(p_value: float | None) -> str:
    """A p-value with the digits that it deserves.

    Examples:
        >>> p_text(0.04321), p_text(0.00002), p_text(None)
        ('0.043', '<0.001', '-')
    """
    if p_value is None:
        return "-"
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def change_text(value: float, digits: int = 4) -> str:
    """A difference with its sign; one that rounds to nothing has none.

    Examples:
        >>> change_text(0.01234), change_text(-0.00001)
        ('+0.0123', '0.0000')
    """
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}" if rounded else f"{0:.{digits}f}"


def range_text(interval: Sequence[float], digits: int = 3) -> str:
    """Both ends of the interval of a difference."""
    low, high = (change_text(end, digits) for end in interval)
    return f"{low} to {high}"


def wins(result: Any) -> list[int]:
    """In how many classes each entry alone has the highest F1."""
    counts = [0] * len(result.entries)
    for label_id in range(len(result.labels)):
        best = result.best_of_class(label_id)
        if len(best) == 1:
            counts[best[0]] += 1
    return counts


def difference_notes(result: Any) -> list[str]:
    """How the differences came about, a sentence each."""
    others = result.entries[1:]
    several = f", corrected for {len(others)} comparisons (Holm)" * (len(others) > 1)
    if not result.is_same_rows:
        return ["The rows differ, so each is resampled by itself and nothing is tested."]
    if result.has_seeds:
        how = (
            "The intervals cover other seeds and other test rows: how far single runs of all "
            "these trainings move with the seed, and 1,000 resamples of the rows."
        )
        paired = [letter(i + 1) for i, entry in enumerate(others) if entry.is_paired_by_seed]
        if paired:
            how += f" Equal seeds are paired: A with {', '.join(paired)}."
    else:
        how = (
            "The intervals cover other test rows, not other seeds: paired bootstrap, 1,000 "
            "resamples."
        )
    test = ""
    if any(entry.mcnemar is not None for entry in others):
        test = " McNemar tests how many rows each alone gets right."
    each = ", each by itself" * (len(others) > 1)
    return [f"{how}{test}", f"95% intervals{each}; p is two-sided{several}."]


def verdict(result: Any) -> str:
    """What the differences in macro-F1 come to, in a sentence."""
    if not result.is_same_rows:
        return "Whether these differences are beyond chance is not known."
    told = []
    for place, entry in enumerate(result.entries[1:], start=1):
        p_value = entry.p_holm["macro_f1"]
        if p_value < _SIGNIFICANT:
            change = 100 * entry.differences["macro_f1"].difference
            told.append(
                f"{letter(place)} {'gains' if change > 0 else 'loses'} {abs(change):.1f} points"
            )
    if told:
        return f"Macro-F1 against A, beyond chance (p < 0.05): {', '.join(told)}."
    return "No difference in macro-F1 is beyond chance (p < 0.05)."


def _print_entry(console: Console, name: str, entry: Any) -> None:
    """What a letter stands for, on one line where it fits."""
    told = "" if entry.name == entry.runs[0] else clean(runs_text(entry))
    indent = " " * (len(name) + 2)
    # A break comes between options, not within their names.
    lines = textwrap.wrap(
        clean(entry.name), max(console.width - len(indent), 20), break_on_hyphens=False
    )
    is_one = len(lines) == 1 and len(indent) + len(lines[0]) + 2 + len(told) <= console.width
    joint = "  " if is_one else f"\n{indent}"
    console.print(
        Text.assemble(
            (f"{name}  ", "bold"),
            f"\n{indent}".join(lines),
            (f"{joint}{told}" if told else "", "dim"),
        ),
        soft_wrap=True,
    )


def _compact(table: Table, console_width: int) -> Table:
    """A table with narrower gaps and no folded numbers, on a narrow terminal."""
    if console_width < _WIDE:
        table.padding = (0, 1, 0, 0)
    for column in table.columns[1:]:
        column.no_wrap = True
    return table


def _figures_table(result: Any, is_wide: bool) -> Table:
    """The figures of each entry, and which is the best in each."""
    groups = [g for g in GROUP_NAMES if any(f"{g}_recall" in e.figures for e in result.entries)]
    figures = ["macro_f1", "accuracy", *(f"{group}_recall" for group in groups)]
    heads = ["macro-F1", "accuracy", *groups]
    has_rows = not result.is_same_rows
    heads = ["", *["seeds"] * result.has_seeds, *["rows"] * has_rows, *heads, "wins"]
    table = new_table(*heads)
    best = [result.best_of(name) for name in figures]
    won = wins(result)
    for place, entry in enumerate(result.entries):
        cells = []
        for name, leaders in zip(figures, best, strict=True):
            has_spread = result.has_seeds and (is_wide or name == "macro_f1")
            text = _value_text(entry, name, has_spread, result.has_seeds)
            cells.append(Text(text, style="bold" if place in leaders else ""))
        table.add_row(
            letter(place),
            *[str(len(entry.seeds))] * result.has_seeds,
            *[f"{entry.rows:,}"] * has_rows,
            *cells,
            str(won[place]),
        )
    table.add_section()
    blanks = [""] * (result.has_seeds + has_rows)
    top = [Text(letters(leaders), style="bold") for leaders in best]
    table.add_row("best", *blanks, *top, "")
    return table


def _value_text(entry: Any, name: str, has_spread: bool, is_short: bool) -> str:
    value = figure(entry.figures.get(name), 3 if is_short else 4)
    if not has_spread:
        return value
    spread = entry.spread.get(name)
    return value + ("       " if spread is None else f" ±{spread:.3f}".ljust(7))


def _difference_heading(result: Any) -> Text:
    how = "" if result.is_same_rows else "  (unpaired)"
    return Text.assemble(("\nDifference from A", "bold"), how)


def _difference_table(result: Any, is_wide: bool) -> Table:
    """How each entry differs from the first in what matters most."""
    others = result.entries[1:]
    tested = result.is_same_rows
    has_test = any(entry.mcnemar is not None for entry in others)
    has_few = any("few_recall" in entry.differences for entry in others)
    heads = ["", "macro-F1", "95% interval", *["p"] * tested]
    heads += ["few recall", "95% interval"] * has_few
    heads += ["accuracy"] * is_wide + ["McNemar p"] * has_test
    table = new_table(*heads)
    for place, entry in enumerate(others, start=1):
        cells = _difference_cells(entry, "macro_f1", tested)
        if has_few:
            cells += _difference_cells(entry, "few_recall", False)
        if is_wide:
            cells.append(change_text(entry.differences["accuracy"].difference))
        if has_test:
            cells.append(Text(p_text(entry.mcnemar_holm)))
        table.add_row(letter(place), *cells)
    return table


def _difference_cells(entry: Any, name: str, tested: bool) -> list[Any]:
    found = entry.differences.get(name)
    if found is None:
        return ["-", "", *["-"] * tested]
    low, high = found.interval
    style = "" if low <= 0 <= high else "green" if low > 0 else "red"
    cells = [Text(change_text(found.difference), style=style), range_text(found.interval)]
    return cells + [p_text(entry.p_holm.get(name))] * tested


def _print_classes(console: Console, result: Any) -> None:
    """The classes whose recall changed most, and how many gained and lost."""
    changed = result.largest_changes()
    if not changed:
        console.print(Text("\nNo class changed its recall.", style="bold"))
        return
    shown = min(len(changed), _MOST_CLASSES)
    of = f", {shown} of {len(result.labels)} that changed most"
    title = f"\nRecall of classes{of if len(result.labels) > shown else ''}"
    console.print(Text.assemble((title, "bold"), "  (A, then the change)"))
    entries = result.entries[:_MOST_ENTRIES]
    has_best = console.width >= _WIDE or len(entries) <= _FEW_ENTRIES
    heads = ["class", "train", "A", *map(letter, range(1, len(entries)))]
    table = _compact(new_table(*heads, *["best F1"] * has_best), console.width)
    table.columns[0].no_wrap, table.columns[0].overflow = True, "ellipsis"
    for label_id in changed[:shown]:
        base = float(entries[0].recall[label_id])
        changes = [float(entry.recall[label_id]) - base for entry in entries[1:]]
        table.add_row(
            name_text(result.labels[label_id]),
            f"{result.train_counts[label_id]:,}",
            figure(base, 2),
            *(_change_cell(change) for change in changes),
            *[letters(result.best_of_class(label_id))] * has_best,
        )
    console.print(table)
    if len(result.entries) > _MOST_ENTRIES:
        console.print(Text(f"The first {_MOST_ENTRIES}; --json has all.", style="dim"))
    for place, entry in enumerate(entries[1:], start=1):
        line = f"{letter(place)}: recall {gains_text(entries[0], entry)}"
        console.print(Text(line, style="dim"))


def gains_text(first: Any, entry: Any) -> str:
    """In how many classes the recall of an entry is higher, lower and equal."""
    changes = [c for c in (entry.recall - first.recall).tolist() if not isnan(c)]
    up, down = sum(c > 1e-9 for c in changes), sum(c < -1e-9 for c in changes)
    return f"up in {up} classes, down in {down}, equal in {len(changes) - up - down}"


def _change_cell(change: float) -> Text:
    if isnan(change):
        return Text("-")
    style = "green" if change > 1e-9 else "red" if change < -1e-9 else "dim"
    return Text(change_text(change, 2), style=style)


def figure_title(name: str) -> str:
    """Name of a figure for people.

    Examples:
        >>> figure_title("macro_f1"), figure_title("few_recall")
        ('Macro-F1', 'Recall, few group')
    """
    group = name.removesuffix("_recall")
    return f"Recall, {group} group" if group in GROUP_NAMES else metric_name(name)
