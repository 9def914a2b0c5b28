"""One prediction as an object of a JSON Lines file."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Digits of a stored probability: more than a model means, few enough to read.
_DIGITS = 6


def prediction_record(
    row: int, probabilities: NDArray[np.floating], names: Sequence[str], top: int | None = None
) -> dict[str, Any]:
    """Prediction of one row: its label, that label's probability, and the most probable classes.

    Args:
        row: 0-based data row.
        probabilities: Shape [C].
        names: Label id -> name.
        top: How many classes to keep; all when None.

    Examples:
        >>> prediction_record(0, np.array([0.2, 0.8]), ["ham", "spam"])
        {'row': 0, 'label': 'spam', 'score': 0.8, 'probabilities': {'spam': 0.8, 'ham': 0.2}}
    """
    order = np.argsort(-probabilities, kind="stable")[:top].tolist()
    rounded = np.round(probabilities, _DIGITS).tolist()
    return {
        "row": row,
        "label": names[order[0]],
        "score": rounded[order[0]],
        "probabilities": {names[c]: rounded[c] for c in order},
    }


def no_prediction(row: int) -> dict[str, Any]:
    """What stands for a row without text."""
    return {"row": row, "label": None, "score": None, "probabilities": {}}
