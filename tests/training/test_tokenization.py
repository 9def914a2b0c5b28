import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from dsample_cli.core.corrections import softmax
from dsample_cli.training.inference import padded_length, token_batches
from dsample_cli.training.tiny import build_tiny, train_tokenizer
from dsample_cli.training.tokenization import (
    Collator,
    TokenizedTexts,
    make_collator,
    tokenize,
)

TEXTS = ["the cat sat", "a dog", "the dog sat on the cat and the cat ran", "x"] * 5


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS)


def test_flat_ids_are_the_tokenizers_own(tokenizer):
    tokens = tokenize(tokenizer, [TEXTS], 64)
    ids = tokens.arrays["input_ids"]
    for row, text in enumerate(TEXTS):
        own = ids[tokens.offsets[row] : tokens.offsets[row + 1]].tolist()
        assert own == tokenizer(text)["input_ids"]


def test_long_texts_are_cut(tokenizer):
    tokens = tokenize(tokenizer, [TEXTS], 5)
    assert tokens.lengths.max() == 5


def test_pairs_keep_their_token_types():
    tokenizer = train_tokenizer(TEXTS)
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    tokens = tokenize(tokenizer, [TEXTS, TEXTS[::-1]], 64)
    expected = tokenizer(TEXTS[0], TEXTS[-1])
    end = tokens.offsets[1]
    assert tokens.arrays["token_type_ids"][:end].tolist() == expected["token_type_ids"]


@pytest.mark.parametrize("side", ["right", "left"])
def test_collator_pads_like_the_tokenizer(tokenizer, side):
    tokenizer.padding_side = side
    rows = [2, 0, 3]
    batch = make_collator(tokenizer, tokenize(tokenizer, [TEXTS], 64), np.arange(20))(rows)
    own = tokenizer([TEXTS[r] for r in rows], padding=True, return_tensors="pt")
    tokenizer.padding_side = "right"
    assert torch.equal(batch["input_ids"], own["input_ids"])
    assert torch.equal(batch["attention_mask"], own["attention_mask"])
    assert batch["labels"].tolist() == rows


def test_some_rows_of_a_collator_are_spread_over_all(tokenizer):
    every = make_collator(tokenizer, tokenize(tokenizer, [TEXTS], 64), np.arange(20))
    some = every.some(4)
    assert len(some.tokens) == 4
    expected, found = every([0, 5, 10, 15]), some([0, 1, 2, 3])
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert len(every.some(7).tokens) == 7
    assert len(every.some(100).tokens) == 20


def test_no_texts_at_all(tokenizer):
    assert len(tokenize(tokenizer, [[]], 8)) == 0


def test_same_texts_give_the_same_tokenizer():
    texts = [f"word{i % 37} kette{i % 11} 한국어{i % 5} äöü" for i in range(300)]
    first, second = train_tokenizer(texts), train_tokenizer(texts)
    assert first.get_vocab() == second.get_vocab()


def test_hangul_stays_in_syllables():
    tokenizer = train_tokenizer(["배송이 빨라요", "배송이 늦어요"] * 3)
    assert "배송이" in tokenizer.get_vocab()
    assert tokenizer.decode(tokenizer("배송이 빨라요")["input_ids"], skip_special_tokens=True)


def test_continuations_are_not_special_in_the_tiny_tokenizer():
    tokenizer = train_tokenizer(["abab abc"] * 3)
    assert not any(token.startswith("##") for token in tokenizer.all_special_tokens)
    assert "##b" not in tokenizer.tokenize("##b ##b")[:1]


def test_tiny_survives_a_round_trip(tmp_path):
    model, tokenizer = build_tiny([TEXTS], id2label={0: "a", 1: "b", 2: "c"})
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again(TEXTS)["input_ids"] == tokenizer(TEXTS)["input_ids"]
    assert model.config.num_labels == 3


def test_token_batches_cover_every_row_once_within_the_budget():
    lengths = np.random.default_rng(0).integers(1, 200, 500)
    batches = token_batches(lengths, tokens=1000, rows=32)
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    for batch in batches:
        assert len(batch) <= 32
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= 1000


def test_a_text_longer_than_the_budget_gets_a_batch_of_its_own():
    assert [b.tolist() for b in token_batches(np.array([5000, 3]), tokens=100)] == [[1], [0]]


def test_batches_of_any_texts_have_few_shapes():
    rng = np.random.default_rng(0)
    shapes = set()
    for _ in range(40):
        lengths = np.minimum(rng.lognormal(3, rng.uniform(0.3, 1), 4000).astype(int) + 1, 128)
        *full, _ = token_batches(lengths, tokens=2048)
        shapes |= {(len(rows), int(padded_length(lengths[rows].max()))) for rows in full}
    assert len(shapes) < 2 * len(set(padded_length(np.arange(1, 129)).tolist()))


def test_lengths_are_padded_by_an_eighth_at_most():
    lengths = np.arange(1, 10_000)
    padded = padded_length(lengths)
    assert (padded >= lengths).all()
    assert (padded - lengths < np.maximum(1, lengths / 8)).all()
    assert (np.diff(padded) >= 0).all()


def test_a_batch_is_never_padded_beyond_what_the_model_takes():
    tokens = TokenizedTexts({"input_ids": np.arange(19, dtype=np.int32)}, np.array([0, 19]), 19)
    collator = Collator(tokens, None, {"input_ids": 0})
    assert padded_length(np.array(19)) == 20
    assert collator([0], padded_length)["input_ids"].shape == (1, 19)


def test_softmax_of_large_logits_is_finite():
    probabilities = softmax(np.array([[1000.0, 0.0], [-1000.0, -1000.0]]))
    assert probabilities.tolist() == [[1.0, 0.0], [0.5, 0.5]]
