"""A part of a file that is small enough for work which needs its texts at once."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dsample_cli.data.excerpts import iter_rows
from dsample_cli.data.sources import DataSource

# Rows that a class keeps whatever the others have, if it has them.
KEPT_ROWS = 20
# Keeps these draws apart from others that use the same seed.
SUBSET_STREAM = 0x5B5E7
# Between the texts of a pair.
BETWEEN_TEXTS = "\n"


def stratified_subset(
    codes: NDArray[np.integer], n_classes: int, most_rows: int, seed: int = 0
) -> NDArray[np.int64]:
    """Draw some of the rows: of each class 20, and the same share of what it has beyond them.

    So rare classes stay whole, and the others keep about their shares.

    Args:
        codes: Label id per row, shape [n], all >= 0.
        n_classes: C.
        most_rows: Rows to keep; 20 C at least are kept.
        seed: Equal seeds draw equal rows.

    Returns:
        Places of the rows that are kept, rising.

    Examples:
        >>> codes = np.repeat([0, 1, 2], [800, 100, 15])
        >>> np.bincount(codes[stratified_subset(codes, 3, most_rows=485)]).tolist()
        [410, 60, 15]
    """
    codes = np.asarray(codes, np.int64)
    if len(codes) <= most_rows:
        return np.arange(len(codes))
    counts = np.bincount(codes, minlength=n_classes)
    first = np.minimum(counts, KEPT_ROWS)
    beyond = counts - first
    share = max(0.0, most_rows - first.sum()) / max(1, beyond.sum())
    kept = first + np.minimum(beyond, np.floor(beyond * share).astype(np.int64))
    shuffled = np.random.default_rng([seed, SUBSET_STREAM]).permutation(len(codes))
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    rank = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(by_class[rank < kept[codes[by_class]]])


def read_texts(
    source: DataSource, columns: Sequence[str], rows: NDArray[np.integer], most_characters: int
) -> list[str]:
    """Read the texts of some rows in one pass that holds no others; pairs are joined.

    Args:
        source: What `open_source` gave.
        columns: Its text columns.
        rows: Row numbers, rising.
        most_characters: Longer texts are cut.

    Raises:
        DataError: If the file is broken.
    """
    found: list[str] = []
    for _, batch in iter_rows(source, columns, rows):
        found += joined_texts([batch.column(name) for name in columns], most_characters)
    return found


def joined_texts(texts: Sequence[pa.Array | pa.ChunkedArray], most_characters: int) -> list[str]:
    """One text a row, cut; a missing one is empty.

    Args:
        texts: One string array per text column.
        most_characters: Longer texts are cut, each by itself.

    Examples:
        >>> joined_texts([pa.array(["abc", None]), pa.array(["d", "e"])], most_characters=2)
        ['ab\\nd', '\\ne']
    """
    cut = [pc.utf8_slice_codeunits(pc.fill_null(text, ""), 0, most_characters) for text in texts]
    joined: list[str] = pc.binary_join_element_wise(*cut, BETWEEN_TEXTS).to_pylist()
    return joined
