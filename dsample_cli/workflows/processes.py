"""Trainings in processes of their own, one for each CUDA device."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from dsample_cli.core.progress import Silent
from dsample_cli.errors import DsampleError, RunError

T = TypeVar("T")


def on_devices(
    tasks: Iterable[T], devices: Sequence[str], work: Callable[[T, str | None], bool]
) -> bool:
    """Work on tasks, one at a time on each device; without devices, one after the other here.

    Args:
        tasks: In the order in which they are begun.
        devices: Their names.
        work: Does a task on a device; False begins no further one.

    Returns:
        Whether all were done.

    Examples:
        >>> on_devices([1, 2, 3], [], lambda task, device: task < 2)
        False
    """
    if not devices:
        return all(work(task, None) for task in tasks)
    left, taking, stopped = iter(tasks), threading.Lock(), threading.Event()
    errors: list[BaseException] = []

    def take(device: str) -> None:
        try:
            while not stopped.is_set():
                with taking:
                    task = next(left, None)
                if task is None:
                    return
                if not work(task, device):
                    stopped.set()
        except BaseException as error:
            errors.append(error)
            stopped.set()

    threads = [threading.Thread(target=take, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            try:
                thread.join(0.5)
            except KeyboardInterrupt:
                # The terminal interrupts the trainings too; each stops after a checkpoint.
                stopped.set()
    if errors:
        raise errors[0]
    return not stopped.is_set()


def train_in_process(
    train: Callable[..., str],
    arguments: Sequence[Any],
    device: str,
    heard: Callable[[Mapping[str, Any]], str | None],
) -> tuple[str, str | None]:
    """Train in a process that sees one CUDA device only.

    Args:
        train: (*arguments, listener) -> the run's status; a function of a module.
        arguments: What it trains.
        device: As CUDA_VISIBLE_DEVICES has it.
        heard: Looks at each epoch; a reason ends the run.

    Returns:
        The run's status and None, or "failed" or "pruned" and why.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_train, args=(train, tuple(arguments), device, there))
    process.start()
    there.close()
    outcome: tuple[str, str | None] | None = None
    try:
        while outcome is None:
            kind, content = here.recv()
            if kind == "epoch":
                here.send(heard(content))
            else:
                outcome = content
    except EOFError:
        pass  # it died
    process.join()
    return outcome or ("failed", f"Its process ended with exit code {process.exitcode}.")


def _train(
    train: Callable[..., str], arguments: Sequence[Any], device: str, there: Connection
) -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = device
    listener = _Telling(there)
    outcome: tuple[str, str | None]
    try:
        outcome = train(*arguments, listener), None
    except KeyboardInterrupt:
        outcome = "interrupted", None
    except DsampleError as error:
        outcome = "pruned" if listener.was_told_to_end else "failed", error.message
    except (MemoryError, RuntimeError) as error:
        outcome = "failed", type(error).__name__  # its words may quote the data
    there.send(("end", outcome))


class _Telling(Silent):
    """Tells the process that started this one of each epoch, and ends the run if that says so."""

    def __init__(self, there: Connection) -> None:
        self._there = there
        self.was_told_to_end = False

    def epoch_finished(self, record: Mapping[str, Any]) -> None:
        self._there.send(("epoch", dict(record)))
        if reason := self._there.recv():
            self.was_told_to_end = True
            raise RunError(reason, "Train it to its end with: dsample train --resume RUN")
