"""Rows whose label a model that never saw it contradicts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A class with fewer rows is not known well enough to accuse, or to be accused.
FEWEST_ROWS = 5


@dataclass(frozen=True)
class LabelIssues:
    """The rows whose label is doubted, the most doubtful first.

    Attributes:
        places: Places of the rows, shape [n].
        suggested: Label id that the model gives each, shape [n].
        margins: Probability of the suggested label minus that of the given one, shape [n], in
            (0, 1].
    """

    places: NDArray[np.int64]
    suggested: NDArray[np.int64]
    margins: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.places)


def find_label_issues(
    probabilities: NDArray[np.floating], codes: NDArray[np.integer], least_margin: float = 0.0
) -> LabelIssues:
    """Find the rows whose label is probably wrong, by confident learning.

    A model is sure of class j where p_j >= t_j, the mean p_j of the rows labelled j. A row labelled
    i is doubted if, of the classes that it is sure of, the likeliest is a j other than i, and
    p_j > p_i.

    Args:
        probabilities: Of each class by models that were fitted without the row, shape [N, C].
        codes: Label id of each row as given, shape [N].
        least_margin: Rows whose p_j - p_i is below this are left out.

    References:
        Northcutt, Jiang and Chuang, Confident Learning, JAIR 2021.

    Examples:
        >>> p = np.array([[0.9, 0.1]] * 5 + [[0.2, 0.8]] * 5 + [[0.05, 0.95]])
        >>> found = find_label_issues(p, np.array([0] * 5 + [1] * 5 + [0]))
        >>> found.places, found.suggested, found.margins.round(2)
        (array([10]), array([1]), array([0.9]))
    """
    probs, codes = np.asarray(probabilities), np.asarray(codes)
    counts = np.bincount(codes, minlength=probs.shape[1])
    own = probs[np.arange(len(codes)), codes].astype(np.float64)
    thresholds = np.bincount(codes, own, probs.shape[1]) / np.maximum(counts, 1)
    is_known = counts >= FEWEST_ROWS
    sure = np.where((probs >= thresholds) & is_known, probs, -1.0)
    best = sure.argmax(axis=1)
    margins = sure[np.arange(len(codes)), best].astype(np.float64) - own
    is_doubted = (best != codes) & is_known[codes] & (margins > max(least_margin, 0.0))
    places = np.flatnonzero(is_doubted)
    places = places[np.argsort(-margins[places], kind="stable")]
    return LabelIssues(places, best[places], margins[places])
