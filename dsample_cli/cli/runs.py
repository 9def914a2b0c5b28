"""`dsample runs`."""

from typing import Annotated, Any

import typer

from dsample_cli.cli._options import (
    COMMAND_SETTINGS,
    DEFAULT_WORKSPACE,
    DebugOption,
    JsonOption,
    QuietOption,
    WorkspaceOption,
)
from dsample_cli.cli._output import Output

app = typer.Typer(
    help="List, show and remove stored runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings=COMMAND_SETTINGS,
)

RunArgument = Annotated[
    str, typer.Argument(help="Run id, prefix, path, latest or best.", metavar="RUN")
]


@app.command("list", context_settings=COMMAND_SETTINGS)
def list_runs(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """List the runs, newest first.

    \b
    Examples:
      dsample runs list
      dsample runs list --json
    """
    from dsample_cli.reports.tables import print_runs
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.runs import list_entries

    entries = list_entries(Workspace(workspace))
    Output(json, quiet).result(
        lambda: {"runs": entries}, lambda console: print_runs(console, entries)
    )


@app.command("show", context_settings=COMMAND_SETTINGS)
def show(
    run: RunArgument = "latest",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Show one run: its settings, epochs and figures.

    \b
    Examples:
      dsample runs show
      dsample runs show best --json
    """
    from dsample_cli.reports.tables import print_run
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.runs import describe_run

    details: dict[str, Any] = describe_run(Workspace(workspace).find_run(run))
    Output(json, quiet).result(lambda: details, lambda console: print_run(console, details))


@app.command("remove", context_settings=COMMAND_SETTINGS)
def remove(
    runs: Annotated[list[str], typer.Argument(help="Run ids or prefixes.", metavar="RUN...")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Delete runs for good; a run in training is refused.

    \b
    Examples:
      dsample runs remove 20260102-130405-cyclic-1a2b
    """
    from dsample_cli.runs.workspace import Workspace

    folder = Workspace(workspace)
    # All names are looked up first, so that a wrong one removes nothing.
    found = [folder.find_run(name) for name in runs]
    for run in dict.fromkeys(found):
        folder.remove_run(run)
    removed = [run.id for run in dict.fromkeys(found)]
    Output(json, quiet).result(
        lambda: {"removed": removed},
        lambda console: console.print("\n".join(f"Removed {name}" for name in removed)),
    )
