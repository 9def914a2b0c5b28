"""Divide a file into train, validation and test files, or into folds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.progress import Listener
from dsample_cli.core.read_options import DETECTED, ReadOptions
from dsample_cli.data.columns import list_columns
from dsample_cli.data.folds import stratified_folds
from dsample_cli.data.groups import LinkedRows, linked_rows
from dsample_cli.data.labels import check_is_target, encode_labels
from dsample_cli.data.read import iter_columns
from dsample_cli.data.shortfalls import NotKept, classes_not_kept, links_not_kept
from dsample_cli.data.sources import (
    DataSource,
    check_unchanged,
    column_names,
    open_source,
)
from dsample_cli.data.splits import check_shares, stratified_split
from dsample_cli.data.table import TextTable, read_text_table, usable_rows
from dsample_cli.data.write import write_parts
from dsample_cli.errors import ConfigError, DataError
from dsample_cli.runs.files import new_files

PARTS = ("train", "val", "test")
PART_FILE = re.compile(r"(train|val|test|fold-\d+)\.csv")
LEFT_OUT = -1
# Asking for a column that no file has makes a JSONL file's keys be looked for to its end.
NO_COLUMN = "\0"


@dataclass(frozen=True)
class SplitConfig:
    """What `dsample split` is asked for.

    Attributes:
        data: The file or a pattern; "-" is standard input.
        out: The folder to write to.
        val_size: Share of the rows; not used with folds.
        test_size: Likewise.
        folds: Number of folds, or None for train, validation and test.
        text_columns: Guessed when empty.
        label_column: Guessed when None.
        group_column: Rows with the same value here stay together.
        seed: Equal seeds give equal splits.
        force: Whether to replace a split that `out` holds.
        read_options: How the data is written, where that is not to be detected.
        spreadsheet_safe: Whether to put an apostrophe before cells that a spreadsheet would run.
    """

    data: str
    out: Path
    val_size: float = 0.1
    test_size: float = 0.1
    folds: int | None = None
    text_columns: tuple[str, ...] = ()
    label_column: str | None = None
    group_column: str | None = None
    seed: int = 42
    force: bool = False
    read_options: ReadOptions = DETECTED
    spreadsheet_safe: bool = False


@dataclass(frozen=True)
class SplitResult:
    """What `dsample split` did.

    Attributes:
        config: What was asked for.
        table: The texts, labels and groups of the file.
        left_out: Rows without text or label.
        part_names: train, val and test, or fold-0 and so on; those that were written.
        names: Label id -> name, sorted.
        counts: Rows of each class in each part, shape [P, C].
        linked: The rows that were kept together.
        not_kept: What the rows did not allow.
        escaped_cells: Cells that got an apostrophe; None when not asked for.
    """

    config: SplitConfig
    table: TextTable
    left_out: int
    part_names: tuple[str, ...]
    names: tuple[str, ...]
    counts: NDArray[np.int64]
    linked: LinkedRows
    not_kept: tuple[NotKept, ...]
    escaped_cells: int | None = None

    @property
    def natural(self) -> NDArray[np.float64]:
        """Share of each class in all rows, shape [C]."""
        return self.counts.sum(axis=0) / self.counts.sum()

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of each class in the rows of each part, shape [P, C]."""
        return self.counts / self.counts.sum(axis=1, keepdims=True)

    @property
    def deviations(self) -> NDArray[np.float64]:
        """By how much a class share in a part differs from the natural one, shape [P, C]."""
        return np.abs(self.shares - self.natural)

    @property
    def files(self) -> dict[str, int]:
        """Rows of each file."""
        rows = self.counts.sum(axis=1).tolist()
        return {f"{name}.csv": n for name, n in zip(self.part_names, rows, strict=True)}

    def to_json(self) -> dict[str, Any]:
        """The public JSON object of `dsample split --json`."""
        text = self.table.text_columns
        escaped = {} if self.escaped_cells is None else {"escaped_cells": self.escaped_cells}
        return {
            "out": str(self.config.out),
            "files": self.files,
            "data": {
                "path": self.table.path,
                "rows": self.table.rows,
                "sha256": self.table.sha256,
                "text_column": text[0] if len(text) == 1 else list(text),
                "label_column": self.table.label_column,
                "group_column": self.config.group_column,
            },
            "seed": self.config.seed,
            "left_out": self.left_out,
            **escaped,
            "classes": self._by_class(self.counts),
            "shares": self._by_class(self.shares),
            "largest_deviation": float(self.deviations.max()),
            "groups": self.linked.kept_together,
            "duplicates": self.linked.duplicates,
            "not_kept": [
                {"code": found.code, "label": found.label, "message": found.message}
                for found in self.not_kept
            ],
        }

    def _by_class(self, values: NDArray[Any]) -> dict[str, dict[str, Any]]:
        return {
            name: dict(zip(self.part_names, values[:, label].tolist(), strict=True))
            for label, name in enumerate(self.names)
        }


def split_file(config: SplitConfig, listener: Listener) -> SplitResult:
    """Divide a file as `train` would, and write the parts.

    Only the text, label and group columns are held in memory; whole rows are read again and
    written one batch after the other.

    Raises:
        DsampleError: If the data or the options cannot be used, the folder holds a split already,
            or a part would be empty.
    """
    _check_sizes(config)
    source = open_source(config.data, config.read_options)
    replaced = _split_files(config, source)
    listener.phase("reading")
    table = read_text_table(source, config.text_columns, config.label_column, config.group_column)
    for note in table.notes:
        listener.note(note)
    rows = _usable_rows(table, config, listener)

    listener.phase("splitting")
    assert table.labels is not None
    encoded = encode_labels(table.labels.take(rows))
    check_is_target(np.bincount(encoded.codes), table.label_column or "", config.data)
    linked = linked_rows(
        [column.take(rows) for column in table.texts],
        None if table.groups is None else table.groups.take(rows),
    )
    part_names, parts, links = _divide(config, rows, encoded.codes, len(encoded.names), linked)
    counts = _count(parts, encoded.codes, len(part_names), len(encoded.names))
    _check_no_part_is_empty(config, part_names, counts, linked)

    listener.phase("writing")
    part_of_row = np.full(table.rows, LEFT_OUT, np.int16)
    part_of_row[rows] = parts
    columns = column_names(source, [NO_COLUMN])
    can_miss = any(part.format != "csv" for part in source.parts)
    with new_files(config.out, [f"{name}.csv" for name in part_names], replaced) as files:
        batches = iter_columns(source, columns)
        escaped = write_parts(
            batches, columns, part_of_row, files, can_miss, config.spreadsheet_safe
        )
        check_unchanged(source)
    classes = classes_not_kept(counts, encoded.names, part_names, encoded.codes, linked.ids)
    return SplitResult(
        config=config,
        table=table,
        left_out=table.rows - len(rows),
        part_names=part_names,
        names=encoded.names,
        counts=counts,
        linked=linked,
        not_kept=(*links, *classes),
        escaped_cells=escaped if config.spreadsheet_safe else None,
    )


def _check_sizes(config: SplitConfig) -> None:
    if config.folds is not None:
        return
    check_shares(config.val_size, config.test_size)
    if config.val_size + config.test_size == 0:
        raise ConfigError(
            "There is nothing to split off: both shares are 0.",
            "Give one of them, such as --val-size 0.1",
        )


def _usable_rows(table: TextTable, config: SplitConfig, listener: Listener) -> NDArray[np.int64]:
    rows = usable_rows(table)
    if len(rows) == 0:
        raise DataError(
            f"{config.data}: no row has both a text and a label.",
            f"Check --text-column and --label-column. {list_columns(table.columns)}",
        )
    if left_out := table.rows - len(rows):
        them = "row is" if left_out == 1 else "rows are"
        listener.warn(f"{left_out} {them} left out, without text or label.")
    return rows


def _count(
    parts: NDArray[np.integer], codes: NDArray[np.integer], n_parts: int, n_classes: int
) -> NDArray[np.int64]:
    """Rows of each class in each part, shape [P, C]."""
    cells = parts.astype(np.int64) * n_classes + codes
    return np.bincount(cells, minlength=n_parts * n_classes).reshape(n_parts, n_classes)


def _divide(
    config: SplitConfig,
    rows: NDArray[np.int64],
    codes: NDArray[np.int32],
    n_classes: int,
    linked: LinkedRows,
) -> tuple[tuple[str, ...], NDArray[np.int64], list[NotKept]]:
    """Names of the parts, the part of each row, and which links did not allow what was asked."""
    if config.folds is not None:
        folds = stratified_folds(codes, n_classes, config.folds, config.seed, linked.ids)
        names = tuple(f"fold-{k}" for k in range(config.folds))
        is_any = np.ones(len(rows), bool)
        so = "make their fold larger than the others"
        return names, folds, links_not_kept(linked, rows, is_any, len(rows) / config.folds, so)
    shares = (config.val_size, config.test_size)
    parts = stratified_split(codes, n_classes, *shares, config.seed, linked.ids).parts
    asked = [0, *(part for part, share in enumerate(shares, start=1) if share > 0)]
    links = links_not_kept(linked, rows, parts == 0, max(shares) * len(rows), "stay in train")
    return tuple(PARTS[part] for part in asked), np.searchsorted(asked, parts), links


def _split_files(config: SplitConfig, source: DataSource) -> list[str]:
    """The files of a split that the folder holds and that may be replaced."""
    out = config.out
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out} is a file.", "Name a folder; it is made if there is none.")
    found = sorted(path.name for path in out.glob("*.csv") if PART_FILE.fullmatch(path.name))
    if found and not config.force:
        raise ConfigError(
            f"--out {out} holds a split already: {_listed(found)}.",
            "Name another folder, or replace it with --force.",
        )
    if any(part.path.samefile(out / name) for part in source.parts for name in found):
        raise ConfigError(
            f"--force would delete {config.data}, which is to be split.", "Name another --out."
        )
    return found


def _check_no_part_is_empty(
    config: SplitConfig,
    part_names: Sequence[str],
    counts: NDArray[np.int64],
    linked: LinkedRows,
) -> None:
    empty = [part_names[part] for part in np.flatnonzero(counts.sum(axis=1) == 0).tolist()]
    if not empty:
        return
    n_rows, n_groups = len(linked.ids), int(linked.ids.max()) + 1
    what = f"{n_rows} rows" if n_rows == n_groups else f"{n_rows} rows in {n_groups} groups"
    by_column = f" or the same {config.group_column}" if config.group_column else ""
    why = f"Rows with the same text{by_column} stay together; " * (n_rows > n_groups)
    mend = "give fewer --folds" if config.folds else "give a larger share"
    hint = f"{why}{mend}, or more rows."
    raise DataError(
        f"{config.data}: {what} leave nothing for {_listed(empty)}.", hint[0].upper() + hint[1:]
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
