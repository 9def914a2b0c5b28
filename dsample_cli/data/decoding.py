"""Text files as streams of UTF-8 bytes, whatever their encoding."""

import codecs
import io
from collections.abc import Iterable
from functools import partial
from itertools import chain
from typing import Any, BinaryIO, Protocol

import numpy as np
import pyarrow as pa

from dsample_cli.data.encodings import guess_encoding, split_whole, weigh
from dsample_cli.data.streams import BUFFER_BYTES, UTF8, Source, open_bytes
from dsample_cli.errors import DataError

# Python decodes these only with a byte order mark, and has names for each order without one.
NEEDS_MARK = ("utf-16", "utf-32")


def open_text(source: Source) -> BinaryIO:
    """Open a text file to read it as valid UTF-8 without byte order mark, decompressed.

    Raises:
        DataError: While reading, if the file is damaged or does not decode; names the line.
    """
    stream = open_bytes(source)
    return io.BufferedReader(_Utf8Stream(stream, source), BUFFER_BYTES)


def settle_encoding(source: Source, seen: bytes) -> None:
    """Find out the encoding of a file that is not all ASCII.

    Args:
        source: Its encoding is set.
        seen: A part of the file; where it is no proof, the file is read from its start.

    Raises:
        DataError: If the encoding cannot be told.
    """
    evidence = weigh([seen])
    if not evidence.is_proof_of_utf8:
        with open_bytes(source) as stream:
            evidence = weigh(_blocks(stream))
    encoding = guess_encoding(evidence)
    if encoding is None:
        raise DataError(
            f"{source.name} is not UTF-8, and its encoding cannot be told.",
            "Name it with --encoding, such as --encoding shift_jis, gb18030 or cp1251.",
        )
    source.encoding.name = encoding


class _Utf8Stream(io.RawIOBase):
    """Turns the bytes of a text file into UTF-8 as they are read."""

    def __init__(self, stream: BinaryIO, source: Source) -> None:
        self._stream = stream
        self._source = source
        self._convert: _Converter | None = None
        self._converted = memoryview(b"")
        self._is_start = True
        self._is_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._converted and not self._is_ended:
            self._converted = memoryview(self._next())
        count = min(len(buffer), len(self._converted))
        buffer[:count] = self._converted[:count]
        self._converted = self._converted[count:]
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()

    def _next(self) -> bytes:
        block = self._stream.read(BUFFER_BYTES)
        self._is_ended = not block
        source = self._source
        if self._convert is None:
            if source.encoding.name is None:
                if block.isascii():
                    return block
                settle_encoding(source, block)
            self._convert = _converter(source.encoding.name or UTF8)
        try:
            text = self._convert(block, self._is_ended)
        except UnicodeError:
            raise _undecodable(source) from None
        if self._is_start and text:
            self._is_start = False
            return text.removeprefix(codecs.BOM_UTF8)
        return text


class _Converter(Protocol):
    """Turns blocks into valid UTF-8, or raises a UnicodeError."""

    def __call__(self, block: bytes, is_last: bool) -> bytes: ...


def _converter(encoding: str) -> _Converter:
    if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
        return _CheckedUtf8()
    decoder = codecs.getincrementaldecoder(encoding)()
    return lambda block, is_last: decoder.decode(block, is_last).encode()


class _CheckedUtf8:
    """Hands UTF-8 on in whole characters."""

    def __init__(self) -> None:
        self._carry = b""

    def __call__(self, block: bytes, is_last: bool) -> bytes:
        whole, self._carry = split_whole(self._carry + block)
        if (self._carry and is_last) or not is_utf8(whole):
            raise UnicodeError
        return whole


def is_utf8(text: bytes) -> bool:
    """Whether bytes are valid UTF-8; Arrow checks them several times faster than Python decodes.

    Examples:
        >>> is_utf8("é".encode()), is_utf8("é".encode("latin-1"))
        (True, False)
    """
    if text.isascii():
        return True
    offsets = pa.py_buffer(np.array([0, len(text)], np.int64))
    array = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(text)])
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _undecodable(source: Source) -> DataError:
    """The error for a file that does not decode: its first bad line and byte."""
    encoding = source.encoding.name or UTF8
    with open_bytes(source) as stream:
        line, bad = find_undecodable(stream, encoding)
    where = f"line {line}" + (f" has the byte 0x{bad[0]:02X}" if bad else " is cut off")
    if codecs.lookup(encoding).name in NEEDS_MARK and line == 1 and not bad:
        where = "it has no byte order mark"
        hint = f"Name {encoding}-le or {encoding}-be."
    elif source.encoding.is_given:
        hint = "Mend that line, or leave --encoding out, so that the encoding is detected."
    else:
        hint = "Mend that line, or name the encoding of the file with --encoding NAME."
    if encoding == UTF8 and bad:
        looks_like = guess_encoding(weigh([bad]))
        if looks_like not in (None, UTF8):
            where += f"; it looks like {looks_like}"
            hint = hint.replace("NAME", str(looks_like).lower())
    return DataError(f"{source.name} is not {encoding}: {where}.", hint)


def find_undecodable(stream: BinaryIO, encoding: str) -> tuple[int, bytes]:
    """Find the first place that does not decode.

    Returns:
        Line number from 1, and the bytes from there to the end of the line; none if the text ends
        inside a character or has no byte order mark.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    line, state = 1, decoder.getstate()
    for block in chain(_blocks(stream), [b""]):
        try:
            line += decoder.decode(block, not block).count("\n")
            state = decoder.getstate()
        except UnicodeError:
            break
    decoder.setstate(state)
    for place in range(len(block)):
        try:
            line += decoder.decode(block[place : place + 1]).count("\n")
        except UnicodeDecodeError as error:
            bad = error.object[error.start :] + block[place + 1 :]
            return line, bad.partition(b"\n")[0] or bad[:1]
        except UnicodeError:
            break
    return line, b""


def _blocks(stream: BinaryIO) -> Iterable[bytes]:
    return iter(partial(stream.read, BUFFER_BYTES), b"")
