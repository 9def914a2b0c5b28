"""The command line in this process and as a process of its own, on small made-up data."""

import contextlib
import io
import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dsample_cli.cli.main import run

REPOSITORY = Path(__file__).parents[2]
WORDS = {
    "billing": "invoice charge refund payment card bill".split(),
    "login": "password account sign locked reset code".split(),
    "outage": "down offline server error crash slow".split(),
}
COUNTS = {"billing": 75, "login": 30, "outage": 15}
# Two epochs of 24 steps: enough to tell the classes apart, in about three seconds.
QUICK = "--model tiny --epochs 2 --batch-size 4 --lr 2e-3 --cycle 2".split()


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The JSON Lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Trained:
    """A workspace with a completed run, made once for all tests; they must not change it."""

    workspace: Path
    data: Path
    run: Path
    result: dict[str, Any]


def make_tickets(seed: int = 0) -> str:
    """A small table of tickets: 120 distinct texts in 3 imbalanced classes, in random order."""
    rng = random.Random(seed)
    rows = [
        f"{' '.join(rng.choices(WORDS[label], k=5))} case {number},{label},c{number % 40}"
        for label, count in COUNTS.items()
        for number in range(count)
    ]
    rng.shuffle(rows)
    return "\n".join(["text,label,customer", *rows]) + "\n"


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def epochs_without_timing(run_path: Path) -> list[Any]:
    """epochs.jsonl but for the two keys that may differ between equal runs."""
    records = read_lines(run_path / "epochs.jsonl")
    for record in records:
        del record["seconds"], record["examples_per_second"]
    return records


def process_environment(**variables: str) -> dict[str, str]:
    """The environment of a `python -m dsample_cli` that needs no installation."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("DSAMPLE_")}
    return kept | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"} | variables


def start(*args: object, cwd: Path, **options: Any) -> subprocess.Popen:
    """Start `python -m dsample_cli` with pipes for its outputs."""
    return subprocess.Popen(
        [sys.executable, "-m", "dsample_cli", *map(str, args)],
        cwd=cwd,
        env=process_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Every test runs in a folder of its own, without settings from outside."""
    for name in [name for name in os.environ if name.startswith("DSAMPLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def dsample(capsys):
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
