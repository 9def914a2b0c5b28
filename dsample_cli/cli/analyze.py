"""`dsample analyze`."""

from pathlib import Path
from typing import Annotated

import typer

from dsample_cli.cli._options import (
    DEFAULT_WORKSPACE,
    ConfigOption,
    DebugOption,
    GroupsOption,
    JsonOption,
    LabelColumnOption,
    Option,
    QuietOption,
    TextColumnOption,
    WorkspaceOption,
)
from dsample_cli.cli._output import Output

CHECK_FAILED = 3


def analyze(
    data: Annotated[
        str, typer.Argument(help="CSV, TSV, JSONL or Parquet file, also .gz; - is stdin.")
    ],
    text_column: TextColumnOption = None,
    label_column: LabelColumnOption = None,
    groups: GroupsOption = None,
    epochs: Annotated[
        int | None, Option("--epochs", min=1, help="Planned epochs of the schedule preview.")
    ] = None,
    cycle: Annotated[int, Option("--cycle", min=1, help="Cycle of the schedule preview.")] = 3,
    strict: Annotated[
        bool, Option("--strict", help="Exit with 3 when a problem is an error.")
    ] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    config: ConfigOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int:
    """Show the class distribution, problems in the data, and what each sampler would draw.

    The file becomes the workspace's current dataset, which train uses when it gets no DATA.

    \b
    Examples:
      dsample analyze data.csv
      dsample analyze reviews.jsonl --text-column body --label-column topic
      dsample analyze data.csv --json
    """
    from dsample_cli.reports.tables import print_analysis
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.analyze import analyze as run_analysis

    output = Output(json, quiet)
    with output.listening() as listener:
        result = run_analysis(
            data,
            Workspace(Path(workspace)),
            listener,
            tuple(text_column or ()),
            label_column,
            groups,
            epochs,
            cycle,
        )
    output.result(result.to_json, lambda console: print_analysis(console, result))
    has_error = any(problem.severity == "error" for problem in result.profile.problems)
    return CHECK_FAILED if strict and has_error else 0
