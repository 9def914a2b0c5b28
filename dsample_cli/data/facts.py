"""What an analysis keeps of each row of a file: a few numbers, gathered in one pass over it.

No text but a sample is held, so memory grows by about 40 bytes a row, however long the texts are.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from dsample_cli.core.read_options import DETECTED, ReadOptions
from dsample_cli.data.columns import resolve_columns
from dsample_cli.data.duplicates import equal_rows
from dsample_cli.data.groups import TEMPLATE_SPELLINGS
from dsample_cli.data.hashing import Hashes, hash_strings, join_hashes
from dsample_cli.data.labels import FEWEST_ROWS_OF_MANY, MANY_LABELS, no_target
from dsample_cli.data.normal_hashes import hash_normal_forms
from dsample_cli.data.normalize import normal_forms
from dsample_cli.data.other_columns import (
    ColumnFacts,
    ColumnGatherer,
    IncrementalEncoder,
    likely_columns,
)
from dsample_cli.data.read import iter_columns
from dsample_cli.data.samples import Sampler, TextSample
from dsample_cli.data.sources import (
    DataSource,
    check_columns,
    check_unchanged,
    column_names,
    open_source,
    source_path,
    source_sha256,
)
from dsample_cli.data.table import LIST_SAMPLE_ROWS, check_single_label, is_blank

HEAD_ROWS = 20_000
# If so large a part of the rows so far have labels of their own, the others are not read.
EARLY_SHARE = 0.8
MOST_WORKERS = 4


@dataclass(frozen=True)
class FileFacts:
    """A data file in numbers, aligned by row.

    Attributes:
        path: Absolute path or pattern as text; "-" for standard input.
        sha256: As in a `TextTable`.
        columns: All columns of the file.
        text_columns: One column, or two for sentence pairs.
        label_column: Its name.
        notes: What was found out or guessed, a sentence each.
        names: Label id -> name, sorted; labels that a usable row has.
        codes: Label id per row, int32; -1 where the row is not usable.
        is_text_blank: Whether all texts of the row are blank.
        is_label_blank: Whether the label is blank.
        texts: Hashes of the text or the pair, shape [2, rows].
        normal_forms: Hashes of its normal form, shape [2, rows]; None when they were not wanted.
        keeps_digits: Whether digits count in the normal forms, see `read_facts`.
        sample: Some of the usable texts.
        others: Columns besides text and label that are worth a look.
    """

    path: str
    sha256: str
    columns: tuple[str, ...]
    text_columns: tuple[str, ...]
    label_column: str
    notes: tuple[str, ...]
    names: tuple[str, ...]
    codes: NDArray[np.int32]
    is_text_blank: NDArray[np.bool_]
    is_label_blank: NDArray[np.bool_]
    texts: Hashes
    normal_forms: Hashes | None
    keeps_digits: bool
    sample: TextSample
    others: tuple[ColumnFacts, ...]

    @property
    def rows(self) -> int:
        """Number of data rows."""
        return len(self.codes)


def read_facts(
    path: str | Path | DataSource,
    text_columns: Sequence[str] = (),
    label_column: str | None = None,
    is_thorough: bool = True,
    keeps_digits: bool | None = None,
    options: ReadOptions = DETECTED,
) -> FileFacts:
    """Read a file, or several as one table, once and keep the facts.

    Args:
        path: As in `read_text_table`.
        text_columns: One, or two for sentence pairs; guessed when empty.
        label_column: Guessed when None.
        is_thorough: Whether to look at normal forms and other columns.
        keeps_digits: Whether digits count in the normal forms. By default they do only where most
            texts are templates, told apart by their numbers alone; the file is then read twice.
        options: How the file is written, where that is not to be detected.

    Raises:
        DataError: If the file cannot be read, a column is missing or cannot be guessed, or the
            label column holds lists of labels.
    """
    source = open_source(path, options)
    wanted = [c for c in (*text_columns, label_column) if c is not None]
    names = column_names(source, wanted)
    texts, label, notes = resolve_columns(names, text_columns, label_column, where=source.name)
    assert label is not None
    check_columns(source, [*texts, label])
    with ThreadPoolExecutor(1) as side, ThreadPoolExecutor(_workers()) as pool:
        digest = side.submit(source_sha256, source)
        others = likely_columns(_head(source, names), texts, label) if is_thorough else []
        gatherer = _Gatherer(source, texts, label, others)
        with_forms = is_thorough and not keeps_digits
        hashing = partial(_hash_texts, text_columns=texts, with_forms=with_forms)
        batches = iter_columns(source, gatherer.columns)
        for batch, hashed in _with_results(hashing, batches, pool):
            gatherer.add(batch, hashed)
        class_names, codes = gatherer.usable_codes()
        hashes = gatherer.texts.joined()
        forms = gatherer.normal_forms.joined() if with_forms else None
        if forms is not None and keeps_digits is None:
            keeps_digits = _digits_tell_apart(forms, hashes)
        if is_thorough and keeps_digits:
            forms = _forms_with_digits(source, texts)
        check_unchanged(source)
        return FileFacts(
            path=source_path(source),
            sha256=digest.result(),
            columns=tuple(names),
            text_columns=texts,
            label_column=label,
            notes=(*source.notes, *notes),
            names=class_names,
            codes=codes,
            is_text_blank=gatherer.is_text_blank,
            is_label_blank=gatherer.is_label_blank,
            texts=hashes,
            normal_forms=forms,
            keeps_digits=bool(keeps_digits),
            sample=gatherer.sampler.sample(),
            others=tuple(column.facts() for column in others),
        )


def _digits_tell_apart(forms: Hashes, texts: Hashes) -> bool:
    """Whether more than half of the rows have a form that comes in at least 10 spellings."""
    alike = equal_rows(forms)
    spellings = ~pd.Series(texts[0, alike.rows]).duplicated().to_numpy()
    n_spellings = np.bincount(alike.ids[spellings], minlength=1)
    templates = int((n_spellings[alike.ids] >= TEMPLATE_SPELLINGS).sum())
    return templates * 2 > alike.total


def _forms_with_digits(source: DataSource, text_columns: Sequence[str]) -> Hashes:
    forms = _Pieces()
    for batch in iter_columns(source, text_columns):
        columns = (batch.column(name) for name in text_columns)
        forms.add(
            _joined_hashes([hash_strings(normal_forms(c, keep_digits=True)) for c in columns])
        )
    return forms.joined()


class _HashedTexts(NamedTuple):
    """Facts of the texts of one batch, as in `FileFacts`."""

    is_blank: NDArray[np.bool_]
    texts: Hashes
    normal_forms: Hashes | None


def _hash_texts(
    batch: pa.RecordBatch, text_columns: Sequence[str], with_forms: bool
) -> _HashedTexts:
    columns = [batch.column(name) for name in text_columns]
    return _HashedTexts(
        np.logical_and.reduce([is_blank(column) for column in columns]),
        _joined_hashes([hash_strings(column) for column in columns]),
        _joined_hashes([hash_normal_forms(c) for c in columns]) if with_forms else None,
    )


def _with_results(
    function: Callable[[pa.RecordBatch], _HashedTexts],
    batches: Iterable[pa.RecordBatch],
    pool: ThreadPoolExecutor,
) -> Iterator[tuple[pa.RecordBatch, _HashedTexts]]:
    """Each batch with what the function gives for it, in order; a few are worked on at a time."""
    waiting: deque[tuple[pa.RecordBatch, Future[_HashedTexts]]] = deque()
    for batch in batches:
        waiting.append((batch, pool.submit(function, batch)))
        if len(waiting) > 2 * _workers():
            first, future = waiting.popleft()
            yield first, future.result()
    for first, future in waiting:
        yield first, future.result()


def _workers() -> int:
    """Threads that hash; Arrow parses on a core of its own meanwhile."""
    return min(MOST_WORKERS, max(1, (os.cpu_count() or 1) - 1))


class _Gatherer:
    """The facts of the batches so far."""

    def __init__(
        self,
        source: DataSource,
        text_columns: Sequence[str],
        label_column: str,
        others: Sequence[ColumnGatherer],
    ) -> None:
        self.columns = [*text_columns, label_column, *(column.name for column in others)]
        self.texts, self.normal_forms = _Pieces(), _Pieces()
        self.sampler = Sampler(len(text_columns))
        self._source = source
        self._text_columns = text_columns
        self._label_column = label_column
        self._others = others
        self._encoder = IncrementalEncoder()
        self._codes, self._text_blank = _Pieces(), _Pieces()
        self._first_labels: list[pa.Array] = []
        self._first_labelled = 0
        self._rows = 0

    def add(self, batch: pa.RecordBatch, hashed: "_HashedTexts") -> None:
        """Take in one batch of `columns`."""
        if batch.num_rows == 0:
            return
        texts = tuple(batch.column(name) for name in self._text_columns)
        labels = batch.column(self._label_column)
        codes = self._encoder.encode(labels)
        if self._first_labelled < LIST_SAMPLE_ROWS:
            self._first_labels.append(labels)
            self._first_labelled += int(np.count_nonzero(codes >= 0))
            if self._first_labelled >= LIST_SAMPLE_ROWS:
                self._check_single_label()
        self._check_is_target(self._rows + len(codes), EARLY_SHARE, is_part=True)
        self._codes.add(codes)
        self._text_blank.add(hashed.is_blank)
        self.texts.add(hashed.texts)
        if hashed.normal_forms is not None:
            self.normal_forms.add(hashed.normal_forms)
        self._sample(texts, np.flatnonzero(~hashed.is_blank & (codes >= 0)))
        for column in self._others:
            column.add(batch.column(column.name))
        self._rows += batch.num_rows

    def _check_is_target(self, rows: int, share: float, is_part: bool = False) -> None:
        """Stop at more values than tables can show; of fewer, the problems tell."""
        n_labels = len(self._encoder)
        if n_labels > MANY_LABELS and n_labels > share * rows:
            raise no_target(n_labels, rows, self._label_column, self._source.name, is_part)

    def _check_single_label(self) -> None:
        labels = pa.chunked_array(self._first_labels)
        check_single_label(labels, self._label_column, self._source.name)
        self._first_labels.clear()

    def _sample(self, texts: tuple[pa.Array, ...], usable: NDArray[np.int64]) -> None:
        if len(usable) < len(texts[0]):
            texts = tuple(text.take(pa.array(usable)) for text in texts)
        self.sampler.add(self._rows + usable, texts)

    @cached_property
    def is_text_blank(self) -> NDArray[np.bool_]:
        return self._text_blank.joined()

    @cached_property
    def _first_codes(self) -> NDArray[np.int32]:
        return self._codes.joined()

    @cached_property
    def is_label_blank(self) -> NDArray[np.bool_]:
        return self._first_codes < 0

    def usable_codes(self) -> tuple[tuple[str, ...], NDArray[np.int32]]:
        """The sorted names of the labels that usable rows have, and the label id per row.

        Raises:
            DataError: If the label column holds lists, or values that are no classes.
        """
        if 0 < self._first_labelled < LIST_SAMPLE_ROWS:
            self._check_single_label()
        self._check_is_target(self._rows, 1 / FEWEST_ROWS_OF_MANY)
        codes = np.where(self.is_text_blank, np.int32(-1), self._first_codes)
        counts = np.bincount(codes[codes >= 0], minlength=len(self._encoder))
        values = self._encoder.values
        present = sorted(np.flatnonzero(counts).tolist(), key=values.__getitem__)
        ids = np.full(len(values) + 1, -1, np.int32)
        ids[present] = np.arange(len(present))
        return tuple(values[code] for code in present), ids[codes]


class _Pieces:
    """Arrays that become one, along the last axis; the pieces are let go."""

    def __init__(self) -> None:
        self._pieces: list[NDArray[Any]] = []

    def add(self, piece: NDArray[Any]) -> None:
        self._pieces.append(piece)

    def joined(self) -> NDArray[Any]:
        joined = np.concatenate(self._pieces, axis=-1)
        self._pieces.clear()
        return joined


def _joined_hashes(columns: Sequence[Hashes]) -> Hashes:
    return columns[0] if len(columns) == 1 else join_hashes(*columns)


def _head(source: DataSource, names: Sequence[str]) -> pa.Table:
    """The first rows with all columns."""
    batches: list[pa.RecordBatch] = []
    for batch in iter_columns(source, names):
        batches.append(batch)
        if sum(b.num_rows for b in batches) >= HEAD_ROWS:
            break
    return pa.Table.from_batches(batches).slice(0, HEAD_ROWS)
