"""The last layer of a classifier: find it, replace it, fold a correction into it or keep it beside.

What a last layer cannot hold is kept in `head.safetensors`: the tensors `scale` and `bias`, [C], of
a correction, and before them, when the metadata's `kind` names one, a head of `core.heads`.
"""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from dsample_cli.core.corrections import Correction
from dsample_cli.core.heads import BesideHead, CosineHead, GatedAlignment, LinearHead, NearestMean
from dsample_cli.errors import RunError

# Kind in head.safetensors -> the head; its attributes are tensors of the same names.
_BESIDE: dict[str, type[BesideHead]] = {
    "ncm": NearestMean,
    "disalign": GatedAlignment,
    "cosine": CosineHead,
}
_AFFINE = "affine"


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
    return None if find_head(model) is None else read_linear(model).norms_and_bias


def can_fold(model: Any) -> bool:
    """Whether the last layer can hold a scale and a bias for each class."""
    head = find_head(model)
    return head is not None and head.bias is not None


def fold(model: Any, scale: NDArray[np.floating], bias: NDArray[np.floating]) -> None:
    """Make the model's own logits scale[c] logits[c] + bias[c].

    Args:
        model: With a linear head that has a bias.
        scale: Shape [C].
        bias: Shape [C].
    """
    assert can_fold(model)
    correction = Correction(np.asarray(scale), np.asarray(bias), {})
    write_linear(model, read_linear(model).corrected(correction))


def unfold(model: Any, scale: NDArray[np.floating], bias: NDArray[np.floating]) -> None:
    """Take a folded correction back."""
    fold(model, 1 / np.asarray(scale), -np.asarray(bias) / np.asarray(scale))


def read_linear(model: Any) -> LinearHead:
    """The last layer's weights as arrays."""
    layer = find_head(model)
    assert layer is not None
    bias = None if layer.bias is None else _doubles(layer.bias)
    return LinearHead(_doubles(layer.weight), bias)


@torch.no_grad()
def write_linear(model: Any, head: LinearHead) -> None:
    """Make the last layer this head, of the same shape."""
    layer = find_head(model)
    assert layer is not None
    layer.weight.copy_(torch.from_numpy(head.weight).float())
    if layer.bias is not None and head.bias is not None:
        layer.bias.copy_(torch.from_numpy(head.bias).float())


def save_beside(
    path: Path,
    scale: NDArray[np.floating],
    bias: NDArray[np.floating],
    head: BesideHead | None = None,
) -> None:
    """Write what the last layer cannot hold.

    Args:
        path: Of head.safetensors.
        scale: Of the correction, shape [C].
        bias: Of the correction, shape [C].
        head: What gives the logits that are corrected, in place of the last layer.
    """
    kind = next((k for k, type_ in _BESIDE.items() if isinstance(head, type_)), _AFFINE)
    tensors = {"scale": np.asarray(scale), "bias": np.asarray(bias)}
    if head is not None:
        parts = asdict(head).items()
        tensors |= {name: np.array(value, dtype=np.float64) for name, value in parts}
    save_file(tensors, path, metadata={"kind": kind})


def read_beside(path: Path) -> BesideHead | None:
    """The head of a file that `save_beside` wrote; None when it holds a correction alone.

    Raises:
        RunError: If the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            kind = (file.metadata() or {}).get("kind", _AFFINE)
            if kind == _AFFINE:
                return None
            make: Any = _BESIDE[kind]
            parts = {field.name: file.get_tensor(field.name) for field in fields(make)}
    except (OSError, SafetensorError, KeyError) as error:
        raise RunError(
            f"{path} is damaged or missing: the run's head is in it.",
            "Make the run again: dsample refit as the first line of its config.toml says, else "
            "dsample train --config.",
        ) from error
    return make(**{name: value if value.ndim else float(value) for name, value in parts.items()})


def _doubles(parameter: torch.Tensor) -> NDArray[np.float64]:
    """Values in float64, which not every device has."""
    return parameter.detach().cpu().double().numpy()
