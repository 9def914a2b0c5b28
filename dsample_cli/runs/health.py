"""What is wrong with the files of a workspace, and how each is mended without losing anything."""

import json
import os
import shutil
import sqlite3
import struct
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dsample_cli.errors import RunError
from dsample_cli.runs.files import atomic_writer, write_json
from dsample_cli.runs.locks import hidden_owner, is_held, owner_file, read_owner
from dsample_cli.runs.manifests import find_damage, is_epoch
from dsample_cli.runs.notes import are_damaged
from dsample_cli.runs.run import (
    COMPLETED,
    INTERRUPTED,
    RUNNING,
    SCHEMA,
    Run,
    is_plain,
    is_run_id,
    read_object,
    read_split,
)
from dsample_cli.runs.sweeps import Sweep
from dsample_cli.runs.workspace import Workspace, is_in_future

ERROR, WARNING, INFO = "error", "warning", "info"
SET_ASIDE = ".damaged"
# What is younger may be in the hands of a process that takes no lock.
YOUNG_SECONDS = 600
# A run directory with nothing but these was given up before anything was trained.
_WORTHLESS = {".lock", ".lock.owner", ".notes.lock", "config.toml", "split.csv"}
# Of those who write into a run beside its training.
_OTHER_LOCKS = (".notes.lock", ".onnx.lock")
# Begin of what is written into a run without its lock.
_WITHOUT_LOCK = (".features-", ".onnx", ".notes")
_MOST_HEADER_BYTES = 100_000_000


@dataclass(frozen=True)
class Problem:
    """Something in a workspace that is not as it should be.

    Attributes:
        code: What kind it is of, for programs.
        severity: "error", "warning", or "info" for what is only to be known.
        path: Where.
        message: What is wrong, one sentence.
        fix: What mending does, as a command to a person; None where it can do nothing.
        hint: What else to do.
        run: Run id, where it is one.
        mend: Does it; the caller holds the lock of the part.
    """

    code: str
    severity: str
    path: Path
    message: str
    fix: str | None = None
    hint: str = ""
    run: str | None = None
    mend: Callable[[], None] | None = field(default=None, repr=False, compare=False)

    @property
    def key(self) -> tuple[str, Path]:
        """What it is known by when it is looked for again."""
        return self.code, self.path


def check_folder(workspace: Workspace) -> list[Problem]:
    """What is wrong in a workspace beside its runs and sweeps."""
    found = [
        *_check_links(workspace),
        *_check_lock(workspace.lock_file, None),
        *_check_dataset(workspace),
        *_check_baselines(workspace),
    ]
    folders = [workspace.path, *filter(workspace.is_own, _folders(workspace))]
    for folder in folders:
        found += [_partial(path, None) for path in _partials(folder) if not is_young(path)]
    if workspace.runs_dir in folders:
        found += [
            Problem(
                "interrupted-removal",
                WARNING,
                path,
                "The removal of a run was interrupted.",
                "delete the rest of it",
                mend=_deletion(path),
            )
            for path in workspace.removed_dirs()
            if not is_young(path)
        ]
    return found


def check_sweep(workspace: Workspace, sweep: Sweep) -> list[Problem]:
    """What is wrong with the files of a sweep that no process holds."""
    found = _check_sweep(sweep)
    return found if workspace.is_own(workspace.sweeps_dir) else [_untouched(p) for p in found]


def check_run(workspace: Workspace, run: Run) -> list[Problem]:
    """What is wrong with a run that no process holds."""
    found = _check_run(workspace, run)
    return found if workspace.is_own(workspace.runs_dir) else [_untouched(p) for p in found]


def _untouched(problem: Problem) -> Problem:
    """A problem outside of the workspace, which is not mended."""
    return replace(problem, fix=None, mend=None)


def _check_sweep(sweep: Sweep) -> list[Problem]:
    found = _check_lock(sweep.lock_file, None)
    try:
        sweep.read()
    except RunError as error:
        if "newer" not in error.message:
            found.append(
                _aside(
                    "damaged-sweep",
                    sweep.file,
                    "It cannot be read, so the sweep cannot go on; its runs are whole.",
                    None,
                )
            )
    if sweep.search_file.exists() and not _is_database(sweep.search_file):
        message = "The database of the search is damaged; its runs are whole."
        found.append(_aside("damaged-sweep", sweep.search_file, message, None))
    return found


def _check_run(workspace: Workspace, run: Run) -> list[Problem]:
    if run.path.is_symlink():
        where = os.path.realpath(run.path)
        message = f"It is a link to {where}; nothing behind it is looked at or changed."
        return [Problem("link", INFO, run.path, message, run=run.id)]
    if not is_run_id(run.id):
        message = "No run is called so; it cannot be used."
        hint = "Rename the folder, or remove it by hand."
        return [Problem("name", ERROR, run.path, message, hint=hint)]
    found = _check_lock(run.lock_file, run.id)
    for name in _OTHER_LOCKS:
        if not is_held(run.path / name):
            found += _check_lock(run.path / name, run.id)
    found += [
        _partial(path, run.id)
        for path in _partials_below(run.path)
        if not (path.name.startswith(_WITHOUT_LOCK) and is_young(path))
    ]
    manifest = _read_manifest(run)
    if manifest is None:
        return [*found, *_check_lost_manifest(workspace, run)]
    if manifest.get("schema", SCHEMA) > SCHEMA:
        return found
    found += _check_status(run, manifest)
    found += _check_epochs(run, manifest)
    found += _check_texts(run, manifest)
    if are_damaged(run):
        found.append(
            _aside("damaged-notes", run.notes_file, "Tags and note cannot be read.", run.id)
        )
    if manifest["status"] == COMPLETED:
        found += _check_results(run, manifest)
    return found


def is_young(path: Path) -> bool:
    """Whether a file was written within the last minutes, or its clock says later than now."""
    try:
        return time.time() - path.lstat().st_mtime < YOUNG_SECONDS
    except OSError:
        return True  # it is gone, so somebody is at work


def is_whole_safetensors(path: Path) -> bool:
    """Whether a safetensors file has as many bytes as its header says; nothing is loaded."""
    if not is_plain(path):
        return False
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _MOST_HEADER_BYTES:
                return False
            header = json.loads(file.read(length))
            ends = [e["data_offsets"][1] for name, e in header.items() if name != "__metadata__"]
        return path.stat().st_size == 8 + length + max(ends, default=0)
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return False


def _folders(workspace: Workspace) -> tuple[Path, Path]:
    return workspace.runs_dir, workspace.sweeps_dir


def _check_links(workspace: Workspace) -> list[Problem]:
    return [
        Problem(
            "link",
            WARNING,
            folder,
            f"It is a link out of the workspace, to {os.path.realpath(folder)}: nothing there is "
            "mended or removed.",
            hint="Link the workspace itself, not what is in it.",
        )
        for folder in _folders(workspace)
        if not workspace.is_own(folder)
    ]


def unseen_lock(file: Path, run: str | None) -> list[Problem]:
    """A lock that a process of another machine may hold or not, which is not to be seen here."""
    owner = hidden_owner(file)
    if owner is None:
        return []
    place = owner_file(file)
    message = f"Process {owner}, took the lock; whether it still runs cannot be seen here."
    hint = f"Look on {owner.host}; if it has ended: rm {place}"
    return [Problem("stale-lock", WARNING, place, message, hint=hint, run=run)]


def _check_lock(file: Path, run: str | None) -> list[Problem]:
    """An owner that has gone without letting go; the caller knows that nobody holds the lock."""
    place = owner_file(file)
    if not os.path.lexists(place):
        return []
    owner = read_owner(file)
    who = "A process" if owner is None else f"Process {owner},"
    return [
        Problem(
            "stale-lock",
            WARNING,
            place,
            f"{who} took the lock and ended without letting go.",
            "forget its owner",
            run=run,
            mend=lambda: place.unlink(missing_ok=True),
        )
    ]


def _check_dataset(workspace: Workspace) -> list[Problem]:
    try:
        dataset = workspace.current_dataset()
    except RunError:
        message = "It cannot be read, so there is no current dataset."
        problem = _aside("damaged-workspace", workspace.file, message, None)
        return [problem]
    is_pattern = dataset is not None and any(sign in dataset.path for sign in "*?[")
    if dataset is None or is_pattern or os.path.exists(dataset.path):
        return []
    message = f"The current dataset, {dataset.path}, is gone."
    hint = "Name another: dsample analyze DATA"
    return [Problem("missing-data", INFO, workspace.file, message, hint=hint)]


def _check_baselines(workspace: Workspace) -> list[Problem]:
    if not os.path.lexists(workspace.baselines_file):
        return []
    try:
        entries = read_object(workspace.baselines_file).get("baselines")
    except RunError:
        entries = None
    if isinstance(entries, list):
        return []
    message = "The baselines that analyze remembered cannot be read; it can measure them again."
    return [_aside("damaged-workspace", workspace.baselines_file, message, None)]


def _read_manifest(run: Run) -> dict[str, Any] | None:
    """run.json as it stands, or None where it cannot be used."""
    return _usable(run.manifest_file)


def _usable(file: Path) -> dict[str, Any] | None:
    try:
        manifest = read_object(file)
    except RunError:
        return None
    schema = manifest.get("schema", SCHEMA)
    is_newer = type(schema) is int and schema > SCHEMA
    return manifest if is_newer or find_damage(manifest) is None else None


def _check_lost_manifest(workspace: Workspace, run: Run) -> list[Problem]:
    is_there = os.path.lexists(run.manifest_file)
    what = "run.json is damaged" if is_there else "There is no run.json"
    copy = _usable(run.manifest_copy)
    if copy is not None:

        def restore() -> None:
            if os.path.lexists(run.manifest_file):
                _set_aside(run.manifest_file)
            write_json(run.manifest_file, copy)

        status = INTERRUPTED if copy["status"] == RUNNING else copy["status"]
        return [
            Problem(
                "damaged-manifest",
                ERROR,
                run.manifest_file,
                f"{what}; a copy of it says {status}.",
                "restore it from the copy",
                run=run.id,
                mend=restore,
            )
        ]
    names = set(_names(run.path))
    if not is_there and not (names - _WORTHLESS - {p.name for p in _partials(run.path)}):
        # Without a lock it may be a run that is being made.
        if ".lock" not in names and is_young(run.path):
            return []
        return [
            Problem(
                "empty-run",
                WARNING,
                run.path,
                "Its process ended before anything was trained.",
                "delete the folder, which holds no results",
                run=run.id,
                mend=lambda: shutil.rmtree(workspace.move_away(run)),
            )
        ]
    again = f"dsample train --config {run.config_file}"
    known = f"Train it again: {again}, then remove" if is_plain(run.config_file) else "Remove"
    return [
        Problem(
            "damaged-manifest",
            ERROR,
            run.manifest_file,
            f"{what}, and there is no copy of it.",
            hint=f"{known} this one: dsample runs remove {run.id}",
            run=run.id,
        )
    ]


def _check_status(run: Run, manifest: dict[str, Any]) -> list[Problem]:
    found = []
    if manifest["status"] == RUNNING:
        found.append(
            Problem(
                "dead-run",
                WARNING,
                run.manifest_file,
                "It says that it is running, and no process holds it.",
                f"write down that it was interrupted{_going_on(run, manifest)}",
                run=run.id,
                mend=lambda: run.write_manifest(manifest | {"status": INTERRUPTED}),
            )
        )
    for name in ("created", "completed"):
        if is_in_future(manifest.get(name) or ""):
            message = f"It was {name} in the future ({manifest[name][:19]}): a clock was wrong."
            hint = "latest takes any other completed run first."
            found.append(
                Problem("future-time", INFO, run.manifest_file, message, hint=hint, run=run.id)
            )
            break
    return found


def _going_on(run: Run, manifest: dict[str, Any]) -> str:
    if manifest.get("parent"):
        return ""
    sealed = list(run.checkpoints_dir.glob("checkpoint-*/seal.json"))
    where = "from a checkpoint" if sealed else "from the beginning"
    return f"; dsample train --resume {run.id} goes on {where}"


def _check_epochs(run: Run, manifest: dict[str, Any]) -> list[Problem]:
    """Lines that cannot be epochs: the last may be cut off, others are lost."""
    file, is_completed = run.epochs_file, manifest["status"] == COMPLETED
    lines = file.read_bytes().split(b"\n") if is_plain(file) else []
    bad = [number for number, line in enumerate(lines) if line and not _is_epoch_line(line)]
    whole = len(lines) - len(bad) - lines.count(b"")
    if bad and bad == [len(lines) - 1]:

        def cut() -> None:
            with atomic_writer(file, "wb") as new:
                new.write(b"".join(line + b"\n" for line in lines[:-1]))

        message = f"Its last line is cut off; the {whole} before it are whole."
        fix = "leave that line out"
        return [Problem("cut-epochs", WARNING, file, message, fix, run=run.id, mend=cut)]
    hint = f"Its results stand; the record is whole if you train it again: {_again(run)}"
    if not is_completed:
        hint = f"To go on writes it anew from the last checkpoint: dsample train --resume {run.id}"
    if bad:
        message = f"Line {bad[0] + 1} is damaged; what stands before it is shown."
        return [Problem("damaged-epochs", WARNING, file, message, hint=hint, run=run.id)]
    expected = manifest.get("epochs")
    if is_completed and expected and whole != expected:
        message = f"It has {whole} of {expected} epochs."
        return [Problem("damaged-epochs", WARNING, file, message, hint=hint, run=run.id)]
    return []


def _is_epoch_line(line: bytes) -> bool:
    try:
        return is_epoch(json.loads(line))
    except (ValueError, RecursionError):
        return False


def _check_texts(run: Run, manifest: dict[str, Any]) -> list[Problem]:
    """config.toml, which run.json can replace, and split.csv, which nothing can."""
    found = []
    if not _is_toml(run.config_file) and "config" in manifest:
        how = ", then: ".join(manifest.get("commands", ())) or None
        found.append(
            Problem(
                "damaged-file",
                WARNING,
                run.config_file,
                "It is missing or damaged.",
                "write it anew from run.json",
                run=run.id,
                mend=lambda: run.write_config(manifest["config"], how),
            )
        )
    if not _has_split(run, manifest):
        message = "It is missing or damaged, so the run's rows are not known."
        found.append(_lost(run, run.split_file, message))
    return found


def _has_split(run: Run, manifest: dict[str, Any]) -> bool:
    """Whether split.csv has as many rows of each split as run.json says."""
    for split, part in manifest.get("data", {}).items():
        try:
            rows = read_split(run, split)
        except RunError:
            return False
        if part.get("rows") not in (None, len(rows)):
            return False
    return True


def _check_results(run: Run, manifest: dict[str, Any]) -> list[Problem]:
    found = []
    splits = [split for split, figures in manifest.get("metrics", {}).items() if figures]
    if splits and not _is_object(run.metrics_file):
        message = "It is missing or damaged; the figures of run.json are whole."
        found.append(_lost(run, run.metrics_file, message))
    for split in splits:
        file = run.predictions_file(split)
        rows = manifest.get("data", {}).get(split, {}).get("rows")
        if not _has_predictions(file, rows):
            message = "It is missing or damaged, so evaluate without DATA and compare cannot go by"
            found.append(_lost(run, file, f"{message} the {split} rows."))
    found += _check_model(run)
    is_kept = manifest.get("config", {}).get("keep-checkpoints", False)
    if run.checkpoints_dir.is_dir() and not run.checkpoints_dir.is_symlink() and not is_kept:
        found.append(
            Problem(
                "left-checkpoints",
                WARNING,
                run.checkpoints_dir,
                "The run is completed, and its checkpoints are still there.",
                "delete them",
                run=run.id,
                mend=_deletion(run.checkpoints_dir),
            )
        )
    return found


def _check_model(run: Run) -> Iterator[Problem]:
    """Files without which the model cannot be loaded."""
    weights = sorted(run.model_dir.glob("*.safetensors"))
    for name in ("config.json", "tokenizer_config.json"):
        if not _is_object(run.model_dir / name):
            message = "It is missing or damaged, so the model cannot be loaded."
            yield _lost(run, run.model_dir / name, message, "damaged-model")
    if not weights:
        message = "There are no weights, so the model cannot be loaded."
        yield _lost(run, run.model_dir / "model.safetensors", message, "damaged-model")
    for file in [*weights, *([run.head_file] if run.head_file.exists() else [])]:
        if not is_whole_safetensors(file):
            yield _lost(run, file, "It has not the bytes that its header tells.", "damaged-model")


def _has_predictions(file: Path, rows: int | None) -> bool:
    """Whether a file has a line for each row, and the first and the last can be read."""
    if not is_plain(file):
        return False
    first = last = b""
    count = 0
    with file.open("rb") as stream:
        for line in stream:
            first, last, count = first or line, line, count + 1
    try:
        keys = [json.loads(line).keys() for line in (first, last)]
    except (ValueError, AttributeError, RecursionError):
        return False
    is_whole = last.endswith(b"\n") and all({"row", "label", "true"} <= key for key in keys)
    return is_whole and rows in (None, count)


def _is_object(file: Path) -> bool:
    try:
        read_object(file)
    except RunError:
        return False
    return True


def _is_toml(file: Path) -> bool:
    try:
        return is_plain(file) and tomllib.loads(file.read_text(encoding="utf-8")) is not None
    except (OSError, ValueError, RecursionError):
        return False


def _is_database(file: Path) -> bool:
    if not is_plain(file):
        return False
    try:
        address = f"{file.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as database:
            answer: list[Any] = database.execute("PRAGMA quick_check").fetchall()
    except sqlite3.OperationalError:
        return True  # in use
    except sqlite3.Error:
        return False
    return answer == [("ok",)]


def _lost(run: Run, file: Path, message: str, code: str = "damaged-file") -> Problem:
    """Something that no other file tells."""
    hint = f"Make the run again: {_again(run)}"
    return Problem(code, ERROR, file, message, hint=hint, run=run.id)


def _again(run: Run) -> str:
    return f"dsample train --config {run.config_file}"


def _aside(code: str, file: Path, message: str, run: str | None) -> Problem:
    """A file that others would be stopped by, and that may still tell a person something."""
    return Problem(
        code,
        ERROR,
        file,
        message,
        f"set it aside as {file.name}{SET_ASIDE}",
        run=run,
        mend=lambda: _set_aside(file),
    )


def _set_aside(file: Path) -> None:
    """Give a file another name, which is not yet taken."""
    names = [file.name + SET_ASIDE, *(f"{file.name}{SET_ASIDE}.{n}" for n in range(2, 1000))]
    free = next(name for name in names if not os.path.lexists(file.with_name(name)))
    file.rename(file.with_name(free))


def _partial(path: Path, run: str | None) -> Problem:
    return Problem(
        "partial-file",
        WARNING,
        path,
        "A write was cut off here; what it was to replace is whole.",
        "delete it",
        run=run,
        mend=_deletion(path),
    )


def _deletion(path: Path) -> Callable[[], None]:
    """Delete a file, a link or a folder; links in it are not followed."""

    def delete() -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    return delete


def _partials_below(folder: Path) -> Iterator[Path]:
    """Cut-off writes in a run; to resume looks after those among its checkpoints."""
    yield from _partials(folder)
    for path in _paths(folder):
        if path.is_dir() and not path.is_symlink() and path.name not in ("checkpoints", "logs"):
            yield from (() if _is_partial(path) else _partials_below(path))


def _partials(folder: Path) -> list[Path]:
    return [path for path in _paths(folder) if _is_partial(path)]


def _is_partial(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith((".tmp", ".partial"))


def _paths(folder: Path) -> list[Path]:
    return [folder / name for name in _names(folder)]


def _names(folder: Path) -> Sequence[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
