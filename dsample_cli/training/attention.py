"""Attention for training on short texts with a CPU.

torch's fused kernel saves memory that short texts do not need, and its backward pass takes longer
than plain matrix products; with dropout it falls back to such products, and a slow dropout.
"""

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from dsample_cli.training.dropout import dropout as quick_dropout
from dsample_cli.training.dropout import is_quick

SHORT = "dsample-short"
# Tokens up to which plain products train faster; for predicting they are not.
_LONGEST = 128


def short_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """softmax(scaling q k^T) v, as transformers' attention interface wants it.

    Args:
        module: The attention layer.
        query: Shape [B, heads, L, D], as key and value.
        key: See query.
        value: See query.
        attention_mask: True where attention may go, shape [B, 1, 1 or L, L]; None for everywhere.
        dropout: Rate at which weights are dropped.
        scaling: D^-1/2 when None.
        options: What other kinds of attention need; with any, sdpa computes them.

    Returns:
        The mixed values, shape [B, L, heads, D], and no weights.
    """
    if not _is_plain(module, query, key, attention_mask, options):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **options
        )
    with torch.autocast(query.device.type, enabled=False):
        scores = query @ key.transpose(2, 3) * (scaling or query.shape[-1] ** -0.5)
        if attention_mask is not None:
            scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        if dropout:
            weights = quick_dropout(weights, dropout)
        return (weights @ value).transpose(1, 2).contiguous(), None


def use_short_attention(model: Any) -> None:
    """Let a model's attention be the short one where it is sdpa's and can be changed."""
    if getattr(model.config, "_attn_implementation", None) == "sdpa":
        model.set_attn_implementation(SHORT)


def _is_plain(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    attention_mask: torch.Tensor | None,
    options: dict[str, Any],
) -> bool:
    is_causal = options.get("is_causal", getattr(module, "is_causal", True))
    return (
        module.training
        and is_quick(query)
        and query.shape == key.shape
        and query.shape[2] <= _LONGEST
        and (attention_mask is not None or not is_causal)
        and (attention_mask is None or attention_mask.dtype == torch.bool)
        and options.get("position_bias") is None
        and options.get("softcap") is None
    )


AttentionInterface.register(SHORT, short_attention)
AttentionMaskInterface.register(SHORT, sdpa_mask)
