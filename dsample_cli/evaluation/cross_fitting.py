"""What a correction is worth on rows that it was not fitted on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.corrections import Correction, Value
from dsample_cli.evaluation.metrics import metrics_from_totals

_FOLDS = 5
_RESAMPLES = 200
# Gains below so many standard errors are taken for luck: nine of ten such gains are real.
_ERRORS = 1.28

Fit = Callable[[NDArray[np.floating], NDArray[np.integer]], Correction]


@dataclass(frozen=True)
class Gain:
    """How much better corrected predictions are than raw ones, on the same rows.

    Attributes:
        before: Value of the raw predictions.
        after: Value of the cross-fitted ones.
        error: Standard error of the difference, from a paired bootstrap.
    """

    before: float
    after: float
    error: float

    @property
    def is_beyond_noise(self) -> bool:
        return self.after - self.before > _ERRORS * self.error


def metric_value(metric: str, n_classes: int, row_weights: NDArray | None = None) -> Value:
    """How good predictions are by one summary metric.

    Args:
        metric: Key of `metrics_from_totals`.
        n_classes: C.
        row_weights: Weight of each class's rows, shape [C], to stand for other class shares.
    """

    def value(labels: NDArray[np.integer], predicted: NDArray[np.integer]) -> float:
        weights = None if row_weights is None else row_weights[labels]
        return float(metrics_from_totals(*_totals(labels, predicted, n_classes, weights))[metric])

    return value


def cross_fit(
    fit: Fit, logits: NDArray[np.floating], labels: NDArray[np.integer], seed: int = 0
) -> NDArray[np.floating]:
    """Correct each row by a correction that was fitted without its fold.

    Args:
        fit: (logits, labels) -> Correction.
        logits: Shape [N, C].
        labels: Shape [N].
        seed: Of the folds, which spread each class's rows evenly.

    Returns:
        Corrected logits, shape [N, C], of the type of the logits.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    folds = np.empty(len(labels), dtype=np.int64)
    folds[order] = np.arange(len(labels)) % _FOLDS
    corrected = np.array(logits)
    for fold in range(_FOLDS):
        held_out = folds == fold
        if held_out.any() and not held_out.all():
            correction = fit(logits[~held_out], labels[~held_out])
            corrected[held_out] = correction(logits[held_out])
    return corrected


def measure_gain(
    raw: NDArray[np.floating],
    corrected: NDArray[np.floating],
    labels: NDArray[np.integer],
    metric: str,
    row_weights: NDArray | None = None,
    seed: int = 0,
) -> Gain:
    """Compare two sets of logits for the same rows.

    Args:
        raw: Shape [N, C].
        corrected: Shape [N, C].
        labels: Shape [N].
        metric: Key of `metrics_from_totals`.
        row_weights: Weight of each class's rows, shape [C].
        seed: Of the bootstrap.
    """
    n_classes = raw.shape[1]
    of_rows = np.ones(len(labels)) if row_weights is None else row_weights[labels]
    predicted = raw.argmax(axis=1), corrected.argmax(axis=1)

    def difference(weights: NDArray[np.floating]) -> tuple[float, float]:
        before, after = (
            float(metrics_from_totals(*_totals(labels, p, n_classes, weights))[metric])
            for p in predicted
        )
        return before, after

    rng = np.random.default_rng(seed)
    size = len(labels)
    gains = [
        np.subtract(*difference(of_rows * rng.multinomial(size, np.full(size, 1 / size))))
        for _ in range(_RESAMPLES)
    ]
    return Gain(*difference(of_rows), float(np.std(gains)))


def _totals(
    labels: NDArray, predicted: NDArray, n_classes: int, weights: NDArray | None
) -> tuple[NDArray, NDArray, NDArray]:
    hit = labels == predicted
    own = None if weights is None else weights[hit]
    return (
        np.bincount(labels[hit], own, n_classes),
        np.bincount(labels, weights, n_classes),
        np.bincount(predicted, weights, n_classes),
    )
