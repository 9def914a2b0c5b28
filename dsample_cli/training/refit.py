"""Refit the head of a trained classifier on the features of its frozen encoder.

A refit takes a `RefitTask` and options, which have defaults, and returns a `Refitted`. The notation
of the formulas: h features, z = W h + b the logits of the head that training left, n[c] training
examples of class c and pi[c] their share.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dsample_cli.core.class_scores import Counts, Floats
from dsample_cli.core.corrections import Value
from dsample_cli.core.corrections import tau_norm as tau_norm_correction
from dsample_cli.core.heads import (
    GatedAlignment,
    Head,
    LinearHead,
    nearest_mean,
    rarity_weights,
    sharpened,
)
from dsample_cli.core.sampling import count_classes, draw_by_row, epoch_rng
from dsample_cli.core.selection import Selection, judge, should_stop
from dsample_cli.errors import ConfigError

_BATCH_ROWS = 256
# Draws of an epoch, whatever the data's size: enough for several steps, few enough to stop in time.
_DRAWS = 4096
_MOST_EPOCHS, _EPOCHS_UNSEEN, _PATIENCE = 100, 10, 20
_WEIGHT_DECAY = 0.1
_SOME_ROWS = 16_384


@dataclass(frozen=True)
class Examples:
    """Rows as a head sees them.

    Attributes:
        features: Shape [N, D].
        labels: Label ids, shape [N].
    """

    features: NDArray[np.float32]
    labels: NDArray[np.integer]

    def some(self) -> "Examples":
        """A part that is small enough to compute with at once, spread over all rows."""
        step = -(-len(self.labels) // _SOME_ROWS)
        return Examples(self.features[::step], self.labels[::step])


@dataclass(frozen=True)
class RefitTask:
    """What a head is refitted on.

    Attributes:
        train: Training rows, resampled or not; every class occurs.
        validation: Held-out rows; None when there are none.
        value: How good predictions of the validation rows are, higher is better.
        start: The head that training left.
        center: Mean feature of the training rows before resampling, shape [D]. The large classes
            dominate it, and that is well: centred on the mean of balanced rows, heads were worse by
            0.5 points of macro-F1 (clinc_lt, natural schedule, crt and ncm after smote).
        seed: Of the draws.
    """

    train: Examples
    validation: Examples | None
    value: Value
    start: LinearHead
    center: Floats
    seed: int = 0

    @property
    def n_classes(self) -> int:
        return len(self.start.weight)

    @property
    def counts(self) -> Counts:
        """Training examples per class, shape [C]."""
        return count_classes(self.train.labels, self.n_classes)

    def value_of(self, head: Head) -> float:
        """How good a head's predictions of the validation rows are."""
        assert self.validation is not None
        logits = head(self.validation.features, self._start_logits)
        return self.value(self.validation.labels, logits.argmax(axis=1))

    @cached_property
    def _start_logits(self) -> Floats:
        assert self.validation is not None
        return self.start(self.validation.features)


@dataclass(frozen=True)
class Refitted:
    """A refitted head.

    Attributes:
        head: The head.
        carried: Class prior that it carries, shape [C]; None for that of the run it started from.
        epochs: Epochs that it was trained for; 0 where nothing is trained.
        best_epoch: The one whose weights it has.
    """

    head: Head
    carried: Floats | None
    epochs: int = 0
    best_epoch: int | None = None


Refit = Callable[..., Refitted]


def classifier_retraining(task: RefitTask, epochs: int | None = None, lr: float = 1e-3) -> Refitted:
    """Train a new linear head on class-balanced draws of the features.

    logits[c] = w[c] h + d[c], from w = 0, d = 0; an example is drawn with a probability ~ 1 /
    n[label]; AdamW with weight decay, on centred features of mean square 1

    When: The default: the encoder has learned good features under the data's imbalance, and its
        head the imbalance too.
    Cost: One pass over the data for the features, then seconds.
    Risk: Rare examples come again and again, and features that the encoder has over-fitted tell
        the head little: then correcting the logits does as much.

    Args:
        task: What to fit.
        epochs: Most epochs, of 4,096 draws each.
        lr: Learning rate.

    References:
        Kang et al., Decoupling Representation and Classifier (cRT), ICLR 2020.
    """
    has_bias = task.start.bias is not None
    center = task.center * has_bias  # only a bias can take it up
    differences = task.train.some().features - center
    scale = float(np.sqrt((differences**2).mean())) or 1.0
    module = _Linear(center, scale, task.n_classes, has_bias)
    return _train(task, module, _balanced(task), epochs, lr)


def learned_scaling(task: RefitTask, epochs: int | None = None, lr: float = 1e-2) -> Refitted:
    """Scale the logits of each class by a number that is learned on class-balanced draws.

    logits[c] = g[c] (w[c] h + b[c]), from g = 1; an example is drawn with a probability ~ 1 /
    n[label]

    When: Few validation rows, or fear of over-fitting: it learns one number a class.
    Cost: As crt.
    Risk: A scale cannot lift a class whose logits are negative for its own examples.

    Args:
        task: What to fit.
        epochs: Most epochs, of 4,096 draws each.
        lr: Learning rate.

    References:
        Kang et al., Decoupling Representation and Classifier (LWS), ICLR 2020.
    """
    return _train(task, _Scaled(task.start), _balanced(task), epochs, lr)


def nearest_class_mean(task: RefitTask) -> Refitted:
    """Take the class whose mean feature is nearest: nothing is trained.

    logits[c] = -s |x - m[c]|^2, with x = (h - mean h) / |h - mean h|, m[c] the mean x of the class;
    the sharpness s makes the validation labels most probable (the training labels where there is no
    validation data)

    When: Rare classes are best told by their few examples themselves.
    Cost: One pass over the data for the features.
    Risk: One mean a class is poor where a class has several kinds of text. No linear layer can hold
        it: it is kept beside the model.

    Args:
        task: What to fit.

    References:
        Kang et al., Decoupling Representation and Classifier (NCM), ICLR 2020; centred and
        normalised as in Wang et al., SimpleShot, 2019.
    """
    rough = nearest_mean(task.train.features, task.train.labels, task.center, task.n_classes)
    judged = task.validation or task.train.some()
    head = sharpened(rough, judged.features, judged.labels)
    return Refitted(head, _uniform(task.n_classes))


def norm_scaling(task: RefitTask) -> Refitted:
    """Divide the weights of each class by a power of their norm, and drop the bias.

    logits[c] = w[c] h / |w[c]|^tau, tau = 0, 0.1 ... 2 with the best validation figure

    When: Rare classes have visibly smaller weights.
    Cost: One pass over the data for the features.
    Risk: A fine-tuned head has nearly equal norms: then it does nothing but drop the bias.

    Args:
        task: What to fit.

    Raises:
        ConfigError: If there is no validation data.

    References:
        Kang et al., Decoupling Representation and Classifier (tau-norm), ICLR 2020.
    """
    if task.validation is None:
        raise ConfigError(
            "--head tau-norm is fitted on validation data, and the run has none.",
            "Use --head crt, or train with --val FILE or --val-size 0.2.",
        )
    logits = task.start(task.validation.features)
    norms, bias = task.start.norms_and_bias
    correction = tau_norm_correction(logits, task.validation.labels, task.value, norms, bias)
    return Refitted(task.start.corrected(correction), None)


def distribution_alignment(
    task: RefitTask, epochs: int | None = None, lr: float = 1e-3, rho: float = 1.0
) -> Refitted:
    """Scale and shift the logits of each class as far as a learned gate trusts to, by the text.

    logits[c] = (1 + s(h) k[c]) z[c] + s(h) b[c], with s(h) = sigmoid(v h + u), from k = b = v = u =
    0; loss[i] = -w[label] log p[i, label] with w ~ pi^-rho; k >= -1

    When: Some texts are in need of a correction and others are not.
    Cost: As crt.
    Risk: With rho above 1 it favours rare classes beyond balance (the paper takes 1.2 for images of
        1,000 classes, 0.3 for segmentation). No linear layer can hold it: it is kept beside the
        model.

    Args:
        task: What to fit.
        epochs: Most epochs, of 4,096 draws each.
        lr: Learning rate.
        rho: Strength of the class weights: 0 is none, 1 is balance.

    References:
        Zhang et al., Distribution Alignment (DisAlign), CVPR 2021.
    """
    weights = rarity_weights(task.counts, rho)
    carried = weights * task.counts
    natural = np.ones(len(task.train.labels))
    trained = _train(task, _Gated(task.start), natural, epochs, lr, len(weights) * weights)
    return Refitted(trained.head, carried / carried.sum(), trained.epochs, trained.best_epoch)


REFITS: dict[str, Refit] = {
    "crt": classifier_retraining,
    "lws": learned_scaling,
    "ncm": nearest_class_mean,
    "tau-norm": norm_scaling,
    "disalign": distribution_alignment,
}


class _Linear(nn.Module):
    """A new linear head, of features that are centred and scaled."""

    def __init__(self, center: Floats, scale: float, n_classes: int, has_bias: bool) -> None:
        super().__init__()
        self.center, self.scale = center, scale
        self.layer = nn.Linear(len(center), n_classes, bias=has_bias)
        for parameter in self.layer.parameters():
            nn.init.zeros_(parameter)

    def inputs(self, features: NDArray[np.float32]) -> tuple[NDArray, ...]:
        """What `forward` takes, a row for each row of features."""
        return ((features - self.center) / self.scale,)

    def forward(self, standardised: Tensor) -> Tensor:
        return self.layer(standardised)

    def head(self) -> LinearHead:
        """The head so far, of features as they are."""
        weight = _array(self.layer.weight) / self.scale
        if self.layer.bias is None:
            return LinearHead(weight, None)
        return LinearHead(weight, _array(self.layer.bias) - weight @ self.center)

    def limit(self) -> None:
        """Nothing is bounded."""


class _Scaled(nn.Module):
    """The old head with a factor for each class."""

    def __init__(self, start: LinearHead) -> None:
        super().__init__()
        self.start = start
        self.factor = nn.Parameter(torch.ones(len(start.weight)))

    def inputs(self, features: NDArray[np.float32]) -> tuple[NDArray, ...]:
        """What `forward` takes, a row for each row of features."""
        return (self.start(features),)

    def forward(self, logits: Tensor) -> Tensor:
        return self.factor * logits

    def head(self) -> LinearHead:
        """The head so far."""
        factor, bias = _array(self.factor), self.start.bias
        weight = factor[:, None] * self.start.weight
        return LinearHead(weight, None if bias is None else factor * bias)

    def limit(self) -> None:
        """Nothing is bounded."""


class _Gated(nn.Module):
    """The old head's logits, aligned as far as a gate opens."""

    def __init__(self, start: LinearHead) -> None:
        super().__init__()
        self.start = start
        n_classes, width = start.weight.shape
        self.factor = nn.Parameter(torch.zeros(n_classes))
        self.shift = nn.Parameter(torch.zeros(n_classes))
        self.gate = nn.Parameter(torch.zeros(width))
        self.offset = nn.Parameter(torch.zeros(()))

    def inputs(self, features: NDArray[np.float32]) -> tuple[NDArray, ...]:
        """What `forward` takes, a row for each row of features."""
        return features, self.start(features)

    def forward(self, features: Tensor, logits: Tensor) -> Tensor:
        trust = torch.sigmoid(features @ self.gate + self.offset)[:, None]
        return (1 + trust * self.factor) * logits + trust * self.shift

    def head(self) -> GatedAlignment:
        """The head so far."""
        factor, shift, gate = (_array(p) for p in (self.factor, self.shift, self.gate))
        return GatedAlignment(factor, shift, gate, float(_array(self.offset)))

    @torch.no_grad()
    def limit(self) -> None:
        """No logit changes its sign by its factor."""
        self.factor.clamp_(min=-1)


def _train(
    task: RefitTask,
    module: Any,
    row_weights: Floats,
    epochs: int | None,
    lr: float,
    class_weights: Floats | None = None,
) -> Refitted:
    """Train a module until its head stops improving on the validation rows.

    Args:
        task: What to fit.
        module: `_Linear`, `_Scaled` or `_Gated`.
        row_weights: Training rows are drawn with probabilities proportional to these, shape [N].
        epochs: Most epochs; None for the usual number.
        lr: Learning rate.
        class_weights: Of the loss, shape [C].
    """
    if epochs is None:
        epochs = _EPOCHS_UNSEEN if task.validation is None else _MOST_EPOCHS
    weights = None if class_weights is None else torch.from_numpy(class_weights).float()
    loss_of = partial(cross_entropy, weight=weights)
    optimizer = torch.optim.AdamW(_decayed(module), lr=lr)
    selection, best, epoch = Selection(), module.head(), 0
    for epoch in range(epochs):
        with _one_thread():
            for *inputs, labels in _batches(task, module, row_weights, epoch):
                optimizer.zero_grad()
                loss_of(module(*inputs), labels).backward()
                optimizer.step()
                module.limit()
        if task.validation is None:
            continue
        selection = judge(selection, epoch, task.value_of(module.head()), "macro-f1")
        if selection.best_epoch == epoch:
            best = module.head()
        if should_stop(selection, _PATIENCE):
            break
    if selection.best_epoch is None:
        return Refitted(module.head(), _uniform(task.n_classes), epoch + 1, epoch)
    return Refitted(best, _uniform(task.n_classes), epoch + 1, selection.best_epoch)


def _batches(
    task: RefitTask, module: Any, row_weights: Floats, epoch: int
) -> Iterator[list[Tensor]]:
    """The module's inputs and the labels of an epoch's draws, batch by batch."""
    rng = epoch_rng(task.seed, epoch)
    rows = draw_by_row(row_weights, _DRAWS, rng)
    rng.shuffle(rows)
    inputs = [torch.from_numpy(a).float() for a in module.inputs(task.train.features[rows])]
    labels = torch.from_numpy(task.train.labels[rows].astype(np.int64))
    parts = (part.split(_BATCH_ROWS) for part in (*inputs, labels))
    return map(list, zip(*parts, strict=True))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Small steps lose more by waking threads than they gain, on a busy machine most of all."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _balanced(task: RefitTask) -> Floats:
    """Row weights under which all classes are drawn equally often, shape [N]."""
    return np.asarray(1 / task.counts[task.train.labels], dtype=np.float64)


def _decayed(module: nn.Module) -> list[dict[str, Any]]:
    """Weight decay for the matrices alone."""
    matrices = [p for p in module.parameters() if p.ndim > 1]
    others = [p for p in module.parameters() if p.ndim < 2]
    return [
        {"params": matrices, "weight_decay": _WEIGHT_DECAY},
        {"params": others, "weight_decay": 0.0},
    ]


def _uniform(n_classes: int) -> Floats:
    return np.full(n_classes, 1 / n_classes)


def _array(parameter: Tensor) -> Floats:
    return parameter.detach().double().numpy()
