"""The workspace: a folder with runs and a current dataset."""

import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dsample_cli.core.names import did_you_mean
from dsample_cli.errors import RunError
from dsample_cli.runs.files import read_json, write_json
from dsample_cli.runs.run import COMPLETED, DAMAGED, RUNNING, SCHEMA, Run

RUN_HINT = "List the runs with: dsample runs list"
# Baselines that a workspace remembers: the latest.
MOST_BASELINES = 100
BASELINE_MODELS = ("plain", "balanced")


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


@dataclass(frozen=True)
class Workspace:
    """A folder `dsample_workspace/`; it need not exist until something is written."""

    path: Path

    @property
    def runs_dir(self) -> Path:
        return self.path / "runs"

    def create(self) -> None:
        """Make the folder and workspace.json.

        Raises:
            RunError: If it cannot be written.
        """
        try:
            self.runs_dir.mkdir(parents=True, exist_ok=True)
            if not (self.path / "workspace.json").exists():
                write_json(self.path / "workspace.json", {"schema": SCHEMA, "dataset": None})
        except OSError as error:
            raise RunError(
                f"Cannot write the workspace {self.path}: {error.strerror}.",
                "Choose another with --workspace DIR or DSAMPLE_WORKSPACE.",
            ) from error

    def set_current_dataset(self, dataset: CurrentDataset) -> None:
        self.create()
        write_json(self.path / "workspace.json", {"schema": SCHEMA, "dataset": asdict(dataset)})

    def current_dataset(self) -> CurrentDataset | None:
        """The current dataset, None when there is none.

        Raises:
            RunError: If workspace.json is damaged.
        """
        if not (self.path / "workspace.json").exists():
            return None
        try:
            entry = read_json(self.path / "workspace.json")["dataset"]
            return entry and CurrentDataset(
                **{**entry, "text_columns": tuple(entry["text_columns"])}
            )
        except (RunError, KeyError, TypeError) as error:
            raise RunError(
                f"{self.path / 'workspace.json'} is damaged.",
                "Name the data file: dsample train DATA, or run dsample analyze DATA again.",
            ) from error

    def remember_baseline(self, baseline: RememberedBaseline) -> None:
        """Keep a baseline, in place of an earlier one of the same file and columns.

        Raises:
            RunError: If the workspace cannot be written.
        """
        self.create()
        others = [known for known in self._baselines() if known.key != baseline.key]
        kept = [*others, baseline][-MOST_BASELINES:]
        entry = {"schema": SCHEMA, "baselines": [asdict(known) for known in kept]}
        write_json(self.path / "baselines.json", entry)

    def find_baseline(
        self, sha256: str, text_columns: tuple[str, ...], label_column: str
    ) -> RememberedBaseline | None:
        """The baseline of a file and columns, None when there is none."""
        key = sha256, text_columns, label_column
        return next((known for known in self._baselines() if known.key == key), None)

    def _baselines(self) -> list[RememberedBaseline]:
        """What is remembered; of a missing or damaged file nothing, as it can be measured again."""
        try:
            entries = read_json(self.path / "baselines.json")["baselines"]
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
        except (RunError, KeyError, TypeError, ValueError):
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
            raise RunError(
                f"Cannot write the workspace {self.path}: {error.strerror}.",
                "Choose another with --workspace DIR or DSAMPLE_WORKSPACE.",
            ) from error

    def list_runs(self) -> list[RunSummary]:
        """All runs, newest first; damaged ones are told by their status."""
        if not self.runs_dir.is_dir():
            return []
        summaries = []
        for path in self.runs_dir.iterdir():
            if path.is_dir() and not path.name.startswith("."):
                summaries.append(_summarise(Run(path)))
        return sorted(summaries, key=lambda s: (s.created, s.run.id), reverse=True)

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
        if not self.runs_dir.is_dir():
            return []
        return sorted(self.runs_dir.glob(".removed-*"))

    def remove_run(self, run: Run) -> None:
        """Delete a run's directory; a run that is being trained is refused."""
        if run.path.parent != self.runs_dir.resolve() and run.path.parent != self.runs_dir:
            raise RunError(
                f"{run.path} is not in the workspace {self.path}.",
                "Name its workspace with --workspace DIR.",
            )
        if run.path.is_symlink():
            run.path.unlink()
            return
        with run.locked():
            # The rename makes the run vanish at once, however long the deletion takes.
            doomed = run.path.with_name(f".removed-{run.id}-{secrets.token_hex(2)}")
            run.path.rename(doomed)
        shutil.rmtree(doomed)

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
        runs = [s for s in runs if s.manifest.get("metrics", {}).get("validation")]
        if not runs:
            raise RunError(
                "No run has validation figures, so none is best.",
                "Name one: --run RUN. " + RUN_HINT,
            )
        return max(runs, key=lambda s: (s.manifest["metrics"]["validation"]["macro_f1"], s.created))

    def _completed(self, among: Sequence[RunSummary] | None = None) -> list[RunSummary]:
        runs = [s for s in (self.list_runs() if among is None else among) if s.status == COMPLETED]
        if not runs:
            raise RunError(
                f"There is no completed run in {self.path}.",
                "Train one with: dsample train DATA, or name a workspace with --workspace DIR.",
            )
        return runs


def _latest(completed: Sequence[RunSummary]) -> RunSummary:
    return max(completed, key=lambda s: (s.manifest.get("completed", ""), s.run.id))


def data_identity(summary: RunSummary) -> tuple[Any, Any]:
    """What runs have in common whose validation figures can be compared."""
    train = summary.manifest.get("data", {}).get("train", {})
    return train.get("sha256"), summary.manifest.get("validation_rows_sha256")


def _summarise(run: Run) -> RunSummary:
    try:
        manifest = run.read_manifest()
        return RunSummary(run, manifest["status"], str(manifest.get("created", "")), manifest)
    except RunError:
        # A run that is just being made has no manifest yet.
        status = RUNNING if run.is_locked() else DAMAGED
        return RunSummary(run, status, _stamp_of(run.id), {})


def _stamp_of(run_id: str) -> str:
    try:
        return datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).isoformat()
    except ValueError:
        return ""
