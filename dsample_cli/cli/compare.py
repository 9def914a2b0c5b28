"""`dsample compare`."""

from pathlib import Path
from typing import Annotated

import typer

from dsample_cli.cli._options import (
    DEFAULT_WORKSPACE,
    ConfigOption,
    DebugOption,
    JsonOption,
    Option,
    QuietOption,
    WorkspaceOption,
)
from dsample_cli.cli._output import Output
from dsample_cli.cli._places import check_place


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Two runs or more, each an id, prefix, path, latest or best; the others are "
            "compared with the first.",
            metavar="RUN RUN...",
        ),
    ],
    split: Annotated[
        str,
        Option(
            "--split",
            help="Whose predictions are compared: test, validation, or auto, the test split "
            "where all runs have one.",
        ),
    ] = "auto",
    different_data: Annotated[
        bool,
        Option(
            "--different-data",
            help="Compare runs that predicted different rows too: differences are not paired, "
            "and nothing is tested.",
        ),
    ] = False,
    html: Annotated[
        Path | None,
        Option("--html", help="Write all of this as a page that opens offline.", metavar="FILE"),
    ] = None,
    plot: Annotated[
        Path | None,
        Option(
            "--plot",
            help="Draw the recall of each class against its train count as PNG.",
            metavar="FILE",
        ),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    config: ConfigOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Compare runs on the rows that all of them predicted, with intervals and tests.

    Runs that differ by their seed alone are shown as one, with mean and standard deviation.

    \b
    Examples:
      dsample compare latest best
      dsample compare 20260102-130405 20260102-140506 20260102-150607
      dsample compare latest best --html comparison.html --plot recall.png
      dsample compare latest best --split validation --json
    """
    from dsample_cli.reports.comparison import print_comparison
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.compare import compare as run_comparison

    check_place("--html", html, "comparison.html")
    check_place("--plot", plot, "recall.png", (html,))
    output = Output(json, quiet)
    with output.listening() as listener:
        result = run_comparison(Workspace(Path(workspace)), runs, listener, split, different_data)
    if html is not None:
        from dsample_cli.reports.comparison_page import write_comparison_html

        write_comparison_html(html, result)
    if plot is not None:
        from dsample_cli.reports.comparison_page import draw_recalls

        draw_recalls(plot, result)
    written = {"html": html and str(html), "plot": plot and str(plot)}
    output.result(
        lambda: {**result.to_json(), **written},
        lambda console: print_comparison(console, result, [p for p in written.values() if p]),
    )
