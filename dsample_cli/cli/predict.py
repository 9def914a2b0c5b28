"""`dsample predict`."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dsample_cli.cli._options import (
    DATA_FILE_HELP,
    DEFAULT_WORKSPACE,
    ConfigOption,
    DebugOption,
    DelimiterOption,
    DeviceOption,
    EncodingOption,
    JsonOption,
    MaxBytesOption,
    Option,
    PrecisionOption,
    QuietOption,
    RunOption,
    TargetPriorOption,
    TextColumnOption,
    TrustRemoteCodeOption,
    WorkspaceOption,
)
from dsample_cli.cli._output import Output, is_main_process, print_json
from dsample_cli.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsample_cli.core.progress import Listener
    from dsample_cli.workflows.predict import PredictSummary


def predict(
    data: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help=DATA_FILE_HELP,
        ),
    ],
    run: RunOption = "latest",
    output: Annotated[
        Path | None,
        Option("--output", "-o", help="Write to FILE, which appears whole.", metavar="FILE"),
    ] = None,
    text_column: TextColumnOption = None,
    encoding: EncodingOption = None,
    delimiter: DelimiterOption = None,
    max_bytes: MaxBytesOption = None,
    include_data: Annotated[
        bool, Option("--data/--no-data", help="Repeat the input row in each line.")
    ] = True,
    top: Annotated[
        int | None, Option("--top", min=1, help="List only the K most probable classes.")
    ] = None,
    target_prior: TargetPriorOption = None,
    engine: Annotated[
        str,
        Option(
            "--engine",
            help="What runs the model: torch, onnx (ONNX Runtime on the CPU; needs the extra "
            "onnx) or onnx-int8 (quantised; what that costs in macro-F1 is told).",
            metavar="NAME",
        ),
    ] = "torch",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    trust_remote_code: TrustRemoteCodeOption = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    config: ConfigOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Label new text: one JSON line a row, in input order.

    \b
    Examples:
      dsample predict new.csv > predictions.jsonl
      dsample predict new.csv -o predictions.jsonl --top 3 --no-data
      dsample predict 'new/*.jsonl.gz' -o predictions.jsonl
      cat new.jsonl | dsample predict - --run best
      torchrun --nproc-per-node 2 -m dsample_cli predict new.csv -o predictions.jsonl
    """
    if json and output is None:
        raise ConfigError(
            "--json prints a summary, so the predictions need a file.", "Add -o predictions.jsonl"
        )
    # oneDNN, which multiplies for torch on CPUs, would keep its kernels for 1,024 shapes: 100 MB
    # that fill up as rows go by, and a batch's shape hardly comes again.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    from dsample_cli.core.read_options import ReadOptions
    from dsample_cli.runs.files import atomic_writer
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows import predict as workflow

    reading = ReadOptions(encoding, delimiter, max_bytes)
    stored = Workspace(workspace).find_run(run)

    def run_with(write: "Callable[[str], object]", listener: "Listener") -> "PredictSummary":
        return workflow.predict(
            stored,
            data,
            write,
            listener,
            tuple(text_column or ()),
            include_data,
            top,
            device,
            precision,
            target_prior,
            reading,
            engine,
            trust_remote_code,
        )

    with Output(json, quiet).listening() as listener:
        if not is_main_process():
            run_with(lambda text: None, listener)
            return
        if output is None:
            summary = run_with(sys.stdout.write, listener)
        else:
            with atomic_writer(output) as file:
                summary = run_with(file.write, listener)
    if summary.without_text:
        rows, their = ("row has", "its") if summary.without_text == 1 else ("rows have", "their")
        listener.warn(f"{summary.without_text} {rows} no text; {their} label is null.")
    if output is not None and json:
        print_json(
            {
                "run": summary.run,
                "rows": summary.rows,
                "output": str(output),
                "labels": dict(summary.labels.most_common()),
                "without_text": summary.without_text,
                "engine": summary.engine,
                "int8": summary.int8 and summary.int8.to_json(),
            }
        )
    elif output is not None:
        listener.note(f"{summary.rows} rows labelled by {summary.run} -> {output}")
