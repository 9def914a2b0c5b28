"""What runs take up, which may go, and which is best, in the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from dsample_cli.reports._terminal import clean, figure, new_table

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def size_text(count: int) -> str:
    """Bytes for people, in powers of 1000.

    Examples:
        >>> size_text(999), size_text(1_234_567), size_text(90_870_000_000)
        ('999 bytes', '1.2 MB', '90.9 GB')
    """
    value, unit = float(count), 0
    while value >= 999.95 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{count} {_UNITS[0]}"


def count_text(count: int) -> str:
    """How many runs.

    Examples:
        >>> count_text(1), count_text(12)
        ('1 run', '12 runs')
    """
    return f"{count} run{'s' * (count != 1)}"


def print_disk_use(console: Console, use: Any) -> None:
    """Draw a `DiskUse`."""
    if not use.runs and not use.leftover:
        console.print("There are no runs. Train one with: dsample train DATA")
        return
    parts = [name for name, count in use.parts.items() if count]
    # On a narrow terminal only the total: the run ids are long.
    shown = parts if console.width >= 50 + 11 * len(parts) else []
    table = new_table("run", *shown, "all")
    for size in use.runs:
        cells = [size_text(size.parts[name]) if size.parts[name] else "" for name in shown]
        table.add_row(Text(clean(size.summary.run.id), no_wrap=True), *cells, size_text(size.bytes))
    table.add_section()
    if use.leftover:
        table.add_row("(interrupted removals)", *[""] * len(shown), size_text(use.leftover))
    table.add_row(
        count_text(len(use.runs)), *(size_text(use.parts[n]) for n in shown), size_text(use.bytes)
    )
    console.print(table)
    if not shown:
        told = ", ".join(f"{name} {size_text(use.parts[name])}" for name in parts)
        console.print(Text(f"In all: {told}", style="dim"))


def print_prune(console: Console, plan: Any) -> None:
    """Draw a `PrunePlan`, planned or done."""
    if plan.removed:
        done = "Removed" if plan.is_done else "Would remove"
        heading = f"{done} {count_text(len(plan.removed))}, {size_text(plan.bytes)}"
        console.print(Text(heading, style="bold"))
        table = new_table("run", "status", "macro-F1", "size", right=(2, 3))
        for size in plan.removed:
            validation = size.summary.manifest.get("metrics", {}).get("validation") or {}
            table.add_row(
                Text(clean(size.summary.run.id), no_wrap=True),
                size.summary.status,
                figure(validation.get("macro_f1")),
                size_text(size.bytes),
            )
        console.print(table)
    else:
        console.print(Text("There is nothing to remove.", style="bold"))
    if plan.kept:
        reasons: dict[str, int] = {}
        for reason in plan.kept.values():
            reasons[_REASONS.get(reason, reason)] = reasons.get(_REASONS.get(reason, reason), 0) + 1
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        console.print(Text(f"Kept {len(plan.kept)}: {told}", style="dim"))


_REASONS = {
    "newest": "newest completed",
    "best": "best of their data",
    "tagged": "with a tag or a note",
    "parent": "that others were made of",
    "unfinished": "unfinished (--unfinished removes them)",
}


def print_best(console: Console, entry: Mapping[str, Any]) -> None:
    """Draw the object of `dsample runs best --json`; the first line is the run id alone."""
    console.print(Text(clean(entry["run"])), soft_wrap=True)
    for split, figures in entry["metrics"].items():
        if figures:
            keys = ("macro_f1", "balanced_accuracy", "accuracy", "few_recall")
            names = ("macro-F1", "balanced accuracy", "accuracy", "few recall")
            told = ", ".join(
                f"{name} {figure(figures.get(key))}" for key, name in zip(keys, names, strict=True)
            )
            console.print(Text(f"  {split}: {told}", style="dim"), soft_wrap=True)
