"""The sampler that the Trainer's data loader reads: one planned epoch at a time."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Counts, Floats
from dsample_cli.core.epochs import EpochDraw, EpochDrawer
from dsample_cli.core.sampling import bucket_by_length
from dsample_cli.core.schedules import EpochPlan
from dsample_cli.core.scores import Score

_CHUNK = 65536


class EpochSampler(torch.utils.data.Sampler[int]):
    """Yields the rows of the epoch that was planned last.

    The recorder plans each epoch before the loader iterates, so that what is recorded is what is
    drawn. An epoch's rows depend on seed, epoch, plan and example weights alone: a resumed run
    draws them again, and so does every process of a run, each of which reads its slices of the one
    stream.

    Args:
        codes: Label id of each training row, shape [N].
        score: What is drawn by.
        lengths: Tokens of each row, for bucketing, shape [N].
        batch_size: Rows of one forward pass of all processes together.
        seed: Of all draws.
        order: What natural epochs read: "shuffled" or "file". File order is not bucketed.
        in_pairs: Whether rows of a class are to stand together in a batch.
        grad_accum: Batches of an optimizer step. Their rows are chosen as those of one batch would
            be, so that several small batches make the step of a large one.
    """

    def __init__(
        self,
        codes: NDArray[np.integer],
        score: Score,
        lengths: NDArray[np.integer],
        batch_size: int,
        seed: int,
        order: str = "shuffled",
        in_pairs: bool = False,
        grad_accum: int = 1,
    ) -> None:
        self._drawer = EpochDrawer(codes, score, seed, order)
        self._lengths = lengths
        self._batch_size = batch_size
        self._step_size = batch_size * grad_accum
        self._order = order
        self._paired_codes = codes if in_pairs else None
        self._rows = np.empty(0, dtype=np.int32)
        self._size = len(codes)

    @property
    def counts(self) -> Counts:
        """Examples per class, shape [C]."""
        return self._drawer.counts

    def plan(self, epoch: int, plan: EpochPlan, example_weights: Floats | None = None) -> EpochDraw:
        """Draw the rows of an epoch and sort them into batches."""
        draw = self._drawer.draw(epoch, plan, example_weights)
        self._rows = draw.rows
        if self._order != "file":
            self._rows = bucket_by_length(
                draw.rows, self._lengths, self._step_size, draw.rng, codes=self._paired_codes
            )
        self._size = len(self._rows)
        return draw

    @property
    def rows(self) -> NDArray[np.integer]:
        """Rows of the planned epoch in the order of training."""
        return self._rows

    @property
    def steps(self) -> int:
        """Optimizer steps of the planned epoch."""
        return -(-self._size // self._step_size)

    @property
    def batches(self) -> int:
        """Batches of the planned epoch that each process takes; the last step may have fewer."""
        return -(-self._size // self._batch_size)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[int]:
        for start in range(0, len(self._rows), _CHUNK):
            yield from self._rows[start : start + _CHUNK].tolist()
