"""Training losses, and the objective that reduces them for the Trainer."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn.functional import cross_entropy as _cross_entropy

from dsample_cli.core.names import look_up

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each example: the usual loss.

    loss[i] = -log softmax(logits[i])[labels[i]]

    When: The default: the schedule alone decides what the model is trained for.
    Cost: None.
    Risk: The model learns the class shares that it was shown. Where a scored epoch has the last
        word, its probabilities are too high for rare classes.

    Args:
        logits: Shape [B, C].
        labels: Label ids, shape [B].

    Returns:
        Losses, shape [B], in fp32.

    References:
        Maximum likelihood; see Goodfellow et al., Deep Learning, MIT Press 2016, section 6.2.2.

    Examples:
        >>> import torch
        >>> cross_entropy(torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0]))
        tensor([0.4170])
    """
    return _cross_entropy(logits.float(), labels, reduction="none")


LOSSES: dict[str, Loss] = {"ce": cross_entropy}


class Objective:
    """The Trainer's `compute_loss_func`: a loss, reduced to the mean over the whole update.

    Dividing by the examples of the update, not of the forward pass, makes gradient accumulation and
    several processes give the gradient of one big batch. The sum over the epoch is kept on the
    device, so that no step waits for it.

    The batch's "labels" are row numbers, from which the objective looks the label ids up: so it
    knows which example each loss belongs to, which the Trainer has no other place for.

    Args:
        loss: Name of the loss.
        codes: Label id of each training row, shape [N], on the model's device.
        observe: Called with rows, logits and label ids of each forward pass.
    """

    def __init__(
        self,
        loss: str,
        codes: Tensor,
        observe: Callable[[Tensor, Tensor, Tensor], None] = lambda rows, logits, labels: None,
    ) -> None:
        self._loss = look_up(LOSSES, loss, "loss")
        self._codes = codes
        self._observe = observe
        self.total: Tensor | float = 0.0
        self.examples = 0

    def __call__(
        self, outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        rows, labels = labels, self._codes[labels]
        self._observe(rows, outputs.logits, labels)
        total = self._loss(outputs.logits, labels).sum()
        self.total = self.total + total.detach()
        self.examples += len(labels)
        return total / (len(labels) if num_items_in_batch is None else num_items_in_batch)

    def restart(self, total: float = 0.0, examples: int = 0) -> None:
        """Begin an epoch, or continue one whose first part is known."""
        self.total, self.examples = total, examples

    @property
    def sum(self) -> float:
        """Sum of the losses since the epoch began; waits for the device."""
        return float(self.total)
