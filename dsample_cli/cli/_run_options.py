"""Options that decide what a run trains on and draws by: `train` and `schedule` share them."""

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dsample_cli.cli._options import Option, apply_config, apply_preset
from dsample_cli.core.config import (
    TrainConfig,
    parse_number_or_auto,
    parse_trackers,
    parse_whole_or_auto,
)
from dsample_cli.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsample_cli.core.progress import Listener
    from dsample_cli.runs.workspace import Workspace

_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(TrainConfig)}
# The default of each option of `train`, as an attribute.
DEFAULTS: Any = SimpleNamespace(**_DEFAULTS)


def read_train_config(
    ctx: typer.Context, workspace: "Workspace", listener: "Listener", **words: str
) -> TrainConfig:
    """What the command line, environment and config file ask for.

    Args:
        ctx: Of a command whose options are among those of `train`.
        workspace: Has the data when no DATA is given.
        listener: Hears that it is taken from there.
        **words: How to say so, see `current_dataset_options`.

    Raises:
        BadParameter: If an option that takes auto or a number is neither.
        ConfigError: If a value is impossible, or there is no DATA.
    """
    from dsample_cli.workflows.current import current_dataset_options

    options = read_train_options(ctx)
    if "data" not in options:
        options = current_dataset_options(workspace, listener, **words) | {
            name: value for name, value in options.items() if value not in (None, ())
        }
    return TrainConfig(**options)


def read_train_options(ctx: typer.Context) -> dict[str, Any]:
    """The options of a TrainConfig that a command has, those that are unset left out.

    Raises:
        BadParameter: If an option that takes auto or a number is neither.
    """
    options = {k: v for k, v in ctx.params.items() if k in _DEFAULTS and v is not None}
    options["text_column"] = tuple(options.get("text_column") or ())
    if "report_to" in options:
        options["report_to"] = parse_trackers(options["report_to"])
    for name in ("lr", "head_lr_factor", "temperature", "beta"):
        if name in options:  # `schedule` has not all of them
            options[name] = _parsed(parse_number_or_auto, options[name], name)
    options["epochs"] = _parsed(parse_whole_or_auto, options["epochs"], "epochs")
    return options


def _parsed(parse: "Callable[[str, str], Any]", text: str, name: str) -> Any:
    """The value of an option that takes auto or a number; anything else is wrong usage."""
    try:
        return parse(str(text), name.replace("_", "-"))
    except ConfigError as error:
        raise typer.BadParameter(error.message) from None


def read_run_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """The callback of a --config that may be a run's: what only `train` knows is left out."""
    return apply_config(ctx, path, ignored=_DEFAULTS.keys() | {"resume"})


ValOption = Annotated[
    str | None, Option("--val", help="Validation file or pattern.", metavar="FILE")
]
TestOption = Annotated[str | None, Option("--test", help="Test file or pattern.", metavar="FILE")]
ValSizeOption = Annotated[
    float, Option("--val-size", help="Share of DATA to validate on without --val.")
]
TestSizeOption = Annotated[
    float, Option("--test-size", help="Share of DATA to test on without --test.")
]
GroupColumnOption = Annotated[
    str | None,
    Option(
        "--group-column",
        help="Rows with the same value here stay on one side of the split.",
        metavar="NAME",
    ),
]
LabelsOption = Annotated[
    str | None,
    Option(
        "--labels",
        help="Names of the classes in the order of their ids: A,B,C or a file, one a line.",
    ),
]
ScoreOption = Annotated[
    str,
    Option(
        "--score",
        help="How much a class or an example deserves: softmax, inverse, sqrt, power, "
        "effective-number, oversample, undersample, easy, hard, online-batch, active-bias, "
        "recency-bias, or a product such as recency-bias+sqrt. See: dsample methods",
    ),
]
TemperatureOption = Annotated[
    str,
    Option(
        "--temperature",
        help="Of softmax: auto (nearest to balance), or a number; lower draws rare classes "
        "more, 1 is the reference's.",
    ),
]
MinorityShareOption = Annotated[
    float | None,
    Option(
        "--minority-share", help="Sets the temperature so that the rarest class has this share."
    ),
]
PowerOption = Annotated[
    float,
    Option("--power", help="power: the share follows this power of the count; 0 is balance."),
]
BetaOption = Annotated[
    str,
    Option(
        "--beta",
        help="effective-number: auto (1 - 1 / median count), or a number from 0 to below 1.",
    ),
]
ScoreWarmupOption = Annotated[
    int | None,
    Option(
        "--score-warmup",
        help="Epochs before an example score acts. Default: a fifth of --epochs, at least 1.",
    ),
]
HardShareOption = Annotated[
    float, Option("--hard-share", help="hard: share of the examples that is drawn.")
]
EasyStartOption = Annotated[
    float, Option("--easy-start", help="easy: share of each class that is drawn at first.")
]
PressureOption = Annotated[
    float,
    Option(
        "--pressure",
        help="online-batch and recency-bias: how many times as often the first example is "
        "drawn as the last, at first; it fades to 1.",
    ),
]
ActiveBiasOption = Annotated[
    str, Option("--active-bias", help="active-bias: variance or closeness (to the threshold).")
]
WindowOption = Annotated[
    int, Option("--window", help="recency-bias: predictions that are remembered.")
]
ScheduleOption = Annotated[
    str,
    Option(
        "--schedule",
        help="When the score is followed: natural, always, cyclic, switch, warmup, deferred, "
        "linear, cosine, dcl-convex, dcl-concave, dcl-composite, or several in a row such as "
        "warmup:2+cyclic:3. See: dsample methods",
    ),
]
CycleOption = Annotated[int, Option("--cycle", help="cyclic: every so many epochs one is natural.")]
WarmupEpochsOption = Annotated[
    int | None,
    Option("--warmup-epochs", help="warmup: natural epochs at first. Default: half of --epochs."),
]
SwitchStartOption = Annotated[
    str,
    Option("--switch-start", help="switch: weighted epochs with natural reviews, or natural."),
]
DeferOption = Annotated[
    float, Option("--defer", help="deferred: share of the epochs that is natural.")
]
DclDecayOption = Annotated[
    float, Option("--dcl-decay", help="dcl-concave: factor from one epoch to the next.")
]
EpochsOption = Annotated[
    str,
    Option(
        "--epochs",
        help="Epochs to train: auto (60,000 examples in all, in 3 to 16 epochs) or a number.",
    ),
]
SeedOption = Annotated[int, Option("--seed", help="Of every draw and weight.")]
PresetOption = Annotated[
    str | None,
    Option(
        "--preset",
        help="paper: the reference's own settings; flags and config override it.",
        callback=apply_preset,
        is_eager=True,
    ),
]
RunConfigOption = Annotated[
    Path | None,
    Option(
        "--config",
        help="TOML file with options, such as a run's config.toml; flags and DSAMPLE_* variables "
        "win over it.",
        callback=read_run_config,
        is_eager=True,
        metavar="FILE",
    ),
]
