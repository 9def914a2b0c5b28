"""The section of the report page on how the training went."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from dsample_cli.core.imbalance import GROUP_NAMES
from dsample_cli.reports._markup import number_cell, picture, row_head, section, table
from dsample_cli.reports._run_report import RunReport
from dsample_cli.reports.figures import write_schedule_png


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
    expected = [_group_shares(epoch.get("expected") or {}, group_of_label) for epoch in epochs]
    shares = {
        group: [shares_of_epoch.get(group, 0.0) for shares_of_epoch in expected]
        for group in GROUP_NAMES
        if any(group in shares_of_epoch for shares_of_epoch in expected)
    }
    return picture(
        partial(write_schedule_png, mix=mix, shares_by_group=shares),
        "Line chart of the expected share of each class group by epoch, above bars of the mix.",
        "What the schedule made of the class distribution, epoch by epoch.",
    )


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
