"""One run's directory: its manifest, its files, its lock."""

import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from dsample_cli.errors import DsampleError, RunError
from dsample_cli.runs.files import (
    atomic_writer,
    read_json,
    read_json_lines,
    write_json,
    write_json_lines,
    write_text,
)
from dsample_cli.runs.locks import gone, held, is_held
from dsample_cli.runs.manifests import find_damage, is_epoch

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
    def manifest_copy(self) -> Path:
        """What run.json held when it was last written, should it be damaged."""
        return self.path / ".run.json.copy"

    @property
    def lock_file(self) -> Path:
        return self.path / ".lock"

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

    def read_manifest(self, needed: tuple[str, ...] = ()) -> dict[str, Any]:
        """The content of run.json, with a dead process's `running` told as `interrupted`.

        Args:
            needed: Entries that must be there.

        Raises:
            RunError: If it is missing, damaged or of a newer schema.
        """
        hint = f"Mend it: dsample doctor --fix, or remove the run: dsample runs remove {self.id}"
        if not is_run_id(self.id):
            raise RunError(f"{self.path} is damaged: so no run is called.", hint)
        try:
            manifest = read_object(self.manifest_file)
        except RunError as error:
            if not self.path.is_dir():
                raise gone(f"Run {self.id}") from None
            raise RunError(error.message, hint) from error
        schema = manifest.get("schema", SCHEMA)
        if type(schema) is int and schema > SCHEMA:
            raise RunError(
                f"Run {self.id} was written by a newer dsample (schema {schema}).",
                "Upgrade with: pip install --upgrade dsample-cli",
            )
        if (damage := find_damage(manifest, needed)) is not None:
            raise RunError(f"{self.manifest_file} is damaged: no usable {damage}.", hint)
        if manifest["status"] == RUNNING and not self.is_locked():
            manifest["status"] = INTERRUPTED
        return manifest

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Write run.json anew."""
        self._store_manifest({"schema": SCHEMA, "run": self.id, **manifest})

    def update_manifest(self, **changes: Any) -> dict[str, Any]:
        """Change some entries of run.json."""
        manifest: dict[str, Any] = read_json(self.manifest_file) | changes
        self._store_manifest(manifest)
        return manifest

    def _store_manifest(self, manifest: dict[str, Any]) -> None:
        write_json(self.manifest_file, manifest)
        # The second, so that one of them is whole whenever the other is being written.
        write_json(self.manifest_copy, manifest)

    def read_epochs(self) -> list[dict[str, Any]]:
        """The lines of epochs.jsonl; from one on that cannot be an epoch, none.

        Raises:
            RunError: If the file cannot be read.
        """
        try:
            records = read_json_lines(self.epochs_file) if is_plain(self.epochs_file) else []
        except (OSError, RecursionError) as error:
            raise RunError(
                f"{self.epochs_file} cannot be read: {type(error).__name__}.",
                "See what there is: dsample doctor",
            ) from error
        whole = next((i for i, record in enumerate(records) if not is_epoch(record)), None)
        return records[:whole]

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
            RunError: If another process holds it, it was removed, or it cannot be written.
        """
        with held(self.lock_file, f"Run {self.id}"):
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Tell of a run that is removed in the block as such, not as of one without its files.

        Raises:
            RunError: If it is removed.
        """
        try:
            yield
        except (DsampleError, OSError) as error:
            if self.path.is_dir():
                raise
            raise gone(f"Run {self.id}") from error

    def is_locked(self) -> bool:
        """Whether a living process holds the run."""
        return is_held(self.lock_file)


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


def is_run_id(name: Any) -> bool:
    """Whether a name is that of a folder right in `runs/`, and can be shown.

    Examples:
        >>> is_run_id("20260102-130405-cyclic-1a2b"), is_run_id("../x"), is_run_id("")
        (True, False, False)
    """
    return (
        isinstance(name, str)
        and name != ""
        and name.isprintable()
        and not name.startswith(".")
        and name == Path(name).name
    )


def is_plain(path: Path) -> bool:
    """Whether a path is a file that can be read to its end: no pipe, no device, no folder."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        RunError: If it is missing, damaged or anything else.
    """
    try:
        if path.exists() and not is_plain(path):
            raise RunError(f"{path} is damaged: no file.", "Remove it.")
        content = read_json(path)
    except (RecursionError, OSError) as error:
        raise RunError(f"{path} is damaged: {type(error).__name__}.", "Remove it.") from error
    if not isinstance(content, dict):
        raise RunError(f"{path} is damaged: no object.", "Remove it.")
    return content


def read_split(run: Run, split: str) -> list[int]:
    """Rows of one split, in the order of split.csv.

    Raises:
        RunError: If the file is missing or damaged.
    """
    try:
        if not is_plain(run.split_file):
            raise FileNotFoundError(run.split_file)
        lines = run.split_file.read_text(encoding="utf-8").splitlines()[1:]
        return [int(row) for row, name in (line.split(",") for line in lines) if name == split]
    except (OSError, ValueError) as error:
        raise RunError(
            f"{run.split_file} is damaged or missing.",
            f"Begin anew with: dsample train --config {run.config_file}",
        ) from error
