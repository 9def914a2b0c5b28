"""What a refit tells of classes that are too small to resample."""

import numpy as np
import pytest

from dsample_cli.core.refitting import RefitConfig
from dsample_cli.training.refit import Examples
from dsample_cli.workflows.datasets import Datasets
from dsample_cli.workflows.refit import _resampled

pytest.importorskip("imblearn")


def resampled(counts, name, heard):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts)
    train = Examples(rng.normal(size=(len(labels), 3)).astype(np.float32), labels)
    names = tuple(f"class {c}" for c in range(len(counts)))
    data = Datasets(names, ("text",), "label", len(labels), {})
    return _resampled(train, RefitConfig(resample=name), data, heard)


def test_classes_of_one_or_two_examples_are_named(heard):
    resampled([8, 1, 2, 1], "smote", heard)
    assert heard.warnings == [
        "--resample smote: classes of one example are repeated: 'class 1', 'class 3'.",
        "--resample smote: classes of two examples are drawn out to a line: 'class 2'.",
    ]


def test_many_names_are_cut(heard):
    resampled([8, *[1] * 13], "smote", heard)
    assert heard.warnings[0].endswith("'class 10' and 3 more.")


def test_nothing_is_told_where_all_is_well(heard):
    assert len(resampled([8, 6], "smote", heard).labels) == 16
    assert len(resampled([8, 6], None, heard).labels) == 14
    assert heard.warnings == []
