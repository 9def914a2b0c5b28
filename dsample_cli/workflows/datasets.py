"""From files to the rows, texts and label ids of train, validation and test."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.config import TrainConfig
from dsample_cli.core.progress import Listener
from dsample_cli.core.read_options import DETECTED, ReadOptions
from dsample_cli.data.columns import list_columns, shortened
from dsample_cli.data.groups import linked_rows
from dsample_cli.data.labels import check_is_target, encode_labels, read_label_names
from dsample_cli.data.shortfalls import links_not_kept
from dsample_cli.data.sources import DataSource, absolute_path
from dsample_cli.data.splits import stratified_split
from dsample_cli.data.table import TextTable, read_text_table, usable_rows
from dsample_cli.data.texts import Texts, release_unused
from dsample_cli.errors import DataError, RunError

SPLITS = ("train", "validation", "test")
RowNumbers = Sequence[int] | NDArray[np.integer]


@dataclass(frozen=True)
class Part:
    """The usable rows of one split.

    Attributes:
        path: Its file, or the pattern of its files.
        sha256: Of the file or files, see `TextTable`.
        rows: 0-based data rows of the file or files, shape [n].
        texts: The texts of each text column.
        codes: Label id of each row, shape [n].
    """

    path: str
    sha256: str
    rows: NDArray[np.int64]
    texts: tuple[Sequence[str], ...]
    codes: NDArray[np.int32]

    def manifest_entry(self) -> dict[str, Any]:
        return {"path": self.path, "sha256": self.sha256, "rows": len(self.rows)}


@dataclass(frozen=True)
class Datasets:
    """What a run trains, validates and tests on.

    Attributes:
        rows: Data rows of the training file, unusable ones included.
    """

    label_names: tuple[str, ...]
    text_columns: tuple[str, ...]
    label_column: str
    rows: int
    parts: dict[str, Part]

    @property
    def validation_rows_sha256(self) -> str | None:
        """Identity of the validation rows: runs with the same one can be compared."""
        part = self.parts.get("validation")
        if part is None:
            return None
        return hashlib.sha256(part.sha256.encode() + part.rows.tobytes()).hexdigest()


def with_absolute_files(config: TrainConfig) -> TrainConfig:
    """The config as a run stores it: its files are found from any folder."""
    given = {name: getattr(config, name) for name in ("data", "val", "test")}
    found: dict[str, Any] = {n: absolute_path(p) for n, p in given.items() if p is not None}
    return replace(config, **found)


def load_datasets(
    config: TrainConfig,
    listener: Listener,
    stored_rows: Mapping[str, RowNumbers] | None = None,
) -> Datasets:
    """Read and split the data of a run.

    Args:
        config: Names the files, columns and shares.
        listener: Hears what was guessed, dropped or could not be split.
        stored_rows: Rows of each split when a stopped run is resumed.

    Raises:
        DataError: If a file cannot be used, has one class only, or has labels that train lacks.
        RunError: If the stored rows are not among those of the file.
    """
    table = read_text_table(
        config.data,
        config.text_column,
        config.label_column,
        config.group_column,
        options=config.read_options,
    )
    for note in table.notes:
        listener.note(note)
    assert table.label_column is not None
    fixed_names = _fixed_names(config)
    names, rows, codes = _known_rows(table, fixed_names, config.unknown_labels, listener)
    if fixed_names is None:
        counts = np.bincount(codes, minlength=len(names))
        check_is_target(counts, table.label_column, config.data)
    if len(names) < 2:
        raise DataError(
            f"{config.data}: there is only one class ('{shortened(names[0])}'), so there is "
            "nothing to learn.",
            "Check --label-column, or add examples of the other classes.",
        )
    if stored_rows is not None:
        _check_stored_rows(stored_rows, rows, config.data)
    split = stored_rows or _split(table, rows, codes, names, config, listener)
    parts = {
        name: _part(table, rows, codes, split[name])
        for name in SPLITS
        if name in split and len(split[name])
    }
    for name, path in (("validation", config.val), ("test", config.test)):
        if path is not None:
            parts[name] = _read_part(path, table, names, config, listener)
            _warn_of_absent_classes(name, parts[name], names, listener)
    _check_training_counts(parts["train"], names)
    release_unused()
    return Datasets(names, table.text_columns, table.label_column, table.rows, parts)


def read_labelled(
    path: str | DataSource,
    text_columns: Sequence[str],
    label_column: str,
    names: Sequence[str],
    unknown_labels: str,
    listener: Listener,
    options: ReadOptions = DETECTED,
) -> Part:
    """Read a file whose labels must be among `names`.

    Raises:
        DataError: If it has a label that training never saw, unless `unknown_labels` is "drop".
    """
    table = read_text_table(path, text_columns, label_column, options=options)
    for note in table.notes:
        listener.note(note)
    _, rows, codes = _known_rows(table, names, unknown_labels, listener)
    return _part(table, rows, codes, rows)


def texts_of(table: TextTable, rows: NDArray[np.integer]) -> tuple[Sequence[str], ...]:
    """Texts of some rows by text column; a missing half of a pair becomes empty."""
    return tuple(Texts(column.take(rows)) for column in table.texts)


def _read_part(
    path: str, train: TextTable, names: Sequence[str], config: TrainConfig, listener: Listener
) -> Part:
    assert train.label_column is not None
    return read_labelled(
        path,
        train.text_columns,
        train.label_column,
        names,
        config.unknown_labels,
        listener,
        config.read_options,
    )


def absent_classes(codes: NDArray[np.integer], names: Sequence[str]) -> str | None:
    """The classes without a row in words, and what that does to the figures; None without any."""
    absent = np.flatnonzero(np.bincount(codes, minlength=len(names)) == 0).tolist()
    if not absent:
        return None
    shown = ", ".join(f"'{shortened(names[c])}'" for c in absent[:5])
    more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    return (
        f"no row of {len(absent)} of the {len(names)} classes: {shown}{more}. Macro-F1 runs over "
        "the other classes alone"
    )


def _warn_of_absent_classes(
    split: str, part: Part, names: Sequence[str], listener: Listener
) -> None:
    told = absent_classes(part.codes, names)
    if told is None:
        return
    if split == "validation":
        told += ", so that neither the choice of the epoch nor a correction sees these"
        rows = "validation rows", "--val-size 0.1"
    else:
        rows = "test rows", "--test-size 0.1"
    listener.warn(
        f"{part.path} has {told}. Have the {rows[0]} drawn from the training data class by class "
        f"instead, with {rows[1]}, or add rows of these classes."
    )


def _known_rows(
    table: TextTable, names: Sequence[str] | None, unknown_labels: str, listener: Listener
) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int32]]:
    """Rows with a text and a known label, and their label ids."""
    usable = usable_rows(table)
    if dropped := table.rows - len(usable):
        listener.warn(f"{table.path}: {dropped} rows without text or label are left out.")
    if not len(usable):
        raise DataError(
            f"{table.path}: no row has both a text and a label.",
            f"Check the columns: --text-column and --label-column. {list_columns(table.columns)}",
        )
    assert table.labels is not None
    encoded = encode_labels(table.labels.take(usable), names)
    if encoded.unknown:
        _tell_unknown(table.path, encoded.unknown, unknown_labels, listener)
    known = encoded.codes >= 0
    if not known.any():
        raise DataError(
            f"{table.path}: no row has a label that training knows.", "Check --label-column."
        )
    return encoded.names, usable[known], encoded.codes[known]


def _tell_unknown(
    path: str, unknown: Mapping[str, int], unknown_labels: str, listener: Listener
) -> None:
    shown = ", ".join(
        f"'{shortened(name)}' ({count} rows)" for name, count in list(unknown.items())[:10]
    )
    more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
    if unknown_labels == "drop":
        total = sum(unknown.values())
        listener.warn(f"{path}: {total} rows with unknown labels are dropped: {shown}{more}.")
        return
    raise DataError(
        f"{path} has labels that the training data does not have: {shown}{more}.",
        "Mend the labels, or leave these rows out with --unknown-labels drop.",
    )


def _fixed_names(config: TrainConfig) -> tuple[str, ...] | None:
    return None if config.labels is None else read_label_names(config.labels)


def _split(
    table: TextTable,
    rows: NDArray[np.int64],
    codes: NDArray[np.int32],
    names: Sequence[str],
    config: TrainConfig,
    listener: Listener,
) -> dict[str, NDArray[np.int64]]:
    """Rows of each split that comes from the training file."""
    validation_share = 0.0 if config.val else config.val_size
    test_share = 0.0 if config.test else config.test_size
    if validation_share + test_share == 0:
        return {"train": rows}
    linked = linked_rows(
        [column.take(rows) for column in table.texts],
        None if table.groups is None else table.groups.take(rows),
    )
    split = stratified_split(
        codes, len(names), validation_share, test_share, config.seed, linked.ids
    )
    most_held_out = max(validation_share, test_share) * len(rows)
    for found in links_not_kept(linked, rows, split.parts == 0, most_held_out, "stay in train"):
        listener.warn(found.message)
    if split.only_in_train:
        few = ", ".join(f"'{names[c]}'" for c in split.only_in_train[:5])
        more = ", ..." if len(split.only_in_train) > 5 else ""
        listener.warn(
            f"{len(split.only_in_train)} classes are too small to split, or their rows belong "
            f"together, and stay in train: {few}{more}. No held-out figure covers them."
        )
    return {name: rows[split.parts == i] for i, name in enumerate(SPLITS)}


def _check_stored_rows(
    stored: Mapping[str, RowNumbers], rows: NDArray[np.int64], data: str
) -> None:
    try:
        wanted = np.concatenate([np.asarray(own, dtype=np.int64) for own in stored.values()])
    except OverflowError:  # a number that no row has
        wanted = np.array([-1])
    if not len(stored["train"]) or not np.isin(wanted, rows).all():
        raise RunError(
            f"The run's split.csv does not fit {data}: one of them has changed since.",
            "Restore it, or begin anew with: dsample train --config RUN/config.toml",
        )


def _part(
    table: TextTable, rows: NDArray[np.int64], codes: NDArray[np.int32], wanted: RowNumbers
) -> Part:
    chosen = np.asarray(wanted, dtype=np.int64)
    places = np.searchsorted(rows, chosen)
    return Part(table.path, table.sha256, chosen, texts_of(table, chosen), codes[places])


def _check_training_counts(train: Part, names: Sequence[str]) -> None:
    counts = np.bincount(train.codes, minlength=len(names))
    if (counts == 0).any():
        empty = [names[c] for c in np.flatnonzero(counts == 0).tolist()]
        raise DataError(
            f"{train.path} has no training example of {', '.join(repr(n) for n in empty[:10])}.",
            "Take these labels out of --labels, or add examples.",
        )
