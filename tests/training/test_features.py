"""Pooled features: what the last linear layer reads, whatever the model."""

import numpy as np
import pytest
import torch
import transformers

from dsample_cli.errors import ConfigError
from dsample_cli.training.devices import Device
from dsample_cli.training.features import last_layer_logits, pooled_features
from dsample_cli.training.heads import find_head, read_linear
from dsample_cli.training.inference import predict_logits
from dsample_cli.training.tokenization import Collator, TokenizedTexts
from tests.training.test_heads import MAKERS, make_like_bert

CPU = Device("cpu", "fp32", "a CPU")
ALL = MAKERS | {"llama": make_like_bert("Llama")}


def make_collator(rows=7, seed=0, padding=0):
    """Texts of unlike length."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 12, size=rows)
    ids = rng.integers(1, 11, size=lengths.sum()).astype(np.int32)
    offsets = np.concatenate([[0], lengths]).cumsum()
    return Collator(TokenizedTexts({"input_ids": ids}, offsets, 12), None, {"input_ids": padding})


@pytest.mark.parametrize("name", ALL)
def test_features_through_the_head_are_the_logits(name):
    torch.manual_seed(0)
    model, collator, heard = ALL[name](4).eval(), make_collator(), []
    features, logits = pooled_features(model, collator, CPU, heard.append)
    head = read_linear(model)
    assert features.shape == (7, head.weight.shape[1])
    assert features.dtype == logits.dtype == np.float32
    assert head(features) == pytest.approx(logits, abs=1e-5)
    assert last_layer_logits(model, features, CPU) == pytest.approx(logits, abs=1e-5)
    assert logits == pytest.approx(predict_logits(model, collator, CPU, 4), abs=1e-6)
    assert sum(heard) == 7
    assert not find_head(model)._forward_hooks


def test_a_model_in_training_stays_so():
    model = MAKERS["bert"](4).train()
    features, _ = pooled_features(model, make_collator(), CPU)
    again, _ = pooled_features(model, make_collator(), CPU)
    assert model.training
    assert (features == again).all(), "without dropout"


class Squared(transformers.BertForSequenceClassification):
    """Its logits are not those of its last layer."""

    def forward(self, *args, **kwargs):
        output = super().forward(*args, **kwargs)
        output.logits = output.logits**2
        return output


def test_a_model_whose_logits_are_not_linear_is_refused():
    small = make_like_bert("Bert")(4).config
    for model in (Squared(small), make_like_bert("Bert")(4)):
        if not isinstance(model, Squared):
            model.classifier = torch.nn.Sequential(torch.nn.Linear(16, 5), torch.nn.Linear(5, 3))
        with pytest.raises(ConfigError, match="not those of a linear layer") as caught:
            pooled_features(model, make_collator(), CPU)
        assert "dsample correct" in caught.value.hint


def test_no_features_have_no_logits():
    model = MAKERS["bert"](4)
    assert last_layer_logits(model, np.empty((0, 16), np.float32), CPU).shape == (0, 4)
