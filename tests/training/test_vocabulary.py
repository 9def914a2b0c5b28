"""Training the used rows of the token embedding alone changes nothing but the cost."""

import numpy as np
import pytest
import torch
from torch import nn

from dsample_cli.training.optim import build_optimizer
from dsample_cli.training.vocabulary import (
    CompactEmbedding,
    compact_embedding,
    expand_embedding,
    used_tokens,
)

VOCABULARY, WIDTH = 40, 8
USED = np.array([0, 3, 4, 17, 39])


class Classifier(nn.Module):
    """The least that looks like a transformers model."""

    def __init__(self, embedding: nn.Module | None = None) -> None:
        super().__init__()
        self.embedding = embedding or nn.Embedding(VOCABULARY, WIDTH, padding_idx=0)
        self.classifier = nn.Linear(WIDTH, 3)
        object.__setattr__(self, "base_model", self)  # no submodule of itself

    def forward(self, ids):
        return self.classifier(self.embedding(ids).mean(dim=1))

    def get_input_embeddings(self):
        return self.embedding

    def set_input_embeddings(self, embedding):
        self.embedding = embedding


def is_used(*ids):
    used = np.zeros(VOCABULARY, dtype=bool)
    used[list(ids)] = True
    return used


def train(model, steps=5):
    """Some steps over the used tokens, clipped and decayed; not every batch has every token."""
    optimizer = build_optimizer(model, lr=0.01, weight_decay=0.1)
    draws = torch.Generator().manual_seed(1)
    for _ in range(steps):
        ids = torch.from_numpy(USED)[torch.randint(0, len(USED), (4, 3), generator=draws)]
        labels = torch.randint(0, 3, (4,), generator=draws)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(ids), labels).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()


def pair():
    """Two equal models, the second with a compact embedding."""
    torch.manual_seed(0)
    whole, compact = Classifier(), Classifier()
    compact.load_state_dict(whole.state_dict())
    compact_embedding(compact, is_used(*USED))
    assert isinstance(compact.embedding, CompactEmbedding)
    return whole, compact


def test_training_it_is_training_the_whole():
    whole, compact = pair()
    before = whole.embedding.weight.detach().clone()
    train(whole)
    train(compact)
    assert compact.embedding.weight.shape == (len(USED) + 1, WIDTH)
    expand_embedding(compact)
    assert type(compact.embedding) is nn.Embedding
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(compact.state_dict()[name], weight, rtol=1e-6, atol=1e-7)
    unused = np.setdiff1d(np.arange(VOCABULARY), USED)
    assert (whole.embedding.weight[unused] != before[unused]).any()  # by decay alone


def test_its_weight_is_all_that_is_trained_and_saved():
    _, compact = pair()
    assert list(compact.embedding.state_dict()) == ["weight"]
    assert [name for name, _ in compact.embedding.named_parameters()] == ["weight"]


def test_a_token_that_was_not_foreseen_is_no_other_one():
    _, compact = pair()
    with pytest.raises(IndexError):
        compact(torch.tensor([[5]]))


def test_padding_is_kept_and_never_learns():
    model = Classifier()
    compact_embedding(model, is_used(3, 4))
    model(torch.tensor([[3, 0]])).sum().backward()
    gradient = model.embedding.weight.grad
    assert (gradient[0] == 0).all()
    assert (gradient[1] != 0).any()


class Scaled(nn.Embedding):
    """Does more than look rows up."""

    def forward(self, ids):
        return super().forward(ids) * 2


def frozen():
    embedding = nn.Embedding(VOCABULARY, WIDTH)
    embedding.weight.requires_grad_(False)
    return embedding


@pytest.mark.parametrize(
    "embedding",
    [
        Scaled(VOCABULARY, WIDTH),
        nn.Embedding(VOCABULARY, WIDTH, max_norm=1.0),
        nn.Embedding(VOCABULARY, WIDTH, scale_grad_by_freq=True),
        frozen(),
    ],
    ids=["subclass", "max-norm", "by-frequency", "frozen"],
)
def test_what_is_no_plain_trained_lookup_is_left_alone(embedding):
    model = Classifier(embedding)
    compact_embedding(model, is_used(*USED))
    assert model.embedding is embedding
    expand_embedding(model)
    assert model.embedding is embedding


def test_a_shared_weight_is_left_alone():
    model = Classifier()
    model.output = nn.Linear(WIDTH, VOCABULARY, bias=False)
    model.output.weight = model.embedding.weight
    compact_embedding(model, is_used(*USED))
    assert type(model.embedding) is nn.Embedding


def test_it_is_not_worth_it_where_nearly_all_is_used():
    model = Classifier()
    compact_embedding(model, is_used(*range(35)))
    assert type(model.embedding) is nn.Embedding


def test_ids_beyond_the_embedding_are_left_out():
    model = Classifier()
    compact_embedding(model, used_tokens([np.array([3, VOCABULARY + 2])], VOCABULARY + 5))
    assert len(model.embedding.weight) == 3  # padding, the token, the row that takes the decay


def test_used_tokens():
    found = used_tokens([np.array([1, 3]), np.array([3])], 5)
    assert found.tolist() == [False, True, False, True, False]
