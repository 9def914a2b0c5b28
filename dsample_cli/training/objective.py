"""The objective: a loss of each example, reduced to what the Trainer minimises."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from dsample_cli.core.names import look_up
from dsample_cli.core.signatures import input_names, option_names
from dsample_cli.training.contrastive import SECOND_VIEW, ContrastiveTerm
from dsample_cli.training.losses import LOSSES


@dataclass(frozen=True)
class NotFinite:
    """A forward pass whose loss is no finite number.

    Attributes:
        number: Of the pass since the epoch was begun or continued, from 0.
        loss: What the loss is: nan, inf or -inf.
        rows: Training rows that it comes from; all of the batch where no single ones are to blame.
        batch_size: Rows of the batch.
    """

    number: int
    loss: float
    rows: list[int]
    batch_size: int


class Objective:
    """The Trainer's `compute_loss_func`: a loss, reduced to the mean over the whole update.

    Dividing by the examples of the update, not of the forward pass, makes gradient accumulation and
    several processes give the gradient of one big batch, but for what a loss takes from the batch
    as a whole (soft-f1, contrastive terms) or draws at random (equalization). The sum over the
    epoch is kept on the device, so that no step waits for it.

    The batch's "labels" are row numbers, from which the objective looks the label ids up: so it
    knows which example each loss belongs to, which the Trainer has no other place for.

    Args:
        loss: Name of the loss.
        codes: Label id of each training row, shape [N], on the model's device.
        counts: Training examples per class, shape [C], float, on the same device.
        options: Of all losses; each takes its own.
        observe: Called with rows, logits and label ids of each forward pass.
        contrast: What is added to the loss of each example.

    Raises:
        ConfigError: If the loss is unknown or one of its options impossible.
    """

    def __init__(
        self,
        loss: str,
        codes: Tensor,
        counts: Tensor,
        options: Mapping[str, Any] | None = None,
        observe: Callable[[Tensor, Tensor, Tensor], None] = lambda rows, logits, labels: None,
        contrast: ContrastiveTerm | None = None,
    ) -> None:
        function = look_up(LOSSES, loss, "loss")
        own = {k: v for k, v in (options or {}).items() if k in option_names(function)}
        self._loss = partial(function, **own)
        self._input_names = input_names(function)
        self._codes = codes
        self._counts = counts
        self._share = counts / counts.sum()
        self._weights = torch.ones_like(counts)
        self._observe = observe
        self._contrast = contrast
        self.total: Tensor | float = 0.0
        self.examples = 0
        self._passes = 0
        # Rows, losses and their sum of the passes that nobody has looked at yet, on the device.
        self._unseen: list[tuple[Tensor, Tensor, Tensor]] = []
        # Impossible options must not come to light only in the first step.
        self._losses(torch.zeros(1, len(counts), device=counts.device), codes[:1])

    def __call__(
        self, outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        # Second views come behind the examples; only a contrastive term has any.
        rows = labels if self._contrast is None else labels[labels != SECOND_VIEW]
        labels, logits = self._codes[rows], outputs.logits[: len(rows)]
        self._observe(rows, logits, labels)
        losses = self._losses(logits, labels)
        total = losses.sum()
        if self._contrast is not None:
            total = total + self._contrast(outputs.logits, labels).sum()
        self.total = self.total + total.detach()
        self.examples += len(labels)
        self._unseen.append((rows, losses.detach(), total.detach()))
        return total / (len(labels) if num_items_in_batch is None else num_items_in_batch)

    def restart(
        self,
        total: float = 0.0,
        examples: int = 0,
        share: NDArray[Any] | None = None,
        weights: NDArray[Any] | None = None,
    ) -> None:
        """Begin an epoch, or continue one whose first part is known.

        Args:
            total: Sum of the losses so far.
            examples: How many there were.
            share: Class share that the epoch is expected to draw, shape [C]; the last one stays
                without it, and the data's before any was given.
            weights: What the loss of each class is multiplied by, shape [C]; the last ones stay
                without them, and ones before any were given.
        """
        self.total, self.examples = total, examples
        self._passes, self._unseen = 0, []
        if share is not None:
            self._share = self._by_class(share)
        if weights is not None:
            self._weights = self._by_class(weights)

    @property
    def sum(self) -> float:
        """Sum of the losses since the epoch began; waits for the device."""
        return float(self.total)

    def find_not_finite(self) -> NotFinite | None:
        """The first pass since it was asked last whose loss is not finite; waits for the device."""
        unseen, self._unseen = self._unseen, []
        before, self._passes = self._passes, self._passes + len(unseen)
        if not unseen:
            return None
        totals = torch.stack([total for _, _, total in unseen]).tolist()
        for place, total in enumerate(totals):
            if not math.isfinite(total):
                rows, losses, _ = unseen[place]
                is_bad = ~losses.isfinite()
                blamed = rows[is_bad] if is_bad.any() else rows
                return NotFinite(before + place, total, blamed.tolist(), len(rows))
        return None

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        known = {"logits": logits, "labels": labels, "share": self._share, "counts": self._counts}
        losses = self._loss(*(known[name] for name in self._input_names))
        return self._weights[labels].to(losses.dtype) * losses

    def _by_class(self, values: NDArray[Any]) -> Tensor:
        """Numbers of the classes as the counts are, on the device."""
        return torch.as_tensor(values, dtype=self._counts.dtype).to(self._counts.device)
