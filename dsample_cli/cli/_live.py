"""Progress on stderr: a live bar in a terminal, plain lines elsewhere."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from dsample_cli.core.printable import printable


class PlainListener:
    """A line for each message and each epoch, without animation."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._epochs_shown = 0

    def note(self, message: str) -> None:
        self._print(Text(printable(message)))

    def warn(self, message: str) -> None:
        self._print(Text.assemble(("Warning: ", "bold yellow"), printable(message)))

    def phase(self, name: str, total: int | None = None) -> None:
        """Nothing to show: a plain log tells what is done, not what is begun."""

    def advance(self, count: int) -> None:
        """Nothing to show."""

    def epoch_started(self, epoch: int, epochs: int) -> None:
        """Nothing to show."""

    def epoch_finished(self, record: Mapping[str, Any]) -> None:
        if self._epochs_shown == 0:
            self._print(Text(_epoch_header(record), style="bold"))
        self._epochs_shown += 1
        self._print(epoch_line(record))

    def close(self) -> None:
        """Nothing is open."""

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)


class TerminalListener(PlainListener):
    """The same lines above a live bar with examples/s and the time that is left."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            _Count(),
            _Speed(),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            redirect_stdout=False,  # results go to stdout, never through the bar's console
        )
        self._task: TaskID | None = None

    def phase(self, name: str, total: int | None = None) -> None:
        if self._task is None:
            self._progress.start()
        else:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(name, total=total)

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._progress.advance(self._task, count)

    def epoch_started(self, epoch: int, epochs: int) -> None:
        if self._task is not None:
            self._progress.update(self._task, description=f"epoch {epoch}/{epochs - 1}")

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()

    def _print(self, text: Text) -> None:
        self._progress.console.print(text, soft_wrap=True)


class _Count(ProgressColumn):
    """Items done of all, where that is known."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text(f"{task.completed:,.0f}" if task.completed else "")
        return Text(f"{task.completed:,.0f}/{task.total:,.0f}", style="green")


class _Speed(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="cyan")


def _epoch_header(record: Mapping[str, Any]) -> str:
    rare = _rare_group(record)
    columns = f"epoch   mix  {rare} drawn  train loss"
    return columns + (f"  macro-F1  {rare} recall" if record.get("validation") else "")


def epoch_line(record: Mapping[str, Any]) -> Text:
    """One epoch in one line: mix, share drawn from the rare group, loss, validation."""
    rare = _rare_group(record)
    share = record["drawn_by_group"].get(rare, 0.0)
    text = Text(f"{record['epoch']:5d}  {record['mix']:4.2f}")
    text.append(f"{share:{len(rare) + 8}.1%}{record['train_loss']:12.4f}")
    validation = record.get("validation")
    if validation:
        recall = validation["few_recall"]
        text.append(f"{validation['macro_f1']:10.4f}")
        text.append("-".rjust(len(rare) + 9) if recall is None else f"{recall:{len(rare) + 9}.4f}")
        if record["improved"]:
            text.append("  best", style="bold green")
        elif not record["judged"]:
            text.append("  not judged", style="dim")
        if never := validation["never_predicted"]:
            noun = "class" if never == 1 else "classes"
            text.append(f"  {never} {noun} never predicted", style="yellow")
    return text


def _rare_group(record: Mapping[str, Any]) -> str:
    return "few" if "few" in record["drawn_by_group"] else list(record["drawn_by_group"])[-1]
