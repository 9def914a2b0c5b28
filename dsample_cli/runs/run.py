"""One run's directory: its manifest, its files, its lock."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from filelock import FileLock, Timeout

from dsample_cli.errors import RunError
from dsample_cli.runs.files import (
    atomic_writer,
    read_json,
    write_json,
    write_json_lines,
    write_text,
)

SCHEMA = 1

COMPLETED = "completed"
RUNNING = "running"
FAILED = "failed"
INTERRUPTED = "interrupted"
DAMAGED = "damaged"


@dataclass(frozen=True)
class Run:
    """A directory `runs/<run id>/`; its files are named by the properties."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def manifest_file(self) -> Path:
        return self.path / "run.json"

    @property
    def config_file(self) -> Path:
        return self.path / "config.toml"

    @property
    def epochs_file(self) -> Path:
        return self.path / "epochs.jsonl"

    def draws_file(self, epoch: int) -> Path:
        return self.path / "draws" / f"epoch-{epoch:03d}.parquet"

    @property
    def notes_file(self) -> Path:
        return self.path / "notes.json"

    @property
    def split_file(self) -> Path:
        return self.path / "split.csv"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.json"

    @property
    def report_file(self) -> Path:
        return self.path / "report.html"

    @property
    def confusion_file(self) -> Path:
        return self.path / "confusion.png"

    @property
    def reliability_file(self) -> Path:
        return self.path / "reliability.png"

    @property
    def model_dir(self) -> Path:
        return self.path / "model"

    @property
    def head_file(self) -> Path:
        return self.path / "head.safetensors"

    @property
    def checkpoints_dir(self) -> Path:
        return self.path / "checkpoints"

    @property
    def logs_dir(self) -> Path:
        return self.path / "logs"

    def features_file(self, split: str) -> Path:
        return self.path / f"features-{split}.npz"

    def predictions_file(self, split: str) -> Path:
        return self.path / f"predictions-{split}.jsonl"

    def read_manifest(self) -> dict[str, Any]:
        """The content of run.json, with a dead process's `running` told as `interrupted`.

        Raises:
            RunError: If it is missing, damaged or of a newer schema.
        """
        hint = f"Remove the run with: dsample runs remove {self.id}"
        try:
            manifest = read_json(self.manifest_file)
        except RunError as error:
            raise RunError(error.message, hint) from error
        if not isinstance(manifest, dict) or "status" not in manifest:
            raise RunError(f"{self.manifest_file} is damaged: no status.", hint)
        if manifest.get("schema", SCHEMA) > SCHEMA:
            raise RunError(
                f"Run {self.id} was written by a newer dsample (schema {manifest['schema']}).",
                "Upgrade with: pip install --upgrade dsample-cli",
            )
        if manifest["status"] == RUNNING and not self.is_locked():
            manifest["status"] = INTERRUPTED
        return manifest

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Write run.json anew."""
        write_json(self.manifest_file, {"schema": SCHEMA, "run": self.id, **manifest})

    def update_manifest(self, **changes: Any) -> dict[str, Any]:
        """Change some entries of run.json."""
        manifest = read_json(self.manifest_file) | changes
        write_json(self.manifest_file, manifest)
        return manifest

    def write_config(self, options: dict[str, Any], how: str | None = None) -> None:
        """Write config.toml, which `dsample train --config` takes to repeat the run.

        Args:
            options: Of the training.
            how: What else repeats the run.
        """
        further = f", then: {how}" if how else ""
        head = f"# Repeat this run with: dsample train --config config.toml{further}\n"
        write_text(self.config_file, head + tomli_w.dumps(options))

    def write_split(self, rows: Mapping[str, Iterable[int]]) -> None:
        """Write split.csv: for each split the 0-based data rows of the file that it came from."""
        with atomic_writer(self.split_file) as file:
            file.write("row,split\n")
            for split, numbers in rows.items():
                file.writelines(f"{row},{split}\n" for row in numbers)

    def write_epochs(self, records: list[dict[str, Any]]) -> None:
        """Write epochs.jsonl anew."""
        write_json_lines(self.epochs_file, records)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for writing.

        Raises:
            RunError: If another process holds it.
        """
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunError(
                f"Run {self.id} is in use by another process.", "Wait until it ends, or stop it."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def is_locked(self) -> bool:
        """Whether a living process holds the run."""
        lock_file = self.path / ".lock"
        if not lock_file.exists():
            return False
        lock = FileLock(lock_file)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            return True
        lock.release()
        return False


class FollowedRun(Run):
    """A run as the other processes of a distributed training see it: rank 0 alone writes."""

    def write_manifest(self, manifest: dict[str, Any]) -> None: ...

    def update_manifest(self, **changes: Any) -> dict[str, Any]:
        return {}

    def write_config(self, options: dict[str, Any], how: str | None = None) -> None: ...

    def write_split(self, rows: Mapping[str, Iterable[int]]) -> None: ...

    def write_epochs(self, records: list[dict[str, Any]]) -> None: ...

    @contextmanager
    def locked(self) -> Iterator[None]:
        yield


def read_split(run: Run, split: str) -> list[int]:
    """Rows of one split, in the order of split.csv.

    Raises:
        RunError: If the file is missing or damaged.
    """
    try:
        lines = run.split_file.read_text(encoding="utf-8").splitlines()[1:]
        return [int(row) for row, name in (line.split(",") for line in lines) if name == split]
    except (OSError, ValueError) as error:
        raise RunError(
            f"{run.split_file} is damaged or missing.",
            f"Begin anew with: dsample train --config {run.config_file}",
        ) from error
