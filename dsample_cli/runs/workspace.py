"""The workspace: a folder with runs and a current dataset."""

import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dsample_cli.core.names import did_you_mean
from dsample_cli.errors import RunError
from dsample_cli.runs.files import write_json
from dsample_cli.runs.locks import held
from dsample_cli.runs.run import COMPLETED, DAMAGED, RUNNING, SCHEMA, Run, read_object

RUN_HINT = "List the runs with: dsample runs list"
# Baselines that a workspace remembers: the latest.
MOST_BASELINES = 100
BASELINE_MODELS = ("plain", "balanced")
# Other processes hold the files of a workspace for milliseconds.
_PATIENCE_SECONDS = 10
# Between the making of a run's directory and that of its lock.
_MAKING_SECONDS = 10


@dataclass(frozen=True)
class CurrentDataset:
    """What `dsample analyze` saw last: a file or the pattern of several, and how it was read."""

    path: str
    sha256: str
    text_columns: tuple[str, ...]
    label_column: str
    encoding: str | None = None
    delimiter: str | None = None


@dataclass(frozen=True)
class RememberedBaseline:
    """Which simple model did better on a file that `dsample analyze --baseline` saw.

    Attributes:
        sha256: Of the file or files.
        text_columns: One, or two for pairs.
        label_column: Its name.
        model: "plain" or "balanced".
        macro_f1: What it reached in cross-validation.
    """

    sha256: str
    text_columns: tuple[str, ...]
    label_column: str
    model: str
    macro_f1: float

    @property
    def key(self) -> tuple[str, tuple[str, ...], str]:
        """What it is found by."""
        return self.sha256, self.text_columns, self.label_column


@dataclass(frozen=True)
class RunSummary:
    """A run as lists show it; `manifest` is empty when run.json is damaged."""

    run: Run
    status: str
    created: str
    manifest: Mapping[str, Any]

    @property
    def macro_f1(self) -> float | None:
        """Of its validation rows; None where it has none."""
        validation = self.manifest.get("metrics", {}).get("validation") or {}
        return validation.get("macro_f1")


@dataclass(frozen=True)
class Workspace:
    """A folder `dsample_workspace/`; it need not exist until something is written."""

    path: Path

    @property
    def runs_dir(self) -> Path:
        return self.path / "runs"

    @property
    def sweeps_dir(self) -> Path:
        return self.path / "sweeps"

    @property
    def file(self) -> Path:
        return self.path / "workspace.json"

    @property
    def baselines_file(self) -> Path:
        return self.path / "baselines.json"

    @property
    def lock_file(self) -> Path:
        return self.path / ".lock"

    def create(self) -> None:
        """Make the folder and workspace.json.

        Raises:
            RunError: If it cannot be written.
        """
        try:
            self.runs_dir.mkdir(parents=True, exist_ok=True)
            if not self.file.exists():
                with self._locked():
                    if not self.file.exists():  # another process may have been quicker
                        write_json(self.file, {"schema": SCHEMA, "dataset": None})
        except OSError as error:
            raise self._unwritable(error) from error

    def set_current_dataset(self, dataset: CurrentDataset) -> None:
        self.create()
        with self._locked():
            write_json(self.file, {"schema": SCHEMA, "dataset": asdict(dataset)})

    def _locked(self) -> AbstractContextManager[None]:
        """Hold the files of the workspace itself, for a moment."""
        return held(self.lock_file, f"The workspace {self.path}", _PATIENCE_SECONDS)

    def _unwritable(self, error: OSError) -> RunError:
        return RunError(
            f"Cannot write the workspace {self.path}: {error.strerror}.",
            "Choose another with --workspace DIR or DSAMPLE_WORKSPACE.",
        )

    def current_dataset(self) -> CurrentDataset | None:
        """The current dataset, None when there is none.

        Raises:
            RunError: If workspace.json is damaged.
        """
        if not self.file.exists():
            return None
        try:
            entry = read_object(self.file)["dataset"]
            if entry is None:
                return None
            dataset = CurrentDataset(**{**entry, "text_columns": tuple(entry["text_columns"])})
        except (RunError, KeyError, TypeError) as error:
            raise self._damaged() from error
        texts = (dataset.path, dataset.sha256, dataset.label_column, *dataset.text_columns)
        maybe = (dataset.encoding, dataset.delimiter)
        if not all(isinstance(text, str) for text in (*texts, *filter(None, maybe))):
            raise self._damaged()
        return dataset

    def _damaged(self) -> RunError:
        return RunError(
            f"{self.file} is damaged.",
            "Name the data file: dsample train DATA, or run dsample analyze DATA again.",
        )

    def remember_baseline(self, baseline: RememberedBaseline) -> None:
        """Keep a baseline, in place of an earlier one of the same file and columns.

        Raises:
            RunError: If the workspace cannot be written.
        """
        self.create()
        with self._locked():
            others = [known for known in self._baselines() if known.key != baseline.key]
            kept = [*others, baseline][-MOST_BASELINES:]
            entry = {"schema": SCHEMA, "baselines": [asdict(known) for known in kept]}
            write_json(self.baselines_file, entry)

    def find_baseline(
        self, sha256: str, text_columns: tuple[str, ...], label_column: str
    ) -> RememberedBaseline | None:
        """The baseline of a file and columns, None when there is none."""
        key = sha256, text_columns, label_column
        return next((known for known in self._baselines() if known.key == key), None)

    def _baselines(self) -> list[RememberedBaseline]:
        """What is remembered; of a missing or damaged file nothing, as it can be measured again."""
        try:
            entries = read_object(self.baselines_file)["baselines"]
            return [
                RememberedBaseline(
                    str(entry["sha256"]),
                    tuple(map(str, entry["text_columns"])),
                    str(entry["label_column"]),
                    BASELINE_MODELS[BASELINE_MODELS.index(entry["model"])],
                    float(entry["macro_f1"]),
                )
                for entry in entries
            ]
        except (RunError, KeyError, TypeError, ValueError, OverflowError):
            return []

    def create_run(self, label: str) -> Run:
        """Make a new run directory, named by UTC time, `label` and a random part."""
        self.create()
        while True:
            run = self.name_run(label)
            try:
                self.make_run(run)
                return run
            except FileExistsError:
                continue

    def name_run(self, label: str) -> Run:
        """A run directory as `create_run` would name it, which is still to be made."""
        label = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        return Run(self.runs_dir / f"{stamp}-{label}-{secrets.token_hex(2)}")

    def make_run(self, run: Run) -> None:
        """Make the directory of a run that was named.

        Raises:
            FileExistsError: If there is one.
            RunError: If the workspace cannot be written.
        """
        try:
            run.path.mkdir()
        except FileExistsError:
            raise
        except OSError as error:
            raise self._unwritable(error) from error

    def list_runs(self) -> list[RunSummary]:
        """All runs, newest first; damaged ones are told by their status.

        Others may make and remove runs meanwhile: one that is gone by then is left out.
        """
        summaries = [_summarise(run) for run in self.runs()]
        found = [summary for summary in summaries if summary is not None]
        return sorted(found, key=lambda s: (s.created, s.run.id), reverse=True)

    def runs(self) -> list[Run]:
        """The directories of all runs, unread, by name."""
        try:
            paths = sorted(self.runs_dir.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise RunError(
                f"Cannot read the workspace {self.path}: {error.strerror}.",
                "Choose another with --workspace DIR or DSAMPLE_WORKSPACE.",
            ) from error
        return [Run(path) for path in paths if not path.name.startswith(".") and path.is_dir()]

    def find_run(self, name: str) -> Run:
        """Find a run by id, unambiguous prefix, path, `latest` or `best`.

        Raises:
            RunError: If there is none, or more than one.
        """
        if name == "latest":
            return _latest(self._completed()).run
        if name == "best":
            return self.best_run().run
        if (Path(name) / "run.json").is_file() and (os.sep in name or Path(name).is_dir()):
            return Run(Path(name).resolve())
        ids = [summary.run.id for summary in self.list_runs()]
        matches = [name] if name in ids else [i for i in ids if name and i.startswith(name)]
        if len(matches) > 1:
            raise RunError(
                f"'{name}' fits {len(matches)} runs: {', '.join(sorted(matches)[:5])}.",
                "Give more of the run id.",
            )
        if not matches:
            guess = did_you_mean(name, ids) if ids and len(name) > 8 else ""
            raise RunError(
                f"There is no run '{name}' in {self.path}.", f"{guess} {RUN_HINT}".strip()
            )
        return Run(self.runs_dir / matches[0])

    def removed_dirs(self) -> list[Path]:
        """What removals that were interrupted have left."""
        return sorted(self.runs_dir.glob(".removed-*"))

    def remove_run(self, run: Run) -> None:
        """Delete a run's directory; of a link, the link alone.

        Raises:
            RunError: If the run is being trained, is not in this workspace, or cannot be written.
        """
        if run.path.parent != self.runs_dir.resolve() and run.path.parent != self.runs_dir:
            raise RunError(
                f"{run.path} is not in the workspace {self.path}.",
                "Name its workspace with --workspace DIR.",
            )
        self.require_own_runs()
        try:
            if run.path.is_symlink():
                run.path.unlink()
                return
            with run.locked():
                doomed = self.move_away(run)
            # Links are not followed, and what another process deletes meanwhile is gone as well.
            shutil.rmtree(doomed, ignore_errors=True)
            if doomed.exists():
                shutil.rmtree(doomed)  # tells why it cannot
        except OSError as error:
            raise RunError(
                f"Run {run.id} cannot be removed: {error.strerror or type(error).__name__}.",
                "Check who may write the folder, then see: dsample doctor",
            ) from error

    def move_away(self, run: Run) -> Path:
        """Let a run vanish at once, however long its deletion takes; give where it is now."""
        doomed = run.path.with_name(f".removed-{run.id}-{secrets.token_hex(2)}")
        return run.path.rename(doomed)

    def require_own_runs(self) -> None:
        """See that what is deleted in `runs/` lies in the workspace.

        Raises:
            RunError: If `runs/` is a link to elsewhere.
        """
        if not self.is_own(self.runs_dir):
            raise RunError(
                f"{self.runs_dir} is a link out of the workspace, through which nothing is "
                "removed.",
                "Remove by hand what you mean to, or link the workspace itself, not its runs: "
                f"ls {os.path.realpath(self.runs_dir)}",
            )

    def is_own(self, folder: Path) -> bool:
        """Whether a folder of the workspace lies in it, and is no link to elsewhere."""
        return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(self.path))

    def best_run(self, among: Sequence[RunSummary] | None = None) -> RunSummary:
        """The highest validation macro-F1 among completed runs comparable with the latest of them.

        Args:
            among: Runs to choose from; all by default.

        Raises:
            RunError: If none of them is completed, or none has validation figures.
        """
        completed = self._completed(among)
        latest = _latest(completed)
        runs = [s for s in completed if data_identity(s) == data_identity(latest)]
        runs = [s for s in runs if s.macro_f1 is not None]
        if not runs:
            raise RunError(
                "No run has validation figures, so none is best.",
                "Name one: --run RUN. " + RUN_HINT,
            )
        return max(runs, key=by_macro_f1)

    def _completed(self, among: Sequence[RunSummary] | None = None) -> list[RunSummary]:
        runs = [s for s in (self.list_runs() if among is None else among) if s.status == COMPLETED]
        if not runs:
            raise RunError(
                f"There is no completed run in {self.path}.",
                "Train one with: dsample train DATA, or name a workspace with --workspace DIR.",
            )
        return runs


def by_macro_f1(summary: RunSummary) -> tuple[float, str]:
    """What to sort by so that the best of the runs with validation figures is the last."""
    return summary.macro_f1 or 0.0, summary.created


def _latest(completed: Sequence[RunSummary]) -> RunSummary:
    return max(completed, key=lambda s: (*_when_completed(s.manifest), s.run.id))


def _when_completed(manifest: Mapping[str, Any]) -> tuple[bool, str]:
    """What to sort by so that the run completed last is the last.

    A time in the future was told by a clock that was wrong then: it comes before all that can be.
    """
    text = manifest.get("completed") or ""
    return not is_in_future(text), text


def is_in_future(text: str) -> bool:
    """Whether a time of a run.json is more than a day ahead; False for what is no time."""
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        return False
    zoned = told if told.tzinfo else told.replace(tzinfo=UTC)
    return zoned > datetime.now(UTC) + timedelta(days=1)


def data_identity(summary: RunSummary) -> tuple[Any, Any]:
    """What runs have in common whose validation figures can be compared."""
    train = summary.manifest.get("data", {}).get("train", {})
    return train.get("sha256"), summary.manifest.get("validation_rows_sha256")


def _summarise(run: Run) -> RunSummary | None:
    """How a run stands; None when it is gone."""
    try:
        manifest = run.read_manifest()
        return RunSummary(run, manifest["status"], manifest.get("created", ""), manifest)
    except RunError:
        # A run that is just being made has no manifest yet.
        status = RUNNING if run.is_locked() or _is_being_made(run) else DAMAGED
        return RunSummary(run, status, _stamp_of(run.id), {}) if run.path.is_dir() else None


def _is_being_made(run: Run) -> bool:
    """Whether a run's directory was made just now, and its lock is still to come."""
    try:
        age = time.time() - run.path.stat().st_mtime
        return abs(age) < _MAKING_SECONDS and not os.listdir(run.path)
    except OSError:
        return False


def _stamp_of(run_id: str) -> str:
    try:
        return datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).isoformat()
    except ValueError:
        return ""
