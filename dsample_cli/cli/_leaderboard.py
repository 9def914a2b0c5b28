"""A sweep on stderr: a live leaderboard in a terminal, a line for each run elsewhere."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from dsample_cli.cli._live import PlainListener
from dsample_cli.cli._output import Output, make_console
from dsample_cli.core.printable import printable
from dsample_cli.core.progress import Listener, Silent
from dsample_cli.reports.sweep import (
    cost_text,
    duration_text,
    leaderboard,
    result_line,
    settings_text,
)

if TYPE_CHECKING:
    from dsample_cli.workflows.grid import Point
    from dsample_cli.workflows.sweep import Plan, PointResult


class SilentBoard:
    """Shows nothing."""

    listener: Listener = Silent()

    def planned(self, plan: "Plan", finished: "Sequence[PointResult]") -> None: ...

    def started(self, point: "Point", run: str, is_resumed: bool) -> None: ...

    def epoch_finished(self, point: "Point", record: Mapping[str, Any]) -> None: ...

    def ended(self, result: "PointResult", seconds_left: float | None) -> None: ...


class _Messages(PlainListener):
    """What a run tells beside its figures; its epochs are the board's."""

    def epoch_finished(self, record: Mapping[str, Any]) -> None: ...


class PlainBoard:
    """The cost, and a line for each run that ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._count = self._number = 0
        self.listener: Listener = _Messages(console)

    def planned(self, plan: "Plan", finished: "Sequence[PointResult]") -> None:
        self._count, self._number = plan.count, len(finished)
        if not plan.is_dry:  # then it is the result
            self._print(Text(cost_text(plan), style="bold"))

    def started(self, point: "Point", run: str, is_resumed: bool) -> None:
        if is_resumed:
            text = f"Going on with run {run}: {settings_text(point.settings)}"
            self._print(Text(printable(text), style="dim"))

    def epoch_finished(self, point: "Point", record: Mapping[str, Any]) -> None:
        """Nothing to show: a plain log tells what is done."""

    def ended(self, result: "PointResult", seconds_left: float | None) -> None:
        self._number += 1
        left = f"about {duration_text(seconds_left)} left" if seconds_left else ""
        self._print(result_line(result, self._number, self._count, left))

    def close(self) -> None:
        """Nothing is open."""

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)


class TerminalBoard(PlainBoard):
    """The best runs so far, and a bar for each run in training, redrawn in place."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._results: list[PointResult] = []
        self._left = ""
        self._changing = threading.Lock()
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.completed:.0f}/{task.total:.0f} epochs", markup=False),
            TextColumn("{task.fields[best]}", markup=False),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._live = Live(
            console=console,
            transient=True,
            redirect_stdout=False,
            get_renderable=self._draw,
            refresh_per_second=4,
        )

    def planned(self, plan: "Plan", finished: "Sequence[PointResult]") -> None:
        self._count, self._number = plan.count, len(finished)
        if not plan.is_dry:  # then it is the result
            self._print(Text(cost_text(plan), style="bold"))
        self._results = list(finished)
        if plan.to_train and not plan.is_dry:
            self._live.start()

    def started(self, point: "Point", run: str, is_resumed: bool) -> None:
        super().started(point, run, is_resumed)
        assert point.config is not None
        with self._changing:
            self._tasks[point.key] = self._bars.add_task(
                printable(settings_text(point.settings)),
                total=point.config.planned_epochs,
                best="",
            )

    def epoch_finished(self, point: "Point", record: Mapping[str, Any]) -> None:
        with self._changing:
            task = self._tasks.get(point.key)
            if task is None:
                return
            macro_f1 = (record.get("validation") or {}).get("macro_f1")
            best = "" if macro_f1 is None else f"macro-F1 {macro_f1:.4f}"
            self._bars.update(task, completed=record["epoch"] + 1, best=best)

    def ended(self, result: "PointResult", seconds_left: float | None) -> None:
        with self._changing:
            task = self._tasks.pop(result.point.key, None)
            if task is not None:
                self._bars.remove_task(task)
            self._number += 1
            self._results.append(result)
            self._left = f", about {duration_text(seconds_left)} left" if seconds_left else ""
        if result.error:
            self._print(result_line(result, self._number, self._count))

    def close(self) -> None:
        """Take the board away."""
        self._live.stop()

    def _draw(self) -> Group:
        with self._changing:
            done = Text(f"{self._number} of {self._count} done{self._left}", style="bold")
            ranked = [leaderboard(self._results, self._console.width)] if self._results else []
            return Group(*ranked, self._bars, done)


@contextmanager
def showing(output: Output) -> "Iterator[SilentBoard | PlainBoard]":
    """A board on stderr while the block runs, or none under --quiet."""
    if output.quiet:
        yield SilentBoard()
        return
    console = make_console(stderr=True)
    board = TerminalBoard(console) if console.is_terminal else PlainBoard(console)
    try:
        yield board
    finally:
        board.close()
