"""Contrastive terms: losses on the pooled features, beside the one on the logits.

The features are what the model's last linear layer reads, normalised to length 1: f. A term wants
other examples of the anchor's class in the batch. `EpochSampler` puts rows of a class in pairs;
an anchor that is alone all the same gets a second view, which is its own text with other dropout.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from dsample_cli.core.names import look_up
from dsample_cli.core.signatures import input_names
from dsample_cli.errors import ConfigError
from dsample_cli.training.features import TrainingFeatures
from dsample_cli.training.heads import find_head
from dsample_cli.training.tokenization import Collator

ContrastiveLoss = Callable[..., Tensor]

# Label of a second view; the Trainer leaves it out when it counts a batch's examples.
SECOND_VIEW = -100


def supervised_contrastive_loss(
    features: Tensor, labels: Tensor, anchors: int, contrastive_temperature: float = 0.3
) -> Tensor:
    """Cross-entropy of finding an anchor's own class among the other examples of the batch.

    loss[i] = -mean_p log(exp(f[i] . f[p] / t) / sum_a exp(f[i] . f[a] / t)); p runs over the others
    of the class, a over all others

    When: Few examples a class: what they have in common is learned from pairs too.
    Cost: One more forward pass for each anchor that has no other of its class in the batch.
    Risk: Frequent classes fill the denominator, and with it most of the feature space. Several
        processes each compare the examples of their own batch.

    Args:
        features: Pooled features of the batch, shape [B, D], of any length; those behind the
            anchors are second views.
        labels: Label ids, shape [B].
        anchors: So many first rows are anchors.
        contrastive_temperature: t, above 0; a low one looks at the nearest examples.

    Returns:
        Losses of the anchors, shape [anchors], in fp32; 0 for one without another of its class.

    References:
        Khosla et al., Supervised Contrastive Learning, NeurIPS 2020; for fine-tuning: Gunel et al.,
        Supervised Contrastive Learning for Pre-trained Language Model Fine-tuning, ICLR 2021.

    Examples:
        >>> features = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8]])
        >>> supervised_contrastive_loss(features, torch.tensor([0, 0, 1, 1]), 4)
        tensor([0.4593, 1.1688, 0.4593, 1.1688])
    """
    units = _units(features)
    is_self = torch.eye(len(labels), dtype=torch.bool, device=labels.device)[:anchors]
    is_positive = (labels[:anchors, None] == labels) & ~is_self
    similarities = units[:anchors] @ units.T / contrastive_temperature
    log_probs = similarities - similarities.masked_fill(is_self, -torch.inf).logsumexp(
        dim=1, keepdim=True
    )
    positives = is_positive.sum(dim=1)
    return -log_probs.masked_fill(~is_positive, 0).sum(dim=1) / positives.clamp_min(1)


def balanced_contrastive_loss(
    features: Tensor,
    labels: Tensor,
    anchors: int,
    prototypes: Tensor,
    contrastive_temperature: float = 0.1,
) -> Tensor:
    """The supervised contrastive loss in which every class weighs the same, present or not.

    loss[i] = -mean_p log(exp(f[i] . f[p] / t) / sum_c mean_{a of c} exp(f[i] . f[a] / t)); each
    class has its prototype among p and a, which leave i itself out

    When: Many classes of unequal size; with `--loss balanced-softmax`.
    Cost: None to speak of: the prototype is another of the class for every anchor.
    Risk: Two kinds of loss to balance. Several processes each compare the examples of their own
        batch.

    Args:
        features: Pooled features of the batch, shape [B, D], of any length; those behind the
            anchors are second views.
        labels: Label ids, shape [B].
        anchors: So many first rows are anchors.
        prototypes: One of each class, shape [C, D], of any length: the weights of the last layer.
        contrastive_temperature: t, above 0; a low one looks at the nearest examples.

    Returns:
        Losses of the anchors, shape [anchors], in fp32.

    References:
        Zhu et al., Balanced Contrastive Learning for Long-Tailed Visual Recognition, CVPR 2022;
        there a small network makes the prototypes of the weights.

    Examples:
        >>> features = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [0.0, 1.0]])
        >>> balanced_contrastive_loss(features, torch.tensor([0, 0, 0, 1]), 4, torch.eye(2), 0.5)
        tensor([0.2279, 0.4789, 0.8050, 0.2983])
    """
    n_classes = len(prototypes)
    units = torch.cat([_units(features), _units(prototypes)])
    classes = torch.cat([labels, torch.arange(n_classes, device=labels.device)])
    is_self = torch.eye(len(classes), dtype=torch.bool, device=labels.device)[:anchors]
    is_same = labels[:anchors, None] == classes
    similarities = units[:anchors] @ units.T / contrastive_temperature
    # The anchor is no member of its own class here.
    members = torch.bincount(classes, minlength=n_classes)[classes] - is_same.to(torch.int64)
    log_terms = similarities - members.to(similarities.dtype).log()
    log_sum = log_terms.masked_fill(is_self, -torch.inf).logsumexp(dim=1, keepdim=True)
    is_positive = is_same & ~is_self
    log_probs = (similarities - log_sum).masked_fill(~is_positive, 0)
    return -log_probs.sum(dim=1) / is_positive.sum(dim=1)


CONTRASTIVE_LOSSES: dict[str, ContrastiveLoss] = {
    "supervised": supervised_contrastive_loss,
    "balanced": balanced_contrastive_loss,
}


class ContrastiveTerm:
    """Adds a contrastive loss of the pooled features to what the examples of a batch cost.

    Args:
        model: Whose last linear layer reads the features; it is listened to from now on.
        form: Name of the loss.
        weight: The loss is multiplied by it, above 0.
        temperature: Of the loss; its own when None.

    Raises:
        ConfigError: If the model has no linear last layer, or the form is unknown.
    """

    def __init__(
        self, model: Any, form: str, weight: float, temperature: float | None = None
    ) -> None:
        self._loss = look_up(CONTRASTIVE_LOSSES, form, "contrastive form")
        head = find_head(model)
        if head is None:
            raise ConfigError(
                "This model has no linear last layer whose input --contrastive could compare.",
                "Leave --contrastive out, or take another --model.",
            )
        self._head = head
        self._features = TrainingFeatures(head)
        self._weight = weight
        self._options = {} if temperature is None else {"contrastive_temperature": temperature}

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Weighted losses of the examples of the batch that was forwarded last, shape [B].

        Args:
            logits: Of the batch with its second views, shape [B + views, C].
            labels: Label ids of the examples, without the views, shape [B].
        """
        anchors = len(labels)
        if len(logits) > anchors:
            labels = torch.cat([labels, labels[second_views(labels)]])
        known = {
            "features": self._features.take(logits),
            "labels": labels,
            "anchors": anchors,
            "prototypes": self._head.weight,
        }
        inputs = (known[name] for name in input_names(self._loss))
        with torch.autocast(labels.device.type, enabled=False):
            return self._weight * self._loss(*inputs, **self._options)


@dataclass(frozen=True)
class TwoViewCollator:
    """Appends to a batch a second view of every example that is alone in its class.

    Attributes:
        collator: Makes the batch of rows.
        codes: Label id of each row, shape [N].
    """

    collator: Collator
    codes: NDArray[np.integer]

    def __call__(self, rows: Sequence[int] | NDArray[np.integer]) -> dict[str, Tensor]:
        index = np.asarray(rows, dtype=np.int64)
        labels = torch.from_numpy(self.codes[index].astype(np.int64))
        views = index[second_views(labels).numpy()]
        batch = self.collator(np.concatenate([index, views]))
        batch["labels"][len(index) :] = SECOND_VIEW
        return batch


def second_views(labels: Tensor) -> Tensor:
    """Places of the examples in a batch that get a second view: all that are alone in their class.

    Others join them up to a multiple of 4, because a batch of yet another size is slow: kernels are
    chosen and made anew for each shape.

    Examples:
        >>> second_views(torch.tensor([2, 0, 2, 1, 2, 2])).tolist()
        [1, 3, 0, 2]
    """
    is_lone = (labels[:, None] == labels).sum(dim=1) == 1
    size = -(-int(is_lone.sum()) // 4) * 4
    return torch.argsort(is_lone.int(), descending=True, stable=True)[:size]


def _units(rows: Tensor) -> Tensor:
    """Rows of length 1, in fp32 unless they are fp64."""
    return normalize(rows if rows.dtype == torch.float64 else rows.float(), dim=-1)
