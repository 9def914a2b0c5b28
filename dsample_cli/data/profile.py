"""What a file holds: its classes, how imbalanced they are, and what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.imbalance import Imbalance, frequency_groups, measure_imbalance
from dsample_cli.data.facts import FileFacts
from dsample_cli.data.label_doubts import LabelDoubts
from dsample_cli.data.problems import Evidence, Problem, find_problems
from dsample_cli.data.token_facts import TokenFacts
from dsample_cli.errors import DataError

__all__ = ["ClassCount", "Problem", "Profile", "profile_facts"]


@dataclass(frozen=True)
class ClassCount:
    """One class: its label, usable examples, share of them, and many, medium or few."""

    label: str
    count: int
    share: float
    group: str


@dataclass(frozen=True)
class Profile:
    """What `analyze` tells about a file.

    Attributes:
        rows: All data rows.
        usable_rows: Those with a text and a label.
        names: Label id -> name, sorted.
        counts: Usable examples per class, shape [C], in label-id order.
        classes: By falling count, then label.
        imbalance: Measures of `counts`.
        problems: Errors first, then warnings.
        median_words: Median text length in words between white space, of a sample if there are
            very many rows.
    """

    rows: int
    usable_rows: int
    names: tuple[str, ...]
    counts: NDArray[np.int64]
    classes: tuple[ClassCount, ...]
    imbalance: Imbalance
    problems: tuple[Problem, ...]
    median_words: float


def profile_facts(
    facts: FileFacts,
    group_thresholds: Sequence[int] | None = None,
    against: FileFacts | None = None,
    tokens: TokenFacts | None = None,
    doubts: LabelDoubts | None = None,
) -> Profile:
    """Count the classes of a file and look for problems.

    Args:
        facts: What `read_facts` kept of the file.
        group_thresholds: `(high, low)` class counts for many and few; by default the classes are
            cut into three equal parts.
        against: Facts of a file to compare with.
        tokens: What a tokenizer makes of the sampled texts.
        doubts: Rows whose label a model contradicts.

    Raises:
        DataError: If there is no row with both a text and a label.
    """
    evidence = Evidence(facts, against, tokens, doubts)
    for file in (facts, *([against] if against else [])):
        if not file.names:
            raise _nothing_usable(file)
    counts = evidence.counts
    return Profile(
        rows=facts.rows,
        usable_rows=len(evidence.rows),
        names=facts.names,
        counts=counts,
        classes=_class_counts(facts.names, counts, group_thresholds),
        imbalance=measure_imbalance(counts),
        problems=find_problems(evidence),
        median_words=float(np.median(facts.sample.words)),
    )


def _class_counts(
    names: Sequence[str], counts: NDArray[np.int64], thresholds: Sequence[int] | None
) -> tuple[ClassCount, ...]:
    groups = frequency_groups(counts, thresholds)
    shares = counts / counts.sum()
    classes = map(ClassCount, names, counts.tolist(), shares.tolist(), groups)
    return tuple(sorted(classes, key=lambda c: (-c.count, c.label)))


def _nothing_usable(facts: FileFacts) -> DataError:
    if facts.is_text_blank.all():
        what, kind, column = "texts are empty", "text", facts.text_columns[0]
    elif facts.is_label_blank.all():
        what, kind, column = "labels are missing", "label", facts.label_column
    else:
        return DataError(
            f"{facts.path}: no row has both a text and a label.", "Fill in the missing cells."
        )
    return DataError(
        f"{facts.path}: all {what} (column '{column}').",
        f"Name another column with --{kind}-column NAME.",
    )
