"""Stratified folds of about equal size, with rows that belong together kept together."""

import numpy as np
from numpy.typing import NDArray

from dsample_cli.data.assignment import (
    GroupRuns,
    even_shares,
    group_runs,
    part_counts,
    refine,
)
from dsample_cli.errors import ConfigError

# Keeps these draws apart from others that use the same seed.
FOLD_STREAM = 0xF01D5


def stratified_folds(
    codes: NDArray[np.integer],
    n_classes: int,
    folds: int,
    seed: int = 0,
    groups: NDArray[np.integer] | None = None,
) -> NDArray[np.int64]:
    """Deal the rows to folds so that each fold has each class in its natural share.

    Without groups a class has n // K or n // K + 1 rows in each fold, and so have the folds of all
    rows. A group is never divided. Groups of several rows are placed one by one, the biggest
    first, where they bring the folds nearest to even; single rows then level the folds; at last
    groups are moved where that is better still. Each class that has K rows is to reach every
    fold, and one of 2 K rows with two of them; where whole groups do not allow it, that is all.

    Args:
        codes: Label id per row, all >= 0, shape [n].
        n_classes: Number of label ids.
        folds: K, at least 2.
        seed: Equal seeds give equal folds.
        groups: Group id per row, shape [n]; by default each row is a group.

    Returns:
        Fold of each row, from 0, shape [n]. A fold may be empty where there are few groups.

    Raises:
        ConfigError: If there are fewer than 2 folds, or fewer rows than folds.

    Examples:
        >>> codes = np.repeat([0, 1], [90, 10])
        >>> folds = stratified_folds(codes, 2, folds=5)
        >>> [np.bincount(codes[folds == k]).tolist() for k in range(5)]
        [[18, 2], [18, 2], [18, 2], [18, 2], [18, 2]]
    """
    codes = np.asarray(codes, dtype=np.int64)
    if folds < 2:
        raise ConfigError(f"There cannot be {folds} folds; the least is 2.", "Such as --folds 5.")
    if folds > len(codes):
        raise ConfigError(
            f"{len(codes)} rows cannot make {folds} folds.", "Give fewer --folds, or more rows."
        )
    rng = np.random.default_rng([seed, FOLD_STREAM])
    runs = group_runs(codes, np.arange(len(codes)) if groups is None else groups, n_classes)
    parts = np.full(len(runs.sizes), -1, np.int64)
    have = np.zeros((folds, n_classes + 1))
    _place_large_groups(parts, have, runs, rng)
    _level_with_single_rows(parts, have, runs, rng)
    if groups is not None:
        counts = part_counts(parts, runs, folds).sum(axis=0)
        wanted = np.tile(counts / folds, (folds, 1))
        minimum = np.tile(np.minimum(counts // folds, 2), (folds, 1))
        refine(parts, runs, wanted, minimum)
        even_shares(parts, runs, wanted, minimum)
    return parts[runs.ids]


def _place_large_groups(
    parts: NDArray[np.int64], have: NDArray[np.float64], runs: GroupRuns, rng: np.random.Generator
) -> None:
    """Place the groups of several rows, the biggest first.

    Adding n rows to t raises the chi-square distance from w by n (2 t + n - 2 w) / w; as all folds
    want the same, only n t / w tells them apart. Before that, the fold that lacks most of the
    group's classes is taken.

    Args:
        parts: Fold of each group; filled in.
        have: Rows of each class, and of all, in each fold, shape [K, C + 1]; counted up.
        runs: The groups.
        rng: Draws the order of groups of one size.
    """
    large = rng.permutation(np.flatnonzero(runs.sizes > 1))
    large = large[np.argsort(-runs.sizes[large], kind="stable")]
    totals = np.bincount(runs.labels, weights=runs.rows, minlength=runs.n_classes)
    weights = (1 / np.maximum(np.r_[totals, totals.sum()], 1)).tolist()
    # Groups are placed one by one, and for single numbers lists are faster than arrays.
    taken, labels, rows = have.tolist(), runs.labels.tolist(), runs.rows.tolist()
    first_runs, sizes = runs.first_runs.tolist(), runs.sizes.tolist()
    for group in large.tolist():
        first, end = first_runs[group], first_runs[group + 1]
        cells = [*zip(labels[first:end], rows[first:end], strict=True), (-1, sizes[group])]
        scores = [_crowding(there, cells, weights) for there in taken]
        fold = scores.index(min(scores))
        parts[group] = fold
        for column, n in cells:
            taken[fold][column] += n
    have[:] = taken


def _crowding(
    there: list[float], cells: list[tuple[int, int]], weights: list[float]
) -> tuple[int, float]:
    """How badly a fold with these rows of each class, and of all, needs a group; low is best."""
    lacking = sum(not there[column] for column, _ in cells)
    return -lacking, sum(rows * there[column] * weights[column] for column, rows in cells)


def _level_with_single_rows(
    parts: NDArray[np.int64], have: NDArray[np.float64], runs: GroupRuns, rng: np.random.Generator
) -> None:
    """Deal the groups of one row, class by class, to the folds that have fewest of the class."""
    single = rng.permutation(np.flatnonzero(runs.sizes == 1))
    labels = runs.labels[runs.first_runs[single]]
    single = single[np.argsort(labels, kind="stable")]
    ends = np.cumsum(np.bincount(labels, minlength=runs.n_classes))
    for label, (start, end) in enumerate(zip(np.r_[0, ends[:-1]], ends, strict=True)):
        if start == end:
            continue
        given = _levelling(have[:, label], have[:, -1], int(end - start))
        parts[single[start:end]] = np.repeat(np.arange(len(have)), given)
        have[:, label] += given
        have[:, -1] += given


def _levelling(
    have: NDArray[np.float64], sizes: NDArray[np.float64], rows: int
) -> NDArray[np.int64]:
    """How many of some rows each fold gets so that those that have least catch up first.

    Examples:
        >>> _levelling(np.array([5.0, 0, 1]), np.array([5.0, 0, 1]), rows=6)
        array([0, 4, 2])
    """
    order = np.lexsort((sizes, have))
    level = have[order]
    # Rows that it takes to raise the k lowest folds to the next one.
    needed = np.arange(1, len(level)) * np.diff(level)
    n_raised = int(np.searchsorted(np.cumsum(needed), rows, side="left")) + 1
    total = level[:n_raised].sum() + rows
    height, more = divmod(int(total), n_raised)
    target = np.full(n_raised, height)
    # What is left over goes to the smallest folds, so that their sizes stay even.
    raised = order[:n_raised]
    target[np.argsort(sizes[raised] + height - have[raised], kind="stable")[:more]] += 1
    given = np.zeros(len(have), np.int64)
    given[raised] = target - have[raised]
    return given
