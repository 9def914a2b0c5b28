"""Pooled features: what the last linear layer of a classifier reads of a text."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dsample_cli.errors import ConfigError
from dsample_cli.training.devices import Device
from dsample_cli.training.heads import find_head
from dsample_cli.training.inference import forward_all, to_numpy
from dsample_cli.training.tokenization import Collator

_ROWS = 8192


def pooled_features(
    model: Any,
    collator: Collator,
    device: Device,
    on_rows: Callable[[int], None] = lambda count: None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Forward all rows of the collator and keep what the last linear layer reads and gives.

    Args:
        model: The classifier, already on the device.
        collator: Rows to forward.
        device: Where the model is, and its precision.
        on_rows: Called with the number of rows after each batch.

    Returns:
        Features, shape [N, D], and logits, shape [N, C], in input order, fp32.

    Raises:
        ConfigError: If the logits are not those of a linear layer.
    """
    layer = find_head(model)
    if layer is None:
        raise _not_linear()
    features = np.empty((len(collator.tokens), layer.in_features), dtype=np.float32)
    logits = np.empty((len(collator.tokens), layer.out_features), dtype=np.float32)

    with _tapped(layer) as seen:

        def keep(rows: NDArray[np.integer], of_batch: torch.Tensor) -> None:
            features[rows] = to_numpy(_pooled(seen, of_batch))
            logits[rows] = to_numpy(of_batch)
            seen.clear()
            on_rows(len(rows))

        forward_all(model, collator, device, keep)
    return features, logits


def last_layer_logits(
    model: Any, features: NDArray[np.float32], device: Device
) -> NDArray[np.float32]:
    """What the model's last linear layer makes of features, as it would in a forward pass.

    Returns:
        Logits, shape [N, C], fp32.
    """
    layer = find_head(model)
    assert layer is not None
    pieces = [np.empty((0, layer.out_features), dtype=np.float32)]
    with torch.inference_mode(), device.autocast():
        for start in range(0, len(features), _ROWS):
            piece = torch.from_numpy(features[start : start + _ROWS]).to(device.type)
            pieces.append(to_numpy(layer(piece)))
    return np.concatenate(pieces)


class TrainingFeatures:
    """The pooled features of the present training step, with their gradient.

    Args:
        layer: The model's last linear layer, which reads them.
    """

    def __init__(self, layer: torch.nn.Linear) -> None:
        self._seen: list[tuple[torch.Tensor, torch.Tensor]] = []
        layer.register_forward_hook(self._keep)

    def take(self, logits: torch.Tensor) -> torch.Tensor:
        """Features of the forward pass that gave these logits, shape [B, D]; they are forgotten.

        Raises:
            ConfigError: If the logits are not those of the layer.
        """
        try:
            return _pooled(self._seen, logits)
        finally:
            self._seen.clear()

    def _keep(self, layer: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
        if layer.training:
            self._seen.append((inputs[0], output))


@contextmanager
def _tapped(layer: torch.nn.Module) -> Iterator[list[tuple[torch.Tensor, torch.Tensor]]]:
    """While it is open, every call of the layer leaves its input and its output in the list."""
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    handle = layer.register_forward_hook(
        lambda module, inputs, output: seen.append((inputs[0], output))
    )
    try:
        yield seen
    finally:
        handle.remove()


def _pooled(seen: list[tuple[torch.Tensor, torch.Tensor]], logits: torch.Tensor) -> torch.Tensor:
    """The layer's input, shape [B, D], that the model's logits come from.

    Decoders apply their last layer to every token and pool the logits: there it is the input of the
    token whose logits the model gave.
    """
    if len(seen) != 1:
        raise _not_linear()
    ((inputs, outputs),) = seen
    if outputs.ndim == 3 and outputs.shape[::2] == logits.shape:
        is_chosen = (outputs == logits[:, None]).all(dim=-1)
        if is_chosen.any(dim=1).all():
            return inputs[
                torch.arange(len(inputs), device=inputs.device), is_chosen.int().argmax(1)
            ]
    elif outputs.shape == logits.shape and torch.equal(outputs.to(logits.dtype), logits):
        return inputs
    raise _not_linear()


def _not_linear() -> ConfigError:
    return ConfigError(
        "The logits of this model are not those of a linear layer, whose input would be its pooled "
        "features.",
        "Do without: dsample correct needs the logits alone, and --loss those of any model.",
    )
