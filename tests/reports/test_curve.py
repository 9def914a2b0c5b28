"""The course of a training in the terminal."""

from io import StringIO

import pytest
from rich.console import Console

from dsample_cli.reports.curve import Curve, bar_rows, bar_values, epoch_curves


def drawn(curve: Curve, width: int = 60, encoding: str = "utf-8") -> list[str]:
    console = Console(file=StringIO(), width=width, color_system=None)
    options = console.options.update(width=width)
    options.encoding = encoding
    lines = console.render_lines(curve, options, pad=False)
    return ["".join(segment.text for segment in line) for line in lines]


def test_bars_rise_with_the_values_and_the_axis_tells_both_ends():
    lines = drawn(Curve("Macro-F1", [0.1, 0.2, 0.4, 0.3], marked=2))
    assert lines[1] == "Macro-F1"
    assert lines[2].startswith("  0.4000 ")
    assert lines[7].startswith("  0.1000 ▁")
    assert lines[2].split()[1] == "█████"
    axis = lines[8]
    assert axis.index("0") == 9
    assert axis.index("^ best 2") == 9 + 2 * 6


@pytest.mark.parametrize("width", [20, 40, 80])
@pytest.mark.parametrize("epochs", [2, 3, 16, 100, 1000])
def test_no_line_is_wider_than_the_terminal(width, epochs):
    values = [0.5 + 0.4 * (e % 7) / 7 for e in range(epochs)]
    for marked in (None, 0, epochs // 2, epochs - 1):
        lines = drawn(Curve("M", values, marked), width)
        assert len(lines) <= 10
        assert max(map(len, lines[2:8])) <= width


def test_a_terminal_without_unicode_gets_plain_marks():
    lines = drawn(Curve("M", [0.1, 0.2]), encoding="ascii")
    assert "".join(lines).isascii()
    assert "#" in "".join(lines)


def test_what_was_not_measured_has_no_bar():
    assert bar_rows([None, 0.5, 0.5], 1, 1) == [" ██"]
    assert bar_values([None, None, 1.0], 2) == ([None, 1.0], 2)


def test_a_figure_of_one_epoch_makes_no_curve():
    record = {"train_loss": 0.3, "validation": {"macro_f1": 0.5, "loss": 0.2}}
    assert epoch_curves([record], 0) == []
    assert [c.title for c in epoch_curves([record, record], 0)] == [
        "Validation macro-F1",
        "Validation loss",
    ]
    alone = {"train_loss": 0.3, "validation": None}
    assert [c.title for c in epoch_curves([alone, alone], 0)] == ["Training loss"]
