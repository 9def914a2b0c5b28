"""Problems between two files: rows in both, labels in one, other class shares."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dsample_cli.data.duplicates import is_among
from dsample_cli.data.facts import FileFacts
from dsample_cli.data.problems._problem import (
    Evidence,
    Problem,
    first_rows,
    listed,
    percent,
    plural,
    shortened,
)

WORTHLESS_SHARE = 0.5
LEAST_SHIFT = 0.05
LEAST_P_VALUE = 0.001
LEAST_EXPECTED = 5


def leakage(evidence: Evidence) -> Problem | None:
    """Rows of the other file whose text is in this one too."""
    here, other = evidence.facts, evidence.against
    if other is None:
        return None
    exact = _shared(here.texts, other.texts, here, other)
    alike = exact
    is_comparable = here.keeps_digits == other.keeps_digits
    if is_comparable and here.normal_forms is not None and other.normal_forms is not None:
        alike = exact | _shared(here.normal_forms, other.normal_forms, here, other)
    rows = np.flatnonzero(alike)
    if len(rows) == 0:
        return None
    n_usable, n_exact = int((other.codes >= 0).sum()), int(exact.sum())
    n_more = len(rows) - n_exact
    how = f", {n_more} of them in another spelling" if n_more else ""
    return Problem(
        "leakage",
        "error" if n_exact > WORTHLESS_SHARE * n_usable else "warning",
        f"{len(rows)} of the other file's {n_usable} rows have a text of this one{how}; a model is "
        "tested there on what it has learned. "
        "Delete them on one side.",
        len(rows),
        first_rows(rows),
    )


def unseen_labels(evidence: Evidence) -> Problem | None:
    """Labels that only one of the files has."""
    if evidence.against is None:
        return None
    here, there = evidence.facts.names, evidence.against.names
    unseen = [name for name in there if name not in set(here)]
    untested = [name for name in here if name not in set(there)]
    if not unseen and not untested:
        return None
    told = []
    if unseen:
        told.append(
            f"{len(unseen)} {plural('label', len(unseen))} only in the other file "
            f"({_named(unseen)}): no model trained here can give them. Correct them, or drop the "
            "rows with --unknown-labels drop."
        )
    if untested:
        told.append(
            f"{len(untested)} {plural('label', len(untested))} only in this file "
            f"({_named(untested)}): the other cannot measure them."
        )
    codes = evidence.against.codes
    rows = np.flatnonzero(np.isin(codes, [there.index(name) for name in unseen]))
    return Problem(
        "unseen-labels",
        "error" if unseen else "warning",
        " ".join(told),
        len(unseen) + len(untested),
        first_rows(rows),
    )


def share_shift(evidence: Evidence) -> Problem | None:
    """The class shares of the files differ by more than chance.

    Told when Pearson's chi-square test of homogeneity gives p < 0.001 and the total variation
    distance of the shares, half the sum of their absolute differences, is 0.05 or more. Labels of
    one file only are left out, and rare classes taken together.
    """
    if evidence.against is None:
        return None
    names = evidence.facts.names
    there = dict(zip(evidence.against.names, _counts(evidence.against), strict=True))
    common = [label for label, name in enumerate(names) if name in there]
    if len(common) < 2:
        return None
    counts = np.array([[evidence.counts[c] for c in common], [there[names[c]] for c in common]])
    shares = counts / counts.sum(axis=1, keepdims=True)
    shift = np.abs(shares[0] - shares[1])
    distance = float(shift.sum() / 2)
    if distance < LEAST_SHIFT or homogeneity_p_value(counts) >= LEAST_P_VALUE:
        return None
    largest = np.argsort(-shift, kind="stable")
    told = [
        f"{shortened(names[common[c]])} {percent(shares[0, c])} to {percent(shares[1, c])}"
        for c in largest[:3]
    ]
    return Problem(
        "share-shift",
        "warning",
        f"The class shares differ from the other file's by {percent(distance)} (total variation): "
        f"{', '.join(told)}. If the other file is what the model will meet, train with "
        "--target-prior set to its shares.",
        count=int((shift >= LEAST_SHIFT).sum()),
    )


def homogeneity_p_value(counts: NDArray[np.int64]) -> float:
    """P-value of Pearson's chi-square test that both rows have the same shares.

    Classes with fewer than 5 expected rows in one file are taken together.

    Args:
        counts: Shape [2, classes].
    """
    from scipy.stats import chi2_contingency

    totals = counts.sum(axis=0)
    expected = totals * counts.sum(axis=1).min() / counts.sum()
    is_rare = expected < LEAST_EXPECTED
    merged = counts[:, ~is_rare]
    if is_rare.any():
        merged = np.column_stack([merged, counts[:, is_rare].sum(axis=1)])
    merged = merged[:, merged.sum(axis=0) > 0]
    if merged.shape[1] < 2:
        return 1.0
    return float(chi2_contingency(merged, correction=False).pvalue)


def _shared(
    here_hashes: NDArray[np.uint64],
    other_hashes: NDArray[np.uint64],
    here: FileFacts,
    other: FileFacts,
) -> NDArray[np.bool_]:
    known = here_hashes[:, here.codes >= 0]
    return is_among(other_hashes, known) & (other.codes >= 0)


def _counts(facts: FileFacts) -> NDArray[np.int64]:
    return np.bincount(facts.codes[facts.codes >= 0], minlength=len(facts.names))


def _named(names: Sequence[str]) -> str:
    return listed([shortened(name) for name in names], len(names))
