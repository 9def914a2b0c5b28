"""How many tokens texts have under an encoder's tokenizer, without loading torch or the encoder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.training.packaged import MINILM_HUB_ID, packaged_minilm

TOKENIZER_FILE = "tokenizer.json"
BATCH = 1000


@dataclass(frozen=True)
class TokenCounts:
    """Tokens of N texts, before any cut.

    Attributes:
        lengths: Tokens of each text, special tokens included; shape [N].
        unknown: Those that the tokenizer has no entry for; shape [N].
        special: Special tokens that each text gets.
    """

    lengths: NDArray[np.int64]
    unknown: NDArray[np.int64]
    special: int


def find_tokenizer(model: str) -> Path | None:
    """The tokenizer.json of a model, if it is on this machine; the hub is not asked.

    Args:
        model: Hub id, local folder, "minilm" or "tiny", which has none before it is trained.
    """
    if model == "tiny":
        return None
    folder = packaged_minilm() if model == "minilm" else Path(model)
    if folder is not None and folder.is_dir():
        file = folder / TOKENIZER_FILE
        return file if file.is_file() else None
    return _in_hub_cache(MINILM_HUB_ID if model == "minilm" else model)


def count_tokens(tokenizer_file: Path, texts: Sequence[Sequence[str]]) -> TokenCounts:
    """Count the tokens of texts, or of pairs of texts.

    Args:
        tokenizer_file: What `find_tokenizer` gave.
        texts: One sequence of N texts, or two for pairs.

    Raises:
        ValueError: If the file is no tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(tokenizer_file))
    except Exception as error:  # the library raises nothing more exact
        raise ValueError(str(error)) from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    unknown_id = _unknown_id(tokenizer)
    lengths: list[int] = []
    unknown: list[int] = []
    for start in range(0, len(texts[0]), BATCH):
        columns = [column[start : start + BATCH] for column in texts]
        inputs: Any = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
        for encoding in tokenizer.encode_batch_fast(inputs):
            ids = encoding.ids
            lengths.append(len(ids))
            unknown.append(ids.count(unknown_id))
    special = tokenizer.num_special_tokens_to_add(len(texts) > 1)
    return TokenCounts(np.array(lengths, np.int64), np.array(unknown, np.int64), special)


def _unknown_id(tokenizer: Any) -> int:
    """Id of the token that stands for what is unknown; -1 where there is none."""
    model = json.loads(tokenizer.to_str())["model"]
    if isinstance(model.get("unk_id"), int):
        return model["unk_id"]
    known = tokenizer.token_to_id(model["unk_token"]) if model.get("unk_token") else None
    return -1 if known is None else known


def _in_hub_cache(hub_id: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(hub_id, TOKENIZER_FILE)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None
