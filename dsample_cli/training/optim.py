"""The optimizer: a slow encoder under a fast new head."""

from typing import Any

import torch
from torch import nn

from dsample_cli.training.optimizers import OPTIMIZERS

# A width of 384 (MiniLM) learns well at 2e-4; wider encoders want less, by the square of the width
# (5e-5 at 768, 2.8e-5 at 1024). Narrow ones, made from scratch, stop gaining above 1e-3.
_REFERENCE_WIDTH, _REFERENCE_LR, _HIGHEST_LR = 384, 2e-4, 1e-3


def auto_lr(model: Any) -> float:
    """Learning rate of the encoder, from its width.

    lr = min(1e-3, 2e-4 (384 / width)^2)
    """
    width: Any = getattr(model.config, "hidden_size", None) or getattr(model.config, "dim", 768)
    return min(_HIGHEST_LR, _REFERENCE_LR * (_REFERENCE_WIDTH / width) ** 2)


def auto_head_lr_factor(model_spec: str) -> float:
    """How much faster a new head learns than the encoder below it.

    10 above a pretrained encoder; 1 for "tiny", whose encoder is as new as its head.
    """
    return 1.0 if model_spec == "tiny" else 10.0


def head_parameter_names(model: Any) -> set[str]:
    """Names of the parameters above the encoder: the classifier, and the pooler that feeds it."""
    encoder = {id(p) for p in model.base_model.parameters()} if _has_encoder(model) else set()
    pooler = getattr(model.base_model, "pooler", None)
    if isinstance(pooler, nn.Module):
        encoder -= {id(p) for p in pooler.parameters()}
    return {name for name, p in model.named_parameters() if id(p) not in encoder}


def build_optimizer(
    model: Any,
    lr: float,
    head_lr_factor: float = 10.0,
    weight_decay: float = 0.01,
    kind: str = "adamw",
) -> torch.optim.Optimizer:
    """An optimizer with a faster head; biases and norms are not decayed.

    Args:
        model: A transformers sequence classifier.
        lr: Learning rate of the encoder.
        head_lr_factor: The head learns this many times faster.
        weight_decay: Of the weight matrices.
        kind: Name of the optimizer.
    """
    head = head_parameter_names(model)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = lr * head_lr_factor if name in head else lr
            decay = weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
    return OPTIMIZERS[kind](
        [{"params": p, "lr": rate, "weight_decay": d} for (rate, d), p in groups.items()]
    )


def _has_encoder(model: Any) -> bool:
    return model.base_model is not model
