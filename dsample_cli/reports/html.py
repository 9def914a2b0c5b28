"""The report of a run: one page that opens anywhere, offline, and can be mailed as it is."""

from dsample_cli.reports._calibration_section import calibration_section
from dsample_cli.reports._correction_section import correction_section
from dsample_cli.reports._data_section import data_section
from dsample_cli.reports._files import Target
from dsample_cli.reports._page import page, write_page
from dsample_cli.reports._run_report import (
    ClassRow,
    ClassShares,
    CorrectionGain,
    CorrectionReport,
    DataPart,
    Reliability,
    RunReport,
    SplitResult,
)
from dsample_cli.reports._sections import (
    classes_section,
    header_section,
    mistakes_section,
    repeat_section,
    results_section,
    warnings_section,
)
from dsample_cli.reports._training_section import training_section

__all__ = [
    "ClassRow",
    "ClassShares",
    "CorrectionGain",
    "CorrectionReport",
    "DataPart",
    "Reliability",
    "RunReport",
    "SplitResult",
    "render_run_report",
    "write_run_report",
]


def write_run_report(target: Target, report: RunReport) -> None:
    """Write the report page of a run, whole or not at all.

    The page fetches nothing, and its Content-Security-Policy forbids it to; every text is escaped.

    Args:
        target: Path or open binary file.
        report: What to show.
    """
    write_page(target, render_run_report(report))


def render_run_report(report: RunReport) -> str:
    """Return the report page of a run as HTML."""
    parts = (
        header_section(report),
        warnings_section(report.warnings),
        results_section(report.splits, report.baseline),
        classes_section(report),
        mistakes_section(report),
        correction_section(report.correction),
        calibration_section(report),
        training_section(report),
        data_section(report),
        repeat_section(report),
    )
    return page(f"{report.run} – dsample run report", "\n".join(filter(None, parts)))
