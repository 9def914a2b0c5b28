"""Logits of many texts: length-sorted batches, results in input order."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dsample_cli.training.devices import Device
from dsample_cli.training.tokenization import Collator

# Padded tokens a batch. MiniLM in bf16 on two cores made 170 rows/s in batches of 1,024 or 2,048
# tokens, whose activations stay in the caches, 161 in 8,192 and 140 in 16,384; and the smaller the
# batch, the nearer in length are its texts. A GPU is not full before the larger.
_BATCH_TOKENS = {"cpu": 2048}
_MOST_BATCH_TOKENS = 8192
_BATCH_ROWS = 256


def predict_logits(
    model: Any,
    collator: Collator,
    device: Device,
    n_classes: int,
    on_rows: Callable[[int], None] = lambda count: None,
) -> NDArray[np.float32]:
    """Forward all rows of the collator without gradients.

    Args:
        model: The classifier, already on the device.
        collator: Rows to predict.
        device: Where the model is, and its precision.
        n_classes: C.
        on_rows: Called with the number of rows after each batch.

    Returns:
        Logits in input order, shape [N, C], fp32.
    """
    logits = np.empty((len(collator.tokens), n_classes), dtype=np.float32)
    behind: list[tuple[NDArray[np.integer], torch.Tensor]] = []

    def store(rows: NDArray[np.integer], of_batch: torch.Tensor) -> None:
        logits[rows] = to_numpy(of_batch)
        on_rows(len(rows))

    def keep(rows: NDArray[np.integer], of_batch: torch.Tensor) -> None:
        # To read a batch's logits waits for a GPU, so it has the next batch by then.
        behind.append((rows, of_batch))
        if len(behind) > 1:
            store(*behind.pop(0))

    forward_all(model, collator, device, keep)
    for rows, of_batch in behind:
        store(rows, of_batch)
    return logits


def forward_all(
    model: Any,
    collator: Collator,
    device: Device,
    on_batch: Callable[[NDArray[np.integer], torch.Tensor], None],
) -> None:
    """Forward all rows of the collator without gradients, in length-sorted batches.

    Args:
        model: The classifier, already on the device.
        collator: Rows to forward.
        device: Where the model is, and its precision.
        on_batch: Called with the rows of each batch and their logits.
    """
    was_training = model.training
    model.eval()
    with torch.inference_mode(), device.autocast():
        for rows in token_batches(collator.tokens.lengths, batch_tokens(device.type)):
            inputs = collator(rows, padded_length)
            batch = {k: v.to(device.type) for k, v in inputs.items() if k != "labels"}
            on_batch(rows, model(**batch).logits)
    model.train(was_training)


def to_numpy(tensor: torch.Tensor) -> NDArray[np.float32]:
    """The values of a tensor of any type on any device."""
    return tensor.detach().float().cpu().numpy()


def batch_tokens(device_type: str) -> int:
    """Padded tokens of a batch with which a device is fastest."""
    return _BATCH_TOKENS.get(device_type, _MOST_BATCH_TOKENS)


def token_batches(
    lengths: NDArray[np.integer], tokens: int, rows: int = _BATCH_ROWS
) -> list[NDArray[np.int64]]:
    """Cut rows, sorted by length, into batches of at most `tokens` padded tokens and `rows` rows.

    They have few shapes, whatever the texts: a library for CPUs keeps half a megabyte of each shape
    that it has met. All but the last batch have as many rows as fit at one of the lengths that
    `padded_length` gives, be it a longer one.

    Examples:
        >>> [b.tolist() for b in token_batches(np.array([5, 2, 9]), tokens=10)]
        [[1, 0], [2]]
    """
    order = np.argsort(lengths, kind="stable")
    padded = padded_length(lengths[order])
    batches, start = [], 0
    while start < len(order):
        # Sorted, so a batch's padded size is its row count times its last length.
        ahead = padded[start : start + rows]
        size = max(1, int((np.arange(1, len(ahead) + 1) * ahead <= tokens).sum()))
        if start + size < len(order):
            usual_length = int(padded_length(np.array(tokens // (size + 1) + 1)))
            size = max(1, tokens // usual_length)
        batches.append(order[start : start + size])
        start += size
    return batches


def padded_length(lengths: NDArray[np.integer]) -> NDArray[np.integer]:
    """The lengths, each rounded up to a multiple of an eighth of the power of two below it.

    Examples:
        >>> padded_length(np.array([5, 15, 17, 33, 64, 65, 120])).tolist()
        [5, 15, 18, 36, 64, 72, 120]
    """
    step = 1 << np.maximum(0, np.ceil(np.log2(np.maximum(lengths, 1))).astype(int) - 4)
    return -(-lengths // step) * step
