"""Short attention is sdpa's, in value and gradient, for every kind of encoder."""

from typing import Any

import pytest
import torch
import transformers as t

from dsample_cli.training.attention import SHORT, short_attention, use_short_attention

SMALL: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "num_labels": 3,
    "pad_token_id": 0,
}
CONFIGS = {
    "bert": t.BertConfig(**SMALL),
    "roberta": t.RobertaConfig(**SMALL),
    "electra": t.ElectraConfig(**SMALL, embedding_size=32),
    "distilbert": t.DistilBertConfig(
        vocab_size=60, dim=32, n_layers=2, n_heads=4, hidden_dim=48, num_labels=3, pad_token_id=0
    ),
    "modernbert": t.ModernBertConfig(
        **SMALL, global_attn_every_n_layers=2, local_attention=6, cls_token_id=1, sep_token_id=2
    ),
    "gpt2": t.GPT2Config(
        vocab_size=60, n_embd=32, n_layer=2, n_head=4, num_labels=3, pad_token_id=0
    ),
    "llama-grouped": t.LlamaConfig(**SMALL, num_key_value_heads=2),
}


def new_model(config: Any) -> Any:
    torch.manual_seed(1)
    return t.AutoModelForSequenceClassification.from_config(config).train()


def batch(is_padded: bool) -> dict[str, torch.Tensor]:
    torch.manual_seed(2)
    mask = torch.ones(5, 14, dtype=torch.long)
    if is_padded:
        for row in range(5):
            mask[row, 14 - 2 * row :] = 0
    ids = torch.randint(3, 60, (5, 14)) * mask
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([0, 1, 2, 1, 0])}


@pytest.mark.parametrize("is_padded", [True, False])
@pytest.mark.parametrize("name", CONFIGS)
def test_equals_sdpa(name: str, is_padded: bool) -> None:
    config = CONFIGS[name]
    for rate in ("attention_probs_dropout_prob", "hidden_dropout_prob", "attention_dropout"):
        if hasattr(config, rate):
            setattr(config, rate, 0.0)
    for rate in ("dropout", "attn_pdrop", "embd_pdrop", "resid_pdrop", "seq_classif_dropout"):
        if hasattr(config, rate):
            setattr(config, rate, 0.0)
    results = []
    for is_short in (False, True):
        model = new_model(config)
        if is_short:
            use_short_attention(model)
            assert model.config._attn_implementation == SHORT
        loss = model(**batch(is_padded)).loss
        loss.backward()
        results.append((loss, {n: p.grad for n, p in model.named_parameters()}))
    torch.testing.assert_close(results[0][0], results[1][0])
    for name_of, gradient in results[0][1].items():
        torch.testing.assert_close(gradient, results[1][1][name_of], msg=name_of)


def test_attention_that_is_no_ones_choice_stays() -> None:
    model = new_model(CONFIGS["bert"])
    model.set_attn_implementation("eager")
    use_short_attention(model)
    assert model.config._attn_implementation == "eager"
    deberta = new_model(t.DebertaV2Config(**SMALL))
    before = deberta.config._attn_implementation
    use_short_attention(deberta)
    assert deberta.config._attn_implementation == before


def test_dropout_thins_the_weights_and_keeps_their_mean() -> None:
    torch.manual_seed(0)
    query = torch.randn(64, 4, 20, 8, requires_grad=True)
    value = torch.ones(64, 4, 20, 8)
    mask = torch.ones(64, 1, 1, 20, dtype=torch.bool)
    mixed, _ = short_attention(torch.nn.Module(), query, query, value, mask, dropout=0.25)
    assert mixed.shape == (64, 20, 4, 8)
    assert mixed.std() > 0.05
    assert mixed.mean().item() == pytest.approx(1, abs=0.02)


def test_a_name_of_ours_is_in_no_saved_config(tmp_path: Any) -> None:
    model = new_model(CONFIGS["bert"])
    use_short_attention(model)
    model.save_pretrained(tmp_path)
    assert SHORT not in (tmp_path / "config.json").read_text()
