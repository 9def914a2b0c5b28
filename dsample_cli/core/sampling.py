"""Draw the rows of an epoch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Counts, Floats, scored_share
from dsample_cli.errors import ConfigError

Rows = NDArray[np.signedinteger]

ORDERS = ("shuffled", "file")


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
    rows: Rows = np.argsort(codes, kind="stable").astype(_row_type(len(codes)), copy=False)
    return ClassIndex(rows, np.concatenate([[0], np.cumsum(count_classes(codes, n_classes))]))


def draw_scored(index: ClassIndex, weights: Floats, size: int, rng: np.random.Generator) -> Rows:
    """Draw `size` rows with replacement, each with a probability proportional to its class weight.

    First how often each class comes (multinomial over the scored shares), then uniform draws within
    the class: exactly what N independent weighted draws give, in O(size + C).

    Returns:
        Rows grouped by class, shape [size].
    """
    share = scored_share(index.counts, weights)
    drawn = np.empty(size, dtype=index.rows.dtype)
    end = 0
    for label, k in enumerate(rng.multinomial(size, share).tolist()):
        if k:
            begin, end = end, end + k
            first, last = index.starts[label], index.starts[label + 1]
            within = rng.integers(0, last - first, size=k, dtype=index.rows.dtype)
            np.take(index.rows[first:last], within, out=drawn[begin:end])
    return drawn


def draw_epoch(
    index: ClassIndex,
    weights: Floats,
    mix: float,
    rng: np.random.Generator,
    order: str = "shuffled",
) -> Rows:
    """Rows of one epoch of N draws.

    round((1 - mix) N) rows come from a permutation of the data, without replacement; the rest are
    drawn by the score with replacement; all are shuffled together. So mix 0 is each row once, mix 1
    the score alone, and the expected class share is `class_scores.expected_share`.

    Args:
        index: Rows by class, N in all.
        weights: Per-example weight of each class, shape [C].
        mix: 0 to 1.
        rng: Seeded by (seed, epoch), so that an epoch can be drawn again.
        order: What mix 0 reads: "shuffled", or "file" for the file's own order.

    Returns:
        Rows in the order of training, shape [N].

    Raises:
        ConfigError: If mix lies outside 0..1 or the order is unknown.
    """
    if not 0 <= mix <= 1:
        raise ConfigError(
            f"The mix of an epoch must lie between 0 and 1, not {mix:g}.",
            "Mend the schedule that plans it.",
        )
    if order not in ORDERS:
        raise ConfigError(f"Unknown --order '{order}'.", f"Choose one of: {', '.join(ORDERS)}.")
    size = len(index.rows)
    n_natural = round((1 - mix) * size)
    natural: Rows = np.arange(size, dtype=index.rows.dtype)
    if n_natural == size and order == "file":
        return natural
    if n_natural:
        rng.shuffle(natural)
    if n_natural == size:
        return natural
    epoch = np.concatenate(
        [natural[:n_natural], draw_scored(index, weights, size - n_natural, rng)]
    )
    rng.shuffle(epoch)
    return epoch


def epoch_rng(seed: int, epoch: int) -> np.random.Generator:
    """Generator of an epoch's draws: the same for the same (seed, epoch), whatever came before."""
    return np.random.default_rng([seed, epoch])


def bucket_by_length(
    rows: Rows,
    lengths: NDArray[np.integer],
    batch_size: int,
    rng: np.random.Generator,
    pool_batches: int = 50,
) -> Rows:
    """Reorder an epoch so that each batch holds texts of like length, which saves padding.

    The epoch is cut into pools of `pool_batches` batches; a pool is sorted by length (equal lengths
    keep their random order) and cut into batches; then all batches are shuffled. The rows and how
    often each occurs stay the same. Only the last batch may be short.

    Args:
        rows: Rows of the epoch, in random order, shape [N].
        lengths: Tokens of each row of the data.
        batch_size: Rows a batch.
        rng: Shuffles the batches.
        pool_batches: Batches that are sorted together; more saves more padding and mixes less.
    """
    pool = np.arange(len(rows)) // (batch_size * pool_batches)
    ordered = rows[np.lexsort((lengths[rows], pool))]
    n_full = len(rows) // batch_size
    batches = ordered[: n_full * batch_size].reshape(n_full, batch_size)
    return np.concatenate([rng.permutation(batches).ravel(), ordered[n_full * batch_size :]])


def _row_type(size: int) -> type[np.int32] | type[np.int64]:
    return np.int32 if size <= np.iinfo(np.int32).max else np.int64
