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


class WarningsKept:
    """Passes everything on to another listener and keeps the warnings, each once.

    Attributes:
        warnings: In the order heard.
    """

    def __init__(self, listener: Listener, warnings: Sequence[str] = ()) -> None:
        self._listener = listener
        self.warnings = list(warnings)

    def note(self, message: str) -> None:
        self._listener.note(message)

    def warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)
        self._listener.warn(message)

    def phase(self, name: str, total: int | None = None) -> None:
        self._listener.phase(name, total)

    def advance(self, count: int) -> None:
        self._listener.advance(count)

    def epoch_started(self, epoch: int, epochs: int) -> None:
        self._listener.epoch_started(epoch, epochs)

    def epoch_finished(self, record: Mapping[str, Any]) -> None:
        self._listener.epoch_finished(record)
