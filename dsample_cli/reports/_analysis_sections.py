"""The sections of the page of an analysed data file, one function each."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from dsample_cli.core.imbalance import GROUP_NAMES
from dsample_cli.reports._analysis_report import (
    AnalysisReport,
    BaselineFigures,
    ClassSize,
    DoubtedLabels,
    Example,
    Finding,
    ScheduleDraws,
    ScoreDraws,
    TextLengths,
)
from dsample_cli.reports._markup import (
    bar,
    command_block,
    header,
    number_cell,
    numbered_labels,
    picture,
    prose,
    row_head,
    safe,
    section,
    share_cell,
    share_text,
    snippet,
    table,
    text_cell,
    tile,
)
from dsample_cli.reports._metrics import metric_name
from dsample_cli.reports.distributions import (
    MOST_NAMED,
    write_classes_png,
    write_lengths_png,
    write_shares_png,
)

# Tables of more classes leave out the middle ones; --json has them all.
MOST_CLASSES = 1000
# The shares of a training are told for these, the first scores.
SCORES_BY_SCHEDULE = 3
EMPTY = '<span class="lead">(empty)</span>'
SEVERITIES = {"error": "errors", "warning": "warnings", "info": "notes"}


def header_section(report: AnalysisReport) -> str:
    """Name the file, and sum it up."""
    file, imbalance = report.file, report.imbalance
    facts = (
        ("Text column", " + ".join(report.text_columns)),
        ("Label column", report.label_column),
        ("Compared with", "" if report.against is None else report.against.name),
    )
    severities = Counter(finding.severity for finding in report.findings)
    told = ", ".join(
        f"{severities[name]} {name if severities[name] == 1 else several}"
        for name, several in SEVERITIES.items()
        if severities[name]
    )
    left_out = file.rows - file.usable_rows
    smallest = report.classes[-1]
    tiles = (
        tile(
            "Usable rows",
            f"{file.usable_rows:,}",
            f"{left_out:,} of {file.rows:,} left out" if left_out else "all rows of the file",
        ),
        tile("Classes", f"{len(report.classes):,}", f"the smallest has {smallest.count:,} rows"),
        tile("Imbalance ratio", f"{imbalance.ratio:,.1f}", "largest class over the smallest"),
        tile("Problems", f"{len(report.findings)}", told or "none found"),
    )
    return (
        header(("dsample data analysis", report.version), file.name, facts)
        + f'\n<div class="tiles">{"".join(tiles)}</div>'
    )


def findings_section(report: AnalysisReport) -> str:
    """Each problem with what it means, and a few rows that have it."""
    if not report.findings:
        return section("Problems", '<p class="lead">None of the checks found a problem.</p>')
    lead = []
    if any(finding.rows for finding in report.findings):
        lead.append("Rows are numbered from 0, the first row of data.")
    if any(finding.examples for finding in report.findings):
        lead.append("This page quotes the beginning of some texts: mind with whom you share it.")
    return section(
        "Problems",
        f'<p class="lead">{" ".join(lead)}</p>' if lead else "",
        *(_finding(finding, report.text_columns) for finding in report.findings),
    )


def _finding(finding: Finding, text_columns: Sequence[str]) -> str:
    message = f"<p>{prose(finding.message)}</p>"
    head = (
        f'<h3><span class="severity {safe(finding.severity)}">{safe(finding.severity)}</span> '
        f"{safe(finding.code)}</h3>"
    )
    if not finding.rows:
        return f'<div class="finding">{head}{message}</div>'
    more = finding.count - len(finding.rows)
    rows = ", ".join(map(str, finding.rows)) + f" and {more:,} more" * (more > 0)
    where = " of the other file" if finding.is_of_other_file else ""
    details = f"<p>Rows{where}: {rows}</p>"
    examples = _examples(finding, text_columns) if finding.examples else ""
    kind = "Examples" if examples else "Rows"
    return (
        f'<div class="finding">{head}{message}\n<details><summary>{kind}</summary>\n'
        f"{examples}{details}</details></div>"
    )


def _examples(finding: Finding, text_columns: Sequence[str]) -> str:
    items = (_example(example, text_columns) for example in finding.examples)
    return f'<ul class="examples">{"".join(items)}</ul>'


def _example(example: Example, text_columns: Sequence[str], addition: str = "") -> str:
    """One row: its number and label above its texts, which have names if there are two."""
    names = [f"{safe(name)}: " if len(text_columns) > 1 else "" for name in text_columns]
    texts = "".join(
        f'<p dir="auto">{name}{safe(snippet(text)) or EMPTY}</p>'
        for name, text in zip(names, example.texts, strict=True)
    )
    head = f"Row {example.row}, <bdi>{_label(example.label)}</bdi>{addition}"
    return f'<li><p class="example-head">{head}</p>{texts}</li>'


def _label(label: str) -> str:
    return safe(snippet(label, 60)) or "no label"


def classes_section(report: AnalysisReport) -> str:
    """Show how many examples each class has, and how uneven that is."""
    classes = report.classes
    imbalance = report.imbalance
    sizes = {group: [c.count for c in classes if c.group == group] for group in GROUP_NAMES}
    groups = "; ".join(
        f"{group}: {_plural(len(counts), 'class', 'classes')} {_between(counts)}"
        for group, counts in sizes.items()
        if counts
    )
    measures = [
        ("Imbalance ratio", imbalance.ratio, "Largest class over the smallest; 1 is balanced."),
        (
            "Effective classes",
            imbalance.effective_classes,
            f"So many equal classes would be as varied as these {len(classes):,}.",
        ),
        ("Evenness", imbalance.evenness, "Entropy over its largest value; 1 is balanced."),
        ("Entropy", imbalance.entropy, "Of the class shares, in nats."),
        ("Gini", imbalance.gini, "Of the class sizes; 0 is balanced."),
        ("KL to uniform", imbalance.kl_to_uniform, "In nats; 0 is balanced."),
        (
            "Total variation",
            imbalance.total_variation,
            "Share of the rows that would have to change class for balance.",
        ),
    ]
    is_named = len(classes) <= MOST_NAMED
    return section(
        "Classes",
        f'<p class="lead">Examples of each class, in groups by size ({groups}).</p>',
        picture(
            partial(write_classes_png, classes=classes),
            "Number of examples of each class on a log axis, coloured by class group.",
            "Examples of each class on a log axis: each step to the "
            f"{'right' if is_named else 'top'} is ten times as many."
            + (numbered_labels([c.label for c in classes]) if is_named else ""),
        ),
        _class_table(report),
        *(("<h3>Imbalance in figures</h3>", _measure_table(measures)) if len(classes) > 1 else ()),
    )


def _measure_table(measures: Sequence[tuple[str, float, str]]) -> str:
    return table(
        "Imbalance in figures",
        [("Measure", False), ("Value", True), ("Meaning", False)],
        [row_head(name) + number_cell(value) + _prose_cell(m) for name, value, m in measures],
    )


def _class_table(report: AnalysisReport) -> str:
    classes = report.classes
    heads = [("Class", False), ("Group", False), ("Examples", True), ("Share", True)]
    chosen = _ends(len(classes))
    rows = [_class_cells(classes[place], classes[0].count) for place in chosen]
    return _left_out(len(classes), len(chosen)) + table(
        "Classes", heads, rows, is_sortable=True, is_tall=len(chosen) > 20
    )


def _class_cells(size: ClassSize, largest: int) -> str:
    return "".join(
        (
            row_head(size.label),
            text_cell(size.group, sort_by=str(GROUP_NAMES.index(size.group))),
            number_cell(size.count, addition=bar(size.count / largest)),
            share_cell(size.share),
        )
    )


def draws_section(report: AnalysisReport) -> str:
    """Show what training would draw by each score; empty for a single class."""
    classes, scores = report.classes, report.scores
    if not scores:
        return ""
    settled = [
        f"{option.replace('_', ' ')} {number:.4g} for {score.name}"
        for score in scores
        for option, number in score.settled.items()
    ]
    too_often = [score for score in scores if score.is_too_often]
    return section(
        "What training would draw",
        '<p class="lead">A score says how much each class deserves. These are the expected shares '
        "of an epoch that follows one score alone; a schedule says in which epochs, and how far."
        + (f" Chosen for this data: {safe(', '.join(settled))}." if settled else "")
        + "</p>",
        picture(
            partial(write_shares_png, classes=classes, scores=scores),
            "Expected share of each class under four scores, beside its share in the data.",
            "Share of each class in the data (grey), and what four of the scores would draw of it; "
            "the table has them all."
            + (numbered_labels([c.label for c in classes]) if len(classes) <= MOST_NAMED else ""),
        ),
        _score_table(report),
        _repetition_note(too_often),
        "<h3>Share of each class by score</h3>",
        _share_table(report),
        _schedule_table(report.schedules, [s.name for s in scores[:SCORES_BY_SCHEDULE]]),
    )


def _score_table(report: AnalysisReport) -> str:
    """What each score makes of an epoch."""
    is_few = np.array([c.group == "few" for c in report.classes])
    heads = [
        ("Score", False),
        *[("Few group", True)] * report.has_few_group,
        ("Examples in the epoch", True),
        ("Most repeated example", True),
        ("Its class", False),
    ]

    def cells(name: str, shares: Any, draws: int, times: float, label: str) -> str:
        few = share_cell(float(shares[is_few].sum())) if report.has_few_group else ""
        repeats = f'<td class="number">{times:,.1f} times</td>'
        return row_head(name) + few + number_cell(draws) + repeats + text_cell(snippet(label, 60))

    natural = np.array([c.share for c in report.classes])
    rows = [cells("none: as in the data", natural, report.file.usable_rows, 1.0, "")]
    rows += [cells(s.name, s.shares, s.draws, s.times, s.repeated) for s in report.scores]
    return table("Scores", heads, rows)


def _repetition_note(too_often: Sequence[ScoreDraws]) -> str:
    if not too_often:
        return ""
    names = ", ".join(score.name for score in too_often)
    return (
        f'<aside class="notice"><p>By {safe(names)}, some examples come more than 30 times in an '
        "epoch, which invites memorising.</p></aside>"
    )


def _share_table(report: AnalysisReport) -> str:
    classes, scores = report.classes, report.scores
    heads = [("Class", False), ("In the data", True), *((score.name, True) for score in scores)]
    chosen = _ends(len(classes))
    rows = [
        row_head(classes[place].label)
        + share_cell(classes[place].share)
        + "".join(share_cell(float(score.shares[place])) for score in scores)
        for place in chosen
    ]
    return _left_out(len(classes), len(chosen)) + table(
        "Share of each class by score", heads, rows, is_sortable=True, is_tall=len(chosen) > 20
    )


def _schedule_table(schedules: Sequence[ScheduleDraws], scores: Sequence[str]) -> str:
    """How much of the draws of a training falls to the few group, by schedule."""
    if not schedules:
        return ""
    heads = [("Schedule", False), ("Mean mix", True), *((f"By {name}", True) for name in scores)]
    rows = [
        row_head(schedule.name + "*" * schedule.depends_on_run)
        + number_cell(schedule.mean_mix, 2)
        + "".join(share_cell(schedule.few_share[name]) for name in scores)
        for schedule in schedules
    ]
    return (
        "<h3>Share of the few group over a training</h3>"
        '<p class="lead">Mean mix is how strongly a schedule follows the score on average: 0 is '
        "the order of the data, 1 the score. Those with * depend on how the run goes; shown is "
        "the case that every epoch improves.</p>" + table("Schedules", heads, rows)
    )


def lengths_section(lengths: TextLengths) -> str:
    """Show how long the texts are, and what the cut takes away."""
    values, unit = lengths.values, lengths.unit
    of = "all" if lengths.is_whole else "a sample of"
    sentences = [
        f"Measured in {unit} on {of} {len(values):,} texts"
        + (f", with the tokenizer of {lengths.model}." if lengths.model else "."),
        f"Half of them have at most {np.median(values):,.0f}, 95% at most "
        f"{np.quantile(values, 0.95):,.0f}; the longest has {values.max():,}.",
    ]
    if lengths.unknown_share is not None:
        sentences.append(
            f"{share_text(lengths.unknown_share)} of the tokens are unknown to the tokenizer."
        )
    if lengths.model is None:
        sentences.append(
            "Where training would cut them is not known: no tokenizer measured the texts."
        )
    rows = [
        row_head(f"{limit:,}" + " (now)" * (limit == lengths.cut))
        + share_cell(texts)
        + share_cell(tokens)
        for limit, (texts, tokens) in sorted(lengths.losses.items())
    ]
    heads = [("--max-length", False), ("Texts cut", True), ("Tokens lost", True)]
    cut = "" if lengths.cut is None else f" Training keeps {lengths.cut:,} tokens of a text."
    return section(
        "Text lengths",
        f'<p class="lead">{prose(" ".join(sentences))}</p>',
        picture(
            partial(write_lengths_png, lengths=lengths),
            f"Histogram of the text lengths in {unit}.",
            f"Number of texts by their length in {unit}.{cut}",
        ),
        table("What a cut loses", heads, rows) if rows else "",
    )


def baseline_section(baseline: BaselineFigures | None) -> str:
    """Show the figures that an encoder has to beat; empty when there are none."""
    if baseline is None:
        return ""
    metrics = list(dict.fromkeys(name for found in baseline.models.values() for name in found))
    rows = [
        ('<tr class="kept">' if name == baseline.best else "<tr>")
        + row_head(name)
        + "".join(number_cell(found.get(metric)) for metric in metrics)
        + "</tr>"
        for name, found in baseline.models.items()
    ]
    heads = [("Model", False), *((metric_name(metric), True) for metric in metrics)]
    return section(
        "A floor to beat",
        f'<p class="lead">What simple models reach in seconds, in {baseline.folds}-fold '
        f"cross-validation over {baseline.rows:,} rows. An encoder has to do better.</p>",
        table("Baseline", heads, rows),
    )


def doubts_section(doubts: DoubtedLabels | None, text_columns: Sequence[str]) -> str:
    """Show the rows whose label looks wrong; empty when none was looked for."""
    if doubts is None:
        return ""
    checked = f"{doubts.checked:,} rows were checked by a simple model that had not seen them"
    if not doubts.count:
        return section(
            "Labels to check", f'<p class="lead">{checked}; it clearly contradicts no label.</p>'
        )
    items = "".join(
        _example(
            doubt.example,
            text_columns,
            f"; the model says <bdi>{_label(doubt.suggested)}</bdi>, "
            f"by {100 * doubt.margin:.0f} points",
        )
        for doubt in doubts.first
    )
    shown = f"; the first {len(doubts.first)} are shown" * (len(doubts.first) < doubts.count)
    return section(
        "Labels to check",
        f'<p class="lead">{checked}. It clearly contradicts {doubts.count:,} of the labels, the '
        f"most doubtful first{shown}; points are percent of probability. Some are wrong, others "
        f"just hard: the model agrees with {share_text(doubts.accuracy)} of all labels.</p>",
        f'<ul class="examples">{items}</ul>' if items else "",
    )


def suggestions_section(report: AnalysisReport) -> str:
    """Show what to type next, and why; empty without a suggestion."""
    if not report.suggestions:
        return ""
    lead = "Without DATA, dsample train takes the file that was analysed last in this workspace."
    if report.file.is_stdin:
        lead = "Standard input is not remembered: name your data file behind dsample train."
    blocks = (
        f'<div class="suggestion">{command_block(command)}<p>{prose(reason)}</p></div>'
        for command, reason in report.suggestions
    )
    return section("What to try", f'<p class="lead">{lead}</p>', *blocks)


def file_section(report: AnalysisReport) -> str:
    """Say exactly which data this is about."""
    rows = [row_head(name) + _value_cell(value) for name, value in _file_facts(report)]
    notes = "".join(f"<li>{prose(note)}</li>" for note in report.notes)
    return section(
        "The file",
        table("The file", [("Fact", False), ("Value", False)], rows),
        f'<h3>How it was read</h3>\n<ul class="notes">{notes}</ul>' if notes else "",
    )


def _file_facts(report: AnalysisReport) -> list[tuple[str, str]]:
    found = []
    for file, prefix in ((report.file, ""), (report.against, "Compared with: ")):
        if file is not None:
            found += [
                (f"{prefix}path", "standard input" if file.is_stdin else file.path),
                (f"{prefix}rows", f"{file.rows:,}, of which {file.usable_rows:,} usable"),
                (f"{prefix}SHA-256", file.sha256),
            ]
    return [(name[0].upper() + name[1:], value) for name, value in found]


def _value_cell(value: str) -> str:
    return f'<td class="value">{safe(value)}</td>'


def _prose_cell(text: str) -> str:
    return f'<td class="text">{prose(text)}</td>'


def _ends(count: int) -> list[int]:
    """Places of all items, or of the first and the last if they are too many."""
    if count <= MOST_CLASSES:
        return list(range(count))
    half = MOST_CLASSES // 2
    return [*range(half), *range(count - half, count)]


def _left_out(count: int, shown: int) -> str:
    if count == shown:
        return ""
    return (
        f'<p class="lead">The {shown // 2:,} largest and the {shown // 2:,} smallest of '
        f"{count:,} classes; {prose('--json')} has them all.</p>"
    )


def _between(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"of {low:,}" if low == high else f"of {low:,} to {high:,}"


def _plural(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"
