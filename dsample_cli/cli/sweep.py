"""`dsample sweep`."""

import inspect
import shlex
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from dsample_cli.cli._options import (
    DEFAULT_WORKSPACE,
    Option,
    apply_config,
    with_absolute_path,
)
from dsample_cli.cli._output import INTERRUPTED, Output
from dsample_cli.cli._run_options import read_train_options
from dsample_cli.cli.train import train
from dsample_cli.core.config import TrainConfig
from dsample_cli.errors import ConfigError

if TYPE_CHECKING:
    from dsample_cli.core.progress import Listener
    from dsample_cli.workflows.sweep import SweepResult

# Options of `train` that a sweep takes as they are: their values hold commas, or have no effect on
# what is learned. All others take lists.
SINGLE = frozenset(
    "data val test text_column label_column group_column labels unknown_labels encoding delimiter "
    "max_bytes "
    "target_prior groups keep_checkpoints checkpoint_steps record_draws report_to device "
    "gradient_checkpointing compile workers trust_remote_code preset workspace json quiet "
    "debug".split()
)
_OTHER = frozenset({"resume", "config"})  # of `train`, with another meaning here or none
_FIELDS = frozenset(field.name for field in fields(TrainConfig))
_YES, _NO = ("yes", "true", "1", "on"), ("no", "false", "0", "off")


def _read_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """The callback of --config: a TOML array is a list of values."""
    apply_config(ctx, path)
    defaults = ctx.default_map or {}
    for name, value in defaults.items():
        if isinstance(value, list) and name not in SINGLE:
            defaults[name] = ",".join(str(item).replace(",", "\\,") for item in value)
    return path


def _sweep(ctx: typer.Context, **options: Any) -> int:
    """Train every combination of option values, each as a run of its own, and rank them.

    Each option shown with LIST takes several values with commas between; a comma that belongs to a
    value is written \\,. What an option does not act on is trained once: --cycle under switch, for
    example. The same command again goes on where it was stopped, and repeats no finished run.

    \b
    Examples:
      dsample sweep data.csv --schedule cyclic,switch --cycle 2,3,4,5 --seed 0,1,2
      dsample sweep data.csv --score softmax --temperature auto,0.25,1 --dry-run
      dsample sweep data.csv --val val.csv --test test.csv --loss ce,focal --focal-gamma 1,2
      dsample sweep data.csv --trials 20 --lr 1e-5..1e-3 --cycle 2..6 --schedule cyclic,dcl-convex
    """
    from dsample_cli.cli._leaderboard import showing
    from dsample_cli.reports.sweep import print_sweep
    from dsample_cli.runs.workspace import Workspace

    output = Output(options["json"], options["quiet"])
    folder = Workspace(Path(options["workspace"]))
    with showing(output) as board:
        base, grid = _read_grid(ctx, folder, board.listener)

        def read(values: Mapping[str, Any]) -> dict[str, Any]:
            return _read_point({**base, **values})

        if options["trials"] is None:
            from dsample_cli.workflows.sweep import sweep as run_sweep

            result = run_sweep(grid, read, folder, board, options["dry_run"])
        else:
            from dsample_cli.workflows.search import search

            result = search(grid, read, folder, board, options["trials"], options["dry_run"])
    is_usual = folder.path == DEFAULT_WORKSPACE
    elsewhere = "" if is_usual else f" --workspace {shlex.quote(str(folder.path))}"
    command, repeat = _command(ctx), _repeat_best(result, elsewhere)
    output.result(
        lambda: {**result.to_json(), "command": repeat},
        lambda console: print_sweep(console, result, repeat, command, elsewhere),
    )
    return _exit_code(result, command, output)


def _exit_code(result: "SweepResult", command: str, output: Output) -> int:
    if result.status == "interrupted":
        if not output.quiet:
            typer.echo(f"Stopped. Go on with: {command}", err=True)
        return INTERRUPTED
    if result.failed and not output.json_mode:
        output.complain(f"Error: {len(result.failed)} of the trainings failed, as told above.")
    return 1 if result.failed else 0


def _repeat_best(result: "SweepResult", elsewhere: str) -> str | None:
    """The command that trains the best run again."""
    file = result.config_file
    return None if file is None else f"dsample train --config {shlex.quote(file)}{elsewhere}"


def _read_grid(
    ctx: typer.Context, workspace: Any, listener: "Listener"
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Options with one value as they are given, and the lists of the others."""
    from dsample_cli.workflows.current import current_dataset_options
    from dsample_cli.workflows.grid import split_values
    from dsample_cli.workflows.search import parse_range

    given = {name: value for name, value in ctx.params.items() if value not in (None, [], ())}
    if given.get("data") == "-":
        raise ConfigError(
            "A sweep reads its data once for each run, which standard input cannot give.",
            "Store it in a file: dsample sweep FILE",
        )
    base = {name: value for name, value in given.items() if name in SINGLE & _FIELDS}
    if "data" not in base:
        base = {
            name: value
            for name, value in current_dataset_options(
                workspace, listener, "sweep", "Sweeping over"
            ).items()
            if value not in (None, ())
        } | base
    listed = {
        name: value
        for name, value in given.items()
        if name in _FIELDS - SINGLE and _is_given(ctx, name)
    }
    grid = {name: split_values(str(value)) for name, value in listed.items()}
    for name, values in grid.items():
        if ctx.params["trials"] is None and any(map(parse_range, values)):
            flag = name.replace("_", "-")
            raise typer.BadParameter(
                f"--{flag} {','.join(values)}: only a search has ranges. List the values, or give "
                "--trials N."
            )
    return base, grid


def _is_given(ctx: typer.Context, name: str) -> bool:
    """Whether an option was set: by a flag, a variable, a preset or a config file."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _read_point(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a TrainConfig, as `dsample train` itself reads them.

    Raises:
        BadParameter: If a value is none of its option's type.
    """
    command = _train_command()
    arguments = []
    for parameter in command.params:
        value = values.get(parameter.name or "")
        if value is None or parameter.name == "data":
            continue
        flag = parameter.opts[0]
        if getattr(parameter, "is_flag", False):
            arguments += [flag] if _is_yes(flag, value) else []
        elif isinstance(value, list | tuple):
            arguments += [f"{flag}={item}" for item in value]
        else:
            arguments.append(f"{flag}={value}")
    ctx = command.make_context("train", [*arguments, "--", values["data"]])
    options = read_train_options(ctx)
    return options | {"target_prior": with_absolute_path(options["target_prior"])}


def _is_yes(flag: str, value: Any) -> bool:
    word = str(value).lower()
    if word not in (*_YES, *_NO):
        raise typer.BadParameter(f"Invalid value for '{flag}': '{value}' is neither yes nor no.")
    return word in _YES


@cache
def _train_command() -> Any:
    """`dsample train`, without variables: this command has read them."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command("train")(train)
    return typer.main.get_command(app)


def _command(ctx: typer.Context) -> str:
    """What was typed, for it to be typed again."""
    words = ["dsample", "sweep"]
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if source is None or source.name != "COMMANDLINE" or parameter.name == "dry_run":
            continue
        value = ctx.params[parameter.name or ""]
        flag = parameter.opts[0]
        if parameter.param_type_name == "argument":
            words.append(str(value))
        elif isinstance(value, bool):
            words += [flag] if value else parameter.secondary_opts[:1]
        else:
            for item in value if isinstance(value, list | tuple) else [value]:
                words += [flag, str(item)]
    return shlex.join(words)


def _signature() -> inspect.Signature:
    """The parameters of `train`, most of them as lists, and those of the sweep itself."""
    parameters = [
        parameter if name in (*SINGLE, "ctx") else _listed(parameter)
        for name, parameter in inspect.signature(train).parameters.items()
        if name not in _OTHER
    ]
    place = [parameter.name for parameter in parameters].index("workspace")
    return inspect.Signature([*parameters[:place], *_OWN, *parameters[place:]])


def _listed(parameter: inspect.Parameter) -> inspect.Parameter:
    """An option of `train` as text: a list of what it takes there."""
    kind, info = get_args(parameter.annotation)
    info, default = copy(info), parameter.default
    info.metavar = "LIST"
    if kind is bool:
        info.help = f"yes, no or both. {info.help}"
        default = "no"
    default = default if default is None else str(default)
    return parameter.replace(annotation=Annotated[str | None, info], default=default)


_OWN = [
    inspect.Parameter(
        name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation
    )
    for name, default, annotation in (
        (
            "trials",
            None,
            Annotated[
                int | None,
                Option(
                    "--trials",
                    help="Search the space of the lists by so many trials instead of training all "
                    "of it; numbers may be a range such as 1e-5..1e-3. Needs the extra search.",
                    min=1,
                    metavar="N",
                ),
            ],
        ),
        (
            "dry_run",
            False,
            Annotated[
                bool, Option("--dry-run", help="Show what would be trained and how long, and stop.")
            ],
        ),
        (
            "config",
            None,
            Annotated[
                Path | None,
                Option(
                    "--config",
                    help="TOML file with options, lists as arrays; flags and DSAMPLE_* variables "
                    "win over it.",
                    callback=_read_config,
                    is_eager=True,
                    metavar="FILE",
                ),
            ],
        ),
    )
]


def _with_parameters(function: Callable[..., int]) -> Callable[..., int]:
    signature = _signature()
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    function.__name__ = "sweep"
    return function


sweep = _with_parameters(_sweep)
