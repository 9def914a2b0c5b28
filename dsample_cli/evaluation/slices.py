"""The same figures for parts of the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.evaluation.report import Evaluation, evaluate_predictions


@dataclass(frozen=True)
class Slice:
    """The rows that have one value in a column.

    Attributes:
        value: The value, None where it is missing or empty.
        evaluation: Their figures; the classes keep the groups that they have in all rows.
    """

    value: str | None
    evaluation: Evaluation

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, **self.evaluation.figures_to_json()}


def evaluate_slices(
    values: Sequence[str | None],
    value_of_row: NDArray[np.integer],
    y_true: NDArray[np.integer],
    y_pred: NDArray[np.integer],
    whole: Evaluation,
    probabilities: NDArray[np.floating] | None = None,
) -> list[Slice]:
    """Evaluate the rows of each value, the value with the most rows first.

    Args:
        values: Values to evaluate, length V.
        value_of_row: Place in `values` of each row's value, shape [N]; other rows are left out.
        y_true: True label ids, shape [N].
        y_pred: Predicted label ids, shape [N].
        whole: Evaluation of all rows; intervals are given if it has them.
        probabilities: Probability of each class, shape [N, C].

    Examples:
        >>> truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])
        >>> whole = evaluate_predictions(truth, predicted, ["ham", "spam"])
        >>> found = evaluate_slices(["en", "ko"], np.array([0, 0, 0, 1]), truth, predicted, whole)
        >>> [(s.value, s.evaluation.rows, s.evaluation.metrics["accuracy"]) for s in found]
        [('en', 3, 1.0), ('ko', 1, 0.0)]
    """
    rows_of = [np.flatnonzero(value_of_row == place) for place in range(len(values))]
    order = sorted(range(len(values)), key=lambda place: -len(rows_of[place]))
    return [
        Slice(
            values[place],
            evaluate_predictions(
                y_true[rows],
                y_pred[rows],
                whole.labels,
                probabilities=None if probabilities is None else probabilities[rows],
                intervals=whole.intervals is not None,
                class_groups=whole.class_groups,
            ),
        )
        for place in order
        if len(rows := rows_of[place])
    ]
