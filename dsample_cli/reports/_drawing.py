"""The look that the pictures share, and how they reach the disk."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from dsample_cli.reports._files import Target, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

DOTS_PER_INCH = 160
INK, FAINT_INK, GRID = "#1b1f24", "#57606a", "#e4e7eb"


def style_axes(axes: "Axes", values: Literal["x", "y"] = "y") -> None:
    """Quiet axes: a light grid across the values, no frame but the base line."""
    axes.set_facecolor("white")
    axes.grid(axis=values, color=GRID, linewidth=0.8, zorder=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT_INK)
    axes.tick_params(which="both", colors=FAINT_INK, labelsize=8.5, length=0, pad=5)


def scale_counts(axis: "Axis", subs: Sequence[int] = (1, 2, 5)) -> None:
    """Make an axis of counts logarithmic, with its numbers written out.

    Args:
        axis: Of x or of y.
        subs: Multiples of each power of ten that get a number.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes = axis.axes
    (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
    axis.set_major_locator(LogLocator(base=10, subs=subs, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def add_legend(
    axes: "Axes",
    title: str | None = None,
    columns: int | None = None,
    first: str | None = None,
) -> None:
    """Put the legend above the plot, where it covers no data.

    Args:
        axes: Whose legend; without anything to name, it is the title alone.
        title: Of the plot, above the legend.
        columns: Entries side by side, all by default.
        first: Name of the entry that goes before the others.
    """
    handles, names = axes.get_legend_handles_labels()
    if first is not None and first in names:
        place = names.index(first)
        for entries in (handles, names):
            entries.insert(0, entries.pop(place))
    if not handles and title:
        axes.set_title(title, color=INK, fontsize=11, loc="left", pad=10)
    if handles:
        axes.legend(
            handles,
            names,
            loc="lower left",
            bbox_to_anchor=(0, 1.02),
            borderpad=0 if title else 0.4,
            ncols=columns or len(names),
            title=title,
            title_fontsize=11,
            alignment="left",
            frameon=False,
            fontsize=9,
            labelcolor=INK,
            borderaxespad=0,
            handletextpad=0.5,
            columnspacing=1.6,
        )


def new_figure(width_inches: float, height_inches: float) -> "Figure":
    """Make a white figure with the Agg canvas."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(width_inches, height_inches),
        dpi=DOTS_PER_INCH,
        facecolor="white",
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)  # type: ignore[union-attr,call-arg]
    FigureCanvasAgg(figure)
    return figure


def write_png(target: Target, figure: "Figure") -> None:
    """Write a figure whole."""
    # Without the matplotlib version inside, equal runs give equal files. The tight box keeps long
    # class names whole where the layout gives them too little room.
    options: dict[str, Any] = {
        "metadata": {"Software": None},
        "bbox_inches": "tight",
        "pad_inches": 0.15,
    }
    write_whole(target, lambda file: figure.savefig(file, format="png", **options))
