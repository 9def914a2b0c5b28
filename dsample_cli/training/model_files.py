"""What a folder says of the model in it, looked at before a library loads any of it.

Weights are read from safetensors alone. The other common formats are pickles, and to load a pickle
is to run whatever its maker put in it.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf, prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from dsample_cli.errors import ConfigError, first_line

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
AS_SAVED = "It needs config.json, model.safetensors and a tokenizer, as save_pretrained writes."

_PICKLED = re.compile(r".*\.(bin|pt|pth|ckpt|pkl|pickle)")
_PYTORCH = re.compile(r"pytorch_model.*\.bin")
_OTHER_WEIGHTS = re.compile(r".*\.(h5|msgpack|gguf|onnx|keras|pb)")
# Of Trainer and of tokenizers, in folders whose weights lie elsewhere.
_NO_WEIGHTS = re.compile(r"training_args\.bin|optimizer\..*|scheduler\..*|rng_state.*|scaler\.pt")
# Shards that are read by another way, which looks for no index.
_DISTRIBUTED = re.compile(r"shard-\d{5}-model-\d{5}-of-\d{5}\.safetensors")

_LARGEST_JSON = 10 * 2**20
_LARGEST_SIZE, _MOST_LABELS, _MOST_LAYERS = 2**24, 10**6, 1024
_SIZE = re.compile(r"size|dim|layer|head|expert|hidden|width|depth|vocab|embd?$|embed|inner|block")
_LAYERS = re.compile(r"(layer|block|expert|group|head|stage)s?$|depth")
_NO_SIZE = re.compile(r"token_id|theta|param")
_FLOATS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True)
class StoredWeights:
    """The tensors of a model's safetensors files, by their headers.

    Attributes:
        files: Where they are.
        numbers: In all tensors.
    """

    files: tuple[Path, ...]
    numbers: int


def read_model_config(folder: Path) -> dict[str, Any]:
    """The content of config.json.

    Raises:
        ConfigError: If it is missing or damaged, or asks for what no model has.
    """
    entries = _read_json(folder, CONFIG)
    if "quantization_config" in entries:
        raise unusable(
            folder,
            "its weights are quantised, which cannot be trained",
            "Take the model that it was quantised from.",
        )
    if "transformers_weights" in entries:
        raise unusable(
            folder,
            "its config.json names a file of weights, and only model.safetensors is loaded",
            "Delete transformers_weights from config.json.",
        )
    if any("/" in str(value) for key, value in _entries(entries) if _is_implementation(key)):
        raise unusable(
            folder,
            "its config.json asks for code of the hub to compute attention with",
            "Delete attn_implementation from config.json.",
        )
    for key, value in _entries(entries):
        if isinstance(value, int) and abs(value) > _most(key):
            raise unusable(folder, f"its config.json has {key} = {value}")
    return entries


def check_weights(folder: Path) -> StoredWeights:
    """Look at the headers of a model's safetensors files.

    Raises:
        ConfigError: If there are none, or they are damaged, lie outside of the folder or hold what
            are no weights; a pickle in their place is named, with the way to convert it.
    """
    refuse_other_formats({entry.name for entry in folder.iterdir()}, folder, str(folder))
    files = _weight_files(folder)
    numbers = 0
    for file in files:
        for name, kind, shape in _tensors(folder, file):
            if name.endswith((".weight", ".bias")) and kind not in _FLOATS:
                raise unusable(
                    folder,
                    f"{file.name} holds {name} as {kind}, which is no floating point",
                    "Take a model whose weights are not quantised.",
                )
            numbers += prod(shape)
    return StoredWeights(files, numbers)


def refuse_other_formats(names: Iterable[str], folder: Path | None, model: str) -> None:
    """Refuse a model that has no safetensors, by the names of its files.

    Args:
        names: Of its files.
        folder: Where they are; None on the hub.
        model: What the user calls it.

    Raises:
        ConfigError: If there are weights, and none in safetensors.
    """
    present = sorted(name for name in names if not _NO_WEIGHTS.fullmatch(name))
    if any(_DISTRIBUTED.fullmatch(name) for name in present):
        raise ConfigError(
            f"The weights of {model} are the shards of a distributed checkpoint.",
            "Save it whole: save_pretrained(FOLDER), and then --model FOLDER",
        )
    if "adapter_config.json" in present:
        raise ConfigError(
            f"{model} is an adapter of another model, not a model.",
            "Merge it with peft: merge_and_unload(), then save_pretrained(FOLDER), and --model "
            "FOLDER",
        )
    if WEIGHTS in present or INDEX in present:
        return
    if pickles := [name for name in present if _PICKLED.fullmatch(name)]:
        raise ConfigError(
            f"The weights of {model} are a pickle ({pickles[0]}). A pickle is a program: whoever "
            "loads it runs what its maker wrote in it, which can read, send or delete your files. "
            "Only safetensors are loaded, which hold numbers and nothing else.",
            _conversion(folder, pickles, model),
        )
    if others := [name for name in present if _OTHER_WEIGHTS.fullmatch(name)]:
        raise ConfigError(
            f"The weights of {model} are in {others[0]}; only safetensors are loaded.",
            "Ask its maker for model.safetensors, or take another --model.",
        )


def _conversion(folder: Path | None, pickles: list[str], model: str) -> str:
    """What turns a pickle into safetensors, without running it."""
    if not any(map(_PYTORCH.fullmatch, pickles)):
        return "Ask its maker for model.safetensors, or take another --model."
    where = folder or "FOLDER"
    fetch = "" if folder else f"hf download {model} --local-dir {where}; "
    # weights_only reads numbers, and refuses the rest of what a pickle can hold.
    return (
        f"If you trust it, convert it without running it: {fetch}cd {where} && python -c "
        '"import glob, torch; from safetensors.torch import save_file; w = {}; '
        "[w.update(torch.load(f, 'cpu', weights_only=True)) for f in "
        "glob.glob('pytorch_model*.bin')]; save_file({k: v.clone() for k, v in w.items()}, "
        "'model.safetensors', {'format': 'pt'})\"" + ("" if folder else f"; then --model {where}")
    )


def _weight_files(folder: Path) -> tuple[Path, ...]:
    if (folder / WEIGHTS).is_file():
        return (folder / WEIGHTS,)
    if not (folder / INDEX).is_file():
        raise unusable(folder, "it has no model.safetensors")
    return tuple(folder / name for name in shard_names(folder))


def shard_names(folder: Path) -> list[str]:
    """Files that the index of a folder names, all of them in the folder itself.

    Raises:
        ConfigError: If the index is damaged or names anything else.
    """
    content = _read_json(folder, INDEX)
    places = content.get("weight_map")
    if not isinstance(places, dict) or not isinstance(content.get("metadata"), dict) or not places:
        raise unusable(folder, f"its {INDEX} is damaged")
    names = sorted({str(name) for name in places.values()})
    for name in names:
        if Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
            raise unusable(
                folder,
                f"its {INDEX} names '{name[:100]}', which is no safetensors file of the folder",
                "Do not use it: no tool writes that.",
            )
    return names


def _tensors(folder: Path, file: Path) -> Iterator[tuple[str, str, list[int]]]:
    """Name, type and shape of each tensor."""
    try:
        with safe_open(file, framework="numpy") as content:
            for name in content.keys():  # noqa: SIM118 - it is no dict
                tensor = content.get_slice(name)
                yield name, tensor.get_dtype(), tensor.get_shape()
    except (SafetensorError, OSError) as error:
        raise unusable(
            folder, f"{file.name} is damaged or cut off ({first_line(error)})", "Fetch it again."
        ) from error


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    file = folder / name
    if not file.is_file():
        raise unusable(folder, f"it has no {name}")
    try:
        if file.stat().st_size > _LARGEST_JSON:
            raise unusable(folder, f"its {name} is larger than 10 MB")
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise unusable(folder, f"its {name} is damaged ({first_line(error)})") from error
    if not isinstance(content, dict):
        raise unusable(folder, f"its {name} is no JSON object")
    return content


def _entries(content: Any) -> Iterator[tuple[str, Any]]:
    """Keys and values of all objects within a JSON value; an item of a list has the list's key."""
    left: list[tuple[str, Any]] = [("", content)]
    while left:
        key, value = left.pop()
        if isinstance(value, dict):
            left.extend(value.items())
        elif isinstance(value, list):
            left.extend((key, item) for item in value)
        else:
            yield key, value


def _most(key: str) -> float:
    """Up to which a number of config.json is no nonsense; a library would count up to it."""
    if key.endswith("num_labels"):
        return _MOST_LABELS
    if not _SIZE.search(key) or _NO_SIZE.search(key):
        return inf
    return _MOST_LAYERS if _LAYERS.search(key) else _LARGEST_SIZE


def _is_implementation(key: str) -> bool:
    return key.strip("_").startswith(("attn_implementation", "experts_implementation"))


def unusable(source: Path | str, why: str, hint: str = AS_SAVED) -> ConfigError:
    """What is raised of a model that cannot be used.

    Args:
        source: Its folder or hub id.
        why: What is wrong, to follow a colon, without a full stop.
        hint: How to mend it.
    """
    what = "folder" if Path(source).is_dir() else "model"
    return ConfigError(f"The {what} {source} holds no usable model: {why}.", hint)
