"""A small table and, once for all tests, a run that was trained on it."""

import contextlib
import io
import json
import shutil
from pathlib import Path

import pytest

from dsample_cli.cli.main import run
from dsample_cli.core.progress import Silent
from dsample_cli.runs.run import Run
from tests.helpers import QUICK, Trained, make_tickets


@pytest.fixture(autouse=True)
def _in_own_folder(own_folder):
    """No test of a command leaves anything behind."""


@pytest.fixture
def tickets(tmp_path) -> Path:
    path = tmp_path / "tickets.csv"
    path.write_text(make_tickets(), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    data, workspace = folder / "tickets.csv", folder / "workspace"
    data.write_text(make_tickets(), encoding="utf-8")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run(["train", str(data), "--workspace", str(workspace), *QUICK, "--json", "-q"])
    assert code == 0
    result = json.loads(out.getvalue())
    return Trained(workspace, data, Path(result["path"]), result)


@pytest.fixture(scope="session")
def with_graph(trained, tmp_path_factory) -> Path:
    """A copy of the run that has an ONNX graph, which takes seconds to make."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from dsample_cli.workflows.onnx_engine import ONNX, open_engine

    copy = Run(shutil.copytree(trained.run, tmp_path_factory.mktemp("runs") / trained.run.name))
    open_engine(copy, copy.read_manifest(), ONNX, Silent())
    return copy.path


@pytest.fixture
def graph_is_copied(with_graph, monkeypatch):
    """Let an export copy that graph instead of making it again."""
    from dsample_cli.workflows import export
    from dsample_cli.workflows.onnx_engine import Agreement

    def write_checked(run, manifest, file, *rest):
        shutil.copyfile(with_graph / "onnx" / "model.onnx", file)
        made = json.loads((with_graph / "onnx" / "onnx.json").read_text())
        return Agreement(made["largest_difference"], made["texts"], made["longest"])

    monkeypatch.setattr(export, "write_checked", write_checked)
