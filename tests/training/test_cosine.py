"""The cosine head: trained, kept beside the model, and stood for by a linear layer."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from dsample_cli.core.heads import CosineHead
from dsample_cli.errors import ConfigError
from dsample_cli.training.cosine import (
    CosineLinear,
    mean_feature_length,
    put_cosine_head,
    require_linear_head,
    take_cosine_head,
)
from dsample_cli.training.features import pooled_features
from dsample_cli.training.heads import find_head, read_beside, save_beside
from dsample_cli.training.inference import predict_logits
from dsample_cli.training.optim import build_optimizer, head_parameter_names
from tests.training.test_features import ALL, CPU, Squared, make_collator

every_model = pytest.mark.parametrize("name", ALL)


def make_model(name, scale=30.0):
    """A model with a cosine head, the length of whose class weights is no longer 1."""
    torch.manual_seed(0)
    model = ALL[name](4).eval()
    put_cosine_head(model, scale)
    with torch.no_grad():
        find_head(model).weight *= torch.tensor([[0.5], [1.0], [2.0], [3.0]])
    return model


def test_the_logits_are_scaled_cosines():
    layer = torch.nn.Linear(2, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]))
    cosine = CosineLinear(layer, 30.0)
    golden = 30 * np.array([0.485643, 0.874157, -0.961524])
    for length in (1.0, 1e-3, 1e3):
        found = cosine(length * torch.tensor([[[0.5, 0.9]]]))
        assert found.detach().numpy().ravel() == pytest.approx(golden, abs=1e-4)


def test_it_begins_with_the_directions_of_the_layer():
    layer = torch.nn.Linear(5, 3)
    cosine = CosineLinear(layer, 30.0)
    lengths = layer.weight.norm(dim=1, keepdim=True)
    torch.testing.assert_close(cosine.weight * lengths, layer.weight)
    assert cosine.bias is None


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32])
def test_it_computes_in_fp32_under_autocast(precision):
    cosine = CosineLinear(torch.nn.Linear(64, 8), 30.0)
    features = torch.randn(4, 64, requires_grad=True)
    exact = cosine(features)
    with torch.autocast("cpu", dtype=precision, enabled=precision != torch.float32):
        found = cosine(features)
    assert found.dtype == torch.float32
    assert torch.equal(found, exact)
    found.sum().backward()
    # A feature's length does not matter, so the gradient is square to it.
    assert (features.grad * features).sum(dim=1).detach().numpy() == pytest.approx(0, abs=1e-4)


@every_model
def test_the_head_beside_gives_what_the_trained_network_gave(name, tmp_path):
    model, collator = make_model(name), make_collator()
    trained = predict_logits(model, collator, CPU, 4)
    assert np.abs(trained).max() <= 30 + 1e-4
    head = take_cosine_head(model, mean_feature_length(model, collator, CPU))
    features, plain = pooled_features(model, collator, CPU)
    assert head(features, plain) == pytest.approx(trained, abs=1e-4)
    save_beside(tmp_path / "head.safetensors", np.full(4, 0.5), np.arange(4.0), head)
    again = read_beside(tmp_path / "head.safetensors")
    assert isinstance(again, CosineHead)
    assert (again(features) == head(features)).all()


@every_model
def test_a_plain_layer_stands_for_it_wherever_the_model_is_loaded(name, tmp_path):
    has_bias = find_head(ALL[name](4)).bias is not None
    model, collator = make_model(name), make_collator()
    trained = predict_logits(model, collator, CPU, 4)
    length = mean_feature_length(model, collator, CPU)
    take_cosine_head(model, length)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    layer = find_head(loaded)
    assert type(layer) is torch.nn.Linear
    assert (layer.bias is not None) == has_bias
    assert not has_bias or layer.bias.tolist() == [0] * 4
    features, plain = pooled_features(loaded, collator, CPU)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    assert lengths.mean() == pytest.approx(length, rel=1e-5)
    assert plain == pytest.approx(trained * lengths / length, abs=1e-3)
    assert (plain.argmax(axis=1) == trained.argmax(axis=1)).all()


@every_model
def test_it_learns_with_the_head_and_its_weights_are_saved(name):
    model = make_model(name)
    (weight,) = [n for n, p in model.named_parameters() if p is find_head(model).weight]
    assert weight in head_parameter_names(model)
    rates = {id(p): g["lr"] for g in build_optimizer(model, 1e-4).param_groups for p in g["params"]}
    assert rates[id(find_head(model).weight)] == pytest.approx(1e-3)
    assert weight in model.state_dict()
    assert weight.replace("weight", "bias") not in model.state_dict()
    require_linear_head(model, make_collator())


def test_a_model_without_a_linear_head_is_refused():
    without, squared = ALL["bert"](4), Squared(ALL["bert"](4).config)
    without.classifier = torch.nn.Identity()
    with pytest.raises(ConfigError, match="--loss ldam makes a cosine head"):
        put_cosine_head(without, 30.0)
    put_cosine_head(squared, 30.0)
    with pytest.raises(ConfigError, match="--loss ldam makes a cosine head") as caught:
        require_linear_head(squared, make_collator())
    assert "Take another --loss" in caught.value.hint
