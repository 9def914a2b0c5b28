"""Two processes train what one with the doubled batch does, and write one run."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.forks import Forked
from tests.helpers import epochs_without_timing, make_tickets, process_environment, read_lines

OPTIONS = (
    "--model tiny --epochs 4 --lr 2e-3 --dropout 0 --precision fp32 --device cpu --score-warmup 1 "
    "--record-draws"
).split()
# 96 rows train: a multiple of 8.
ALONE, EACH_OF_TWO = ("--batch-size", "8"), ("--batch-size", "4")
TORCHRUN = "-m torch.distributed.run --standalone --nproc-per-node 2 -m dsample_cli".split()


def command(*args, two=False):
    return [sys.executable, *(TORCHRUN if two else ("-m", "dsample_cli")), *map(str, args)]


def environment():
    return process_environment(OMP_NUM_THREADS="1")


def arguments(folder: Path, *options):
    (folder / "tickets.csv").write_text(make_tickets(), encoding="utf-8")
    return ("train", folder / "tickets.csv", *OPTIONS, *options, "--json")


def fork_one(folder: Path, *options) -> Path:
    """Train in one process."""
    args = (*arguments(folder, *options), "--workspace", folder / "one")
    done = Forked(*args, cwd=folder).finish()
    assert done.code == 0, done.err
    return Path(done.json["path"])


def fork_two(folder: Path, *options) -> tuple[Path, str]:
    """Train in two processes that meet as those of torchrun do; give the run and their stderr."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    args = (*arguments(folder, *options), "--workspace", folder / "two")
    processes = [Forked(*args, cwd=folder, RANK=r, LOCAL_RANK=r, **meeting) for r in ("0", "1")]
    first, second = (process.finish() for process in processes)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert second.out == ""
    return Path(first.json["path"]), first.err + second.err


def torchrun(folder: Path, *options) -> tuple[Path, str]:
    """Train in two processes that torchrun starts; give the run and stderr."""
    done = subprocess.run(
        command(*arguments(folder, *options), "--workspace", folder / "two", two=True),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["path"]), done.stderr


def draws(run: Path) -> list[np.ndarray]:
    return [pq.read_table(file)["row"].to_numpy() for file in sorted((run / "draws").iterdir())]


@pytest.mark.parametrize(
    ("score", "schedule", "each_of_two"),
    [
        ("softmax", "switch", EACH_OF_TWO),
        ("recency-bias+sqrt", "linear", ("--batch-size", "2", "--grad-accum", "2")),
    ],
)
def test_two_processes_train_what_one_with_the_doubled_batch_does(
    tmp_path, score, schedule, each_of_two
):
    options = ("--score", score, "--schedule", schedule)
    alone = fork_one(tmp_path, *options, *ALONE)
    both, told = fork_two(tmp_path, *options, *each_of_two)
    assert all((a == b).all() for a, b in zip(draws(alone), draws(both), strict=True))
    for a, b in zip(epochs_without_timing(alone), epochs_without_timing(both), strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-3, abs=1e-5)
        assert a["expected"] == pytest.approx(b["expected"], abs=1e-6)
        for key in ("mix", "drawn", "distinct", "most_repeated"):
            assert a[key] == b[key]
    predictions = [read_lines(run / "predictions-validation.jsonl") for run in (alone, both)]
    for a, b in zip(*predictions, strict=True):
        assert a["score"] == pytest.approx(b["score"], abs=1e-3)
    assert list((tmp_path / "two" / "runs").iterdir()) == [both]
    assert told.count("train loss") == 1, "one process alone prints"
    assert "repeats" not in told


def test_torchrun_trains_one_run_and_tells_its_uneven_end(tmp_path):
    run, told = torchrun(tmp_path, "--batch-size", 5, "--epochs", 1)
    assert list((tmp_path / "two" / "runs").iterdir()) == [run]
    assert told.count("train loss") == 1, "one process alone prints"
    assert "96 examples an epoch are no multiple of 10" in told
    assert "the last step repeats 4 of them" in told


ENDING = """
import atexit, sys
from dsample_cli.cli import main
class Told:
    def __del__(self): print("taken down", flush=True)
sys.modules["told"] = Told()
run = main.run
def run_and_register(args):
    atexit.register(print, "at exit")
    return run(args)
main.run = run_and_register
main.main(sys.argv[1:])
"""


@pytest.mark.parametrize(("size", "ending"), [("1", ["at exit", "taken down"]), ("2", ["at exit"])])
@pytest.mark.parametrize(("args", "code"), [(["--version"], 0), (["no-such-command"], 2)])
def test_one_of_several_processes_does_not_take_python_down(args, code, size, ending):
    done = subprocess.run(
        [sys.executable, "-c", ENDING, *args],
        env=process_environment(WORLD_SIZE=size),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == code, done.stderr
    assert done.stdout.splitlines()[-len(ending) :] == ending
    assert ("taken down" in done.stdout) == (size == "1")
    assert bool(done.stderr) == (code == 2)


def kill_all(pid: int) -> None:
    """SIGKILL a process and what it started; torchrun's children would otherwise train on."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    below = [int(child) for child in children.read_text().split()] if children.exists() else []
    for one in (pid, *below):
        os.kill(one, signal.SIGKILL)


def start_and_wait_for_a_checkpoint(folder: Path, *options) -> tuple[subprocess.Popen, Path]:
    (folder / "tickets.csv").write_text(make_tickets(), encoding="utf-8")
    args = ("train", folder / "tickets.csv", *OPTIONS, *options, "--workspace", folder / "killed")
    process = subprocess.Popen(
        command(*args, two=True), env=environment(), stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        if found := list(folder.glob("killed/runs/*/checkpoints/*/trainer_state.json")):
            return process, found[0].parents[2]
        time.sleep(0.005)
    process.kill()
    raise AssertionError("no checkpoint")


@pytest.mark.slow
def test_a_killed_run_of_two_processes_is_resumed_to_the_same_end(tmp_path):
    options = ("--score", "recency-bias+sqrt", "--schedule", "always", "--checkpoint-steps", 5)
    expected, _ = torchrun(tmp_path, *options, *EACH_OF_TWO)
    process, run = start_and_wait_for_a_checkpoint(tmp_path, *options, *EACH_OF_TWO)
    kill_all(process.pid)
    process.wait()
    workspace = tmp_path / "killed"
    resume = ("train", "--resume", run.name, "--workspace", workspace)
    alone = subprocess.run(
        command(*resume), env=environment(), capture_output=True, text=True, timeout=200
    )
    assert alone.returncode == 1
    assert "The run was trained by 2 processes" in alone.stderr
    both = subprocess.run(
        command(*resume, two=True), env=environment(), capture_output=True, text=True, timeout=200
    )
    assert both.returncode == 0, both.stderr
    assert epochs_without_timing(run) == epochs_without_timing(expected)
    assert all((a == b).all() for a, b in zip(draws(run), draws(expected), strict=True))
