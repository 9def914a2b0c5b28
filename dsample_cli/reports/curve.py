"""The course of a training as bars in the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_PLAIN = " #"
_HEIGHT = 6
_WIDEST_BAR = 6
_LABEL = 8  # columns of the numbers at the left


class Curve:
    """A figure of each epoch as a bar, drawn as wide as the terminal allows.

    The lowest bar is one step high, so that it is seen; the numbers at the left are the highest
    and the lowest value. Of more epochs than columns, neighbours share a bar, their mean.

    Args:
        title: What is shown.
        values: Of each epoch from 0; None where it was not measured.
        marked: Epoch whose bar is pointed at.
        style: Of the bars.
    """

    def __init__(
        self,
        title: str,
        values: Sequence[float | None],
        marked: int | None = None,
        style: str = "cyan",
    ) -> None:
        self.title = title
        self.values = values
        self.marked = marked
        self.style = style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = max(options.max_width - _LABEL - 1, 10)
        marks = _PLAIN if options.ascii_only else _EIGHTHS
        bars, per_bar = bar_values(self.values, room)
        width = max(1, min(_WIDEST_BAR, room // len(bars)))
        known = [value for value in bars if value is not None]
        high, low = max(known), min(known)
        shared = f", {per_bar} epochs a bar" if per_bar > 1 else ""
        yield Text(f"\n{self.title}{shared}", style="bold")
        for row, line in enumerate(bar_rows(bars, _HEIGHT, width, marks)):
            value = {0: high, _HEIGHT - 1: low}.get(row)
            number = "" if value is None else f"{value:.4f}"
            yield Text.assemble((f"{number:>{_LABEL}} ", "dim"), (line.rstrip(), self.style))
        yield Text(f"{'epoch':>{_LABEL}} {self._axis(len(bars), per_bar, width)}", style="dim")

    def _axis(self, n_bars: int, per_bar: int, width: int) -> str:
        """First and last epoch under their bars, and the marked one between them."""
        line = [" "] * (n_bars * width + 12)
        last = len(self.values) - 1
        place = None if self.marked is None else self.marked // per_bar * width
        told = "" if self.marked is None else f"^ best {self.marked}"
        end = (n_bars - 1) * width
        _write(line, 0, "0")
        if place is not None and place > 2:
            _write(line, place, told)
        if last > 0 and (place is None or end > place + len(told) + 1 or place <= 2 < end):
            _write(line, end, str(last))
        return "".join(line).rstrip()


def epoch_curves(records: Sequence[Mapping[str, Any]], best_epoch: int | None) -> list[Curve]:
    """The curves of lines of epochs.jsonl: validation macro-F1, then the losses.

    A figure that fewer than two epochs have makes no curve.
    """
    validation = [record.get("validation") or {} for record in records]
    wanted = (
        ("Validation macro-F1", [v.get("macro_f1") for v in validation], "cyan"),
        ("Validation loss", [v.get("loss") for v in validation], "yellow"),
        ("Training loss", [record.get("train_loss") for record in records], "yellow"),
    )
    found = [
        Curve(title, values, best_epoch, style)
        for title, values, style in wanted
        if sum(value is not None for value in values) > 1
    ]
    # Where there is validation, its loss is the one to watch; both would not fit a screen.
    return found[:2]


def bar_values(values: Sequence[float | None], most: int) -> tuple[list[float | None], int]:
    """Values of at most so many bars, and how many values share one.

    Examples:
        >>> bar_values([1.0, 3.0, None, 5.0, 6.0], 3)
        ([2.0, 5.0, 6.0], 2)
    """
    per_bar = max(1, -(-len(values) // most))
    bars: list[float | None] = []
    for start in range(0, len(values), per_bar):
        known = [value for value in values[start : start + per_bar] if value is not None]
        bars.append(sum(known) / len(known) if known else None)
    return bars, per_bar


def bar_rows(
    values: Sequence[float | None], height: int, width: int, marks: str = _EIGHTHS
) -> list[str]:
    """Draw bars from the lowest value, one step high, to the highest, `height` rows high.

    Args:
        values: At least one is known; what is unknown has no bar.
        height: In rows.
        width: Of a bar in columns, a blank between bars of two and more included.
        marks: Fillings of a cell from empty to full.

    Examples:
        >>> bar_rows([0.1, 0.2, None, 0.3], height=2, width=1)
        [' ▁ █', '▁█ █']
    """
    known = [value for value in values if value is not None]
    low, span = min(known), max(known) - min(known)
    steps = len(marks) - 1
    levels = [
        0
        if value is None
        else 1 + round((height * steps - 1) * ((value - low) / span if span else 1.0))
        for value in values
    ]
    rows = []
    for row in reversed(range(height)):
        cells = [marks[min(max(level - row * steps, 0), steps)] for level in levels]
        rows.append("".join((cell * max(1, width - 1)).ljust(width) for cell in cells))
    return rows


def _write(line: list[str], place: int, text: str) -> None:
    line[place : place + len(text)] = text
