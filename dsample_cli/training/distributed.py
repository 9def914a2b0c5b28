"""Several processes of one run (torchrun, accelerate launch): rank 0 alone writes and prints."""

import functools
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from dsample_cli.core.torchrun import rank as rank
from dsample_cli.core.torchrun import size as size

T = TypeVar("T")


def is_alone() -> bool:
    """Whether the run has one process only."""
    return size() == 1


def join(use_cpu: bool) -> None:
    """Meet the other processes; does nothing when there are none."""
    if not is_alone():
        from accelerate import PartialState

        PartialState(cpu=use_cpu)


def leave() -> None:
    """Part from the other processes after all of them are done."""
    _cpu_group.cache_clear()
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def from_main(value: T) -> T:
    """The value that rank 0 passed, in every process."""
    if is_alone():
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def total(value: float) -> float:
    """Sum of a number over all processes."""
    if is_alone():
        return value
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    number = torch.tensor(value, dtype=torch.float64, device=device)
    dist.all_reduce(number)
    return float(number)


def gather(value: T) -> list[T]:
    """The values of all processes, in the order of their ranks, in every process."""
    if is_alone():
        return [value]
    values: list[Any] = [None] * size()
    dist.all_gather_object(values, value)
    return values


def gather_at_main(value: T) -> list[T]:
    """The values of all processes, in the order of their ranks, at rank 0; nothing elsewhere.

    Any one thread of a process may call it: it sends over the CPU, whatever the backend.
    """
    if is_alone():
        return [value]
    values: list[Any] | None = [None] * size() if rank() == 0 else None
    dist.gather_object(value, values, dst=0, group=_cpu_group())
    return values or []


def wait_for_all() -> None:
    """Return when every process has come here."""
    if not is_alone():
        dist.barrier()


@functools.cache
def _cpu_group() -> Any:
    return dist.new_group(backend="gloo")
