"""Resampled features: golden values of the method reference, section 6, and small classes."""

import inspect
import sys

import numpy as np
import pytest

from dsample_cli.core.docstrings import parse_docstring
from dsample_cli.errors import ConfigError, MissingExtraError
from dsample_cli.training import feature_resampling
from dsample_cli.training.feature_resampling import (
    FEATURE_RESAMPLINGS,
    find_resampling,
    transfer,
)

pytest.importorskip("imblearn")
from imblearn.combine import SMOTEENN, SMOTETomek
from imblearn.over_sampling import SMOTE
from imblearn.under_sampling import EditedNearestNeighbours, OneSidedSelection

every_resampling = pytest.mark.parametrize("name", FEATURE_RESAMPLINGS)

# The toy data of the method reference: one feature, two classes.
LINE = np.array([0, 0.1, 0.2, 0.3, 1.05, 1, 1.1, 1.2])[:, None]
OF_LINE = np.array([0, 0, 0, 0, 0, 1, 1, 1])


class Quarter(np.random.RandomState):
    """Whose uniform draws are all 1/4."""

    def uniform(self, low=0.0, high=1.0, size=None):
        return np.full(size, 0.25)


def make_rows(counts, seed=0, width=5, dtype=np.float32):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    features = rng.normal(size=(len(labels), width)) + 2 * np.eye(len(counts), width)[labels]
    return features.astype(dtype), labels


def resample(name, counts, seed=0):
    features, labels = make_rows(counts)
    return features, labels, FEATURE_RESAMPLINGS[name](features, labels, seed)


@every_resampling
def test_a_resampling_says_what_users_are_told(name):
    doc = parse_docstring(inspect.getdoc(FEATURE_RESAMPLINGS[name]))
    assert doc.summary.endswith(".")
    assert " = " in doc.formula
    for heading in ("When", "Cost", "Risk", "References"):
        assert doc.sections[heading].endswith(".")


@pytest.mark.parametrize("name", ["enn", "oss"])
def test_golden_cleaning(name):
    found = FEATURE_RESAMPLINGS[name](LINE, OF_LINE, 0)
    kept = [int(np.flatnonzero(LINE[:, 0] == x)[0]) for x in found.features[:, 0]]
    assert kept == [0, 1, 2, 3, 5, 6, 7]
    assert found.labels.tolist() == OF_LINE[kept].tolist()


def test_golden_interpolation():
    """From (1, 2) a quarter of the way to (3, 0), or the other way round."""
    features = np.array([[1.0, 2.0], [3.0, 0.0], [9, 9], [9, 8], [8, 9]])
    found = FEATURE_RESAMPLINGS["smote"](features, np.array([1, 1, 0, 0, 0]), Quarter(0))
    (point,) = found.features[5:].tolist()
    assert point in ([1.5, 1.5], [2.5, 0.5])
    assert found.labels[5:].tolist() == [1]


def test_golden_transfer():
    x, own, other = np.array([[3, 2]]), np.array([[1, 1]]), np.array([[0, 5]])
    assert transfer(x, own, other, np.array([[1], [0]])).tolist() == [[2, 5]]


def test_classes_that_are_large_enough_are_treated_as_by_imbalanced_learn():
    features, labels = make_rows((40, 12, 7))
    for name, sampler in {
        "smote": SMOTE(random_state=3),
        "smote-enn": SMOTEENN(random_state=3),
        "smote-tomek": SMOTETomek(random_state=3),
        "enn": EditedNearestNeighbours(),
        "oss": OneSidedSelection(random_state=3),
    }.items():
        expected, codes = sampler.fit_resample(features, labels)
        found = FEATURE_RESAMPLINGS[name](features, labels, 3)
        order, other = (
            np.lexsort((*rows.T, y))
            for rows, y in ((found.features, found.labels), (expected, codes))
        )
        assert found.features[order] == pytest.approx(expected[other], abs=1e-5), name
        assert found.labels[order].tolist() == codes[other].tolist()
        assert not any(found.told.values())


@every_resampling
@pytest.mark.parametrize(
    "counts", [(40, 7, 3, 2, 1), (6, 1), (9, 1, 1), (2, 2), (1, 1, 1), (5, 5, 5)]
)
def test_no_class_is_lost_and_none_is_made_up(name, counts):
    _, labels, found = resample(name, counts)
    assert set(found.labels) == set(labels)
    assert found.features.shape == (len(found.labels), 5)
    assert found.features.dtype == np.float32
    assert np.isfinite(found.features).all()
    for classes in found.told.values():
        assert set(classes) <= set(range(len(counts)))


@every_resampling
def test_the_same_seed_gives_the_same_rows(name):
    first, second = (resample(name, (30, 8, 3), seed=5)[2] for _ in range(2))
    assert (first.features == second.features).all()
    assert (first.labels == second.labels).all()


@pytest.mark.parametrize("name", ["smote", "oversample"])
def test_classes_are_filled_up_to_the_largest_and_what_was_there_stays(name):
    features, _, found = resample(name, (30, 8, 3, 2, 1))
    assert np.bincount(found.labels).tolist() == [30] * 5
    assert len(np.unique(np.concatenate([features, found.features]), axis=0)) == len(
        np.unique(found.features, axis=0)
    )


def test_the_many_group_stays_and_gives_the_others_its_spread():
    features, labels, found = resample("ftl", (30, 25, 8, 3, 2, 1))
    assert np.bincount(found.labels).tolist() == [30, 25, 30, 30, 30, 30]
    single = features[labels == 5]
    made_up = found.features[len(features) :][found.labels[len(features) :] == 5]
    assert made_up.mean(axis=0) == pytest.approx(single[0], abs=0.8)
    assert made_up.std() > 0.5


def test_a_class_of_one_is_repeated_and_one_of_two_is_a_line():
    features, labels, found = resample("smote", (30, 8, 2, 1))
    single = found.features[found.labels == 3]
    assert (single == features[labels == 3]).all()
    a, b = features[labels == 2].astype(float)
    for x in found.features[found.labels == 2]:
        assert np.linalg.norm(x - a) + np.linalg.norm(x - b) == pytest.approx(
            np.linalg.norm(a - b), rel=1e-5
        )
    assert found.told == {
        "classes of one example are repeated": [3],
        "classes of two examples are drawn out to a line": [2],
    }


def test_the_neighbours_are_as_many_as_a_class_has(monkeypatch):
    asked = {}

    class Spy(SMOTE):
        def __init__(self, sampling_strategy, k_neighbors, random_state):
            asked.update(dict.fromkeys(sampling_strategy, k_neighbors))
            super().__init__(
                sampling_strategy=sampling_strategy,
                k_neighbors=k_neighbors,
                random_state=random_state,
            )

    monkeypatch.setattr("imblearn.over_sampling.SMOTE", Spy)
    resample("smote", (30, 9, 6, 5, 3, 2, 1))
    assert asked == {1: 5, 2: 5, 3: 4, 4: 2, 5: 1}


def test_small_classes_are_not_edited_away():
    """In the midst of a large class, where no neighbour is of their own."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(66, 2)).astype(np.float32)
    labels = np.repeat([0, 1, 2, 3], [50, 10, 3, 3])
    found = FEATURE_RESAMPLINGS["enn"](features, labels, 0)
    kept = np.bincount(found.labels, minlength=4)
    assert kept[2:].tolist() == [3, 3]
    assert kept[0] < 50
    assert found.told["classes of fewer than 4 examples are left as they are"] == [3]
    gone = found.told["classes of which nothing would be left stay as they are"]
    assert kept[1] == (10 if gone == [1] else kept[1])
    assert kept[1] > 0


def test_memory_limits_what_is_made_up(monkeypatch):
    monkeypatch.setattr(feature_resampling, "_MOST_BYTES", 4 * 5 * 30)  # 30 rows
    for name in ("smote", "oversample", "ftl"):
        _, _, found = resample(name, (40, 8, 4))
        assert np.bincount(found.labels).tolist() == [40, 10, 10]


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="Unknown resampling 'smot'") as caught:
        find_resampling("smot")
    assert "smote" in caught.value.hint


def test_without_imbalanced_learn_the_hint_installs_it(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "imblearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "imblearn", None)
    for name in FEATURE_RESAMPLINGS:
        if name in ("oversample", "ftl"):
            assert find_resampling(name) is FEATURE_RESAMPLINGS[name]
            continue
        with pytest.raises(MissingExtraError, match="imbalanced-learn") as caught:
            find_resampling(name)
        assert caught.value.hint == "Install it: pip install 'dsample-cli[resampling]'"
