"""Train only the rows of the token embedding that the data use.

The embedding is the largest matrix of a small encoder (half of MiniLM's parameters), and a data set
uses few of its rows. The others never get a gradient, yet the dense optimizer, the clipping of
gradients and the checkpoints pay for them in every step.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

# Below this share of used rows a compact embedding is worth its indirection.
_WORTH_SHARE = 0.8


class CompactEmbedding(nn.Module):
    """Stands in for an `nn.Embedding` of which only some rows are read.

    Training it changes the rows as training the whole would: an unused row has no gradient and no
    momentum, so that the optimizer does nothing to it but decay, by the same factor as any other.
    One row of ones beside the used ones takes that decay, and so keeps its product.

    Args:
        whole: The embedding that it stands in for.
        used: Ids that will be asked for, shape [K], sorted; any other id is an IndexError.
    """

    def __init__(self, whole: nn.Embedding, used: Tensor) -> None:
        super().__init__()
        rows = whole.weight.detach()
        self.weight = nn.Parameter(torch.cat([rows[used], torch.ones_like(rows[:1])]))
        place = torch.full((whole.num_embeddings,), len(self.weight))
        place[used] = torch.arange(len(used))
        self.register_buffer("_place", place, persistent=False)
        self._used = used
        # In a tuple, so that it is no submodule whose weight would be trained and saved.
        self._whole = (whole,)
        padding = whole.padding_idx
        self._padding = None if padding is None else int(place[padding])

    def forward(self, ids: Tensor) -> Tensor:
        """Embed token ids: shape [...] -> [..., width]."""
        places: Any = self._place
        return functional.embedding(places[ids], self.weight, self._padding)

    @torch.no_grad()
    def expand(self) -> nn.Embedding:
        """The whole embedding, with the rows as they are now."""
        weight = self.weight.detach()
        whole = self._whole[0].to(weight.device)
        whole.weight.mul_(weight[-1])
        whole.weight[self._used.to(weight.device)] = weight[:-1]
        return whole


def compact_embedding(model: Any, used: NDArray[np.bool_]) -> None:
    """Put a `CompactEmbedding` in the place of the model's token embedding, where that is sound.

    It is left as it is where nearly all rows are used, where it is not trained, where other parts
    of the model share it, and where it does more than look rows up.

    Args:
        model: A transformers model.
        used: Whether each token id will be asked for, shape [at most the vocabulary].
    """
    whole = model.get_input_embeddings()
    if type(whole) is not nn.Embedding or not whole.weight.requires_grad:
        return
    does_more = whole.max_norm is not None or whole.scale_grad_by_freq or whole.sparse
    if does_more or _uses(model, whole) != 1:
        return
    ids = np.flatnonzero(used[: whole.num_embeddings])
    if whole.padding_idx is not None:
        ids = np.union1d(ids, [whole.padding_idx])
    if len(ids) and len(ids) < _WORTH_SHARE * whole.num_embeddings:
        model.set_input_embeddings(CompactEmbedding(whole, torch.from_numpy(ids)))


def expand_embedding(model: Any) -> None:
    """Undo `compact_embedding`, with the trained rows."""
    compact = model.get_input_embeddings()
    if isinstance(compact, CompactEmbedding):
        model.set_input_embeddings(compact.expand())


def used_tokens(arrays: Iterable[NDArray[np.integer]], vocabulary: int) -> NDArray[np.bool_]:
    """Whether each id of a vocabulary occurs in some arrays of ids, shape [vocabulary]."""
    used = np.zeros(vocabulary, dtype=np.bool_)
    for ids in arrays:
        used[ids] = True
    return used


def _uses(model: Any, embedding: nn.Embedding) -> int:
    """In how many places of the model its weight is."""
    names = model.named_parameters(remove_duplicate=False)
    return sum(parameter is embedding.weight for _, parameter in names)
