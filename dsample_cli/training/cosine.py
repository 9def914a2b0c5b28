"""The cosine head: trained as the last layer of a model, kept beside it, and stood for by a linear.

Its logits depend on the direction of a feature alone. No last layer of a transformers class does
that, so a trained model gets back a plain one: the linear head that has the same logits for a
feature of mean length, and the same label for every feature.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, normalize

from dsample_cli.core.heads import CosineHead
from dsample_cli.errors import ConfigError
from dsample_cli.training.devices import Device
from dsample_cli.training.features import pooled_features
from dsample_cli.training.heads import find_head, read_linear, write_linear
from dsample_cli.training.tokenization import Collator

# Training rows whose mean feature length stands for that of all.
_SOME_ROWS = 1024


class CosineLinear(torch.nn.Linear):
    """logits[c] = scale cos(weight[c], h), in fp32 under autocast too.

    It begins with the directions of the layer that it replaces: random ones where the layer is new,
    what was learned where it is not. They begin at length 1, as in the LDAM paper's code.

    Attributes:
        scale: What cosines are multiplied by.
        replaces_bias: Whether the layer that it replaces had a bias.
    """

    def __init__(self, layer: torch.nn.Linear, scale: float) -> None:
        super().__init__(
            layer.in_features, layer.out_features, bias=False, device=layer.weight.device
        )
        self.scale = scale
        self.replaces_bias = layer.bias is not None
        with torch.no_grad():
            self.weight.copy_(normalize(layer.weight.float(), dim=-1))

    def forward(self, features: Tensor) -> Tensor:
        """Logits of features, shape [..., D] -> [..., C]."""
        with torch.autocast(features.device.type, enabled=False):
            units = normalize(features.float(), dim=-1)
            return self.scale * linear(units, normalize(self.weight.float(), dim=-1))


def put_cosine_head(model: Any, scale: float) -> None:
    """Replace the last linear layer of a model by a cosine head.

    Raises:
        ConfigError: If the model has no linear last layer.
    """
    layer = find_head(model)
    if layer is None:
        raise _no_linear_head()
    _replace(model, layer, CosineLinear(layer, scale))


def take_cosine_head(model: Any, feature_length: float) -> CosineHead:
    """Replace the cosine head of a model by the linear layer that comes nearest to it.

    Args:
        model: Whose last layer `put_cosine_head` made.
        feature_length: Mean length of its features.

    Returns:
        The head, whose labels are those of the linear layer.
    """
    layer = find_head(model)
    assert isinstance(layer, CosineLinear)
    head = CosineHead(read_linear(model).weight, layer.scale)
    plain = torch.nn.Linear(
        layer.in_features, layer.out_features, layer.replaces_bias, layer.weight.device
    )
    _replace(model, layer, plain)
    write_linear(model, head.linear(feature_length, layer.replaces_bias))
    return head


def require_linear_head(model: Any, collator: Collator) -> None:
    """Check on the first row, before any training, that a model's logits are its last layer's.

    Raises:
        ConfigError: If they are not.
    """
    try:
        pooled_features(model, collator.some(1), Device(model.device.type, "fp32", ""))
    except ConfigError:
        raise _no_linear_head() from None


def mean_feature_length(model: Any, collator: Collator, device: Device) -> float:
    """Mean length of the features of up to 1,024 rows, spread over all of them."""
    features, _ = pooled_features(model, collator.some(_SOME_ROWS), device)
    return float(np.linalg.norm(features.astype(np.float64), axis=1).mean())


def _replace(model: Any, layer: torch.nn.Module, other: torch.nn.Module) -> None:
    name = next(name for name, module in model.named_modules() if module is layer)
    model.set_submodule(name, other)


def _no_linear_head() -> ConfigError:
    return ConfigError(
        "--loss ldam makes a cosine head of a linear last layer, which this model has not.",
        "Take another --loss, such as balanced-softmax, or another --model.",
    )
