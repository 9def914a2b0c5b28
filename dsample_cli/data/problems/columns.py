"""Problems that other columns tell of: the label given away, rows that belong together."""

import shlex
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsample_cli.data.other_columns import (
    LEAST_LAMBDA,
    ROWS_PER_VALUE,
    ColumnFacts,
    label_lambda,
)
from dsample_cli.data.problems._problem import (
    Evidence,
    Problem,
    first_rows,
    percent,
    plural,
    shortened,
)

FEWEST_GROUPS = 10
LEAST_REPEATED = 0.01
MOST_IN_ONE_GROUP = 0.5


def label_leak_columns(evidence: Evidence) -> Iterator[Problem]:
    """Columns whose value settles the label."""
    if len(evidence.facts.names) < 2:
        return
    for column in evidence.facts.others:
        if column.codes is None:
            continue
        codes = column.codes[evidence.rows]
        n_values = len(np.unique(codes))
        spared = label_lambda(codes, evidence.codes)
        if n_values * ROWS_PER_VALUE > len(codes) or spared < LEAST_LAMBDA:
            continue
        name, label = shortened(column.name), shortened(evidence.facts.label_column)
        mend = (
            "A model will read the answer there: leave it out of --text-column."
            if column.is_text
            else "It is not read unless you name it: keep it out of the text, and do not expect "
            "such figures without it."
        )
        yield Problem(
            "label-leak-column",
            "warning" if column.is_text else "info",
            f"Column '{name}' ({n_values} values) gives the label away: knowing it spares "
            f"{percent(spared)} of the errors in guessing '{label}'. {mend}",
            count=int((codes >= 0).sum()),
        )


def repeated_groups(evidence: Evidence) -> Iterator[Problem]:
    """Columns of identifiers that several rows share."""
    for column in evidence.facts.others:
        rows = _rows_of_known_groups(column, evidence)
        if rows is not None:
            yield _repeated_group(column, rows)


def _rows_of_known_groups(column: ColumnFacts, evidence: Evidence) -> NDArray[np.int64] | None:
    """Rows whose identifier an earlier one has, if there are enough of them."""
    if column.ids is None:
        return None
    ids = column.ids[evidence.rows]
    known = evidence.rows[ids != 0]
    ids = ids[ids != 0]
    again = pd.Series(ids).duplicated().to_numpy()
    n_groups = len(ids) - int(again.sum())
    if n_groups < FEWEST_GROUPS or again.sum() < LEAST_REPEATED * len(ids):
        return None
    largest = int(np.bincount(pd.factorize(ids)[0]).max())
    return known[again] if largest <= MOST_IN_ONE_GROUP * len(ids) else None


def _repeated_group(column: ColumnFacts, again: NDArray[np.int64]) -> Problem:
    name = shortened(column.name)
    return Problem(
        "repeated-group",
        "info",
        f"{len(again)} {plural('row', len(again))} with a '{name}' that an earlier row has; with "
        "one of them in training and another in validation, the figures come out too good. Keep "
        f"them together: --group-column '{name}'.",
        len(again),
        first_rows(again),
        f"--group-column {shlex.quote(column.name)}",
    )


COLUMN_CHECKS: tuple[Callable[[Evidence], Iterator[Problem]], ...] = (
    label_leak_columns,
    repeated_groups,
)
