"""Ways to draw rows: by class, by row, resampled, mixed; and to sort them into batches."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Counts, Floats, scored_share

Rows = NDArray[np.signedinteger]

ORDERS = ("shuffled", "file")

_CHUNK = 1 << 20


def count_classes(codes: NDArray[np.integer], n_classes: int) -> Counts:
    """Examples per class, shape [C]."""
    return np.bincount(codes, minlength=n_classes)


@dataclass(frozen=True)
class ClassIndex:
    """Rows grouped by class, so that a draw within a class is one random integer.

    Attributes:
        rows: All rows, those of class 0 first, in file order within a class, shape [N].
        starts: Where each class begins in `rows`, shape [C + 1].
    """

    rows: Rows
    starts: NDArray[np.int64]

    @property
    def counts(self) -> Counts:
        return np.diff(self.starts)


def index_classes(codes: NDArray[np.integer], n_classes: int) -> ClassIndex:
    """Group the rows 0..N-1 by their class.

    Args:
        codes: Label id of each row, shape [N].
        n_classes: C.
    """
    counts = count_classes(codes, n_classes)
    starts = np.concatenate([[0], np.cumsum(counts)])
    rows = np.empty(len(codes), dtype=_row_type(len(codes)))
    # A counting sort in pieces: sorting all at once would take eight bytes a row on the way.
    ends = starts[:-1].copy()
    for first in range(0, len(codes), _CHUNK):
        piece = codes[first : first + _CHUNK]
        order = np.argsort(piece, kind="stable")
        of_piece = count_classes(piece, n_classes)
        shift = np.repeat(ends - np.cumsum(of_piece) + of_piece, of_piece)
        rows[shift + np.arange(len(piece))] = order + first
        ends += of_piece
    return ClassIndex(rows, starts)


class Tally:
    """What became of each class in an epoch.

    Attributes:
        drawn: Draws of each class, shape [C].
        distinct: Examples of each class that were drawn at least once, shape [C].
        most_repeated: How often the most repeated example of each class was drawn, shape [C].
    """

    def __init__(self, n_classes: int) -> None:
        self.drawn = np.zeros(n_classes, dtype=np.int64)
        self.distinct = np.zeros(n_classes, dtype=np.int64)
        self.most_repeated = np.zeros(n_classes, dtype=np.int64)

    def add(self, label: int, times: NDArray[np.integer]) -> None:
        """Count a class whose examples were drawn so many times each."""
        self.drawn[label] = times.sum()
        self.distinct[label] = np.count_nonzero(times)
        self.most_repeated[label] = times.max(initial=0)


def tally_rows(index: ClassIndex, rows: Rows) -> Tally:
    """Count the rows of an epoch by class."""
    times = np.zeros(len(index.rows), dtype=np.int32)
    one = np.int32(1)  # of the array's own type, or add.at takes its slow path
    np.add.at(times, rows, one)
    tally = Tally(len(index.counts))
    for label, (first, last) in enumerate(pairwise(index.starts.tolist())):
        tally.add(label, times[index.rows[first:last]])
    return tally


def draw_by_class(
    index: ClassIndex, weights: Floats, size: int, rng: Generator, tally: Tally | None = None
) -> Rows:
    """Draw `size` rows with replacement, each with a probability proportional to its class weight.

    First how often each class comes (multinomial over the scored shares), then uniform draws within
    the class: exactly what N independent weighted draws give, in O(size + C).

    Args:
        index: Rows by class.
        weights: Per-example weight of each class, shape [C].
        size: Draws.
        rng: Source of randomness.
        tally: Filled on the way, when given, for a fraction of what `tally_rows` costs.

    Returns:
        Rows grouped by class, shape [size].
    """
    sizes = rng.multinomial(size, scored_share(index.counts, weights))
    return draw_sizes(index, sizes, rng, tally)


def draw_sizes(
    index: ClassIndex, sizes: Counts, rng: Generator, tally: Tally | None = None
) -> Rows:
    """Draw a given number of rows of each class uniformly with replacement.

    Returns:
        Rows grouped by class, shape [sizes.sum()].
    """
    drawn = np.empty(sizes.sum(), dtype=index.rows.dtype)
    end = 0
    for label, k in enumerate(sizes.tolist()):
        if k:
            begin, end = end, end + k
            first, last = index.starts[label], index.starts[label + 1]
            within = rng.integers(0, last - first, size=k, dtype=index.rows.dtype)
            np.take(index.rows[first:last], within, out=drawn[begin:end])
            if tally is not None:
                tally.add(label, np.bincount(within))
    return drawn


def draw_by_row(weights: Floats, size: int, rng: Generator) -> Rows:
    """Draw `size` rows with replacement, each with a probability proportional to its own weight.

    Inverse-CDF with uniforms that come sorted (partial sums of exponentials), so that the search
    walks through memory once: O(size + N), whatever the number of rows.

    Args:
        weights: Of each row, shape [N], >= 0, not all 0.
        size: Draws.
        rng: Source of randomness.

    Returns:
        Rows in rising order, shape [size].
    """
    cdf = np.cumsum(weights, dtype=np.float64)
    uniforms = rng.standard_exponential(size + 1)
    np.cumsum(uniforms, out=uniforms)
    uniforms *= cdf[-1] / uniforms[-1]
    # Rounding may lift the largest uniform to the total, beyond the last row that has a weight.
    last = np.searchsorted(cdf, cdf[-1], side="left")
    rows = np.empty(size, dtype=_row_type(len(cdf)))
    for start in range(0, size, _CHUNK):
        stop = min(size, start + _CHUNK)
        found = np.searchsorted(cdf, uniforms[start:stop], side="right")
        np.minimum(found, last, out=rows[start:stop], casting="same_kind")
    return rows


def draw_resampled(index: ClassIndex, sizes: Counts, rng: Generator) -> Rows:
    """Draw a given number of rows of each class, repeating none before all have come.

    Up to its count a class gives a random subset; beyond it, each row once and further draws with
    replacement.

    Returns:
        Rows grouped by class, then further draws grouped by class, shape [sizes.sum()].
    """
    parts = []
    for label, k in enumerate(np.minimum(sizes, index.counts).tolist()):
        of_class = index.rows[index.starts[label] : index.starts[label + 1]]
        is_whole = k == len(of_class)
        parts.append(of_class if is_whole else rng.choice(of_class, k, replace=False))
    return np.concatenate([*parts, draw_sizes(index, np.maximum(sizes - index.counts, 0), rng)])


def mix_rows(size: int, mix: float, draw: Callable[[int], Rows], rng: Generator) -> Rows:
    """Rows of an epoch of `size` draws from `size` rows.

    round((1 - mix) size) rows come from a permutation of the data, without replacement; the rest
    are drawn with replacement; all are shuffled together.

    Args:
        size: Rows of the data, and draws.
        mix: 0 to 1.
        draw: Draws so many rows by the score.
        rng: Source of randomness.

    Returns:
        Rows in the order of training, shape [size].
    """
    n_natural = round((1 - mix) * size)
    rows: Rows = np.empty(0, _row_type(size))
    if n_natural:
        rows = np.arange(size, dtype=_row_type(size))
        rng.shuffle(rows)
    if n_natural < size:
        drawn = draw(size - n_natural)
        rows = np.concatenate([rows[:n_natural], drawn]) if n_natural else drawn
        rng.shuffle(rows)
    return rows


def epoch_rng(seed: int, epoch: int) -> Generator:
    """Generator of an epoch's draws: the same for the same (seed, epoch), whatever came before."""
    return np.random.default_rng([seed, epoch])


def bucket_by_length(
    rows: Rows,
    lengths: NDArray[np.integer],
    batch_size: int,
    rng: Generator,
    pool_batches: int = 50,
    codes: NDArray[np.integer] | None = None,
) -> Rows:
    """Reorder an epoch so that each batch holds texts of like length, which saves padding.

    The epoch is cut into pools of `pool_batches` batches; a pool is sorted by length (equal lengths
    keep their random order) and cut into batches; then all batches are shuffled. The rows and how
    often each occurs stay the same. Only the last batch may be short.

    Args:
        rows: Rows of the epoch, in random order, shape [N].
        lengths: Tokens of each row of the data.
        batch_size: Rows a batch, of all processes together.
        rng: Shuffles the batches.
        pool_batches: Batches that are sorted together; more saves more padding and mixes less.
        codes: Label id of each row of the data. With them rows of a class come in pairs, so that
            most rows of a batch have another of their class beside them; an odd one of its class
            in the pool is paired with one of another class.
    """
    pool = batch_size * pool_batches
    ordered = np.empty_like(rows)
    for start in range(0, len(rows), pool):
        part = rows[start : start + pool]
        order = (
            np.argsort(lengths[part], kind="stable")
            if codes is None
            else _order_in_pairs(lengths[part], codes[part])
        )
        np.take(part, order, out=ordered[start : start + pool])
    n_full = len(rows) // batch_size
    batches = ordered[: n_full * batch_size].reshape(n_full, batch_size)
    return np.concatenate([rng.permutation(batches).ravel(), ordered[n_full * batch_size :]])


def _order_in_pairs(
    lengths: NDArray[np.integer], codes: NDArray[np.integer]
) -> NDArray[np.integer]:
    """Order by length in which two of a class, as like in length as can be, stand together.

    Examples:
        >>> _order_in_pairs(np.array([5, 9, 4, 8, 1]), np.array([0, 1, 0, 1, 2])).tolist()
        [2, 0, 3, 1, 4]
    """
    by_class = np.lexsort((lengths, codes))
    sorted_codes = codes[by_class]
    starts = np.flatnonzero(np.diff(sorted_codes, prepend=-1))
    sizes = np.diff(starts, append=len(codes))
    # The longest of an odd number is left over; two of those make a pair of two classes.
    is_odd = np.zeros(len(codes), dtype=bool)
    is_odd[(starts + sizes - 1)[sizes % 2 == 1]] = True
    odd = by_class[is_odd]
    odd = odd[np.argsort(lengths[odd], kind="stable")]
    in_pairs = np.concatenate([by_class[~is_odd], odd])
    pairs = in_pairs[: len(in_pairs) // 2 * 2].reshape(-1, 2)
    pairs = pairs[np.argsort(lengths[pairs].max(axis=1), kind="stable")]
    return np.concatenate([pairs.ravel(), in_pairs[2 * len(pairs) :]])


def _row_type(size: int) -> type[np.int32] | type[np.int64]:
    return np.int32 if size <= np.iinfo(np.int32).max else np.int64
