"""`dsample export`."""

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
    RunOption,
    TrustRemoteCodeOption,
    WorkspaceOption,
)
from dsample_cli.cli._output import Output


def export(
    run: RunOption = "latest",
    to: Annotated[
        Path | None,
        Option("--to", help="Folder to write, a new or an empty one.", metavar="DIR"),
    ] = None,
    format: Annotated[
        str,
        Option(
            "--format",
            help="transformers (what from_pretrained loads) or onnx (checked against the run; "
            "needs the extra onnx).",
        ),
    ] = "transformers",
    int8: Annotated[
        bool,
        Option(
            "--int8",
            help="onnx: weights in int8 (dynamic quantisation); what that costs in macro-F1 is "
            "measured on the run's held-out rows.",
        ),
    ] = False,
    force: Annotated[
        bool, Option("--force", help="Replace an earlier export in the folder.")
    ] = False,
    push: Annotated[
        str | None,
        Option(
            "--push",
            help="Upload it to this model on the Hugging Face Hub, made private when it is new.",
            metavar="REPO",
        ),
    ] = None,
    public: Annotated[
        bool, Option("--public", help="push: to a model that anybody may read.")
    ] = False,
    trust_remote_code: TrustRemoteCodeOption = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    config: ConfigOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a run's model to a folder of its own, ready to be passed on or uploaded.

    The folder has the model, its tokenizer, the model card and dsample.json (labels, class priors,
    correction), and no text or path of the training. It appears whole or not at all.

    \b
    Examples:
      dsample export --to classifier
      dsample export --run best --to classifier-onnx --format onnx
      dsample export --to classifier-int8 --format onnx --int8
      dsample export --run RUN --push my-name/classifier
    """
    from dsample_cli.reports.export import print_export
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.export import Target
    from dsample_cli.workflows.export import export as run_export

    if to is None and push is None:
        raise typer.BadParameter("Say where to: --to DIR, --push REPO or both.")
    if public and push is None:
        raise typer.BadParameter("--public goes with --push REPO.")
    if force and to is None:
        raise typer.BadParameter("--force goes with --to DIR.")
    if int8 and format != "onnx":
        raise typer.BadParameter("--int8 goes with --format onnx.")
    output = Output(json, quiet)
    target = Target(to, force, push, public)
    with output.listening() as listener:
        stored = Workspace(Path(workspace)).find_run(run)
        result = run_export(stored, target, listener, format, int8, trust_remote_code)
    output.result(result.to_json, lambda console: print_export(console, result))
