"""Search a space of options with Optuna, instead of training all of it."""

import re
import shlex
import statistics
from collections.abc import Callable, Mapping, Sequence
from math import prod
from threading import RLock
from typing import Any, NamedTuple

from dsample_cli.core.config import TrainConfig
from dsample_cli.core.progress import ToldOnce
from dsample_cli.errors import ConfigError, MissingExtraError, RunError
from dsample_cli.runs.files import read_json_lines
from dsample_cli.runs.run import COMPLETED, FAILED, INTERRUPTED
from dsample_cli.runs.sweeps import PLANNED, PRUNED, Sweep
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows.grid import (
    Point,
    ReadOptions,
    digest,
    distinct,
    expand,
    make_points,
    point_key,
)
from dsample_cli.workflows.processes import on_devices
from dsample_cli.workflows.sweep import (
    Board,
    Plan,
    SweepResult,
    Trainer,
    check_data,
    cuda_devices,
    first_config,
)

_RANGE = re.compile(r"(.+?)\.\.(.+)")
# Beyond this many combinations the values are not all tried out beforehand.
_MOST_CHECKED = 2000
_SEED, _ERROR = "seed", "error"


class Range(NamedTuple):
    """Numbers between two ends, both included."""

    low: float
    high: float
    is_whole: bool


def parse_range(text: str) -> Range | None:
    """Read `low..high`; None if it is something else.

    Raises:
        ConfigError: If the ends are not in order.

    Examples:
        >>> parse_range("2..6"), parse_range("1e-5..1e-3"), parse_range("cyclic")
        (Range(low=2, high=6, is_whole=True), Range(low=1e-05, high=0.001, is_whole=False), None)
    """
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    try:
        low, high = (float(end) for end in found.groups())
    except ValueError:
        return None
    if not low < high:
        raise ConfigError(f"The range '{text}' is empty.", "Write the lower end first: 1e-5..1e-3.")
    is_whole = all(re.fullmatch(r"[+-]?\d+", end) for end in found.groups())
    return Range(int(low), int(high), True) if is_whole else Range(low, high, False)


def search(
    grid: Mapping[str, Sequence[str]],
    read: ReadOptions,
    workspace: Workspace,
    board: Board,
    trials: int,
    is_dry: bool = False,
) -> SweepResult:
    """Try settings that a sampler takes from the space, for the highest validation macro-F1.

    A trial trains its settings with every seed; its value is their mean. Once a quarter of the
    epochs is over, it is given up when the best epoch of its first seed is below the median of the
    earlier trials' at the same epoch.

    Args:
        grid: Option -> values as typed; one of them may be a range.
        read: What they mean.
        workspace: Gets the runs.
        board: Shows how it goes.
        trials: In all, those of earlier calls included.
        is_dry: Whether to say what would be trained, and stop.

    Raises:
        MissingExtraError: If Optuna is not installed.
        ConfigError: If a value is impossible, or there is nothing to choose.
        DataError: If the data cannot be used.
        RunError: If the workspace cannot be written, or another process works on the search.
    """
    _require_optuna()
    seeds = list(grid.get(_SEED, (str(TrainConfig.seed),)))
    space, fixed = _read_space(grid)
    config, told = _check_space(space, fixed, seeds, read), set[str]()
    data = check_data(config, ToldOnce(board.listener, told))
    about = {"data": data, "grid": {name: list(values) for name, values in grid.items()}}
    identity = [point_key(config), sorted((n, sorted(map(str, v))) for n, v in grid.items())]
    stored = Sweep(workspace.path / "sweeps", digest(identity)[:8], about)
    trainer = Trainer(workspace, stored, board, config, told)
    if is_dry:
        stored.read()
        return _Search(trainer, stored, space, fixed, seeds, read, trials).preview(data, config)
    workspace.create()
    with stored.locked():
        trainer.devices = cuda_devices(config)
        running = _Search(trainer, stored, space, fixed, seeds, read, trials)
        running.open(config)
        running.recover()
        plan = running.plan(config)
        trainer.begin(plan)
        is_through = on_devices(range(1, running.left + 1), trainer.devices, running.try_settings)
        points = running.points()
        return trainer.result(plan, data, points, COMPLETED if is_through else INTERRUPTED)


class _Search:
    """The study of a sweep: what was tried, and what to try next."""

    def __init__(
        self,
        trainer: Trainer,
        stored: Sweep,
        space: Mapping[str, Sequence[str] | Range],
        fixed: Mapping[str, str],
        seeds: Sequence[str],
        read: ReadOptions,
        trials: int,
    ) -> None:
        self._trainer, self._stored, self._read = trainer, stored, read
        self._space, self._fixed, self._seeds = space, fixed, seeds
        self._trials = trials
        self._varied = [*space, *[_SEED] * (len(seeds) > 1)]
        self._choosing = RLock()
        self._study: Any = None

    @property
    def left(self) -> int:
        """Trials that are to come."""
        return max(0, self._trials - len(self._finished()))

    def open(self, config: TrainConfig) -> None:
        """Open the database.

        Raises:
            RunError: If it is damaged.
        """
        import optuna
        from sqlalchemy.exc import SQLAlchemyError

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        file = self._stored.search_file
        try:
            self._study = optuna.create_study(
                storage=f"sqlite:///{file.absolute()}",
                study_name=self._stored.id,
                direction="maximize",
                pruner=optuna.pruners.MedianPruner(n_warmup_steps=_epochs_before_pruning(config)),
                load_if_exists=True,
            )
            points = self.points()
        except (SQLAlchemyError, ValueError) as error:
            raise RunError(
                f"The database of the search is damaged: {file}",
                f"Begin the search anew; its runs stay: rm {shlex.quote(str(file))}",
            ) from error
        self._trainer.know(points)

    def recover(self) -> None:
        """Have what was stopped tried again."""
        from optuna.trial import TrialState as states

        for trial in self._study.get_trials(deepcopy=False, states=(states.RUNNING,)):
            # In this order: stopped in between, it is tried twice and trained once.
            self._study.enqueue_trial(trial.params)
            self._study.tell(trial.number, state=states.FAIL)

    def plan(self, config: TrainConfig, is_dry: bool = False) -> Plan:
        """What is to be done."""
        seconds, known_from = self._trainer.earlier.seconds([config])
        left = self.left * len(self._seeds)
        return Plan(
            self._stored.id,
            self.points(),
            (),
            self._trials * len(self._seeds),
            left,
            seconds,
            known_from,
            max(1, len(self._trainer.devices)),
            self._trials,
            is_dry,
        )

    def preview(self, data: Mapping[str, str], config: TrainConfig) -> SweepResult:
        """What would be done, without the database of a search that was not begun."""
        if self._stored.search_file.exists():
            self.open(config)
        plan = self.plan(config, is_dry=True)
        self._trainer.begin(plan)
        return self._trainer.result(plan, data, plan.points, PLANNED)

    def points(self) -> tuple[Point, ...]:
        """Points of all trials so far."""
        trials = [] if self._study is None else self._study.get_trials(deepcopy=False)
        return distinct(point for trial in trials for point in self._points(trial.params))

    def try_settings(self, place: int, device: str | None) -> bool:
        """Choose settings, and train them with every seed; whether to go on."""
        import optuna

        with self._choosing:
            # By what went before, so that a search that was stopped chooses what it would have.
            states = (optuna.trial.TrialState.RUNNING,)
            running = self._study.get_trials(deepcopy=False, states=states)
            number = len(self._finished()) + len(running)
            self._study.sampler = optuna.samplers.TPESampler(seed=int(self._seeds[0]) + number)
            trial = self._study.ask()
            points = self._points(self._choose(trial))
            self._trainer.know(points)
        values = []
        for point in points:
            entry = self._stored.points[point.key]
            watch = self._watch(trial, point) if point is points[0] else None
            if not entry.is_over and not self._trainer.train_point(point, device, watch):
                return False
            result = self._trainer.result_of(point)
            if result.status == PRUNED:
                self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return True
            if result.macro_f1 is None:
                trial.set_user_attr(_ERROR, result.error or FAILED)
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
                return True
            values.append(result.macro_f1)
        self._study.tell(trial, statistics.fmean(values))
        return True

    def _choose(self, trial: Any) -> dict[str, Any]:
        for name, choices in self._space.items():
            if not isinstance(choices, Range):
                trial.suggest_categorical(name, list(choices))
            elif choices.is_whole:
                trial.suggest_int(name, int(choices.low), int(choices.high))
            else:
                trial.suggest_float(name, choices.low, choices.high, log=choices.low > 0)
        return dict(trial.params)

    def _points(self, chosen: Mapping[str, Any]) -> tuple[Point, ...]:
        """Of one trial, one for each seed; none of a trial that chose nothing yet."""
        if len(chosen) < len(self._space):
            return ()
        values = {name: str(value) for name, value in chosen.items()}
        combinations = [{**self._fixed, **values, _SEED: seed} for seed in self._seeds]
        return make_points(combinations, self._read, self._varied)

    def _watch(self, trial: Any, point: Point) -> Callable[[Mapping[str, Any]], str | None]:
        best = float("-inf")
        epochs = None if point.config is None else point.config.planned_epochs

        def watch(record: Mapping[str, Any]) -> str | None:
            nonlocal best
            if best == float("-inf"):
                best = self._best_before(point, int(record["epoch"]))
            validation = record.get("validation")
            if not record["judged"] or not validation:
                return None
            best = max(best, validation["macro_f1"])
            trial.report(best, record["epoch"])
            is_last = record["epoch"] + 1 == epochs
            if is_last or not trial.should_prune():
                return None
            return (
                f"Pruned after epoch {record['epoch']}: macro-F1 {best:.4f} is below the median of "
                "the earlier trials."
            )

        return watch

    def _best_before(self, point: Point, epoch: int) -> float:
        """The best epoch of a run that was stopped and goes on."""
        entry = self._stored.points[point.key]
        if entry.run is None:
            return float("-inf")
        records = read_json_lines(self._trainer.run(entry.run).epochs_file)
        figures = [
            record["validation"]["macro_f1"]
            for record in records
            if record["judged"] and record["epoch"] < epoch and record.get("validation")
        ]
        return max(figures, default=float("-inf"))

    def _finished(self) -> list[Any]:
        """Trials that count: they were trained, pruned or impossible, not just stopped."""
        trials = [] if self._study is None else self._study.get_trials(deepcopy=False)
        return [
            trial
            for trial in trials
            if trial.state.name in ("COMPLETE", "PRUNED") or _ERROR in trial.user_attrs
        ]


def _epochs_before_pruning(config: TrainConfig) -> int:
    """Epochs that every trial gets: the learning rate rises, and schedules begin differently."""
    return max(1, config.planned_epochs // 4)


def _require_optuna() -> None:
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "--trials needs Optuna, which is not installed.",
            "Install it with: pip install 'dsample-cli[search]'",
        ) from error


def _read_space(
    grid: Mapping[str, Sequence[str]],
) -> tuple[dict[str, Sequence[str] | Range], dict[str, str]]:
    """What is chosen from, and what is the same in all trials; seeds are neither."""
    space: dict[str, Sequence[str] | Range] = {}
    fixed = {}
    for name, values in grid.items():
        found = parse_range(values[0])
        if name == _SEED:
            if found is not None:
                raise ConfigError(
                    "--seed takes no range: every trial is trained with each seed.",
                    "List the seeds: --seed 0,1,2.",
                )
        elif found is not None and len(values) == 1:
            space[name] = found
        elif len(values) > 1:
            space[name] = list(values)
        else:
            fixed[name] = values[0]
    if not space:
        raise ConfigError(
            "There is nothing to search: every option has one value.",
            "Give some a list or a range, for example --cycle 2..6 --lr 1e-5..1e-3.",
        )
    return space, fixed


def _check_space(
    space: Mapping[str, Sequence[str] | Range],
    fixed: Mapping[str, str],
    seeds: Sequence[str],
    read: ReadOptions,
) -> TrainConfig:
    """See that values are possible before anything is trained; give the first settings."""
    ends = {
        name: [str(choices.low), str(choices.high)] if isinstance(choices, Range) else choices
        for name, choices in space.items()
    }
    if prod(map(len, ends.values())) * len(seeds) > _MOST_CHECKED:
        ends = {name: values[:1] for name, values in ends.items()}
    same = {name: [value] for name, value in fixed.items()}
    return first_config(expand({**same, **ends, _SEED: seeds}, read))
