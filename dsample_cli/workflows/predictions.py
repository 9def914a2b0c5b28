"""Predictions as objects of a JSON Lines file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.printable import escaped_json
from dsample_cli.errors import RunError

# Digits of a stored probability: more than a model means, few enough to read.
_DIGITS = 6
_UNIT = 10**_DIGITS
# Of more classes than the first, a run stores the most probable ones of each row: the second.
_MOST_CLASSES, _KEPT_CLASSES = 1000, 100
# Probabilities whose text is made once: those of all classes but a few.
_KNOWN_TEXTS = 10_000
# Probabilities that become text at once: some megabytes of Python objects.
_CELLS = 1 << 18

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def to_json(value: Any) -> str:
    """One line of JSON, for whatever reads lines and whatever shows them."""
    return escaped_json(_encode(value))


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


def stored_classes(n_classes: int) -> int | None:
    """How many classes a run's stored predictions list of each row; None is all of them.

    Of 10,000 classes the probabilities of 10,000 rows would take gigabytes.
    """
    return None if n_classes <= _MOST_CLASSES else _KEPT_CLASSES


def whole_probabilities(
    records: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> NDArray[np.float64]:
    """Probability of each class of stored predictions, shape [N, C].

    Where only the most probable classes were stored, the others share alike what is left.

    Raises:
        KeyError: If a class is missing where all were to be stored.
    """
    if stored_classes(len(names)) is None:
        return np.array([[r["probabilities"][n] for n in names] for r in records])
    ids = {name: i for i, name in enumerate(names)}
    probabilities = np.empty((len(records), len(names)))
    for of_row, record in zip(probabilities, records, strict=True):
        listed = record["probabilities"]
        left = max(0.0, 1 - sum(listed.values()))
        of_row[:] = left / max(1, len(names) - len(listed))
        of_row[[ids[name] for name in listed]] = list(listed.values())
    return probabilities


def no_prediction(row: int) -> dict[str, Any]:
    """What stands for a row without text."""
    return {"row": row, "label": None, "score": None, "probabilities": {}}


class PredictionLines:
    """Writes many predictions as JSON, each as `json.dumps` would write its `prediction_record`.

    Without a dictionary a row and a number a class it takes a fifth of the time.

    Args:
        names: Label id -> name.
        top: How many classes to keep; all when None.

    Examples:
        >>> list(PredictionLines(["ham", "spam"], top=1)([7], np.array([[0.2, 0.8]])))
        ['{"row": 7, "label": "spam", "score": 0.8, "probabilities": {"spam": 0.8}}']
    """

    def __init__(self, names: Sequence[str], top: int | None = None) -> None:
        self._top = top
        self._labels = [to_json(name) for name in names]
        self._keys = np.array([f", {label}: " for label in self._labels], dtype=object)
        self._texts = np.array([repr(k / _UNIT) for k in range(_KNOWN_TEXTS)], dtype=object)

    def __call__(self, rows: Sequence[int], probabilities: NDArray[np.floating]) -> Iterator[str]:
        """The objects of some rows, in their order.

        Args:
            rows: 0-based data rows, length N.
            probabilities: Shape [N, C].

        Raises:
            RunError: If the model gave what is no number.
        """
        size = max(1, _CELLS // len(self._labels))
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            yield from self._objects(rows[part], probabilities[part])

    def _objects(self, rows: Sequence[int], probabilities: NDArray[np.floating]) -> Iterator[str]:
        if not np.isfinite(probabilities).all():
            raise RunError(
                "The model gives some texts probabilities that are no numbers.",
                "Predict in full precision: --precision fp32",
            )
        order = most_probable(probabilities, self._top)
        numbers = np.take_along_axis(probabilities, order, axis=1)
        cells = np.empty((len(rows), 2 * order.shape[1]), dtype=object)
        cells[:, 0::2] = self._keys[order]
        cells[:, 1::2] = self._texts_of(np.rint(numbers * _UNIT).astype(np.int64))
        for row, label, pieces in zip(rows, order[:, 0].tolist(), cells.tolist(), strict=True):
            # The pieces begin with the comma that parts them from what is before.
            listed = "".join(pieces)[2:]
            yield (
                f'{{"row": {row}, "label": {self._labels[label]}, "score": {pieces[1]}, '
                f'"probabilities": {{{listed}}}}}'
            )

    def _texts_of(self, units: NDArray[np.int64]) -> NDArray[np.object_]:
        texts: NDArray[np.object_] = self._texts[np.minimum(units, _KNOWN_TEXTS - 1)]
        is_other = units >= _KNOWN_TEXTS
        texts[is_other] = [repr(number) for number in (units[is_other] / _UNIT).tolist()]
        return texts


def most_probable(probabilities: NDArray[np.floating], top: int | None) -> NDArray[np.int64]:
    """Label ids by falling probability, equal ones by id, shape [N, min(top, C)].

    Examples:
        >>> most_probable(np.array([[0.3, 0.1, 0.3, 0.3]]), 2).tolist()
        [[0, 2]]
    """
    n_classes = probabilities.shape[1]
    if top is None or top >= n_classes:
        return np.argsort(-probabilities, axis=1, kind="stable")
    found = np.sort(np.argpartition(-probabilities, top - 1, axis=1)[:, :top], axis=1)
    values = np.take_along_axis(probabilities, found, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    found = np.take_along_axis(found, order, axis=1)
    # Where others equal the last one, the partition took any of them.
    is_tied = (probabilities >= values.min(axis=1, keepdims=True)).sum(axis=1) > top
    found[is_tied] = np.argsort(-probabilities[is_tied], axis=1, kind="stable")[:, :top]
    return found
