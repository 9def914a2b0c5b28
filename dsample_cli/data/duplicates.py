"""Which rows are equal, by their hashes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsample_cli.data.hashing import Hashes

LEADING_BITS = 22


@dataclass(frozen=True)
class EqualRows:
    """The rows that have an equal.

    Attributes:
        rows: Their places, rising; rows without an equal are left out.
        ids: Group number of each, from 0 by first appearance; equal rows share one.
        total: Number of rows that were looked at.
    """

    rows: NDArray[np.int64]
    ids: NDArray[np.int64]
    total: int

    @property
    def n_distinct(self) -> int:
        """Number of different values among all rows."""
        return self.total - len(self.rows) + self._n_groups

    @property
    def most_equal(self) -> int:
        """Rows that have the most frequent value."""
        return int(np.bincount(self.ids).max()) if len(self.ids) else min(1, self.total)

    @property
    def _n_groups(self) -> int:
        return int(self.ids.max(initial=-1)) + 1

    def with_labels(self, codes: NDArray[np.integer]) -> "EqualRows":
        """Those that are equal in their label too.

        Args:
            codes: Label id per row, of all rows.
        """
        of_rows = codes[self.rows]
        pairs = self.ids * (int(of_rows.max(initial=0)) + 1) + of_rows
        is_shared = pd.Series(pairs).duplicated(keep=False).to_numpy()
        ids = pd.factorize(pairs[is_shared])[0].astype(np.int64)
        return EqualRows(self.rows[is_shared], ids, self.total)

    def later(self) -> NDArray[np.int64]:
        """Rows that equal an earlier one."""
        return self.rows[pd.Series(self.ids).duplicated().to_numpy()]

    def torn(self, codes: NDArray[np.integer]) -> NDArray[np.int64]:
        """Rows with an equal that has another label.

        Args:
            codes: Label id per row, of all rows.
        """
        of_rows = codes[self.rows]
        first = of_rows[_first_places(self.ids)]
        is_torn = np.zeros(self._n_groups, bool)
        is_torn[self.ids[of_rows != first[self.ids]]] = True
        return self.rows[is_torn[self.ids]]


def equal_rows(hashes: Hashes) -> EqualRows:
    """Group equal rows.

    Args:
        hashes: Shape [2, rows].

    Examples:
        >>> equal_rows(np.array([[7, 8, 7, 9, 8], [1, 2, 1, 3, 2]], np.uint64)).rows
        array([0, 1, 2, 4])
    """
    total = hashes.shape[1]
    rows = _shared_places(hashes[0])
    ids = pd.factorize(hashes[0, rows])[0].astype(np.int64)
    second = hashes[1, rows]
    if (second != second[_first_places(ids)][ids]).any():
        # The first lane alone cannot tell these rows apart.
        more = pd.factorize(second)[0].astype(np.int64)
        ids = pd.factorize(ids * (int(more.max()) + 1) + more)[0].astype(np.int64)
        is_shared = pd.Series(ids).duplicated(keep=False).to_numpy()
        rows, ids = rows[is_shared], pd.factorize(ids[is_shared])[0].astype(np.int64)
    return EqualRows(rows, ids, total)


def is_among(hashes: Hashes, known: Hashes) -> NDArray[np.bool_]:
    """Whether each row equals one of the known ones.

    Args:
        hashes: Shape [2, rows].
        known: Shape [2, other rows].
    """
    n_known = known.shape[1]
    equal = equal_rows(np.concatenate([known, hashes], axis=1))
    is_known = np.zeros(int(equal.ids.max(initial=-1)) + 1, bool)
    is_known[equal.ids[equal.rows < n_known]] = True
    found = np.zeros(n_known + hashes.shape[1], bool)
    found[equal.rows] = is_known[equal.ids]
    return found[n_known:]


def _shared_places(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where values stand that come more than once.

    A hash table of all values would not fit the processor's cache. Sorting shows which values come
    again; a table of their leading bits then leaves few places to look at closely.
    """
    ordered = np.sort(values)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    may_repeat = np.zeros(1 << LEADING_BITS, bool)
    may_repeat[repeated >> (64 - LEADING_BITS)] = True
    likely = np.flatnonzero(may_repeat[values >> (64 - LEADING_BITS)])
    return likely[pd.Series(values[likely]).duplicated(keep=False).to_numpy()]


def _first_places(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of the ids, which count from 0 by first appearance, comes first."""
    return np.flatnonzero(~pd.Series(ids).duplicated().to_numpy())
