"""Texts as flat arrays of token ids, and batches padded only to their longest text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_BATCH = 8192
# A tokenizer takes 100 bytes and more a character, also of what it cuts off again. So many
# characters for each token that is kept are more than any text of words needs.
_CHARACTERS_PER_TOKEN = 512


@dataclass(frozen=True)
class TokenizedTexts:
    """Token ids of N texts without a Python object a row.

    Attributes:
        arrays: For each model input (input_ids, and token_type_ids for pairs) the ids of all texts,
            one after the other.
        offsets: Where each text begins in the arrays, shape [N + 1].
        max_length: The cut; a text of this length may have lost its end.
    """

    arrays: dict[str, NDArray[np.int32]]
    offsets: NDArray[np.int64]
    max_length: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, shape [N]."""
        return np.diff(self.offsets)

    def take(self, rows: NDArray[np.integer]) -> "TokenizedTexts":
        """Some of the texts, in the order of the rows."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], lengths]).cumsum()
        # Flat positions of all their tokens, text after text.
        flat = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        arrays = {name: ids[flat] for name, ids in self.arrays.items()}
        return TokenizedTexts(arrays, offsets, self.max_length)


def tokenize(tokenizer: Any, texts: Sequence[Sequence[str]], max_length: int) -> TokenizedTexts:
    """Tokenize texts, or pairs of texts, cut to `max_length` tokens.

    Args:
        tokenizer: A transformers tokenizer.
        texts: One sequence of N texts, or two for pairs.
        max_length: Most tokens a text keeps, special tokens included.
    """
    names = [n for n in tokenizer.model_input_names if n != "attention_mask"]
    if len(texts) < 2 and "token_type_ids" in names:
        names.remove("token_type_ids")  # all zero for single texts, which is every model's default
    pieces: dict[str, list[NDArray[np.int32]]] = {name: [] for name in names}
    lengths: list[NDArray[np.int64]] = []
    for start in range(0, len(texts[0]), _BATCH):
        batch = [
            [_within_reach(text, tokenizer, max_length) for text in column[start : start + _BATCH]]
            for column in texts
        ]
        encoded = tokenizer(
            *batch, truncation=True, max_length=max_length, return_attention_mask=False
        )
        lengths.append(np.array([len(ids) for ids in encoded["input_ids"]], dtype=np.int64))
        for name in names:
            pieces[name].append(_flatten(encoded[name], int(lengths[-1].sum())))
    offsets = np.concatenate([[0], *lengths]).cumsum()
    arrays = {
        name: np.concatenate(parts) if parts else np.empty(0, np.int32)
        for name, parts in pieces.items()
    }
    return TokenizedTexts(arrays, offsets, max_length)


@dataclass(frozen=True)
class Collator:
    """Turns row numbers into a padded batch.

    Attributes:
        tokens: The texts.
        labels: Label id of each row, None for unlabelled rows.
        padding: Padding id of each model input.
        left: Pad on the left instead of the right.
    """

    tokens: TokenizedTexts
    labels: NDArray[np.integer] | None
    padding: dict[str, int]
    left: bool = False

    def __call__(
        self,
        rows: Sequence[int] | NDArray[np.integer],
        pad: Callable[[NDArray[np.integer]], NDArray[np.integer]] | None = None,
    ) -> dict[str, torch.Tensor]:
        """Pad rows to the longest of them, or to what `pad` makes of its length."""
        index = np.asarray(rows, dtype=np.int64)
        starts = self.tokens.offsets[index]
        lengths = self.tokens.offsets[index + 1] - starts
        longest = int(lengths.max())
        if pad is not None:
            longest = min(int(pad(np.array(longest))), self.tokens.max_length)
        position = np.arange(longest)
        mask = position >= longest - lengths[:, None] if self.left else position < lengths[:, None]
        # Flat positions of all tokens of the batch, row after row.
        ends = lengths.cumsum()
        flat = np.repeat(starts - ends + lengths, lengths) + np.arange(ends[-1])
        batch = {"attention_mask": torch.from_numpy(mask.astype(np.int64))}
        for name, ids in self.tokens.arrays.items():
            padded = np.full(mask.shape, self.padding[name], dtype=np.int64)
            padded[mask] = ids[flat]
            batch[name] = torch.from_numpy(padded)
        if self.labels is not None:
            batch["labels"] = torch.from_numpy(self.labels[index].astype(np.int64))
        return batch

    def some(self, rows: int) -> "Collator":
        """A collator of so many of its rows, or a few less, spread evenly over all."""
        size = len(self.tokens)
        chosen = np.arange(0, size, max(1, -(-size // rows)))
        labels = None if self.labels is None else self.labels[chosen]
        return replace(self, tokens=self.tokens.take(chosen), labels=labels)


def make_collator(
    tokenizer: Any, tokens: TokenizedTexts, labels: NDArray[np.integer] | None = None
) -> Collator:
    """A collator with the tokenizer's padding ids and side."""
    padding = {
        "input_ids": tokenizer.pad_token_id,
        "token_type_ids": tokenizer.pad_token_type_id,
    }
    left = tokenizer.padding_side == "left"
    return Collator(tokens, labels, {n: padding.get(n, 0) for n in tokens.arrays}, left)


def _within_reach(text: str, tokenizer: Any, max_length: int) -> str:
    """A text without what lies far beyond the tokens that are kept."""
    most = _CHARACTERS_PER_TOKEN * max_length
    if len(text) <= most:
        return text
    return text[-most:] if tokenizer.truncation_side == "left" else text[:most]


def _flatten(lists: Sequence[Sequence[int]], total: int) -> NDArray[np.int32]:
    return np.fromiter(chain.from_iterable(lists), dtype=np.int32, count=total)
