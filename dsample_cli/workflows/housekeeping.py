"""What stored runs take up, and which may go."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dsample_cli.errors import DsampleError, RunError
from dsample_cli.runs.notes import are_damaged, read_notes
from dsample_cli.runs.run import COMPLETED, FAILED, INTERRUPTED
from dsample_cli.runs.sizes import run_sizes, tree_size
from dsample_cli.runs.workspace import RunSummary, Workspace, by_macro_f1, data_identity

NEWEST, BEST, TAGGED, PARENT = "newest", "best", "tagged", "parent"
UNFINISHED, SKIPPED = "unfinished", "in use"


@dataclass(frozen=True)
class RunSize:
    """How much room a run takes.

    Attributes:
        summary: The run.
        parts: Bytes of each part.
    """

    summary: RunSummary
    parts: Mapping[str, int]

    @property
    def bytes(self) -> int:
        return sum(self.parts.values())

    def to_json(self) -> dict[str, Any]:
        """As a list of `--json` holds it."""
        run = self.summary.run
        return {
            "run": run.id,
            "path": str(run.path.absolute()),
            "status": self.summary.status,
            "bytes": self.bytes,
            "parts": dict(self.parts),
        }


@dataclass(frozen=True)
class DiskUse:
    """What the runs of a workspace take up.

    Attributes:
        path: Of the workspace.
        runs: Largest first.
        leftover: Bytes of removals that were interrupted.
    """

    path: str
    runs: tuple[RunSize, ...]
    leftover: int

    @property
    def parts(self) -> dict[str, int]:
        """Bytes of each part of all runs."""
        names = self.runs[0].parts if self.runs else {}
        return {name: sum(size.parts[name] for size in self.runs) for name in names}

    @property
    def bytes(self) -> int:
        return sum(size.bytes for size in self.runs) + self.leftover

    def to_json(self) -> dict[str, Any]:
        """The public JSON object of `dsample runs du --json`."""
        return {
            "path": self.path,
            "bytes": self.bytes,
            "leftover": self.leftover,
            "parts": self.parts,
            "runs": [size.to_json() for size in self.runs],
        }


@dataclass(frozen=True)
class PrunePlan:
    """Which runs may go.

    Attributes:
        removed: Those, newest first.
        kept: Run id -> why it stays.
        is_done: Whether they are gone.
    """

    removed: tuple[RunSize, ...]
    kept: Mapping[str, str]
    is_done: bool = False

    @property
    def bytes(self) -> int:
        """What their removal frees."""
        return sum(size.bytes for size in self.removed)

    def to_json(self) -> dict[str, Any]:
        """The public JSON object of `dsample runs prune --json`."""
        return {
            "removed": self.is_done,
            "bytes": self.bytes,
            "runs": [size.to_json() for size in self.removed],
            "kept": [{"run": run, "reason": reason} for run, reason in self.kept.items()],
        }


def disk_use(workspace: Workspace) -> DiskUse:
    """Measure the runs of a workspace; links are not followed."""
    runs = [RunSize(summary, run_sizes(summary.run.path)) for summary in workspace.list_runs()]
    runs.sort(key=lambda size: -size.bytes)
    leftover = sum(map(tree_size, workspace.removed_dirs()))
    return DiskUse(str(workspace.path.absolute()), tuple(runs), leftover)


def plan_prune(workspace: Workspace, keep: int, with_unfinished: bool = False) -> PrunePlan:
    """Decide which runs may go.

    What stays: the newest completed runs; the best of each data set by validation macro-F1; those
    with a tag or a note; those that a run which stays was made of, as a refit goes back to them;
    those in training or damaged; and, unless they are given up, those that did not finish.

    Args:
        workspace: Whose runs.
        keep: How many of the newest completed runs stay.
        with_unfinished: Whether failed and interrupted runs, with their checkpoints, may go.

    Raises:
        RunError: If `runs/` is a link out of the workspace.
    """
    workspace.require_own_runs()
    summaries = workspace.list_runs()
    kept: dict[str, str] = {}
    completed = [summary for summary in summaries if summary.status == COMPLETED]
    for summary in completed[:keep]:
        kept[summary.run.id] = NEWEST
    for best in _best_of_each(completed):
        kept.setdefault(best.run.id, BEST)
    for summary in summaries:
        if not read_notes(summary.run).is_empty or are_damaged(summary.run):
            kept.setdefault(summary.run.id, TAGGED)
        elif summary.status in (FAILED, INTERRUPTED) and not with_unfinished:
            kept.setdefault(summary.run.id, UNFINISHED)
        elif summary.status not in (COMPLETED, FAILED, INTERRUPTED):
            kept.setdefault(summary.run.id, summary.status)
    parents = {summary.run.id: summary.manifest.get("parent") for summary in summaries}
    # The list grows while it is gone through: parents have parents.
    staying = list(kept)
    for run in staying:
        parent = parents.get(run)
        if parent in parents and parent not in kept:
            kept[parent] = PARENT
            staying.append(parent)
    removed = tuple(
        RunSize(summary, run_sizes(summary.run.path))
        for summary in summaries
        if summary.run.id not in kept
    )
    return PrunePlan(removed, kept)


def prune(workspace: Workspace, plan: PrunePlan) -> PrunePlan:
    """Remove the runs of a plan; one that was taken up meanwhile stays, and is told as such.

    Raises:
        RunError: If the workspace cannot be written.
    """
    if plan.removed and not os.access(workspace.runs_dir, os.W_OK):
        raise RunError(
            f"Cannot write the workspace {workspace.path}.", "Check who may write the folder."
        )
    removed, kept = [], dict(plan.kept)
    for size in plan.removed:
        try:
            workspace.remove_run(size.summary.run)
            removed.append(size)
        except DsampleError:
            kept[size.summary.run.id] = SKIPPED
    return PrunePlan(tuple(removed), kept, is_done=True)


def _best_of_each(completed: list[RunSummary]) -> list[RunSummary]:
    """The best run of each data set, as `best` would name it there."""
    best: dict[Any, RunSummary] = {}
    for summary in completed:
        if summary.macro_f1 is not None:
            identity = data_identity(summary)
            known = best.get(identity)
            if known is None or by_macro_f1(summary) > by_macro_f1(known):
                best[identity] = summary
    return list(best.values())
