"""The section of the report page on the data that the run had."""

import os
from collections.abc import Sequence
from functools import partial

import numpy as np

from dsample_cli.core.imbalance import GROUP_NAMES, measure_imbalance
from dsample_cli.reports._analysis_report import ClassSize
from dsample_cli.reports._markup import (
    number_cell,
    numbered_labels,
    picture,
    row_head,
    safe,
    section,
    table,
    tile,
)
from dsample_cli.reports._run_report import ClassRow, DataPart, RunReport
from dsample_cli.reports.distributions import MOST_NAMED, write_classes_png

SHOWN_HASH = 12  # digits of a SHA-256


def data_section(report: RunReport) -> str:
    """Show the splits, and how uneven the training classes are; empty where neither is known."""
    sizes = _class_sizes(report.classes)
    if not report.data and not sizes:
        return ""
    return section(
        "Data",
        '<p class="lead">What the model was trained and judged on.</p>',
        f'<div class="tiles">{_tiles(sizes)}</div>' if sizes else "",
        _parts_table(report.data) if report.data else "",
        _sizes_picture(sizes) if sizes else "",
    )


def _class_sizes(classes: Sequence[ClassRow]) -> list[ClassSize]:
    """Classes with their training rows, by falling number of these."""
    total = sum(row.train_count or 0 for row in classes)
    known = [row for row in classes if row.train_count]
    known.sort(key=lambda row: -(row.train_count or 0))
    return [
        ClassSize(row.label, row.train_count, row.train_count / total, row.group)
        for row in known
        if row.train_count
    ]


def _tiles(sizes: Sequence[ClassSize]) -> str:
    imbalance = measure_imbalance(np.array([size.count for size in sizes]))
    groups = {group: sum(size.group == group for size in sizes) for group in GROUP_NAMES}
    told = ", ".join(f"{n:,} {group}" for group, n in groups.items() if n)
    largest, smallest = sizes[0].count, sizes[-1].count
    return (
        tile("Classes", f"{len(sizes):,}", told)
        + tile("Imbalance ratio", f"{imbalance.ratio:,.1f}", f"{largest:,} rows to {smallest:,}")
        + tile(
            "Effective classes",
            f"{imbalance.effective_classes:,.1f}",
            "equal classes as varied as these",
        )
    )


def _parts_table(parts: Sequence[DataPart]) -> str:
    rows = [
        row_head(part.name.capitalize())
        + number_cell(part.rows)
        + f'<td class="text">{safe(os.path.basename(part.path))}</td>'
        + f'<td class="value hash"><span title="{safe(part.sha256)}">'
        f"{safe(part.sha256[:SHOWN_HASH])}</span></td>"
        for part in parts
    ]
    heads = [("Split", False), ("Rows", True), ("File", False), ("SHA-256", False)]
    return table("Splits", heads, rows)


def _sizes_picture(sizes: Sequence[ClassSize]) -> str:
    is_named = len(sizes) <= MOST_NAMED
    return picture(
        partial(write_classes_png, classes=sizes),
        "Number of training rows of each class on a log axis, coloured by class group.",
        "Training rows of each class on a log axis: each step to the "
        f"{'right' if is_named else 'top'} is ten times as many."
        + (numbered_labels([size.label for size in sizes]) if is_named else ""),
    )
