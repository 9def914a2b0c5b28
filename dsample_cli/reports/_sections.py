"""The sections of the report page, one function each."""

from collections.abc import Sequence
from functools import partial
from html import escape

from dsample_cli.core.imbalance import GROUP_NAMES
from dsample_cli.reports._markup import (
    bar,
    command_block,
    header,
    number_cell,
    number_text,
    numbered_labels,
    picture,
    prose,
    row_head,
    safe,
    section,
    table,
    text_cell,
    tile,
)
from dsample_cli.reports._metrics import METRIC_NAMES, metric_name
from dsample_cli.reports._run_report import ClassRow, RunReport, SplitResult
from dsample_cli.reports.figures import (
    is_by_confusion,
    write_confusion_png,
    write_recall_png,
)

HEADLINES = ("macro_f1", "balanced_accuracy", "accuracy")
GROUP_TITLES = {
    "many": "Recall, many-example classes",
    "medium": "Recall, medium classes",
    "few": "Recall, few-example classes",
}


def header_section(report: RunReport) -> str:
    """Name the run and how it was trained."""
    facts = (
        ("Model", report.model),
        ("Schedule", report.schedule),
        ("Score", report.score),
        *report.facts,
    )
    return header(("dsample run report", report.created), report.run, facts)


def warnings_section(warnings: Sequence[str]) -> str:
    """Put what weakens the figures before them; empty without warnings."""
    if not warnings:
        return ""
    items = "".join(f"<li>{prose(warning)}</li>" for warning in warnings)
    return f'<aside class="notice"><h2>Before you rely on this</h2><ul>{items}</ul></aside>'


def results_section(splits: Sequence[SplitResult], baseline: str = "") -> str:
    """Show the headline of the last split, a comparison, then every metric of every split."""
    if not splits:
        return section("Results", '<p class="lead">This run has not been evaluated.</p>')
    headline = splits[-1]
    tiles = "".join(_tile(headline, metric) for metric in HEADLINES if metric in headline.metrics)
    known = {metric for split in splits for metric in split.metrics}
    metrics = [m for m in METRIC_NAMES if m in known] + sorted(known - set(METRIC_NAMES))
    rows = [
        row_head(metric_name(metric)) + "".join(_metric_cell(split, metric) for split in splits)
        for metric in metrics
    ]
    groups = [g for g in GROUP_NAMES if any(g in split.groups for split in splits)]
    rows += [
        row_head(GROUP_TITLES[group])
        + "".join(_range_cell(split, split.groups.get(group), "") for split in splits)
        for group in groups
    ]
    heads = [(f"{split.name.capitalize()} ({split.rows:,} rows)", True) for split in splits]
    of_errors = " Of the calibration errors, lower is better." if "ece" in known else ""
    return section(
        "Results",
        f'<p class="lead">On the {escape(headline.name)} split, {headline.rows:,} rows. Macro-F1 '
        f"and balanced accuracy count every class alike; ranges are 95% intervals.{of_errors}</p>",
        f'<div class="tiles">{tiles}</div>',
        f"<p>{escape(baseline)}</p>" if baseline else "",
        table("Metrics by split", [("Metric", False), *heads], rows),
    )


def _tile(split: SplitResult, metric: str) -> str:
    return tile(
        metric_name(metric), number_text(split.metrics[metric]), _interval_text(split, metric)
    )


def _metric_cell(split: SplitResult, metric: str) -> str:
    return _range_cell(split, split.metrics.get(metric), _interval_text(split, metric))


def _range_cell(split: SplitResult, value: float | None, interval: str) -> str:
    """Make a cell of a number and its interval, whose place is kept so that numbers line up."""
    addition = f' <span class="range">{interval}</span>' if split.intervals else ""
    return number_cell(value, addition=addition)


def _interval_text(split: SplitResult, metric: str) -> str:
    interval = (split.intervals or {}).get(metric)
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval is not None else ""


def classes_section(report: RunReport) -> str:
    """Show recall against train count, and the sortable table of all classes."""
    classes = report.classes
    heads = [
        ("Class", False),
        ("Group", False),
        ("Train rows", True),
        (f"{report.class_split.capitalize()} rows", True),
        ("Precision", True),
        ("F1", True),
        ("Recall", True),
    ]
    return section(
        "Classes",
        f'<p class="lead">All {len(classes):,} classes on the {escape(report.class_split)} split. '
        "Groups part the classes by their number of training rows.</p>",
        _recall_picture(classes),
        table(
            "Classes",
            heads,
            [_class_cells(row) for row in classes],
            is_sortable=True,
            is_tall=len(classes) > 20,
        ),
    )


def _class_cells(row: ClassRow) -> str:
    has_support = row.support > 0
    group_place = str(GROUP_NAMES.index(row.group)) if row.group in GROUP_NAMES else ""
    return "".join(
        (
            row_head(row.label),
            text_cell(row.group, sort_by=group_place),
            number_cell(row.train_count),
            number_cell(row.support),
            number_cell(row.precision),
            number_cell(row.f1 if has_support else None),
            number_cell(row.recall if has_support else None, addition=bar(_shown_recall(row))),
        )
    )


def _shown_recall(row: ClassRow) -> float:
    return row.recall if row.support > 0 else 0.0


def _recall_picture(classes: Sequence[ClassRow]) -> str:
    counts = [row.train_count or 0 for row in classes]
    recalls = [row.recall if row.support > 0 else None for row in classes]
    if not any(count and recall is not None for count, recall in zip(counts, recalls, strict=True)):
        return ""
    return picture(
        partial(
            write_recall_png,
            train_counts=counts,
            recalls=recalls,
            groups=[row.group for row in classes],
        ),
        "Scatter plot of the recall of each class against its number of training examples.",
        "Each mark is a class. A rise to the right means that rare classes are missed more; "
        "the dashed line is the mean over classes, the balanced accuracy.",
    )


def mistakes_section(report: RunReport) -> str:
    """Show the confusion matrix and the commonest mistakes."""
    if not report.classes:
        return ""
    labels = [row.label for row in report.classes]
    order = (
        "classes that are mistaken for each other stand side by side"
        if is_by_confusion(len(labels))
        else "classes by falling number of rows"
    )
    rows = [
        row_head(true) + text_cell(predicted) + number_cell(count)
        for true, predicted, count in report.most_confused
    ]
    heads = [("True class", False), ("Predicted as", False), ("Rows", True)]
    return section(
        "Mistakes",
        picture(
            partial(write_confusion_png, confusion=report.confusion, labels=labels),
            "Heat map of the true class against the predicted class.",
            f"Rows of the {escape(report.class_split)} split by true and predicted class; {order}. "
            "Colour is the share of the true class." + numbered_labels(labels),
            is_large=len(labels) > 6,
        ),
        "<h3>Most common mistakes</h3>" if rows else "",
        table("Most common mistakes", heads, rows) if rows else "",
    )


def repeat_section(report: RunReport) -> str:
    """Show the command and the settings that repeat the run."""
    rows = [
        row_head(name) + f'<td class="value">{safe(str(value))}</td>'
        for name, value in report.settings
    ]
    heads = [("Setting", False), ("Value", False)]
    return section(
        "Repeat this run",
        command_block(report.command),
        "<h3>Settings</h3>" if rows else "",
        table("Settings", heads, rows, is_tall=len(rows) > 24) if rows else "",
    )
