"""Processes that are forked with everything imported, so that their start takes no seconds.

What only a true start shows is asserted where tests start `python -m dsample_cli`.
"""

import gc
import itertools
import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any
from unittest import mock

from tests.helpers import Outcome, process_environment

# A server with everything imported and no thread running.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "pytest",
        "dsample_cli.cli.main",
        "dsample_cli.cli._live",
        "dsample_cli.workflows.train",
        "dsample_cli.training.fit",
        "matplotlib.backends.backend_agg",
        "matplotlib.figure",
    ]
)
_NUMBERS = itertools.count()


def fork(target: Callable[..., Any], *args: Any) -> ForkServerProcess:
    """Start a function in a process of its own."""
    process = _FORKS.Process(target=target, args=args)
    # The first start is that of the server, which is to import this package, wherever that is.
    with mock.patch.dict(os.environ, process_environment(), clear=True):
        process.start()
    return process


class Forked:
    """A command that runs in a process of its own, with files for its outputs.

    Args:
        args: What stands behind `dsample`.
        cwd: The folder in which it runs.
        variables: Of its environment, beside those of this process.
    """

    def __init__(self, *args: object, cwd: Path, **variables: str) -> None:
        texts = [str(arg) for arg in args]
        self._begin(lambda out, err: fork(run_forked, texts, cwd, out, err, variables), cwd)

    def _begin(self, begin: Callable[[Path, Path], ForkServerProcess], cwd: Path) -> None:
        number = next(_NUMBERS)
        self._out, self._err = cwd / f"{number}.out", cwd / f"{number}.err"
        self.process = begin(self._out, self._err)

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        return self.process.exitcode

    def kill(self) -> int | None:
        """End it by SIGKILL; give the exit code, which is -9 if it was still running."""
        self.process.kill()
        self.process.join(60)
        return self.process.exitcode

    def finish(self, timeout: float = 120) -> Outcome:
        """Wait for its end."""
        self.process.join(timeout)
        out, err = (path.read_text(encoding="utf-8") for path in (self._out, self._err))
        assert self.process.exitcode is not None, f"it still runs: {err}"
        return Outcome(self.process.exitcode, out, err)


def run_forked(args: list[str], cwd: Path, out: Path, err: Path, variables: dict[str, str]) -> None:
    """Run a command and end the process."""
    gc.freeze()  # what is imported stays
    os.chdir(cwd)
    environment = process_environment(**variables)
    os.environ.clear()
    os.environ.update(environment)
    for path, stream in ((out, sys.stdout), (err, sys.stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream.fileno())
    from dsample_cli.cli.main import main

    main(args)
