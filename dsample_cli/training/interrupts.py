"""Ctrl-C as a request to stop at the next good moment."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dsample_cli.core.progress import Listener

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def deferred_interrupts(listener: Listener) -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT or SIGTERM into a request; the second one interrupts at once.

    Yields:
        A function that tells whether a stop was requested.
    """
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested.is_set  # only the main thread may handle signals
        return

    def handle(number: int, frame: Any) -> None:
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()
        listener.note("Stopping after a checkpoint; interrupt again to stop at once.")

    earlier = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield requested.is_set
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
