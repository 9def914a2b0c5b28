"""Pieces of terminal tables; text from data is never markup and cannot drive the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from dsample_cli.core.printable import one_line
from dsample_cli.reports._labels import shortened

# Longest name of a class in a table.
_MOST_NAME_COLUMNS = 60


def clean(value: Any) -> str:
    """A value as a line of text that cannot drive the terminal."""
    return one_line(value)


def name_text(name: str) -> str:
    """The name of a class or a column as `clean` gives it, its middle cut where it is very long."""
    return clean(shortened(name, _MOST_NAME_COLUMNS))


def new_table(*columns: str, right: Sequence[int] | None = None) -> Table:
    """A borderless table; all columns but the first are right-aligned unless `right` says which."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, name in enumerate(columns):
        is_right = i > 0 if right is None else i in right
        table.add_column(name, justify="right" if is_right else "left", overflow="fold")
    return table


def figure(value: float | None, digits: int = 4) -> str:
    """A number with so many digits; a dash for one that is unknown."""
    return "-" if value is None else f"{value:.{digits}f}"


def percent(share: float) -> str:
    """A share as a percentage, with a digit more where it is tiny."""
    return f"{share:.1%}" if share >= 0.001 else f"{share:.2%}"
