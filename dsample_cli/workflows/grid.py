"""A grid of trainings: every combination of the values of the options, each that differs once."""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from dsample_cli.core.config import AUTO, TrainConfig
from dsample_cli.core.schedules import SCHEDULES, open_options, plans, schedule_names
from dsample_cli.core.scores import parse_score
from dsample_cli.core.signatures import option_names
from dsample_cli.data.sources import path_sha256
from dsample_cli.errors import ConfigError
from dsample_cli.workflows.datasets import with_absolute_files
from dsample_cli.workflows.methods import methods
from dsample_cli.workflows.run_names import LEAVE_NO_TRACE

_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(TrainConfig)}
_FILES = ("data", "val", "test")
# Options of a config file that only make the plan of the epochs.
_OF_SCHEDULES = frozenset(
    name.replace("_", "-")
    for name in {"schedule"}.union(*map(option_names, SCHEDULES.values())) - {"epochs"}
)

# Values of options as typed -> options of a TrainConfig.
ReadOptions = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Point:
    """One training of a grid.

    Attributes:
        key: What it is known by: the same data and options give the same one.
        settings: Option -> value, of the options that differ within the grid and act here.
        config: Its options; None when they are impossible together.
        error: Why they are.
    """

    key: str
    settings: dict[str, Any]
    config: TrainConfig | None
    error: ConfigError | None = None

    @property
    def group(self) -> tuple[tuple[str, Any], ...]:
        """The settings but for the seed: points with the same ones differ in the seed alone."""
        return tuple((name, value) for name, value in self.settings.items() if name != "seed")


def split_values(text: str) -> list[str]:
    r"""The values of a comma list; `\,` is a comma that belongs to a value.

    Raises:
        ConfigError: If a value is empty.

    Examples:
        >>> split_values("cyclic,warmup:2+switch")
        ['cyclic', 'warmup:2+switch']
        >>> split_values(r"models/a\,b")
        ['models/a,b']
    """
    values = [part.replace("\\,", ",").strip() for part in re.split(r"(?<!\\),", text)]
    if "" in values:
        raise ConfigError(
            f"The list '{text}' has an empty value.", "Write for example --cycle 2,3,4."
        )
    return list(dict.fromkeys(values))


def expand(grid: Mapping[str, Sequence[str]], read: ReadOptions) -> tuple[Point, ...]:
    """The points of a grid: all settings with the first seed, then with the next.

    Args:
        grid: Option -> values as typed.
        read: What they mean.

    Raises:
        ConfigError: If a value is impossible whatever the others are.
    """
    names = sorted(grid, key=lambda name: name != "seed")
    varied = [name for name in grid if len(grid[name]) > 1]
    combinations = [
        dict(zip(names, values, strict=True))
        for values in itertools.product(*(grid[name] for name in names))
    ]
    points = make_points(combinations, read, varied)
    # A value must be possible somewhere: not every combination need be.
    possible: set[tuple[str, str]] = set()
    errors: dict[tuple[str, str], ConfigError] = {}
    for values, point in zip(combinations, points, strict=True):
        acting = {(name, values[name]) for name in varied if name in point.settings}
        if point.error is None:
            possible |= acting
        else:
            errors |= dict.fromkeys(acting, point.error)
    impossible = [error for value, error in errors.items() if value not in possible]
    if not varied and points[0].error is not None:
        impossible = [points[0].error]
    if impossible:
        raise impossible[0]
    return distinct(points)


def make_points(
    combinations: Iterable[Mapping[str, Any]], read: ReadOptions, varied: Sequence[str]
) -> tuple[Point, ...]:
    """The trainings that combinations of options stand for, one each.

    Args:
        combinations: Option -> value as typed.
        read: What they mean.
        varied: Options that tell the points apart.
    """
    hashes: dict[str, str | None] = {}
    return tuple(_make_point(read(values), varied, hashes) for values in combinations)


def same_plans(points: Iterable[Point]) -> list[tuple[Point, Point]]:
    """Pairs of points that will train the same, as too few epochs are planned to tell them apart.

    Schedules that react to the run are left out.
    """
    known: dict[str, Point] = {}
    found = []
    for point in points:
        config = point.config
        if config is None or config.epochs == AUTO:
            continue
        schedule = config.make_schedule()
        if schedule.depends_on_run:
            continue
        others = {k: v for k, v in config.to_options().items() if k not in _OF_SCHEDULES}
        first = known.setdefault(digest([others, plans(schedule, config.planned_epochs)]), point)
        if first is not point:
            found.append((first, point))
    return found


def distinct(points: Iterable[Point]) -> tuple[Point, ...]:
    """The points without those that train what an earlier one does."""
    found: dict[str, Point] = {}
    for point in points:
        found.setdefault(point.key, point)
    return tuple(found.values())


def _make_point(
    options: Mapping[str, Any], varied: Sequence[str], hashes: dict[str, str | None]
) -> Point:
    try:
        inert = inert_options(options)
        acting = {name: value for name, value in options.items() if name not in inert}
        config = with_absolute_files(TrainConfig(**acting))
    except ConfigError as error:
        inert = _known_inert(options)
        settings = {
            name: options.get(name, _DEFAULTS[name]) for name in varied if name not in inert
        }
        return Point(digest({"impossible": settings}), settings, None, error)
    settings = {name: getattr(config, name) for name in varied if name not in inert}
    return Point(point_key(config, hashes), settings, config)


def _known_inert(options: Mapping[str, Any]) -> frozenset[str]:
    try:
        return inert_options(options)
    except ConfigError:  # there is no such score or schedule
        return frozenset()


def point_key(config: TrainConfig, hashes: dict[str, str | None] | None = None) -> str:
    """What a training is known by: its options, and its files' content instead of their names.

    Args:
        config: Its options.
        hashes: SHA-256 of the files that are known already, by path.
    """
    known = {} if hashes is None else hashes
    options = config.to_options()
    for name in LEAVE_NO_TRACE:
        options.pop(name, None)
    for name in _FILES:
        path = options.pop(name, None)
        if path is not None:
            if path not in known:
                known[path] = path_sha256(path)
            options[name] = known[path] or path
    return digest(options)


def sweep_key(keys: Iterable[str]) -> str:
    """Identity of a sweep: the same trainings give the same one, in whatever order."""
    return digest(sorted(keys))[:8]


def digest(value: Any) -> str:
    """Identity of a value that JSON holds."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def inert_options(options: Mapping[str, Any]) -> frozenset[str]:
    """Names of the options that do nothing beside the others.

    Raises:
        ConfigError: If there is no such score or schedule.

    Examples:
        >>> inert = inert_options({"schedule": "switch", "score": "softmax", "loss": "ce"})
        >>> "cycle" in inert, "switch_start" in inert, "focal_gamma" in inert
        (True, False, True)
    """
    chosen = {**_DEFAULTS, **options}
    kinds = _options_by_kind()
    schedules = schedule_names(chosen["schedule"])
    scores = parse_score(chosen["score"])
    acting: set[str] = set(open_options(chosen["schedule"])) | {"epochs"}
    if set(schedules) != {"natural"}:
        acting |= {"score"} | _acting(kinds["score"], scores)
    acting |= _acting(kinds["loss"], [chosen["loss"]])
    if chosen["contrastive"]:
        acting |= {"contrastive_form"} | _acting(kinds["contrastive"], [chosen["contrastive_form"]])
    if chosen["drw"]:
        acting |= {"drw_start", "drw_beta"}
    if int(chosen["lora"]):
        acting |= {"lora_alpha"}
    if chosen["minority_share"] is not None:
        acting -= {"temperature"}
    if chosen["class_weight"] != "effective-number":
        acting -= {"weight_beta"}
    own = {name for of_kind in kinds.values() for names in of_kind.values() for name in names}
    return frozenset(
        {"score", "contrastive_form", "drw_start", "drw_beta", "lora_alpha", *own} - acting
    )


def _acting(options: Mapping[str, frozenset[str]], names: Iterable[str]) -> set[str]:
    return {option for name in names for option in options.get(name, ())}


@cache
def _options_by_kind() -> dict[str, dict[str, frozenset[str]]]:
    """Options of each method, by its kind and name."""
    found: dict[str, dict[str, frozenset[str]]] = {}
    for method in methods().methods:
        if method.kind in ("score", "schedule", "loss", "contrastive"):
            names = {option.flag.removeprefix("--").replace("-", "_") for option in method.options}
            found.setdefault(method.kind, {})[method.name] = frozenset(names)
    return found
