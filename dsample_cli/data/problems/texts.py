"""Problems of the texts: missing, repeated, torn between labels, all the same."""

import numpy as np

from dsample_cli.data.problems._problem import Evidence, Problem, of_rows, percent, plural

FEWEST_TEXTS = 10
MOST_ALIKE = 0.5
ROWS_PER_TEXT = 100


def empty_text(evidence: Evidence) -> Problem | None:
    """Rows whose texts are all blank."""
    return of_rows(
        "empty-text",
        np.flatnonzero(evidence.facts.is_text_blank),
        "{count} {rows} without a text; training leaves them out. Fill in or delete them.",
    )


def exact_duplicates(evidence: Evidence) -> Problem | None:
    """Rows with the text and label of an earlier row."""
    return of_rows(
        "exact-duplicates",
        evidence.rows[evidence.same_example.later()],
        "{count} {rows} with the text and label of an earlier row; they weigh double in training "
        "and flatter validation when split apart. Delete them, or keep copies together in a split.",
    )


def normalized_duplicates(evidence: Evidence) -> Problem | None:
    """Rows that repeat text and label of an earlier row in another spelling."""
    if evidence.same_form is None:
        return None
    is_again = np.zeros(len(evidence.rows), bool)
    is_again[evidence.same_form.with_labels(evidence.codes).later()] = True
    is_again[evidence.same_example.later()] = False
    return of_rows(
        "normalized-duplicates",
        evidence.rows[is_again],
        "{count} more {rows} with the label of an earlier row and its text but for case, blanks, "
        "punctuation, digits or Unicode form; a model that knows one knows the other. Delete them, "
        "or keep them together in a split.",
    )


def conflicting_labels(evidence: Evidence) -> Problem | None:
    """Rows whose text also occurs with another label."""
    return of_rows(
        "conflicting-labels",
        evidence.rows[evidence.same_text.torn(evidence.codes)],
        "{count} {rows} whose text occurs with different labels; no model can get them all right. "
        "Decide on one label for each text.",
    )


def constant_text(evidence: Evidence) -> Problem | None:
    """Nearly all texts are the same, or there are only a few different ones."""
    same = evidence.same_text
    share = same.most_equal / same.total
    is_few = same.n_distinct * ROWS_PER_TEXT <= same.total
    if same.total < FEWEST_TEXTS or (share < MOST_ALIKE and not is_few):
        return None
    columns = " + ".join(f"'{name}'" for name in evidence.facts.text_columns)
    return Problem(
        "constant-text",
        "error" if same.n_distinct == 1 else "warning",
        f"{same.total} rows hold {same.n_distinct} different {plural('text', same.n_distinct)}, "
        f"one of them in {percent(share)} of the rows; {columns} tells a model little. "
        "Name another column with --text-column.",
        count=same.total - same.n_distinct,
    )
