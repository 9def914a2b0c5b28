"""`dsample correct`."""

from pathlib import Path
from typing import Annotated

from dsample_cli.cli._options import (
    DEFAULT_WORKSPACE,
    ConfigOption,
    CorrectedForOption,
    DebugOption,
    DeviceOption,
    JsonOption,
    Option,
    PrecisionOption,
    QuietOption,
    RunOption,
    TrustRemoteCodeOption,
    WorkspaceOption,
    with_absolute_path,
)
from dsample_cli.cli._output import Output


def correct(
    run: RunOption = "latest",
    method: Annotated[
        str,
        Option(
            "--method",
            help="auto, none (take back what the run has), logit-adjust, tau-norm, thresholds or "
            "temperature; as train --correct.",
        ),
    ] = "auto",
    target_prior: CorrectedForOption = "uniform",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    trust_remote_code: TrustRemoteCodeOption = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    config: ConfigOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Correct a trained run in another way; the result is a new run with the same weights.

    The correction is fitted on the run's validation rows and folded into the last layer, so that
    the stored model gives corrected predictions wherever it is loaded.

    \b
    Examples:
      dsample correct --method logit-adjust
      dsample correct --run RUN --method logit-adjust --target-prior spam=0.02
      dsample correct --run RUN --method none
    """
    from dsample_cli.reports.tables import print_training
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.correct import correct as run_correction

    output = Output(json, quiet)
    folder = Workspace(Path(workspace))
    shares = with_absolute_path(target_prior)
    with output.listening() as listener:
        result = run_correction(
            folder.find_run(run),
            folder,
            listener,
            method,
            shares,
            device,
            precision,
            trust_remote_code,
        )
    output.result(result.to_json, lambda console: print_training(console, result))
