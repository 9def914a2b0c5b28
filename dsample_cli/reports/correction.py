"""The correction of a run in words, from what its run.json holds."""

from collections.abc import Mapping
from math import isclose
from typing import Any

_SAME = 1e-3  # shares that differ by less of themselves are told as equal


def correction_text(entry: Mapping[str, Any]) -> str:
    """What was taken and what it is worth, in one sentence.

    Args:
        entry: `correction` of run.json.

    Examples:
        >>> correction_text({"asked": "none", "method": "none"})
        'No correction was asked for.'
    """
    verdict = correction_verdict(entry)
    if "before" not in entry:
        return f"{verdict}."
    change = 100 * (entry["cross_fitted"] - entry["before"])
    joint = "," if "not worth it" in verdict or entry["method"] == "none" else ":"
    return (
        f"{verdict}{joint} {entry['metric'].replace('_', '-')} {entry['before']:.4f} -> "
        f"{entry['cross_fitted']:.4f} on rows that it was not fitted on ({change:+.1f} points, "
        f"standard error {100 * entry['standard_error']:.1f})."
    )


def correction_verdict(entry: Mapping[str, Any]) -> str:
    """What was taken, without a full stop.

    Args:
        entry: `correction` of run.json.
    """
    method, asked = entry["method"], entry["asked"]
    if "before" not in entry:
        if asked == "none":
            return "No correction was asked for"
        return "No correction: there is no validation data to fit one on"
    if method == "none":
        return "No correction: it would not be worth it"
    if "logit-adjust" in method or asked != "auto":
        return f"Corrected by {method}"
    return f"Calibrated by {method}; logit adjustment not worth it"


def correction_line(manifest: Mapping[str, Any], shifted_to: str | None = None) -> str | None:
    """How a run's logits are corrected and what its probabilities stand for, in a few words.

    Args:
        manifest: run.json of a completed run.
        shifted_to: Class shares that the probabilities were shifted to afterwards, as typed.

    Returns:
        A sentence; None where the run does not say.
    """
    stands_for = served_prior(manifest)
    if stands_for is None:
        return None
    method = manifest["correction"]["method"]
    how = "Not corrected" if method == "none" else f"Corrected by {method}"
    if shifted_to is not None:
        return f"{how}, then shifted to --target-prior {shifted_to}."
    return f"{how}; the probabilities stand for {stands_for}."


def served_prior(manifest: Mapping[str, Any]) -> str | None:
    """Which class shares the probabilities of a run stand for; None where it does not say."""
    entry, prior = manifest.get("correction"), manifest.get("prior")
    if not entry or not prior:
        return None
    counts = manifest["train_counts"]
    natural = {label: n / sum(counts) for label, n in zip(manifest["labels"], counts, strict=True)}
    return prior_text(prior, natural, entry["target_prior"])


def prior_text(
    prior: Mapping[str, float], natural: Mapping[str, float], target: Mapping[str, float] | None
) -> str:
    """Which class shares probabilities stand for, in a few words.

    Args:
        prior: Share of each label.
        natural: The same of the training data.
        target: The same as asked for; None when nothing but equal shares was.

    Examples:
        >>> prior_text({"ham": 0.5, "spam": 0.5}, {"ham": 0.9, "spam": 0.1}, None)
        'equal class shares'
    """
    if _are_same(prior, dict.fromkeys(prior, 1 / len(prior))):
        return "equal class shares"
    if _are_same(prior, natural):
        return "the class shares of the training data"
    if target is not None and _are_same(prior, target):
        return "the class shares of --target-prior"
    return "the class shares that training drew"


def _are_same(shares: Mapping[str, float], others: Mapping[str, float]) -> bool:
    return all(isclose(share, others[label], rel_tol=_SAME) for label, share in shares.items())
