"""The `dsample` command: its subcommands, and the only place where errors become exit codes."""

import gc
import os
import sys
from typing import Annotated, Any

import typer

from dsample_cli import __version__
from dsample_cli.cli import (
    analyze,
    compare,
    correct,
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
    *(sweep, predict, correct, refit, export),
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
    # To load torch makes a million objects that stay; to look for garbage among them after every
    # 700, as is usual, takes half a second.
    gc.set_threshold(100_000)
    args = sys.argv[1:] if arguments is None else arguments
    code = run(args)
    # Python looks once more for garbage as it ends, which takes a second among those objects.
    gc.freeze()
    sys.exit(code)


def run(args: list[str]) -> int:
    """Run the command line and return its exit code."""
    json_mode = "--json" in args or os.environ.get("DSAMPLE_JSON", "") not in ("", "0")
    try:
        result: Any = app(args=args, prog_name="dsample", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except DsampleError as error:
        if "--debug" in args:
            raise
        print_error(error, json_mode)
        return 1
    except typer.TyperException as error:
        print_error(error, json_mode)
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("Interrupted.", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has enough. Python would complain again while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as leaving:
        # So Typer leaves after shell completion, and where it meets the broken pipe first.
        is_broken_pipe = isinstance(leaving.__context__, BrokenPipeError)
        return 0 if is_broken_pipe or not isinstance(leaving.code, int) else leaving.code
    except OSError as error:
        if "--debug" in args:
            raise
        where = f"{error.filename}: " if error.filename else ""
        message = f"{where}{error.strerror or error}."
        print_error(DsampleError(message, "Check the path and the disk."), json_mode)
        return 1
