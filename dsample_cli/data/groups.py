"""Which rows belong together: the same text, the same customer."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

STRING_ARRAY_BYTES = 2**31 - 1


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
        ids = pd.factorize(ids * (more.max(initial=0) + 1) + more)[0].astype(np.int64)
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
    return pd.factorize(ids)[0].astype(np.int64)


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

    left = pd.factorize(a)[0]
    right = pd.factorize(b)[0]
    n_left = int(left.max(initial=-1)) + 1
    size = n_left + int(right.max(initial=-1)) + 1
    edges = coo_array((np.ones(len(left), np.float32), (left, n_left + right)), shape=(size, size))
    component = connected_components(edges.tocsr(), directed=False)[1]
    return pd.factorize(component[left])[0].astype(np.int64)


def _value_ids(array: pa.ChunkedArray | pa.Array) -> NDArray[np.int64]:
    filled = pc.fill_null(array, "")
    if filled.nbytes > STRING_ARRAY_BYTES:
        filled = filled.cast(pa.large_string())
    encoded = filled.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        # Arrow encodes all chunks with one dictionary, so their indices mean the same.
        chunks = [np.asarray(chunk.indices) for chunk in encoded.chunks]
        return np.concatenate([np.empty(0, np.int64), *chunks])
    return np.asarray(encoded.indices).astype(np.int64)
