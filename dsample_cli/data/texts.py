"""Texts of a table as a sequence of strings that are made only when they are asked for."""

from collections.abc import Iterator, Sequence
from typing import overload

import pyarrow as pa

_AT_ONCE = 8192


class Texts(Sequence[str]):
    """The strings of an Arrow array. It takes what they are long, and no Python object for each.

    Args:
        array: Strings; a missing one reads as empty.

    Examples:
        >>> texts = Texts(pa.chunked_array([["spam", None], ["ham"]]))
        >>> len(texts), texts[0], texts[1:], list(texts)
        (3, 'spam', ['', 'ham'], ['spam', '', 'ham'])
    """

    def __init__(self, array: pa.ChunkedArray) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            if step != 1:
                return [self[k] for k in range(start, stop, step)]
            return [text or "" for text in self._array.slice(start, stop - start).to_pylist()]
        return self._array[int(place)].as_py() or ""

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self[start : start + _AT_ONCE]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


def release_unused() -> None:
    """Give memory back that Arrow keeps of arrays that are gone: of many rows, gigabytes."""
    pa.default_memory_pool().release_unused()
