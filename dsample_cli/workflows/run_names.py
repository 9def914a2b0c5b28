"""What tells runs apart: the options in which they differ, as short names."""

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dsample_cli.core.class_scores import CLASS_SCORES
from dsample_cli.core.config import TrainConfig
from dsample_cli.core.example_scores import EXAMPLE_SCORES
from dsample_cli.core.schedules import SCHEDULES, schedule_names
from dsample_cli.core.scores import parse_score
from dsample_cli.core.signatures import option_names
from dsample_cli.errors import DsampleError

SEED = "seed"
# Options that change what is stored or where it is computed, not what is learned.
LEAVE_NO_TRACE = (
    "max-bytes",
    "device",
    "gradient-checkpointing",
    "compile",
    "workers",
    "keep-checkpoints",
    "checkpoint-steps",
    "record-draws",
    "report-to",
)
# What a reader looks for first.
_FIRST = ("model", "schedule", "score", "loss", "correct", "head", "resample")
_FILES = ("data", "val", "test")
_OF_REFIT = ("epochs", "lr", "rho")
_NATURAL = "natural"
_SCORES: Mapping[str, Callable[..., Any]] = {**CLASS_SCORES, **EXAMPLE_SCORES}


@dataclass(frozen=True)
class DataFile:
    """A file that is what it contains, wherever it lies and whatever it is called."""

    name: str = field(compare=False)
    sha256: str

    def __str__(self) -> str:
        return f"{self.name} {self.sha256[:8]}"


def training_options(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Every option that decides what a run learned, those of a refit included.

    Files stand with their SHA-256, as equal files may lie in two places. What an older version did
    not know yet has its default.

    Args:
        manifest: run.json.
    """
    options = dict(manifest.get("config", {}))
    with suppress(DsampleError):  # of a newer version: as it stands
        options = TrainConfig.from_options(options).to_options()
    for name in (*LEAVE_NO_TRACE, *_FILES):
        options.pop(name, None)
    parts = manifest.get("data", {})
    for name, part in (("data", "train"), ("val", "validation")):
        if part in parts:
            entry = parts[part]
            options[name] = DataFile(Path(entry.get("path", "")).name, str(entry.get("sha256")))
    return options | _refit_options(manifest)


def differing_names(
    options: Sequence[Mapping[str, Any]], runs: Sequence[str], ignored: Sequence[str] = ()
) -> list[str]:
    """A name for each run: the options in which not all are alike, else the run's id.

    Options that a run does not use, such as the cycle of another schedule, are left out of its
    name. Equal names get the end of the run's id.

    Args:
        options: `training_options` of each run.
        runs: Their ids.
        ignored: Options that are never named.

    Examples:
        >>> first, second = {"schedule": "natural", "lr": 1e-3}, {"schedule": "always", "lr": 1e-3}
        >>> differing_names([first, second], ["a", "b"])
        ['schedule=natural', 'schedule=always']
    """
    order = [*_FIRST, *(option.name.replace("_", "-") for option in fields(TrainConfig))]
    known = dict.fromkeys([*order, *sorted(set().union(*options))])
    differing = [
        name
        for name in known
        if name not in ignored and any(o.get(name) != options[0].get(name) for o in options)
    ]
    names = []
    for one, run in zip(options, runs, strict=True):
        unused = _unused(one)
        parts = [
            _told(name, one[name])
            for name in differing
            if name not in unused and one.get(name) is not None
        ]
        names.append(", ".join(parts) or run)
    return [
        f"{name} ({short_id(run)})" if names.count(name) > 1 and name != run else name
        for name, run in zip(names, runs, strict=True)
    ]


def short_id(run: str) -> str:
    """A run id without its time.

    Examples:
        >>> short_id("20260102-130405-cyclic-1a2b"), short_id("mine")
        ('cyclic-1a2b', 'mine')
    """
    return re.sub(r"^\d{8}-\d{6}-", "", run)


def _unused(options: Mapping[str, Any]) -> frozenset[str]:
    """Options that do nothing under the schedule and the score of a run."""
    try:
        schedules = schedule_names(str(options.get("schedule", _NATURAL)))
        scores = parse_score(str(options.get("score", "softmax")))
    except DsampleError:
        return frozenset()
    follows_score = set(schedules) != {_NATURAL}
    used = _options_of(SCHEDULES[name] for name in schedules) | _options_of(
        _SCORES[name] for name in scores if name in _SCORES and follows_score
    )
    owned = _options_of(SCHEDULES.values()) | _options_of(_SCORES.values())
    unused = owned - used - {"epochs"}
    if not follows_score:
        unused |= {"score", "score-warmup"}
    return unused | ({"minority-share"} if "temperature" in unused else frozenset())


def _options_of(functions: Any) -> frozenset[str]:
    names = frozenset[str]().union(*map(option_names, functions))
    return frozenset(name.replace("_", "-") for name in names)


def _told(name: str, value: Any) -> str:
    """One option as a name tells it.

    Examples:
        >>> _told("lr", 0.0002), _told("drw", False), _told("model", "/models/bert")
        ('lr=0.0002', 'no drw', 'model=bert')
    """
    if isinstance(value, bool):
        return name if value else f"no {name}"
    if isinstance(value, float):
        return f"{name}={value:.4g}"
    if isinstance(value, list | tuple):
        return f"{name}={'+'.join(map(str, value))}"
    text = str(value)
    return f"{name}={os.path.basename(text) if os.path.isabs(text) else text}"


def _refit_options(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """How the head was learned anew, from the command that did it."""
    found = {name: manifest[name] for name in ("head", "resample") if manifest.get(name)}
    for command in manifest.get("commands", ()):
        try:
            words = shlex.split(command)
        except ValueError:
            continue  # no command of ours
        if words[:2] == ["dsample", "refit"]:
            given = dict(zip(words[2::2], words[3::2], strict=False))
            found |= {
                f"refit-{name}": given[f"--{name}"] for name in _OF_REFIT if f"--{name}" in given
            }
    return found
