"""`dsample train`."""

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dsample_cli.cli._options import (
    DEFAULT_WORKSPACE,
    ConfigOption,
    DebugOption,
    DeviceOption,
    GroupsOption,
    JsonOption,
    LabelColumnOption,
    Option,
    PrecisionOption,
    QuietOption,
    TextColumnOption,
    UnknownLabelsOption,
    WorkspaceOption,
    apply_preset,
)
from dsample_cli.cli._output import INTERRUPTED, Output, is_main_process
from dsample_cli.core.config import TrainConfig, parse_number_or_auto, parse_whole_or_auto
from dsample_cli.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsample_cli.core.progress import Listener
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.train import TrainResult

_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(TrainConfig)}
_D: Any = SimpleNamespace(**_DEFAULTS)
# Options that are not part of a run's config, so they may go with --resume.
_OUTSIDE_CONFIG = {"workspace", "json", "quiet", "debug", "resume", "config", "preset"}


def train(
    ctx: typer.Context,
    data: Annotated[
        str | None,
        typer.Argument(help="Training file. Default: the file that analyze saw last."),
    ] = None,
    val: Annotated[str | None, Option("--val", help="Validation file.", metavar="FILE")] = None,
    test: Annotated[str | None, Option("--test", help="Test file.", metavar="FILE")] = None,
    val_size: Annotated[
        float, Option("--val-size", help="Share of DATA to validate on without --val.")
    ] = _D.val_size,
    test_size: Annotated[
        float, Option("--test-size", help="Share of DATA to test on without --test.")
    ] = _D.test_size,
    text_column: TextColumnOption = None,
    label_column: LabelColumnOption = None,
    group_column: Annotated[
        str | None,
        Option(
            "--group-column",
            help="Rows with the same value here stay on one side of the split.",
            metavar="NAME",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        Option(
            "--labels",
            help="Names of the classes in the order of their ids: A,B,C or a file, one a line.",
        ),
    ] = None,
    unknown_labels: UnknownLabelsOption = _D.unknown_labels,
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
    max_length: Annotated[
        int, Option("--max-length", help="Tokens that are kept of a text.")
    ] = _D.max_length,
    truncation_side: Annotated[
        str, Option("--truncation-side", help="Which end of a long text is cut: right, left.")
    ] = _D.truncation_side,
    dropout: Annotated[float | None, Option("--dropout", help="Default: the model's own.")] = None,
    score: Annotated[
        str,
        Option("--score", help="How much a class deserves: softmax, inverse or sqrt."),
    ] = _D.score,
    temperature: Annotated[
        str,
        Option(
            "--temperature",
            help="Of softmax: auto (nearest to balance), or a number; lower draws rare classes "
            "more, 1 is the reference's.",
        ),
    ] = _D.temperature,
    minority_share: Annotated[
        float | None,
        Option(
            "--minority-share", help="Sets the temperature so that the rarest class has this share."
        ),
    ] = None,
    schedule: Annotated[
        str,
        Option(
            "--schedule",
            help="When the score is followed: natural, always, cyclic, switch or warmup.",
        ),
    ] = _D.schedule,
    cycle: Annotated[
        int, Option("--cycle", help="cyclic: every so many epochs one is natural.")
    ] = _D.cycle,
    warmup_epochs: Annotated[
        int | None,
        Option(
            "--warmup-epochs", help="warmup: natural epochs at first. Default: half of --epochs."
        ),
    ] = None,
    switch_start: Annotated[
        str,
        Option("--switch-start", help="switch: weighted epochs with natural reviews, or natural."),
    ] = _D.switch_start,
    order: Annotated[
        str, Option("--order", help="What a natural epoch reads: shuffled or file.")
    ] = _D.order,
    loss: Annotated[str, Option("--loss", help="Training loss: ce.")] = _D.loss,
    epochs: Annotated[
        str,
        Option(
            "--epochs",
            help="Epochs to train: auto (60,000 examples in all, in 3 to 16 epochs) or a number.",
        ),
    ] = _D.epochs,
    batch_size: Annotated[
        int, Option("--batch-size", help="Examples a step, per process.")
    ] = _D.batch_size,
    lr: Annotated[
        str, Option("--lr", help="Learning rate of the encoder: auto (by width) or a number.")
    ] = _D.lr,
    head_lr_factor: Annotated[
        str,
        Option(
            "--head-lr-factor",
            help="The new head learns so much faster: auto (10; 1 for tiny, where all is new) or "
            "a number.",
        ),
    ] = _D.head_lr_factor,
    lr_schedule: Annotated[
        str, Option("--lr-schedule", help="linear or cosine decay to 0, or constant.")
    ] = _D.lr_schedule,
    lr_warmup: Annotated[
        float, Option("--lr-warmup", help="Share of the steps over which lr rises.")
    ] = _D.lr_warmup,
    optimizer: Annotated[str, Option("--optimizer", help="adamw or adam.")] = _D.optimizer,
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
    seed: Annotated[int, Option("--seed", help="Of every draw and weight.")] = _D.seed,
    device: DeviceOption = _D.device,
    precision: PrecisionOption = _D.precision,
    groups: GroupsOption = None,
    preset: Annotated[
        str | None,
        Option(
            "--preset",
            help="paper: the reference's own settings; flags and config override it.",
            callback=apply_preset,
            is_eager=True,
        ),
    ] = None,
    keep_checkpoints: Annotated[
        bool, Option("--keep-checkpoints", help="Keep them after the run is completed.")
    ] = False,
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
    from dsample_cli.workflows.current import current_dataset_options

    if ctx.params["resume"] is not None:
        _refuse_options_beside_resume(ctx)
        return workflow.resume(workspace.find_run(ctx.params["resume"]), listener)
    options = {k: v for k, v in ctx.params.items() if k in _DEFAULTS and v is not None}
    options["text_column"] = tuple(options.get("text_column") or ())
    for name in ("lr", "head_lr_factor", "temperature"):
        options[name] = _parsed(parse_number_or_auto, options[name], name)
    options["epochs"] = _parsed(parse_whole_or_auto, options["epochs"], "epochs")
    if "data" not in options:
        options = current_dataset_options(workspace, listener) | {
            name: value for name, value in options.items() if value not in (None, ())
        }
    for name in ("data", "val", "test"):
        if name in options:
            options[name] = str(Path(options[name]).absolute())
    return workflow.train(TrainConfig(**options), workspace, listener)


def _parsed(parse: "Callable[[str, str], Any]", text: str, name: str) -> Any:
    """The value of an option that takes auto or a number; anything else is wrong usage."""
    try:
        return parse(str(text), name.replace("_", "-"))
    except ConfigError as error:
        raise typer.BadParameter(error.message) from None


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
