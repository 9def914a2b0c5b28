"""Options that several commands share, and the ways to set them: flag, environment, config file."""

import functools
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer

from dsample_cli.core.names import did_you_mean
from dsample_cli.errors import ConfigError, first_line

# Bytes: a path to a device or to data ends here, not where memory does.
_LARGEST_CONFIG = 1 << 20
# Every option also reads DSAMPLE_<NAME>; --help fits a terminal of 100 columns.
COMMAND_SETTINGS = {
    "auto_envvar_prefix": "DSAMPLE",
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
}


# The help of each option would otherwise end in its variable; the command's help says it once.
Option = functools.partial(typer.Option, show_envvar=False)


def read_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """The callback of --config, see `apply_config`."""
    return apply_config(ctx, path)


def apply_config(
    ctx: typer.Context, path: Path | None, ignored: Collection[str] = ()
) -> Path | None:
    """Make a TOML file's entries the defaults of the command's options.

    Keys are option names (`batch-size` or `batch_size`); a table named like the command holds
    entries for that command alone.

    Args:
        ctx: Of the command.
        path: The file, if there is one.
        ignored: Names of other commands' options, which the file may hold too.

    Raises:
        ConfigError: If the file is unreadable or has a key that the command does not know.
    """
    if path is None or ctx.resilient_parsing:
        return path
    entries = _read_toml(path)
    sections = {k: v for k, v in entries.items() if isinstance(v, dict)}
    own = {k: v for k, v in entries.items() if k not in sections} | sections.get(
        ctx.info_name or "", {}
    )
    _refuse_typed_only(path, own)
    known = [p.name for p in ctx.command.params if p.name and p.name not in ("config", "help")]
    repeatable = {p.name for p in ctx.command.params if getattr(p, "multiple", False)}
    defaults = {key.replace("-", "_"): value for key, value in own.items()}
    for name in defaults:
        if name not in known and name not in ignored:
            options = [option.replace("_", "-") for option in (*known, *ignored)]
            raise ConfigError(
                f"{path}: unknown key '{name.replace('_', '-')}'.",
                did_you_mean(name.replace("_", "-"), options),
            )
        # An option that may be given twice is a list, but who gives it once writes a string.
        if name in repeatable and isinstance(defaults[name], str):
            defaults[name] = [defaults[name]]
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
    return path


def _refuse_typed_only(path: Path, entries: Collection[str]) -> None:
    from dsample_cli.core.config import TYPED_ONLY

    for name in entries:
        if name.replace("-", "_") in TYPED_ONLY:
            flag = name.replace("_", "-")
            raise ConfigError(
                f"{path}: {flag} is not taken from a file, which may be another's.",
                f"Delete it there; if you mean it, type: --{flag}",
            )


def apply_preset(ctx: typer.Context, name: str | None) -> str | None:
    """Make a preset's entries the defaults of the options that nothing else sets.

    Raises:
        ConfigError: If there is no such preset.
    """
    if name is None or ctx.resilient_parsing:
        return name
    from dsample_cli.core.config import PRESETS
    from dsample_cli.core.names import look_up

    preset = {k.replace("-", "_"): v for k, v in look_up(PRESETS, name, "preset").items()}
    ctx.default_map = {**preset, **(ctx.default_map or {})}
    return name


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_CONFIG + 1)
        if len(content) > _LARGEST_CONFIG:
            raise ConfigError(f"{path} is too large for a file of options.", "Check the path.")
        return tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}.", "Check the path.") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} is no valid TOML: {first_line(error)}",
            "Write entries such as: batch-size = 32",
        ) from None


ConfigOption = Annotated[
    Path | None,
    Option(
        "--config",
        help="TOML file with options; flags and DSAMPLE_* variables win over it.",
        callback=read_config,
        is_eager=True,
        metavar="FILE",
    ),
]
WorkspaceOption = Annotated[
    Path,
    Option("--workspace", help="Folder of runs and the current dataset.", metavar="DIR"),
]
JsonOption = Annotated[bool, Option("--json", help="Print one JSON object on stdout.")]
QuietOption = Annotated[bool, Option("--quiet", "-q", help="Nothing on stderr but errors.")]
DebugOption = Annotated[bool, Option("--debug", help="Show the traceback of an error.")]
RunOption = Annotated[
    str,
    Option("--run", "-r", help="Run id, prefix, path, latest or best.", metavar="RUN"),
]
TextColumnOption = Annotated[
    list[str] | None,
    Option(
        "--text-column",
        help="Column with the text; give it twice for sentence pairs. Default: text, else a "
        "guess that is told.",
        metavar="NAME",
    ),
]
LabelColumnOption = Annotated[
    str | None,
    Option(
        "--label-column",
        help="Column with the label. Default: label, else a guess that is told.",
        metavar="NAME",
    ),
]
DATA_FILE_HELP = (
    "CSV, TSV, JSONL or Parquet file, also .gz or .zst; a pattern in quotes for several; - is "
    "stdin."
)
EncodingOption = Annotated[
    str | None,
    Option(
        "--encoding",
        help="Encoding of the CSV and JSONL files, such as cp949. Default: detected.",
        metavar="NAME",
    ),
]
DelimiterOption = Annotated[
    str | None,
    Option(
        "--delimiter",
        help="Between the cells of the CSV files: a character, tab, comma, semicolon or pipe. "
        "Default: detected.",
        metavar="CHARACTER",
    ),
]
MaxBytesOption = Annotated[
    str | None,
    Option(
        "--max-bytes",
        help="Most bytes of a data file after decompression, such as 500M or 4G (K, M, G, T: "
        "powers of 1,024). Default: 16G, and of .gz, .zst and Parquet files 50 times their size "
        "(but at least 128M); no limit for plain text files.",
        metavar="SIZE",
    ),
]
GroupsOption = Annotated[
    str | None,
    Option(
        "--groups",
        help="Train counts HIGH,LOW that part many, medium and few. Default: three equal parts "
        "of the classes.",
        metavar="HIGH,LOW",
    ),
]
DeviceOption = Annotated[
    str, Option("--device", help="auto (CUDA, then MPS, then CPU), cpu, cuda or mps.")
]
TrustRemoteCodeOption = Annotated[
    bool,
    Option(
        "--trust-remote-code",
        help="Let a model run Python code that its author wrote, with your rights: it can read, "
        "send and delete what you can. Never stored: type it each time.",
    ),
]
CorrectedForOption = Annotated[
    str,
    Option(
        "--target-prior",
        help="Class shares that logit-adjust corrects for: uniform, train, label=share,... or "
        "a JSON file of them.",
        metavar="SHARES",
    ),
]
TargetPriorOption = Annotated[
    str | None,
    Option(
        "--target-prior",
        help="Class shares that predictions are meant for: uniform, train, label=share,... or a "
        "JSON file of them. Default: those that the run was corrected for.",
        metavar="SHARES",
    ),
]
PrecisionOption = Annotated[
    str,
    Option("--precision", help="auto (the fastest that the device has), fp32, bf16 or fp16."),
]
UnknownLabelsOption = Annotated[
    str,
    Option(
        "--unknown-labels",
        help="What to do with labels that training never saw: error, or drop the rows.",
    ),
]

DEFAULT_WORKSPACE = Path("dsample_workspace")


def with_absolute_path(target_prior: str) -> str:
    """A target prior as a run's config stores it: a file is found from any folder."""
    is_file = target_prior.endswith(".json")
    return str(Path(target_prior).absolute()) if is_file else target_prior
