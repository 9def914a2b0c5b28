"""`dsample refit`."""

from pathlib import Path
from typing import Annotated

from dsample_cli.cli._options import (
    DEFAULT_WORKSPACE,
    ConfigOption,
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
from dsample_cli.core.refitting import RefitConfig

_D = RefitConfig()


def refit(
    run: RunOption = "latest",
    head: Annotated[
        str,
        Option(
            "--head",
            help="crt (a new linear head), lws (a scale for each class), ncm (nearest class mean), "
            "tau-norm or disalign (scale and shift behind a gate). See: dsample methods",
        ),
    ] = _D.head,
    resample: Annotated[
        str | None,
        Option(
            "--resample",
            help="Resample the features first: smote, smote-enn, smote-tomek, enn, oss, oversample "
            "or ftl (feature transfer). Default: no.",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        Option(
            "--epochs",
            help="Most epochs, of 4,096 draws each. Default: 100, stopped early; 10 without "
            "validation data.",
        ),
    ] = None,
    lr: Annotated[
        float | None,
        Option("--lr", help="Learning rate. Default: 0.001; lws 0.01."),
    ] = None,
    rho: Annotated[
        float, Option("--rho", help="disalign: strength of the class weights; 1 is balance.")
    ] = _D.rho,
    seed: Annotated[
        int | None, Option("--seed", help="Of the draws. Default: the run's seed.")
    ] = None,
    correct: Annotated[
        str | None,
        Option("--correct", help="Correction afterwards, as in train. Default: the run's option."),
    ] = None,
    target_prior: Annotated[
        str | None,
        Option(
            "--target-prior",
            help="Class shares that it corrects for, as in train. Default: the run's option.",
            metavar="SHARES",
        ),
    ] = None,
    select_on: Annotated[
        str | None,
        Option(
            "--select-on",
            help="What makes an epoch the best: macro-f1, balanced-accuracy or accuracy. Default: "
            "the run's option.",
        ),
    ] = None,
    cache: Annotated[
        bool,
        Option(
            "--cache/--no-cache",
            help="Keep the features in the run that they are of, for the next refit.",
        ),
    ] = True,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    trust_remote_code: TrustRemoteCodeOption = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    config: ConfigOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Refit the head of a trained run on the features of its encoder; the result is a new run.

    The encoder stays as it is: the features are extracted once, and then a head takes seconds. A
    run that was refitted or corrected stands for the training that it came from.

    \b
    Examples:
      dsample refit --head crt
      dsample refit --run RUN --head lws
      dsample refit --head crt --resample smote --correct none
    """
    from dsample_cli.reports.tables import print_refit
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.refit import refit as run_refit

    output = Output(json, quiet)
    folder = Workspace(Path(workspace))
    wanted = RefitConfig(head, resample, epochs, lr, rho, seed)
    shares = None if target_prior is None else with_absolute_path(target_prior)
    own = {"correct": correct, "target_prior": shares, "select_on": select_on}
    changes = {name: value for name, value in own.items() if value is not None}
    with output.listening() as listener:
        result = run_refit(
            folder.find_run(run),
            folder,
            listener,
            wanted,
            changes,
            cache,
            device,
            precision,
            trust_remote_code,
        )
    output.result(result.to_json, lambda console: print_refit(console, result))
