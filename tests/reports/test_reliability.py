"""The reliability diagram: drawn for every size of problem, and the same each time."""

import struct
import warnings
from io import BytesIO

import numpy as np
import pytest

from dsample_cli.evaluation.calibration import calibration_bins
from dsample_cli.reports._run_report import Reliability
from dsample_cli.reports.reliability import _short_count, write_reliability_png


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def panel(confidence, correct, name="as trained"):
    bins = calibration_bins(np.asarray(confidence), np.asarray(correct))
    return Reliability(
        name,
        bins.rows.tolist(),
        bins.confidence.tolist(),
        bins.accuracy.tolist(),
        bins.expected_error,
        bins.maximum_error,
    )


def some_panel(rows, lowest=0.1, name="as trained"):
    rng = np.random.default_rng(0)
    confidence = lowest + (1 - lowest) * rng.beta(4, 1, rows)
    return panel(confidence, rng.random(rows) < 0.9 * confidence, name)


def drawn(*panels):
    file = BytesIO()
    write_reliability_png(file, panels)
    return file.getvalue()


def pixels(png):
    from matplotlib.image import imread

    return imread(BytesIO(png), format="png")[..., :3]


def has_colour(png, hex_colour):
    wanted = np.array([int(hex_colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return bool((np.abs(pixels(png) - wanted).max(axis=2) < 0.02).any())


@pytest.mark.parametrize(
    "one",
    [
        some_panel(504),
        some_panel(12, lowest=0.5),
        some_panel(200_000, lowest=0.01),
        panel([0.99] * 3, [1] * 3),
        panel([0.5, 0.9], [0, 0]),
        panel([0.0], [1]),
    ],
    ids=["many rows", "two classes, few rows", "thousands", "one bin", "never right", "no trust"],
)
def test_one_panel_is_drawn(one):
    png = drawn(one)
    width, height = struct.unpack(">II", png[16:24])
    assert 500 < width < 900
    assert 600 < height < 1000
    assert has_colour(png, "#d55e00"), "the gap"


def test_two_panels_stand_side_by_side():
    before, after = some_panel(504), some_panel(504, 0.5, "corrected")
    png = drawn(before, after)
    width, height = struct.unpack(">II", png[16:24])
    assert 1.2 * height < width < 1600
    assert has_colour(png, "#0072b2")


def test_bins_of_few_rows_are_pale():
    many, few = some_panel(5000, 0.9), panel([0.95] * 9, [1] * 9)
    assert has_colour(drawn(many), "#0072b2")
    assert not has_colour(drawn(few), "#0072b2")
    assert has_colour(drawn(few), "#b3d4e8")


def test_equal_panels_give_equal_bytes(tmp_path):
    write_reliability_png(tmp_path / "reliability.png", [some_panel(504)])
    assert (tmp_path / "reliability.png").read_bytes() == drawn(some_panel(504))
    assert [path.name for path in tmp_path.iterdir()] == ["reliability.png"]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (1249, "1.2k"),
        (9949, "9.9k"),
        (9951, "10k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (34_000_000, "34M"),
    ],
)
def test_counts_are_short(count, text):
    assert _short_count(count) == text
