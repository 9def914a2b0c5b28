"""A run that is killed or interrupted goes on where it was, to the same end."""

import json
import os
import random
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.forks import Forked
from tests.helpers import epochs_without_timing, make_tickets, start

EPOCHS = 8
STEPS_AN_EPOCH = 24  # 96 of the 120 rows train, in batches of 4
# `switch` lets the losses of earlier epochs decide the later ones, which a resumed run must know.
OPTIONS = [
    *"--model tiny --batch-size 4 --lr 2e-3 --schedule switch --workspace workspace".split(),
    *("--epochs", str(EPOCHS)),
]

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The run that the others are compared with: its folder and its data."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    (folder / "tickets.csv").write_text(make_tickets(), encoding="utf-8")
    done = Forked("train", "tickets.csv", *OPTIONS, "--json", cwd=folder).finish()
    assert done.code == 0, done.err
    return folder / done.json["path"]


def start_training(folder: Path) -> Forked:
    (folder / "tickets.csv").write_text(make_tickets(), encoding="utf-8")
    return Forked("train", "tickets.csv", *OPTIONS, cwd=folder)


def wait_for_checkpoints(process, folder: Path, count: int) -> Path:
    """Wait until so many epochs have a checkpoint; give the run's folder."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, "it ended"
        for run in (folder / "workspace" / "runs").glob("*"):
            states = list((run / "checkpoints").glob("checkpoint-*/trainer_state.json"))
            steps = [int(path.parent.name.rpartition("-")[2]) for path in states]
            if max(steps, default=0) >= count * STEPS_AN_EPOCH:
                return run
        time.sleep(0.01)
    process.kill()
    raise AssertionError("no checkpoint within four minutes")


def check_same(run: Path, expected: Path) -> None:
    assert epochs_without_timing(run) == epochs_without_timing(expected)
    for name in ("predictions-validation.jsonl", "split.csv"):
        assert (run / name).read_bytes() == (expected / name).read_bytes()
    best = [json.loads((path / "run.json").read_text())["best_epoch"] for path in (run, expected)]
    assert best[0] == best[1]
    assert not (run / "checkpoints").exists()


def test_the_run_that_is_compared_with_reviewed_and_learned(uninterrupted):
    epochs = epochs_without_timing(uninterrupted)
    assert len(epochs) == EPOCHS
    assert [record["mix"] for record in epochs].count(0.0) >= 2
    assert len({record["train_loss"] for record in epochs}) == EPOCHS


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_killed_run_is_resumed_to_the_same_end(uninterrupted, dsample, tmp_path, seed):
    rng = random.Random(seed)
    process = start_training(tmp_path)
    run = wait_for_checkpoints(process, tmp_path, rng.randint(2, 5))
    time.sleep(rng.uniform(0, 0.3))
    assert process.kill() == -signal.SIGKILL, "it was still running"
    listed = dsample("runs", "list", "--workspace", "workspace", "--json").json["runs"]
    assert [(entry["run"], entry["status"]) for entry in listed] == [(run.name, "interrupted")]
    done = dsample("train", "--resume", run.name, "--workspace", "workspace", "--json")
    assert done.code == 0, done.err
    assert (done.json["run"], done.json["status"]) == (run.name, "completed")
    assert done.json["epochs"] == EPOCHS
    check_same(run, uninterrupted)


def test_ctrl_c_stops_after_a_checkpoint_with_the_command_that_resumes(
    uninterrupted, dsample, tmp_path
):
    (tmp_path / "tickets.csv").write_text(make_tickets(), encoding="utf-8")
    process = start("train", "tickets.csv", *OPTIONS, cwd=tmp_path)
    run = wait_for_checkpoints(process, tmp_path, 2)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=240)[1]
    assert process.returncode == 130
    assert "Traceback" not in err
    assert f"dsample train --resume {run.name} --workspace workspace" in err
    assert list((run / "checkpoints").glob("checkpoint-*"))
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    listed = dsample("runs", "list", "--workspace", "workspace", "--json").json["runs"]
    assert [entry["status"] for entry in listed] == ["interrupted"]
    assert dsample("train", "--resume", run.name, "--workspace", "workspace").code == 0
    check_same(run, uninterrupted)


def test_a_run_killed_before_its_first_checkpoint_starts_again(uninterrupted, dsample, tmp_path):
    process = start_training(tmp_path)
    deadline = time.monotonic() + 240
    while not (found := list(tmp_path.glob("workspace/runs/*/run.json"))):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    run = found[0].parent
    assert dsample("train", "--resume", run.name, "--workspace", "workspace").code == 0
    check_same(run, uninterrupted)


def test_changed_data_is_not_resumed(dsample, tmp_path):
    process = start_training(tmp_path)
    run = wait_for_checkpoints(process, tmp_path, 1)
    process.kill()
    with (tmp_path / "tickets.csv").open("a") as file:
        file.write("one more invoice,billing,c1\n")
    done = dsample("train", "--resume", run.name, "--workspace", "workspace")
    assert done.code == 1
    assert "tickets.csv has changed since run" in done.err
    assert "dsample train --config" in done.err


def test_a_run_in_training_can_be_neither_resumed_nor_removed(dsample, tmp_path):
    process = start_training(tmp_path)
    try:
        run = wait_for_checkpoints(process, tmp_path, 1)
        for command in (["train", "--resume"], ["runs", "remove"]):
            done = dsample(*command, run.name, "--workspace", "workspace")
            assert done.code == 1
            assert f"Run {run.name} is in use by another process" in done.err
        listed = dsample("runs", "list", "--workspace", "workspace", "--json").json["runs"]
        assert [entry["status"] for entry in listed] == ["running"]
    finally:
        process.kill()


def start_two(folder: Path, *args: object) -> list[Forked]:
    """Start a command in two processes that meet as those of torchrun do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [Forked(*args, cwd=folder, RANK=r, LOCAL_RANK=r, **meeting) for r in ("0", "1")]


@pytest.mark.slow
@pytest.mark.parametrize("damaged", ["optimizer.pt", "rng_state_1.pth"])
def test_two_processes_pass_over_a_damaged_checkpoint_together(tmp_path, damaged):
    options = [*OPTIONS, "--device", "cpu", "--epochs", "4"]
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tickets.csv").write_text(make_tickets(), encoding="utf-8")
    for process in start_two(tmp_path / "whole", "train", "tickets.csv", *options):
        done = process.finish()
        assert done.code == 0, done.err
    processes = start_two(tmp_path / "killed", "train", "tickets.csv", *options)
    run = wait_for_checkpoints(processes[0], tmp_path / "killed", 1)  # of 12 steps an epoch
    for process in processes:
        process.kill()
    newest = max(
        run.glob("checkpoints/checkpoint-*"), key=lambda path: int(path.name.split("-")[1])
    )
    if (newest / damaged).exists():  # else the kill has done it
        os.truncate(newest / damaged, 100)
    command = ("train", "--resume", run.name, "--workspace", "workspace")
    resumed = start_two(tmp_path / "killed", *command)
    first, second = (process.finish() for process in resumed)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert f"{newest.name} is passed over" in first.err
    [expected] = (tmp_path / "whole" / "workspace" / "runs").iterdir()
    check_same(run, expected)
