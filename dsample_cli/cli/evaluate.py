"""`dsample evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from dsample_cli.cli._options import (
    DEFAULT_WORKSPACE,
    ConfigOption,
    DebugOption,
    DelimiterOption,
    DeviceOption,
    EncodingOption,
    GroupsOption,
    JsonOption,
    LabelColumnOption,
    MaxBytesOption,
    Option,
    PrecisionOption,
    QuietOption,
    RunOption,
    TargetPriorOption,
    TextColumnOption,
    TrustRemoteCodeOption,
    UnknownLabelsOption,
    WorkspaceOption,
)
from dsample_cli.cli._output import CHECK_FAILED, Output
from dsample_cli.errors import ConfigError


def evaluate(
    data: Annotated[
        str | None,
        typer.Argument(
            help="Labelled file or pattern. Default: the run's test split, else validation."
        ),
    ] = None,
    run: RunOption = "latest",
    text_column: TextColumnOption = None,
    label_column: LabelColumnOption = None,
    unknown_labels: UnknownLabelsOption = "error",
    encoding: EncodingOption = None,
    delimiter: DelimiterOption = None,
    max_bytes: MaxBytesOption = None,
    groups: GroupsOption = None,
    intervals: Annotated[
        bool,
        Option("--intervals/--no-intervals", help="95% intervals of the figures."),
    ] = True,
    predictions: Annotated[
        str | None,
        Option(
            "--predictions",
            help="Score this file of predictions, made by any tool, instead of a run.",
            metavar="FILE",
        ),
    ] = None,
    prediction_column: Annotated[
        str, Option("--prediction-column", help="Its column with the predicted label.")
    ] = "prediction",
    errors: Annotated[
        int | None,
        Option(
            "--errors",
            min=1,
            help="List the N wrong predictions that were surest, with their texts.",
            metavar="N",
        ),
    ] = None,
    by: Annotated[
        str | None,
        Option(
            "--by",
            help="Give the figures for each value of this column of the file too.",
            metavar="COLUMN",
        ),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        Option(
            "--fail-under",
            help="Exit with 3 unless a figure is at least so much: a metric, recall:LABEL, "
            "precision:LABEL, f1:LABEL or group:few. May be given again.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    confusion: Annotated[
        Path | None,
        Option("--confusion", help="Write the confusion matrix as PNG.", metavar="FILE"),
    ] = None,
    target_prior: TargetPriorOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    trust_remote_code: TrustRemoteCodeOption = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    config: ConfigOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int:
    """Report how well each class is recognised.

    \b
    Examples:
      dsample evaluate
      dsample evaluate test.csv --run best
      dsample evaluate --errors 10 --by source
      dsample evaluate --fail-under macro_f1=0.80 --fail-under recall:spam=0.6
      dsample evaluate --json --no-intervals
      dsample evaluate --predictions other.csv --label-column y --prediction-column p
    """
    from dsample_cli.core.read_options import ReadOptions
    from dsample_cli.reports.tables import print_evaluation
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows import evaluate as workflow

    output = Output(json, quiet)
    extras = workflow.make_extras(errors, by, fail_under or ())
    reading = ReadOptions(encoding, delimiter, max_bytes)
    if predictions is not None:
        if data is not None:
            raise ConfigError(
                "Give either DATA or --predictions, not both.", "Leave one of them out."
            )
        if target_prior is not None:
            raise ConfigError(
                "--target-prior needs the probabilities of a run, which --predictions has not.",
                "Leave one of them out.",
            )
        with output.listening() as listener:
            result = workflow.evaluate_file(
                predictions,
                label_column or "label",
                prediction_column,
                listener,
                groups,
                intervals,
                reading,
                extras,
                tuple(text_column or ()),
            )
    else:
        with output.listening() as listener:
            result = workflow.evaluate_run(
                Workspace(workspace).find_run(run),
                data,
                listener,
                tuple(text_column or ()),
                label_column,
                unknown_labels,
                groups,
                intervals,
                device,
                precision,
                target_prior,
                reading,
                extras,
                trust_remote_code,
            )
    if confusion is not None:
        from dsample_cli.reports.figures import write_confusion_png

        write_confusion_png(confusion, result.evaluation.confusion, result.evaluation.labels)
    output.result(result.to_json, lambda console: print_evaluation(console, result))
    for failed in result.failed_checks:
        output.complain(f"Check failed: {failed.told}")
    return CHECK_FAILED if result.failed_checks else 0
