"""Corrections that are folded into the last layer of a model, and those that cannot be."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file

from dsample_cli.core.corrections import Correction
from dsample_cli.training.heads import (
    can_fold,
    find_head,
    fold,
    head_parameters,
    save_beside,
    unfold,
)
from dsample_cli.training.tiny import build_tiny
from tests.helpers import process_environment

N_CLASSES = 4
WORDS = "one two three four five six seven eight"
SMALL = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
}


def make_tiny(n_classes):
    names = {i: str(i) for i in range(n_classes)}
    return build_tiny([[WORDS] * 3], id2label=names, label2id={n: i for i, n in names.items()})[0]


def make_distilbert(n_classes):
    config = transformers.DistilBertConfig(
        num_labels=n_classes, vocab_size=50, dim=16, n_layers=1, n_heads=2, hidden_dim=32
    )
    return transformers.DistilBertForSequenceClassification(config)


def make_like_bert(family):
    config, model = f"{family}Config", f"{family}ForSequenceClassification"

    def make(n_classes):
        options = {"num_labels": n_classes, "pad_token_id": 0, **SMALL}
        return getattr(transformers, model)(getattr(transformers, config)(**options))

    return make


MAKERS = {
    "tiny": make_tiny,
    "bert": make_like_bert("Bert"),
    "distilbert": make_distilbert,
    "roberta": make_like_bert("Roberta"),
    "xlm-roberta": make_like_bert("XLMRoberta"),  # its encoder comes after its head
}
every_model = pytest.mark.parametrize("name", MAKERS)


def make_model(name, n_classes=N_CLASSES):
    """A model with random weights, those of the head's bias too."""
    torch.manual_seed(0)
    model = MAKERS[name](n_classes).eval()
    with torch.no_grad():
        find_head(model).bias.normal_()
    return model


def make_correction(n_classes=N_CLASSES):
    rng = np.random.default_rng(0)
    return Correction(rng.uniform(0.2, 3, size=n_classes), 3 * rng.normal(size=n_classes), {})


def logits_of(model):
    ids = torch.arange(5, 29).reshape(3, 8) % 11 + 1
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    return logits.double().numpy()


@every_model
@pytest.mark.parametrize("is_square", [False, True])
def test_a_folded_model_gives_the_corrected_logits(name, is_square):
    """Also with as many classes as the layer below has units."""
    width = 128 if name == "tiny" else 16
    n_classes = width if is_square else N_CLASSES
    model, correction = make_model(name, n_classes), make_correction(n_classes)
    raw = logits_of(model)
    assert raw.std() > 0.1
    assert can_fold(model)
    fold(model, correction.scale, correction.bias)
    assert logits_of(model) == pytest.approx(correction(raw), abs=1e-5)


@every_model
def test_what_was_folded_is_taken_back(name):
    model, correction = make_model(name), make_correction()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fold(model, correction.scale, correction.bias)
    changed = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert len(changed) == 2, "weight and bias of the last layer, nothing else"
    unfold(model, correction.scale, correction.bias)
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=1e-6)


def test_two_folds_are_one_of_both():
    first, second = make_correction(), Correction(np.full(4, 0.5), np.arange(4.0), {})
    model = make_model("bert")
    raw = logits_of(model)
    fold(model, first.scale, first.bias)
    fold(model, second.scale, second.bias)
    assert logits_of(model) == pytest.approx(first.then(second)(raw), abs=1e-5)


@every_model
def test_the_head_gives_its_norms_and_biases(name):
    model = make_model(name)
    norms, bias = head_parameters(model)
    head = find_head(model)
    assert head.out_features == N_CLASSES
    assert norms == pytest.approx(np.linalg.norm(head.weight.detach().numpy(), axis=1), rel=1e-6)
    assert bias == pytest.approx(head.bias.detach().numpy())
    assert norms.dtype == bias.dtype == np.float64


def test_a_head_without_bias_cannot_be_folded():
    model = make_like_bert("Llama")(N_CLASSES)
    assert find_head(model) is model.score
    assert not can_fold(model)
    norms, bias = head_parameters(model)
    assert (norms > 0).all()
    assert bias.tolist() == [0, 0, 0, 0]


def test_a_model_without_a_linear_head_has_none():
    model = make_model("bert")
    model.classifier = torch.nn.Identity()
    assert find_head(model) is None
    assert head_parameters(model) is None
    assert not can_fold(model)


def test_a_correction_is_kept_beside_a_model(tmp_path):
    correction = make_correction()
    save_beside(tmp_path / "head.safetensors", correction.scale, correction.bias)
    found = load_file(tmp_path / "head.safetensors")
    assert set(found) == {"scale", "bias"}
    assert (found["scale"] == correction.scale).all()
    assert (found["bias"] == correction.bias).all()


ELSEWHERE = """
import json, sys, torch
from transformers import AutoModelForSequenceClassification
ids = torch.arange(5, 29).reshape(3, 8) % 11 + 1
for folder in sys.argv[1:]:
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    print(json.dumps(logits.tolist()))
assert "dsample_cli" not in sys.modules
"""


def test_a_folded_model_is_corrected_wherever_it_is_loaded(tmp_path):
    """By transformers alone, in a process of its own."""
    expected, correction = {}, make_correction()
    for name in MAKERS:
        model = make_model(name)
        expected[name] = correction(logits_of(model))
        fold(model, correction.scale, correction.bias)
        model.save_pretrained(tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *(str(tmp_path / name) for name in MAKERS)],
        env=process_environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for (name, logits), answer in zip(expected.items(), found, strict=True):
        assert np.array(answer) == pytest.approx(logits, abs=1e-5), name
