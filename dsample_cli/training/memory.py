"""What training sees of each example, step by step, kept for the example scores."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dsample_cli.core.class_scores import Floats
from dsample_cli.core.disk import writing
from dsample_cli.core.history import History
from dsample_cli.core.scores import Score
from dsample_cli.training import distributed

MEMORY_FILE = "memory.npz"


class ExampleMemory:
    """The history of the training forward passes, and the part of the present epoch.

    An epoch's observations stay on the device until it ends, so that no step waits for them; then
    those of all processes enter the history in the order of the steps, the same in each process.

    Args:
        codes: Label id of each training row, shape [N].
        score: Names what is kept; nothing is when no example score is used.
        window: Predictions that are remembered of an example.
    """

    def __init__(self, codes: NDArray[np.integer], score: Score, window: int) -> None:
        self._codes = codes
        self._score = score
        self._history = History(len(codes), len(score.class_weights), score.keeps, window)
        self._steps: list[tuple[Tensor, Tensor, Tensor]] = []
        self._before: dict[str, NDArray] = _no_observations()

    @property
    def is_used(self) -> bool:
        """Whether a score works on it."""
        return bool(self._score.example_names)

    def weights(self, epoch: int) -> Floats | None:
        """Weight of each row in an epoch, shape [N]; None where classes alone decide."""
        if not self._score.acts_on_examples(epoch):
            return None
        return self._score.example_weights(epoch, self._codes, self._history)

    def observe(self, rows: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Take a training step into account.

        Args:
            rows: Row numbers, shape [B].
            logits: Shape [B, C].
            labels: Label ids, shape [B].
        """
        if self.is_used:
            log_probs = torch.log_softmax(logits.detach().float(), dim=-1)
            of_label = log_probs.gather(1, labels[:, None])[:, 0]
            self._steps.append((rows, of_label, logits.detach().argmax(dim=-1)))

    def finish_epoch(self) -> None:
        """Move the epoch's observations into the history. All processes call it together."""
        if self.is_used:
            self._history.update(**self._observations())
            self._steps, self._before = [], _no_observations()

    def save(self, folder: Path) -> None:
        """Store history and present epoch beside a checkpoint. All processes call it together."""
        if not self.is_used:
            return
        observations = self._observations()
        if distributed.rank() == 0:
            with writing(folder / MEMORY_FILE):
                folder.mkdir(parents=True, exist_ok=True)
                np.savez(folder / MEMORY_FILE, **self._history.arrays, **observations)  # type: ignore[arg-type]

    def restore(self, folder: Path) -> None:
        """Take the place of a saved memory."""
        if not self.is_used:
            return
        with np.load(folder / MEMORY_FILE, allow_pickle=False) as stored:
            self._history.restore({name: stored[name] for name in self._history.arrays})
            if distributed.rank() == 0:
                self._before = {name: stored[name] for name in self._before}

    def _observations(self) -> dict[str, NDArray]:
        """Those of the present epoch, of all processes, in the order of the steps."""
        parts = [(np.full(len(self._before["rows"]), -1), self._before)]
        for step, tensors in enumerate(self._steps):
            arrays = dict(zip(self._before, (t.cpu().numpy() for t in tensors), strict=True))
            parts.append((np.full(len(tensors[0]), step), arrays))
        own = (
            np.concatenate([steps for steps, _ in parts]),
            {name: np.concatenate([a[name] for _, a in parts]) for name in self._before},
        )
        everyone = distributed.gather(own)
        order = np.argsort(np.concatenate([steps for steps, _ in everyone]), kind="stable")
        return {
            name: np.concatenate([arrays[name] for _, arrays in everyone])[order]
            for name in self._before
        }


def _no_observations() -> dict[str, NDArray]:
    return {
        "rows": np.empty(0, np.int32),
        "log_probs": np.empty(0, np.float32),
        "predicted": np.empty(0, np.int32),
    }
