"""Pictures of a data file: its classes, what the scores would draw of them, its text lengths."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.imbalance import GROUP_NAMES
from dsample_cli.reports._analysis_report import (
    AnalysisReport,
    ClassSize,
    ScoreDraws,
    TextLengths,
)
from dsample_cli.reports._drawing import (
    FAINT_INK,
    INK,
    add_legend,
    new_figure,
    scale_counts,
    style_axes,
    write_png,
)
from dsample_cli.reports._files import Target
from dsample_cli.reports._labels import drawable_labels
from dsample_cli.reports.figures import (
    BAR,
    GROUP_COLOURS,
    GROUP_LEGEND,
    GROUP_MARKERS,
    PALE_BAR,
    note_numbered_labels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More classes than this are not named, but drawn by rank.
MOST_NAMED = 30
# The ranks of more than this are on a log axis, else the large classes vanish in its corner.
MOST_LINEAR_RANKS = 1000
# Okabe and Ito's colours that no class group has. Two scores may draw the same: the larger mark is
# hollow, so that both are seen.
SCORE_STYLE: dict[str, dict[str, Any]] = {
    "softmax": {"color": "#cc79a7", "marker": "o", "markersize": 5.5},
    "inverse": {"color": "#000000", "marker": "D", "markersize": 8, "markerfacecolor": "none"},
    "sqrt": {"color": "#e69f00", "marker": "v", "markersize": 6.5},
    "effective-number": {"color": "#56b4e9", "marker": "s", "markersize": 5},
}
KEPT, CUT = "#0072b2", "#d55e00"
LOWEST = 0.8  # of an axis of counts that begins at one
MOST_BARS = 44
# The histogram ends at the first of these, so that very long texts do not squeeze the rest: the
# quantile, and so many times the upper quartile.
SHOWN_QUANTILE, SHOWN_QUARTILES = 0.99, 6
ROW_INCHES = 0.27
MARKS_PER_GROUP = 8
NATURAL = "as in the data"


def write_analysis_png(target: Target, report: AnalysisReport) -> None:
    """Draw classes, expected shares and text lengths as one picture.

    Args:
        target: Path or open binary file.
        report: What to draw.
    """
    classes, has_scores = report.classes, bool(report.scores)
    rows_inches = _class_inches(classes)
    figure = new_figure(11.0, rows_inches + 1.9 + 3.2)
    grid = figure.add_gridspec(2, 2, height_ratios=[rows_inches + 1.0, 2.6])
    counts_axes = figure.add_subplot(grid[0, 0] if has_scores else grid[0, :])
    _draw_classes(counts_axes, classes, "Classes")
    if has_scores:
        is_named = len(classes) <= MOST_NAMED
        shares_axes = figure.add_subplot(grid[0, 1], sharey=counts_axes if is_named else None)
        title = "What each score would draw"
        _draw_shares(shares_axes, classes, report.scores, title, has_names=False)
    lengths_axes = figure.add_subplot(grid[1, :])
    _draw_lengths(lengths_axes, report.lengths, "Text lengths")
    (shown,), families = drawable_labels([report.file.name], max_width=60)
    if shown == "#0" != report.file.name:  # no font has its letters
        shown = "Data file"
    figure.suptitle(
        f"{shown}:  {report.file.usable_rows:,} rows, {_plural(len(classes), 'class', 'classes')}, "
        f"imbalance ratio {report.imbalance.ratio:,.1f}",
        x=0.012,
        ha="left",
        color=INK,
        fontsize=13,
        fontfamily=families,
        parse_math=False,
    )
    if len(classes) <= MOST_NAMED:
        note_numbered_labels(
            figure, [c.label for c in classes], "# is the place by size, counted from 0"
        )
    write_png(target, figure)


def write_classes_png(target: Target, classes: Sequence[ClassSize]) -> None:
    """Draw how many examples each class has, on a log axis.

    Args:
        target: Path or open binary file.
        classes: By falling count.
    """
    _write_by_class(target, classes, lambda axes: _draw_classes(axes, classes))


def write_shares_png(
    target: Target, classes: Sequence[ClassSize], scores: Sequence[ScoreDraws]
) -> None:
    """Draw the share of each class in the data and in what the scores draw.

    Args:
        target: Path or open binary file.
        classes: By falling count.
        scores: What they draw, in the order of the classes.
    """
    _write_by_class(target, classes, lambda axes: _draw_shares(axes, classes, scores))


def write_lengths_png(target: Target, lengths: TextLengths) -> None:
    """Draw a histogram of the text lengths, with the cut if there is one.

    Args:
        target: Path or open binary file.
        lengths: Of at least one text.
    """
    figure = new_figure(6.6, 3.0)
    _draw_lengths(figure.add_subplot(), lengths)
    write_png(target, figure)


def _write_by_class(
    target: Target, classes: Sequence[ClassSize], draw: "Callable[[Axes], None]"
) -> None:
    figure = new_figure(6.6, _class_inches(classes) + 0.9)
    draw(figure.add_subplot())
    write_png(target, figure)


def _class_inches(classes: Sequence[ClassSize]) -> float:
    """Height of a panel of classes."""
    return max(0.6, ROW_INCHES * len(classes)) if len(classes) <= MOST_NAMED else 2.8


def _draw_classes(axes: "Axes", classes: Sequence[ClassSize], title: str | None = None) -> None:
    """Examples of each class, in the colour and with the mark of its group."""
    counts = np.array([c.count for c in classes])
    subs = (1,) if counts.max() >= 20 else (1, 2, 5)
    is_named = len(classes) <= MOST_NAMED
    style_axes(axes, "x" if is_named else "y")
    present = [group for group in GROUP_NAMES if any(c.group == group for c in classes)]
    for group in present:
        draw = _draw_count_rows if is_named else _draw_count_ranks
        draw(axes, np.flatnonzero([c.group == group for c in classes]), counts, group)
    if is_named:
        _name_rows(axes, classes)
        scale_counts(axes.xaxis, subs)
        # Room for the numbers behind the marks.
        axes.set_xlim(LOWEST, LOWEST * (counts.max() / LOWEST) ** 1.2)
        axes.set_xlabel("Examples (log scale)", color=INK, fontsize=9.5)
    else:
        _rank_classes(axes, len(classes))
        scale_counts(axes.yaxis, subs)
        axes.set_ylim(LOWEST, counts.max() * 1.4)
        axes.set_ylabel("Examples (log scale)", color=INK, fontsize=9.5)
    # In two lines like that of the shares beside it, where there is one.
    add_legend(axes, title, columns=-(-len(present) // 2) if title else None)


def _draw_count_rows(
    axes: "Axes", members: NDArray[np.intp], counts: NDArray[np.integer], group: str
) -> None:
    """A line to a mark for each class, and its count in figures."""
    colour = GROUP_COLOURS[group]
    axes.hlines(members, LOWEST, counts[members], color=colour, linewidth=2.2, zorder=2)
    axes.plot(
        counts[members],
        members,
        color=colour,
        marker=GROUP_MARKERS[group],
        markersize=6,
        linestyle="none",
        label=GROUP_LEGEND[group],
        zorder=3,
    )
    for place in members.tolist():
        axes.annotate(
            f"{counts[place]:,}",
            (counts[place], place),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=FAINT_INK,
            fontsize=8.5,
        )


def _draw_count_ranks(
    axes: "Axes", members: NDArray[np.intp], counts: NDArray[np.integer], group: str
) -> None:
    """The classes of a group as part of a falling curve; as stairs, so that one alone is seen."""
    colour = GROUP_COLOURS[group]
    edges = np.column_stack([members + 0.5, members + 1.5]).ravel()
    heights = np.repeat(counts[members], 2)
    axes.fill_between(edges, LOWEST, heights, color=colour, alpha=0.22, linewidth=0, zorder=2)
    axes.plot(
        edges,
        heights,
        color=colour,
        linewidth=1.8,
        marker=GROUP_MARKERS[group],
        markersize=5,
        markevery=[2 * place for place in _marked(members, len(counts))],
        label=GROUP_LEGEND[group],
        zorder=3,
    )


def _draw_shares(
    axes: "Axes",
    classes: Sequence[ClassSize],
    scores: Sequence[ScoreDraws],
    title: str | None = None,
    has_names: bool = True,
) -> None:
    """The share of each class in the data, and in an epoch that follows a score alone."""
    natural = np.array([c.share for c in classes])
    by_name = {score.name: score.shares for score in scores}
    pictured = {name: by_name[name] for name in SCORE_STYLE if name in by_name}
    if len(classes) <= MOST_NAMED:
        _draw_share_rows(axes, natural, pictured)
        _name_rows(axes, classes, has_names)
    else:
        _draw_share_ranks(axes, natural, pictured)
        _rank_classes(axes, len(classes))
    add_legend(axes, title, columns=3, first=NATURAL)


def _draw_share_rows(
    axes: "Axes", natural: NDArray[np.floating], shares: Mapping[str, NDArray[np.floating]]
) -> None:
    """A bar for each class, and a mark for each score."""
    style_axes(axes, "x")
    places = np.arange(len(natural))
    axes.barh(places, natural, height=0.6, color=PALE_BAR, label=NATURAL, zorder=2)
    for name, values in shares.items():
        axes.plot(values, places, linestyle="none", label=name, zorder=3, **SCORE_STYLE[name])
    axes.set_xlim(0, 1.08 * max(values.max() for values in (natural, *shares.values())))
    axes.xaxis.set_major_formatter(lambda share, _: _percent(share))
    axes.set_xlabel("Share of the examples", color=INK, fontsize=9.5)


def _draw_share_ranks(
    axes: "Axes", natural: NDArray[np.floating], shares: Mapping[str, NDArray[np.floating]]
) -> None:
    """A line for the data and for each score, on a log axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    style_axes(axes)
    ranks = np.arange(1, len(natural) + 1)
    axes.plot(ranks, natural, color=BAR, linewidth=3.5, label=NATURAL, zorder=2)
    marked = _marked(ranks - 1, len(ranks))
    for name, values in shares.items():
        axes.plot(
            ranks,
            values,
            linewidth=1.4,
            markevery=marked,
            clip_on=False,
            label=name,
            zorder=3,
            **SCORE_STYLE[name],
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=8))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: _percent(share)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("Share of the examples (log scale)", color=INK, fontsize=9.5)


def _name_rows(axes: "Axes", classes: Sequence[ClassSize], has_names: bool = True) -> None:
    """One row for each class, the largest on top."""
    texts, families = drawable_labels([c.label for c in classes])
    # A dollar sign in a label is not the start of a formula.
    axes.set_yticks(
        range(len(classes)), labels=texts, fontfamily=families, fontsize=9, parse_math=False
    )
    axes.tick_params(axis="y", colors=INK, labelleft=has_names)
    axes.set_ylim(len(classes) - 0.4, -0.6)


def _rank_classes(axes: "Axes", n_classes: int) -> None:
    is_log = n_classes > MOST_LINEAR_RANKS
    if is_log:
        scale_counts(axes.xaxis, subs=(1,))
        axes.set_xlim(0.9, n_classes * 1.1)
    else:
        axes.set_xlim(0.5 - 0.01 * n_classes, n_classes * 1.01 + 0.5)
        axes.set_xticks(_rank_ticks(n_classes))
    scale = " (log scale)" if is_log else ""
    axes.set_xlabel(f"Classes by size, from 1, the largest{scale}", color=INK, fontsize=9.5)


def _marked(places: NDArray[np.intp], n_classes: int) -> list[int]:
    """Which of some neighbouring classes get a mark, so that the marks are evenly apart."""
    first, last = int(places[0]) + 1, int(places[-1]) + 1
    spaced = np.geomspace if n_classes > MOST_LINEAR_RANKS else np.linspace
    ranks = spaced(first, last, MARKS_PER_GROUP)
    return sorted({int(rank) - first for rank in np.floor(ranks)})


def _rank_ticks(n_classes: int) -> list[int]:
    """The first and the last rank, and round ones between that leave them room.

    Examples:
        >>> _rank_ticks(150), _rank_ticks(31)
        ([1, 50, 100, 150], [1, 10, 20, 31])
    """
    steps = (m * 10**k for k in range(20) for m in (1, 2, 5))
    step = next(step for step in steps if n_classes < 5 * step)
    between = [rank for rank in range(step, n_classes, step) if n_classes - rank > step // 2]
    return [1, *between, n_classes]


def _draw_lengths(axes: "Axes", lengths: TextLengths, title: str | None = None) -> None:
    """Bars of texts by their length; what is behind the cut has another colour."""
    from matplotlib.ticker import MaxNLocator

    style_axes(axes)
    values, cut = lengths.values, lengths.cut
    quartile, quantile = np.quantile(values, [0.75, SHOWN_QUANTILE])
    end = max(float(min(quantile, SHOWN_QUARTILES * quartile)), 2.0)
    if cut is not None and end < cut < 1.6 * end:
        end = cut * 1.08
    edges = _bar_edges(end, cut)
    heights, _ = np.histogram(values, edges)
    is_cut = np.zeros(len(heights), bool) if cut is None else edges[:-1] > cut
    for chosen, colour, name in ((~is_cut, KEPT, "kept whole"), (is_cut, CUT, "cut")):
        if chosen.any():
            axes.bar(
                edges[:-1][chosen],
                heights[chosen],
                np.diff(edges)[chosen],
                align="edge",
                color=colour,
                edgecolor="white",
                linewidth=0.6,
                label=name if heights[is_cut].any() else None,
                zorder=2,
            )
    axes.set_xlim(0, edges[-1])
    notes = []
    if cut is not None and cut < edges[-1]:
        axes.set_ylim(0, 1.25 * max(1, heights.max()))  # room for the text beside the line
        axes.axvline(cut + 0.5, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), zorder=4)
        is_right = cut > 0.8 * edges[-1]
        axes.annotate(
            f"--max-length {cut}\n{_cut_text(values, cut)}",
            (cut + 0.5, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-5 if is_right else 5, -3),
            textcoords="offset points",
            ha="right" if is_right else "left",
            va="top",
            color=INK,
            fontsize=8.5,
        )
    elif cut is not None:
        notes.append(f"--max-length {cut} {_cut_text(values, cut)}")
    if (share := float((values > edges[-1]).mean())) > 0:
        notes.append(f"{_percent(share)} are longer than shown, up to {values.max():,}")
    axes.annotate(
        "; ".join(notes),
        (1, 1.02),
        xycoords="axes fraction",
        ha="right",
        va="bottom",
        color=FAINT_INK,
        fontsize=8.5,
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True))
        axis.set_major_formatter(lambda number, _: f"{number:,.0f}")
    unit = "Words" if lengths.model is None else f"Tokens ({os.path.basename(lengths.model)})"
    axes.set_xlabel(f"{unit} in a text", color=INK, fontsize=9.5)
    axes.set_ylabel("Texts", color=INK, fontsize=9.5)
    add_legend(axes, title)


def _cut_text(values: NDArray[np.integer], cut: int) -> str:
    share = float((values > cut).mean())
    return f"cuts {_percent(share)}" if share else "cuts none"


def _bar_edges(end: float, cut: int | None) -> NDArray[np.floating]:
    """Edges of equal bars between whole numbers, from 0 to `end` or a little more.

    One of them is behind the cut, so that no bar holds both texts that are cut and texts that
    are not.
    """
    width = max(1, -(-int(end) // MOST_BARS))
    behind = 0 if cut is None else cut % width
    return np.arange((behind or width) - width + 0.5, end + width, width)


def _percent(share: float) -> str:
    """A share as a percentage without needless digits.

    Examples:
        >>> _percent(0.02), _percent(0.00054)
        ('2%', '0.054%')
    """
    return f"{np.format_float_positional(100 * share, 2, fractional=False, trim='-')}%"


def _plural(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"
