"""The picture of a comparison, and its words."""

import warnings
from io import BytesIO

import numpy as np
import pytest

from dsample_cli.reports.comparison_figure import COLOURS, MARKERS, bin_means, write_comparison_png
from tests.reports.pages import png_size


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def drawn(counts, recalls, names) -> tuple[int, int]:
    file = BytesIO()
    write_comparison_png(file, counts, [np.asarray(one, float) for one in recalls], names)
    return png_size(file.getvalue())


@pytest.mark.parametrize(("n_classes", "n_entries"), [(1, 2), (2, 2), (150, 9)])
def test_any_number_of_classes_and_runs_is_drawn(n_classes, n_entries):
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 1000, n_classes).tolist()
    recalls = rng.random((n_entries, n_classes))
    names = [f"{i}  schedule=natural, loss=ce" for i in range(n_entries)]
    width, height = drawn(counts, recalls, names)
    assert 900 < width < 1500
    assert 700 < height < 1600


def test_odd_names_and_classes_without_figures_are_drawn():
    names = ["A  model=$x$_y", "B  한국어 " + "x" * 200]
    drawn([0, 5, 9], [[0.5, np.nan, 0.25]] * 2, names)
    drawn([0, 5], [[0.5, np.nan]] * 2, names)


def test_each_entry_has_a_mark_of_its_own():
    assert len(set(COLOURS)) == len(set(MARKERS)) == len(COLOURS) == 8


def test_bins_hold_all_classes_and_equal_counts_together():
    rng = np.random.default_rng(1)
    counts = np.sort(rng.integers(1, 60, 150)).astype(float)
    values = rng.random((3, 150))
    centres, means = bin_means(counts, values)
    assert len(centres) <= 8
    assert (np.diff(centres) > 0).all()
    assert means.shape == (3, len(centres))
    same, of_same = bin_means(np.full(5, 7.0), values[:, :5])
    assert same.tolist() == pytest.approx([7])
    assert of_same[:, 0] == pytest.approx(values[:, :5].mean(axis=1))
