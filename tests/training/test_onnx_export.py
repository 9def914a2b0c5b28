"""Heads as layers of a graph, and the texts that an ONNX model is checked on."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dsample_cli.core.corrections import Correction
from dsample_cli.core.heads import CosineHead, GatedAlignment, NearestMean, unit_rows
from dsample_cli.errors import MissingExtraError
from dsample_cli.training.onnx_export import (
    _Logits,
    _with_head,
    check_batches,
    check_texts,
    require_onnx,
)

RNG = np.random.default_rng(3)
WIDTH, CLASSES = 6, 3
HEADS = {
    "ncm": NearestMean(RNG.normal(size=WIDTH), unit_rows(RNG.normal(size=(CLASSES, WIDTH))), 20.0),
    "disalign": GatedAlignment(
        RNG.normal(size=CLASSES), RNG.normal(size=CLASSES), RNG.normal(size=WIDTH), 0.3
    ),
    "cosine": CosineHead(RNG.normal(size=(CLASSES, WIDTH)), 30.0),
}


class Network(torch.nn.Module):
    """As transformers' classifiers look from outside."""

    def __init__(self):
        super().__init__()
        self.config = SimpleNamespace(num_labels=CLASSES)
        self.encoder = torch.nn.Linear(4, WIDTH)
        self.classifier = torch.nn.Linear(WIDTH, CLASSES)

    @property
    def base_model(self):
        return self.encoder

    def forward(self, input_ids):
        return SimpleNamespace(logits=self.classifier(self.encoder(input_ids)))


@pytest.mark.parametrize("name", HEADS)
def test_a_head_beside_the_model_is_a_layer_of_the_graph(name):
    network, inputs = Network(), torch.randn(5, 4)
    correction = Correction(np.array([0.5, 1.0, 2.0]), np.array([0.1, 0.0, -3.0]), {})
    own = network.classifier
    with torch.no_grad():
        features = network.encoder(inputs)
        plain = own(features).numpy()
        with _with_head(network, HEADS[name]):
            found = _Logits(network, ["input_ids"], correction)(inputs).numpy()
    assert network.classifier is own, "the network is as it was"
    expected = correction(HEADS[name](features.numpy(), plain))
    assert found == pytest.approx(expected, abs=1e-4)
    assert found.dtype == np.float32


def test_texts_of_the_check_have_many_lengths_and_are_the_same_again():
    class Tokenizer:
        all_special_ids = (0, 1)

        def __len__(self):
            return 50

        def convert_ids_to_tokens(self, ids):
            assert min(ids) > 1
            return [f"t{i}" for i in ids]

        convert_tokens_to_string = staticmethod(" ".join)

    first, second = check_texts(Tokenizer(), 2, 40)
    lengths = [len(text.split()) for text in first]
    assert min(lengths) == 1
    assert max(lengths) > 40
    assert len(set(lengths)) > 8
    assert lengths != sorted(lengths), "batches need padding"
    assert first != second
    assert (first, second) == tuple(check_texts(Tokenizer(), 2, 40))
    sizes = [len(batch) for batch in check_batches(len(first))]
    assert sum(sizes) == len(first)
    assert min(sizes) == 1 < max(sizes)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match="needs the package onnx") as caught:
        require_onnx()
    assert "dsample-cli[onnx]" in caught.value.hint
