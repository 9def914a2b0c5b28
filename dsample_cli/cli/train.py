"""`dsample train`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dsample_cli.cli._options import (
    DEFAULT_WORKSPACE,
    ConfigOption,
    CorrectedForOption,
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
    TextColumnOption,
    TrustRemoteCodeOption,
    UnknownLabelsOption,
    WorkspaceOption,
    with_absolute_path,
)
from dsample_cli.cli._output import INTERRUPTED, Output, is_main_process
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
from dsample_cli.core.config import TYPED_ONLY
from dsample_cli.errors import ConfigError

if TYPE_CHECKING:
    from dsample_cli.core.progress import Listener
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.train import TrainResult

_D = DEFAULTS
# Options that are not part of a run's config, so they may go with --resume.
_OUTSIDE_CONFIG = {"workspace", "json", "quiet", "debug", "resume", "config", "preset"} | {
    *TYPED_ONLY
}


def train(
    ctx: typer.Context,
    data: Annotated[
        str | None,
        typer.Argument(help="Training file or pattern. Default: the file that analyze saw last."),
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
    model: Annotated[
        str,
        Option(
            "--model",
            help="minilm (all-MiniLM-L6-v2), tiny (made from the data, any language, no "
            "download), a hub id or a local folder.",
        ),
    ] = _D.model,
    tokenizer: Annotated[
        str | None,
        Option("--tokenizer", help="Hub id or folder when it is not the model's own."),
    ] = None,
    trust_remote_code: TrustRemoteCodeOption = _D.trust_remote_code,
    max_length: Annotated[
        int, Option("--max-length", help="Tokens that are kept of a text.")
    ] = _D.max_length,
    truncation_side: Annotated[
        str, Option("--truncation-side", help="Which end of a long text is cut: right, left.")
    ] = _D.truncation_side,
    dropout: Annotated[float | None, Option("--dropout", help="Default: the model's own.")] = None,
    freeze_embeddings: Annotated[
        bool, Option("--freeze-embeddings", help="Do not train what comes before the layers.")
    ] = False,
    freeze_layers: Annotated[
        int,
        Option(
            "--freeze-layers",
            help="Do not train so many of the lowest layers, nor the embeddings below them.",
        ),
    ] = _D.freeze_layers,
    lora: Annotated[
        int,
        Option(
            "--lora",
            help="Train adapters of this rank (8 is usual) and the head instead of the encoder; "
            "they are merged into the saved model. 0 is off. Needs the extra peft.",
            metavar="RANK",
        ),
    ] = _D.lora,
    lora_alpha: Annotated[
        float | None,
        Option("--lora-alpha", help="lora: strength of the adapters. Default: twice the rank."),
    ] = None,
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
    order: Annotated[
        str, Option("--order", help="What a natural epoch reads: shuffled or file.")
    ] = _D.order,
    loss: Annotated[
        str,
        Option(
            "--loss",
            help="Training loss: ce, label-aware-smoothing, weighted, focal, soft-f1, "
            "balanced-softmax, logit-adjusted, vs, dice, seesaw, equalization or ldam. "
            "See: dsample methods",
        ),
    ] = _D.loss,
    label_smoothing: Annotated[
        float,
        Option("--label-smoothing", help="ce: share of the target that all classes get."),
    ] = _D.label_smoothing,
    smoothing_many: Annotated[
        float,
        Option("--smoothing-many", help="label-aware-smoothing: that of the largest class."),
    ] = _D.smoothing_many,
    smoothing_few: Annotated[
        float,
        Option("--smoothing-few", help="label-aware-smoothing: that of the smallest class."),
    ] = _D.smoothing_few,
    class_weight: Annotated[
        str,
        Option("--class-weight", help="weighted: balanced, one-minus-share or effective-number."),
    ] = _D.class_weight,
    weight_beta: Annotated[
        float,
        Option(
            "--weight-beta",
            help="weighted by effective-number: from 0 (no weights) to below 1 (balanced).",
        ),
    ] = _D.weight_beta,
    focal_gamma: Annotated[
        float, Option("--focal-gamma", help="focal: how much easy examples fade; 0 is ce.")
    ] = _D.focal_gamma,
    f1_weight: Annotated[
        float, Option("--f1-weight", help="soft-f1: share of F1, the rest is cross-entropy.")
    ] = _D.f1_weight,
    tau: Annotated[
        float,
        Option("--tau", help="logit-adjusted and vs: strength of the adjustment; 1 is balance."),
    ] = _D.tau,
    vs_gamma: Annotated[
        float, Option("--vs-gamma", help="vs: how much rare classes' logits shrink.")
    ] = _D.vs_gamma,
    dice_alpha: Annotated[
        float, Option("--dice-alpha", help="dice: how much easy examples fade.")
    ] = _D.dice_alpha,
    dice_smooth: Annotated[
        float, Option("--dice-smooth", help="dice: higher is flatter.")
    ] = _D.dice_smooth,
    seesaw_p: Annotated[
        float, Option("--seesaw-p", help="seesaw: how much rare classes are spared.")
    ] = _D.seesaw_p,
    seesaw_q: Annotated[
        float, Option("--seesaw-q", help="seesaw: how much mistakes are punished.")
    ] = _D.seesaw_q,
    equalization_share: Annotated[
        float | None,
        Option(
            "--equalization-share",
            help="equalization: classes below this share are rare. Default: half of 1/classes.",
        ),
    ] = None,
    equalization_drop: Annotated[
        float,
        Option(
            "--equalization-drop",
            help="equalization: how probably the examples of others leave a rare class out.",
        ),
    ] = _D.equalization_drop,
    ldam_margin: Annotated[
        float,
        Option(
            "--ldam-margin", help="ldam: margin of the rarest class, as a difference of cosines."
        ),
    ] = _D.ldam_margin,
    ldam_scale: Annotated[
        float, Option("--ldam-scale", help="ldam: what cosines are multiplied by.")
    ] = _D.ldam_scale,
    drw: Annotated[
        bool,
        Option(
            "--drw",
            help="Deferred re-weighting: in the last epochs multiply each --loss by the effective "
            "number weight of its class.",
        ),
    ] = _D.drw,
    drw_start: Annotated[
        float,
        Option("--drw-start", help="drw: share of the epochs before it begins."),
    ] = _D.drw_start,
    drw_beta: Annotated[
        float,
        Option("--drw-beta", help="drw: from 0 (no weights) to below 1 (towards 1 / examples)."),
    ] = _D.drw_beta,
    contrastive: Annotated[
        float,
        Option(
            "--contrastive",
            help="Weight of a contrastive loss of the pooled features, added to --loss; 0 is off.",
        ),
    ] = _D.contrastive,
    contrastive_form: Annotated[
        str,
        Option(
            "--contrastive-form",
            help="supervised, or balanced (each class weighs the same).",
        ),
    ] = _D.contrastive_form,
    contrastive_temperature: Annotated[
        float | None,
        Option(
            "--contrastive-temperature",
            help="Lower looks at nearer examples. Default: 0.3 supervised, 0.1 balanced.",
        ),
    ] = None,
    correct: Annotated[
        str,
        Option(
            "--correct",
            help="Correction of the trained model, fitted on validation data: auto (logit-adjust "
            "and temperature, each only if it helps beyond noise), none, logit-adjust, tau-norm, "
            "thresholds or temperature.",
        ),
    ] = _D.correct,
    target_prior: CorrectedForOption = _D.target_prior,
    epochs: EpochsOption = _D.epochs,
    batch_size: Annotated[
        int, Option("--batch-size", help="Examples a batch, per process.")
    ] = _D.batch_size,
    grad_accum: Annotated[
        int,
        Option(
            "--grad-accum",
            help="Batches a step of the optimizer: so many small ones train like a large one, in "
            "the memory of a small one.",
            metavar="N",
        ),
    ] = _D.grad_accum,
    lr: Annotated[
        str,
        Option(
            "--lr",
            help="Learning rate of the encoder: auto (by width; 5 times that with --lora) or a "
            "number.",
        ),
    ] = _D.lr,
    head_lr_factor: Annotated[
        str,
        Option(
            "--head-lr-factor",
            help="The new head learns so much faster: auto (10; 1 for tiny, where all is new; "
            "with --lora a fifth of these) or a number.",
        ),
    ] = _D.head_lr_factor,
    lr_schedule: Annotated[
        str, Option("--lr-schedule", help="linear or cosine decay to 0, or constant.")
    ] = _D.lr_schedule,
    lr_warmup: Annotated[
        float, Option("--lr-warmup", help="Share of the steps over which lr rises.")
    ] = _D.lr_warmup,
    optimizer: Annotated[
        str,
        Option(
            "--optimizer",
            "--optim",
            help="adamw, adam, or adafactor, which keeps a fraction of their state.",
        ),
    ] = _D.optimizer,
    weight_decay: Annotated[
        float, Option("--weight-decay", help="Of the weight matrices.")
    ] = _D.weight_decay,
    grad_clip: Annotated[
        float, Option("--grad-clip", help="Highest gradient norm; 0 is off.")
    ] = _D.grad_clip,
    patience: Annotated[
        int,
        Option(
            "--patience", help="Stop after so many judged epochs without improvement; 0 is off."
        ),
    ] = _D.patience,
    select_on: Annotated[
        str,
        Option(
            "--select-on",
            help="What makes an epoch the best: macro-f1, balanced-accuracy, accuracy or loss.",
        ),
    ] = _D.select_on,
    seed: SeedOption = _D.seed,
    device: DeviceOption = _D.device,
    precision: PrecisionOption = _D.precision,
    gradient_checkpointing: Annotated[
        bool,
        Option(
            "--gradient-checkpointing",
            help="Compute the activations within layers twice instead of keeping them: less "
            "memory, slower, the same result.",
        ),
    ] = False,
    compile: Annotated[
        bool,
        Option(
            "--compile",
            help="Train a program that torch.compile makes of the model; with MiniLM on a CPU it "
            "was slower, and took minutes to make.",
        ),
    ] = False,
    workers: Annotated[
        int,
        Option(
            "--workers",
            help="Processes that make the batches beside the training; the result is the same.",
            metavar="N",
        ),
    ] = _D.workers,
    groups: GroupsOption = None,
    preset: PresetOption = None,
    keep_checkpoints: Annotated[
        bool, Option("--keep-checkpoints", help="Keep them after the run is completed.")
    ] = False,
    checkpoint_steps: Annotated[
        int,
        Option(
            "--checkpoint-steps",
            help="Write a checkpoint every so many steps too; 0 is at the end of epochs only.",
        ),
    ] = _D.checkpoint_steps,
    record_draws: Annotated[
        bool,
        Option(
            "--record-draws",
            help="Store the row numbers that each epoch draws, in order, as draws/epoch-*.parquet.",
        ),
    ] = False,
    report_to: Annotated[
        list[str] | None,
        Option(
            "--report-to",
            help="Report each epoch to tensorboard (in logs of the run), wandb or mlflow (set up "
            "by their environment variables); several with commas. Default: none.",
            metavar="NAME",
        ),
    ] = None,
    resume: Annotated[
        str | None,
        Option("--resume", help="Go on with a stopped run.", metavar="RUN"),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    config: ConfigOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int:
    """Train a classifier with a sampling schedule and store the run.

    \b
    Examples:
      dsample train data.csv
      dsample train --schedule cyclic --cycle 3
      dsample train data.csv --val val.csv --test test.csv --score inverse --schedule warmup
      dsample train data.csv --model tiny --epochs 20
      dsample train --config dsample_workspace/runs/RUN/config.toml
      dsample train --resume RUN
    """
    from dsample_cli.reports.tables import print_training
    from dsample_cli.runs.workspace import Workspace

    output = Output(json, quiet)
    folder = Workspace(Path(workspace))
    with output.listening() as listener:
        result = _run(ctx, folder, listener)
    output.result(result.to_json, lambda console: print_training(console, result))
    if result.status != "completed":
        if not quiet and is_main_process():
            typer.echo(f"Stopped. Resume with: {_resume_command(result, folder)}", err=True)
        return INTERRUPTED
    return 0


def _run(ctx: typer.Context, workspace: "Workspace", listener: "Listener") -> "TrainResult":
    from dsample_cli.workflows import train as workflow
    from dsample_cli.workflows.datasets import with_absolute_files

    if ctx.params["resume"] is not None:
        _refuse_options_beside_resume(ctx)
        stored = workspace.find_run(ctx.params["resume"])
        return workflow.resume(stored, listener, ctx.params["trust_remote_code"])
    config = read_train_config(ctx, workspace, listener)
    config = replace(config, target_prior=with_absolute_path(config.target_prior))
    return workflow.train(with_absolute_files(config), workspace, listener)


def _refuse_options_beside_resume(ctx: typer.Context) -> None:
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if name not in _OUTSIDE_CONFIG and source is not None and source.name == "COMMANDLINE":
            raise ConfigError(
                f"--{name.replace('_', '-')} does not go with --resume: a run keeps its options.",
                "Leave it out, or begin a new run without --resume.",
            )


def _resume_command(result: "TrainResult", workspace: "Workspace") -> str:
    elsewhere = "" if workspace.path == DEFAULT_WORKSPACE else f" --workspace {workspace.path}"
    return f"dsample train --resume {result.run.id}{elsewhere}"
