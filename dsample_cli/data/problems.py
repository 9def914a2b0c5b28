"""What is wrong with a table, and what it does to training.

Each check is a function of the table and its usable examples that returns a `Problem` or None. A
new one is added to `CHECKS`.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsample_cli.data.table import TextTable, is_blank

LISTED_ROWS = 20
LISTED_NAMES = 5
LISTED_CHARACTERS = 60
FEWEST_EXAMPLES = 4
MOST_LONE_LABELS = 50
SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Problem:
    """Something that makes training on this table worse.

    Attributes:
        code: Its name, kebab-case.
        severity: "error", "warning" or "info".
        message: What it means for training, and how to mend it.
        count: Rows that have it; of `rare-class`, `single-class` and `too-many-labels`, classes;
            of `sorted-by-label`, changes of label from one row to the next.
        rows: The first 20 of those rows, counted from 0; empty where `count` is of classes.
    """

    code: str
    severity: str
    message: str
    count: int
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class UsableExamples:
    """The rows with a text and a label, as arrays of shape [usable rows].

    Attributes:
        rows: Row numbers in the table.
        names: Label id -> name.
        codes: Label id per usable row.
        counts: Usable rows per class, shape [C].
        text_ids: Equal where the texts are.
    """

    rows: NDArray[np.int64]
    names: tuple[str, ...]
    codes: NDArray[np.int32]
    counts: NDArray[np.int64]
    text_ids: NDArray[np.int64]


def find_problems(table: TextTable, examples: UsableExamples) -> tuple[Problem, ...]:
    """Run all checks; errors come first."""
    found = [problem for check in CHECKS if (problem := check(table, examples)) is not None]
    return tuple(sorted(found, key=lambda problem: SEVERITIES.index(problem.severity)))


def empty_text(table: TextTable, examples: UsableExamples) -> Problem | None:
    """Rows whose texts are all blank."""
    blank = np.logical_and.reduce([is_blank(text) for text in table.texts])
    return _of_rows(
        "empty-text",
        np.flatnonzero(blank),
        "{count} {rows} without a text; training leaves them out. Fill in or delete them.",
    )


def missing_label(table: TextTable, examples: UsableExamples) -> Problem | None:
    """Rows whose label is blank."""
    return _of_rows(
        "missing-label",
        np.flatnonzero(is_blank(table.labels)),
        "{count} {rows} without a label; training leaves them out. Label or delete them.",
    )


def single_class(table: TextTable, examples: UsableExamples) -> Problem | None:
    """All usable rows have one label."""
    if len(examples.names) != 1:
        return None
    return Problem(
        "single-class",
        "error",
        f"All usable rows have the label '{_shortened(examples.names[0])}'; "
        "a classifier needs two. Check --label-column.",
        count=1,
    )


def rare_class(table: TextTable, examples: UsableExamples) -> Problem | None:
    """Classes with fewer examples than a split can share out."""
    rare = np.flatnonzero(examples.counts < FEWEST_EXAMPLES)
    if len(rare) == 0 or too_many_labels(table, examples):
        return None
    rarest = rare[np.argsort(examples.counts[rare], kind="stable")]
    told = [
        f"{_shortened(examples.names[c])} ({examples.counts[c]})" for c in rarest[:LISTED_NAMES]
    ]
    lone = int((examples.counts == 1).sum())
    unmeasured = f" {lone} with a single example cannot be validated at all." if lone else ""
    return Problem(
        "rare-class",
        "warning",
        f"{len(rare)} {_plural('class', len(rare))} with fewer than {FEWEST_EXAMPLES} examples: "
        f"{_listed(told, len(rare))}; their scores will be noise.{unmeasured} "
        "Collect more, merge them or leave them out.",
        count=len(rare),
    )


def exact_duplicates(table: TextTable, examples: UsableExamples) -> Problem | None:
    """Rows with the text and label of an earlier row."""
    pairs = examples.text_ids * len(examples.names) + examples.codes
    again = pd.Series(pairs).duplicated().to_numpy()
    return _of_rows(
        "exact-duplicates",
        examples.rows[again],
        "{count} {rows} with the text and label of an earlier row; they weigh double in training "
        "and flatter validation when split apart. Delete them, or keep copies together in a split.",
    )


def conflicting_labels(table: TextTable, examples: UsableExamples) -> Problem | None:
    """Rows whose text also occurs with another label."""
    n_texts = int(examples.text_ids.max()) + 1
    lowest = np.full(n_texts, len(examples.names), np.int32)
    highest = np.full(n_texts, -1, np.int32)
    np.minimum.at(lowest, examples.text_ids, examples.codes)
    np.maximum.at(highest, examples.text_ids, examples.codes)
    torn = (lowest != highest)[examples.text_ids]
    return _of_rows(
        "conflicting-labels",
        examples.rows[torn],
        "{count} {rows} whose text occurs with different labels; no model can get them all right. "
        "Decide on one label for each text.",
    )


def label_variants(table: TextTable, examples: UsableExamples) -> Problem | None:
    """Labels that differ only in case, surrounding blanks or Unicode form."""
    by_form: dict[str, list[int]] = {}
    for label, name in enumerate(examples.names):
        by_form.setdefault(_plain_form(name), []).append(label)
    variants = [labels for labels in by_form.values() if len(labels) > 1]
    if not variants:
        return None
    rarer = [c for labels in variants for c in labels if c != _most_frequent(labels, examples)]
    told = [" = ".join(repr(_shortened(examples.names[c])) for c in labels) for labels in variants]
    return _of_rows(
        "label-variants",
        examples.rows[np.isin(examples.codes, rarer)],
        "Labels that differ only in case, blanks or Unicode form count as separate classes: "
        + _listed(told, len(told)).replace("{", "{{").replace("}", "}}")
        + ". Write each label in one way.",
    )


def too_many_labels(table: TextTable, examples: UsableExamples) -> Problem | None:
    """Most rows have a label that no other row has."""
    lone = int((examples.counts == 1).sum())
    n_labels = len(examples.names)
    if n_labels <= MOST_LONE_LABELS or lone * 2 <= len(examples.rows):
        return None
    return Problem(
        "too-many-labels",
        "error",
        f"{n_labels} labels, of which {lone} occur once; column '{table.label_column}' looks like "
        "an id, a number or a text, not a class. Name another one with --label-column.",
        count=n_labels,
    )


def sorted_by_label(table: TextTable, examples: UsableExamples) -> Problem | None:
    """The rows come class by class."""
    n_classes = len(examples.names)
    changes = int((examples.codes[1:] != examples.codes[:-1]).sum())
    if n_classes < 2 or changes >= 2 * n_classes or len(examples.rows) <= 10 * n_classes:
        return None
    return Problem(
        "sorted-by-label",
        "warning",
        f"The rows are sorted by label ({changes} changes in {len(examples.rows)} rows); batches "
        "in file order would hold one class each. Shuffle the file, or keep --order shuffled.",
        count=changes,
    )


CHECKS = (
    single_class,
    too_many_labels,
    empty_text,
    missing_label,
    rare_class,
    label_variants,
    exact_duplicates,
    conflicting_labels,
    sorted_by_label,
)


def _of_rows(code: str, rows: NDArray[np.int64], message: str) -> Problem | None:
    """A warning about some rows; `message` may hold {count} and {rows}."""
    if len(rows) == 0:
        return None
    text = message.format(count=len(rows), rows=_plural("row", len(rows)))
    return Problem(code, "warning", text, len(rows), tuple(rows[:LISTED_ROWS].tolist()))


def _plain_form(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _most_frequent(labels: Sequence[int], examples: UsableExamples) -> int:
    return max(labels, key=lambda label: examples.counts[label])


def _listed(items: Sequence[str], total: int) -> str:
    shown = ", ".join(items[:LISTED_NAMES])
    more = total - min(len(items), LISTED_NAMES)
    return f"{shown} and {more} more" if more else shown


def _plural(word: str, count: int) -> str:
    if count == 1:
        return word
    return word + ("es" if word.endswith("s") else "s")


def _shortened(name: str) -> str:
    return name if len(name) <= LISTED_CHARACTERS else name[: LISTED_CHARACTERS - 3] + "..."
