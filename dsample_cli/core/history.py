"""What training saw of each example: the memory of the example scores.

Filled from the training forward passes, an epoch at a time, in the order of the steps.
"""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Floats

# Names that an example score may ask for, and the arrays behind them.
_ARRAYS = {
    "losses": ("losses",),
    "times_seen": ("times_seen",),
    "prob_mean": ("times_seen", "prob_mean"),
    "prob_variance": ("times_seen", "prob_mean", "prob_squares"),
    "window": ("times_seen", "window"),
}


class History:
    """Per example: latest loss, running mean and variance of p(true label), last predictions.

    Args:
        size: Examples N.
        n_classes: C.
        keeps: Which of `losses`, `times_seen`, `prob_mean`, `prob_variance`, `window` to keep.
        window: Predictions that are remembered of an example.

    Attributes:
        arrays: What is kept, by name; save it and give it back to `restore` to go on.
    """

    def __init__(self, size: int, n_classes: int, keeps: Iterable[str], window: int = 10) -> None:
        names = {array for name in keeps for array in _ARRAYS.get(name, ())}
        label_type = np.int16 if n_classes <= np.iinfo(np.int16).max else np.int32
        empty: dict[str, Callable[[], NDArray]] = {
            "losses": lambda: np.full(size, np.inf, np.float32),
            "times_seen": lambda: np.zeros(size, np.int32),
            "prob_mean": lambda: np.zeros(size),
            "prob_squares": lambda: np.zeros(size),
            "window": lambda: np.full((size, window), -1, label_type),
        }
        self.arrays: dict[str, NDArray] = {name: empty[name]() for name in sorted(names)}

    def restore(self, arrays: dict[str, NDArray]) -> None:
        """Take the place of a saved history."""
        for name in self.arrays:
            self.arrays[name][:] = arrays[name]

    def get(self, name: str) -> NDArray:
        """One of the names that a score may ask for."""
        if name == "prob_variance":
            seen = np.maximum(self.arrays["times_seen"], 1)
            return np.asarray(self.arrays["prob_squares"] / seen)
        return self.arrays[name]

    def update(
        self, rows: NDArray[np.integer], log_probs: Floats, predicted: NDArray[np.integer]
    ) -> None:
        """Take observations into account, in their order; a row may come several times.

        Args:
            rows: Which example each observation is of, shape [M].
            log_probs: log p(true label), shape [M].
            predicted: Predicted label ids, shape [M].
        """
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        repeats = np.diff(np.append(starts, len(rows)))
        if "losses" in self.arrays and len(rows):
            last = order[starts + repeats - 1]
            self.arrays["losses"][rows[last]] = -log_probs[last]
        if "times_seen" not in self.arrays:
            return
        # The k-th observations of all rows at once, for k = 0, 1, ...: no row occurs twice in one.
        by_repeats = np.argsort(-repeats, kind="stable")
        starts, repeats = starts[by_repeats], repeats[by_repeats]
        for k in range(int(repeats.max(initial=0))):
            several = int(np.searchsorted(-repeats, -k, side="left"))
            observed = order[starts[:several] + k]
            self._observe(rows[observed], np.exp(log_probs[observed]), predicted[observed])

    def _observe(self, rows: NDArray, probs: Floats, predicted: NDArray) -> None:
        seen = self.arrays["times_seen"]
        if "window" in self.arrays:
            window = self.arrays["window"]
            window[rows, seen[rows] % window.shape[1]] = predicted
        seen[rows] += 1
        if "prob_mean" in self.arrays:
            mean = self.arrays["prob_mean"]
            before = probs - mean[rows]
            mean[rows] += before / seen[rows]
            if "prob_squares" in self.arrays:
                self.arrays["prob_squares"][rows] += before * (probs - mean[rows])
