"""What is frozen of an encoder, and adapters on the rest."""

import pytest
import torch
import transformers
from safetensors.torch import load_model

from dsample_cli.errors import ConfigError
from dsample_cli.training.freezing import freeze, trained_weights
from dsample_cli.training.lora import add_lora, merge_lora
from dsample_cli.training.optim import build_optimizer, head_parameter_names
from dsample_cli.training.recorder import save_weights

SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "num_labels": 3,
    "pad_token_id": 0,
}
# What lies below the layers, and the layers by the name that they have.
PARTS = {
    "Bert": ("embeddings", "encoder.layer"),
    "Roberta": ("embeddings", "encoder.layer"),
    "Electra": ("embeddings embeddings_project", "encoder.layer"),
    "DebertaV2": ("embeddings encoder.rel_embeddings encoder.LayerNorm", "encoder.layer"),
    "ModernBert": ("embeddings", "layers"),
    "DistilBert": ("embeddings", "transformer.layer"),
    "GPT2": ("wte wpe", "h"),
    "Llama": ("embed_tokens", "layers"),
}
IDS = torch.randint(1, 60, (2, 6), generator=torch.Generator().manual_seed(0))


def make(kind: str, **options):
    own: dict[str, dict] = {
        "Electra": {"embedding_size": 8},
        "DebertaV2": {"relative_attention": True, "norm_rel_ebd": "layer_norm"},
        "ModernBert": {"cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2},
        "GPT2": {"bos_token_id": 1, "eos_token_id": 2},
    }
    config = getattr(transformers, f"{kind}Config")(**SIZES | own.get(kind, {}) | options)
    torch.manual_seed(0)
    return getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()


def frozen_names(model):
    return {name for name, p in model.base_model.named_parameters() if not p.requires_grad}


@pytest.mark.parametrize("kind", PARTS)
def test_the_lowest_layers_are_frozen_with_what_is_below_them(kind):
    model = make(kind)
    freeze(model, layers=2)
    below, layers = PARTS[kind]
    parts = (*below.split(), f"{layers}.0", f"{layers}.1")
    expected = {
        name
        for name, _ in model.base_model.named_parameters()
        if any(name.startswith(f"{part}.") for part in parts)
    }
    assert frozen_names(model) == expected
    states = model(IDS, output_hidden_states=True).hidden_states
    assert [state.requires_grad for state in states] == [False, False, False, True]
    trained = {
        id(p) for group in build_optimizer(model, 1e-3).param_groups for p in group["params"]
    }
    assert trained == {id(p) for p in model.parameters() if p.requires_grad}


def test_embeddings_are_frozen_alone():
    model = make("Bert")
    freeze(model, embeddings=True)
    assert {name.split(".")[0] for name in frozen_names(model)} == {"embeddings"}


def test_nothing_is_frozen_unasked():
    model = make("Bert")
    freeze(model)
    assert not frozen_names(model)


def test_more_layers_than_there_are_is_told():
    with pytest.raises(ConfigError, match="--freeze-layers 4: the model has 3 layers"):
        freeze(make("Bert"), layers=4)


@pytest.mark.parametrize("kind", ["Albert", "XLM"])
def test_layers_that_cannot_be_told_apart_are_told(kind):
    options = {"n_layers": 3, "n_heads": 2} if kind == "XLM" else {}
    with pytest.raises(ConfigError, match="cannot be told apart") as caught:
        freeze(make(kind, **options), layers=1)
    assert "--model" in caught.value.hint


def test_weights_are_stored_without_the_frozen_ones_and_come_back(tmp_path):
    model, other = make("Bert"), make("Bert")
    freeze(model, layers=1)
    assert len(trained_weights(other)) == len(list(other.parameters()))
    with torch.no_grad():
        model.classifier.weight.fill_(1.0)
    save_weights(model, tmp_path / "best.safetensors")
    missing, unexpected = load_model(other, tmp_path / "best.safetensors", strict=False)
    assert not unexpected
    assert {name.removeprefix("bert.") for name in missing} == frozen_names(model)
    assert torch.equal(model(IDS).logits, other(IDS).logits)


@pytest.mark.parametrize("kind", ["Bert", "DebertaV2", "ModernBert", "Llama"])
def test_merged_adapters_leave_a_plain_model_with_the_same_outputs(kind):
    model = make(kind)
    kind_of, names, before = type(model), set(model.state_dict()), model(IDS).logits
    head = head_parameter_names(model)
    freeze(model, layers=1)
    add_lora(model, rank=2, alpha=4.0)
    assert torch.equal(model(IDS).logits, before)
    assert head_parameter_names(model) == head
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert head < trained
    assert all("lora_" in name for name in trained - head)
    assert not any(".0." in name for name in trained - head)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    adapted = model(IDS).logits
    assert not torch.allclose(adapted, before, atol=1e-3)
    merge_lora(model)
    assert type(model) is kind_of
    assert set(model.state_dict()) == names
    assert torch.allclose(model(IDS).logits, adapted, rtol=1e-4, atol=1e-5)


def test_adapters_need_a_layer_that_is_not_frozen():
    model = make("Bert")
    freeze(model, layers=3)
    with pytest.raises(ConfigError, match="no linear layer below its head"):
        add_lora(model, 2, 4.0)
