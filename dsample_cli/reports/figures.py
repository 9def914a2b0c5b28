"""Pictures of a run, as PNG files.

Everything goes through `matplotlib.figure.Figure`: no pyplot, no window system, no state that two
threads or two callers could share. Colours are Okabe and Ito's, told apart by colour-blind readers,
and every group also has its own marker.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.imbalance import GROUP_NAMES
from dsample_cli.reports._class_order import confusion_order
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
from dsample_cli.reports._labels import drawable_labels, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

GROUP_COLOURS = {"many": "#0072b2", "medium": "#009e73", "few": "#d55e00"}
GROUP_LEGEND = {"many": "classes with many examples", "medium": "medium", "few": "few"}
GROUP_MARKERS = {"many": "o", "medium": "s", "few": "^"}
COLUMN_INCHES = 0.085  # of a letter in a class name
BAR, PALE_BAR = "#7f8c9b", "#cdd4db"
MAX_MARKERS = 24  # of a line
LINE_STYLES = ({"color": "#0072b2", "marker": "o"}, {"color": "#e69f00", "marker": "D"})
MAX_CLASSES, SHOWN_CLASSES, MAX_CLASSES_WITH_COUNTS = 40, 30, 20
MAX_CLASSES_BY_SIZE = 10  # in sight at once, so that rare classes being missed shows as a pattern


def write_confusion_png(
    target: Target, confusion: NDArray[np.integer], labels: Sequence[str]
) -> None:
    """Draw a confusion matrix as a heat map, each row a share of its true class.

    Up to 10 classes are ordered by support, more of them by confusion: those that are mistaken
    for each other stand side by side. Counts stand in the cells of up to 20 classes; of more than
    40 classes only the 30 most involved in mistakes are drawn, and the title says so.

    Args:
        target: Path or open binary file.
        confusion: Counts by true and predicted class, shape [C, C].
        labels: Name of each class, length C, in label-id order.
    """
    from matplotlib.colors import PowerNorm

    confusion = np.asarray(confusion)
    chosen = _classes_to_draw(confusion)
    counts = confusion[np.ix_(chosen, chosen)]
    shares = _shares_of_row(confusion, chosen)
    texts, families = drawable_labels(labels)
    ticks = [texts[class_id] for class_id in chosen]

    n_shown = len(chosen)
    has_counts = n_shown <= MAX_CLASSES_WITH_COUNTS
    side = max(2.6, n_shown * (0.42 if has_counts else 0.26))
    label_room = COLUMN_INCHES * max(map(text_width, ticks), default=1)
    figure = new_figure(side + label_room + 1.6, side + label_room + 1.0)
    axes = figure.add_subplot()
    # The power brings out small shares: mistakes are what the reader looks for.
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.6, vmin=0, vmax=1))
    room_in_columns = int((side / n_shown - 0.1) / COLUMN_INCHES)
    _label_classes(axes, ticks, families, room_in_columns)
    if has_counts:
        _write_counts(axes, counts, is_dark=np.asarray(image.norm(shares)) > 0.5)
    _add_colour_bar(axes, image, side)
    title = "Confusion matrix"
    if n_shown < len(labels):
        title = f"The {n_shown} of {len(labels)} classes most involved in mistakes"
    axes.set_title(title, color=INK, fontsize=11, loc="left", pad=10)
    note_numbered_labels(figure, [labels[k] for k in chosen], "# is the label id", ticks)
    write_png(target, figure)


def write_schedule_png(
    target: Target,
    mix: Sequence[float],
    shares_by_group: Mapping[str, Sequence[float]],
    run_decides: Sequence[bool] = (),
    drawn_by_group: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """Draw how strongly each epoch follows the score, and what that does to the class groups.

    Lines are what was expected. Once the epochs are over, marks are what they drew.

    Args:
        target: Path or open binary file.
        mix: Mix of each epoch, in [0, 1], from epoch 0.
        shares_by_group: Expected share of the draws for each group that there is, by epoch.
        run_decides: Whether an epoch may turn out differently; empty when none may.
        drawn_by_group: Share of what was drawn for each group by epoch, NaN where it is unknown.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = new_figure(6.6, 3.9)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.4, 1])
    epochs = np.arange(len(mix))
    name_of_shares = (
        "Expected share\nof the draws" if drawn_by_group is None else "Share of the draws"
    )
    for group in GROUP_NAMES:
        shares = shares_by_group.get(group, ())
        marked = shares if drawn_by_group is None else drawn_by_group.get(group, ())
        if len(shares) > 0 or len(marked) > 0:
            style: dict[str, Any] = {
                "color": GROUP_COLOURS[group],
                "marker": GROUP_MARKERS[group],
                "markersize": 5,
                "linewidth": 1.8,
            }
            lines = (shares, {"marker": ""}), (marked, {"linewidth": 0})
            for values, difference in lines:
                if len(values) > 0:  # an empty line that is not clipped upsets the layout
                    above.plot(
                        np.arange(len(values)),
                        values,
                        markevery=-(-len(values) // MAX_MARKERS),
                        clip_on=False,
                        zorder=3,
                        **(style | difference),
                    )
            # In the legend, one entry for both.
            above.plot([], [], label=GROUP_LEGEND[group], **style)
    colours = np.where(run_decides, PALE_BAR, BAR).tolist() if any(run_decides) else BAR
    below.bar(epochs, mix, width=0.7 if len(mix) <= 40 else 1.0, color=colours, zorder=3)
    for axes, name in ((above, name_of_shares), (below, "Mix")):
        style_axes(axes)
        axes.set_ylim(0, 1)
        axes.set_ylabel(name, color=INK, fontsize=9.5)
    above.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    below.set_yticks([0, 0.5, 1], labels=["0", "0.5", "1"])
    below.set_xlim(-0.6, max(len(mix), 1) - 0.4)
    below.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
    note = " (pale: the run decides)" if any(run_decides) else ""
    below.set_xlabel(f"Epoch{note}", color=INK, fontsize=9.5)
    figure.align_ylabels()
    add_legend(above)
    write_png(target, figure)


def write_learning_png(
    target: Target,
    losses: Mapping[str, Sequence[float]],
    scores: Mapping[str, Sequence[float]],
    kept_epoch: int | None = None,
) -> None:
    """Draw the course of a training: losses above, scores in [0, 1] below.

    Args:
        target: Path or open binary file.
        losses: Name -> value of each epoch from 0, NaN where it is unknown.
        scores: The same of figures of which more is better.
        kept_epoch: Epoch whose weights were kept, which gets a line.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    panels = [(name, of) for name, of in (("Loss", losses), ("Validation", scores)) if of]
    n_epochs = max((len(values) for _, of in panels for values in of.values()), default=1)
    figure = new_figure(6.6, 0.5 + 2.0 * max(1, len(panels)))
    for axes, (name, of) in zip(
        figure.subplots(max(1, len(panels)), 1, sharex=True, squeeze=False)[:, 0],
        panels,
        strict=False,
    ):
        style_axes(axes)
        for (series, values), style in zip(of.items(), LINE_STYLES, strict=False):
            axes.plot(
                np.arange(len(values)),
                values,
                markevery=max(1, -(-len(values) // MAX_MARKERS)),
                markersize=4.5,
                linewidth=1.8,
                label=series,
                clip_on=False,
                zorder=3,
                **style,
            )
        if kept_epoch is not None:
            axes.axvline(kept_epoch, color=FAINT_INK, linewidth=1, linestyle=(0, (4, 3)), zorder=2)
        axes.set_ylabel(name, color=INK, fontsize=9.5)
        if of is scores:
            axes.set_ylim(0, 1)
            axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        else:
            axes.set_ylim(bottom=0)
        add_legend(axes)
    last = figure.axes[-1]
    last.set_xlim(-0.6, max(n_epochs, 1) - 0.4)
    last.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
    kept = "" if kept_epoch is None else " (dashed: the one that was kept)"
    last.set_xlabel(f"Epoch{kept}", color=INK, fontsize=9.5)
    figure.align_ylabels()
    write_png(target, figure)


def write_recall_png(
    target: Target,
    train_counts: Sequence[int] | NDArray[np.integer],
    recalls: Sequence[float | None] | NDArray[np.floating],
    groups: Sequence[str] | None = None,
) -> None:
    """Draw the recall of each class against its number of training examples, on a log axis.

    Args:
        target: Path or open binary file.
        train_counts: Training examples of each class, length C; a class without any is left out.
        recalls: Recall of each class, length C; None or NaN (no support) is left out.
        groups: Optional group of each class, for colour and marker.
    """
    from matplotlib.ticker import PercentFormatter

    counts, values = np.asarray(train_counts, float), np.asarray(recalls, float)
    is_shown = (counts > 0) & np.isfinite(values)
    group_of_class = np.asarray(["" for _ in counts] if groups is None else groups)
    figure = new_figure(6.6, 3.6)
    axes = figure.add_subplot()
    style_axes(axes)
    scale_counts(axes.xaxis)
    for group in (*GROUP_NAMES, ""):
        members = is_shown & (group_of_class == group)
        if members.any():
            axes.scatter(
                counts[members],
                values[members],
                s=34,
                marker=GROUP_MARKERS.get(group, "o"),
                color=GROUP_COLOURS.get(group, GROUP_COLOURS["many"]),
                alpha=0.75,
                linewidth=0,
                label=GROUP_LEGEND.get(group),
                clip_on=False,
                zorder=3,
            )
    if is_shown.any():
        _draw_mean(axes, float(values[is_shown].mean()))
        low, high = counts[is_shown].min(), counts[is_shown].max()
        room = max((high / low) ** 0.06, 1.3)
        axes.set_xlim(low / room, high * room)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.set_xlabel("Training examples of the class (log scale)", color=INK, fontsize=9.5)
    axes.set_ylabel("Recall", color=INK, fontsize=9.5)
    add_legend(axes)
    write_png(target, figure)


def is_by_confusion(n_classes: int) -> bool:
    """Whether a confusion matrix of so many classes is ordered by confusion, not by support."""
    return n_classes > MAX_CLASSES_BY_SIZE


def _classes_to_draw(confusion: NDArray[np.integer]) -> NDArray[np.intp]:
    """Choose the classes of the picture, in its order; of equals, the lower label id is first."""
    support = confusion.sum(axis=1)
    chosen = np.arange(len(confusion))
    if len(confusion) > MAX_CLASSES:
        mistakes = confusion.sum(axis=0) + support - 2 * confusion.diagonal()
        # The second key decides between equals: the larger class.
        chosen = np.lexsort((-support, -mistakes))[:SHOWN_CLASSES]
    chosen = chosen[np.lexsort((chosen, -support[chosen]))]
    if is_by_confusion(len(confusion)):
        chosen = chosen[confusion_order(_shares_of_row(confusion, chosen))]
    return chosen


def _shares_of_row(
    confusion: NDArray[np.integer], chosen: NDArray[np.intp]
) -> NDArray[np.floating]:
    """Of all rows of each chosen class, the share predicted as each, others left out."""
    support = confusion.sum(axis=1)[chosen]
    return confusion[np.ix_(chosen, chosen)] / np.maximum(support, 1)[:, None]


def _label_classes(
    axes: "Axes", ticks: Sequence[str], families: Sequence[str], room_in_columns: int
) -> None:
    """Write the class names along both axes, upright where they fit under their cell."""
    places = range(len(ticks))
    fits = max(map(text_width, ticks), default=0) <= room_in_columns
    size = 9 if len(ticks) <= MAX_CLASSES_WITH_COUNTS else 7.5
    # A dollar sign in a label is not the start of a formula.
    style: dict[str, Any] = {"fontfamily": list(families), "fontsize": size, "parse_math": False}
    axes.set_xticks(places, labels=ticks, rotation=0 if fits else 90, **style)
    axes.set_yticks(places, labels=ticks, **style)
    axes.tick_params(length=0, colors=INK)
    axes.set_xlabel("Predicted class", color=FAINT_INK, fontsize=9.5, labelpad=8)
    axes.set_ylabel("True class", color=FAINT_INK, fontsize=9.5, labelpad=8)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(ticks) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(ticks) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.tick_params(which="minor", length=0)


def _add_colour_bar(axes: "Axes", image: "AxesImage", side_inches: float) -> None:
    """Put the scale beside the matrix, from its top and never higher."""
    height = min(1.0, 2.6 / side_inches)
    place = axes.inset_axes((1 + 0.12 / side_inches, 1 - height, 0.14 / side_inches, height))
    bar = axes.figure.colorbar(image, cax=place)
    bar.set_label("Share of the true class", color=FAINT_INK, fontsize=9)
    bar.set_ticks([0, 0.1, 0.25, 0.5, 1], labels=["0%", "10%", "25%", "50%", "100%"])
    place.tick_params(colors=FAINT_INK, labelsize=8, length=0)
    place.spines[:].set_visible(False)


def _write_counts(axes: "Axes", counts: NDArray[np.integer], is_dark: NDArray[np.bool_]) -> None:
    """Write each count into its cell; zeros stay empty, so that mistakes stand out."""
    for (row, column), count in np.ndenumerate(counts):
        if count > 0:
            axes.text(
                column,
                row,
                _short_count(int(count)),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if is_dark[row, column] else INK,
            )


def _short_count(count: int) -> str:
    """Write a count in at most four characters or so: 950, 12k, 3.4M."""
    if count < 10_000:
        return str(count)
    if count < 1_000_000:
        return f"{count / 1000:.0f}k"
    return f"{count / 1_000_000:.1f}M"


def note_numbered_labels(
    figure: "Figure", labels: Sequence[str], meaning: str, texts: Sequence[str] | None = None
) -> None:
    """Say under the picture why classes carry numbers, unless they are really named so.

    Args:
        figure: The picture.
        labels: Of the classes in it.
        meaning: What the number is.
        texts: What stands for them there, found out by default.
    """
    shown = drawable_labels(labels)[0] if texts is None else texts
    pairs = zip(shown, labels, strict=True)
    if any(text.startswith("#") and not label.strip().startswith("#") for text, label in pairs):
        figure.supxlabel(
            f"{meaning}: no installed font has the letters of these names.",
            color=FAINT_INK,
            fontsize=8,
        )


def _draw_mean(axes: "Axes", mean: float) -> None:
    """Draw the mean over classes, which is the balanced accuracy."""
    axes.axhline(mean, color=FAINT_INK, linewidth=1, linestyle=(0, (4, 3)), zorder=2)
    axes.annotate(
        f"mean {mean:.0%}",
        xy=(1, mean),
        xycoords=("axes fraction", "data"),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        color=FAINT_INK,
        fontsize=8.5,
        annotation_clip=False,
    )
