"""An evenly spread sample of a stream whose length is not known before its end."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

SAMPLE_ROWS = 25_000
SAMPLE_BYTES = 1 << 26
# Longer texts are cut in the sample: this is far beyond what any encoder here reads.
SAMPLE_CHARACTERS = 1 << 14
NOT_COUNTED = -1


@dataclass(frozen=True)
class TextSample:
    """Some texts of a file.

    Attributes:
        rows: Their row numbers, rising.
        words: Words between white space in each, sentence pairs added up.
        texts: One string array per text column, long texts cut.
        is_whole: Whether these are all the usable rows.
    """

    rows: NDArray[np.int64]
    words: NDArray[np.int64]
    texts: tuple[pa.Array, ...]
    is_whole: bool

    def __len__(self) -> int:
        return len(self.rows)

    def thinned(self, most_rows: int, most_characters: int) -> "TextSample":
        """Every k-th text, so that neither number is exceeded; at least one text."""
        characters = sum(pc.sum(pc.utf8_length(text)).as_py() or 0 for text in self.texts)
        n_rows = len(self)
        most = min(most_rows, int(n_rows * most_characters / max(characters, 1)))
        return self.every(-(-n_rows // max(most, 1))) if n_rows > most else self

    def every(self, step: int) -> "TextSample":
        """The texts 0, step, 2 step and so on."""
        chosen = np.arange(0, len(self), step)
        texts = tuple(text.take(pa.array(chosen)) for text in self.texts)
        whole = self.is_whole and step == 1
        return TextSample(self.rows[chosen], self.words[chosen], texts, whole)


class Sampler:
    """Keeps every k-th text that it is given; k doubles whenever there are too many."""

    def __init__(self, n_columns: int = 1) -> None:
        self._n_columns = n_columns
        self._step = 1
        self._seen = 0
        self._kept: list[TextSample] = []

    def add(self, rows: NDArray[np.int64], texts: tuple[pa.Array, ...]) -> None:
        """Offer texts.

        Args:
            rows: Their row numbers.
            texts: One string array of the same length per text column.
        """
        first = -self._seen % self._step
        self._seen += len(rows)
        chosen = np.arange(first, len(rows), self._step)
        if len(chosen) == 0:
            return
        taken = texts
        if len(chosen) < len(rows):
            taken = tuple(text.take(pa.array(chosen)) for text in texts)
        cut = tuple(_cut(text) for text in taken)
        # Counting is slow, so short texts, which are kept whole, wait until the sample is final.
        is_long = np.logical_or.reduce([_is_long(text) for text in taken])
        words = np.where(is_long, 0, NOT_COUNTED)
        if is_long.any():
            words[is_long] = _total_words(tuple(text.filter(pa.array(is_long)) for text in taken))
        self._kept.append(TextSample(rows[chosen], words, cut, True))
        while self._is_too_much():
            self._kept = [self._joined().every(2)]
            self._step *= 2

    def sample(self) -> TextSample:
        """What was kept."""
        sample = self._joined()
        waiting = sample.words == NOT_COUNTED
        short = tuple(text.filter(pa.array(waiting)) for text in sample.texts)
        sample.words[waiting] = _total_words(short)
        return sample

    def _is_too_much(self) -> bool:
        n_rows = sum(map(len, self._kept))
        n_bytes = sum(text.nbytes for kept in self._kept for text in kept.texts)
        return n_rows > 1 and (n_rows > 2 * SAMPLE_ROWS or n_bytes > SAMPLE_BYTES)

    def _joined(self) -> TextSample:
        empty = (pa.array([], pa.string()),) * self._n_columns
        kept = self._kept or [TextSample(np.empty(0, np.int64), np.empty(0, np.int64), empty, True)]
        return TextSample(
            np.concatenate([piece.rows for piece in kept]),
            np.concatenate([piece.words for piece in kept]),
            tuple(map(pa.concat_arrays, zip(*(piece.texts for piece in kept), strict=True))),
            self._step == 1,
        )


def word_counts(texts: pa.Array) -> NDArray[np.int64]:
    """Number of words between white space in each text.

    Examples:
        >>> word_counts(pa.array(["two words", " ", None]))
        array([2, 0, 0])
    """
    trimmed = pc.utf8_trim_whitespace(pc.fill_null(texts, ""))
    parts = pc.list_value_length(pc.utf8_split_whitespace(trimmed))
    return np.asarray(pc.if_else(pc.equal(trimmed, ""), 0, parts), dtype=np.int64)


def _total_words(texts: tuple[pa.Array, ...]) -> NDArray[np.int64]:
    return np.sum([word_counts(text) for text in texts], axis=0)


def _is_long(texts: pa.Array) -> NDArray[np.bool_]:
    lengths = pc.fill_null(pc.binary_length(texts), 0)
    return np.asarray(pc.greater(lengths, SAMPLE_CHARACTERS), dtype=bool)


def _cut(texts: pa.Array) -> pa.Array:
    filled = pc.fill_null(texts, "")
    return (
        pc.utf8_slice_codeunits(filled, 0, SAMPLE_CHARACTERS) if _is_long(texts).any() else filled
    )
