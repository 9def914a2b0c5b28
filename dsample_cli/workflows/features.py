"""Pooled features of a run's splits, extracted once and cached in the run."""

import hashlib
import json
import zipfile

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.progress import Listener
from dsample_cli.data.sources import file_sha256
from dsample_cli.errors import RunError
from dsample_cli.runs.files import atomic_writer
from dsample_cli.runs.run import Run
from dsample_cli.workflows.datasets import Datasets, Part
from dsample_cli.workflows.model import TrainedModel

Features = dict[str, NDArray[np.float32]]


def run_features(
    run: Run, model: TrainedModel, data: Datasets, use_cache: bool, listener: Listener
) -> Features:
    """Features of all splits of a run, by split.

    Args:
        run: Has the model, and holds the cache: features-<split>.npz.
        model: Its model.
        data: Its splits.
        use_cache: Whether features of an earlier call are taken, and those of this one kept.
        listener: Hears of progress.

    Returns:
        For each split features in the order of its rows, shape [N, D], fp32.

    Raises:
        ConfigError: If the model's logits are not those of a linear layer.
    """
    weights = _weights_sha256(run) if use_cache else ""
    keys = {name: _key(part, weights, model) for name, part in data.parts.items()}
    found = {name: _read(run, name, keys[name]) for name in data.parts} if use_cache else {}
    features = {name: values for name, values in found.items() if values is not None}
    missing = [name for name in data.parts if name not in features]
    if missing:
        listener.phase("extracting features", sum(len(data.parts[n].rows) for n in missing))
    for name in missing:
        features[name], _ = model.features(data.parts[name].texts, listener.advance)
        if use_cache:
            _keep(run, name, keys[name], features[name], listener)
    return features


def _key(part: Part, weights: str, model: TrainedModel) -> str:
    """Identity of a split's features: other rows, weights or a precision give others."""
    rows = hashlib.sha256(part.rows.tobytes()).hexdigest()
    facts = [part.sha256, rows, weights, model.device.precision, model.max_length]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _weights_sha256(run: Run) -> str:
    return ",".join(file_sha256(path) for path in sorted(run.model_dir.glob("*.safetensors")))


def _read(run: Run, split: str, key: str) -> NDArray[np.float32] | None:
    """Cached features; None when there are none of that key."""
    try:
        with np.load(run.features_file(split), allow_pickle=False) as file:
            return file["features"] if str(file["key"]) == key else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _keep(
    run: Run, split: str, key: str, features: NDArray[np.float32], listener: Listener
) -> None:
    """Cache features, if the folder can be written."""
    try:
        with atomic_writer(run.features_file(split), "wb") as file:
            np.savez(file, key=np.array(key), features=features)
    except (OSError, RunError) as error:
        listener.note(f"The features of {split} are not cached: {error}")
