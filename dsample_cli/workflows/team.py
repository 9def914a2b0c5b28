"""Several processes that share the windows of a stream; rank 0 gets what they make of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dsample_cli.core import torchrun

T = TypeVar("T")


@dataclass(frozen=True)
class Team:
    """The processes that torchrun started; without it, one that is alone.

    Attributes:
        rank: This process's number among them.
        size: How many they are.
    """

    rank: int
    size: int

    @classmethod
    def of_environment(cls) -> "Team":
        """The team that this process belongs to."""
        return cls(torchrun.rank(), torchrun.size())

    @property
    def is_alone(self) -> bool:
        return self.size == 1

    def join(self, uses_cpu: bool, device: str) -> None:
        """Meet the others, and take a device of one's own if it is not the CPU that is used."""
        if not self.is_alone:
            from dsample_cli.training import distributed
            from dsample_cli.training.devices import choose_device

            distributed.join(uses_cpu or choose_device(device).type == "cpu")

    def main_first(self, make: Callable[[], T]) -> T:
        """What `make` gives here, which rank 0 calls before the others do."""
        if self.is_alone:
            return make()
        from dsample_cli.training import distributed

        if self.rank > 0:
            distributed.wait_for_all()
            return make()
        made = make()
        distributed.wait_for_all()
        return made

    def to_main(self, value: T) -> list[T]:
        """The values of all processes by rank, at rank 0; nothing elsewhere."""
        if self.is_alone:
            return [value]
        from dsample_cli.training import distributed

        return distributed.gather_at_main(value)

    def leave(self) -> None:
        """Part from the others after all of them are done."""
        if not self.is_alone:
            from dsample_cli.training import distributed

            distributed.leave()
