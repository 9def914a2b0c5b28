"""List, choose and describe stored runs."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dsample_cli.core.names import look_up
from dsample_cli.errors import ConfigError
from dsample_cli.runs.notes import read_notes
from dsample_cli.runs.run import COMPLETED, DAMAGED, FAILED, INTERRUPTED, RUNNING, Run
from dsample_cli.runs.workspace import RunSummary, Workspace

STATUSES = (COMPLETED, RUNNING, INTERRUPTED, FAILED, DAMAGED)
_SHORTEST_SHA256 = 6
# Figures that every split has.
_ALWAYS = ("macro_f1", "accuracy", "balanced_accuracy")


def _highest(key: str) -> Callable[[Mapping[str, Any]], tuple[bool, float]]:
    """What to sort by so that the highest comes first and the unknown last."""
    return lambda entry: (entry[key] is None, -(entry[key] or 0))


# Kept in the order of creation, newest first, where the key is equal.
SORTS: dict[str, Callable[[Mapping[str, Any]], Any] | None] = {
    "created": None,
    "macro-f1": _highest("macro_f1"),
    "few-recall": _highest("few_recall"),
    "seconds": _highest("seconds"),
    "schedule": lambda entry: entry["schedule"] or "",
    "status": lambda entry: STATUSES.index(entry["status"]),
}


@dataclass(frozen=True)
class RunFilter:
    """Which runs are wanted; what is None or empty is any.

    Attributes:
        status: One of `STATUSES`.
        data: A data file, or the beginning of its SHA-256.
        model: As it was typed, or the name of its folder.
        schedule: As it was typed.
        tags: All of which a run must have.

    Raises:
        ConfigError: If there is no such status.
    """

    status: str | None = None
    data: str | None = None
    model: str | None = None
    schedule: str | None = None
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.status is not None:
            look_up(dict.fromkeys(STATUSES), self.status, "--status")

    def choose(self, summaries: Sequence[RunSummary]) -> list[RunSummary]:
        """Those that are wanted, in their order.

        Raises:
            ConfigError: If `data` is neither a file nor a SHA-256.
        """
        is_data = None if self.data is None else _data_check(self.data, summaries)
        found = []
        for summary in summaries:
            config = summary.manifest.get("config", {})
            model = str(config.get("model", ""))
            if (
                self.status in (None, summary.status)
                and self.model in (None, model, Path(model).name)
                and self.schedule in (None, config.get("schedule"))
                and (is_data is None or is_data(summary.manifest))
                and (not self.tags or set(self.tags) <= set(read_notes(summary.run).tags))
            ):
                found.append(summary)
        return found


ANY_RUN = RunFilter()


def list_entries(
    workspace: Workspace,
    wanted: RunFilter = ANY_RUN,
    sort: str = "created",
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """The objects of `dsample runs list --json`.

    Args:
        workspace: Whose runs.
        wanted: Which of them.
        sort: Key of `SORTS`.
        limit: At most so many.

    Raises:
        ConfigError: If an option has an impossible value.
    """
    key = look_up(SORTS, sort, "--sort")
    entries = [_entry(summary) for summary in wanted.choose(workspace.list_runs())]
    if key is not None:
        entries.sort(key=key)
    return entries[:limit]


def best_entry(workspace: Workspace, data: str | None = None) -> dict[str, Any]:
    """The object of `dsample runs best --json`: the best run with its figures.

    Args:
        workspace: Whose runs.
        data: Only runs trained on this file, or on one of this SHA-256.

    Raises:
        ConfigError: If `data` is neither a file nor a SHA-256, or no run was trained on it.
        RunError: If there is no completed run with validation figures.
    """
    among = None if data is None else RunFilter(data=data).choose(workspace.list_runs())
    if among is not None and not any(summary.status == COMPLETED for summary in among):
        raise ConfigError(
            f"No completed run in {workspace.path} was trained on {data}.",
            f"Train one: dsample train {data}, or see: dsample runs list",
        )
    best = workspace.best_run(among)
    return _entry(best) | {"metrics": best.manifest["metrics"]}


def describe_run(run: Run) -> dict[str, Any]:
    """run.json with the epochs, the tags and the note.

    Raises:
        RunError: If it is missing or damaged.
    """
    manifest, notes = run.read_manifest(), read_notes(run)
    metrics = {split: _with_all(found) for split, found in manifest.get("metrics", {}).items()}
    return {
        **manifest,
        "run": run.id,
        "metrics": metrics,
        "path": str(run.path.absolute()),
        "tags": list(notes.tags),
        "note": notes.note,
        "seconds": _seconds(manifest),
        "epoch_records": run.read_epochs(),
    }


def _with_all(figures: Mapping[str, Any] | None) -> dict[str, Any]:
    """Figures of a split, null where there are none."""
    return {**dict.fromkeys(_ALWAYS), **(figures or {})}


def _entry(summary: RunSummary) -> dict[str, Any]:
    manifest, notes = summary.manifest, read_notes(summary.run)
    config = manifest.get("config", {})
    validation = manifest.get("metrics", {}).get("validation") or {}
    train = manifest.get("data", {}).get("train", {})
    return {
        "run": summary.run.id,
        "path": str(summary.run.path.absolute()),
        "status": summary.status,
        "created": summary.created,
        "seconds": _seconds(manifest),
        "data": {"path": train.get("path"), "sha256": train.get("sha256")},
        "model": config.get("model"),
        "schedule": config.get("schedule"),
        "score": config.get("score"),
        "loss": config.get("loss"),
        "seed": manifest.get("seed"),
        "parent": manifest.get("parent"),
        "macro_f1": validation.get("macro_f1"),
        "few_recall": validation.get("few_recall"),
        "tags": list(notes.tags),
        "note": notes.note,
    }


def _seconds(manifest: Mapping[str, Any]) -> float | None:
    """From the creation of a run to its completion."""
    try:
        created, completed = (
            datetime.fromisoformat(manifest[key]) for key in ("created", "completed")
        )
        seconds = round((completed - created).total_seconds(), 3)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return seconds if seconds >= 0 else None  # the clock was set back meanwhile


def _data_check(data: str, summaries: Sequence[RunSummary]) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a run was trained on a file: by its content, or by its path if that has changed."""
    from dsample_cli.data.sources import absolute_path, path_sha256

    sha256, path = path_sha256(data), absolute_path(data)
    is_prefix = re.fullmatch(rf"[0-9a-fA-F]{{{_SHORTEST_SHA256},64}}", data) is not None

    def is_wanted(manifest: Mapping[str, Any]) -> bool:
        train = _train_part(manifest)
        known = str(train.get("sha256") or "")
        is_content = known == sha256 or (is_prefix and known.startswith(data.lower()))
        return is_content or train.get("path") == path

    if sha256 is None and not is_prefix and not any(is_wanted(s.manifest) for s in summaries):
        raise ConfigError(
            f"--data {data} is neither a file nor the beginning of a SHA-256.",
            f"Name a data file, or at least {_SHORTEST_SHA256} digits of the SHA-256 in: dsample "
            "runs list --json",
        )
    return is_wanted


def _train_part(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    return manifest.get("data", {}).get("train", {})
