"""The section of the report page on how the training went."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from dsample_cli.core.imbalance import GROUP_NAMES
from dsample_cli.reports._markup import number_cell, picture, row_head, section, table
from dsample_cli.reports._metrics import metric_name
from dsample_cli.reports._run_report import RunReport
from dsample_cli.reports.figures import write_learning_png, write_schedule_png

KINDS_OF_DRAWS = ("expected", "drawn")


def training_section(report: RunReport) -> str:
    """Show the schedule and what each epoch reached; empty without epochs."""
    epochs = report.epochs
    if not epochs:
        return ""
    group_of_label = {row.label: row.group for row in report.classes}
    heads = [
        ("Epoch", True),
        ("Mix", True),
        ("Few-group share drawn", True),
        ("Train loss", True),
        ("Validation loss", True),
        ("Accuracy", True),
        ("Macro-F1", True),
    ]
    lead = "Mix is how strongly an epoch followed the score: 0 is the natural order, 1 the score."
    if report.best_epoch is not None:
        lead += f" The model of epoch {report.best_epoch} was kept."
    return section(
        "Training",
        f'<p class="lead">{lead}</p>',
        _schedule_picture(epochs, group_of_label),
        _learning_picture(epochs, report.best_epoch),
        table(
            "Epochs",
            heads,
            [_epoch_row(epoch, report.best_epoch, group_of_label) for epoch in epochs],
            is_tall=len(epochs) > 20,
        ),
    )


def _schedule_picture(
    epochs: Sequence[Mapping[str, Any]], group_of_label: Mapping[str, str]
) -> str:
    mix = [float(epoch.get("mix") or 0.0) for epoch in epochs]
    expected, drawn = (_shares_by_group(epochs, key, group_of_label) for key in KINDS_OF_DRAWS)
    told = " Lines are the expected shares, marks what was drawn." if drawn else ""
    return picture(
        partial(
            write_schedule_png, mix=mix, shares_by_group=expected, drawn_by_group=drawn or None
        ),
        "Line chart of the share of each class group by epoch, above bars of the mix.",
        f"What the schedule made of the class distribution, epoch by epoch.{told}",
    )


def _shares_by_group(
    epochs: Sequence[Mapping[str, Any]], key: str, group_of_label: Mapping[str, str]
) -> dict[str, list[float]]:
    """Group -> its share in each epoch, NaN where an epoch does not tell; groups that there are."""
    told = [_group_shares(epoch.get(key) or {}, group_of_label) for epoch in epochs]
    return {
        group: [shares.get(group, 0.0 if shares else math.nan) for shares in told]
        for group in GROUP_NAMES
        if any(group in shares for shares in told)
    }


def _learning_picture(epochs: Sequence[Mapping[str, Any]], best_epoch: int | None) -> str:
    """The curves of what two epochs or more tell."""
    validation = [epoch.get("validation") or {} for epoch in epochs]
    losses = {
        "training": [epoch.get("train_loss") for epoch in epochs],
        "validation": [of_epoch.get("loss") for of_epoch in validation],
    }
    scores = {
        metric_name(metric): [of_epoch.get(metric) for of_epoch in validation]
        for metric in ("macro_f1", "accuracy")
    }
    curves = [_known_curves(losses), _known_curves(scores)]
    if not any(curves):
        return ""
    return picture(
        partial(write_learning_png, losses=curves[0], scores=curves[1], kept_epoch=best_epoch),
        "Learning curves: the losses, and figures of the validation split, by epoch.",
        "Learning curves. The training loss is that of the objective on the rows as drawn, the "
        "validation loss cross-entropy on the rows as they are: compare their courses, not their "
        "heights.",
    )


def _known_curves(curves: Mapping[str, Sequence[Any]]) -> dict[str, list[float]]:
    return {
        name: [math.nan if value is None else float(value) for value in values]
        for name, values in curves.items()
        if sum(value is not None for value in values) > 1
    }


def _epoch_row(
    epoch: Mapping[str, Any], best_epoch: int | None, group_of_label: Mapping[str, str]
) -> str:
    validation = epoch.get("validation") or {}
    drawn = _group_shares(epoch.get("drawn") or {}, group_of_label)
    cells = (
        row_head(str(epoch["epoch"]), "number"),
        number_cell(_number(epoch.get("mix")), 2),
        number_cell(drawn.get("few")),
        number_cell(_number(epoch.get("train_loss")), 4),
        number_cell(_number(validation.get("loss")), 4),
        number_cell(_number(validation.get("accuracy"))),
        number_cell(_number(validation.get("macro_f1"))),
    )
    attribute = ' class="kept"' if epoch["epoch"] == best_epoch else ""
    return f"<tr{attribute}>{''.join(cells)}</tr>"


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _group_shares(
    amounts: Mapping[str, float], group_of_label: Mapping[str, str]
) -> dict[str, float]:
    """Add up amounts by label into shares by group."""
    total = sum(amounts.values())
    shares: dict[str, float] = {}
    for label, amount in amounts.items():
        group = group_of_label.get(label)
        if group is not None and total > 0:
            shares[group] = shares.get(group, 0.0) + amount / total
    return shares
