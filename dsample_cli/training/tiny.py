"""A small transformer and its tokenizer, made from the training texts.

Any language, no download.
"""

from collections.abc import Iterable, Iterator, Sequence
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
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_LONGEST = 512


def train_tokenizer(texts: Iterable[str], vocabulary_size: int = 8000) -> PreTrainedTokenizerFast:
    """Train a lower-casing WordPiece tokenizer.

    Text is composed to Unicode NFC and keeps its accents, so that Hangul stays in syllables.

    Args:
        texts: Training texts only; a tokenizer that saw the test set would flatter the result.
        vocabulary_size: Most word pieces.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.BertNormalizer(strip_accents=False, lowercase=True),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size, min_frequency=2, special_tokens=_SPECIAL, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
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
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def build_tiny(
    columns: Sequence[Sequence[str]], n_classes: int, **config: Any
) -> tuple[BertForSequenceClassification, PreTrainedTokenizerFast]:
    """Make a two-layer BERT of width 128 with random weights, and its tokenizer.

    Args:
        columns: Training texts, one or two columns.
        n_classes: Size of the head.
        config: More entries of the BertConfig, such as id2label.
    """
    tokenizer = train_tokenizer(_every_text(columns))
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=512,
            max_position_embeddings=_LONGEST,
            pad_token_id=tokenizer.pad_token_id,
            num_labels=n_classes,
            **config,
        )
    )
    return model, tokenizer


def _every_text(columns: Sequence[Sequence[str]]) -> Iterator[str]:
    for column in columns:
        yield from column
