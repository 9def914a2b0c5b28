"""Help, version, and what is imported when."""

import json
import subprocess
import sys

import pytest

import dsample_cli
from tests.helpers import process_environment

COMMANDS = [
    [],
    ["analyze"],
    ["methods"],
    ["schedule"],
    ["train"],
    ["evaluate"],
    ["compare"],
    ["sweep"],
    ["predict"],
    ["correct"],
    ["refit"],
    ["runs", "list"],
    ["runs", "show"],
    ["runs", "best"],
    ["runs", "tag"],
    ["runs", "note"],
    ["runs", "prune"],
    ["runs", "du"],
    ["runs", "remove"],
]
WATCHED = ["numpy", "pandas", "pyarrow", "sklearn", "matplotlib", "torch", "transformers", "rich"]
PROBE = """
import json, sys
from dsample_cli.cli.main import run
code = run(json.loads(sys.argv[1]))
loaded = [name for name in json.loads(sys.argv[2]) if name in sys.modules]
print(json.dumps([code, loaded]), file=sys.stderr)
"""


def loaded_after(*args: object, cwd) -> list[str]:
    """Which of the watched packages a command loads in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps([*map(str, args)]), json.dumps(WATCHED)],
        cwd=cwd,
        env=process_environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    code, loaded = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    return loaded


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_has_examples_of_the_command(dsample, command, flag):
    done = dsample(*command, flag)
    assert done.code == 0
    assert done.err == ""
    assert "Examples:" in done.out
    examples = done.out.split("Examples:")[1]
    assert " ".join(["dsample", *command]) in examples
    assert max(len(line) for line in done.out.splitlines()) <= 100


def test_help_names_every_command(dsample):
    text = dsample("--help").out
    names = (
        *("analyze", "methods", "schedule", "train", "evaluate"),
        *("compare", "sweep", "predict", "correct", "refit", "runs"),
    )
    assert all(f"  {name} " in text for name in names)


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_version(dsample, flag):
    done = dsample(flag)
    assert (done.code, done.out) == (0, f"dsample {dsample_cli.__version__}\n")


@pytest.mark.parametrize(
    "args", [["--help"], ["train", "--help"], ["sweep", "--help"], ["--version"]], ids=" ".join
)
def test_help_loads_nothing_heavy(args, tmp_path):
    assert loaded_after(*args, cwd=tmp_path) == []


def test_analyze_never_loads_torch(tickets, tmp_path):
    loaded = loaded_after("analyze", tickets, "--json", cwd=tmp_path)
    assert "numpy" in loaded
    assert {"torch", "transformers", "sklearn", "matplotlib"}.isdisjoint(loaded)


def test_previewing_a_schedule_loads_torch_never_and_matplotlib_for_a_picture(tickets, tmp_path):
    loaded = loaded_after("schedule", tickets, "--json", cwd=tmp_path)
    assert "numpy" in loaded
    assert {"torch", "transformers", "sklearn", "matplotlib"}.isdisjoint(loaded)
    assert "matplotlib" in loaded_after("schedule", tickets, "--plot", "s.png", cwd=tmp_path)


@pytest.mark.parametrize("args", [[], ["cyclic"], ["ce"], ["crt"], ["--json"]], ids=" ".join)
def test_methods_load_neither_data_nor_torch(args, tmp_path):
    loaded = loaded_after("methods", *args, cwd=tmp_path)
    assert set(loaded) <= {"numpy", "rich"}


def test_listing_runs_loads_no_torch(tmp_path):
    assert {"torch", "transformers"}.isdisjoint(loaded_after("runs", "list", cwd=tmp_path))


def test_the_shell_can_complete_commands(dsample_process, monkeypatch):
    monkeypatch.setenv("_DSAMPLE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "dsample ana")
    monkeypatch.setenv("COMP_CWORD", "1")
    done = dsample_process()
    assert (done.code, done.out.split(), done.err) == (0, ["analyze"], "")


def test_the_command_runs_as_a_module(dsample_process):
    done = dsample_process("--version")
    assert (done.code, done.out, done.err) == (0, f"dsample {dsample_cli.__version__}\n", "")
