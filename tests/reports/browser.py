"""Headless Chromium, driven over the pipe of its DevTools protocol: no driver, no network."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
PATH = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--remote-debugging-pipe"),
)
WORST_WAIT_SECONDS = 60  # for the whole use of a browser: other work shares the machine


class Browser:
    """One tab. It keeps what went wrong in it, and what it asked to fetch."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._received, self._events, self._last_id, self._session = b"", [], 0, None
        self.problems: list[str] = []
        self.fetched: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, path: Path, width: int) -> None:
        """Load a page in a window of this width in CSS pixels."""
        self.problems, self.fetched, self._events = [], [], []
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Page.navigate", url=path.as_uri())
        while "Page.loadEventFired" not in self._events:
            self._take(self._receive())

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives, as JSON would have it."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": parameters}
        session = {} if self._session is None else {"sessionId": self._session}
        os.write(self._commands, json.dumps(message | session).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._last_id:
            self._take(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            more = os.read(self._answers, 1 << 16)
            assert more, "the browser has ended"
            self._received += more
        message, self._received = self._received.split(b"\0", 1)
        return json.loads(message)

    def _take(self, event: dict[str, Any]) -> None:
        method, details = event["method"], event.get("params", {})
        self._events.append(method)
        if method == "Runtime.exceptionThrown":
            self.problems.append(str(details["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.problems.append(str(details["args"]))
        elif method == "Log.entryAdded":
            self.problems.append(details["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.fetched.append(details["request"]["url"])


@contextmanager
def started_browser(folder: Path) -> Iterator[Browser]:
    """Start Chromium with a profile of its own, and end it and its children.

    Args:
        folder: For the profile.
    """
    assert PATH is not None
    commands_out, commands_in = os.pipe()
    answers_out, answers_in = os.pipe()
    # Out of the way of 3 and 4, where the browser looks for them.
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (commands_out, answers_in)]

    def place_pipes() -> None:
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    process = subprocess.Popen(
        [PATH, *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"],
        env={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=False,
        preexec_fn=place_pipes,
        start_new_session=True,
    )
    for fd in (commands_out, answers_in, *high):
        os.close(fd)
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(WORST_WAIT_SECONDS)
    try:
        yield Browser(commands_in, answers_out)
    finally:
        signal.alarm(0)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(commands_in)
        os.close(answers_out)


def _give_up(*_: object) -> None:
    raise TimeoutError("the browser does not answer")
