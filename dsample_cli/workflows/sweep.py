"""Train every point of a grid, each as a run of its own; what was finished before stays."""

import gc
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from dsample_cli.core import torchrun
from dsample_cli.core.config import AUTO, TrainConfig, auto_epochs
from dsample_cli.core.progress import Listener, Silent, ToldOnce
from dsample_cli.data.sources import path_sha256
from dsample_cli.errors import ConfigError, DsampleError, RunError
from dsample_cli.evaluation.comparison import Difference
from dsample_cli.runs.files import read_json_lines
from dsample_cli.runs.run import COMPLETED, FAILED, INTERRUPTED, Run
from dsample_cli.runs.sweeps import PLANNED, PRUNED, PointEntry, Sweep
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows.compare import compare
from dsample_cli.workflows.datasets import load_datasets
from dsample_cli.workflows.grid import Point, ReadOptions, expand, same_plans, sweep_key
from dsample_cli.workflows.processes import on_devices, train_in_process
from dsample_cli.workflows.train import resume, train

# Groups that are compared with the best in the end.
_MOST_COMPARED = 20

# An epoch's record -> why the run shall end there, or None to go on.
Watch = Callable[[Mapping[str, Any]], str | None]


class Pruned(RunError):
    """A run was given up early because others did better."""


@dataclass(frozen=True)
class PointResult:
    """How one point ended.

    Attributes:
        point: Its settings.
        run: Run id; None where none was begun.
        status: "completed", "failed", "pruned", "interrupted", or "planned" while it is to come.
        validation: Figures of its validation rows.
        test: Figures of its test rows; None without such.
        seconds: That it took, all attempts together.
        error: Why it failed.
    """

    point: Point
    run: str | None
    status: str
    validation: Mapping[str, Any] | None = None
    test: Mapping[str, Any] | None = None
    seconds: float = 0.0
    error: str | None = None

    @property
    def macro_f1(self) -> float | None:
        """Of the validation rows, which points are ranked by."""
        return None if self.validation is None else self.validation["macro_f1"]

    def to_json(self) -> dict[str, Any]:
        """An entry of `dsample sweep --json`."""
        return {
            "run": self.run,
            "status": self.status,
            "options": option_names(self.point.settings),
            "validation": self.validation,
            "test": self.test,
            "seconds": round(self.seconds, 1),
            "error": self.error,
        }


@dataclass(frozen=True)
class Spread:
    """A figure over seeds: mean and standard deviation, which a single seed has not."""

    mean: float
    sd: float | None

    def to_json(self) -> dict[str, float | None]:
        return {"mean": self.mean, "sd": self.sd}


@dataclass(frozen=True)
class Group:
    """Completed points that differ in the seed alone.

    Attributes:
        settings: That they share.
        results: Of the points, the best first.
        failed: Points with these settings that were not completed.
        difference: From the best group in macro-F1, as `dsample compare` has it; None where it
            could not be had.
    """

    settings: Mapping[str, Any]
    results: tuple[PointResult, ...]
    failed: int = 0
    difference: Difference | None = None

    def spread(self, figure: str, split: str = "validation") -> Spread | None:
        """A figure over the seeds; None unless all have it."""
        figures = [getattr(result, split) for result in self.results]
        values = [None if of_run is None else of_run.get(figure) for of_run in figures]
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return None
        sd = statistics.stdev(known) if len(known) > 1 else None
        return Spread(statistics.fmean(known), sd)

    def to_json(self) -> dict[str, Any]:
        """An entry of `groups` in `dsample sweep --json`."""
        spreads = {
            "macro_f1": self.spread("macro_f1"),
            "few_recall": self.spread("few_recall"),
            "test_macro_f1": self.spread("macro_f1", "test"),
        }
        return {
            "options": option_names(self.settings),
            "runs": [result.run for result in self.results],
            **{name: spread and spread.to_json() for name, spread in spreads.items()},
            "difference": self.difference
            and {
                "macro_f1": self.difference.difference,
                "interval": list(self.difference.interval),
            },
        }


@dataclass(frozen=True)
class Plan:
    """What a sweep is going to do.

    Attributes:
        sweep: Its id.
        points: Those that are known before it begins: all of a grid.
        left: Those of them that are not finished yet.
        count: Runs in all; of a search at most.
        to_train: Runs that are not finished yet.
        seconds: That each of those takes, by earlier runs; None where none tells.
        known_from: Number of these earlier runs.
        devices: Trainings at a time.
        trials: Of a search; None for a grid.
        is_dry: Whether nothing is trained.
    """

    sweep: str
    points: tuple[Point, ...]
    left: tuple[Point, ...]
    count: int
    to_train: int
    seconds: float | None
    known_from: int = 0
    devices: int = 1
    trials: int | None = None
    is_dry: bool = False


@dataclass(frozen=True)
class SweepResult:
    """What `dsample sweep` found.

    Attributes:
        plan: What it was going to do.
        data: Path and SHA-256 of the training file.
        results: Of every point, in the order of the grid.
        groups: The best first.
        skipped: Points that were finished before.
        status: "completed", "interrupted" or "planned".
        workspace: Where the runs are.
        compared_on: Split of the groups' differences.
    """

    plan: Plan
    data: Mapping[str, str]
    results: tuple[PointResult, ...]
    groups: tuple[Group, ...]
    skipped: int
    status: str
    workspace: Workspace
    compared_on: str | None = None

    @property
    def best(self) -> PointResult | None:
        """The best run of the best settings."""
        return self.groups[0].results[0] if self.groups else None

    @property
    def failed(self) -> list[PointResult]:
        """Points that failed."""
        return [result for result in self.results if result.status == FAILED]

    @property
    def config_file(self) -> str | None:
        """What repeats the best run."""
        if self.best is None or self.best.run is None:
            return None
        return str(Run(self.workspace.runs_dir / self.best.run).config_file)

    def to_json(self) -> dict[str, Any]:
        """The public JSON object of `dsample sweep --json`."""
        return {
            "sweep": self.plan.sweep,
            "status": self.status,
            "data": dict(self.data),
            "runs": [result.to_json() for result in self.results],
            "groups": [group.to_json() for group in self.groups],
            "best": None if self.best is None else self.best.run,
            "trials": self.plan.trials,
            "compared_on": self.compared_on,
            "skipped": self.skipped,
            "seconds_each": self.plan.seconds,
        }


class Board(Protocol):
    """Shows how a sweep goes; its methods may be called from several threads."""

    @property
    def listener(self) -> Listener:
        """Hears of the run that is trained in this process."""

    def planned(self, plan: Plan, finished: Sequence[PointResult]) -> None:
        """What is going to be trained, and what was before."""

    def started(self, point: Point, run: str, is_resumed: bool) -> None:
        """A run begins."""

    def epoch_finished(self, point: Point, record: Mapping[str, Any]) -> None:
        """A run ended an epoch."""

    def ended(self, result: PointResult, seconds_left: float | None) -> None:
        """A run ended; so long will the others take."""


def sweep(
    grid: Mapping[str, Sequence[str]],
    read: ReadOptions,
    workspace: Workspace,
    board: Board,
    is_dry: bool = False,
) -> SweepResult:
    """Train the points of a grid that are not finished yet.

    Args:
        grid: Option -> values as typed.
        read: What they mean.
        workspace: Gets the runs.
        board: Shows how it goes.
        is_dry: Whether to say what would be trained, and stop.

    Raises:
        ConfigError: If a value is impossible whatever the others are.
        DataError: If the data cannot be used.
        RunError: If the workspace cannot be written, or another process works on the sweep.
    """
    points = expand(grid, read)
    config, told = first_config(points), set[str]()
    data = check_data(config, ToldOnce(board.listener, told))
    _tell_same_plans(points, board.listener)
    about = {"data": data, "grid": {name: list(values) for name, values in grid.items()}}
    stored = Sweep(workspace.path / "sweeps", sweep_key(point.key for point in points), about)
    if is_dry:
        known = Trainer(workspace, stored, board, config, told)
        stored.read()
        known.know(points)
        plan = known.plan(points, cuda_devices(config), is_dry)
        known.begin(plan)
        return known.result(plan, data, points, PLANNED)
    workspace.create()
    with stored.locked():
        trainer = Trainer(workspace, stored, board, config, told)
        trainer.know(points)
        stored.write()
        plan = trainer.plan(points, cuda_devices(config))
        trainer.begin(plan)
        is_through = on_devices(plan.left, trainer.devices, trainer.train_point)
        return trainer.result(plan, data, points, COMPLETED if is_through else INTERRUPTED)


def first_config(points: Sequence[Point]) -> TrainConfig:
    """The options of the first point that is possible, for what all points share.

    Raises:
        ConfigError: If there is nothing that runs could be ranked by.
    """
    config = next((point.config for point in points if point.config is not None), None)
    if config is None:
        assert points[0].error is not None
        raise points[0].error
    for one in points:
        if one.config is not None and one.config.val is None and one.config.val_size == 0:
            raise ConfigError(
                "A sweep ranks its runs by validation macro-F1, and there is no validation data.",
                "Give it some with --val FILE or --val-size 0.2.",
            )
    if torchrun.size() > 1:
        raise ConfigError(
            "A sweep starts a process for each device itself.", "Run it without torchrun."
        )
    return config


def check_data(config: TrainConfig, listener: Listener) -> dict[str, str]:
    """Path and SHA-256 of the training file, which is read once to see that it can be used."""
    load_datasets(config, listener)
    return {"path": config.data, "sha256": path_sha256(config.data) or ""}


def _tell_same_plans(points: Sequence[Point], listener: Listener) -> None:
    pairs = same_plans(points)
    if pairs:
        epochs = pairs[0][0].config and pairs[0][0].config.epochs
        names = " and ".join(
            ", ".join(f"{name} {value}" for name, value in point.group) for point in pairs[0]
        )
        more = len(pairs) - 1
        others = f", as do {more} more pair{'s' * (more > 1)}" if more else ""
        listener.warn(
            f"With --epochs {epochs}, {names} train the same{others}. Raise --epochs, or shorten "
            "the lists."
        )


def cuda_devices(config: TrainConfig) -> list[str]:
    """CUDA devices to train on, one run each; none where one process trains one after the other."""
    if config.device not in (AUTO, "cuda"):
        return []
    from dsample_cli.training.devices import cuda_devices

    found = cuda_devices(config.device)
    return found if len(found) > 1 else []


class Trainer:
    """Trains points of a sweep and keeps its file.

    Args:
        workspace: Gets the runs.
        stored: The sweep.
        board: Shows how it goes.
        config: Of any point, for what they share.
        told: Messages that need not be repeated.
    """

    def __init__(
        self,
        workspace: Workspace,
        stored: Sweep,
        board: Board,
        config: TrainConfig,
        told: set[str],
    ) -> None:
        self._workspace, self._stored, self._board = workspace, stored, board
        self.earlier = _EarlierRuns(workspace, path_sha256(config.data))
        self._told = told
        self._spent: list[float] = []
        self._left = 0
        self.devices: list[str] = []

    def run(self, run_id: str) -> Run:
        """A run of the workspace."""
        return Run(self._workspace.runs_dir / run_id)

    def know(self, points: Sequence[Point]) -> None:
        """See which points are finished: in this sweep, or in another of the workspace."""
        others = self._stored.known_runs()
        for point in points:
            entry = self._stored.points.setdefault(point.key, PointEntry(point.settings))
            self._look(entry)
            other = others.get(point.key)
            if not entry.is_over and other is not None:
                self._look(other)
                if other.status == COMPLETED:
                    entry.run, entry.status, entry.seconds = other.run, COMPLETED, other.seconds
                    entry.error = None

    def plan(self, points: Sequence[Point], devices: Sequence[str], is_dry: bool = False) -> Plan:
        """What is to be done for the points of a grid."""
        left = tuple(point for point in points if not self._stored.points[point.key].is_over)
        self.devices = list(devices)
        possible = [point.config for point in left if point.config is not None]
        seconds, known_from = self.earlier.seconds(possible)
        return Plan(
            self._stored.id,
            tuple(points),
            left,
            len(points),
            len(left),
            seconds,
            known_from,
            max(1, len(self.devices)),
            is_dry=is_dry,
        )

    def begin(self, plan: Plan) -> None:
        """Show the plan, before the training begins."""
        self._left = plan.to_train
        self._board.planned(plan, self.finished(plan.points))

    def train_point(self, point: Point, device: str | None, watch: Watch | None = None) -> bool:
        """Train a point to its end, from where it was stopped.

        Args:
            point: Its options.
            device: Trains in a process of its own on this one; None trains here.
            watch: Looks at each epoch.

        Returns:
            Whether to go on with others: not after an interruption.
        """
        stored, entry = self._stored, self._stored.points[point.key]
        if point.config is None:
            assert point.error is not None
            stored.change(point.key, status=FAILED, error=point.error.message)
            self._end(point, 0.0)
            return True
        run = self._run_of(entry, point.config)
        self._board.started(point, run.id, run.manifest_file.exists())
        began, error, status = time.perf_counter(), None, FAILED

        def heard(record: Mapping[str, Any]) -> str | None:
            self._board.epoch_finished(point, record)
            return None if watch is None else watch(record)

        try:
            if device is None:
                listener = _Watched(self._board.listener, self._told, heard)
                status = train_run(point.config, self._workspace, run, stored.id, listener)
            else:
                arguments = (point.config, self._workspace, run, stored.id)
                status, error = train_in_process(train_run, arguments, device, heard)
        except Pruned as pruned:
            status, error = PRUNED, pruned.message
        except DsampleError as failed:
            error = failed.message
        except (MemoryError, RuntimeError) as failed:  # one that nobody foresaw
            error = type(failed).__name__  # its words may quote the data
        except KeyboardInterrupt:
            status = INTERRUPTED
        seconds = entry.seconds + time.perf_counter() - began
        if status == INTERRUPTED:
            stored.change(point.key, seconds=seconds)
            return False
        if status == PRUNED:
            with suppress(RunError), run.locked():  # unless another process has resumed it
                shutil.rmtree(run.checkpoints_dir, ignore_errors=True)
        if not run.path.is_dir():
            entry.run = None
        stored.change(point.key, status=status, error=error, seconds=seconds)
        self._end(point, time.perf_counter() - began)
        return True

    def result_of(self, point: Point) -> PointResult:
        """How a point stands."""
        entry, status = self._stored.points[point.key], self._stored.points[point.key].status
        metrics: Mapping[str, Any] = {}
        run = None if entry.run is None else self.run(entry.run)
        if run is not None and status == COMPLETED:
            metrics = run.read_manifest().get("metrics", {})
        elif run is not None and status == PLANNED and run.manifest_file.exists():
            status = INTERRUPTED
        return PointResult(
            point,
            entry.run,
            status,
            metrics.get("validation"),
            metrics.get("test"),
            entry.seconds,
            entry.error,
        )

    def finished(self, points: Sequence[Point]) -> list[PointResult]:
        """Results of the points that need no training."""
        return [self.result_of(p) for p in points if self._stored.points[p.key].is_over]

    def result(
        self, plan: Plan, data: Mapping[str, str], points: Sequence[Point], status: str
    ) -> SweepResult:
        """What the sweep found."""
        results = tuple(self.result_of(point) for point in points)
        skipped = plan.count - plan.to_train
        groups, split = group_results(results), None
        if status == COMPLETED:
            groups, split = compare_groups(self._workspace, groups)
        return SweepResult(plan, data, results, groups, skipped, status, self._workspace, split)

    def _look(self, entry: PointEntry) -> None:
        """Set an entry to how its run stands."""
        if entry.run is None:
            entry.status = PLANNED if entry.status == COMPLETED else entry.status
            return
        run = self.run(entry.run)
        if not run.path.is_dir():
            if entry.status != PLANNED:  # it was removed
                entry.run, entry.status, entry.error, entry.seconds = None, PLANNED, None, 0.0
            return
        try:
            status = run.read_manifest()["status"]
        except RunError:
            status = PLANNED
        if status == COMPLETED:
            entry.status, entry.error = COMPLETED, None
        elif entry.status == COMPLETED or status != FAILED:
            entry.status, entry.error = PLANNED, None

    def _run_of(self, entry: PointEntry, config: TrainConfig) -> Run:
        """The run of a point; its name is written down before it is made, so none is lost."""
        if entry.run is None:
            entry.run = self._workspace.name_run(config.schedule).id
        entry.status, entry.error = PLANNED, None
        self._stored.write()
        return self.run(entry.run)

    def _end(self, point: Point, seconds: float) -> None:
        self._left -= 1
        if point.config is not None:
            self._spent.append(seconds)
        each = statistics.fmean(self._spent) if self._spent else None
        left = max(0, self._left) / max(1, len(self.devices))
        self._board.ended(self.result_of(point), None if each is None else each * left)


def train_run(
    config: TrainConfig, workspace: Workspace, run: Run, sweep_id: str, listener: Listener
) -> str:
    """Train a run that was named, or go on with it; give its status."""
    try:
        if not run.manifest_file.exists():
            return train(config, workspace, listener, run, {"sweep": sweep_id}).status
        if run.read_manifest()["status"] == COMPLETED:
            return COMPLETED
        return resume(run, listener, config.trust_remote_code).status
    finally:
        gc.collect()  # a model and its Trainer refer to each other


def option_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by the names of their options."""
    return {name.replace("_", "-"): value for name, value in settings.items()}


def group_results(results: Sequence[PointResult]) -> tuple[Group, ...]:
    """Put completed points together that differ in the seed alone; the best group first."""
    members: dict[Any, list[PointResult]] = {}
    for result in results:
        members.setdefault(result.point.group, []).append(result)
    groups = []
    for settings, found in members.items():
        done = [result for result in found if result.macro_f1 is not None]
        if done:
            done.sort(key=lambda result: -(result.macro_f1 or 0.0))
            missing = sum(result.status in (FAILED, PRUNED) for result in found)
            groups.append(Group(dict(settings), tuple(done), missing))
    return tuple(sorted(groups, key=_mean_macro_f1, reverse=True))


def _mean_macro_f1(group: Group) -> float:
    spread = group.spread("macro_f1")
    assert spread is not None
    return spread.mean


def compare_groups(
    workspace: Workspace, groups: Sequence[Group]
) -> tuple[tuple[Group, ...], str | None]:
    """Give the groups their differences from the best; and the split that they are of."""
    runs = [str(result.run) for group in groups[:_MOST_COMPARED] for result in group.results]
    if len(groups) < 2:
        return tuple(groups), None
    try:
        found = compare(workspace, runs, Silent(), allow_different_data=True)
    except DsampleError:
        return tuple(groups), None  # such as runs of an older version
    # Runs on other rows than the first ones stand alone there.
    differences = {frozenset(entry.runs): entry.differences for entry in found.entries}
    members = [frozenset(str(result.run) for result in group.results) for group in groups]
    if not found.is_same_rows or members[0] not in differences:
        return tuple(groups), None
    compared = [
        replace(group, difference=differences.get(runs, {}).get("macro_f1"))
        for group, runs in zip(groups, members, strict=True)
    ]
    return tuple(compared), found.split


class _EarlierRuns:
    """How long completed runs on the same data took, for each model."""

    def __init__(self, workspace: Workspace, sha256: str | None) -> None:
        self._seconds: dict[str, list[float]] = {}
        self._rows = 0
        for summary in workspace.list_runs():
            manifest = summary.manifest
            train = manifest.get("data", {}).get("train", {})
            if summary.status != COMPLETED or not sha256 or train.get("sha256") != sha256:
                continue
            spent = _seconds_an_epoch(summary.run, manifest)
            if spent is not None and not manifest.get("parent"):
                model = manifest.get("config", {}).get("model")
                self._seconds.setdefault(str(model), []).append(spent)
                self._rows = sum(manifest.get("train_counts", ()))

    def seconds(self, configs: Sequence[TrainConfig]) -> tuple[float | None, int]:
        """Mean of what the configs will take, None where one's model is new; and who tells."""
        if not configs or any(config.model not in self._seconds for config in configs):
            return None, 0
        each = [
            statistics.median(self._seconds[config.model]) * self._epochs(config)
            for config in configs
        ]
        models = {config.model for config in configs}
        return statistics.fmean(each), sum(len(self._seconds[model]) for model in models)

    def _epochs(self, config: TrainConfig) -> int:
        return auto_epochs(self._rows) if isinstance(config.epochs, str) else config.epochs


def _seconds_an_epoch(run: Run, manifest: Mapping[str, Any]) -> float | None:
    """Of a completed run, all that belongs to it included; None if that cannot be told."""
    from datetime import datetime

    records = read_json_lines(run.epochs_file)
    if not records:
        return None
    trained = sum(float(record.get("seconds", 0)) for record in records)
    try:
        begun, done = (datetime.fromisoformat(manifest[key]) for key in ("created", "completed"))
    except (KeyError, ValueError, TypeError):
        return trained / len(records)
    # A run that was resumed the next day did not train all night.
    return min((done - begun).total_seconds(), 2 * trained + 30) / len(records)


class _Watched(ToldOnce):
    """Looks at the epochs of a run; what is told of its evaluation stands in its report."""

    def __init__(
        self, listener: Listener, told: set[str], heard: Callable[[Mapping[str, Any]], str | None]
    ) -> None:
        super().__init__(listener, told)
        self._heard, self._phase = heard, ""

    def note(self, message: str) -> None:
        if self._phase != "evaluating":
            super().note(message)

    def warn(self, message: str) -> None:
        if self._phase != "evaluating":
            super().warn(message)

    def phase(self, name: str, total: int | None = None) -> None:
        self._phase = name
        super().phase(name, total)

    def epoch_finished(self, record: Mapping[str, Any]) -> None:
        if reason := self._heard(record):
            raise Pruned(reason, "Train it to its end with: dsample train --resume RUN")
