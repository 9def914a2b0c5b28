"""How well each class's probability ranks its rows before the others."""

import numpy as np
from numpy.typing import NDArray


def average_precisions(
    probabilities: NDArray[np.floating], y_true: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Measure each class's ranking, against all others, by the average precision.

    AP = sum_k (R_k - R_{k-1}) P_k over the distinct probabilities of the class from high to low,
    P_k and R_k being precision and recall of "this class from that probability on". So it is the
    mean over the class's rows of the precision at the row's own probability, equal ones counted
    in, which takes one sort a class.

    Args:
        probabilities: Probability of each class, shape [N, C].
        y_true: True label ids, shape [N].

    Returns:
        Shape [C], in (0, 1]; NaN for a class without rows. The share of a class in the rows is
        what probabilities that know nothing of it reach.

    Examples:
        >>> of_class = np.array([0.9, 0.8, 0.7, 0.6, 0.2])
        >>> probabilities = np.stack([1 - of_class, of_class], axis=1)
        >>> average_precisions(probabilities, np.array([1, 0, 1, 0, 1])).round(6)
        array([0.5     , 0.755556])
    """
    y_true = np.asarray(y_true)
    found = np.full(np.shape(probabilities)[1], np.nan)
    for c, of_class in enumerate(np.asarray(probabilities).T):
        own = np.sort(of_class[y_true == c])
        if own.size:
            ranked = np.sort(of_class)
            rows_from = len(ranked) - np.searchsorted(ranked, own, side="left")
            own_from = len(own) - np.searchsorted(own, own, side="left")
            found[c] = (own_from / rows_from).mean()
    return found
