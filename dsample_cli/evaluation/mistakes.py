"""Which wrong predictions are the worst."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Mistake:
    """A row that was predicted wrong.

    Attributes:
        place: Its place among the evaluated rows.
        true: True label id.
        predicted: Predicted label id.
        probability: Of the predicted label, None where unknown.
        true_probability: Of the true label, None where unknown.
    """

    place: int
    true: int
    predicted: int
    probability: float | None
    true_probability: float | None


def worst_mistakes(
    y_true: NDArray[np.integer],
    y_pred: NDArray[np.integer],
    probabilities: NDArray[np.floating] | None,
    count: int,
) -> list[Mistake]:
    """List the wrong predictions that were surest, the surest first.

    Args:
        y_true: True label ids, shape [N].
        y_pred: Predicted label ids, shape [N].
        probabilities: Probability of each class, shape [N, C]; without them the first wrong rows
            are listed, in order.
        count: At most so many. Rows that are equally sure are in order.

    Examples:
        >>> probabilities = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8]])
        >>> found = worst_mistakes(np.array([1, 1, 1]), np.array([0, 0, 1]), probabilities, 1)
        >>> found[0].place, found[0].probability, found[0].true_probability
        (1, 0.9, 0.1)
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    wrong = np.flatnonzero(y_true != y_pred)
    if probabilities is None:
        return [
            Mistake(i, int(y_true[i]), int(y_pred[i]), None, None) for i in wrong[:count].tolist()
        ]
    order = np.argsort(-probabilities[wrong, y_pred[wrong]], kind="stable")
    return [
        Mistake(
            i,
            int(y_true[i]),
            int(y_pred[i]),
            float(probabilities[i, y_pred[i]]),
            float(probabilities[i, y_true[i]]),
        )
        for i in wrong[order[:count]].tolist()
    ]
