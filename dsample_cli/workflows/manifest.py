"""What a run's manifest says of how it came about."""

import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from dsample_cli import __version__
from dsample_cli.core.config import TrainConfig
from dsample_cli.core.sampling import count_classes
from dsample_cli.core.selection import SELECTION_METRICS
from dsample_cli.errors import DsampleError
from dsample_cli.runs.run import FAILED, RUNNING
from dsample_cli.workflows.datasets import Datasets

_PACKAGES = ("torch", "transformers", "accelerate", "numpy", "scikit-learn", "pyarrow")


def first_manifest(config: TrainConfig, data: Datasets) -> dict[str, Any]:
    """What run.json holds when training begins."""
    counts = count_classes(data.parts["train"].codes, len(data.label_names))
    return {
        "status": RUNNING,
        "created": now(),
        "config": config.to_options(),
        "data": {name: part.manifest_entry() for name, part in data.parts.items()},
        "text_columns": list(data.text_columns),
        "label_column": data.label_column,
        "labels": list(data.label_names),
        "train_counts": counts.tolist(),
        "validation_rows_sha256": data.validation_rows_sha256,
        "select_on": SELECTION_METRICS[config.select_on][0],
        "seed": config.seed,
        "versions": _versions(),
    }


def failure(error: BaseException) -> dict[str, str]:
    """What run.json says of an error that ended the run; of a bug its kind, not its text."""
    message = error.message if isinstance(error, DsampleError) else type(error).__name__
    return {"status": FAILED, "error": message}


def training_warnings(manifest: dict[str, Any]) -> list[str]:
    """What a run was warned of before its results were known."""
    found: list[str] = (manifest.get("warnings") or {}).get("training", [])
    return found


def _versions() -> dict[str, str]:
    versions = {"dsample": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions | {"platform": sys.platform}


def now() -> str:
    """The present time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
