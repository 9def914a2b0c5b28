"""Stratified train, validation and test parts, with rows that belong together kept together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsample_cli.data.assignment import GroupRuns, even_shares, group_runs, refine
from dsample_cli.data.groups import column_groups, duplicate_groups, merge_groups
from dsample_cli.errors import ConfigError

__all__ = [
    "Split",
    "check_shares",
    "column_groups",
    "duplicate_groups",
    "merge_groups",
    "stratified_split",
]

TRAIN, VALIDATION, TEST = 0, 1, 2
HELD_OUT = (VALIDATION, TEST)
# Keeps these draws apart from others that use the same seed.
SPLIT_STREAM = 0x5B117


@dataclass(frozen=True)
class Split:
    """Which part each row is in.

    Attributes:
        parts: 0 train, 1 validation, 2 test; int8, shape [n].
        only_in_train: Label ids of classes that have rows, all of them in train.
    """

    parts: NDArray[np.int8]
    only_in_train: tuple[int, ...]


@dataclass
class _Quotas:
    """How many rows of each class each part should get, and has.

    Plain lists, indexed by part and label id: groups are placed one by one, and for single numbers
    lists are several times faster than arrays.
    """

    wanted: list[list[int]]
    taken: list[list[int]]
    most_held_out: list[int]  # by label id
    parts: tuple[int, ...]  # train and those that are asked for

    def held_out(self, label: int) -> int:
        """Rows of a class that are in a held-out part."""
        return self.taken[VALIDATION][label] + self.taken[TEST][label]

    def room(self, part: int, label: int) -> int:
        """Rows of a class that a held-out part may still take."""
        missing = self.wanted[part][label] - self.taken[part][label]
        return min(missing, self.most_held_out[label] - self.held_out(label))

    def room_at_most_half(self, label: int) -> int:
        """Rows of a class that may still be held out while half of it stays in train."""
        half = sum(wanted[label] for wanted in self.wanted) // 2
        return min(half, self.most_held_out[label]) - self.held_out(label)


def stratified_split(
    codes: NDArray[np.integer],
    n_classes: int,
    validation_share: float,
    test_share: float = 0.0,
    seed: int = 0,
    groups: NDArray[np.integer] | None = None,
) -> Split:
    """Split the rows so that each part has each class in its natural share.

    A class with n rows gives round(share * n) rows to a held-out part, and at least 2 where it has
    2 for each part (n >= 4 with one held-out part, n >= 6 with two), else 1 when n >= 4. Every
    class keeps a row in train, and two when it has three. Groups come first: a group is never
    divided, so a class may then give fewer rows, or none. A class whose groups are all larger than
    its quota gives the smallest one, if that is at most half of it; a group larger than that stays
    in train.

    Groups with rows of several classes are placed one by one, the biggest first, where they fit the
    open quotas best; groups of one class then fill the quotas in random order. At last groups are
    moved where that serves a class that misses its least number of rows in a part, or comes nearer
    to the quotas.

    Args:
        codes: Label id per row, all >= 0, shape [n].
        n_classes: Number of label ids.
        validation_share: Share of each class, in [0, 1).
        test_share: Share of each class; both together below 1.
        seed: Equal seeds give equal splits.
        groups: Group id per row, shape [n]; by default each row is a group.

    Raises:
        ConfigError: If a share is negative or the shares leave nothing for train.

    Examples:
        >>> split = stratified_split(np.repeat([0, 1], [90, 10]), 2, validation_share=0.2)
        >>> np.bincount(np.repeat([0, 1], [90, 10])[split.parts == 1])
        array([18,  2])
    """
    check_shares(validation_share, test_share)
    codes = np.asarray(codes)
    rng = np.random.default_rng([seed, SPLIT_STREAM])
    counts = np.bincount(codes, minlength=n_classes)
    quotas = _quotas(counts, validation_share, test_share)
    if groups is None:
        parts = np.zeros(len(codes), np.int8)
        one_each = np.broadcast_to(np.int64(1), len(codes))
        _fill_from_single_class(parts, codes.astype(np.int64), one_each, quotas, rng)
    else:
        parts = _split_groups(codes, np.asarray(groups), quotas, rng)
    held_out = np.bincount(codes[parts > 0], minlength=n_classes)
    stuck = (counts > 0) & (held_out == 0) & (validation_share + test_share > 0)
    return Split(parts, tuple(np.flatnonzero(stuck).tolist()))


def check_shares(validation_share: float, test_share: float) -> None:
    """Check that the shares of the held-out parts leave something for train.

    Raises:
        ConfigError: If they do not, or one is negative.
    """
    for name, share in (("validation", validation_share), ("test", test_share)):
        if not 0 <= share < 1:
            raise ConfigError(
                f"The {name} share is {share}; it must be at least 0 and below 1.",
                "Give a share such as 0.1.",
            )
    if validation_share + test_share >= 1:
        raise ConfigError(
            f"Validation share {validation_share} and test share {test_share} leave no training "
            "rows.",
            "Let them sum to less than 1, such as 0.1 and 0.1.",
        )


def _quotas(counts: NDArray[np.integer], validation_share: float, test_share: float) -> _Quotas:
    """Rows per part and class, of classes with `counts` rows."""
    keep = np.select([counts >= 3, counts >= 1], [2, 1], 0)
    most = counts - keep
    n_parts = 1 + (validation_share > 0) + (test_share > 0)
    least = np.select([counts >= 2 * n_parts, counts >= 4], [2, 1], 0)
    wanted = np.zeros((3, len(counts)), np.int64)
    for part, share in ((VALIDATION, validation_share), (TEST, test_share)):
        # The small term undoes floating point: 0.35 * 10 is to round up as 3.5 does.
        rounded = np.floor(share * counts + 0.5 + 1e-9).astype(np.int64)
        wanted[part] = np.maximum(rounded, least) if share > 0 else 0
    excess = np.maximum(wanted[1:].sum(axis=0) - most, 0)
    # The larger part gives way down to the other, then both by turns, test first.
    from_larger = np.minimum(excess, np.abs(wanted[VALIDATION] - wanted[TEST]))
    larger = np.where(wanted[VALIDATION] > wanted[TEST], VALIDATION, TEST)
    wanted[larger, np.arange(len(counts))] -= from_larger
    wanted[TEST] -= (excess - from_larger + 1) // 2
    wanted[VALIDATION] -= (excess - from_larger) // 2
    wanted[TRAIN] = counts - wanted[1:].sum(axis=0)
    shares = {TRAIN: 1.0, VALIDATION: validation_share, TEST: test_share}
    parts = tuple(part for part, share in shares.items() if share > 0)
    return _Quotas(wanted.tolist(), np.zeros_like(wanted).tolist(), most.tolist(), parts)


def _split_groups(
    codes: NDArray[np.integer],
    groups: NDArray[np.integer],
    quotas: _Quotas,
    rng: np.random.Generator,
) -> NDArray[np.int8]:
    """Part of each row, every group whole."""
    n_classes = len(quotas.most_held_out)
    runs = group_runs(codes, groups, n_classes)
    part_of_group = np.zeros(len(runs.sizes), np.int8)
    mixed = rng.permutation(np.flatnonzero(runs.n_runs > 1))
    for group in mixed[np.argsort(-runs.sizes[mixed], kind="stable")].tolist():
        mine = slice(runs.first_runs[group], runs.first_runs[group + 1])
        part_of_group[group] = _place_mixed_group(
            runs.labels[mine].tolist(), runs.rows[mine].tolist(), quotas
        )

    single = np.flatnonzero(runs.n_runs == 1)
    single_parts = np.zeros(len(single), np.int8)
    _fill_from_single_class(
        single_parts, runs.labels[runs.first_runs[single]], runs.sizes[single], quotas, rng
    )
    part_of_group[single] = single_parts
    _mend(part_of_group, runs, quotas)
    return part_of_group[runs.ids]


def _mend(part_of_group: NDArray[np.int8], runs: GroupRuns, quotas: _Quotas) -> None:
    """Move groups to where they are missing; in place.

    Only whole groups can be moved: train may then keep less of a class than it should, but half
    of it, and never less than it must.
    """
    if len(quotas.parts) < 2 or len(runs.sizes) == 0:
        return
    wanted = np.array(quotas.wanted)
    counts = wanted.sum(axis=0)
    minimum, must_keep = np.minimum(wanted, 2), np.zeros_like(wanted)
    minimum[TRAIN] = np.minimum(wanted[TRAIN], counts - counts // 2)
    must_keep[TRAIN] = counts - np.array(quotas.most_held_out)
    refine(part_of_group, runs, wanted.astype(float), minimum, must_keep)
    even_shares(part_of_group, runs, wanted.astype(float), np.maximum(minimum, must_keep))


def _place_mixed_group(labels: list[int], sizes: list[int], quotas: _Quotas) -> int:
    """Choose the part that comes nearest to its quotas with this group, and count it there.

    The gain of a part is the fall of its chi-square distance from the quotas, summed over the
    classes of the group: ((w - t)^2 - (w - t - n)^2) / w for n rows, t taken of w wanted.

    Args:
        labels: The label ids in the group.
        sizes: The rows of each of them.
        quotas: What is still to be filled; counted up.
    """
    fits = all(
        quotas.held_out(label) + size <= quotas.most_held_out[label]
        for label, size in zip(labels, sizes, strict=True)
    )
    gains = {}
    for part in quotas.parts if fits else (TRAIN,):
        wanted, taken = quotas.wanted[part], quotas.taken[part]
        gains[part] = sum(
            size * (2 * (wanted[label] - taken[label]) - size) / max(wanted[label], 0.5)
            for label, size in zip(labels, sizes, strict=True)
        )
    part = max(gains, key=gains.__getitem__)
    for label, size in zip(labels, sizes, strict=True):
        quotas.taken[part][label] += size
    return part


def _fill_from_single_class(
    parts: NDArray[np.int8],
    codes: NDArray[np.int64],
    sizes: NDArray[np.int64],
    quotas: _Quotas,
    rng: np.random.Generator,
) -> None:
    """Move groups of one class each from train into the held-out parts, in place.

    Args:
        parts: Part per group, all train.
        codes: Label id per group.
        sizes: Rows per group.
        quotas: What is still to be filled; counted up.
        rng: Draws the order.
    """
    n_classes = len(quotas.most_held_out)
    shuffled = rng.permutation(len(codes))
    small = np.int16 if n_classes <= np.iinfo(np.int16).max else np.int64  # int16 sorts by radix
    shuffled = shuffled[np.argsort(codes[shuffled].astype(small), kind="stable")]
    ends = np.cumsum(np.bincount(codes, minlength=n_classes))
    for label, (start, end) in enumerate(zip(np.r_[0, ends[:-1]], ends, strict=True)):
        free = shuffled[start:end]
        for part in HELD_OUT:
            room = quotas.room(part, label)
            if room <= 0 or len(free) == 0:
                continue
            chosen = _fitting(sizes[free], room)
            if not chosen.any() and quotas.taken[part][label] == 0:
                chosen = _smallest(sizes[free], quotas.room_at_most_half(label))
            parts[free[chosen]] = part
            quotas.taken[part][label] += int(sizes[free[chosen]].sum())
            free = free[~chosen]


def _fitting(sizes: NDArray[np.int64], room: int) -> NDArray[np.bool_]:
    """Mark groups, in their order, that together have at most `room` rows.

    Examples:
        >>> _fitting(np.array([2, 4, 1, 3]), room=6)
        array([ True,  True, False, False])
        >>> _fitting(np.array([2, 4, 1, 3]), room=5)
        array([ True, False,  True, False])
    """
    chosen = np.zeros(len(sizes), bool)
    candidates = np.flatnonzero(sizes <= room)
    while len(candidates):
        total = np.cumsum(sizes[candidates])
        n_fit = int(np.searchsorted(total, room, side="right"))
        chosen[candidates[:n_fit]] = True
        room -= int(total[n_fit - 1])
        candidates = candidates[n_fit:]
        candidates = candidates[sizes[candidates] <= room]
    return chosen


def _smallest(sizes: NDArray[np.int64], most: int) -> NDArray[np.bool_]:
    """Mark the smallest group, if it has at most `most` rows."""
    chosen = np.zeros(len(sizes), bool)
    smallest = int(np.argmin(sizes))
    chosen[smallest] = sizes[smallest] <= most
    return chosen
