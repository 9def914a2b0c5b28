"""The sweeps of a workspace: which run belongs to which point of a grid."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

from filelock import FileLock, Timeout

from dsample_cli.errors import RunError
from dsample_cli.runs.files import read_json, write_json
from dsample_cli.runs.run import COMPLETED, SCHEMA

PLANNED = "planned"
PRUNED = "pruned"


@dataclass
class PointEntry:
    """What a sweep knows of one of its points.

    Attributes:
        settings: Option -> value, for the reader.
        run: Run id, written before the run is made; None while it has none.
        status: "planned", "completed", "failed" or "pruned".
        error: Why it failed.
        seconds: Time that it took, all attempts together.
    """

    settings: Mapping[str, Any]
    run: str | None = None
    status: str = PLANNED
    error: str | None = None
    seconds: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it is not to be trained again; what failed is."""
        return self.status in (COMPLETED, PRUNED)


@dataclass
class Sweep:
    """A file `sweeps/<id>.json`.

    Attributes:
        folder: `sweeps` of a workspace.
        id: Identity of the data and the grid.
        about: What else the file says, for the reader.
        points: By their keys.
    """

    folder: Path
    id: str
    about: Mapping[str, Any] = field(default_factory=dict)
    points: dict[str, PointEntry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._writing = RLock()

    @property
    def file(self) -> Path:
        return self.folder / f"{self.id}.json"

    @property
    def search_file(self) -> Path:
        """The database of a search."""
        return self.folder / f"{self.id}.db"

    def read(self) -> None:
        """Take over what the file knows of points, if there is one.

        Raises:
            RunError: If it is damaged or of a newer schema.
        """
        if self.file.exists():
            self.points |= _read_points(self.file)

    def change(self, key: str, **changes: Any) -> None:
        """Change the entry of a point, and write the file."""
        with self._writing:
            for name, value in changes.items():
                setattr(self.points[key], name, value)
            self.write()

    def write(self) -> None:
        """Write the file, whole or not at all."""
        with self._writing:
            points = {key: vars(entry) for key, entry in self.points.items()}
            write_json(
                self.file, {"schema": SCHEMA, "sweep": self.id, **self.about, "points": points}
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the sweep, and take over what its file knows of points.

        Raises:
            RunError: If another process holds it, or the file is damaged or of a newer schema.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"Cannot write the workspace {self.folder.parent}: {error.strerror}.",
                "Choose another with --workspace DIR or DSAMPLE_WORKSPACE.",
            ) from error
        lock = FileLock(self.folder / f".{self.id}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunError(
                f"Sweep {self.id} is in use by another process.", "Wait until it ends, or stop it."
            ) from None
        try:
            self.read()
            yield
        finally:
            lock.release()

    def known_runs(self) -> dict[str, PointEntry]:
        """Points that other sweeps of the workspace completed, by their keys."""
        found: dict[str, PointEntry] = {}
        for file in sorted(self.folder.glob("*.json")):
            if file == self.file:
                continue
            try:
                entries = _read_points(file)
            except RunError:
                continue  # what it knew is trained again
            found |= {key: entry for key, entry in entries.items() if entry.status == COMPLETED}
        return found


def _read_points(file: Path) -> dict[str, PointEntry]:
    content = read_json(file)
    hint = f"Remove the file to begin the sweep anew: {file}"
    if isinstance(content, dict) and content.get("schema", SCHEMA) > SCHEMA:
        raise RunError(
            f"{file} was written by a newer dsample.",
            "Upgrade with: pip install --upgrade dsample-cli",
        )
    try:
        return {key: PointEntry(**entry) for key, entry in content["points"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{file} is damaged.", hint) from error
