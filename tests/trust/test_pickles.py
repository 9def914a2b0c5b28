"""Nothing of a run is unpickled: a pickle in place of any file that is read stays unread.

A pickle that is loaded runs what its maker wrote in it; these ones write a file.
"""

import io
import json
import shutil
import sqlite3
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from dsample_cli.runs.run import Run
from dsample_cli.training import checkpoints
from dsample_cli.training.memory import MEMORY_FILE
from tests.helpers import QUICK, make_tickets
from tests.trust.planted import Writes, pickle_that_writes

pytestmark = pytest.mark.usefixtures("blank_pictures")

PREDICT = ("predict", "tickets.csv", "-o", "out.jsonl", "--no-data")
REFIT = ("refit", "--head", "ncm", "--correct", "none")
CORRECT = ("correct", "--method", "none")
EXPORT = ("export", "--to", "exported", "--force")
SEARCH = (
    *"sweep tickets.csv --model tiny --epochs 1 --batch-size 32 --trials 1".split(),
    *"--cycle 2,3 --seed 0 --workspace searched -q".split(),
)
# The beginning of a file's path in a run -> commands that read it, beside `evaluate`.
READERS = {
    "run.json": (PREDICT, REFIT, CORRECT, EXPORT),
    "model/": (PREDICT, EXPORT),
    "head.safetensors": (PREDICT, CORRECT, EXPORT),
    "features-": (REFIT,),
    "epochs.jsonl": (REFIT, CORRECT),
    "split.csv": (REFIT, CORRECT),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a run that has every kind of file, its checkpoints included."""
    folder = tmp_path_factory.mktemp("planted")
    from dsample_cli.cli.main import run

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("tickets.csv").write_text(make_tickets(), encoding="utf-8")
        options = "--score hard --keep-checkpoints --record-draws -q"
        assert run(["train", "tickets.csv", *QUICK, *options.split()]) == 0
        assert run(["refit", "--head", "ncm", "--correct", "none", "-q"]) == 0
        if find_spec("optuna"):
            assert run([*SEARCH]) == 0
    return folder


@pytest.fixture
def workspace(made, tmp_path, own_folder):
    """A copy of it; the marker is outside of it, in the test's folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "dsample_workspace"


def run_of(workspace, is_refitted) -> Path:
    (found,) = [
        path
        for path in (workspace / "runs").iterdir()
        if ("parent" in json.loads((path / "run.json").read_text())) == is_refitted
    ]
    return found


def as_read(name: str, marker: Path) -> bytes:
    """A pickle in the wrapping in which a library looks for one."""
    if name.endswith((".pt", ".pth", ".bin")):
        file = io.BytesIO()
        torch.save(Writes(marker), file)
        return file.getvalue()
    if name.endswith(".npz"):
        file = io.BytesIO()
        names = ("features", "key", "losses", "counts", "correct")
        np.savez(
            file, allow_pickle=True, **{n: np.array([Writes(marker)], dtype=object) for n in names}
        )
        return file.getvalue()
    return pickle_that_writes(marker)


def check(done, marker, told) -> None:
    """A command fails with a message of its own, or does without the file."""
    assert not marker.exists(), told
    assert done.code in (0, 1), (told, done.err)
    assert "Traceback" not in done.err, (told, done.err)
    if done.code:
        assert "Error: " in done.err, told


@pytest.mark.parametrize("is_refitted", [False, True])
def test_files_of_a_completed_run(workspace, dsample, tmp_path, is_refitted):
    run, marker = run_of(workspace, is_refitted), tmp_path / "marker"
    present = [file for file in run.rglob("*") if file.is_file()]
    inside = [file for file in present if "checkpoints" not in file.parts]
    names = {file.relative_to(run).as_posix() for file in inside}
    expected = {"run.json", "config.toml", "epochs.jsonl", "split.csv", "model/model.safetensors"}
    expected |= {"model/tokenizer.json", "model/config.json"}
    kept = (
        {"head.safetensors"} if is_refitted else {"features-train.npz", "draws/epoch-000.parquet"}
    )
    assert names >= expected | kept
    only_refitted = ("run.json", "head.safetensors")
    for file in sorted(inside):
        name = file.relative_to(run).as_posix()
        if file.suffix in (".png", ".html") or (is_refitted and name not in only_refitted):
            continue  # only browsers read it, or the other case has tried it
        content = file.read_bytes()
        file.write_bytes(as_read(file.name, marker))
        found = [commands for start, commands in READERS.items() if name.startswith(start)]
        for command in [("evaluate",), *(found[0] if found else ())]:
            check(dsample(*command, "--run", run.name), marker, (command, name))
        file.write_bytes(content)


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "model.pt", "tokenizer.pkl", "vocab.pkl", "training_args.bin"]
)
@pytest.mark.parametrize("is_beside", [True, False])
def test_files_that_libraries_look_for(workspace, dsample, tmp_path, name, is_beside):
    run, marker = run_of(workspace, False), tmp_path / "marker"
    (run / "model" / name).write_bytes(as_read(name, marker))
    if not is_beside:
        (run / "model" / "model.safetensors").unlink()
    done = dsample("predict", "tickets.csv", "-o", "out.jsonl", "--run", run.name)
    check(done, marker, name)
    assert done.code == (0 if is_beside else 1)


def resumable(workspace) -> Path:
    """The run as it was after its first epoch; give its only checkpoint."""
    run = run_of(workspace, False)
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    found = (run / "checkpoints").glob("checkpoint-*")
    first, *others = sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))
    for path in others:
        shutil.rmtree(path)
    return first


def seal_again(checkpoint: Path) -> None:
    """Make a changed checkpoint one that is taken for whole."""
    lines = (checkpoint / checkpoints.RECORDS_FILE).read_text().splitlines()
    records = [json.loads(line) for line in lines]
    (checkpoint / checkpoints.SEAL_FILE).unlink()
    best = [int(p.stem[5:]) for p in checkpoint.parent.glob("best-*.safetensors")]
    checkpoints.seal(checkpoint, records, min(best, default=None))


PARTS = (
    *("optimizer.pt", "scheduler.pt", "rng_state.pth", "scaler.pt", "training_args.bin"),
    *("model.safetensors", "pytorch_model.bin", "trainer_state.json", MEMORY_FILE, "config.json"),
    *("epochs.jsonl", "seal.json"),
)


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_a_checkpoint(workspace, dsample, tmp_path, name):
    checkpoint, marker = resumable(workspace), tmp_path / "marker"
    (checkpoint / name).write_bytes(as_read(name, marker))
    if name not in ("epochs.jsonl", "seal.json"):
        seal_again(checkpoint)
    run = checkpoint.parents[1]
    done = dsample("train", "--resume", run.name)
    check(done, marker, name)
    if name.endswith((".pt", ".pth")):
        assert done.code == 1, "it was not even looked at"


def test_the_trainer_loads_numbers_alone(workspace, dsample, monkeypatch):
    """Pickles of a checkpoint are read by the unpickler that makes tensors and nothing else."""
    checkpoint = resumable(workspace)
    load, loaded = torch.load, {}

    def watched(file, *args, **options):
        loaded[Path(file).name] = options.get("weights_only")
        return load(file, *args, **options)

    monkeypatch.setattr(torch, "load", watched)
    done = dsample("train", "--resume", checkpoint.parents[1].name)
    assert done.code == 0, done.err
    assert set(loaded) == {"optimizer.pt", "scheduler.pt", "rng_state.pth"}
    assert set(loaded.values()) == {True}


class TestSearch:
    """The database of `sweep --trials`."""

    @pytest.fixture
    def database(self, workspace):
        pytest.importorskip("optuna")
        (found,) = (workspace.parent / "searched" / "sweeps").rglob("*.db")
        return found

    def test_a_pickle_in_its_place(self, database, dsample, tmp_path):
        for file in [p for p in database.parent.rglob("*") if p.is_file()]:
            content = file.read_bytes()
            file.write_bytes(pickle_that_writes(tmp_path / "marker"))
            check(dsample(*SEARCH, "--dry-run"), tmp_path / "marker", file.name)
            file.write_bytes(content)

    def test_pickles_in_its_cells(self, database, dsample, tmp_path):
        connection = sqlite3.connect(database)
        tables = [row[0] for row in connection.execute("select name from sqlite_master")]
        for table in [name for name in tables if not name.startswith(("sqlite_", "ix_"))]:
            columns = connection.execute(f"pragma table_info({table})").fetchall()
            for _, column, kind, *_ in columns:
                if kind.upper().startswith(("VARCHAR", "TEXT", "BLOB")) and "json" in column:
                    connection.execute(
                        f"update {table} set {column} = ?", (pickle_that_writes(tmp_path / "m"),)
                    )
        connection.commit()
        connection.close()
        check(dsample(*SEARCH, "--dry-run"), tmp_path / "m", "cells")


def test_no_run_has_other_pickles(workspace):
    """Those of its checkpoints, which are read as numbers, are all that there is."""
    run = run_of(workspace, False)
    files = [file for file in run.rglob("*") if file.is_file()]
    pickles = {file.name for file in files if file.suffix in (".pt", ".pth", ".bin", ".pkl")}
    assert pickles <= {"optimizer.pt", "scheduler.pt", "rng_state.pth"}
    assert Run(run).head_file not in files
