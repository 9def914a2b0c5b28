"""A model hub on this machine, which can fail in many ways."""

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPO = "someone/model"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(http.server.ThreadingHTTPServer):
    """Serves the files of a folder as the model `REPO`.

    Attributes:
        fault: What goes wrong: "hang-api", "hang-file", "cut" (each file ends after half of it),
            "noise" (other bytes), or the status code of every answer; None for nothing.
        asked: Method, path and first byte of each request.
        tokens: Authorization headers that came.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.fault: str | None = None
        self.asked: list[tuple[str, str, int]] = []
        self.tokens: list[str | None] = []
        self.closing = threading.Event()

    @property
    def address(self) -> str:
        """For HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is no fault of a test."""


@contextmanager
def serving(folder: Path) -> Iterator[FakeHub]:
    """Run a hub for the time of the block."""
    hub = FakeHub(folder)
    threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield hub
    finally:
        hub.closing.set()
        hub.shutdown()
        hub.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeHub

    def do_HEAD(self) -> None:
        self._answer(has_body=False)

    def do_GET(self) -> None:
        self._answer(has_body=True)

    def _answer(self, has_body: bool) -> None:
        hub, path = self.server, self.path.partition("?")[0]
        start = int((self.headers.get("Range") or "bytes=0-")[6:].partition("-")[0])
        hub.asked.append((self.command, path, start))
        hub.tokens.append(self.headers.get("Authorization"))
        is_api = path.startswith("/api/")
        if hub.fault is not None and hub.fault.isdigit():
            return self._refuse(int(hub.fault))
        if hub.fault == ("hang-api" if is_api else "hang-file"):
            hub.closing.wait(60)
            return None
        if is_api:
            names = sorted(p.relative_to(hub.folder).as_posix() for p in hub.folder.rglob("*.*"))
            siblings = [{"rfilename": name} for name in names]
            info = {"id": REPO, "modelId": REPO, "sha": COMMIT, "siblings": siblings, "tags": []}
            return self._send(json.dumps(info).encode(), 0, {"Content-Type": "application/json"})
        file = hub.folder / path.partition("/resolve/")[2].partition("/")[2]
        if not file.is_file():
            return self._refuse(404, "EntryNotFound")
        content = file.read_bytes()
        etag = hashlib.sha256(content).hexdigest()
        if hub.fault == "noise" and file.suffix == ".safetensors":
            content = bytes(b ^ 1 for b in content)
        return self._send(content, start, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, has_body)

    def _send(
        self, content: bytes, start: int, headers: dict[str, str], has_body: bool = True
    ) -> None:
        rest = content[start:]
        self.send_response(206 if start else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if not has_body:
            return
        if self.server.fault == "cut" and self.path.endswith(".safetensors"):
            self.wfile.write(rest[: len(rest) // 2])
            self.close_connection = True
            return
        self.wfile.write(rest)

    def _refuse(self, status: int, code: str | None = None) -> None:
        self.send_response(status)
        if code or status == 403:
            self.send_header("X-Error-Code", code or "GatedRepo")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass
