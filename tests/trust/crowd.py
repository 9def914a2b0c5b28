"""Several processes at work in one workspace, with every command that reads or writes it.

    python -m tests.trust.crowd --processes 6 --seconds 300 --json crowd.json

Each process starts one command after the other, drawn by a seed: trainings of `tiny`, some of them
interrupted, resumed, corrected, refitted, swept, predicted with, listed, marked, pruned, removed.
Some start as `python -m dsample_cli`, the others are forked with everything imported. No command
may end with another exit code than promised, with a message that is not to be expected where
others remove and lock, with a traceback, or stand still for a minute. In the end every completed
run predicts, `doctor` finds nothing, and nothing is left behind.
"""

import argparse
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dsample_cli.runs.locks import read_owner
from tests.conftest import BLANK_PNG
from tests.forks import fork
from tests.helpers import make_tickets, process_environment

STILL_SECONDS = 60
INTERRUPTED = 130
# One of so many commands starts as a process from nothing.
FRESH = 12
TRAINING = "--model tiny --batch-size 16 --lr 2e-3 --cycle 2 --device cpu --precision fp32".split()
# What a command may fail with, as others remove, lock, complete and interrupt at the same time.
EXPECTED = tuple(
    re.compile(pattern)
    for pattern in (
        r"There is no run '",
        r"There is no completed run in ",
        r"No run has validation figures",
        r"(Run|Sweep) \S+ is in use by another process",
        r"Run \S+ is gone: it was removed meanwhile",
        r"Run \S+ is completed\.",
        r"Run \S+ is (running|interrupted|failed|pruned), so it has no model",
        r"Run \S+ was made of run \S+ and trains nothing",
        r"Run \S+ has no tag '",
        r"There is nothing to compare",
        r"cannot be compared row by row",
    )
)
_FORKING = threading.Lock()


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        args: What stood behind `dsample`.
        code: Exit code; None where it stood still and was killed.
        out: Its standard output.
        err: Its standard error.
        seconds: It took.
        is_interrupted: Whether it got SIGINT.
    """

    args: list[str]
    code: int | None
    out: str
    err: str
    seconds: float
    is_interrupted: bool = False

    @property
    def name(self) -> str:
        """The command, with that of a group."""
        resumed = ["--resume"] if "--resume" in self.args else []
        return " ".join([*self.args[: 1 + (self.args[0] == "runs")], *resumed])

    def complaint(self) -> str | None:
        """What was wrong with it; None when nothing was."""
        if self.code is None:
            return f"stood still for {STILL_SECONDS} s"
        if "Traceback" in self.err or "bug of dsample" in self.err:
            return "a bug"
        if self.code == 1:
            return None if self._is_expected() else "an error that is not to be expected"
        allowed = (0, 3, INTERRUPTED) if self.is_interrupted else (0, 3)
        return None if self.code in allowed else f"exit code {self.code}"

    def _is_expected(self) -> bool:
        if "--json" in self.args:
            message = json.loads(self.out)["error"]["message"]
        else:
            message = "".join(t for t in self.err.splitlines() if t.startswith("Error: "))
        return any(pattern.search(message) for pattern in EXPECTED)


@dataclass
class Tally:
    """What all commands came to."""

    ended: list[Ended] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, ended: Ended) -> None:
        self.ended.append(ended)
        if complaint := ended.complaint():
            told = ended.err.strip() or ended.out.strip()[-2000:]
            self.wrong.append(f"{complaint}: dsample {' '.join(ended.args)}\n{told}")

    def rows(self) -> list[dict[str, Any]]:
        """For each command how often it ran, with which exit codes, and its longest time."""
        found: dict[str, list[Ended]] = {}
        for ended in self.ended:
            found.setdefault(ended.name, []).append(ended)
        return [
            {
                "command": name,
                "runs": len(of_name),
                "codes": dict(sorted(Counter(str(e.code) for e in of_name).items())),
                "slowest_seconds": round(max(e.seconds for e in of_name), 1),
            }
            for name, of_name in sorted(found.items())
        ]


class Worker:
    """One of the crowd: draws commands and runs them until its time is over.

    Args:
        number: Of the worker.
        folder: Has the data and gets the workspace.
        seed: Of what is drawn.
        tally: Hears of each command.
    """

    def __init__(self, number: int, folder: Path, seed: int, tally: Tally) -> None:
        self.folder, self.tally = folder, tally
        self.own = folder / f"worker-{number}"
        self.own.mkdir()
        self.draw = random.Random(f"{seed} {number}")
        self.workspace = folder / "workspace"
        self.count = 0

    def work(self, until: float) -> None:
        """Run commands until a time."""
        kinds = list(COMMANDS)
        weights = [weight for weight, _ in COMMANDS.values()]
        while time.monotonic() < until:
            [kind] = self.draw.choices(kinds, weights)
            args = COMMANDS[kind][1](self)
            after = self.draw.uniform(0, 2) if kind == "interrupt" else None
            self.tally.add(self.run(args, after))

    def run(self, args: list[str], interrupt_after: float | None = None) -> Ended:
        """Run a command to its end, or until seconds after it has taken a run."""
        self.count += 1
        files = self.own / f"{self.count}.out", self.own / f"{self.count}.err"
        full = [*args, "--workspace", str(self.workspace)]
        began = time.monotonic()
        is_fresh = interrupt_after is None and self.draw.randrange(FRESH) == 0
        start = _start_process if is_fresh else _start_fork
        pid, poll = start(full, self.own, *files)
        is_interrupted, taken = False, None
        progress, since = -1.0, began
        code: int | None = None
        while (code := poll()) is None:
            time.sleep(0.02)
            now = time.monotonic()
            if interrupt_after is not None and not is_interrupted:
                taken = taken or (now if self._has_run(pid) else None)
                if taken is not None and now - taken > interrupt_after:
                    is_interrupted = True
                    _signal(pid, signal.SIGINT)
            spent = _progress(pid, files)
            if spent != progress:
                progress, since = spent, now
            elif now - since > STILL_SECONDS:
                _signal(pid, signal.SIGKILL)
                break
        out, err = (
            file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
            for file in files
        )
        # Before the command has begun, Python itself answers.
        is_early = code == -signal.SIGINT or (code == 1 and not err.startswith("Error: "))
        if is_interrupted and is_early and ("KeyboardInterrupt" in err or not err):
            code, err = INTERRUPTED, ""
        return Ended(args, code, out, err, time.monotonic() - began, is_interrupted)

    def _has_run(self, pid: int) -> bool:
        """Whether a process holds a run."""
        owners = map(read_owner, (self.workspace / "runs").glob("[!.]*/.lock"))
        return any(owner is not None and owner.pid == pid for owner in owners)

    def any_run(self) -> str:
        """Id of a run that there was a moment ago, or `latest`."""
        try:
            names = [n for n in os.listdir(self.workspace / "runs") if not n.startswith(".")]
        except FileNotFoundError:
            names = []
        return self.draw.choice(sorted(names)) if names else "latest"

    def stopped_run(self) -> str:
        """Id of a run that waits to be resumed; at times, or if there is none, of any."""
        stopped = []
        for file in sorted((self.workspace / "runs").glob("[!.]*/run.json")):
            with contextlib.suppress(OSError):
                if '"interrupted"' in file.read_text(encoding="utf-8"):
                    stopped.append(file.parent.name)
        is_any = not stopped or self.draw.randrange(4) == 0
        return self.any_run() if is_any else self.draw.choice(stopped)

    def train(self) -> list[str]:
        data = self.draw.choice(["first.csv", "second.csv"])
        options = ["--epochs", self.draw.choice("123"), "--seed", self.draw.choice("123456")]
        return ["train", str(self.folder / data), *TRAINING, *options, "-q"]

    def sweep(self) -> list[str]:
        grid = ["--score", "softmax,inverse", "--seed", self.draw.choice("12"), "--epochs", "1"]
        return ["sweep", str(self.folder / "first.csv"), *TRAINING, *grid, "-q"]

    def chosen(self) -> str:
        return self.draw.choice(["latest", "best", self.any_run()])

    def export(self) -> list[str]:
        return ["export", "--run", self.chosen(), "--to", str(self.own / f"export-{self.count}")]

    def predict(self) -> list[str]:
        output = str(self.own / "predictions.jsonl")
        data = str(self.folder / "second.csv")
        return ["predict", data, "--run", self.chosen(), "-o", output, "--json"]


Make = Callable[[Worker], list[str]]
# Kind -> how often it is drawn, and what makes its arguments.
COMMANDS: dict[str, tuple[int, Make]] = {
    "train": (10, Worker.train),
    "interrupt": (4, Worker.train),
    "resume": (6, lambda w: ["train", "--resume", w.stopped_run(), "-q"]),
    "predict": (8, Worker.predict),
    "evaluate": (5, lambda w: ["evaluate", "--run", w.chosen(), "--no-intervals", "--json"]),
    "correct": (3, lambda w: ["correct", "--run", w.chosen(), "--method", "temperature", "-q"]),
    "refit": (2, lambda w: ["refit", "--run", w.chosen(), "--head", "ncm", "-q"]),
    "export": (2, Worker.export),
    "analyze": (2, lambda w: ["analyze", str(w.folder / "first.csv"), "--fast"]),
    "tag": (3, lambda w: ["runs", "tag", w.chosen(), w.draw.choice("ab")]),
    "untag": (2, lambda w: ["runs", "tag", w.chosen(), w.draw.choice("ab"), "--remove"]),
    "note": (2, lambda w: ["runs", "note", w.chosen(), w.draw.choice(["x", ""])]),
    "list": (8, lambda w: ["runs", "list", "--json"]),
    "show": (5, lambda w: ["runs", "show", w.any_run()]),
    "best": (2, lambda w: ["runs", "best"]),
    "du": (4, lambda w: ["runs", "du"]),
    "compare": (2, lambda w: ["compare", "latest", w.any_run(), "--different-data"]),
    "prune": (3, lambda w: ["runs", "prune", "--keep", "6", "--yes"]),
    "prune-all": (1, lambda w: ["runs", "prune", "--keep", "4", "--unfinished", "--yes"]),
    "remove": (4, lambda w: ["runs", "remove", w.any_run()]),
    "sweep": (2, Worker.sweep),
    "doctor": (2, lambda w: ["doctor"]),
    "doctor-fix": (2, lambda w: ["doctor", "--fix"]),
}


def crowd(folder: Path, processes: int, seconds: float, seed: int) -> dict[str, Any]:
    """Let a crowd work, then look at what it leaves.

    Args:
        folder: Empty; gets the data and the workspace.
        processes: That work at a time.
        seconds: Until no further command is started.
        seed: Of what is drawn.

    Returns:
        `commands`: as `Tally.rows`; `wrong`: what should not be; `runs`: status -> number at the
        end; `predicted`: completed runs that predict.
    """
    (folder / "first.csv").write_text(make_tickets(1), encoding="utf-8")
    (folder / "second.csv").write_text(make_tickets(2), encoding="utf-8")
    tally = Tally()
    workers = [Worker(number, folder, seed, tally) for number in range(processes)]
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=worker.work, args=(until,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "processes": processes,
        "seconds": seconds,
        "seed": seed,
        "commands": tally.rows(),
        **look(Worker(processes, folder, seed, tally)),
        "wrong": tally.wrong,
    }


def look(worker: Worker) -> dict[str, Any]:
    """See that all is whole when nobody is at work any more."""
    tally = worker.tally
    states: Counter[str] = Counter()
    predicted = 0
    listed = worker.run(["runs", "list", "--json"])
    tally.add(listed)
    for entry in json.loads(listed.out)["runs"] if listed.code == 0 else ():
        states[entry["status"]] += 1
        if entry["status"] in ("running", "damaged"):
            tally.wrong.append(f"{entry['run']} is {entry['status']}")
        if entry["status"] != "completed":
            continue
        output = worker.own / "last.jsonl"
        done = worker.run(
            ["predict", str(worker.folder / "first.csv"), "--run", entry["run"], "-o", str(output)]
        )
        lines = output.read_text(encoding="utf-8").splitlines() if done.code == 0 else []
        if len(lines) != 120:
            tally.wrong.append(f"{entry['run']} predicts {len(lines)} of 120 rows: {done.err}")
        predicted += len(lines) == 120
    doctor = worker.run(["doctor", "--json"])
    problems = json.loads(doctor.out)["problems"] if doctor.code in (0, 1) else None
    if doctor.code != 0 or problems:
        tally.wrong.append(f"doctor found: {json.dumps(problems, indent=1)}{doctor.err}")
    for path in sorted(worker.workspace.rglob(".*")):
        if path.name.endswith((".tmp", ".partial", ".owner")) or path.name.startswith(".removed"):
            tally.wrong.append(f"{path} was left behind")
    return {"runs": dict(states), "predicted": predicted}


def _start_fork(
    args: list[str], cwd: Path, out: Path, err: Path
) -> tuple[int, Callable[[], int | None]]:
    with _FORKING:  # to fork changes the environment for a moment
        process = fork(_run_here, args, cwd, out, err)
    pid = process.pid
    assert pid is not None

    def poll() -> int | None:
        process.join(0)
        return process.exitcode

    return pid, poll


def _start_process(
    args: list[str], cwd: Path, out: Path, err: Path
) -> tuple[int, Callable[[], int | None]]:
    with out.open("wb") as to_out, err.open("wb") as to_err:
        process = subprocess.Popen(
            [sys.executable, "-m", "dsample_cli", *args],
            cwd=cwd,
            env=process_environment(OMP_NUM_THREADS="1"),
            stdin=subprocess.DEVNULL,
            stdout=to_out,
            stderr=to_err,
        )
    return process.pid, process.poll


def _run_here(args: list[str], cwd: Path, out: Path, err: Path) -> None:
    """Run a command in a process that was forked with everything imported."""
    os.chdir(cwd)
    environment = process_environment(OMP_NUM_THREADS="1")
    os.environ.clear()
    os.environ.update(environment)
    for path, stream in ((out, sys.stdout), (err, sys.stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream.fileno())
    from matplotlib.figure import Figure

    def blank(self: Any, file: Any, **options: Any) -> None:
        file.write(BLANK_PNG)

    Figure.savefig = blank  # type: ignore[method-assign,assignment]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from dsample_cli.cli.main import main

    main(args)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _progress(pid: int, files: tuple[Path, ...]) -> float:
    """What grows while a process gets on: the time that it computed and what it wrote."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        computed = int(fields[11]) + int(fields[12])
    except (OSError, IndexError):
        computed = 0
    return computed + sum(file.stat().st_size for file in files if file.exists())


def print_table(result: dict[str, Any]) -> None:
    """Print what `crowd` gives."""
    print(f"{'command':20} {'runs':>5}  {'slowest':>8}  exit codes")
    for row in result["commands"]:
        codes = ", ".join(f"{code}: {count}" for code, count in row["codes"].items())
        print(f"{row['command']:20} {row['runs']:>5} {row['slowest_seconds']:>7.1f} s  {codes}")
    print(f"{sum(row['runs'] for row in result['commands'])} commands, {result['seconds']:.0f} s")
    print(f"runs in the end: {result['runs']}, {result['predicted']} of them predict")
    for wrong in result["wrong"]:
        print(f"WRONG: {wrong}")
    print(f"{len(result['wrong'])} that should not be")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--processes", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--folder", type=Path, help="empty; kept for a look at it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = given.folder or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        result = crowd(place, given.processes, given.seconds, given.seed)
    print_table(result)
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 1 if result["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
