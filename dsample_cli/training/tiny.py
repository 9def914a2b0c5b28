"""A small transformer and its tokenizer, made from the training texts.

Any language, no download.
"""

from collections.abc import Sequence
from typing import Any

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    ModernBertConfig,
    ModernBertForSequenceClassification,
    PreTrainedTokenizerFast,
)

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_LONGEST = 512
# A vocabulary is learned from the beginnings of texts: all of a book would take gigabytes.
_MOST_CHARACTERS = 1 << 18


def train_tokenizer(texts: Sequence[str], vocabulary_size: int = 8000) -> PreTrainedTokenizerFast:
    """Train a lower-casing WordPiece tokenizer; the same texts give the same tokenizer.

    Text is composed to Unicode NFC and keeps its accents, so that Hangul stays in syllables.

    Args:
        texts: Training texts only; a tokenizer that saw the test set would flatter the result.
        vocabulary_size: Most word pieces.
    """
    apprentice = _new_tokenizer(models.WordPiece(unk_token="[UNK]"))
    # The trainer numbers the characters that continue a word in the order of a randomised hash
    # table, and the numbers break ties between merges. Naming these pieces beforehand fixes them.
    continuations = ["##" + character for character in _characters(apprentice, texts)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size,
        min_frequency=2,
        special_tokens=_SPECIAL + continuations,
        show_progress=False,
    )
    apprentice.train_from_iterator(texts, trainer)
    # A new tokenizer with the vocabulary alone: in it the continuations are not special.
    tokenizer = _new_tokenizer(models.WordPiece(apprentice.get_vocab(), unk_token="[UNK]"))
    tokenizer.decoder = decoders.WordPiece()
    ids = {token: place for place, token in enumerate(_SPECIAL)}
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"])
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=_LONGEST,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "attention_mask"],
    )


def _new_tokenizer(model: models.WordPiece) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.BertNormalizer(strip_accents=False, lowercase=True),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _characters(tokenizer: Tokenizer, texts: Sequence[str]) -> list[str]:
    """The characters of the normalised texts, sorted."""
    found: set[str] = set()
    for text in texts:
        found.update(tokenizer.normalizer.normalize_str(text))
    return sorted(c for c in found if not c.isspace())


def build_tiny(
    columns: Sequence[Sequence[str]], dropout: float = 0.1, **labels: Any
) -> tuple[ModernBertForSequenceClassification, PreTrainedTokenizerFast]:
    """Make a two-layer ModernBERT of width 128 with random weights, and its tokenizer.

    It classifies the mean of its token states: from scratch, a few hundred steps teach that what a
    classifier on the first token does not learn in thousands.

    Args:
        columns: Training texts, one or two columns.
        dropout: Every dropout rate.
        labels: `id2label` and `label2id`, which also give the number of classes.
    """
    beginnings = [text[:_MOST_CHARACTERS] for column in columns for text in column]
    tokenizer = train_tokenizer(beginnings)
    model = ModernBertForSequenceClassification(
        ModernBertConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=_LONGEST,
            global_attn_every_n_layers=1,
            classifier_pooling="mean",
            embedding_dropout=dropout,
            attention_dropout=dropout,
            mlp_dropout=dropout,
            classifier_dropout=dropout,
            pad_token_id=tokenizer.pad_token_id,
            cls_token_id=tokenizer.cls_token_id,
            sep_token_id=tokenizer.sep_token_id,
            bos_token_id=tokenizer.cls_token_id,
            eos_token_id=tokenizer.sep_token_id,
            problem_type="single_label_classification",
            **labels,
        )
    )
    return model, tokenizer
