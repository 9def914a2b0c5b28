"""Which rows belong together: the same text, the same customer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dsample_cli.data.normalize import normal_forms, without_digits
from dsample_cli.data.numbering import number_values

STRING_ARRAY_BYTES = 2**31 - 1
# A form that comes with so many different numbers is a template; see `digits_tell_apart`.
TEMPLATE_SPELLINGS = 10


@dataclass(frozen=True)
class LinkedRows:
    """Rows that belong together.

    Attributes:
        ids: Group id per row, counted from 0 by first appearance.
        duplicates: Rows that are a normalised duplicate of an earlier one.
        keeps_digits: Whether texts that differ in their digits alone were told apart.
    """

    ids: NDArray[np.int64]
    duplicates: int
    keeps_digits: bool

    @property
    def kept_together(self) -> int:
        """Groups of more than one row."""
        return int((np.bincount(self.ids) > 1).sum())


def linked_rows(texts: Sequence[pa.ChunkedArray], column: pa.ChunkedArray | None) -> LinkedRows:
    """Link rows whose texts have the same normal form, and those of one value in a group column.

    Args:
        texts: One string array per text column; of pairs, both are to be the same.
        column: The group column, if there is one.
    """
    ids, keeps_digits = normalized_groups(*texts)
    duplicates = len(ids) - (int(ids.max(initial=-1)) + 1)
    if column is not None:
        ids = merge_groups(ids, column_groups(column))
    return LinkedRows(ids, duplicates, keeps_digits)


def normalized_groups(*arrays: pa.ChunkedArray) -> tuple[NDArray[np.int64], bool]:
    """Number the rows so that texts with the same normal form share a number.

    Digits do not count, unless they are what tells the texts of this table apart.

    Returns:
        Group id per row, counted from 0 by first appearance, and whether digits count.

    Examples:
        >>> normalized_groups(pa.array(["Order 12", "order  7!", "invoice 7"]))
        (array([0, 0, 1]), False)
        >>> normalized_groups(pa.array([f"text {i}" for i in range(20)]))[1]
        True
    """
    wide = [_with_room(array) for array in arrays]
    forms = [normal_forms(array, keep_digits=True) for array in wide]
    spellings = duplicate_groups(*forms)
    ids = duplicate_groups(*(without_digits(form) for form in forms))
    return (spellings, True) if digits_tell_apart(ids, spellings) else (ids, False)


def digits_tell_apart(ids: NDArray[np.integer], spellings: NDArray[np.integer]) -> bool:
    """Tell whether most texts are templates, which only their numbers tell apart.

    So it is where rows were numbered ("text 1", "text 2"): without digits the table would be a few
    texts. A template is a form that comes with at least 10 different numbers; most is more than
    half of the rows.

    Args:
        ids: Per row, equal where the normal forms without digits are.
        spellings: Per row, equal where the normal forms with digits are.
    """
    if len(ids) == 0:
        return False
    first_rows = np.unique(spellings, return_index=True)[1]
    n_spellings = np.bincount(ids[first_rows])
    return bool((n_spellings[ids] >= TEMPLATE_SPELLINGS).mean() > 0.5)


def duplicate_groups(*arrays: pa.ChunkedArray) -> NDArray[np.int64]:
    """Number the rows so that equal texts share a number.

    Args:
        arrays: String arrays of equal length; rows are equal when all of them are. A missing text
            equals an empty one.

    Returns:
        Group id per row, counted from 0 by first appearance.

    Examples:
        >>> duplicate_groups(pa.array(["a", "b", "a"]))
        array([0, 1, 0])
    """
    ids = _value_ids(arrays[0])
    for array in arrays[1:]:
        more = _value_ids(array)
        ids = number_values(ids * (more.max(initial=0) + 1) + more)
    return ids


def column_groups(array: pa.ChunkedArray) -> NDArray[np.int64]:
    """Number the rows by a group column; a row without a value is a group of its own.

    Examples:
        >>> column_groups(pa.array(["ann", None, "ann", None]))
        array([0, 1, 0, 2])
    """
    ids = duplicate_groups(array)
    lone = np.asarray(pc.equal(pc.binary_length(pc.fill_null(array, "")), 0))
    first_free = ids.max(initial=-1) + 1
    ids[lone] = first_free + np.arange(lone.sum())
    return number_values(ids)


def merge_groups(a: NDArray[np.integer], b: NDArray[np.integer]) -> NDArray[np.int64]:
    """Join two groupings: rows that share a group in either end up in one.

    Args:
        a: Group id per row.
        b: Group id per row, of the same length.

    Returns:
        Group id per row: the connected components of both groupings together.

    Examples:
        >>> merge_groups(np.array([0, 0, 1, 2]), np.array([5, 6, 6, 7]))
        array([0, 0, 0, 1])
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left = number_values(a)
    right = number_values(b)
    n_left = int(left.max(initial=-1)) + 1
    size = n_left + int(right.max(initial=-1)) + 1
    edges = coo_array((np.ones(len(left), np.float32), (left, n_left + right)), shape=(size, size))
    component = connected_components(edges.tocsr(), directed=False)[1]
    return number_values(component[left])


def _with_room(array: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """The same strings, in a type that can hold them in one array."""
    return array.cast(pa.large_string()) if array.nbytes > STRING_ARRAY_BYTES else array


def _value_ids(array: pa.ChunkedArray | pa.Array) -> NDArray[np.int64]:
    encoded = _with_room(pc.fill_null(array, "")).dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        # Arrow encodes all chunks with one dictionary, so their indices mean the same.
        chunks = [np.asarray(chunk.indices) for chunk in encoded.chunks]
        return np.concatenate([np.empty(0, np.int64), *chunks])
    return np.asarray(encoded.indices).astype(np.int64)
