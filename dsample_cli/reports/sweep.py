"""A sweep in the terminal: what it costs, how it stands, what it found."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dsample_cli.reports._terminal import clean, figure, new_table

# Columns from which on there is room for intervals.
_WIDE = 100
_MOST_GROUPS, _MOST_FAILED = 40, 10


def settings_text(settings: Mapping[str, Any]) -> str:
    """The options that tell a point from the others.

    Examples:
        >>> settings_text({"score_warmup": 2, "lr": 0.0002, "drw": False})
        'score-warmup 2, lr 0.0002, no drw'
    """
    parts = []
    for name, value in settings.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            parts.append(option if value else f"no {option}")
        else:
            parts.append(f"{option} {value_text(value)}")
    return ", ".join(parts) or "as given"


def value_text(value: Any) -> str:
    """A setting as it is typed; nothing for an option that does not act."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else clean(value)


def duration_text(seconds: float) -> str:
    """A time as one reads it.

    Examples:
        >>> [duration_text(s) for s in (0.4, 42, 200, 3_600, 9_000)]
        ['1 s', '42 s', '3.3 min', '60 min', '2.5 h']
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60
    if minutes <= 90:
        return f"{minutes:.1f} min" if minutes < 10 else f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h"


def cost_text(plan: Any) -> str:
    """How many runs there are, and how long they take."""
    finished = plan.count - plan.to_train
    runs = f"{plan.count:,} run{'s' * (plan.count != 1)}"
    if plan.trials is not None:
        runs = f"{plan.trials:,} trial{'s' * (plan.trials != 1)}, {runs} at most"
    done = f", {finished:,} of them finished" if finished else ""
    text = f"Sweep {plan.sweep}: {runs}{done}"
    if not plan.to_train:
        return f"{text}; nothing is left to train."
    to_train = f"{plan.to_train:,} to train, " * bool(finished)
    if plan.seconds is None:
        told = "how long each takes is known when the first one ends"
    else:
        in_all = plan.seconds * -(-plan.to_train // plan.devices)
        known = f"{plan.known_from} earlier run{'s' * (plan.known_from != 1)}"
        each = f"about {duration_text(plan.seconds)} each (by {known})"
        told = f"{each}, about {duration_text(in_all)} in all"
    at_a_time = f", {plan.devices} at a time" if plan.devices > 1 else ""
    return f"{text}; {to_train}{told}{at_a_time}."


def leaderboard(results: Sequence[Any], width: int, most: int = 10) -> Table:
    """Runs that ended, those with the highest validation macro-F1 first.

    Args:
        results: Of the runs.
        width: Columns of the terminal.
        most: Rows at most.
    """
    names, is_wide = _names(results), width >= _WIDE
    table = _table_of(names, "macro-F1", "few recall", "time", *["run"] * is_wide, right=3)
    ranked = sorted(results, key=lambda result: -(result.macro_f1 or 0.0))
    for result in ranked[:most]:
        few_recall = (result.validation or {}).get("few_recall")
        table.add_row(
            *(_cells(result.point.settings, names) or ["as given"]),
            figure(result.macro_f1) if result.macro_f1 is not None else result.status,
            figure(few_recall),
            duration_text(result.seconds),
            *[result.run or ""] * is_wide,
        )
    return table


def result_line(result: Any, number: int, count: int, told: str = "") -> Text:
    """A run that ended, in one line, and `told` at its end."""
    text = Text(f"{number:{len(str(count))}}/{count}  {settings_text(result.point.settings)}")
    if result.macro_f1 is not None:
        text.append(f"  macro-F1 {result.macro_f1:.4f}", style="bold")
    else:
        text.append(f"  {result.status}", style="yellow")
    if result.run:
        text.append(f"  {duration_text(result.seconds)}").append(f"  {result.run}", style="dim")
    text.append(told and f"  {told}", style="dim")
    if result.error:
        text.append(f"\n    {clean(result.error)}", style="yellow")
    return text


def print_sweep(
    console: Console, result: Any, repeat: str | None, again: str, elsewhere: str = ""
) -> None:
    """Draw a `SweepResult`.

    Args:
        console: Where.
        result: What the sweep found.
        repeat: The command that trains the best run again.
        again: The command of this sweep.
        elsewhere: What names the workspace, behind a command.
    """
    if result.status == "planned":
        console.print(_points_table(result))
        console.print(Text(cost_text(result.plan)), soft_wrap=True)
        console.print(Text(f"Next: {clean(again)}", style="dim"), soft_wrap=True)
        return
    is_wide = console.width >= _WIDE
    if result.groups:
        console.print(_groups_table(result, is_wide))
        for note in _notes(result, is_wide):
            console.print(Text(note, style="dim"))
    _print_failed(console, result)
    if result.best is None:
        console.print(f"No run is completed{' yet' * (result.status == 'interrupted')}.")
        return
    console.print(
        Text.assemble(
            "\nBest run: ",
            (result.best.run, "bold"),
            f"  {settings_text(result.best.point.settings)}",
        ),
        soft_wrap=True,
    )
    console.print(Text(f"Repeat it: {repeat}"), soft_wrap=True)
    if result.status == "completed":
        others = [group.results[0].run for group in result.groups[1:3]]
        compare = " ".join(["dsample compare", result.best.run, *others]) if others else None
        then = compare or f"dsample evaluate --run {result.best.run}"
        console.print(Text(f"Next: {then}{elsewhere}", style="dim"), soft_wrap=True)


def _points_table(result: Any) -> Table:
    names = _names(result.results)
    table = _table_of(names, "status", "run")
    for one in result.results:
        table.add_row(*_cells(one.point.settings, names), one.status, one.run or "")
        if one.error:
            table.add_row(Text(clean(one.error), style="yellow"), *[""] * (len(names) + 1))
    return table


def _groups_table(result: Any, is_wide: bool) -> Table:
    names = [name for name in _names(result.results) if name != "seed"]
    has_seeds = any(len(group.results) > 1 or group.failed for group in result.groups)
    has_test = any(group.spread("macro_f1", "test") for group in result.groups)
    has_differences = is_wide and any(group.difference for group in result.groups)
    columns = [*["seeds"] * has_seeds, "macro-F1", "few recall", *["test macro-F1"] * has_test]
    if has_differences:
        columns.append(f"{result.compared_on}, to the best")
    table = _table_of(names, *columns, right=len(columns))
    for place, group in enumerate(result.groups[:_MOST_GROUPS]):
        count = len(group.results)
        seeds = f"{count} of {count + group.failed}" if group.failed else str(count)
        cells = [
            *[seeds] * has_seeds,
            spread_text(group.spread("macro_f1")),
            spread_text(group.spread("few_recall")),
            *[spread_text(group.spread("macro_f1", "test"))] * has_test,
        ]
        if has_differences:
            cells.append("" if group.difference is None else _difference_text(group.difference))
        settings = _cells(group.settings, names) or ["as given"]
        table.add_row(*settings, *cells, style="bold" if place == 0 else "")
    if (more := len(result.groups) - _MOST_GROUPS) > 0:
        table.add_row(f"... {more} more", *[""] * (max(1, len(names)) + len(columns) - 1))
    return table


def spread_text(spread: Any) -> str:
    """Mean, and the standard deviation where there are several seeds."""
    if spread is None:
        return "-"
    return figure(spread.mean) + ("" if spread.sd is None else f" ± {spread.sd:.4f}")


def _difference_text(difference: Any) -> str:
    low, high = difference.interval
    return f"{difference.difference:+.4f} ({low:+.3f} to {high:+.3f})"


def _notes(result: Any, is_wide: bool) -> list[str]:
    has_test = any(group.spread("macro_f1", "test") for group in result.groups)
    ranked = "Ranked by validation macro-F1"
    if any(len(group.results) > 1 for group in result.groups):
        ranked += ", the mean over seeds ± their standard deviation"
    notes = [f"{ranked}{'; the test rows had no say' if has_test else ''}."]
    if len(result.groups) > 1 and not has_test:
        notes.append(
            "The best of several is flattered by the choice: judge it on rows that had no say, "
            "with --test."
        )
    if any(len(group.results) > 1 for group in result.groups) and not result.compared_on:
        notes.append(
            "Without --val each seed has its own validation rows, which are part of the ±."
        )
    if is_wide and any(group.difference for group in result.groups):
        notes.append(
            f"{result.compared_on}, to the best: difference in macro-F1 and its 95% interval, by "
            "dsample compare."
        )
    return notes


def _print_failed(console: Console, result: Any) -> None:
    failed = result.failed
    if not failed:
        return
    noun = "run" if len(failed) == 1 else "runs"
    console.print(Text(f"\n{len(failed)} {noun} failed", style="bold yellow"))
    for one in failed[:_MOST_FAILED]:
        line = f"{settings_text(one.point.settings)}: {clean(one.error)}"
        console.print(Padding(Text(line), (0, 0, 0, 2), expand=False))
    if (more := len(failed) - _MOST_FAILED) > 0:
        console.print(f"  and {more} more; --json lists all")
    if any(one.run for one in failed):
        console.print(Text("The same command tries them again.", style="dim"))


def _table_of(names: Sequence[str], *columns: str, right: int = 0) -> Table:
    """A table of settings, of whose further columns the first ones are right-aligned."""
    first = [name.replace("_", "-") for name in names] or ["settings"]
    return new_table(*first, *columns, right=range(len(first), len(first) + right))


def _cells(settings: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [value_text(settings[name]) if name in settings else "-" for name in names]


def _names(results: Sequence[Any]) -> list[str]:
    """Options that differ among the points."""
    return list(dict.fromkeys(name for one in results for name in one.point.settings))
