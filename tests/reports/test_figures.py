"""Pictures: whole PNG files for every size of problem, and no empty boxes."""

import warnings
from io import BytesIO

import numpy as np
import pytest

from dsample_cli.reports import _labels
from dsample_cli.reports._files import write_whole
from dsample_cli.reports._labels import drawable_labels, text_width
from dsample_cli.reports.figures import (
    _classes_to_draw,
    write_confusion_png,
    write_learning_png,
    write_recall_png,
    write_schedule_png,
)
from tests.reports.pages import png_size


@pytest.fixture(autouse=True)
def _no_warnings():
    """A picture that cannot show a letter, or lay itself out, warns: let that fail the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def drawn(write, *arguments, **options) -> tuple[int, int]:
    file = BytesIO()
    write(file, *arguments, **options)
    return png_size(file.getvalue())


@pytest.mark.parametrize("n_classes", [1, 2, 10, 21, 150])
def test_confusion_is_drawn_at_a_readable_size(n_classes):
    confusion = np.random.default_rng(0).integers(0, 30, size=(n_classes, n_classes))
    width, height = drawn(write_confusion_png, confusion, [f"class {k}" for k in range(n_classes)])
    assert 400 < width < 2400
    assert 400 < height < 2400


def test_confusion_shows_the_classes_most_involved_in_mistakes_by_confusion():
    confusion = np.diag(np.arange(1, 51))
    confusion[3, 7] = confusion[45, 44] = 9
    chosen = _classes_to_draw(confusion).tolist()
    assert len(chosen) == 30
    assert {3, 7, 44, 45} <= set(chosen)
    assert chosen[:4] == [3, 7, 45, 44]
    support = confusion.sum(axis=1)[chosen[4:]]
    assert (np.diff(support) <= 0).all()


def test_confusion_of_few_classes_is_ordered_by_support():
    assert _classes_to_draw(np.array([[1, 0, 0], [0, 2, 1], [1, 1, 0]])).tolist() == [1, 2, 0]
    assert _classes_to_draw(np.diag([1, 3, 2])).tolist() == [1, 2, 0]


def test_odd_labels_and_empty_rows_are_drawn():
    labels = ["$5 to $10", "a\nb\t", "", "_x", "정상", "e\u0301", "x" * 400, "\ud800"]
    drawn(write_confusion_png, np.zeros((8, 8), int), labels)


def test_without_a_font_labels_become_their_numbers(monkeypatch):
    monkeypatch.setattr(_labels, "_not_in", lambda path, chars: {c for c in chars if c > "\u0fff"})
    texts, families = drawable_labels(["spam", "정상", "스팸"])
    assert texts == ["spam", "#1", "#2"]
    assert families == ["DejaVu Sans"]
    drawn(write_confusion_png, np.eye(3, dtype=int), ["spam", "정상", "스팸"])


def test_a_font_that_has_the_letters_is_found(monkeypatch):
    class Font:
        fname, name, style, weight = "/fonts/hangul.ttf", "NanumGothic", "normal", 400

    monkeypatch.setattr("matplotlib.font_manager.fontManager.ttflist", [Font])
    monkeypatch.setattr(
        _labels,
        "_not_in",
        lambda path, chars: set() if "hangul" in path else {c for c in chars if c > "\u0fff"},
    )
    assert drawable_labels(["정상"]) == (["정상"], ["DejaVu Sans", "NanumGothic"])


def test_labels_are_composed_and_shortened_in_the_middle():
    taken_apart = "\u1109\u1173\u1111\u1162\u11b7"
    assert _labels._one_line(taken_apart) == "스팸"
    (text,), _ = drawable_labels(["transfer_into_account_fee_charged"], max_width=20)
    assert text == "transfer_into…harged"
    assert text_width(text) == 20
    (wide,) = [_labels.shortened("가나다라마바사아자차카타파하", 11)]
    assert text_width(wide) <= 11


@pytest.mark.parametrize("epochs", [0, 1, 12, 300])
def test_schedule_is_drawn(epochs):
    mix = [float(epoch % 3 == 2) for epoch in range(epochs)]
    shares = {"many": [0.9 - 0.4 * m for m in mix], "few": [0.1 + 0.4 * m for m in mix]}
    width, height = drawn(write_schedule_png, mix, shares)
    assert 900 < width < 1300
    assert 500 < height < 900
    run_decides = [epoch > 1 for epoch in range(epochs)]
    assert drawn(write_schedule_png, mix, shares, run_decides) == (width, height)
    was_drawn = {"many": [0.5] * epochs, "few": [float("nan")] * epochs}
    drawn(write_schedule_png, mix, shares, drawn_by_group=was_drawn)


@pytest.mark.parametrize("drawn_by_group", [None, {"few": [0.2, float("nan")]}])
def test_the_panels_of_a_schedule_share_the_height(monkeypatch, drawn_by_group):
    figures = []
    monkeypatch.setattr("dsample_cli.reports.figures.write_png", lambda _, fig: figures.append(fig))
    shares = {"many": [0.9, 0.5], "few": [0.1, 0.5]}
    write_schedule_png(BytesIO(), [0.0, 1.0], shares, drawn_by_group=drawn_by_group)
    figures[0].draw_without_rendering()
    above, below = (axes.get_position().height for axes in figures[0].axes)
    assert above > 0.4
    assert below > 0.15


@pytest.mark.parametrize("epochs", [2, 12, 300])
def test_learning_is_drawn(epochs):
    falling = [1 / (1 + epoch) for epoch in range(epochs)]
    losses = {"training": falling, "validation": [float("nan"), *falling[1:]]}
    width, height = drawn(write_learning_png, losses, {"Macro-F1": falling[::-1]}, epochs - 1)
    assert 900 < width < 1300
    assert 600 < height < 900
    drawn(write_learning_png, {"training": falling}, {})
    drawn(write_learning_png, {}, {"Macro-F1": falling})


@pytest.mark.parametrize(
    ("counts", "recalls", "groups"),
    [
        ([900, 90, 9], [0.9, 0.5, 0.1], ["many", "medium", "few"]),
        ([100, 100], [1.0, None], None),
        ([0, 0], [None, float("nan")], None),
        (list(range(1, 151)), np.linspace(0, 1, 150), None),
    ],
)
def test_recall_is_drawn(counts, recalls, groups):
    width, height = drawn(write_recall_png, counts, recalls, groups)
    assert 900 < width < 1300
    assert 450 < height < 900


def test_a_path_and_a_file_get_the_same_bytes(tmp_path):
    path, file = tmp_path / "confusion.png", BytesIO()
    for target in (path, str(path), file):
        write_confusion_png(target, np.array([[4, 1], [2, 3]]), ["ham", "spam"])
    assert path.read_bytes() == file.getvalue()
    assert [entry.name for entry in tmp_path.iterdir()] == ["confusion.png"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(file):
        file.write(b"half")
        raise RuntimeError("disk")

    with pytest.raises(RuntimeError):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
