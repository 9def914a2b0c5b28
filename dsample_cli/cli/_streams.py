"""The standard streams of a process: closed ones, narrow encodings and full disks."""

import codecs
import io
import os
import sys
from typing import Any

_ESCAPES = "dsample-escapes"


def make_streams_writable() -> None:
    """Let results and messages be written whatever stdout and stderr are.

    A closed stream is replaced by one that discards: its number would otherwise be that of the next
    file which is opened, and a library that prints would write into it. What the encoding of a
    stream has no characters for is written as an escape of JSON, so that a JSON object stays one.
    Messages that stderr does not take, as nobody reads them or its disk is full, are let go: no
    training ends for that.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    codecs.register_error(_ESCAPES, escape_unencodable)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ESCAPES)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Forgiving(sys.stderr)),
            sys.stderr.encoding,
            _ESCAPES,
            line_buffering=True,
        )


class _Forgiving(io.RawIOBase):
    """A stream that takes all that is written to it, whether it can pass it on or not."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._owner = stream  # which would close what it owns as it goes
        self._stream: Any = getattr(stream.buffer, "raw", stream.buffer)

    def write(self, content: Any) -> int:
        try:
            written = self._stream.write(content)
        except OSError:
            written = None
        return len(content) if written is None else int(written)

    def fileno(self) -> int:
        return int(self._stream.fileno())

    def isatty(self) -> bool:
        return bool(self._stream.isatty())

    def writable(self) -> bool:
        return True


def escape_unencodable(error: UnicodeError) -> tuple[str, int]:
    """Write each character that an encoding lacks as JSON would, such as \\u20ac.

    Examples:
        >>> import codecs
        >>> codecs.register_error("escapes", escape_unencodable)
        >>> "\N{EURO SIGN}\N{GRINNING FACE}".encode("ascii", "escapes")
        b'\\\\u20ac\\\\ud83d\\\\ude00'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    units = text.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4)), error.end


def discard(stream: Any) -> None:
    """Let what is still to be written to a stream go nowhere, such as what its full disk refused.

    Python would otherwise try again, and complain, as it ends.
    """
    try:
        number = stream.fileno()
    except (AttributeError, OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
