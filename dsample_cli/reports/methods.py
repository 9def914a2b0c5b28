"""Methods as terminal text: a list of all, and a page of one."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# Family -> heading, and how its names are typed.
_FAMILIES = {
    "class score": ("Class scores", "--score NAME: by the size of the class"),
    "resampling": (
        "Resampling",
        "--score NAME: by the size of the class, in epochs of their own length",
    ),
    "example score": (
        "Example scores",
        "--score NAME: by what training saw of the example; NAME+sqrt multiplies two",
    ),
    "schedule": (
        "Schedules",
        "--schedule NAME; in a row: warmup:2+cyclic:3, with lengths: cyclic:3@6+always",
    ),
    "loss": ("Losses", "--loss NAME"),
    "contrastive loss": (
        "Contrastive losses",
        "--contrastive WEIGHT --contrastive-form NAME: of the features, added to the loss",
    ),
    "correction": (
        "Corrections",
        "train --correct NAME or correct --method NAME: of the logits, after training",
    ),
    "head": ("Heads", "refit --head NAME: on the features of a trained run"),
    "feature resampling": (
        "Feature resampling",
        "refit --resample NAME: of those features, before the head is refitted",
    ),
}


def print_methods(console: Console, methods: Sequence[Any]) -> None:
    """Draw every `Method` under the heading of its family."""
    width = max(len(_listed_name(method)) for method in methods)
    for family, members in groupby(methods, key=lambda method: method.family):
        heading, how_to_type = _FAMILIES[family]
        console.print(Text.assemble((heading, "bold"), (f"\n  {how_to_type}", "dim")))
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=2)
        grid.add_column(width=width, no_wrap=True)
        grid.add_column()
        for method in members:
            grid.add_row("", Text(_listed_name(method), style="bold cyan"), Text(method.summary))
            grid.add_row("", "", Text(_first_clause(method.formula), style="dim"))
        console.print(grid)
        console.print()
    console.print(
        Text.assemble(("One of them fully: ", "dim"), ("dsample methods NAME", "bold green"))
    )


def print_pages(console: Console, methods: Sequence[Any]) -> None:
    """Draw each `Method` with all that is known of it."""
    for number, method in enumerate(methods):
        if number:
            console.print()
        print_method(console, method)


def print_method(console: Console, method: Any) -> None:
    """Draw one `Method` with all that is known of it."""
    console.print(
        Text.assemble(
            (method.name, "bold cyan"),
            (f"  {method.family} ({method.flag}){', the default' * method.is_default}", "dim"),
        )
    )
    console.print(Text(method.summary))
    console.print()
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    for title, text in (
        ("Formula", method.formula),
        ("When", method.when),
        ("Cost", method.cost),
        ("Risk", method.risk),
        ("Source", method.source),
    ):
        if text:
            grid.add_row(title, Text(text))
    console.print(grid)
    if method.options:
        _print_options(console, method.options)
    console.print(Text("\nExamples", style="bold"))
    for example in method.examples:
        console.print(Text(f"  {example}", style="green"), soft_wrap=True)


def _print_options(console: Console, options: Sequence[Any]) -> None:
    console.print(Text("\nOptions", style="bold"))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=0)
    grid.add_column(style="cyan", no_wrap=True)
    for option in options:
        text = Text(option.help)
        if option.default is not None:
            default = option.default
            shown = default if isinstance(default, str) else f"{default:g}"
            text.append(f" Default: {shown}", style="dim")
        grid.add_row("", option.flag, text)
    console.print(grid)


def _listed_name(method: Any) -> str:
    return f"{method.name}{' (default)' * method.is_default}"


def _first_clause(formula: str) -> str:
    """The formula without what explains it."""
    return re.split(r"[.:;](?: |$)", formula, maxsplit=1)[0]
