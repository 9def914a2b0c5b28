"""What all tests share."""

import base64
import gc
import os
import subprocess
import sys

import pytest
from hypothesis import settings

from dsample_cli.cli.main import run
from tests.helpers import Outcome, process_environment

# Before anything loads torch: of tensors so small, further threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# First calls load libraries and other work shares the machine: no time limit for one example.
settings.register_profile("dsample", deadline=None)
settings.load_profile("dsample")
# Of one white dot.
BLANK_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)

gc.disable()  # until the imports are through: what they make stays


def pytest_collection_finish():
    """Let no search for garbage go through all that was imported and collected."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def blank_pictures(monkeypatch):
    """Leave the pictures of runs blank: to draw them takes longer than to train `tiny`."""
    monkeypatch.setattr(
        "matplotlib.figure.Figure.savefig", lambda self, file, **options: file.write(BLANK_PNG)
    )


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """Run in a folder of the test, without settings from outside."""
    for name in [name for name in os.environ if name.startswith("DSAMPLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def dsample(capsys, own_folder):
    """Run a command in this process."""

    def call(*args: object) -> Outcome:
        capsys.readouterr()
        code = run([str(arg) for arg in args])
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.fixture
def dsample_process(tmp_path):
    """Run a command as a process."""

    def call(*args: object, stdin: str | None = None) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "dsample_cli", *map(str, args)],
            cwd=tmp_path,
            env=process_environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def fails(dsample):
    """Check the way that a command fails, in words and as JSON; give the message and hint."""

    def check(*args: object, kind: str, message: str, hint: str, code: int = 1) -> None:
        plain = dsample(*args)
        assert plain.code == code
        assert plain.out == ""
        assert "Traceback" not in plain.err
        told = plain.err.splitlines()
        (line,) = [i for i, text in enumerate(told) if text.startswith("Error: ")]
        assert message in told[line]
        assert told[line + 1].startswith("Hint: ")
        assert hint in told[line + 1]
        assert len(told) == line + 2
        as_json = dsample(*args, "--json")
        assert as_json.code == code
        assert list(as_json.json) == ["error"]
        error = as_json.json["error"]
        assert list(error) == ["type", "message", "hint"]
        assert error["type"] == kind
        assert message in error["message"]
        assert hint in error["hint"]
        assert "Traceback" not in as_json.err

    return check
