"""Whether probabilities mean what they say: how often predictions of each confidence are right."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEFAULT_BINS = 15


@dataclass(frozen=True)
class CalibrationBins:
    """Rows by the confidence of their prediction, in equal bins (lo, hi] of [0, 1].

    Attributes:
        rows: Rows in each bin, shape [B].
        confidence: Mean confidence of each bin's rows, shape [B]; 0 where the bin is empty.
        accuracy: Share of each bin's rows that are right, shape [B]; 0 where the bin is empty.
    """

    rows: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    def to_json(self) -> list[dict[str, Any]]:
        """The bins from low to high; accuracy and confidence of an empty bin are null."""
        edges = np.linspace(0, 1, len(self.rows) + 1).tolist()
        figures = zip(
            self.rows.tolist(), self.accuracy.tolist(), self.confidence.tolist(), strict=True
        )
        return [
            {
                "low": low,
                "high": high,
                "rows": rows,
                "accuracy": accuracy if rows else None,
                "confidence": confidence if rows else None,
            }
            for low, high, (rows, accuracy, confidence) in zip(
                edges[:-1], edges[1:], figures, strict=True
            )
        ]

    @property
    def expected_error(self) -> float:
        """ECE = sum_b rows[b] / N * |accuracy[b] - confidence[b]|; 0 without rows."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float((self.rows * gaps).sum() / max(1, self.rows.sum()))

    @property
    def maximum_error(self) -> float:
        """MCE = max_b |accuracy[b] - confidence[b]|; 0 without rows."""
        return float(np.abs(self.accuracy - self.confidence).max())


def calibration_bins(
    confidence: NDArray[np.floating],
    correct: NDArray[np.bool_ | np.integer],
    bins: int = DEFAULT_BINS,
) -> CalibrationBins:
    """Sort rows into equal bins (lo, hi] of confidence; a confidence of exactly 0 is in the first.

    Args:
        confidence: Probability of the predicted class, shape [N], in [0, 1].
        correct: Whether the prediction is right, shape [N].
        bins: Number of bins B.

    Examples:
        >>> found = calibration_bins(np.array([0.5, 0.75, 0.875]), np.array([0, 1, 0]), bins=2)
        >>> found.rows.tolist(), found.confidence.tolist(), found.accuracy.tolist()
        ([1, 2], [0.5, 0.8125], [0.0, 0.5])
    """
    confidence = np.asarray(confidence, np.float64)
    inner_edges = np.arange(1, bins) / bins
    bin_of_row = np.searchsorted(inner_edges, confidence, side="left")
    rows = np.bincount(bin_of_row, minlength=bins)
    filled = np.maximum(rows, 1)
    return CalibrationBins(
        rows,
        np.bincount(bin_of_row, confidence, bins) / filled,
        np.bincount(bin_of_row, np.asarray(correct, np.float64), bins) / filled,
    )


def expected_calibration_error(
    confidence: NDArray[np.floating],
    correct: NDArray[np.bool_ | np.integer],
    bins: int = DEFAULT_BINS,
) -> float:
    """Measure how far confidence is from accuracy.

    ECE = sum_b |b| / N * |accuracy(b) - mean confidence(b)|, over equal bins (lo, hi] of [0, 1];
    a confidence of exactly 0 counts in the first.

    Args:
        confidence: Probability of the predicted class, shape [N], in [0, 1].
        correct: Whether the prediction is right, shape [N].
        bins: Number of bins.

    Returns:
        The error in [0, 1]; 0 without rows.

    References:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017.

    Examples:
        >>> confidence = np.array([0.95, 0.85, 0.85, 0.65, 0.55])
        >>> round(expected_calibration_error(confidence, np.array([1, 1, 0, 1, 0])), 6)
        0.33
    """
    return calibration_bins(confidence, correct, bins).expected_error


def classwise_calibration_error(
    probabilities: NDArray[np.floating], y_true: NDArray[np.integer], bins: int = DEFAULT_BINS
) -> float:
    """Measure how far the probability of each class is from how often it is the true one.

    mean over classes c of ECE(p[:, c], y == c): unlike the ECE of the predicted class, every
    class's probabilities count, and alike.

    Args:
        probabilities: Probability of each class, shape [N, C].
        y_true: True label ids, shape [N].
        bins: Number of bins.

    Returns:
        The error in [0, 1]; 0 without rows.

    References:
        Kull et al., Beyond Temperature Scaling, NeurIPS 2019.

    Examples:
        >>> probabilities = np.array([[0.9, 0.1], [0.6, 0.4]])
        >>> round(classwise_calibration_error(probabilities, np.array([0, 1])), 6)
        0.35
    """
    errors = [
        expected_calibration_error(of_class, y_true == c, bins)
        for c, of_class in enumerate(np.asarray(probabilities).T)
    ]
    return float(np.mean(errors))
