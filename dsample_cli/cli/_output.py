"""Where results and messages go: results to stdout, everything else to stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from dsample_cli.core import torchrun
from dsample_cli.core.printable import json_text, printable
from dsample_cli.errors import DsampleError

if TYPE_CHECKING:
    from rich.console import Console

    from dsample_cli.core.progress import Listener

CHECK_FAILED = 3
INTERRUPTED = 130

# Without a terminal rich would assume 80 columns and cut tables.
_PLAIN_WIDTH = 110
# Longest message of an error in the terminal; --json has it whole.
_MOST_TOLD = 2000


class Output:
    """One command's way to the terminal.

    Args:
        json_mode: Results are one JSON object.
        quiet: Nothing but errors on stderr.
    """

    def __init__(self, json_mode: bool = False, quiet: bool = False) -> None:
        self.json_mode = json_mode
        self.quiet = quiet

    @contextmanager
    def listening(self) -> "Iterator[Listener]":
        """A listener that shows progress on stderr while the block runs, or none under --quiet."""
        from dsample_cli.cli._live import PlainListener, TerminalListener
        from dsample_cli.core.progress import Silent

        if self.quiet or not is_main_process():
            yield Silent()
            return
        console = make_console(stderr=True)
        listener = TerminalListener(console) if console.is_terminal else PlainListener(console)
        try:
            yield listener
        finally:
            listener.close()

    def result(self, to_json: Callable[[], Any], show: "Callable[[Console], None]") -> None:
        """Print a result: as JSON, or the way `show` draws it on a console."""
        if not is_main_process():
            return
        if self.json_mode:
            print_json(to_json())
        else:
            show(make_console())

    def complain(self, line: str) -> None:
        """Say on stderr, also under --quiet, why the command will not exit with 0."""
        if is_main_process():
            typer.echo(printable(line), err=True)


def is_main_process() -> bool:
    """Whether this process speaks for its run: under torchrun only rank 0 does."""
    return torchrun.rank() == 0


def make_console(stderr: bool = False) -> "Console":
    """A rich console that takes data for plain text."""
    from dsample_cli.cli._console import safe_console

    stream = sys.stderr if stderr else sys.stdout
    return safe_console(stream, None if stream.isatty() else _PLAIN_WIDTH)


def print_json(value: Any) -> None:
    """Print one JSON object."""
    sys.stdout.write(json_text(value, indent=2, allow_nan=False) + "\n")


def print_error(error: Exception, json_mode: bool) -> None:
    """Print an error: one line and a hint on stderr, or a JSON object on stdout."""
    if not is_main_process():
        return
    if isinstance(error, DsampleError):
        kind, message, hint = type(error).__name__, error.message, error.hint
    elif isinstance(error, typer.TyperException):
        kind, hint = "UsageError", "See the command's --help."
        message = error.format_message()
        if "extra argument" in message:
            hint += " Several files go as one pattern in quotes, such as 'data/*.csv'."
    else:
        kind, message, hint = type(error).__name__, str(error), ""
    if json_mode:
        print_json({"error": {"type": kind, "message": message, "hint": hint}})
        return
    typer.secho("Error: ", fg=typer.colors.RED, bold=True, nl=False, err=True)
    typer.echo(_told(message), err=True)
    if hint:
        typer.echo(f"Hint: {_told(hint)}", err=True)


def _told(text: str) -> str:
    """A message as the terminal shows it: a name in it may be a book."""
    whole = printable(text)
    return whole if len(whole) <= _MOST_TOLD else whole[: _MOST_TOLD - 1] + "…"
