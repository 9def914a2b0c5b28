"""Rows whose label a simple model contradicts, as an analysis keeps them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelDoubts:
    """The rows whose label is doubted, the most doubtful first.

    Attributes:
        rows: Their row numbers, shape [n].
        suggested: Label id that the model gives each, shape [n].
        margins: Probability of the suggested label minus that of the given one, shape [n].
        checked: Rows that were looked at.
        accuracy: Share of these whose given label the model predicts, unseen.
    """

    rows: NDArray[np.int64]
    suggested: NDArray[np.int64]
    margins: NDArray[np.float64]
    checked: int
    accuracy: float

    def __len__(self) -> int:
        return len(self.rows)
