"""`dsample analyze`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dsample_cli.cli._options import (
    DATA_FILE_HELP,
    DEFAULT_WORKSPACE,
    ConfigOption,
    DebugOption,
    DelimiterOption,
    EncodingOption,
    GroupsOption,
    JsonOption,
    LabelColumnOption,
    MaxBytesOption,
    Option,
    QuietOption,
    TextColumnOption,
    WorkspaceOption,
)
from dsample_cli.cli._output import CHECK_FAILED, Output
from dsample_cli.cli._places import check_place
from dsample_cli.core.config import MOST_EPOCHS, TrainConfig

if TYPE_CHECKING:
    from dsample_cli.core.read_options import ReadOptions
    from dsample_cli.workflows.analyze import AnalyzeResult


def analyze(
    data: Annotated[
        str,
        typer.Argument(help=DATA_FILE_HELP),
    ],
    text_column: TextColumnOption = None,
    label_column: LabelColumnOption = None,
    encoding: EncodingOption = None,
    delimiter: DelimiterOption = None,
    max_bytes: MaxBytesOption = None,
    groups: GroupsOption = None,
    epochs: Annotated[
        int | None,
        Option("--epochs", min=1, max=MOST_EPOCHS, help="Planned epochs of the schedule preview."),
    ] = None,
    cycle: Annotated[int, Option("--cycle", min=1, help="Cycle of the schedule preview.")] = 3,
    model: Annotated[
        str,
        Option(
            "--model",
            help="Encoder whose tokenizer measures the texts: hub id, folder, minilm or tiny.",
        ),
    ] = TrainConfig.model,
    max_length: Annotated[
        int, Option("--max-length", min=2, help="Tokens that training would keep of a text.")
    ] = TrainConfig.max_length,
    against: Annotated[
        str | None,
        Option(
            "--against",
            help="File to compare with, such as the test data: rows in both, labels in one, "
            "other class shares.",
            metavar="FILE",
        ),
    ] = None,
    baseline: Annotated[
        bool,
        Option(
            "--baseline",
            help="Cross-validate TF-IDF and logistic regression, which training is to beat; train "
            "then shows its gain over it.",
        ),
    ] = False,
    label_issues: Annotated[
        bool,
        Option(
            "--label-issues",
            help="Look for rows whose label that model, fitted without them, contradicts.",
        ),
    ] = False,
    html: Annotated[
        Path | None,
        Option(
            "--html",
            help="Write all of this as a page that opens offline. It quotes the beginning of a few "
            "texts: those of rows with problems.",
            metavar="FILE",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        Option(
            "--plot",
            help="Draw classes, what the scores would draw, and text lengths as PNG.",
            metavar="FILE",
        ),
    ] = None,
    fast: Annotated[
        bool,
        Option("--fast", help="Leave out normalised duplicates, tokens and other columns."),
    ] = False,
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
      dsample analyze 'parts/*.csv' --encoding cp949
      dsample analyze train.csv --against test.csv --strict
      dsample analyze data.csv --baseline --label-issues
      dsample analyze data.csv --html analysis.html --plot analysis.png
      dsample analyze data.csv --json
    """
    from dsample_cli.core.read_options import ReadOptions
    from dsample_cli.reports.tables import print_analysis
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.analyze import analyze as run_analysis

    inputs = (data, against)
    check_place("--html", html, "analysis.html", inputs)
    check_place("--plot", plot, "analysis.png", (*inputs, html))
    reading = ReadOptions(encoding, delimiter, max_bytes)
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
            model,
            max_length,
            against,
            not fast,
            reading,
            baseline,
            label_issues,
        )
    _write(result, html, plot, reading)
    written = {"html": html and str(html), "plot": plot and str(plot)}
    output.result(
        lambda: {**result.to_json(), **written},
        lambda console: print_analysis(console, result, [p for p in written.values() if p]),
    )
    has_error = any(problem.severity == "error" for problem in result.profile.problems)
    return CHECK_FAILED if strict and has_error else 0


def _write(
    result: "AnalyzeResult", html: Path | None, plot: Path | None, reading: "ReadOptions"
) -> None:
    """Write the page and the picture that were asked for."""
    if html is None and plot is None:
        return
    from dsample_cli.workflows.analysis_page import make_analysis_report

    report = make_analysis_report(result, reading, with_examples=html is not None)
    if html is not None:
        from dsample_cli.reports.analysis import write_analysis_html

        write_analysis_html(html, report)
    if plot is not None:
        from dsample_cli.reports.distributions import write_analysis_png

        write_analysis_png(plot, report)
