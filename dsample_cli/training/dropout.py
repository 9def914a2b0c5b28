"""Dropout for CPUs.

torch's own draws a Bernoulli number for each element, one after the other, which is a tenth of a
training step or more; this takes 15 random bits.
"""

from typing import Any

import torch
from torch import nn

_STEPS = 1 << 15


def dropout(values: torch.Tensor, rate: float) -> torch.Tensor:
    """Zero each element with probability `rate` and divide the others by 1 - rate.

    The rate is rounded to a multiple of 2^-15. The random numbers are those of torch's default
    generator, so that `torch.manual_seed` and a checkpoint's random state settle them.

    Args:
        values: Of any shape, on the CPU.
        rate: From 0 to below 1.
    """
    return values * _keep_mask(values, rate)


class QuickDropout(nn.Dropout):
    """`torch.nn.Dropout` that draws by `dropout` above where it is the faster way, on a CPU."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return input
        if not is_quick(input):
            return super().forward(input)
        return dropout(input, self.p)


def is_quick(values: torch.Tensor) -> bool:
    """Whether `dropout` is the faster way for a tensor: eagerly on a CPU."""
    return values.device.type == "cpu" and not torch.compiler.is_compiling()


def use_quick_dropout(model: Any) -> None:
    """Let all dropout layers of a model be quick ones, in place; parameters stay as they are."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout and not child.inplace and child.p < 1:
                setattr(module, name, QuickDropout(child.p).train(child.training))


def _keep_mask(values: torch.Tensor, rate: float) -> torch.Tensor:
    """0 for what is dropped, 1 / (1 - rate) for the others."""
    dropped = min(round(rate * _STEPS), _STEPS - 1)
    scale = _STEPS / (_STEPS - dropped)
    size = values.numel()
    draws = torch.empty(-(-size // 4), dtype=torch.int64).random_(-(2**63), None)
    bits = draws.view(torch.int16)[:size].view(values.shape).bitwise_and_(_STEPS - 1)
    # The sign bit of the difference, spread over the number, is all ones for what is dropped.
    is_dropped = bits.sub_(dropped).bitwise_right_shift_(15)
    if values.dtype in (torch.bfloat16, torch.float16):
        one = torch.tensor(scale, dtype=values.dtype).view(torch.int16)
        return is_dropped.bitwise_not_().bitwise_and_(one).view(values.dtype)
    return is_dropped.to(values.dtype).add_(1).mul_(scale)
