"""What is wrong with a table, and what it does to training.

Each check is a function of the evidence that returns a `Problem` or None, or, where several columns
may have it, an iterator of problems. A new one is added to `CHECKS` or `COLUMN_CHECKS`.
"""

from dsample_cli.data.problems._problem import LISTED_ROWS, Evidence, Problem
from dsample_cli.data.problems.against import leakage, share_shift, unseen_labels
from dsample_cli.data.problems.columns import COLUMN_CHECKS
from dsample_cli.data.problems.doubts import suspect_labels
from dsample_cli.data.problems.labels import (
    label_variants,
    missing_label,
    rare_class,
    single_class,
    sorted_by_label,
    too_many_labels,
)
from dsample_cli.data.problems.texts import (
    conflicting_labels,
    constant_text,
    empty_text,
    exact_duplicates,
    normalized_duplicates,
)
from dsample_cli.data.problems.tokens import TOKEN_LENGTHS, truncation, unknown_tokens

__all__ = ["LISTED_ROWS", "TOKEN_LENGTHS", "Evidence", "Problem", "find_problems"]

SEVERITIES = ("error", "warning", "info")
CHECKS = (
    single_class,
    too_many_labels,
    constant_text,
    leakage,
    unseen_labels,
    empty_text,
    missing_label,
    rare_class,
    label_variants,
    exact_duplicates,
    normalized_duplicates,
    conflicting_labels,
    sorted_by_label,
    suspect_labels,
    truncation,
    unknown_tokens,
    share_shift,
)


def find_problems(evidence: Evidence) -> tuple[Problem, ...]:
    """Run all checks; errors come first, then warnings."""
    found = [problem for check in CHECKS if (problem := check(evidence)) is not None]
    for column_check in COLUMN_CHECKS:
        found.extend(column_check(evidence))
    return tuple(sorted(found, key=lambda problem: SEVERITIES.index(problem.severity)))
