"""Labels that runs predicted for their held-out rows, as they stored them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.config import AUTO
from dsample_cli.errors import RunError
from dsample_cli.runs.run import Run, is_plain

SPLITS = ("test", "validation")
_MOST_ROWS = 2**63


@dataclass(frozen=True)
class StoredPredictions:
    """What a run stored for a split, rows in their order in the file that they came from.

    Attributes:
        run: The run.
        manifest: Its run.json.
        sha256: Of the file that the rows are from.
        rows: Their 0-based numbers, rising.
        truth: Their true labels.
        predicted: Their predicted labels.
    """

    run: Run
    manifest: Mapping[str, Any]
    sha256: str
    rows: NDArray[np.int64]
    truth: Sequence[str]
    predicted: Sequence[str]


def choose_split(runs: Sequence[Run], wanted: str) -> str:
    """The split whose predictions all runs have; `auto` prefers test.

    Raises:
        RunError: If one of them has none.
    """
    for split in SPLITS if wanted == AUTO else (wanted,):
        missing = [run for run in runs if not run.predictions_file(split).is_file()]
        if not missing:
            return split
    with missing[0].reading():
        raise _without(missing[0], wanted)


def _without(run: Run, wanted: str) -> RunError:
    what = "predictions of a split that all have" if wanted == AUTO else f"a {wanted} split"
    return RunError(
        f"Run {run.id} has not {what}.",
        "Train it with --test FILE or with validation rows, or leave it out.",
    )


def read_stored(run: Run, manifest: Mapping[str, Any], split: str) -> StoredPredictions:
    """Read the predictions of a split; probabilities, the most of the file, are not kept.

    Raises:
        RunError: If the file is damaged.
    """
    path, known = run.predictions_file(split), set(manifest["labels"])
    rows: list[int] = []
    truth, predicted, is_whole, sha256 = [], [], False, ""
    try:
        if not is_plain(path):
            raise FileNotFoundError(path)
        # Lines end with \n alone: a label may hold another separator.
        with path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                record = json.loads(line)
                rows.append(int(record["row"]))
                truth.append(record["true"])
                predicted.append(record["label"])
        is_numbered = 0 < len(rows) == len(set(rows)) and min(rows) >= 0 and max(rows) < _MOST_ROWS
        is_whole = is_numbered and {*truth, *predicted} <= known
        sha256 = manifest["data"][split]["sha256"]
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        is_whole = False
    if not is_whole:
        with run.reading():
            raise RunError(
                f"{path} is damaged.",
                f"Leave run {run.id} out, or train it again: dsample train --config "
                f"{run.config_file}",
            )
    order = np.argsort(rows, kind="stable")
    return StoredPredictions(
        run,
        manifest,
        sha256,
        np.array(rows, np.int64)[order],
        [truth[i] for i in order],
        [predicted[i] for i in order],
    )


def difference_of_rows(first: StoredPredictions, other: StoredPredictions) -> str:
    """Why two runs did not predict the same rows; empty when they did."""
    if first.sha256 != other.sha256:
        return "the files that their rows are from differ (another SHA-256)"
    if not np.array_equal(first.rows, other.rows):
        common = len(np.intersect1d(first.rows, other.rows))
        return (
            f"they held out other rows of the file ({len(first.rows):,} and {len(other.rows):,}, "
            f"{common:,} of them the same)"
        )
    if first.truth != other.truth:
        return "the true labels of their rows differ"
    return ""
