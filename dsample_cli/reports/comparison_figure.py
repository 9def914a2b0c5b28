"""The picture of a comparison: what rare classes gained and frequent ones paid."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.reports._drawing import (
    FAINT_INK,
    INK,
    new_figure,
    scale_counts,
    style_axes,
    write_png,
)
from dsample_cli.reports._files import Target
from dsample_cli.reports._labels import drawable_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, the yellow darkened so that it shows on white; each has its own marker.
COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7"),
    *("#e69f00", "#56b4e9", "#1b1f24", "#8f8500"),
)
MARKERS = ("o", "s", "^", "D", "v", "<", ">", "h")
LINES = ("-", (0, (4, 2)), (0, (1, 1.5)))
MOST_BINS, MOST_NAME_COLUMNS = 8, 84
# The marks of all entries at one count lie side by side within so many powers of ten.
_SPREAD = 0.07


def write_comparison_png(
    target: Target,
    train_counts: Sequence[int],
    recalls: Sequence[NDArray[np.floating]],
    names: Sequence[str],
) -> None:
    """Draw the recall of each class against its number of training examples, for each entry.

    Pale marks are the classes, moved sideways a little so that they do not cover each other. Lines
    run through the mean of classes of about equal counts. Below is how far each line is above or
    below the first.

    Args:
        target: Path or open binary file.
        train_counts: Training examples of each class, length C; a class without any is left out.
        recalls: Of each entry, the recall of each class, shape [C], NaN without support.
        names: Of the entries.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

    counts = np.asarray(train_counts, float)
    values = np.stack([np.asarray(one, float) for one in recalls])
    is_shown = (counts > 0) & np.isfinite(values).all(axis=0)
    counts, values = counts[is_shown], values[:, is_shown]
    figure = new_figure(7.4, 5.6 + 0.2 * len(names))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.3, 1])
    for axes in (above, below):
        style_axes(axes)
    scale_counts(above.xaxis)
    _draw_entries(above, below, counts, values)
    above.set_ylim(0, 1)
    above.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    above.set_ylabel("Recall", color=INK, fontsize=9.5)
    below.axhline(0, color=FAINT_INK, linewidth=1, zorder=2)
    low, high = below.get_ylim()
    below.set_ylim(min(low, -0.01), max(high, 0.01))
    below.yaxis.set_major_locator(MaxNLocator(nbins=5))
    below.yaxis.set_major_formatter(FuncFormatter(lambda change, _: _points(change)))
    below.set_ylabel("Points more\nthan A", color=INK, fontsize=9.5)
    below.set_xlabel("Training examples of the class (log scale)", color=INK, fontsize=9.5)
    below.spines["bottom"].set_visible(False)
    if len(counts):
        room = max((counts.max() / counts.min()) ** 0.06, 1.3)
        above.set_xlim(counts.min() / room, counts.max() * room)
    figure.align_ylabels()
    _add_names(above, names)
    write_png(target, figure)


def bin_means(
    counts: NDArray[np.floating], values: NDArray[np.floating], most: int = MOST_BINS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average over classes of about equal counts, in bins of about equal numbers of classes.

    Args:
        counts: Training examples of each class, shape [C], all >= 1.
        values: Of each class, shape [K, C].
        most: Number of bins at most; equal counts are in one bin.

    Returns:
        Geometric mean of the counts in each bin, shape [B], and mean of the values, shape [K, B].

    Examples:
        >>> bin_means(np.array([1, 4, 4, 9]), np.array([[0, 0.5, 1, 1]]), most=3)[1].tolist()
        [[0.0, 0.75, 1.0]]
    """
    order = np.argsort(counts, kind="stable")
    distinct, place, sizes = np.unique(counts[order], return_inverse=True, return_counts=True)
    if len(distinct) == 0:
        return np.empty(0), np.empty((len(values), 0))
    # By the middle class of each count, so that no bin is empty but for large ones beside it.
    middle = np.cumsum(sizes) - (sizes + 1) / 2
    of_count = (middle * min(most, len(distinct)) / len(counts)).astype(int)
    _, of_class = np.unique(of_count[place], return_inverse=True)
    totals = np.bincount(of_class)
    centres = np.exp(np.bincount(of_class, np.log(counts[order])) / totals)
    means = [np.bincount(of_class, one[order]) / totals for one in values]
    return centres, np.stack(means)


def _draw_entries(
    above: "Axes", below: "Axes", counts: NDArray[np.floating], values: NDArray[np.floating]
) -> None:
    n_entries = len(values)
    centres, means = bin_means(counts, values)
    jitter = np.random.default_rng(0).uniform(-0.5, 0.5, len(counts))
    step = _SPREAD / n_entries
    for place, (recall, mean) in enumerate(zip(values, means, strict=True)):
        style = _style(place)
        if len(centres) < len(counts):
            # Side by side at each count, and within an entry's own lane at random.
            shift = (place - (n_entries - 1) / 2 + 0.8 * jitter) * step
            above.scatter(
                counts * 10**shift,
                recall,
                s=16,
                marker=style["marker"],
                color=style["color"],
                alpha=0.4 if n_entries <= 3 else 0.25,
                linewidth=0,
                clip_on=False,
                zorder=3,
            )
        above.plot(centres, mean, **style, **_LINE, zorder=4)
        if place > 0:
            below.plot(centres, mean - means[0], **style, **_LINE, zorder=4)


_LINE: dict[str, Any] = {
    "linewidth": 1.9,
    "markersize": 6,
    "markeredgecolor": "white",
    "markeredgewidth": 0.8,
    "clip_on": False,
}


def _style(place: int) -> dict[str, Any]:
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINES[place // len(COLOURS) % len(LINES)],
    }


def _points(change: float) -> str:
    """A difference in points; none has no sign."""
    points = round(100 * change, 3)
    return f"{points:+.3g}" if points else "0"


def _add_names(axes: "Axes", names: Sequence[str]) -> None:
    """Name the entries above the plot, one under the other: their names are long."""
    from matplotlib.lines import Line2D

    texts, families = drawable_labels(names, MOST_NAME_COLUMNS)
    # A dollar sign in a name is not the start of a formula.
    texts = [text.replace("$", r"\$") for text in texts]
    axes.legend(
        [Line2D([], [], **_style(place), **_LINE) for place in range(len(texts))],
        texts,
        loc="lower left",
        bbox_to_anchor=(0, 1.02),
        alignment="left",
        frameon=False,
        prop={"family": families, "size": 9},
        labelcolor=INK,
        borderaxespad=0,
        handlelength=2.6,
        handletextpad=0.7,
    )
