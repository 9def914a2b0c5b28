"""Writes that fail over train, predict and sweep: a full disk, a broken one, short writes.

    python -m tests.trust.write_faults --faults 50 --json write_faults.json

A library made of failing_disk.c stands before libc's write, pwrite, writev, fwrite, fsync and
fdatasync. The writes of Python, PyArrow, PyTorch, safetensors and tokenizers all pass through it;
what a library writes through a memory map would not. From a random write on, those to the trial's
folder fail with ENOSPC (the first of them writes a half) or EIO, all of them or a few; or they are
short, which is no error. Without a C compiler the size of files is limited instead (RLIMIT_FSIZE,
EFBIG), which reaches the same libraries, but chooses by size which write fails.

A fault is to end in exit code 1 and one line that says what could not be written and why; the
workspace is readable, other runs are what they were, and once the disk is well the command goes on
to what an undisturbed one gives, byte for byte. Short writes are to change nothing.
"""

import argparse
import ctypes
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.helpers import Outcome
from tests.trust.kills import check_same_run_but_checkpoints
from tests.trust.stage import (
    FAMILIES,
    Stage,
    Started,
    check_same_sweep,
    completed_points,
    epoch_lines,
    fresh,
    listed,
    predict_args,
    run_folders,
    set_up,
    sweep_args,
    tell,
    train_args,
)

SOURCE = Path(__file__).with_name("failing_disk.c")
LIBRARY = "FAILING_DISK"
NO_SPACE, BROKEN, SHORT, TOO_LARGE = "ENOSPC", "EIO", "short", "EFBIG"
_KINDS = {NO_SPACE: 1, BROKEN: 2, SHORT: 3}
_REASONS = {
    NO_SPACE: "No space left on device",
    BROKEN: "Input/output error",
    TOO_LARGE: "File too large",
}
# What torch.save says of a write that failed holds no reason.
_UNKNOWN_REASON = "the disk may be full, or failing"
_FOREVER = 1 << 40
Tally = Counter[str]


def build(folder: Path) -> Path | None:
    """Compile the library; None without a compiler, or where it has no place."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    library = folder / "failing_disk.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True)
    return library if done.returncode == 0 else None


def arm(folder: str, kind: str, first: int, last: int, counts: str) -> None:
    """Let this process's writes to a folder fail; it leaves their numbers in a file."""
    library = ctypes.CDLL(os.environ[LIBRARY])
    numbers = ctypes.c_long(first), ctypes.c_long(last)
    library.arm_faults(folder.encode(), _KINDS[kind], *numbers)
    leave = sys.exit

    def tell(code: Any = 0) -> None:
        written, failed = library.counted_writes(), library.failed_writes()
        library.arm_faults(b"", 0, ctypes.c_long(0), ctypes.c_long(0))
        Path(counts).write_text(json.dumps([written, failed]))
        leave(code)

    sys.exit = tell  # type: ignore[assignment]


def limit_size(limit: int) -> None:
    """Let this process write no file beyond a size."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


@dataclass(frozen=True)
class Done:
    """How a command ended whose writes failed.

    Attributes:
        outcome: Of the command.
        writes: To the folder, as far as it came.
        failed: Those that failed or were short.
    """

    outcome: Outcome
    writes: int
    failed: int

    @property
    def code(self) -> int:
        return self.outcome.code

    @property
    def err(self) -> str:
        return self.outcome.err

    @property
    def json(self) -> Any:
        return self.outcome.json


class FailingDisk:
    """Runs commands whose writes to the folder `disk` of a trial fail.

    Args:
        stage: Its commands are run once without a fault, for the number of their writes.
        kinds: Commands that are to be run.
    """

    kinds: tuple[str, ...] = (NO_SPACE, BROKEN, SHORT)

    def __init__(self, stage: Stage, kinds: Iterable[str]) -> None:
        self._writes = {}
        for kind in kinds:
            folder = fresh(stage.folder, "count")
            (folder / "disk").mkdir()
            args, output = COMMANDS[kind](stage, next(iter(stage.families)), folder / "disk")
            found = self._run([*args, *output], folder, SHORT, _FOREVER, _FOREVER)
            assert found.code == 0, found.err
            self._writes[kind] = found.writes

    def run(
        self, kind: str, args: list[object], folder: Path, how: str, rng: random.Random
    ) -> Done:
        """Run a command of a kind; a full disk stays full, a broken one may recover."""
        first = rng.randint(1, self._writes[kind])
        last = first + rng.choice([0, 2, _FOREVER]) if how == BROKEN else _FOREVER
        return self._run(args, folder, how, first, last)

    def _run(self, args: list[object], folder: Path, how: str, first: int, last: int) -> Done:
        counts = folder / "counts.json"
        counts.unlink(missing_ok=True)
        prepare = (arm, str(folder / "disk"), how, first, last, str(counts))
        done = Started(*args, cwd=folder, prepare=prepare).finish(240)
        return Done(done, *json.loads(counts.read_text()))


class SizeLimit:
    """Runs commands that can write no file beyond a size: the way without a compiler."""

    kinds: tuple[str, ...] = (TOO_LARGE,)
    _largest = 600_000

    def run(
        self, kind: str, args: list[object], folder: Path, how: str, rng: random.Random
    ) -> Done:
        """Run a command; what failed is told by its exit code."""
        limit = rng.randint(8_000, self._largest)
        done = Started(*args, cwd=folder, prepare=(limit_size, limit)).finish(240)
        return Done(done, 0, done.code)


def check_failure(done: Done, kind: str) -> None:
    """One line that says what could not be written, and why; no traceback."""
    assert done.code == 1, (done.code, done.err)
    assert "Traceback" not in done.err, done.err
    told = done.json["error"]
    assert told["message"].startswith("Cannot write "), told
    assert _REASONS[kind] in told["message"] or _UNKNOWN_REASON in told["message"], told
    assert told["hint"], told


Disk = FailingDisk | SizeLimit


@dataclass(frozen=True)
class Trial:
    """One command that is to meet a fault.

    Attributes:
        folder: Its own; the files in `disk` are what cannot be written.
        how: Kind of the fault.
        tally: Counts what happens in all trials.
    """

    folder: Path
    how: str
    tally: Tally

    def count(self, done: Done) -> None:
        """Count a fault, if there was one."""
        self.tally["faults"] += bool(done.failed)
        self.tally[f"faults of kind {self.how}"] += bool(done.failed)
        self.tally["writes that failed"] += done.failed
        self.tally["commands that failed"] += done.code != 0


def fingerprint(folder: Path) -> dict[str, str]:
    """What a run holds, byte for byte."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != ".lock"
    }


def trial_of_train(stage: Stage, disk: Disk, rng: random.Random, trial: Trial) -> None:
    """Train beside a completed run until writes fail, then go on."""
    family, folder, tally = rng.choice(list(stage.families)), trial.folder, trial.tally
    workspace = folder / "disk" / "w"
    other = workspace / "runs" / stage.model.name
    shutil.copytree(stage.model, other)
    before = fingerprint(other)
    args = [*train_args(stage.folder, family), "--workspace", workspace]
    done = disk.run("train", args, folder, trial.how, rng)
    trial.count(done)
    assert fingerprint(other) == before, "another run has changed"
    states = listed(workspace)
    assert states.pop(other.name) == "completed"
    expected = stage.families[family]
    if done.code == 0:
        assert trial.how == SHORT or not done.failed, "a write that failed was not noticed"
        check_same_run_but_checkpoints(workspace / "runs" / done.json["run"], expected)
        return
    check_failure(done, trial.how)
    begun = [r for r in run_folders(workspace) if r != other and (r / "run.json").exists()]
    if not begun:
        tally["before the run had begun"] += 1
        return
    [run] = begun
    assert states[run.name] in ("failed", "interrupted"), states
    tally[f"status {states[run.name]}"] += 1
    lines = epoch_lines(run)
    assert lines == epoch_lines(expected)[: len(lines)]
    assert f"dsample train --resume {run.name}" in done.json["error"]["hint"], done.json
    args = ["train", "--resume", run.name, "--json", "--workspace", workspace]
    resumed = Started(*args, cwd=folder).finish(240)
    assert resumed.code == 0, resumed.err
    check_same_run_but_checkpoints(run, expected)


def trial_of_predict(stage: Stage, disk: Disk, rng: random.Random, trial: Trial) -> None:
    """Predict into a new file or over an old one."""
    output = trial.folder / "disk" / "out.jsonl"
    old = b'{"row": 0}\n' if rng.random() < 0.5 else None
    if old is not None:
        output.write_bytes(old)
    args = predict_args(stage, str(output))
    done = disk.run("predict", args, trial.folder, trial.how, rng)
    trial.count(done)
    found = output.read_bytes() if output.exists() else None
    if done.code == 0:
        assert trial.how == SHORT or not done.failed, "a write that failed was not noticed"
        assert found == stage.predictions
        return
    check_failure(done, trial.how)
    assert found in (old, stage.predictions)  # the fault may come behind the file's last byte
    assert [p.name for p in output.parent.iterdir()] == ([output.name] if found else [])
    again = Started(*args, cwd=trial.folder).finish()
    assert again.code == 0, again.err
    assert output.read_bytes() == stage.predictions


def trial_of_sweep(stage: Stage, disk: Disk, rng: random.Random, trial: Trial) -> None:
    """Sweep until writes fail, then go on."""
    workspace = trial.folder / "disk" / "w"
    args = [*sweep_args(stage.folder), "--workspace", workspace]
    done = disk.run("sweep", args, trial.folder, trial.how, rng)
    trial.count(done)
    if done.code == 0:
        assert trial.how == SHORT or not done.failed, "a write that failed was not noticed"
        check_same_sweep(done.json, stage.sweep)
        return
    if "error" in done.json:
        check_failure(done, trial.how)
    else:  # a point failed, others could be trained
        assert (done.code, "Traceback" in done.err) == (1, False), done.err
        errors = [r["error"] for r in done.json["runs"] if r["status"] == "failed"]
        assert errors
        assert all(error.startswith("Cannot write ") for error in errors), errors
        trial.tally["sweeps that went on"] += 1
    states = listed(workspace) if workspace.exists() else {}
    for run in run_folders(workspace):
        assert (states[run.name] == "damaged") == (not (run / "run.json").exists())
    completed = completed_points(workspace)
    again = Started(*args, cwd=trial.folder).finish(240)
    assert again.code == 0, again.err
    check_same_sweep(again.json, stage.sweep)
    assert completed.items() <= completed_points(workspace).items(), "trained again"
    trial.tally["points that stayed"] += len(completed)


TRIALS = {"train": trial_of_train, "predict": trial_of_predict, "sweep": trial_of_sweep}
# Command -> what is typed, and where it writes on the disk of a trial.
COMMANDS: dict[str, Callable[[Stage, str, Path], tuple[list[object], list[object]]]] = {
    "train": lambda stage, family, disk: (
        train_args(stage.folder, family),
        ["--workspace", disk / "w"],
    ),
    "predict": lambda stage, family, disk: (predict_args(stage, str(disk / "out.jsonl")), []),
    "sweep": lambda stage, family, disk: (sweep_args(stage.folder), ["--workspace", disk / "w"]),
}


def run_trials(
    stage: Stage, disk: Disk, faults: int, seed: int, kinds: Sequence[str]
) -> dict[str, Any]:
    """Let the writes of so many commands fail; give what happened, and what was broken."""
    tally, failures, number = Counter[str](), list[str](), 0
    while tally["faults"] < faults:
        kind, how = kinds[number % len(kinds)], disk.kinds[number // len(kinds) % len(disk.kinds)]
        folder = fresh(stage.folder, f"trial-{number}")
        (folder / "disk").mkdir()
        trial = Trial(folder, how, tally)
        try:
            TRIALS[kind](stage, disk, random.Random(f"{seed} {number}"), trial)
            fresh(stage.folder, folder.name).rmdir()
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            failures.append(f"{how}, {kind}, seed {seed}, trial {number}: {told}")
            print(failures[-1], file=sys.stderr)
        number += 1
    return {"trials": number, "seed": seed, "way": type(disk).__name__, **tally} | {
        "failures": failures
    }


def main() -> None:
    """Run the trials and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=TRIALS, action="append", help="one command")
    parser.add_argument("--quick", action="store_true", help="one kind of training")
    parser.add_argument("--no-compiler", action="store_true", help="limit the size of files")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="write-faults-"))
    if LIBRARY not in os.environ and not options.no_compiler:
        library = build(folder)
        if library is not None:  # every process from here on is to have it
            told = {LIBRARY: str(library), "LD_PRELOAD": str(library)}
            command = [sys.executable, "-m", "tests.trust.write_faults", *sys.argv[1:]]
            code = subprocess.run(command, env=os.environ | told).returncode
            shutil.rmtree(folder)
            sys.exit(code)
    began = time.perf_counter()
    kinds = options.only or ["train", "train", "sweep", "predict"]
    families = list(FAMILIES)[: 1 if options.quick else None]
    stage = set_up(folder, families, set(kinds))
    disk = FailingDisk(stage, set(kinds)) if LIBRARY in os.environ else SizeLimit()
    found = run_trials(stage, disk, options.faults, options.seed, kinds)
    sys.exit(tell(found, folder, began, options.json))


if __name__ == "__main__":
    main()
