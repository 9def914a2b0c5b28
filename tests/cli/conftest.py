"""A small table and, once for all tests, a run that was trained on it."""

import contextlib
import io
import json
from pathlib import Path

import pytest

from dsample_cli.cli.main import run
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
