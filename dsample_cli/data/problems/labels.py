"""Problems of the labels: too few, too many, spelled in several ways, sorted."""

import unicodedata
from collections.abc import Sequence

import numpy as np

from dsample_cli.data.labels import is_no_target
from dsample_cli.data.problems._problem import (
    LISTED_NAMES,
    Evidence,
    Problem,
    listed,
    literal,
    of_rows,
    percent,
    plural,
    shortened,
)

FEWEST_EXAMPLES = 4


def missing_label(evidence: Evidence) -> Problem | None:
    """Rows whose label is blank."""
    return of_rows(
        "missing-label",
        np.flatnonzero(evidence.facts.is_label_blank),
        "{count} {rows} without a label; training leaves them out. Label or delete them.",
    )


def single_class(evidence: Evidence) -> Problem | None:
    """All usable rows have one label."""
    names = evidence.facts.names
    if len(names) != 1:
        return None
    return Problem(
        "single-class",
        "error",
        f"All usable rows have the label '{shortened(names[0])}'; "
        "a classifier needs two. Check --label-column.",
        count=1,
    )


def rare_class(evidence: Evidence) -> Problem | None:
    """Classes with fewer examples than a split can share out."""
    counts = evidence.counts
    rare = np.flatnonzero(counts < FEWEST_EXAMPLES)
    if len(rare) == 0 or too_many_labels(evidence):
        return None
    rarest = rare[np.argsort(counts[rare], kind="stable")]
    told = [f"{shortened(evidence.facts.names[c])} ({counts[c]})" for c in rarest[:LISTED_NAMES]]
    lone = int((counts == 1).sum())
    unmeasured = f" {lone} with a single example cannot be validated at all." if lone else ""
    return Problem(
        "rare-class",
        "warning",
        f"{len(rare)} {plural('class', len(rare))} with fewer than {FEWEST_EXAMPLES} examples: "
        f"{listed(told, len(rare))}; their scores will be noise.{unmeasured} "
        "Collect more, merge them or leave them out.",
        count=len(rare),
    )


def label_variants(evidence: Evidence) -> Problem | None:
    """Labels that differ only in case, surrounding blanks or Unicode form."""
    names = evidence.facts.names
    by_form: dict[str, list[int]] = {}
    for label, name in enumerate(names):
        by_form.setdefault(_plain_form(name), []).append(label)
    variants = [labels for labels in by_form.values() if len(labels) > 1]
    if not variants:
        return None
    rarer = [c for labels in variants for c in labels if c != _most_frequent(labels, evidence)]
    told = [" = ".join(repr(shortened(names[c])) for c in labels) for labels in variants]
    return of_rows(
        "label-variants",
        evidence.rows[np.isin(evidence.codes, rarer)],
        "Labels that differ only in case, blanks or Unicode form count as separate classes: "
        + literal(listed(told, len(told)))
        + ". Write each label in one way.",
    )


def too_many_labels(evidence: Evidence) -> Problem | None:
    """Most rows have a label that no other row has."""
    lone = int((evidence.counts == 1).sum())
    n_labels = len(evidence.facts.names)
    if not is_no_target(n_labels, lone, len(evidence.rows)):
        return None
    column = shortened(evidence.facts.label_column)
    return Problem(
        "too-many-labels",
        "error",
        f"{n_labels} labels in {len(evidence.rows)} rows "
        f"({percent(n_labels / len(evidence.rows))}), of which {lone} occur once; column "
        f"'{column}' looks like an id, a number or a text, not a class. Name another one with "
        "--label-column.",
        count=n_labels,
    )


def sorted_by_label(evidence: Evidence) -> Problem | None:
    """The rows come class by class."""
    n_classes = len(evidence.facts.names)
    codes = evidence.codes
    changes = int((codes[1:] != codes[:-1]).sum())
    if n_classes < 2 or changes >= 2 * n_classes or len(codes) <= 10 * n_classes:
        return None
    return Problem(
        "sorted-by-label",
        "warning",
        f"The rows are sorted by label ({changes} changes in {len(codes)} rows); batches "
        "in file order would hold one class each. Shuffle the file, or keep --order shuffled.",
        count=changes,
    )


def _plain_form(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _most_frequent(labels: Sequence[int], evidence: Evidence) -> int:
    return max(labels, key=lambda label: evidence.counts[label])
