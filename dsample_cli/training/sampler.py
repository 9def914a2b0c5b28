"""The sampler that the Trainer's data loader reads: one planned epoch at a time."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Counts, Floats
from dsample_cli.core.sampling import (
    Rows,
    bucket_by_length,
    count_classes,
    draw_epoch,
    epoch_rng,
    index_classes,
)

_CHUNK = 65536


class EpochSampler(torch.utils.data.Sampler[int]):
    """Yields the rows of the epoch that was planned last.

    The recorder plans each epoch before the loader iterates, so that what is recorded is what is
    drawn. An epoch's rows depend on (seed, epoch, mix) alone: a resumed run draws them again.

    Args:
        codes: Label id of each training row, shape [N].
        weights: Per-example weight of each class, shape [C].
        lengths: Tokens of each row, for bucketing, shape [N].
        batch_size: Rows a batch; the loader must cut the stream into batches of this size.
        seed: Of all draws.
        order: What natural epochs read: "shuffled" or "file". File order is not bucketed.
    """

    def __init__(
        self,
        codes: NDArray[np.integer],
        weights: Floats,
        lengths: NDArray[np.integer],
        batch_size: int,
        seed: int,
        order: str = "shuffled",
    ) -> None:
        self._codes = codes
        self._index = index_classes(codes, len(weights))
        self._weights = weights
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._order = order
        self._rows: Rows = self._index.rows[:0]

    def plan(self, epoch: int, mix: float) -> Counts:
        """Draw the rows of an epoch.

        Returns:
            How many examples of each class it holds, shape [C].
        """
        rng = epoch_rng(self._seed, epoch)
        rows = draw_epoch(self._index, self._weights, mix, rng, self._order)
        if self._order != "file":
            rows = bucket_by_length(rows, self._lengths, self._batch_size, rng)
        self._rows = rows
        return count_classes(self._codes[rows], len(self._weights))

    def __len__(self) -> int:
        return len(self._codes)

    def __iter__(self) -> Iterator[int]:
        for start in range(0, len(self._rows), _CHUNK):
            yield from self._rows[start : start + _CHUNK].tolist()
