"""Give whole groups to parts so that each part comes near to a wanted number of rows of each class.

The distance from what is wanted is chi-square, sum((have - wanted)^2 / wanted), over the parts, the
classes and, as one more class, all rows. A class that misses its minimum in a part adds a penalty
that grows with the square of the missing rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsample_cli.data.numbering import number_values

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

# What the first row below the minimum costs, and one below what a part must keep: a chi-square does
# not come near the one, nor a shortfall the other.
SHORTFALL_COST, LOSS_COST = 1e6, 1e12
REFINE_ROUNDS = 12
TRIED_MOVES = 5000
LEAST_GAIN = 1e-6
EVEN_STEPS = 200
# How far a part's size may leave what is wanted, as a share of it, to even the class shares.
SIZE_SLACK = 0.1
MOST_CANDIDATE_CELLS = 100_000


@dataclass(frozen=True)
class GroupRuns:
    """The groups of a table, by class. A run is the rows of one class in one group.

    Attributes:
        ids: Group per row, counted from 0, shape [n].
        sizes: Rows per group, shape [G].
        first_runs: The first run of each group, and the number of runs, shape [G + 1].
        labels: Label id of each run, shape [R]; the runs of a group follow each other.
        rows: Rows of each run, shape [R].
        n_classes: Number of label ids.
    """

    ids: NDArray[np.int64]
    sizes: Counts
    first_runs: NDArray[np.int64]
    labels: NDArray[np.int64]
    rows: Counts
    n_classes: int

    @property
    def n_runs(self) -> Counts:
        """Classes in each group, shape [G]."""
        return np.diff(self.first_runs)

    @property
    def run_groups(self) -> NDArray[np.int64]:
        """The group of each run, shape [R]."""
        return np.repeat(np.arange(len(self.sizes)), self.n_runs)

    def counts_of(self, groups: NDArray[np.int64]) -> Floats:
        """Rows of each class in some groups, shape [len(groups), C]."""
        counts = np.zeros((len(groups), self.n_classes))
        n_runs = self.n_runs[groups]
        ends = np.cumsum(n_runs)
        within = np.arange(n_runs.sum()) - np.repeat(ends - n_runs, n_runs)
        places = np.repeat(self.first_runs[groups], n_runs) + within
        counts[np.repeat(np.arange(len(groups)), n_runs), self.labels[places]] = self.rows[places]
        return counts


def group_runs(
    codes: NDArray[np.integer], groups: NDArray[np.integer], n_classes: int
) -> GroupRuns:
    """Count the rows of each class in each group.

    Args:
        codes: Label id per row, shape [n].
        groups: Group id per row, any numbers, shape [n].
        n_classes: Number of label ids.
    """
    ids = number_values(groups)
    n_groups = int(ids.max(initial=-1)) + 1
    runs, rows = np.unique(ids * n_classes + codes, return_counts=True)
    run_groups, labels = np.divmod(runs, max(n_classes, 1))
    first_runs = np.searchsorted(run_groups, np.arange(n_groups + 1))
    sizes = np.bincount(ids, minlength=n_groups)
    return GroupRuns(ids, sizes, first_runs, labels, rows, n_classes)


def part_counts(parts: NDArray[np.integer], runs: GroupRuns, n_parts: int) -> Counts:
    """Rows of each class in each part, shape [P, C].

    Args:
        parts: Part of each group, shape [G].
        runs: The groups.
        n_parts: P.
    """
    cells = parts[runs.run_groups].astype(np.int64) * runs.n_classes + runs.labels
    counts = np.bincount(cells, weights=runs.rows, minlength=n_parts * runs.n_classes)
    return counts.astype(np.int64).reshape(n_parts, runs.n_classes)


def refine(
    parts: NDArray[np.int8 | np.int64],
    runs: GroupRuns,
    wanted: Floats,
    minimum: Counts,
    must_keep: Counts | None = None,
) -> None:
    """Move groups to other parts while that lessens the cost; in place.

    Each round rates every move of one group at once, then makes the best ones one after the other,
    each if it still pays. Nothing is drawn, so equal inputs are refined equally.

    Args:
        parts: Part of each group, shape [G].
        runs: The groups.
        wanted: Rows of each class that each part should have, shape [P, C]; a part without any
            takes no group.
        minimum: Rows of each class that each part should not lack, shape [P, C].
        must_keep: Rows of each class that no move may take from a part, shape [P, C].
    """
    balance = _Balance.of(parts, runs, wanted, minimum, must_keep)
    for _ in range(REFINE_ROUNDS):
        gains, targets = _rate_moves(parts, runs, balance)
        best = np.argsort(-gains, kind="stable")[:TRIED_MOVES]
        best = best[gains[best] > LEAST_GAIN]
        moved = [_move(int(group), int(targets[group]), parts, runs, balance) for group in best]
        if not any(moved):
            return


@dataclass(frozen=True)
class _Balance:
    """What each part has and should have; the last column is of all rows. Shapes [P, C + 1]."""

    have: Floats
    wanted: Floats
    minimum: Floats
    must_keep: Floats

    @staticmethod
    def of(
        parts: NDArray[np.integer],
        runs: GroupRuns,
        wanted: Floats,
        minimum: Counts,
        must_keep: Counts | None,
    ) -> "_Balance":
        have = part_counts(parts, runs, len(wanted)).astype(float)
        kept = np.zeros_like(minimum) if must_keep is None else must_keep
        none = np.zeros(len(wanted))
        return _Balance(
            np.c_[have, have.sum(axis=1)],
            np.c_[wanted, wanted.sum(axis=1)],
            np.c_[minimum, none],
            np.c_[kept, none],
        )

    def cost(self, part: NDArray[np.integer], column: NDArray[np.integer], have: Floats) -> Floats:
        """Cost of having so many rows in some cells."""
        wanted = self.wanted[part, column]
        missing = np.maximum(self.minimum[part, column] - have, 0)
        lost = np.maximum(self.must_keep[part, column] - have, 0)
        distance = (have - wanted) ** 2 / np.maximum(wanted, 0.5)
        # Squared: a part without any row of a class is worse than two parts that lack one each.
        return distance + SHORTFALL_COST * missing**2 + LOSS_COST * lost

    def change(
        self, part: NDArray[np.integer], column: NDArray[np.integer], rows: Floats
    ) -> Floats:
        """What it costs to add so many rows to some cells."""
        have = self.have[part, column]
        return self.cost(part, column, have + rows) - self.cost(part, column, have)


def _rate_moves(
    parts: NDArray[np.integer], runs: GroupRuns, balance: _Balance
) -> tuple[Floats, NDArray[np.int64]]:
    """The gain of the best move of each group, and where it goes."""
    n_groups = len(runs.sizes)
    run_parts = parts[runs.run_groups].astype(np.int64)
    everything = np.full(n_groups, runs.n_classes)
    rows, sizes = runs.rows.astype(float), runs.sizes.astype(float)
    starts = runs.first_runs[:-1]

    def change(run_parts: NDArray[np.int64], group_parts: NDArray[np.int64], sign: int) -> Floats:
        by_class = np.add.reduceat(balance.change(run_parts, runs.labels, sign * rows), starts)
        return by_class + balance.change(group_parts, everything, sign * sizes)

    leaving = change(run_parts, parts.astype(np.int64), -1)
    best, targets = np.full(n_groups, -np.inf), np.zeros(n_groups, np.int64)
    for part in np.flatnonzero(balance.wanted[:, -1] > 0).tolist():
        gain = -leaving - change(np.full(len(rows), part), np.full(n_groups, part), 1)
        better = (gain > best) & (parts != part)
        best[better], targets[better] = gain[better], part
    return best, targets


def _move(
    group: int, target: int, parts: NDArray[np.integer], runs: GroupRuns, balance: _Balance
) -> bool:
    """Move a group if it pays."""
    mine = slice(runs.first_runs[group], runs.first_runs[group + 1])
    columns = np.r_[runs.labels[mine], runs.n_classes]
    rows = np.r_[runs.rows[mine], runs.sizes[group]].astype(float)
    source = np.full(len(columns), parts[group], np.int64)
    goal = np.full(len(columns), target, np.int64)
    change = balance.change(source, columns, -rows) + balance.change(goal, columns, rows)
    if change.sum() > -LEAST_GAIN:
        return False
    balance.have[source, columns] -= rows
    balance.have[goal, columns] += rows
    parts[group] = target
    return True


def even_shares(
    parts: NDArray[np.int8 | np.int64],
    runs: GroupRuns,
    wanted: Floats,
    minimum: Counts,
) -> None:
    """Move groups to lessen the largest deviation of a class share in a part; in place.

    A share is the rows of a class in a part over all rows of the part; it deviates from the share
    that is wanted there. Each step takes the part and class that deviate most and makes the move
    that best lessens the sum of the sixth powers of the deviations, which is ruled by the largest.
    It lets no class miss its minimum by more, and no part's size leave what is wanted by more than
    a tenth. It ends where the deviation is less than one row, or no move helps.

    Args:
        parts: Part of each group, shape [G].
        runs: The groups.
        wanted: As for `refine`.
        minimum: As for `refine`.
    """
    shares = _Shares.of(parts, runs, wanted, minimum)
    for _ in range(EVEN_STEPS):
        deviation = shares.deviation(np.arange(len(wanted)), shares.have)
        deviation[shares.wanted_sizes == 0] = 0
        part, label = np.unravel_index(int(deviation.argmax()), deviation.shape)
        if deviation[part, label] * shares.have[part].sum() < 1:
            return
        groups, targets = _moves_against(int(part), int(label), parts, runs, shares)
        best = _best_move(groups, targets, parts, runs, shares)
        if best is None:
            return
        group, target, rows = best
        shares.have[parts[group]] -= rows
        shares.have[target] += rows
        parts[group] = target


@dataclass(frozen=True)
class _Shares:
    """What parts have and should have. Shapes [P, C] and [P]."""

    have: Floats
    wanted: Floats
    minimum: Counts
    wanted_sizes: Floats
    slack: Floats  # rows that the size may be off

    @staticmethod
    def of(
        parts: NDArray[np.integer], runs: GroupRuns, wanted: Floats, minimum: Counts
    ) -> "_Shares":
        have = part_counts(parts, runs, len(wanted)).astype(float)
        sizes = wanted.sum(axis=1)
        slack = np.maximum(np.abs(have.sum(axis=1) - sizes), SIZE_SLACK * sizes)
        return _Shares(have, wanted / np.maximum(sizes, 1)[:, None], minimum, sizes, slack)

    def deviation(self, part: NDArray[np.integer], have: Floats) -> Floats:
        """How far the class shares of parts that have so many rows would be off, shape [n, C]."""
        return np.abs(have / np.maximum(have.sum(axis=1), 1)[:, None] - self.wanted[part])


def _moves_against(
    part: int, label: int, parts: NDArray[np.integer], runs: GroupRuns, shares: _Shares
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Moves into and out of a part that lessen its deviation in one class, best first."""
    is_label = runs.labels == label
    of_label = np.zeros(len(runs.sizes))
    of_label[runs.run_groups[is_label]] = runs.rows[is_label]
    sign = np.where(parts == part, -1, 1)
    rows, size = shares.have[part, label], shares.have[part].sum()
    wanted = shares.wanted[part, label]
    after = (rows + sign * of_label) / np.maximum(size + sign * runs.sizes, 1)
    gain = abs(rows / max(size, 1) - wanted) - np.abs(after - wanted)
    others = np.flatnonzero(shares.wanted_sizes > 0)
    others = others[others != part]
    most = MOST_CANDIDATE_CELLS // (runs.n_classes * max(len(others), 1)) + 1
    best = np.argsort(-gain, kind="stable")[:most]
    best = best[gain[best] > 0]
    leaving, coming = best[parts[best] == part], best[parts[best] != part]
    return (
        np.r_[np.repeat(leaving, len(others)), coming],
        np.r_[np.tile(others, len(leaving)), np.full(len(coming), part)],
    )


def _best_move(
    groups: NDArray[np.int64],
    targets: NDArray[np.int64],
    parts: NDArray[np.integer],
    runs: GroupRuns,
    shares: _Shares,
) -> tuple[int, int, Floats] | None:
    """The move that lessens the deviations most: group, part, and the group's rows by class."""
    if len(groups) == 0:
        return None
    counts = runs.counts_of(groups)
    change, is_off = np.zeros(len(groups)), np.zeros(len(groups), bool)
    for part, sign in ((parts[groups], -1), (targets, 1)):
        before, after = shares.have[part], shares.have[part] + sign * counts
        change += (shares.deviation(part, after) ** 6).sum(axis=1)
        change -= (shares.deviation(part, before) ** 6).sum(axis=1)
        is_off |= ((after < before) & (after < shares.minimum[part])).any(axis=1)
        is_off |= np.abs(after.sum(axis=1) - shares.wanted_sizes[part]) > shares.slack[part]
    change[is_off] = np.inf
    best = int(change.argmin())
    return (int(groups[best]), int(targets[best]), counts[best]) if change[best] < 0 else None
