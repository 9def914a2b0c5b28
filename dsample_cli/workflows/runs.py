"""List and describe stored runs."""

from typing import Any

from dsample_cli.runs.files import read_json_lines
from dsample_cli.runs.run import Run
from dsample_cli.runs.workspace import Workspace


def list_entries(workspace: Workspace) -> list[dict[str, Any]]:
    """The objects of `dsample runs list --json`, newest first."""
    entries = []
    for summary in workspace.list_runs():
        config = summary.manifest.get("config", {})
        validation = summary.manifest.get("metrics", {}).get("validation") or {}
        entries.append(
            {
                "run": summary.run.id,
                "path": str(summary.run.path.absolute()),
                "status": summary.status,
                "created": summary.created,
                "model": config.get("model"),
                "schedule": config.get("schedule"),
                "score": config.get("score"),
                "macro_f1": validation.get("macro_f1"),
            }
        )
    return entries


def describe_run(run: Run) -> dict[str, Any]:
    """run.json with the epochs."""
    manifest = run.read_manifest()
    return {
        **manifest,
        "path": str(run.path.absolute()),
        "epoch_records": read_json_lines(run.epochs_file),
    }
