"""Many predictions written at once are those that are written one by one."""

import numpy as np
import pytest

from dsample_cli.core.printable import json_text
from dsample_cli.errors import RunError
from dsample_cli.workflows import predictions
from dsample_cli.workflows.predictions import PredictionLines, most_probable, prediction_record

RNG = np.random.default_rng(5)


def made(classes):
    """Sure, unsure, tied and extreme probabilities."""
    rows = RNG.dirichlet(np.full(classes, 0.05), 60)
    rows[:20] = np.round(rows[:20], 1)
    rows[20] = 1 / classes
    rows[21] = np.eye(classes)[-1]
    rows[22, :2] = 4.9999999e-7, 5.0000001e-7
    return rows


@pytest.mark.parametrize(("classes", "top"), [(2, None), (3, 1), (40, None), (40, 5), (3, 9)])
def test_lines_are_to_the_letter_what_json_makes_of_records(monkeypatch, classes, top):
    monkeypatch.setattr(predictions, "_CELLS", 7 * classes)  # several blocks
    probabilities = made(classes)
    names = ['say "정상"', "a\\b\u2028", *map(str, range(classes - 2))]
    rows = list(range(100, 160))
    expected = [
        json_text(prediction_record(row, found, names, top))
        for row, found in zip(rows, probabilities, strict=True)
    ]
    assert list(PredictionLines(names, top)(rows, probabilities)) == expected


def test_the_most_probable_are_those_of_a_stable_sort():
    probabilities = RNG.integers(0, 6, (200, 30)) / 10
    everything = np.argsort(-probabilities, axis=1, kind="stable")
    for top in (1, 4, 29, 30, None):
        assert (most_probable(probabilities, top) == everything[:, :top]).all()


def test_what_is_no_number_is_told():
    with pytest.raises(RunError, match="no numbers") as caught:
        list(PredictionLines(["a", "b"])([0, 1], np.array([[0.5, 0.5], [np.nan, 1]])))
    assert "--precision fp32" in caught.value.hint
