"""`dsample methods`."""

from typing import Annotated

import typer

from dsample_cli.cli._options import DebugOption, JsonOption, QuietOption
from dsample_cli.cli._output import Output


def methods(
    name: Annotated[
        str | None, typer.Argument(help="Show the method of this name alone, and fully.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """List the scores, schedules, losses, corrections and heads, or explain one.

    \b
    Examples:
      dsample methods
      dsample methods cyclic
      dsample methods crt
      dsample methods effective-number --json
    """
    from dsample_cli.reports.methods import print_methods, print_pages
    from dsample_cli.workflows.methods import methods as list_methods

    result = list_methods(name)
    Output(json, quiet).result(
        result.to_json,
        lambda console: (
            print_methods(console, result.methods)
            if name is None
            else print_pages(console, result.methods)
        ),
    )
