"""A workspace from a stranger, with links out of it, that others change, that cannot be written."""

import contextlib
import copy
import io
import json
import os
import random
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dsample_cli.cli.main import run as run_command
from dsample_cli.core.progress import Silent
from dsample_cli.errors import DsampleError
from dsample_cli.reports.tables import print_run, print_runs
from dsample_cli.runs.manifests import OF_A_MODEL, find_damage
from dsample_cli.runs.run import Run
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows import onnx_engine
from dsample_cli.workflows.compare import compare
from dsample_cli.workflows.doctor import doctor
from dsample_cli.workflows.housekeeping import plan_prune
from dsample_cli.workflows.runs import best_entry, describe_run, list_entries
from tests.helpers import Outcome

LABELS = ["ham", "spam"]
SHARES = {"ham": 0.75, "spam": 0.25}
FIGURES = {"accuracy": 0.5, "macro_f1": 0.5, "balanced_accuracy": 0.5, "few_recall": None}
PART = {"path": "/d/train.csv", "sha256": "d1", "rows": 2}
MANIFEST: dict[str, Any] = {
    "status": "completed",
    "created": "2026-01-01T00:00:00.000+00:00",
    "completed": "2026-01-01T00:01:00.000+00:00",
    "config": {
        "data": "/d/train.csv",
        "model": "tiny",
        "max-length": 32,
        "truncation-side": "right",
        "schedule": "cyclic",
        "score": "softmax",
        "epochs": 1,
        "lr": 0.002,
        "drw": False,
        "text-column": ["text"],
        "groups": "2,1",
    },
    "data": {"train": PART, "validation": PART},
    "text_columns": ["text"],
    "label_column": "label",
    "labels": LABELS,
    "train_counts": [3, 1],
    "validation_rows_sha256": "v1",
    "select_on": "macro_f1",
    "seed": 42,
    "versions": {"dsample": "0.1.0"},
    "device": {"type": "cpu", "name": "CPU", "precision": "fp32"},
    "parent": None,
    "commands": ["dsample refit --run x --head crt"],
    "head": "crt",
    "resample": None,
    "refit": {"kept_beside": False},
    "base_model": None,
    "baseline": None,
    "warnings": {"training": ["w"], "results": []},
    "epochs": 1,
    "best_epoch": 0,
    "correction": {
        "asked": "auto",
        "method": "none",
        "folded": False,
        "strengths": {},
        "target_prior": None,
        "carried_prior": SHARES,
        "scale": {"ham": 1.0, "spam": 1.0},
        "bias": {"ham": 0.0, "spam": 0.0},
        "metric": "macro_f1",
        "before": 0.5,
        "cross_fitted": 0.5,
        "standard_error": 0.0,
    },
    "prior": SHARES,
    "metrics": {"validation": FIGURES},
    "error": None,
    "sweep": None,
}
EPOCH = {
    "epoch": 0,
    "mix": 0.0,
    "judged": True,
    "expected": SHARES,
    "drawn": {"ham": 3, "spam": 1},
    "drawn_by_group": {"many": 0.75, "few": 0.25},
    "train_loss": 0.5,
    "validation": {"loss": 0.5, "macro_f1": 0.5},
    "seconds": 1.0,
    "examples_per_second": 4.0,
}
DRIVING = "\x1b[2J\x9b31m\u202e[red]x[/]"
HOSTILE = [
    None,
    [],
    {},
    [[["x"]]],
    {"a": {"b": [1]}},
    -1,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    True,
    "",
    DRIVING,
    "\ud800",
    "../../x",
    "y" * 200_000,
]
# What drives a terminal, or the order of what it shows.
DRIVES = {"\x1b", "\x9b", "\u202e"}
BROKEN: list[Any] = [None, [], 10**400, float("nan"), DRIVING]
READERS = [
    ("runs", "list"),
    ("runs", "list", "--json"),
    ("runs", "show", "RUN"),
    ("runs", "show", "RUN", "--json"),
    ("runs", "best"),
    ("runs", "prune", "--keep", "0", "--dry-run"),
    ("compare", "RUN", "WHOLE"),
]


def store(workspace: Path, name: str, manifest: Any = MANIFEST, epoch: Any = EPOCH) -> Run:
    """A run that looks as if it had been trained, but for its model."""
    run = Run(workspace / "runs" / name)
    run.path.mkdir(parents=True, exist_ok=True)
    # As any program may write it: NaN and halves of surrogate pairs included.
    run.manifest_file.write_text(json.dumps(manifest))
    run.epochs_file.write_text(json.dumps(epoch) + "\n")
    records = [{"row": row, "label": "ham", "true": label} for row, label in enumerate(LABELS)]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    run.predictions_file("validation").write_text(lines)
    return run


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value within a value stands."""
    if place:
        yield place
    inner = value.items() if isinstance(value, dict) else ()
    for key, below in enumerate(value) if isinstance(value, list) else inner:
        yield from places(below, (*place, key))


def changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    value = copy.deepcopy(value)
    inner = value
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = new
    return value


def without(value: Any, place: tuple[Any, ...]) -> Any:
    value = copy.deepcopy(value)
    inner = value
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    return value


def hostile_manifests() -> list[Any]:
    """A seeded choice: every entry without itself, and with some of the hostile values."""
    draw = random.Random(8)
    found: list[Any] = [None, [], 3, "x"]
    for place in places(MANIFEST):
        found.append(without(MANIFEST, place))
        is_whole_entry = len(place) == 1
        for value in HOSTILE if is_whole_entry else draw.sample(HOSTILE, 2):
            found.append(changed(MANIFEST, place, value))
    return found


def call(workspace: Path, capsys: Any, *args: str) -> Outcome:
    """A command, whose bugs are raised and not told."""
    try:
        code = run_command([*args, "--workspace", str(workspace), "--debug"])
    except DsampleError as error:
        code = 1
        capsys.readouterr()
        return Outcome(code, "", f"{error.message} {error.hint}")
    return Outcome(code, *capsys.readouterr())


def test_the_manifest_of_these_tests_is_whole(tmp_path):
    assert find_damage(MANIFEST, OF_A_MODEL) is None
    assert store(tmp_path, "20260101-a").read_manifest() == MANIFEST


def test_a_hostile_manifest_breaks_no_command_and_no_other_run(tmp_path, capsys, own_folder):
    whole = store(tmp_path, "20260101-000000-whole")
    draw = random.Random(1)
    for manifest in draw.sample(hostile_manifests(), 40):
        run = store(tmp_path, "20260102-000000-hostile", manifest)
        args = draw.choice(READERS)
        given = [{"RUN": run.id, "WHOLE": whole.id}.get(arg, arg) for arg in args]
        done = call(tmp_path, capsys, *given)
        assert done.code in (0, 1), (given, manifest)
        if "--json" in args:
            assert done.code == 1 or json.loads(done.out)
            continue
        assert not DRIVES & set(done.out), (given, manifest)
        if args[:2] == ("runs", "list"):
            assert whole.id in done.out


def test_a_hostile_manifest_is_damaged_or_can_be_shown(tmp_path):
    """Many of them, without the command line, which takes its time."""
    whole = store(tmp_path, "20260101-000000-whole")
    told = io.StringIO()
    console = Console(file=told, markup=False, highlight=False, emoji=False, width=110)
    chosen = random.Random(2).sample(hostile_manifests(), 250)
    for number, manifest in enumerate(chosen):
        run = store(tmp_path, "20260102-000000-hostile", manifest)
        [summary] = [s for s in Workspace(tmp_path).list_runs() if s.run == run]
        if summary.status == "damaged":
            continue
        print_runs(console, list_entries(Workspace(tmp_path)))
        print_run(console, describe_run(run))
        plan_prune(Workspace(tmp_path), 0)
        with contextlib.suppress(DsampleError):
            best_entry(Workspace(tmp_path))
        if number % 3 == 0:
            with contextlib.suppress(DsampleError):
                compare(Workspace(tmp_path), [whole.id, run.id], Silent(), resamples=1)
    assert not DRIVES & set(told.getvalue())


def test_hostile_epochs_break_no_list(tmp_path):
    told = io.StringIO()
    console = Console(file=told, markup=False, highlight=False, emoji=False, width=110)
    for place in places(EPOCH):
        for value in BROKEN:
            run = store(tmp_path, "20260101-a", epoch=changed(EPOCH, place, value))
            print_run(console, describe_run(run))
            json.dumps(describe_run(run), allow_nan=False)
    assert not DRIVES & set(told.getvalue())


def test_what_is_nested_too_deeply_is_damaged(tmp_path, capsys, own_folder):
    run = store(tmp_path, "20260101-a")
    for file in (run.manifest_file, run.notes_file, run.epochs_file):
        before = file.read_bytes() if file.exists() else None
        file.write_text("[" * 100_000)
        for args in (("list",), ("show", run.id), ("du",), ("prune", "--dry-run")):
            assert call(tmp_path, capsys, "runs", *args).code in (0, 1)
        file.unlink()
        if before is not None:
            file.write_bytes(before)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path, capsys, own_folder):
    run = store(tmp_path, "20260101-a")
    whole = store(tmp_path, "20260102-b")
    files = [
        *(run.manifest_file, run.notes_file, run.epochs_file, run.lock_file),
        *(run.predictions_file("validation"), run.path / ".lock.owner"),
    ]
    for file in files:
        before = file.read_bytes() if file.exists() else None
        file.unlink(missing_ok=True)
        os.mkfifo(file)
        for args in (("runs", "list"), ("runs", "show", run.id), ("compare", whole.id, run.id)):
            assert call(tmp_path, capsys, *args).code in (0, 1)
        assert doctor_of(tmp_path) is not None
        file.unlink()
        if before is not None:
            file.write_bytes(before)


def doctor_of(folder: Path) -> set[tuple[str, str | None]]:
    """Codes of the problems, with the run, without a look at the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dsample_cli.workflows.doctor.read_environment", lambda folder: None)
        found = doctor(Workspace(folder))
    return {(finding.problem.code, finding.problem.run) for finding in found.findings}


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\nb", "\u202ea", os.fsdecode(b"a\xff")])
def test_a_folder_that_no_run_is_called_like_is_damaged_and_drives_no_terminal(
    tmp_path, capsys, own_folder, name
):
    whole = store(tmp_path, "20260101-whole")
    store(tmp_path, name)
    done = call(tmp_path, capsys, "runs", "list")
    assert done.code == 0
    assert not DRIVES & set(done.out)
    assert whole.id in done.out
    assert [s.status for s in Workspace(tmp_path).list_runs()].count("damaged") == 1
    for args in (("show", name), ("du",), ("prune", "--keep", "0", "--dry-run")):
        assert call(tmp_path, capsys, "runs", *args).code in (0, 1)
    assert ("name", None) in doctor_of(tmp_path)


OUTSIDE = ["../outside", "..", ".", "", "/", "x/../../outside", "a\0b", "a\nb", "runs/../outside"]


@pytest.mark.parametrize("name", [*OUTSIDE, "ABSOLUTE", "LINKED"])
def test_no_name_leads_out_of_the_workspace(tmp_path, capsys, own_folder, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "run.json").write_text(json.dumps(MANIFEST))
    workspace = tmp_path / "workspace"
    kept = store(workspace, "20260101-kept")
    (workspace / "runs" / "link").symlink_to(outside)
    os.chdir(workspace / "runs")
    given = {"ABSOLUTE": str(outside), "LINKED": "link/"}.get(name, name)
    assert call(workspace, capsys, "runs", "remove", given).code == 1
    assert (outside / "run.json").is_file()
    assert kept.manifest_file.is_file()


@pytest.fixture
def linked(tmp_path) -> tuple[Path, Path]:
    """A workspace whose runs are a link to a folder with what is not to be lost."""
    outside = tmp_path / "outside"
    for number in range(3):
        store(tmp_path / "made", f"2026010{number + 1}-000000-a")
    (tmp_path / "made" / "runs").rename(outside)
    (outside / ".removed-x").mkdir()
    (outside / ".x.tmp").write_text("x")
    for path in (outside / ".removed-x", outside / ".x.tmp"):
        os.utime(path, (1, 1))
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "runs").symlink_to(outside)
    return tmp_path / "workspace", outside


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if not path.name.startswith(".lock")
    }


def test_nothing_is_deleted_through_runs_that_are_a_link(linked, capsys, own_folder):
    workspace, outside = linked
    before = tree(outside)
    removed = call(workspace, capsys, "runs", "remove", "20260101")
    assert (removed.code, "is a link out of the workspace" in removed.err) == (1, True)
    assert call(workspace, capsys, "runs", "prune", "--keep", "0", "--yes").code == 1
    assert call(workspace, capsys, "runs", "list").code == 0
    assert call(workspace, capsys, "runs", "du").code == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dsample_cli.workflows.doctor.read_environment", lambda folder: None)
        doctor(Workspace(workspace), is_fixing=True)
    assert tree(outside) == before


def test_a_workspace_that_is_a_link_itself_is_one(tmp_path, capsys, own_folder):
    run = store(tmp_path / "real", "20260101-a")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert call(tmp_path / "link", capsys, "runs", "remove", run.id).code == 0
    assert not run.path.exists()


def test_mending_changes_nothing_that_is_linked_into_a_run(tmp_path, own_folder):
    precious = tmp_path / "precious"
    precious.mkdir()
    for name in ("epochs", "notes", "file"):
        (precious / name).write_text('{"epoch"')
    run = store(tmp_path / "w", "20260101-a", MANIFEST | {"status": "running"})
    run.epochs_file.unlink()
    run.epochs_file.hardlink_to(precious / "epochs")
    run.notes_file.symlink_to(precious / "notes")
    run.checkpoints_dir.symlink_to(precious)
    (run.path / ".a.tmp").symlink_to(precious)
    (run.path / ".b.tmp").mkdir()
    (run.path / ".b.tmp" / "link").symlink_to(precious)
    before = tree(precious)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dsample_cli.workflows.doctor.read_environment", lambda folder: None)
        found = doctor(Workspace(tmp_path / "w"), is_fixing=True)
    mended = {finding.problem.code for finding in found.findings if finding.is_mended}
    assert {"cut-epochs", "damaged-notes", "partial-file", "dead-run"} <= mended
    assert tree(precious) == before
    assert not (run.path / ".a.tmp").is_symlink()


def test_links_and_hard_links_count_nothing_outside_and_lose_nothing(tmp_path, capsys, own_folder):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "large").write_bytes(b"x" * 100_000)
    run = store(tmp_path / "w", "20260101-a")
    (run.path / "model").symlink_to(precious)
    (run.path / "hard").hardlink_to(precious / "large")
    before = tree(precious)
    found = call(tmp_path / "w", capsys, "runs", "du", "--json").json
    assert found["parts"]["model"] < 1000
    assert call(tmp_path / "w", capsys, "runs", "remove", run.id).code == 0
    assert tree(precious) == before


def test_lists_beside_removals_and_new_runs_are_whole(tmp_path, capsys, own_folder):
    """Whatever stays all the time is in every list, and what goes is no damage."""
    workspace = tmp_path / "w"
    kept = store(workspace, "20260101-000000-kept")
    template = store(tmp_path / "t", "20260101-000000-template").path
    is_over = threading.Event()
    made = 0

    def make_and_remove(number: int) -> None:
        nonlocal made
        while not is_over.is_set():
            run = Run(workspace / "runs" / f"20260102-000000-{number}")
            shutil.copytree(template, run.path.with_name(f".{run.id}.new"))
            run.path.with_name(f".{run.id}.new").rename(run.path)
            Workspace(workspace).remove_run(run)
            made += 1

    makers = [threading.Thread(target=make_and_remove, args=(n,)) for n in range(2)]
    for maker in makers:
        maker.start()
    try:
        for round_ in range(10):
            for args in (("list",), ("du",), ("best",), ("prune", "--keep", "0", "--dry-run")):
                done = call(workspace, capsys, "runs", *args)
                assert done.code == 0, done.err
                assert kept.id in done.out or args[0] in ("best", "prune")
                assert "damaged" not in done.out
            if round_ % 5 == 0:
                assert not {code for code, _ in doctor_of(workspace)} - {"damaged-model", *LOST}
    finally:
        is_over.set()
        for maker in makers:
            maker.join()
    assert made > 0


# What the runs of these tests lack: they were never trained.
LOST = {"damaged-file", "damaged-epochs"}


def test_a_graph_that_two_want_at_once_is_made_once(tmp_path):
    run = store(tmp_path, "20260101-a")
    made = []

    def write(folder: Path) -> dict[str, Any]:
        made.append(folder)
        time.sleep(0.1)
        (folder / onnx_engine.GRAPH_FILE).write_bytes(b"x")
        return {"texts": 1}

    def keep() -> None:
        onnx_engine._keep(run, run.path / "onnx", "k", write)

    makers = [threading.Thread(target=keep) for _ in range(3)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(made) == 1
    assert onnx_engine._record(run.path / "onnx", "k") == {"key": "k", "texts": 1}


@pytest.mark.parametrize("completed", ["2999-01-01T00:00:00+00:00", "9999-12-31T23:59:59-23:00"])
def test_a_run_from_the_future_is_not_the_latest(tmp_path, completed, own_folder):
    jumped = store(tmp_path, "29990101-000000-jumped", MANIFEST | {"completed": completed})
    assert Workspace(tmp_path).find_run("latest") == jumped, "as long as there is no other"
    now = store(tmp_path, "20260101-000000-now")
    assert Workspace(tmp_path).find_run("latest") == now
    assert Workspace(tmp_path).find_run("best").id in (now.id, jumped.id)
    assert ("future-time", jumped.id) in doctor_of(tmp_path)


@pytest.mark.parametrize("time", ["", "1970-01-01", "yesterday", "0001-01-01T00:00:00+23:00", None])
def test_times_that_are_none_stop_nothing(tmp_path, capsys, own_folder, time):
    manifest = {**MANIFEST, "created": time or "", "completed": time}
    run = store(tmp_path, "20260101-000000-a", manifest)
    bare = {k: v for k, v in MANIFEST.items() if k not in ("created", "completed")}
    store(tmp_path, "20260101-000000-b", bare | {"validation_rows_sha256": "v2"})
    assert Workspace(tmp_path).find_run("latest") is not None
    for args in (("list",), ("best",), ("show", run.id), ("prune", "--dry-run")):
        assert call(tmp_path, capsys, "runs", *args).code == 0


def test_a_clock_that_was_set_back_makes_no_negative_time(tmp_path, capsys, own_folder):
    early = MANIFEST | {"completed": "2025-01-01T00:00:00.000+00:00"}
    store(tmp_path, "20260101-a", early)
    assert call(tmp_path, capsys, "runs", "list", "--json").json["runs"][0]["seconds"] is None


def test_a_read_only_workspace_can_be_read_and_says_what_cannot_be_done(tmp_path, own_folder):
    run = store(tmp_path / "w", "20260101-000000-a")
    before = tree(tmp_path)
    outcomes = as_nobody(
        tmp_path / "w",
        ("runs", "list"),
        ("runs", "show", run.id),
        ("runs", "du"),
        ("runs", "best"),
        ("doctor", "--fix"),
        ("runs", "tag", run.id, "x"),
        ("runs", "remove", run.id),
    )
    assert [code for code, _ in outcomes[:4]] == [0] * 4
    for code, told in outcomes[5:]:
        assert code == 1
        assert "cannot be" in told or "Cannot write" in told
    assert tree(tmp_path) == before


def as_nobody(workspace: Path, *commands: tuple[str, ...]) -> list[tuple[int, str]]:
    """Run commands in a process that may write nothing there; exit codes and messages."""
    for path in (workspace, *workspace.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in workspace.parents:
        if parent.stat().st_uid == os.getuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        try:
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            found = []
            for args in commands:
                try:
                    code = run_command([*args, "--workspace", str(workspace), "--debug"])
                    found.append((code, ""))
                except DsampleError as error:
                    found.append((1, error.message))
                except BaseException as error:
                    found.append((99, repr(error)))
            os.write(writer, json.dumps(found).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = json.loads(stream.read())
    os.waitpid(child, 0)
    for path in (workspace, *workspace.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return [(code, told) for code, told in answer]
