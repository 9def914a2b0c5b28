"""The sweeps of a workspace: which run belongs to which point of a grid."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

from dsample_cli.errors import RunError
from dsample_cli.runs.files import write_json
from dsample_cli.runs.locks import held
from dsample_cli.runs.run import COMPLETED, FAILED, SCHEMA, is_run_id, read_object

PLANNED = "planned"
PRUNED = "pruned"
STATUSES = (PLANNED, COMPLETED, FAILED, PRUNED)
_LONGEST_SECONDS = 1e12


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
    def lock_file(self) -> Path:
        return self.folder / f".{self.id}.lock"

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
        with held(self.lock_file, f"Sweep {self.id}"):
            self.read()
            yield

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
    hint = f"Mend it: dsample doctor --fix, or begin the sweep anew: rm {file}"
    try:
        content = read_object(file)
    except RunError as error:
        raise RunError(f"{file} is damaged.", hint) from error
    schema = content.get("schema", SCHEMA)
    if type(schema) is int and schema > SCHEMA:
        raise RunError(
            f"{file} was written by a newer dsample.",
            "Upgrade with: pip install --upgrade dsample-cli",
        )
    try:
        points = {key: PointEntry(**entry) for key, entry in content["points"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{file} is damaged.", hint) from error
    if not all(map(_is_usable, points.values())):
        raise RunError(f"{file} is damaged.", hint)
    return points


def _is_usable(entry: PointEntry) -> bool:
    """Whether the values are of their kinds, and the run is one of the workspace."""
    return (
        isinstance(entry.settings, dict)
        and entry.status in STATUSES
        and (entry.run is None or is_run_id(entry.run))
        and (entry.error is None or isinstance(entry.error, str))
        and isinstance(entry.seconds, int | float)
        and 0 <= entry.seconds < _LONGEST_SECONDS
    )
