"""`dsample schedule`."""

from pathlib import Path
from typing import Annotated

import typer

from dsample_cli.cli._options import (
    DEFAULT_WORKSPACE,
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
    UnknownLabelsOption,
    WorkspaceOption,
)
from dsample_cli.cli._output import Output
from dsample_cli.cli._places import check_place
from dsample_cli.cli._run_options import (
    DEFAULTS,
    ActiveBiasOption,
    BetaOption,
    CycleOption,
    DclDecayOption,
    DeferOption,
    EasyStartOption,
    EpochsOption,
    GroupColumnOption,
    HardShareOption,
    LabelsOption,
    MinorityShareOption,
    PowerOption,
    PresetOption,
    PressureOption,
    RunConfigOption,
    ScheduleOption,
    ScoreOption,
    ScoreWarmupOption,
    SeedOption,
    SwitchStartOption,
    TemperatureOption,
    TestOption,
    TestSizeOption,
    ValOption,
    ValSizeOption,
    WarmupEpochsOption,
    WindowOption,
    read_train_config,
)

_D = DEFAULTS


def schedule(
    ctx: typer.Context,
    data: Annotated[
        str | None,
        typer.Argument(
            help="Training file or pattern; - is stdin. Default: what analyze saw last."
        ),
    ] = None,
    val: ValOption = None,
    test: TestOption = None,
    val_size: ValSizeOption = _D.val_size,
    test_size: TestSizeOption = _D.test_size,
    text_column: TextColumnOption = None,
    label_column: LabelColumnOption = None,
    group_column: GroupColumnOption = None,
    labels: LabelsOption = None,
    unknown_labels: UnknownLabelsOption = _D.unknown_labels,
    encoding: EncodingOption = None,
    delimiter: DelimiterOption = None,
    max_bytes: MaxBytesOption = None,
    score: ScoreOption = _D.score,
    temperature: TemperatureOption = _D.temperature,
    minority_share: MinorityShareOption = None,
    power: PowerOption = _D.power,
    beta: BetaOption = _D.beta,
    score_warmup: ScoreWarmupOption = None,
    hard_share: HardShareOption = _D.hard_share,
    easy_start: EasyStartOption = _D.easy_start,
    pressure: PressureOption = _D.pressure,
    active_bias: ActiveBiasOption = _D.active_bias,
    window: WindowOption = _D.window,
    schedule: ScheduleOption = _D.schedule,
    cycle: CycleOption = _D.cycle,
    warmup_epochs: WarmupEpochsOption = None,
    switch_start: SwitchStartOption = _D.switch_start,
    defer: DeferOption = _D.defer,
    dcl_decay: DclDecayOption = _D.dcl_decay,
    epochs: EpochsOption = _D.epochs,
    seed: SeedOption = _D.seed,
    groups: GroupsOption = None,
    preset: PresetOption = None,
    plot: Annotated[
        Path | None,
        Option(
            "--plot",
            help="Draw mix and expected shares by epoch as PNG.",
            metavar="FILE",
        ),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    config: RunConfigOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what each epoch of a training would draw, without training.

    The options are those of train, and so is the split: the expected shares are those that train
    records.

    \b
    Examples:
      dsample schedule data.csv
      dsample schedule --schedule cyclic --cycle 3 --epochs 12
      dsample schedule data.csv --schedule warmup:2+linear --score inverse --plot schedule.png
      dsample schedule --config dsample_workspace/runs/RUN/config.toml
    """
    from dsample_cli.reports.tables import print_schedule
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.schedule import preview_schedule

    check_place("--plot", plot, "schedule.png")
    output = Output(json, quiet)
    with output.listening() as listener:
        asked = read_train_config(
            ctx, Workspace(workspace), listener, command="schedule", doing="Reading"
        )
        result = preview_schedule(asked, listener)
    if plot is not None:
        from dsample_cli.reports.figures import write_schedule_png

        run_decides = [epoch.depends_on_run for epoch in result.epochs]
        write_schedule_png(plot, result.mixes, result.shares_by_group, run_decides)
    picture = None if plot is None else str(plot)
    output.result(
        lambda: result.to_json(picture), lambda console: print_schedule(console, result, picture)
    )
