"""The section of the report page on what the probabilities are worth."""

from functools import partial
from html import escape
from math import sqrt

from dsample_cli.reports._markup import picture, section
from dsample_cli.reports._run_report import Reliability, RunReport
from dsample_cli.reports.reliability import write_reliability_png

# Of a calibrated model 95 in 100 samples lie within so many standard errors.
_ERRORS = 1.96
# Smaller differences show as 0.0 points.
_SMALLEST_LEAN = 0.0005
# Class shares are taken for equal up to this total variation.
_LIKE_SHARES = 0.1
# The picture of fewer rows than this is rough.
_MANY_ROWS = 50


def calibration_section(report: RunReport) -> str:
    """Show the reliability diagram, and say what it shows; empty without probabilities."""
    panels = report.calibration
    if not panels:
        return ""
    sentences = [calibration_text(panels[-1], report.class_split)]
    if len(panels) > 1:
        errors = ", ".join(f"{panel.expected_error:.3f} {panel.name}" for panel in panels)
        sentences.append(f"ECE: {errors}.")
    if report.correction is not None and _is_for_other_shares(report):
        sentences.append(
            f"The probabilities stand for {report.correction.prior}, not for those of these rows, "
            "so part of the gap is intended."
        )
    if (rows := sum(panels[-1].rows)) < _MANY_ROWS:
        sentences.append(f"{rows:,} rows give no more than a rough picture.")
    return section(
        "Calibration",
        f'<p class="lead">{escape(" ".join(sentences))}</p>',
        picture(
            partial(write_reliability_png, panels=panels),
            "Reliability diagram: accuracy by confidence, above the number of rows.",
            "Each bar holds the rows whose predicted class was given a probability within its "
            "width; a model that means what it says reaches the dashed line. ECE is the mean gap "
            "over the rows, MCE the largest of a bar.",
            is_large=len(panels) > 1,
        ),
    )


def _is_for_other_shares(report: RunReport) -> bool:
    """Whether the corrected probabilities stand for other class shares than the rows have."""
    correction, rows = report.correction, sum(row.support for row in report.classes)
    if correction is None or "logit-adjust" not in correction.method or rows == 0:
        return False
    pairs = zip(correction.shares, report.classes, strict=True)
    variation = sum(abs(shares.served - row.support / rows) for shares, row in pairs) / 2
    return variation > _LIKE_SHARES


def calibration_text(panel: Reliability, split: str) -> str:
    """Say in a sentence whether the model is too sure or not sure enough, and by how much.

    Examples:
        >>> panel = Reliability("corrected", [100], [0.9], [0.8], 0.1, 0.1)
        >>> print(calibration_text(panel, "test"))
        Over-confident: on the test split the model is right in 80.0% of its answers and on average
        90.0% sure of them, 10.0 points too much.
    """
    rows = sum(panel.rows)
    confidence = sum(n * c for n, c in zip(panel.rows, panel.confidence, strict=True)) / rows
    accuracy = sum(n * a for n, a in zip(panel.rows, panel.accuracy, strict=True)) / rows
    lean = confidence - accuracy
    verdict, amount = (
        ("Over-confident", f", {100 * lean:.1f} points too much")
        if lean > 0
        else ("Under-confident", f", {-100 * lean:.1f} points too little")
    )
    # Of a calibrated model the rows that are right vary by at most this.
    if abs(lean) <= _ERRORS * sqrt(confidence * (1 - confidence) / rows):
        verdict, amount = "Calibrated on average", ", a difference that chance may account for"
        if abs(lean) < _SMALLEST_LEAN:
            amount = ""
    return (
        f"{verdict}: on the {split} split the model is right in {accuracy:.1%} of its answers and "
        f"on average {confidence:.1%} sure of them{amount}."
    )
