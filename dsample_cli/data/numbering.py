"""Numbers in the place of values, without pandas, for which training need not wait."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

# Values below so many times their number are counted in an array of all possible ones.
_MOST_POSSIBLE = 4


def number_values(values: NDArray[Any]) -> NDArray[np.int64]:
    """Number values so that equal ones share a number, counted from 0 by first appearance.

    Examples:
        >>> number_values(np.array([7, 3, 7, 5]))
        array([0, 1, 0, 2])
    """
    if not _are_dense(values):
        return np.asarray(pa.array(values).dictionary_encode().indices).astype(np.int64)
    rows = np.arange(len(values))
    first_row = np.empty(int(values.max(initial=-1)) + 1, np.int64)
    first_row[values[::-1]] = rows[::-1]  # of equal values the last assignment stays
    first_row = first_row[values]
    return (np.cumsum(first_row == rows) - 1)[first_row]


def _are_dense(values: NDArray[Any]) -> bool:
    """Whether they are integers from 0 to not much above how many there are."""
    if not len(values) or values.dtype.kind != "i":
        return False
    return bool(values.min() >= 0 and values.max() < _MOST_POSSIBLE * len(values))
