"""Label names to label ids, and back.

A label is its text, exactly as the file has it: `NA`, `None`, `1.0` and `Spam ` are four names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dsample_cli.data.columns import shortened
from dsample_cli.errors import DataError

# Up to here, any number of examples a class may be meant.
MOST_LONE_LABELS = 50
# From here on, classes have more examples than a few, or they are none.
MANY_LABELS, FEWEST_ROWS_OF_MANY = 10_000, 5


@dataclass(frozen=True)
class EncodedLabels:
    """Labels as ids.

    Attributes:
        names: Label id -> name.
        codes: Label id per row, int32, shape [rows]; -1 where missing, blank or not in `names`.
        unknown: Label that is not in `names` -> rows that have it, most frequent first; empty
            unless the names were given.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int32]
    unknown: dict[str, int]


def encode_labels(labels: pa.ChunkedArray, names: Sequence[str] | None = None) -> EncodedLabels:
    """Replace each label by its id.

    Args:
        labels: String array, or a list of strings; null is a missing label.
        names: Label id -> name; by default the distinct non-blank labels in sorted order.

    Examples:
        >>> encode_labels(["spam", "ham", None, " "]).codes
        array([ 1,  0, -1, -1], dtype=int32)
        >>> encode_labels(["spam", "eggs"], names=["ham", "spam"]).unknown
        {'eggs': 1}
    """
    values = _as_strings(labels)
    distinct = [name for name in values.unique().to_pylist() if name and not name.isspace()]
    known = tuple(sorted(distinct) if names is None else names)
    ids = pc.index_in(values, value_set=pa.array(known, pa.string()))
    codes = np.asarray(_one_array(pc.fill_null(ids, -1)), dtype=np.int32)
    foreign = set(distinct) - set(known)
    return EncodedLabels(known, codes, _count_each(values, foreign))


def is_no_target(n_labels: int, n_lone: int, rows: int) -> bool:
    """Whether a column holds ids, numbers or texts rather than classes.

    Args:
        n_labels: Distinct labels.
        n_lone: Those that one row has.
        rows: All labelled rows.

    Examples:
        >>> is_no_target(900, 850, 1000), is_no_target(150, 0, 450)
        (True, False)
    """
    if n_labels <= MOST_LONE_LABELS:
        return False
    return n_lone * 2 > rows or (n_labels > MANY_LABELS and n_labels * FEWEST_ROWS_OF_MANY > rows)


def check_is_target(counts: NDArray[np.integer], column: str, where: str) -> None:
    """Raise a DataError if a column holds ids, numbers or texts rather than classes.

    Args:
        counts: Rows of each label, shape [C].
        column: The label column.
        where: What messages call the data.
    """
    n_labels, rows = len(counts), int(counts.sum())
    if is_no_target(n_labels, int((counts == 1).sum()), rows):
        raise no_target(n_labels, rows, column, where)


def no_target(
    n_labels: int, rows: int, column: str, where: str, is_part: bool = False
) -> DataError:
    """The error for a column that holds ids, numbers or texts rather than classes."""
    of_rows = f"{'the first ' * is_part}{rows:,} rows"
    return DataError(
        f"{where}: column '{shortened(column)}' has {n_labels:,} different values in {of_rows} "
        f"({n_labels / rows:.0%}): it looks like an id, a number or a text, not a class to learn.",
        "Name the column with the classes: --label-column NAME",
    )


def read_label_names(spec: str) -> tuple[str, ...]:
    """Read the label names of `--labels`: names with commas between them, or a file.

    A file holds one name a line, in UTF-8; its names are kept as they are. White space around
    names between commas is dropped.

    Raises:
        DataError: If a name is empty or comes twice, or there are fewer than two.

    Examples:
        >>> read_label_names("ham, spam")
        ('ham', 'spam')
    """
    path = Path(spec)
    if _is_file(path):
        names, where = _lines_of(path), str(path)
    elif "," in spec:
        names, where = [name.strip() for name in spec.split(",")], "The list of labels"
    else:
        raise DataError(
            f"'{spec}' is neither a file nor a list of labels.",
            "Give the names with commas between them, as in --labels ham,spam, "
            "or a file that has one name a line.",
        )
    _check_names(names, where)
    return tuple(names)


def _check_names(names: Sequence[str], where: str) -> None:
    for place, name in enumerate(names, start=1):
        if not name or name.isspace():
            raise DataError(f"{where}: name {place} is empty.", "Take the empty name out.")
        if name in names[: place - 1]:
            raise DataError(
                f"{where}: the label '{name}' comes twice (name {place}).",
                "Keep one of them.",
            )
    if len(names) < 2:
        raise DataError(
            f"{where} has {len(names)} label; a classifier needs two.",
            "Add the other labels.",
        )


def _lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(
            f"{path} is not UTF-8 text.",
            f"Save it as UTF-8: iconv -t UTF-8 {path} > labels.txt",
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a long list of names is no path
        return False


def _as_strings(
    labels: pa.ChunkedArray | pa.Array | Sequence[str | None],
) -> pa.ChunkedArray:
    if isinstance(labels, pa.ChunkedArray | pa.Array):
        return labels
    return pa.array(labels, pa.string())


def _one_array(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _count_each(values: pa.ChunkedArray | pa.Array, wanted: set[str]) -> dict[str, int]:
    """Count the rows of each wanted label, the most frequent label first."""
    if not wanted:
        return {}
    pairs = ((v["values"], v["counts"]) for v in pc.value_counts(values).to_pylist())
    counts = [(name, count) for name, count in pairs if name in wanted]
    return dict(sorted(counts, key=lambda pair: (-pair[1], pair[0])))
