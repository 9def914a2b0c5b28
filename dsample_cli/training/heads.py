"""The last layer of a classifier: find it, fold a correction into it."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file


def find_head(model: Any) -> torch.nn.Linear | None:
    """The linear layer that gives the logits; None where there is no such layer."""
    linear = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    fitting = [m for m in linear if m.out_features == model.config.num_labels]
    # A layer of the encoder may have as many outputs as there are classes, and come last.
    encoder = set() if model.base_model is model else set(model.base_model.modules())
    found = [m for m in fitting if m not in encoder] or fitting
    return found[-1] if found else None


def head_parameters(model: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Norm of each class's weights and its bias (0 without), shape [C] each; None if not linear."""
    head = find_head(model)
    if head is None:
        return None
    norms = head.weight.detach().double().norm(dim=1).cpu().numpy()
    bias = np.zeros(len(norms)) if head.bias is None else head.bias.detach().double().cpu().numpy()
    return norms, bias


def can_fold(model: Any) -> bool:
    """Whether the last layer can hold a scale and a bias for each class."""
    head = find_head(model)
    return head is not None and head.bias is not None


@torch.no_grad()
def fold(model: Any, scale: NDArray[np.floating], bias: NDArray[np.floating]) -> None:
    """Make the model's own logits scale[c] logits[c] + bias[c].

    Args:
        model: With a linear head that has a bias.
        scale: Shape [C].
        bias: Shape [C].
    """
    head = find_head(model)
    assert head is not None
    assert head.bias is not None
    factor = torch.as_tensor(scale, dtype=torch.float64, device=head.weight.device)
    shift = torch.as_tensor(bias, dtype=torch.float64, device=head.weight.device)
    head.weight.copy_(head.weight.double() * factor[:, None])
    head.bias.copy_(head.bias.double() * factor + shift)


def unfold(model: Any, scale: NDArray[np.floating], bias: NDArray[np.floating]) -> None:
    """Take a folded correction back."""
    fold(model, 1 / np.asarray(scale), -np.asarray(bias) / np.asarray(scale))


def save_beside(path: Path, scale: NDArray[np.floating], bias: NDArray[np.floating]) -> None:
    """Write a correction that the last layer cannot hold: the tensors `scale` and `bias`, [C]."""
    save_file({"scale": np.asarray(scale), "bias": np.asarray(bias)}, path)
