"""Problems that a simple model finds: labels that it contradicts."""

from dsample_cli.data.problems._problem import (
    Evidence,
    Problem,
    first_rows,
    listed,
    percent,
    plural,
    shortened,
)

TOLD_ROWS = 5


def suspect_labels(evidence: Evidence) -> Problem | None:
    """Rows whose label a model that never saw them contradicts; the most doubtful first."""
    doubts, facts = evidence.doubts, evidence.facts
    if doubts is None or len(doubts) == 0:
        return None
    told = [
        f"row {row} '{shortened(facts.names[facts.codes[row]])}' -> "
        f"'{shortened(facts.names[suggested])}'"
        for row, suggested in zip(
            doubts.rows[:TOLD_ROWS].tolist(), doubts.suggested[:TOLD_ROWS].tolist(), strict=True
        )
    ]
    count = len(doubts)
    verb = "has a label" if count == 1 else "have labels"
    return Problem(
        "suspect-labels",
        "info",
        f"{count} {plural('row', count)} of {doubts.checked:,} {verb} that TF-IDF and logistic "
        f"regression, fitted without the row, confidently contradict: {listed(told, count)}. Wrong "
        "labels are among the first; others are just hard: the model agrees with "
        f"{percent(doubts.accuracy)} of all labels. Read them, and correct what is wrong.",
        count,
        first_rows(doubts.rows),
    )
