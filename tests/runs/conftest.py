"""Workspaces with runs that were never trained: only their manifests matter here."""

import json
import os
from pathlib import Path

import pytest

from dsample_cli.errors import RunError
from dsample_cli.runs.run import Run
from dsample_cli.runs.workspace import Workspace


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def make_run(workspace):
    """Store a run by its id; by default completed, on the same data as the others."""

    def make(name: str, status: str = "completed", **entries) -> Run:
        run = Run(workspace.runs_dir / name)
        run.path.mkdir(parents=True)
        manifest = {
            "status": status,
            "created": f"2026-01-{name[6:8]}T00:00:00.000+00:00",
            "data": {"train": {"sha256": entries.pop("sha256", "d1")}},
            "validation_rows_sha256": entries.pop("rows", "v1"),
        }
        macro_f1 = entries.pop("macro_f1", None)
        if macro_f1 is not None:
            manifest["metrics"] = {"validation": {"macro_f1": macro_f1}}
        run.write_manifest(manifest | entries)
        return run

    return make


@pytest.fixture
def run_error():
    """Run a call that must raise a RunError with a hint; give `message | hint`."""

    def call(function, *args, **options) -> str:
        with pytest.raises(RunError) as caught:
            function(*args, **options)
        assert caught.value.message
        assert caught.value.hint
        return f"{caught.value.message} | {caught.value.hint}"

    return call


def contents(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def manifest_of(run: Run) -> dict:
    return json.loads(run.manifest_file.read_text(encoding="utf-8"))
