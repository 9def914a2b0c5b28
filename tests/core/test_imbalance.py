"""Measures of imbalance and the groups many, medium, few."""

from dataclasses import asdict

import numpy as np
import pytest

from dsample_cli.core.imbalance import frequency_groups, measure_imbalance


def test_the_measures_of_the_toy_counts_are_golden():
    golden = {
        "ratio": 6.0,
        "entropy": 0.897946,
        "evenness": 0.817345,
        "effective_classes": 2.454555,
        "gini": 0.333333,
        "kl_to_uniform": 0.200667,
        "total_variation": 0.266667,
    }
    assert asdict(measure_imbalance(np.array([10, 60, 30]))) == pytest.approx(golden, abs=1e-6)


def test_balanced_counts_have_no_imbalance():
    measures = asdict(measure_imbalance(np.array([7, 7, 7, 7])))
    assert measures == pytest.approx(
        {
            "ratio": 1,
            "entropy": np.log(4),
            "evenness": 1,
            "effective_classes": 4,
            "gini": 0,
            "kl_to_uniform": 0,
            "total_variation": 0,
        }
    )


def test_one_class_has_finite_measures():
    measures = asdict(measure_imbalance(np.array([5])))
    assert np.isfinite(list(measures.values())).all()
    assert measures["ratio"] == measures["effective_classes"] == 1


@pytest.mark.parametrize(
    ("counts", "groups"),
    [
        ([60, 30, 10], "many medium few"),
        ([10, 60, 30], "few many medium"),
        ([90, 10], "many few"),
        ([10, 90], "few many"),
        ([5, 5], "many many"),
        ([7], "many"),
        ([9, 8, 7, 6, 5, 4], "many many medium medium few few"),
        ([9, 5, 5, 5, 5, 5], "many many many many many many"),
        ([9, 8, 5, 5, 5, 5], "many many medium medium medium medium"),
        ([5, 5, 5], "many many many"),
    ],
)
def test_classes_are_cut_into_thirds_and_equal_counts_stay_together(counts, groups):
    assert frequency_groups(np.array(counts)) == groups.split()


def test_thresholds_leave_their_own_value_in_the_middle():
    counts = np.array([101, 100, 20, 19])
    assert frequency_groups(counts, (100, 20)) == ["many", "medium", "medium", "few"]
