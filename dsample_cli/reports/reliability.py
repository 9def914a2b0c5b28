"""The reliability diagram: how often predictions of each confidence are right."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dsample_cli.reports._drawing import FAINT_INK, INK, new_figure, style_axes, write_png
from dsample_cli.reports._files import Target
from dsample_cli.reports._run_report import Reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACCURACY, PALE_ACCURACY, GAP, ROWS = "#0072b2", "#b3d4e8", "#d55e00", "#7f8c9b"
# The share of fewer rows than this says little of those to come.
FEW_ROWS = 10
LEGEND = (
    "accuracy",
    f"accuracy of fewer than {FEW_ROWS} rows",
    "gap to confidence",
    "perfect calibration",
)


def write_reliability_png(target: Target, panels: Sequence[Reliability]) -> None:
    """Draw the accuracy of each bin of confidence, its gap to the diagonal, and its rows below.

    Args:
        target: Path or open binary file.
        panels: One diagram each, side by side; at least one.

    References:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    figure = new_figure(0.9 + 3.4 * len(panels), 4.9)
    grid = figure.subplots(
        2, len(panels), sharex=True, sharey="row", squeeze=False, height_ratios=[3.3, 1]
    )
    for above, below, panel in zip(*grid, panels, strict=True):
        _draw_accuracy(above, panel)
        _draw_rows(below, panel)
        above.set_title(_title(panel), color=INK, fontsize=10, loc="left", pad=8)
        below.set_xlabel("Confidence", color=INK, fontsize=9.5)
    most_rows = max(max(panel.rows) for panel in panels)
    grid[1, 0].set_ylim(0, 1.3 * max(1, most_rows))
    for axes, name in zip(grid[:, 0], ("Accuracy", "Rows"), strict=True):
        axes.set_ylabel(name, color=INK, fontsize=9.5)
    figure.align_ylabels()
    figure.get_layout_engine().set(h_pad=0.03)  # type: ignore[union-attr,call-arg]
    _add_legend(figure, grid[0])
    write_png(target, figure)


def _title(panel: Reliability) -> str:
    """Name and errors; the largest gap is often that of very few rows, so it tells theirs."""
    gaps = np.abs(np.subtract(panel.accuracy, panel.confidence))
    rows = panel.rows[int(gaps.argmax())]
    return (
        f"{panel.name.capitalize()}\nECE {panel.expected_error:.3f}   "
        f"MCE {panel.maximum_error:.3f} ({_short_count(rows)} row{'s' * (rows != 1)})"
    )


def _draw_accuracy(axes: "Axes", panel: Reliability) -> None:
    from matplotlib.ticker import PercentFormatter

    style_axes(axes)
    rows, accuracy = np.asarray(panel.rows), np.asarray(panel.accuracy)
    confidence = np.asarray(panel.confidence)
    middles, width = _bars(len(rows))
    for is_drawn, colour, name in (
        (rows >= FEW_ROWS, ACCURACY, LEGEND[0]),
        ((rows > 0) & (rows < FEW_ROWS), PALE_ACCURACY, LEGEND[1]),
    ):
        if is_drawn.any():
            axes.bar(
                middles[is_drawn], accuracy[is_drawn], width, color=colour, label=name, zorder=2
            )
    filled = rows > 0
    axes.bar(
        middles[filled],
        (confidence - accuracy)[filled],
        width,
        bottom=accuracy[filled],
        facecolor="none",
        edgecolor=GAP,
        hatch="/////",
        linewidth=0.8,
        label=LEGEND[2],
        clip_on=False,
        zorder=3,
    )
    axes.plot(
        [0, 1],
        [0, 1],
        color=FAINT_INK,
        linewidth=1,
        linestyle=(0, (4, 3)),
        label=LEGEND[3],
        zorder=4,
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))


def _draw_rows(axes: "Axes", panel: Reliability) -> None:
    """Bars of the rows in each bin, the number above each."""
    style_axes(axes)
    axes.grid(visible=False)
    axes.tick_params(labelleft=False)
    middles, width = _bars(len(panel.rows))
    axes.bar(middles, panel.rows, width, color=ROWS, zorder=2)
    for middle, count in zip(middles, panel.rows, strict=True):
        if count > 0:
            axes.annotate(
                _short_count(count),
                (middle, count),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                color=FAINT_INK,
                fontsize=6.5,
            )


def _bars(count: int) -> tuple[np.ndarray, float]:
    """Middles of equal bins of [0, 1], and the width of their bars."""
    return (np.arange(count) + 0.5) / count, 0.9 / count


def _short_count(count: int) -> str:
    """Write a count in at most four characters: 950, 1.2k, 34k, 5.6M."""
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if count >= 0.9995 * size:
            return f"{count / size:.{int(count < 9.95 * size)}f}{letter}"
    return str(count)


def _add_legend(figure: "Figure", axes_of_panels: Sequence["Axes"]) -> None:
    """One legend for all panels, below them."""
    found = {
        name: handle
        for axes in axes_of_panels
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    entries = {name: found[name] for name in LEGEND if name in found}
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=2 if len(axes_of_panels) == 1 else len(entries),
        frameon=False,
        fontsize=8.5,
        labelcolor=INK,
    )
