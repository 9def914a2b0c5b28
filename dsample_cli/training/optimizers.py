"""The optimizers that `--optimizer` names, each made of the groups of `build_optimizer`."""

from collections.abc import Callable
from typing import Any

import torch
from transformers.optimization import Adafactor

Groups = list[dict[str, Any]]


def adamw(groups: Groups) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay: two moments of each parameter."""
    return torch.optim.AdamW(groups, fused=True)


def adam(groups: Groups) -> torch.optim.Optimizer:
    """Adam with weight decay as part of the gradient."""
    return torch.optim.Adam(groups, fused=True)


def adafactor(groups: Groups) -> torch.optim.Optimizer:
    """Adam without momentum, whose second moment of a matrix is one number a row and a column.

    It takes the learning rates as they are given, as Adam does: without its own schedule, and
    without making them relative to the size of the parameters.

    References:
        Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, ICML 2018.
    """
    return Adafactor(groups, scale_parameter=False, relative_step=False, warmup_init=False)


OPTIMIZERS: dict[str, Callable[[Groups], torch.optim.Optimizer]] = {
    "adamw": adamw,
    "adam": adam,
    "adafactor": adafactor,
}
