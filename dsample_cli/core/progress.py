"""How a long job tells what it does: the terminal listens, the job does not know how it looks."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Listener(Protocol):
    """Hears of progress. Every method may be called from any room; none may fail."""

    def note(self, message: str) -> None:
        """Something worth knowing, once."""

    def warn(self, message: str) -> None:
        """Something that may spoil the result."""

    def phase(self, name: str, total: int | None = None) -> None:
        """A new phase begins, of `total` items when that is known."""

    def advance(self, count: int) -> None:
        """`count` more items of the phase are done."""

    def epoch_started(self, epoch: int, epochs: int) -> None:
        """Epoch `epoch` (from 0) of `epochs` begins."""

    def epoch_finished(self, record: Mapping[str, Any]) -> None:
        """An epoch ended; `record` is its line of epochs.jsonl."""


class Silent:
    """A listener that hears nothing."""

    def note(self, message: str) -> None: ...

    def warn(self, message: str) -> None: ...

    def phase(self, name: str, total: int | None = None) -> None: ...

    def advance(self, count: int) -> None: ...

    def epoch_started(self, epoch: int, epochs: int) -> None: ...

    def epoch_finished(self, record: Mapping[str, Any]) -> None: ...


class Forwarding:
    """Passes everything on to another listener."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def note(self, message: str) -> None:
        self._listener.note(message)

    def warn(self, message: str) -> None:
        self._listener.warn(message)

    def phase(self, name: str, total: int | None = None) -> None:
        self._listener.phase(name, total)

    def advance(self, count: int) -> None:
        self._listener.advance(count)

    def epoch_started(self, epoch: int, epochs: int) -> None:
        self._listener.epoch_started(epoch, epochs)

    def epoch_finished(self, record: Mapping[str, Any]) -> None:
        self._listener.epoch_finished(record)


class WarningsKept(Forwarding):
    """Keeps the warnings that it passes on, each once.

    Attributes:
        warnings: In the order heard.
    """

    def __init__(self, listener: Listener, warnings: Sequence[str] = ()) -> None:
        super().__init__(listener)
        self.warnings = list(warnings)

    def warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)
        super().warn(message)


class ToldOnce(Forwarding):
    """Passes each message on once.

    Args:
        listener: Hears it.
        told: Messages that were heard; grows.
    """

    def __init__(self, listener: Listener, told: set[str]) -> None:
        super().__init__(listener)
        self._told = told

    def note(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            super().note(message)

    def warn(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            super().warn(message)
