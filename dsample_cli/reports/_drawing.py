"""The look that the pictures share, and how they reach the disk."""

from typing import TYPE_CHECKING, Any

from dsample_cli.reports._files import Target, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 160
INK, FAINT_INK, GRID = "#1b1f24", "#57606a", "#e4e7eb"


def style_axes(axes: "Axes") -> None:
    """Quiet axes: a light grid across, no frame but the base line."""
    axes.set_facecolor("white")
    axes.grid(axis="y", color=GRID, linewidth=0.8, zorder=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT_INK)
    axes.tick_params(which="both", colors=FAINT_INK, labelsize=8.5, length=0, pad=5)


def add_legend(axes: "Axes") -> None:
    """Put the legend above the plot, where it covers no data."""
    handles, names = axes.get_legend_handles_labels()
    if handles:
        axes.legend(
            handles,
            names,
            loc="lower left",
            bbox_to_anchor=(0, 1.02),
            ncols=len(names),
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
