"""The `dsample` command: its subcommands, and the only place where errors become exit codes."""

import atexit
import contextlib
import gc
import os
import sys
import traceback
from typing import Annotated, Any

import typer

from dsample_cli import __version__
from dsample_cli.cli import (
    analyze,
    compare,
    correct,
    doctor,
    evaluate,
    export,
    methods,
    predict,
    refit,
    runs,
    schedule,
    split,
    sweep,
    train,
)
from dsample_cli.cli._options import COMMAND_SETTINGS
from dsample_cli.cli._output import INTERRUPTED, print_error
from dsample_cli.cli._streams import discard, make_streams_writable
from dsample_cli.core import torchrun
from dsample_cli.core.faults import explain_fault
from dsample_cli.errors import DsampleError

app = typer.Typer(
    name="dsample",
    rich_markup_mode=None,  # plain help starts twice as fast
    pretty_exceptions_enable=False,  # tracebacks with locals would print users' text
    no_args_is_help=True,
    context_settings={k: v for k, v in COMMAND_SETTINGS.items() if k != "auto_envvar_prefix"},
)
for command in (
    *(analyze, split, methods, schedule, train, evaluate, compare),
    *(sweep, predict, correct, refit, export, doctor),
):
    name = command.__name__.rsplit(".", 1)[-1]
    app.command(name, context_settings=COMMAND_SETTINGS)(getattr(command, name))
app.add_typer(runs.app, name="runs")


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"dsample {__version__}")
        raise typer.Exit()


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Fine-tune text classifiers on imbalanced data.

    Look at the data with analyze, divide it with split, see what a training would draw with
    schedule, train so that rare classes are learned, choose among settings with sweep, prove it
    class by class with evaluate, label new text with predict.

    \b
    Examples:
      dsample analyze data.csv
      dsample schedule --schedule cyclic --cycle 3
      dsample train --schedule cyclic --cycle 3
      dsample evaluate
      dsample predict new.csv -o predictions.jsonl

    Every option can also be set by a variable DSAMPLE_<OPTION> or in a --config file.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.

    Exit codes: 0 done; 1 a problem with data, configuration or run; 2 wrong usage; 3 a check that
    was asked for is not met; 130 interrupted.
    """
    # To load torch and transformers makes most of a million objects that stay. To look for garbage
    # among them takes half a second in all after every 700, as is usual, or 100,000.
    gc.set_threshold(1_000_000)
    make_streams_writable()
    codes: list[int] = []
    if torchrun.size() > 1:
        # Registered before anything else, so that it is called last.
        atexit.register(_end_at_once, codes)
    args = sys.argv[1:] if arguments is None else arguments
    code = run(args)
    codes.append(code)
    # Python looks once more for garbage as it ends, which takes a second among those objects.
    gc.freeze()
    sys.exit(code)


def _end_at_once(codes: list[int]) -> None:
    """End the process without taking Python down; 1 is its exit code if none is there.

    Gloo's threads outlive `destroy_process_group` while anything still refers to the group. One
    that lets go of a tensor as Python is being taken down would abort the process, after a run
    that has succeeded (pytorch/pytorch#190489).
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(codes[0] if codes else 1)


def run(args: list[str]) -> int:
    """Run the command line and return its exit code; with --debug, errors are raised.

    An exception that nobody planned is told by its type and place alone: its own words may hold
    users' text.
    """
    try:
        return _run(args)
    except BrokenPipeError:
        # The reader (`| head`) has enough. Python would complain again while it closes stdout.
        discard(sys.stdout)
        return 0
    except (typer.Abort, KeyboardInterrupt):
        _tell_interruption()
        return INTERRUPTED
    except DsampleError as error:
        return _fail(error, args)
    except BaseException as error:  # not Exception: a panic of a Rust library is none
        return _fail(_explained(error), args, error)


def _run(args: list[str]) -> int:
    """Run the command line; give the exit code of what Typer knows and raise the rest."""
    try:
        result: Any = app(args=args, prog_name="dsample", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except typer.TyperException as error:
        _tell(error, args)
        return error.exit_code
    except SystemExit as leaving:
        # So Typer leaves after shell completion, and where it meets the broken pipe first.
        if isinstance(leaving.__context__, BrokenPipeError):
            raise leaving.__context__ from None
        return leaving.code if isinstance(leaving.code, int) else 0


def _fail(told: DsampleError, args: list[str], cause: BaseException | None = None) -> int:
    """Tell an error, or raise what caused it under --debug; give the exit code."""
    if "--debug" in args or _is_set("DSAMPLE_DEBUG"):
        raise cause or told
    _tell(told, args)
    return 1


def _tell(error: Exception, args: list[str]) -> None:
    """Print an error where there is still somebody to read it."""
    try:
        print_error(error, "--json" in args or _is_set("DSAMPLE_JSON"))
        sys.stdout.flush()
    except OSError:  # a full disk behind `> results.json`, say
        discard(sys.stdout)
        with contextlib.suppress(OSError):
            print_error(error, json_mode=False)


def _tell_interruption() -> None:
    with contextlib.suppress(OSError):
        typer.echo("Interrupted.", err=True)


def _is_set(variable: str) -> bool:
    """Whether a variable switches a flag on, as Typer reads it."""
    return os.environ.get(variable, "").strip().lower() in ("1", "true", "t", "yes", "y", "on")


def _explained(error: BaseException) -> DsampleError:
    """What to say of an error that no part of the tool tells of itself."""
    if fault := explain_fault(error):
        return fault
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return DsampleError(f"{where}{error.strerror}.", "Check the path and the disk.")
    return _unexpected(error)


def _unexpected(error: BaseException) -> DsampleError:
    """What to say of a bug: where it is, and not the exception's words, which may quote the data.

    The place is the innermost line of this package; another library's when there is none.
    """
    places = [
        f"{frame.f_globals.get('__name__', '?')}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    own = [place for place in places if place.startswith("dsample_cli.")]
    return DsampleError(
        f"Unexpected {type(error).__name__} in {(own or places)[-1]}.",
        "This is a bug of dsample. Please report it to its developers with this line, the command "
        f"and the output of: dsample --version ({__version__}). The traceback, which may quote "
        "your data, is shown by: --debug",
    )
