"""What is stored and written of so many classes that a matrix or a number for each is too much."""

import numpy as np
import pytest

from dsample_cli.core import corrections
from dsample_cli.core.corrections import Correction, label_probabilities, log_losses, softmax
from dsample_cli.evaluation import report
from dsample_cli.evaluation.report import evaluate_predictions
from dsample_cli.workflows import predictions
from dsample_cli.workflows.predictions import (
    prediction_record,
    stored_classes,
    whole_probabilities,
)


def test_the_confusions_of_many_classes_are_written_cell_by_cell(monkeypatch):
    truth, predicted = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 2, 0])
    names = ["eggs", "ham", "spam"]
    whole = evaluate_predictions(truth, predicted, names).to_json()["confusion"]
    monkeypatch.setattr(report, "MOST_CLASSES_IN_MATRIX", 2)
    found = evaluate_predictions(truth, predicted, names).to_json()["confusion"]
    assert found["labels"] == names
    matrix = np.zeros((3, 3), int)
    for true, other, rows in found["cells"]:
        assert rows > 0
        matrix[true, other] = rows
    assert matrix.tolist() == whole["matrix"]


def test_stored_predictions_of_many_classes_list_the_most_probable(monkeypatch):
    monkeypatch.setattr(predictions, "_MOST_CLASSES", 3)
    monkeypatch.setattr(predictions, "_KEPT_CLASSES", 2)
    names = ["a", "b", "c", "d"]
    assert stored_classes(3) is None
    assert stored_classes(4) == 2
    record = prediction_record(0, np.array([0.1, 0.5, 0.3, 0.1]), names, stored_classes(4))
    assert whole_probabilities([record], names)[0] == pytest.approx([0.1, 0.5, 0.3, 0.1])


def test_stored_predictions_of_few_classes_must_be_whole():
    record = prediction_record(0, np.array([0.2, 0.8]), ["a", "b"])
    assert whole_probabilities([record], ["a", "b"]).tolist() == [[0.2, 0.8]]
    del record["probabilities"]["a"]
    with pytest.raises(KeyError):
        whole_probabilities([record], ["a", "b"])


def test_logits_in_parts_give_what_they_give_as_a_whole(monkeypatch):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 7)), rng.integers(0, 7, 50)
    correction = Correction(rng.random(7) + 0.5, rng.normal(size=7), {})

    def figures():
        fitted = corrections.temperature(logits, labels)
        return [
            softmax(logits),
            log_losses(logits, labels),
            label_probabilities(logits, labels),
            correction.labels(logits),
            fitted.scale,
        ]

    whole = figures()
    assert (whole[2] == whole[0][np.arange(50), labels]).all()
    assert (whole[3] == correction(logits).argmax(axis=1)).all()
    monkeypatch.setattr(corrections, "_CELLS", 16)
    for in_parts, expected in zip(figures(), whole, strict=True):
        assert in_parts == pytest.approx(expected, rel=1e-9)
