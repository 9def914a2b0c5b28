"""Run every command on inputs from strangers, and check that nothing gives way.

    python -m tests.trust.fuzz --inputs 10000 --subprocesses 200 --json fuzz.json
    python -m tests.trust.fuzz --replay KEPT.json

Of each input: the exit code is 0, 1, 2 or 3; 1 and 2 are told, under --json as one JSON object; no
exception leaves the command and none is told as a bug; it ends within 30 s and takes no more memory
than its tiny data can explain; no file appears or changes but where the command line says; no text
of the data is on stderr; JSON, JSON Lines and CSV that were written are valid.

The inputs run in a child process, a chunk of them after each other, so that a crash of the
interpreter costs one input, which is told too. A failing input is kept as a file.
"""

import argparse
import collections
import contextlib
import csv
import faulthandler
import gc
import hashlib
import importlib
import io
import json
import os
import pkgutil
import queue
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import dsample_cli
from tests.conftest import BLANK_PNG
from tests.helpers import REPOSITORY, process_environment
from tests.trust import hostile
from tests.trust.hostile import OTHER_RUN, RUN, SENTINEL, Case

SECONDS = 30
CHUNK = 500
# Growth of the peak of one input; the tables have 40 rows at most.
GROWTH_MB = 700
# One input in so many has its pictures drawn; the processes draw all of theirs.
DRAWN = 8
# Beyond what is loaded: what an input may map before it gets a MemoryError.
ADDRESS_SPACE = 6 << 30
# About what a process maps that has loaded all libraries.
LOADED = 4 << 30
# Of this process, whatever a case's own is.
_STDERR = os.dup(2)
OUTPUT_FLAGS = {"--out", "-o", "--output", "--html", "--plot", "--confusion", "--to", "--workspace"}


Train = Callable[[Sequence[str], Path], object]
TRAIN = (
    *("train", "data.csv", "--workspace", "ws", "--model", "tiny", "--epochs", "2", "--quiet"),
    *("--val-size", "0.25", "--test-size", "0.25"),
)


@dataclass(frozen=True)
class Outcome:
    """What an input came to.

    Attributes:
        kind: Its generator.
        command: That it called.
        code: Exit code; None when the process died.
        seconds: It took.
        growth_mb: By which the peak of the memory rose.
        told: The error that it told.
        problems: What was wrong; empty when all is well.
    """

    kind: str
    command: str
    code: int | None
    seconds: float
    growth_mb: float
    told: str | None
    problems: list[str]


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int | None
    out: bytes
    err: bytes
    seconds: float
    growth_mb: float = 0.0
    escaped: str = ""


class Hang(BaseException):
    """An input took too long."""


# The place


class Sandbox:
    """Folders for one input after another.

    Args:
        folder: For what all share, such as a stored run to start from.
        name: Of its own folder in there.
    """

    def __init__(self, folder: Path, name: str = "box") -> None:
        self.folder = folder
        self.name = name
        self.stored = folder / "stored"
        self.own = folder / name
        self.current = self.own / "current.json"
        self.root = self.own / "root"
        self.cwd = self.root / "cwd"
        self.own.mkdir(parents=True, exist_ok=True)

    def environment(self) -> dict[str, str]:
        """A clean environment whose home lies in the sandbox."""
        kept = {k: v for k, v in process_environment().items() if not k.startswith("DSAMPLE_")}
        return kept | {
            "HOME": str(self.root / "home"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "MPLCONFIGDIR": str(self.folder / "cache" / "matplotlib"),
            "HF_HOME": str(self.folder / "cache" / "hf"),
            "HF_HUB_OFFLINE": "1",
            "TMPDIR": str(self.root / "tmp"),
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def make_stored(self, train: "Train | None" = None) -> dict[str, bytes]:
        """Train the runs to start from, unless that was done; give the files of one.

        Args:
            train: Runs `dsample` with these arguments in this folder; a process does by default.
        """
        if not self.stored.exists():
            made = self.folder / "made"
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir(parents=True)
            self.root.mkdir(parents=True, exist_ok=True)
            for name, content in hostile.GOOD_FILES.items():
                (made / name).write_bytes(content)
            for run_id, schedule in ((OTHER_RUN, "natural"), (RUN, "cyclic")):
                (train or self._train_as_process)([*TRAIN, "--schedule", schedule], made)
                _rename_new_run(made, run_id)
            made.rename(self.stored)
        run = self.stored / "ws" / "runs" / RUN
        return {
            str(path.relative_to(run)): path.read_bytes()
            for path in sorted(run.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }

    def _train_as_process(self, args: Sequence[str], folder: Path) -> None:
        subprocess.run(
            [sys.executable, "-m", "dsample_cli", *args],
            cwd=folder,
            env=self.environment() | {"TMPDIR": str(self.folder)},
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def fill(self, case: Case) -> None:
        """Empty the sandbox and put a case's files into it."""
        shutil.rmtree(self.root, ignore_errors=True)
        for name in ("cwd/data", "cwd/taken", "home", "tmp", "outside"):
            (self.root / name).mkdir(parents=True)
        for name in ("cwd/canary.txt", "cwd/taken/file", "home/canary.txt", "outside/canary.txt"):
            (self.root / name).write_text("canary\n")
        for name, content in case.files.items():
            (self.cwd / name).write_bytes(content)
        if not case.has_run:
            return
        shutil.copytree(self.stored / "ws", self.cwd / "ws")
        for name, change in case.run_changes.items():
            path = self.cwd / "ws" / "runs" / RUN / name
            path.unlink()
            if change == "folder":
                path.mkdir()
            elif isinstance(change, bytes):
                path.write_bytes(change)

    def listing(self, asked: set[Path]) -> dict[str, tuple[int, ...]]:
        """Path -> facts of what lies in the sandbox outside of the asked-for places."""
        found: dict[str, tuple[int, ...]] = {}
        for path in _walk(self.root):
            if not any(path == place or place in path.parents for place in asked):
                facts = path.lstat()
                size = 0 if stat.S_ISDIR(facts.st_mode) else facts.st_size
                time_ns = 0 if stat.S_ISDIR(facts.st_mode) else facts.st_mtime_ns
                found[str(path.relative_to(self.root))] = (facts.st_mode, size, time_ns)
        return found


def _rename_new_run(folder: Path, run_id: str) -> None:
    """Give the run that was just trained a name that stays, and a relative path of its data."""
    runs = folder / "ws" / "runs"
    (made,) = [path for path in runs.iterdir() if path.name not in (RUN, OTHER_RUN)]
    manifest = (made / "run.json").read_text().replace(made.name, run_id)
    (made / "run.json").write_text(manifest.replace(f"{folder}{os.sep}", ""))
    made.rename(runs / run_id)


def _walk(folder: Path) -> Iterator[Path]:
    for name, folders, files in os.walk(folder):
        yield from (Path(name, inner) for inner in (*folders, *files))


def asked_places(case: Case, cwd: Path) -> set[Path]:
    """Where a command line allows files to be written."""
    places = {"ws", "dsample_workspace"}
    if case.variables or "options.toml" in case.files:
        places |= set(hostile.PLACES) | {"x\x00y"}
    for flag, value in zip(case.args, (*case.args[1:], ""), strict=True):
        name, _, given = flag.partition("=")
        if name in OUTPUT_FLAGS:
            places.add(given if given else value)
        elif flag[:2] == "-o" and flag[2:]:
            places.add(flag[2:])
    found = {Path(os.path.normpath(cwd / place)) for place in places}
    # Folders above a place may have to be made.
    return found | {
        path
        for place in found
        for path in place.parents
        if path.parent != path and not path.exists()
    }


# Running


def run_here(case: Case, box: Sandbox) -> Ran:
    """Run a case in this process, through the command's entry point."""
    from dsample_cli.cli._streams import make_streams_writable
    from dsample_cli.cli.main import run

    sys.stdout.flush()
    sys.stderr.flush()
    streams = [box.own / name for name in ("in", "out", "err")]
    streams[0].write_bytes(case.stdin)
    kept = [os.dup(number) for number in range(3)]
    environment = box.environment() | case.variables
    escaped, code = "", None
    before = _peak_mb()
    began = time.monotonic()
    try:
        _redirect(streams)
        with (
            _streams(),
            mock.patch.dict(os.environ, environment, clear=True),
            mock.patch.object(tempfile, "tempdir", environment["TMPDIR"]),
            contextlib.chdir(box.cwd),
            _alarm(),
        ):
            make_streams_writable()
            try:
                code = run(list(case.args))
            except BaseException as error:
                escaped = f"{type(error).__name__} left the command: {_innermost(error)}"
    finally:
        for number, copy in enumerate(kept):
            os.dup2(copy, number)
            os.close(copy)
    seconds = time.monotonic() - began
    out, err = streams[1].read_bytes(), streams[2].read_bytes()
    return Ran(code, out, err, seconds, _peak_mb() - before, escaped)


def _redirect(streams: Sequence[Path]) -> None:
    for number, path in enumerate(streams):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)


@contextlib.contextmanager
def _streams() -> Iterator[None]:
    """Fresh streams on the numbers 0 to 2: what is left in older buffers is not of this input."""
    opened = [
        io.TextIOWrapper(open(number, mode, closefd=False), "utf-8", line_buffering=line)  # noqa: SIM115
        for number, mode, line in ((0, "rb", False), (1, "wb", False), (2, "wb", True))
    ]
    with (
        mock.patch.object(sys, "stdin", opened[0]),
        mock.patch.object(sys, "stdout", opened[1]),
        mock.patch.object(sys, "stderr", opened[2]),
    ):
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr, *opened[1:]):
                with contextlib.suppress(OSError):
                    stream.flush()


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    """Raise `Hang` in an input that takes too long; end the process if that does not help."""

    def ring(*args: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    faulthandler.dump_traceback_later(2 * SECONDS, exit=True, file=_STDERR)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


def run_as_process(case: Case, box: Sandbox) -> Ran:
    """Run a case as a real process."""
    began = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dsample_cli", *case.args],
            cwd=box.cwd,
            env=box.environment() | case.variables,
            input=case.stdin,
            capture_output=True,
            timeout=SECONDS + 30,  # a process has to load everything first
            preexec_fn=lambda: limit_memory(LOADED),
        )
    except subprocess.TimeoutExpired as late:
        return Ran(None, late.stdout or b"", late.stderr or b"", time.monotonic() - began)
    return Ran(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _innermost(error: BaseException) -> str:
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "dsample_cli" in f.filename] or list(frames)
    return " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in own[::-1][:3])


# Checking


def run_case(case: Case, box: Sandbox, is_process: bool = False) -> tuple[Outcome, Ran]:
    """Run a case in the sandbox and look at all that it did."""
    box.fill(case)
    asked = asked_places(case, box.cwd)
    before = box.listing(asked)
    ran = (run_as_process if is_process else run_here)(case, box)
    after = box.listing(asked)
    # In this process temporary files may stay until its end, and PyTorch keeps a folder of its own.
    ignored = "tmp/torchinductor_" if is_process else "tmp/"
    after = {name: facts for name, facts in after.items() if not name.startswith(ignored)}
    problems = [*_problems(case, ran, is_process), *_changes(before, after)]
    if not problems:
        problems = list(_written_problems(case, ran, box.cwd))
    outcome = Outcome(
        case.kind,
        case.command,
        ran.code,
        round(ran.seconds, 3),
        round(ran.growth_mb, 1),
        _told(case, ran),
        problems,
    )
    return outcome, ran


def _problems(case: Case, ran: Ran, is_process: bool) -> Iterator[str]:
    if ran.escaped:
        yield ran.escaped
        return
    if ran.code not in (0, 1, 2, 3):
        yield f"exit code {ran.code}"
    if ran.seconds > SECONDS * (2 if is_process else 1):
        yield f"took {ran.seconds:.0f} s"
    if ran.growth_mb > GROWTH_MB:
        yield f"took {ran.growth_mb:.0f} MB"
    if re.search(rb"Traceback \(most recent|Exception ignored|panicked at", ran.err):
        yield "a traceback on stderr"
    if case.has_sentinel and SENTINEL.encode() in ran.err:
        yield "a text of the data on stderr"
    if b"\x1b" in ran.err or (b"\x1b" in ran.out and not case.run_changes):
        yield "an escape sequence"
    is_json, told = _is_json(case), _told(case, ran)
    if ran.code in (1, 2):
        if told is None:
            if case.command not in ("doctor", "sweep"):  # whose results are what failed
                yield "no error is told"
        elif told.startswith(("Unexpected ", "There is not enough memory")):
            yield told
        elif case.has_sentinel and SENTINEL in told:
            yield "a text of the data in an error"
    elif ran.code == 0 and is_json and "--" not in case.args and not _is_json_object(ran.out):
        yield "stdout is not one JSON object"


def _is_json(case: Case) -> bool:
    return "--json" in case.args


def _told(case: Case, ran: Ran) -> str | None:
    """The error that a command told, where it is looked for."""
    return _error_as_json(ran) if _is_json(case) else _error_in_words(ran)


def _error_in_words(ran: Ran) -> str | None:
    lines = ran.err.decode("utf-8", "replace").split("\n")
    told = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    return told[-1].strip() or None if told else None


def _error_as_json(ran: Ran) -> str | None:
    try:
        error = json.loads(ran.out)["error"]
        assert list(error) == ["type", "message", "hint"]
        return str(error["message"]).strip() or None
    except (ValueError, KeyError, TypeError, AssertionError):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _is_json_object(content: bytes) -> bool:
    try:
        return isinstance(json.loads(content.decode(), parse_constant=_refuse), dict)
    except ValueError:
        return False


def _changes(
    before: dict[str, tuple[int, ...]], after: dict[str, tuple[int, ...]]
) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            what = "appeared" if name not in before else "went" if name not in after else "changed"
            yield f"{name} {what}"


def _written_problems(case: Case, ran: Ran, cwd: Path) -> Iterator[str]:
    """What is wrong with the files, and the JSON Lines, of a command that was through."""
    hidden = [p.name for p in cwd.rglob("*.tmp") if p.name not in case.files]
    if hidden:
        yield f"left {hidden[0]}"
    if ran.code != 0:
        return
    if case.command == "predict" and case.args[1:2] and case.args[1].startswith(("data.", "-")):
        target = cwd / "out.jsonl"
        is_file = "-oout.jsonl" in case.args or "out.jsonl" in case.args
        content = target.read_bytes() if is_file and target.exists() else ran.out
        if not is_file and ("-o" in case.args or "--json" in case.args or case.variables):
            return
        yield from _prediction_problems(content)
    out = cwd / "out"
    if case.command == "split" and out.is_dir():
        for path in sorted(out.glob("*.csv")):
            yield from _csv_problems(path)


def _prediction_problems(content: bytes) -> Iterator[str]:
    try:
        lines = content.decode().removesuffix("\n").split("\n") if content else []
        records = [json.loads(line, parse_constant=_refuse) for line in lines]
        if [record["row"] for record in records] != list(range(len(records))):
            yield "the rows of the predictions are not in order"
    except (ValueError, KeyError, TypeError) as error:
        yield f"the predictions are no JSON Lines: {type(error).__name__}"


def _csv_problems(path: Path) -> Iterator[str]:
    try:
        csv.field_size_limit(1 << 30)
        with path.open(encoding="utf-8", newline="") as file:
            widths = {len(row) for row in csv.reader(file, strict=True)}
        if len(widths - {0}) > 1:
            yield f"{path.name} has rows of {sorted(widths)} fields"
    except (ValueError, csv.Error) as error:
        yield f"{path.name} is no CSV: {type(error).__name__}"


# Keeping


def keep(case: Case, outcome: Outcome, ran: Ran | None, folder: Path) -> Path:
    """Keep a failing input, with what happened."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "problems": outcome.problems,
        "command_line": ["dsample", *case.args],
        "err": "" if ran is None else ran.err.decode("utf-8", "replace")[-3000:],
        "case": case.to_json(),
    }
    name = hashlib.sha256(json.dumps(record["case"], sort_keys=True).encode()).hexdigest()[:10]
    path = folder / f"{case.command.replace(' ', '-').strip('-') or 'none'}-{name}.json"
    path.write_text(json.dumps(record, indent=1))
    return path


def read_kept(path: Path) -> Case:
    """The input of a file that `keep` wrote."""
    return Case.from_json(json.loads(path.read_text())["case"])


def replay(path: Path, box: Sandbox, is_process: bool = False) -> Outcome:
    """Run a kept input again and print what it does."""
    case = read_kept(path)
    box.make_stored()
    outcome, ran = run_case(case, box, is_process)
    print("dsample", *map(repr, case.args), case.variables or "")
    print(ran.out.decode("utf-8", "replace")[-2000:])
    print(ran.err.decode("utf-8", "replace")[-6000:])
    print(outcome)
    print(f"The files are in {box.cwd}")
    return outcome


# Chunks


def run_chunk(
    box: Sandbox, seed: int, chunk: int, skip: int, count: int, only: Sequence[str]
) -> None:
    """Run the cases of a chunk from number `skip` on, in this process, and write what comes."""
    stored = box.make_stored()
    results = box.folder / f"chunk-{chunk}.jsonl"
    cases = list(hostile.draw_cases(seed * 1000 + chunk, count, stored, only))
    _load()
    limit_memory()
    with results.open("a") as file:
        for number, case in enumerate(cases[skip:], skip):
            box.current.write_text(json.dumps(case.to_json()))
            with draw_pictures(number % DRAWN == 0):
                outcome, ran = run_case(case, box)
            record = asdict(outcome)
            if outcome.problems:
                record["kept"] = str(keep(case, outcome, ran, box.folder / "kept"))
            file.write(json.dumps(record) + "\n")
            file.flush()


def draw_pictures(is_drawn: bool) -> contextlib.AbstractContextManager[object]:
    """Leave pictures blank unless they are to be drawn: `tiny` trains in less time than that."""
    if is_drawn:
        return contextlib.nullcontext()
    return mock.patch(
        "matplotlib.figure.Figure.savefig", lambda self, file, **options: file.write(BLANK_PNG)
    )


def _load() -> None:
    """Import what commands import, so that no input is charged for it."""
    for module in pkgutil.walk_packages(dsample_cli.__path__, "dsample_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.freeze()


def limit_memory(loaded: int | None = None) -> None:
    """Let this process map no more than `ADDRESS_SPACE` beyond what it maps when it has loaded."""
    if loaded is None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        loaded = pages * resource.getpagesize()
    limit = loaded + ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def run_chunks(
    folder: Path, inputs: int, seed: int, only: Sequence[str], jobs: int
) -> list[dict[str, Any]]:
    """Run all inputs in child processes, so many at a time; give their records."""
    names: queue.SimpleQueue[str] = queue.SimpleQueue()
    for job in range(jobs):
        names.put(f"box-{job}")
    began = time.monotonic()

    def run(chunk: int) -> list[dict[str, Any]]:
        name = names.get()
        count = min(CHUNK, inputs - chunk * CHUNK)
        records = _run_in_child(Sandbox(folder, name), chunk, count, seed, only)
        names.put(name)
        failed = sum(bool(record["problems"]) for record in records)
        seconds = time.monotonic() - began
        told = f"inputs {chunk * CHUNK} to {chunk * CHUNK + count}: {failed} failed"
        print(f"{told}, {seconds:.0f} s", flush=True)
        return records

    with ThreadPoolExecutor(jobs) as pool:
        return [r for records in pool.map(run, range(-(-inputs // CHUNK))) for r in records]


def _run_in_child(
    box: Sandbox, chunk: int, count: int, seed: int, only: Sequence[str]
) -> list[dict[str, Any]]:
    results = box.folder / f"chunk-{chunk}.jsonl"
    results.write_text("")
    done: list[str] = []
    while len(done) < count:
        box.current.unlink(missing_ok=True)
        child = subprocess.run(
            [
                *(sys.executable, "-m", "tests.trust.fuzz", "--work", str(box.folder)),
                *("--chunk", str(chunk), "--skip", str(len(done)), "--inputs", str(count)),
                *("--seed", str(seed), "--box", box.name, "--commands", *only),
            ],
            cwd=REPOSITORY,
            env=box.environment() | {"TMPDIR": str(box.folder)},
            capture_output=True,
        )
        done = results.read_text().splitlines()
        if len(done) < count:
            with results.open("a") as file:
                file.write(json.dumps(_died(box, child)) + "\n")
            done = results.read_text().splitlines()
    return [json.loads(line) for line in done]


def _died(box: Sandbox, child: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    """The record of the input that ended its process."""
    if not box.current.exists():
        raise RuntimeError(child.stderr.decode("utf-8", "replace"))
    case = Case.from_json(json.loads(box.current.read_text()))
    said = child.stderr.decode("utf-8", "replace").strip()
    outcome = Outcome(
        case.kind,
        case.command,
        None,
        0.0,
        0.0,
        None,
        [f"the process died: {child.returncode} {said[-800:]}"],
    )
    kept = keep(case, outcome, None, box.folder / "kept")
    return asdict(outcome) | {"kept": str(kept)}


def run_processes(
    box: Sandbox,
    inputs: int,
    count: int,
    seed: int,
    only: Sequence[str],
    records: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Run some of the same inputs again as real processes, which must end as they did before."""
    stored = box.make_stored()
    found: list[dict[str, Any]] = []
    step = max(1, inputs // count)
    wanted = range(0, inputs, step)[:count]
    began = time.monotonic()
    for chunk in range(-(-inputs // CHUNK)):
        first = chunk * CHUNK
        size = min(CHUNK, inputs - first)
        chosen = [number - first for number in wanted if first <= number < first + size]
        if not chosen:
            continue
        cases = list(hostile.draw_cases(seed * 1000 + chunk, size, stored, only))
        for number in chosen:
            outcome, ran = run_case(cases[number], box, is_process=True)
            code = records[first + number]["code"]
            if ran.code != code:
                outcome.problems.append(f"exit code {ran.code}, but {code} in-process")
            record = asdict(outcome)
            if outcome.problems:
                record["kept"] = str(
                    keep(cases[number], outcome, ran, box.folder / "kept-processes")
                )
            found.append(record)
        failed = sum(bool(record["problems"]) for record in found)
        print(
            f"{len(found):6} processes, {failed} failed, {time.monotonic() - began:.0f} s",
            flush=True,
        )
    return found


# Telling


def summary(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Figures of all records."""
    codes: dict[str, collections.Counter[str]] = {}
    for record in records:
        codes.setdefault(record["command"], collections.Counter())[str(record["code"])] += 1
    problems = collections.Counter(p for record in records for p in record["problems"])
    slowest = max(records, key=lambda record: record["seconds"])
    return {
        "inputs": len(records),
        "failed": sum(bool(record["problems"]) for record in records),
        "codes": {command: dict(sorted(c.items())) for command, c in sorted(codes.items())},
        "seconds": round(sum(record["seconds"] for record in records), 1),
        "slowest": {k: slowest[k] for k in ("kind", "seconds", "code")},
        "largest_growth_mb": max(record["growth_mb"] for record in records),
        "problems": dict(problems.most_common()),
        "kept": [[record["kept"], record["problems"]] for record in records if record["problems"]],
    }


def print_summary(title: str, figures: dict[str, Any]) -> None:
    """Print a table of commands and exit codes, and what failed."""
    print(f"\n{title}: {figures['inputs']} inputs, {figures['failed']} failed")
    codes = sorted({code for counts in figures["codes"].values() for code in counts})
    print(f"{'command':16}" + "".join(f"{code:>8}" for code in codes))
    for command, counts in figures["codes"].items():
        print(f"{command:16}" + "".join(f"{counts.get(code, 0):8}" for code in codes))
    slowest = figures["slowest"]
    print(
        f"{figures['seconds']} s in all; slowest {slowest['seconds']} s ({slowest['kind']}); "
        f"memory grew by {figures['largest_growth_mb']} MB at most in one input"
    )
    for problem, count in figures["problems"].items():
        example = next(path for path, problems in figures["kept"] if problem in problems)
        print(f"{count:5}  {problem[:300]}\n       {example}")


def main() -> int:
    """Run the harness; exit with 1 when an input failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=10_000, help="run in-process")
    parser.add_argument("--subprocesses", type=int, default=200, help="of them, as processes too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--commands", nargs="*", default=[], help="analyze, split, others, any, ..."
    )
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--work", type=Path, help="folder to work in; failing inputs stay there")
    parser.add_argument("--replay", type=Path, help="run a kept input again")
    parser.add_argument("--process", action="store_true", help="replay: as a process")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--box", default="box", help=argparse.SUPPRESS)
    parser.add_argument("--chunk", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--skip", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    folder = asked.work or Path(tempfile.mkdtemp(prefix="dsample-fuzz-"))
    box = Sandbox(folder.resolve(), asked.box)
    if asked.replay is not None:
        return int(bool(replay(asked.replay.resolve(), box, asked.process).problems))
    if asked.chunk is not None:
        run_chunk(box, asked.seed, asked.chunk, asked.skip, asked.inputs, asked.commands)
        return 0
    print(f"Working in {box.folder}; failing inputs are kept in its folder kept.", flush=True)
    box.make_stored()
    records = run_chunks(box.folder, asked.inputs, asked.seed, asked.commands, asked.jobs)
    figures = {"in_process": summary(records)}
    print_summary("In-process", figures["in_process"])
    if asked.subprocesses:
        again = run_processes(
            box, asked.inputs, asked.subprocesses, asked.seed, asked.commands, records
        )
        figures["processes"] = summary(again)
        print_summary("As processes", figures["processes"])
    if asked.json is not None:
        asked.json.write_text(json.dumps(figures, indent=1))
    return int(any(part["failed"] for part in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
