"""The page of an analysed data file: one file that opens anywhere, offline."""

from dsample_cli.reports._analysis_report import (
    AnalysisReport,
    BaselineFigures,
    ClassSize,
    DataFile,
    DoubtedLabel,
    DoubtedLabels,
    Example,
    Finding,
    ScheduleDraws,
    ScoreDraws,
    TextLengths,
)
from dsample_cli.reports._analysis_sections import (
    baseline_section,
    classes_section,
    doubts_section,
    draws_section,
    file_section,
    findings_section,
    header_section,
    lengths_section,
    suggestions_section,
)
from dsample_cli.reports._files import Target
from dsample_cli.reports._page import page, write_page

__all__ = [
    "AnalysisReport",
    "BaselineFigures",
    "ClassSize",
    "DataFile",
    "DoubtedLabel",
    "DoubtedLabels",
    "Example",
    "Finding",
    "ScheduleDraws",
    "ScoreDraws",
    "TextLengths",
    "render_analysis",
    "write_analysis_html",
]


def write_analysis_html(target: Target, report: AnalysisReport) -> None:
    """Write the page of an analysed file, whole or not at all.

    The page fetches nothing, and its Content-Security-Policy forbids it to; every text is escaped.

    Args:
        target: Path or open binary file.
        report: What to show.
    """
    write_page(target, render_analysis(report))


def render_analysis(report: AnalysisReport) -> str:
    """Return the page of an analysed file as HTML."""
    parts = (
        header_section(report),
        findings_section(report),
        classes_section(report),
        draws_section(report),
        lengths_section(report.lengths),
        baseline_section(report.baseline),
        doubts_section(report.doubts, report.text_columns),
        suggestions_section(report),
        file_section(report),
    )
    return page(f"{report.file.name} – dsample data analysis", "\n".join(filter(None, parts)))
