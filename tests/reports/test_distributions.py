"""Pictures of a data file: readable whatever the number of classes and the lengths."""

import warnings
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest

from dsample_cli.reports import _labels
from dsample_cli.reports._drawing import new_figure
from dsample_cli.reports.analysis import DataFile, TextLengths
from dsample_cli.reports.distributions import (
    _bar_edges,
    _draw_classes,
    _draw_lengths,
    _marked,
    _rank_ticks,
    write_analysis_png,
    write_classes_png,
    write_lengths_png,
    write_shares_png,
)
from tests.reports.pages import png_size
from tests.reports.test_analysis import make_report


@pytest.fixture(autouse=True)
def _no_warnings():
    """A picture that cannot show a letter, or lay itself out, warns: let that fail the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def long_tail(n_classes: int):
    counts = np.maximum(1, 900 // np.arange(1, n_classes + 1))
    return make_report(counts, [f"class {k}" for k in range(n_classes)])


def drawn(write, *arguments) -> tuple[int, int]:
    file = BytesIO()
    write(file, *arguments)
    return png_size(file.getvalue())


@pytest.mark.parametrize("n_classes", [2, 30, 10_000])
def test_the_picture_is_drawn_at_a_readable_size(n_classes):
    width, height = drawn(write_analysis_png, long_tail(n_classes))
    assert 1700 < width < 1900
    assert 850 < height < 2400


def test_a_single_class_has_no_shares(tmp_path):
    report = replace(
        make_report((50,), ("$5 ¥",)),
        scores=[],
        file=DataFile("/data/\x1b정상.csv", 50, 50, "ef"),
        lengths=TextLengths("words", np.array([1, 1]), True),
    )
    write_analysis_png(tmp_path / "analysis.png", report)
    assert png_size((tmp_path / "analysis.png").read_bytes())
    assert [entry.name for entry in tmp_path.iterdir()] == ["analysis.png"]


def test_the_parts_of_the_page_are_drawn():
    report = long_tail(150)
    for write, arguments in (
        (write_classes_png, (report.classes,)),
        (write_shares_png, (report.classes, report.scores)),
        (write_lengths_png, (report.lengths,)),
    ):
        width, height = drawn(write, *arguments)
        assert 900 < width < 1300
        assert 400 < height < 900


def test_labels_without_a_font_become_numbers(monkeypatch):
    monkeypatch.setattr(_labels, "_not_in", lambda path, chars: {c for c in chars if c > "\u0fff"})
    axes = new_figure(4, 3).add_subplot()
    _draw_classes(axes, make_report(labels=("정상", "_x", "$y$")).classes)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["#0", "_x", "$y$"]


def test_a_file_name_without_a_font_is_not_shown(monkeypatch):
    monkeypatch.setattr(_labels, "_not_in", lambda path, chars: {c for c in chars if c > "\u0fff"})
    titles = []
    monkeypatch.setattr(
        "dsample_cli.reports.distributions.write_png",
        lambda target, figure: titles.append(figure.get_suptitle()),
    )
    for name in ("정상.csv", "a.csv"):
        write_analysis_png("x", replace(make_report(), file=DataFile(f"/d/{name}", 9, 9, "ef")))
    assert [title.split(":")[0] for title in titles] == ["Data file", "a.csv"]


@pytest.mark.parametrize(
    ("values", "cut", "shown"),
    [
        (np.arange(1, 300), 128, "--max-length 128\ncuts 57%"),
        (np.arange(1, 60), 128, "--max-length 128 cuts none"),
        (np.array([5] * 990 + [900] * 10), 128, "1% are longer than shown, up to 900"),
        (np.array([1]), None, ""),
    ],
)
def test_the_cut_and_what_is_out_of_sight_are_told(values, cut, shown):
    axes = new_figure(6, 3).add_subplot()
    _draw_lengths(axes, TextLengths("tokens", values, True, "minilm", cut))
    told = "; ".join(text.get_text() for text in axes.texts)
    assert shown in told
    assert len(axes.lines) == (values.max() == 299)
    counted = sum(bar.get_height() for bar in axes.patches)
    assert counted == (values <= axes.get_xlim()[1]).sum()


@pytest.mark.parametrize("cut", [None, 2, 7, 64, 128, 512])
@pytest.mark.parametrize("end", [2, 40, 45, 300, 5000])
def test_no_bar_holds_texts_on_both_sides_of_the_cut(end, cut):
    edges = _bar_edges(end, cut)
    assert edges[0] <= 0.5
    assert edges[-1] >= end
    assert len(edges) < 60
    assert len(set(np.diff(edges))) == 1
    assert cut is None or cut > end or cut + 0.5 in edges


@pytest.mark.parametrize("n_classes", [31, 99, 150, 1000])
def test_ranks_are_marked_from_the_first_to_the_last(n_classes):
    ticks = _rank_ticks(n_classes)
    assert (ticks[0], ticks[-1]) == (1, n_classes)
    assert 3 <= len(ticks) <= 7
    assert min(np.diff(ticks)) >= n_classes / 15
    marks = _marked(np.arange(n_classes), n_classes)
    assert (marks[0], marks[-1]) == (0, n_classes - 1)
    assert _marked(np.array([7]), n_classes) == [0]
