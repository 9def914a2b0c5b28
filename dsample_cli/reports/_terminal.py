"""Pieces of terminal tables; text from data is never markup and cannot drive the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table


def clean(value: Any) -> str:
    """A value as text without control characters."""
    return "".join(c if c.isprintable() else "\ufffd" for c in str(value))


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
