"""`dsample runs`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dsample_cli.cli._options import (
    COMMAND_SETTINGS,
    DEFAULT_WORKSPACE,
    DebugOption,
    JsonOption,
    Option,
    QuietOption,
    WorkspaceOption,
)
from dsample_cli.cli._output import Output
from dsample_cli.errors import ConfigError

if TYPE_CHECKING:
    from dsample_cli.runs.notes import Notes
    from dsample_cli.runs.run import Run

app = typer.Typer(
    help="List, show, mark and remove stored runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings=COMMAND_SETTINGS,
)

RunArgument = Annotated[
    str, typer.Argument(help="Run id, prefix, path, latest or best.", metavar="RUN")
]


DataFilterOption = Annotated[
    str | None,
    Option(
        "--data",
        help="Only runs trained on this data file, or on one whose SHA-256 begins so.",
        metavar="FILE",
    ),
]


@app.command("list", context_settings=COMMAND_SETTINGS)
def list_runs(
    status: Annotated[
        str | None,
        Option("--status", help="Only these: completed, running, interrupted, failed or damaged."),
    ] = None,
    data: DataFilterOption = None,
    model: Annotated[
        str | None, Option("--model", help="Only runs of this model, as it was typed.")
    ] = None,
    schedule: Annotated[
        str | None, Option("--schedule", help="Only runs of this schedule, as it was typed.")
    ] = None,
    tag: Annotated[
        list[str] | None,
        Option("--tag", help="Only runs with this tag; given again, with both."),
    ] = None,
    sort: Annotated[
        str,
        Option(
            "--sort",
            help="created (newest first), macro-f1, few-recall or seconds (highest first), "
            "schedule or status.",
        ),
    ] = "created",
    limit: Annotated[int | None, Option("--limit", min=1, help="At most so many.")] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """List the runs, newest first.

    \b
    Examples:
      dsample runs list
      dsample runs list --sort macro-f1 --limit 5
      dsample runs list --status completed --data train.csv --tag paper
      dsample runs list --json
    """
    from dsample_cli.reports.tables import print_runs
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.runs import RunFilter, list_entries

    wanted = RunFilter(status, data, model, schedule, tuple(tag or ()))
    folder = Workspace(workspace)
    entries = list_entries(folder, wanted, sort, limit)
    is_filtered = wanted != RunFilter()
    Output(json, quiet).result(
        lambda: {"runs": entries}, lambda console: print_runs(console, entries, is_filtered)
    )


@app.command("show", context_settings=COMMAND_SETTINGS)
def show(
    run: RunArgument = "latest",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Show one run: its settings, epochs, training curve and figures.

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


@app.command("best", context_settings=COMMAND_SETTINGS)
def best(
    data: DataFilterOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Name the run with the highest validation macro-F1 on the latest data, or on DATA.

    It is what best stands for in --run: of the runs with the data and validation rows of the run
    that was completed last.

    \b
    Examples:
      dsample runs best
      dsample runs best --data train.csv --json
    """
    from dsample_cli.reports.housekeeping import print_best
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.runs import best_entry

    entry = best_entry(Workspace(workspace), data)
    Output(json, quiet).result(lambda: entry, lambda console: print_best(console, entry))


@app.command("tag", context_settings=COMMAND_SETTINGS)
def tag(
    run: RunArgument,
    tags: Annotated[
        list[str], typer.Argument(help="Short marks, such as paper.", metavar="TAG...")
    ],
    remove: Annotated[bool, Option("--remove", help="Take the tags away.")] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Tag a run, to find it again; prune keeps what is tagged.

    \b
    Examples:
      dsample runs tag best paper
      dsample runs tag best paper --remove
    """
    from dsample_cli.runs.notes import add_tags, remove_tags
    from dsample_cli.runs.workspace import Workspace

    found = Workspace(workspace).find_run(run)
    notes = (remove_tags if remove else add_tags)(found, tags)
    _show_notes(Output(json, quiet), found, notes)


@app.command("note", context_settings=COMMAND_SETTINGS)
def note(
    run: RunArgument,
    text: Annotated[
        str, typer.Argument(help="The note, in place of an earlier one; '' takes it away.")
    ],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a note about a run, which show tells; prune keeps what has one.

    \b
    Examples:
      dsample runs note latest "before the labels of row 812 were mended"
    """
    from dsample_cli.runs.notes import write_note
    from dsample_cli.runs.workspace import Workspace

    found = Workspace(workspace).find_run(run)
    _show_notes(Output(json, quiet), found, write_note(found, text))


@app.command("prune", context_settings=COMMAND_SETTINGS)
def prune(
    keep: Annotated[
        int, Option("--keep", min=0, help="How many of the newest completed runs stay.")
    ] = 5,
    unfinished: Annotated[
        bool,
        Option(
            "--unfinished",
            help="Remove failed and interrupted runs too, which could still be resumed.",
        ),
    ] = False,
    yes: Annotated[bool, Option("--yes", "-y", help="Remove them.")] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="Only tell what would be removed.")] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Remove old runs for good; without --yes, only tell which.

    The newest stay, and the best of each data set, those with a tag or a note, those that a run
    which stays was made of, those in training, and, without --unfinished, what did not finish.

    \b
    Examples:
      dsample runs prune --keep 5 --dry-run
      dsample runs prune --keep 5 --yes
    """
    from dsample_cli.reports.housekeeping import count_text, print_prune, size_text
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.housekeeping import plan_prune
    from dsample_cli.workflows.housekeeping import prune as run_prune

    output, folder = Output(json, quiet), Workspace(workspace)
    plan = plan_prune(folder, keep, unfinished)
    if yes and not dry_run:
        plan = run_prune(folder, plan)
    is_refused = bool(plan.removed) and not yes and not dry_run
    if not (is_refused and json):
        output.result(plan.to_json, lambda console: print_prune(console, plan))
    if is_refused:
        raise ConfigError(
            f"Nothing was removed: {count_text(len(plan.removed))} ({size_text(plan.bytes)}) would "
            "go for good.",
            f"To remove them, add --yes: dsample runs prune --keep {keep}"
            f"{' --unfinished' * unfinished} --yes",
        )


@app.command("du", context_settings=COMMAND_SETTINGS)
def du(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Show how much room each run takes, largest first.

    \b
    Examples:
      dsample runs du
      dsample runs du --json
    """
    from dsample_cli.reports.housekeeping import print_disk_use
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.housekeeping import disk_use

    use = disk_use(Workspace(workspace))
    Output(json, quiet).result(use.to_json, lambda console: print_disk_use(console, use))


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


def _show_notes(output: Output, run: "Run", notes: "Notes") -> None:
    """Tell the tags and the note that a run has now."""
    from rich.text import Text

    from dsample_cli.reports._terminal import clean

    found = {"run": run.id, "tags": list(notes.tags), "note": notes.note}
    tags, note = " ".join(notes.tags) or "no tags", notes.note or "no note"
    output.result(
        lambda: found,
        lambda console: console.print(Text(clean(f"{run.id}: {tags}; {note}")), soft_wrap=True),
    )
