"""How a run fares against TF-IDF and logistic regression on the same rows, in words."""

from collections.abc import Mapping
from typing import Any

BASELINE_NAME = "TF-IDF + logistic regression"
MODEL_NAMES = {"plain": "plain", "balanced": "class-balanced"}


def gain_text(baseline: Mapping[str, Any] | None, metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """A sentence for the user; empty where nothing can be compared.

    Args:
        baseline: `baseline` of run.json.
        metrics: Split -> figures of the run.

    Examples:
        >>> found = {"model": "plain", "fitted_rows": 80, "train_rows": 80}
        >>> gain_text(found | {"test": {"macro_f1": 0.5}}, {"test": {"macro_f1": 0.625}})
        'TF-IDF + logistic regression (plain), fitted on the same training rows: macro-F1 0.500 on
        test (this run +0.125).'
    """
    if baseline is None:
        return ""
    compared = [
        f"{baseline[split]['macro_f1']:.3f} on {split} (this run "
        f"{figures['macro_f1'] - baseline[split]['macro_f1']:+.3f})"
        for split, figures in metrics.items()
        if split in baseline
    ]
    if not compared:
        return ""
    fitted, train_rows = baseline["fitted_rows"], baseline["train_rows"]
    rows = (
        "the same training rows"
        if fitted >= train_rows
        else f"{fitted:,} of the {train_rows:,} training rows"
    )
    model = MODEL_NAMES[baseline["model"]]
    return f"{BASELINE_NAME} ({model}), fitted on {rows}: macro-F1 {', '.join(compared)}."
