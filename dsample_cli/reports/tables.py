"""Results as terminal tables; text from data is never markup and cannot drive the terminal."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dsample_cli.reports._terminal import clean, name_text
from dsample_cli.reports._terminal import figure as _figure
from dsample_cli.reports._terminal import new_table as _table
from dsample_cli.reports._terminal import percent as _percent
from dsample_cli.reports.baseline import BASELINE_NAME, MODEL_NAMES, gain_text
from dsample_cli.reports.correction import correction_text, served_prior
from dsample_cli.reports.curve import epoch_curves

_BAR_WIDTH = 24
# Columns from which on the report of an evaluation has bars.
_WIDE = 100
# Tables of classes are cut in the middle beyond this; --json has them all.
_MOST_CLASSES = 40
# Of a split: classes shown, parts shown one by one, parts shown with counts, lines of what failed.
_MOST_DEVIATING, _MOST_PARTS, _MOST_COUNTED_PARTS, _MOST_NOT_KEPT = 20, 6, 3, 10
_SCORES_BY_CLASS = ("softmax", "inverse", "sqrt", "effective-number")
_SCORES_BY_SCHEDULE = 3
_MOST_LABEL_ISSUES = 10
_GROUP_STYLE = {"many": "blue", "medium": "cyan", "few": "magenta"}
_SEVERITY_STYLE = {"error": "bold red", "warning": "yellow", "info": "blue"}
_METRICS = {
    "macro_f1": "macro-F1",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "weighted_f1": "weighted F1",
    "g_mean": "G-mean",
    "mcc": "MCC",
    "kappa": "Cohen's kappa",
    "macro_average_precision": "macro average precision",
    "ece": "calibration error (ECE)",
    "classwise_ece": "class-wise ECE",
}


def print_analysis(console: Console, result: Any, written: Sequence[str] = ()) -> None:
    """Draw an `AnalyzeResult`, and say which files were written."""
    profile, data = result.profile, result.data
    text_columns = " + ".join(data.text_columns)
    console.print(
        Text.assemble(
            (clean(data.path), "bold"),
            f"  {profile.usable_rows:,} usable rows of {profile.rows:,}, {len(profile.classes)} "
            f"classes, median {profile.median_words:.0f} words\n"
            f"text: {clean(text_columns)}   label: {name_text(data.label_column)}",
        )
    )
    console.print(_class_table(profile.classes))
    console.print(_imbalance_line(profile.imbalance))
    console.print()
    _print_problems(console, profile.problems)
    _print_label_issues(console, result)
    _print_baseline(console, result.baseline)
    _print_sampling(console, result)
    if result.suggestions:
        console.print(Text("What to try", style="bold"))
        for suggestion in result.suggestions:
            console.print(Text.assemble("  ", (suggestion.command, "bold green")))
            console.print(Padding(Text(suggestion.reason, style="dim"), (0, 0, 0, 4), expand=False))
    for path in written:
        console.print(Text(f"Written: {clean(path)}"), soft_wrap=True)


def print_schedule(console: Console, result: Any, picture: str | None = None) -> None:
    """Draw a `ScheduleResult`, and say where its picture is."""
    train, config = result.data.parts["train"], result.config
    settled = ", ".join(f"{name} {number:.4g}" for name, number in result.settled.items())
    console.print(
        Text.assemble(
            (clean(train.path), "bold"),
            f"\n{len(train.rows):,} training rows of {result.data.rows:,}, {len(result.counts)} "
            f"classes, {len(result.epochs)} epochs\n"
            f"score {config.score}{f' ({settled})' if settled else ''}   "
            f"schedule {config.schedule}",
        )
    )
    console.print(_schedule_table(result))
    for line in _schedule_notes(result):
        console.print(Text(line, style="dim"))
    if picture is not None:
        console.print(Text(f"Drawn in {clean(picture)}"))


def print_split(console: Console, result: Any) -> None:
    """Draw a `SplitResult`."""
    config, rows = result.config, int(result.counts.sum())
    source = "standard input" if config.data == "-" else config.data
    heading = f"  {rows:,} rows of {clean(source)}, {len(result.names)} classes"
    console.print(Text.assemble((clean(config.out), "bold"), heading), soft_wrap=True)
    console.print(_split_table(result))
    part, label = np.unravel_index(int(result.deviations.argmax()), result.deviations.shape)
    console.print(
        f"Largest deviation of a class share: {100 * result.deviations[part, label]:.2f} "
        f"percentage points, '{name_text(result.names[label])}' in {result.part_names[part]}"
    )
    linked = result.linked
    column = result.config.group_column
    console.print(
        f"Kept together: {linked.kept_together:,} groups of rows with the same text"
        f"{f' or {name_text(column)}' if column else ''}; {linked.duplicates:,} rows repeat an "
        "earlier text"
    )
    if result.escaped_cells is not None:
        console.print(
            f"An apostrophe was put before {result.escaped_cells:,} cells that a spreadsheet would "
            "run as a formula"
        )
    if result.not_kept:
        console.print(Text("\nWhat could not be kept", style="bold"))
        for found in result.not_kept[:_MOST_NOT_KEPT]:
            console.print(
                Padding(Text(clean(found.message), style="yellow"), (0, 0, 0, 2), expand=False)
            )
        if (more := len(result.not_kept) - _MOST_NOT_KEPT) > 0:
            console.print(f"  and {more} more; --json lists all")
    console.print(Text(f"\nNext: {clean(_after_split(result))}", style="dim"), soft_wrap=True)


def print_training(console: Console, result: Any) -> None:
    """Draw a `TrainResult`."""
    if result.status != "completed":
        return
    _print_outcome(console, result, f"best epoch {result.best_epoch} of {result.epochs} (from 0)")


def print_refit(console: Console, result: Any) -> None:
    """Draw a `RefitResult`."""
    entry = result.refit
    trained = f"best epoch {entry['best_epoch']} of {entry['epochs']} (from 0), "
    of_head = trained * (entry["best_epoch"] is not None) + f"{entry['seconds']['head']:.1f} s"
    features = f"features {entry['seconds']['features']:.1f} s"
    beside = "The head is in head.safetensors beside the model, whose own is unchanged."
    note = beside if entry["kept_beside"] else None
    _print_outcome(console, result, f"head: {of_head}; {features}", note)


def _print_outcome(console: Console, result: Any, how: str, note: str | None = None) -> None:
    console.print(Text.assemble("\nRun ", (result.run.id, "bold"), f"  {how}"))
    table = _table("split", "macro-F1", "balanced accuracy", "accuracy", "few recall")
    for split, figures in result.metrics.items():
        keys = ("macro_f1", "balanced_accuracy", "accuracy", "few_recall")
        table.add_row(split, *(_figure(figures[key]) for key in keys))
    if result.metrics:
        console.print(table)
    if gain := gain_text(result.baseline, result.metrics):
        console.print(Text(gain))
    if note:
        console.print(Text(note))
    console.print(Text(f"Stored in {result.run.path}"))
    console.print(Text("Next: dsample evaluate    dsample predict INPUT -o out.jsonl", style="dim"))


def print_evaluation(console: Console, result: Any) -> None:
    """Draw an `EvaluateResult`."""
    evaluation = result.evaluation
    name = f"Run {result.run} on " if result.run else ""
    heading = f"{name}{clean(result.source)}: {evaluation.rows:,} rows"
    console.print(Text(heading, style="bold"), soft_wrap=True)
    if result.correction:
        console.print(Text(clean(result.correction)), soft_wrap=True)
    console.print(_report_table(evaluation, console.width))
    metrics = _table("metric", "value", *(["95% interval"] if evaluation.intervals else []))
    for key, title in _METRICS.items():
        value = evaluation.metrics.get(key)
        if value is None:
            continue
        row = [title, _figure(value)]
        if evaluation.intervals:
            ends = evaluation.intervals.get(key)
            row.append(_interval(ends))
        metrics.add_row(*row)
    console.print(metrics)
    console.print(_group_table(evaluation))
    if result.confused:
        console.print(Text("\nMost confused (true -> predicted)", style="bold"))
        for true, predicted, count in result.confused[:5]:
            console.print(Text(f"  {count:>5}  {name_text(true)} -> {name_text(predicted)}"))
    if result.slices is not None:
        _print_slices(console, result)
    if result.errors is not None:
        _print_mistakes(console, result.errors)


def print_runs(
    console: Console, entries: Sequence[Mapping[str, Any]], is_filtered: bool = False
) -> None:
    """Draw the objects of `dsample runs list --json`, all or those that were asked for."""
    if not entries and is_filtered:
        console.print("No run is like that. List all with: dsample runs list")
        return
    if not entries:
        console.print("There are no runs. Train one with: dsample train DATA")
        return
    is_wide, has_tags = console.width >= _WIDE, any(entry["tags"] for entry in entries)
    keys = ("model", "schedule", "score") if is_wide else ("schedule",)
    names = ["run", "status", *keys, "macro-F1", *["tags"] * has_tags]
    table = _table(*names, right=(2 + len(keys),))
    styles = {"completed": "green", "running": "cyan", "interrupted": "yellow"}
    for entry in entries:
        value = entry["macro_f1"]
        table.add_row(
            Text(clean(entry["run"]), no_wrap=True),
            Text(entry["status"], style=styles.get(entry["status"], "red")),
            *(clean(entry[key] or "-") for key in keys),
            "-" if value is None else _figure(value),
            *[clean(" ".join(entry["tags"]))] * has_tags,
        )
    console.print(table)


def print_run(console: Console, details: Mapping[str, Any]) -> None:
    """Draw `dsample runs show`."""
    config, correction = details.get("config", {}), details.get("correction")
    console.print(Text.assemble(("Run ", ""), (details["run"], "bold"), f"  {details['status']}"))
    facts = {
        "created": str(details.get("created", ""))[:19].replace("T", " ") + " UTC",
        "data": details.get("data", {}).get("train", {}).get("path"),
        "classes": len(details.get("labels", [])),
        "device": " ".join(str(v) for v in details.get("device", {}).values()),
        "made of": details.get("parent"),
        "head": " after ".join(filter(None, (details.get("head"), details.get("resample")))),
        "correction": correction_text(correction) if correction else None,
        "prior": served_prior(details),
        "error": details.get("error"),
        "tags": " ".join(details.get("tags", ())),
        "note": details.get("note"),
        "stored in": details["path"],
    }
    for name, value in facts.items():
        if value:
            console.print(Text(f"  {name:10} {clean(value)}"))
    settings = "  ".join(f"{k}={v}" for k, v in config.items() if k not in ("data", "val", "test"))
    console.print(Padding(Text("settings   " + clean(settings)), (0, 0, 0, 2), expand=False))
    for warning in chain(*(details.get("warnings") or {}).values()):
        text = Text.assemble(("warning    ", "yellow"), clean(warning))
        console.print(Padding(text, (0, 0, 0, 2), expand=False))
    if details["epoch_records"]:
        console.print(_epoch_table(details["epoch_records"], details.get("best_epoch")))
        for curve in epoch_curves(details["epoch_records"], details.get("best_epoch")):
            console.print(curve)
        console.print()
    for split, figures in (details.get("metrics") or {}).items():
        console.print(
            Text(
                f"  {split}: macro-F1 {_figure(figures['macro_f1'])}, accuracy "
                f"{_figure(figures['accuracy'])}, balanced accuracy "
                f"{_figure(figures['balanced_accuracy'])}"
            )
        )


def _class_table(classes: Sequence[Any]) -> Table:
    table = _table("class", "count", "share", "", "group", right=(1, 2))
    largest = classes[0].count
    for c in _ends(classes):
        if c is None:
            table.add_row("...", "", "", "", "")
            continue
        bar = "█" * max(1, round(_BAR_WIDTH * c.count / largest))
        style = _GROUP_STYLE[c.group]
        table.add_row(
            name_text(c.label),
            f"{c.count:,}",
            _percent(c.share),
            Text(bar, style=style),
            Text(c.group, style=style),
        )
    return table


def _imbalance_line(imbalance: Any) -> Text:
    return Text.assemble(
        "Imbalance ratio ",
        (f"{imbalance.ratio:.1f}", "bold"),
        f"   effective classes {imbalance.effective_classes:.1f}   entropy {imbalance.entropy:.3f} "
        f"nats (evenness {imbalance.evenness:.2f})\nGini {imbalance.gini:.3f}   KL to uniform "
        f"{imbalance.kl_to_uniform:.3f}   total variation {imbalance.total_variation:.3f}",
    )


def _print_problems(console: Console, problems: Sequence[Any]) -> None:
    if not problems:
        console.print(Text("No problems found.\n", style="green"))
        return
    counts = Counter(problem.severity for problem in problems)
    told = ", ".join(f"{counts[name]} {word}" for name, word in _severities(counts))
    console.print(Text.assemble(("Problems", "bold"), f"  {told}"))
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column()
    grid.add_column(no_wrap=True)
    for problem in problems:
        message = Text(clean(problem.message))
        if problem.rows:
            more = problem.count - len(problem.rows)
            shown = ", ".join(map(str, problem.rows)) + (f" and {more:,} more" if more > 0 else "")
            message.append(f"\nRows: {shown}", style="dim")
        style = _SEVERITY_STYLE[problem.severity]
        grid.add_row("", Text(problem.severity, style=style), Text(problem.code), message)
    console.print(grid)
    console.print()


def _print_label_issues(console: Console, result: Any) -> None:
    """The rows whose label is doubted most."""
    doubts, facts = result.doubts, result.data
    if doubts is None:
        return
    if len(doubts) == 0:
        console.print(Text("No suspect labels found.\n", style="green"))
        return
    shown = min(len(doubts), _MOST_LABEL_ISSUES)
    more = f"  the first {shown} of {len(doubts):,}; --json has more" if len(doubts) > shown else ""
    console.print(Text.assemble(("Suspect labels", "bold"), more))
    table = _table("row", "label", "suggested", "margin", right=(0, 3))
    for row, label, margin in zip(
        doubts.rows[:shown].tolist(),
        doubts.suggested[:shown].tolist(),
        doubts.margins[:shown].tolist(),
        strict=True,
    ):
        given, suggested = facts.names[facts.codes[row]], facts.names[label]
        table.add_row(str(row), name_text(given), name_text(suggested), f"{margin:.2f}")
    console.print(table)
    console.print()


def _print_baseline(console: Console, baseline: Any) -> None:
    """How a simple model fares: what training is to beat."""
    if baseline is None:
        return
    console.print(
        Text.assemble(
            (f"Baseline: {BASELINE_NAME}", "bold"),
            f"  {baseline.folds}-fold cross-validation, {baseline.rows:,} rows, "
            f"{baseline.seconds:.1f} s",
        )
    )
    table = _table("model", "macro-F1", "balanced accuracy", "accuracy")
    for name in ("majority", *MODEL_NAMES):
        figures = getattr(baseline, name)
        title = MODEL_NAMES.get(name, "always the commonest class")
        keys = ("macro_f1", "balanced_accuracy", "accuracy")
        table.add_row(title, *(_figure(figures[key]) for key in keys))
    console.print(table)
    told = "Each row predicted once, unseen; train shows its gain over the better one."
    console.print(Text(f"{told}\n", style="dim"))


def _severities(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """Severity and the word for so many of it, the worst first."""
    plurals = {"error": "errors", "warning": "warnings", "info": "info"}
    return [
        (name, name if counts[name] == 1 else plural)
        for name, plural in plurals.items()
        if counts[name]
    ]


def _print_sampling(console: Console, result: Any) -> None:
    if len(result.profile.classes) < 2:
        return
    console.print(Text("Expected share of what is drawn", style="bold"))
    console.print(_share_table(result))
    console.print(Text("\nAn epoch that follows the score alone", style="bold"))
    console.print(_score_table(result))
    _warn_of_repetition(console, result)
    settled = [
        f"{name} of {s.name} {n:.4g}" for s in result.scores for name, n in s.settled.items()
    ]
    console.print(Text(f"Chosen by auto: {', '.join(settled)}\n", style="dim"))
    if any(c.group == "few" for c in result.profile.classes):
        console.print(Text("Share of the few group over a training", style="bold"))
        console.print(_few_table(result))
        console.print(Text("* while every epoch improves; the run decides.\n", style="dim"))


def _share_table(result: Any) -> Table:
    """Share of each class, by score."""
    profile = result.profile
    place = {name: i for i, name in enumerate(profile.names)}
    scores = [score for score in result.scores if score.name in _SCORES_BY_CLASS]
    table = _table("class", "natural", *(s.name for s in scores))
    for c in _ends(profile.classes, most=12):
        if c is None:
            table.add_row("...", *[""] * (1 + len(scores)))
            continue
        shares = [_percent(float(s.share[place[c.label]])) for s in scores]
        table.add_row(name_text(c.label), _percent(c.share), *shares)
    return table


def _score_table(result: Any) -> Table:
    """What each score makes of an epoch."""
    profile = result.profile
    place = {name: i for i, name in enumerate(profile.names)}
    few = [c for c in profile.classes if c.group == "few"]
    table = _table("score", *["few"] * bool(few), "examples", "most repeated comes")

    def add(name: str, few_share: float, length: int, times: float, is_too_much: bool) -> None:
        repeats = Text(f"{times:.1f} times", style="yellow" if is_too_much else "")
        table.add_row(name, *[_percent(few_share)] * bool(few), f"{length:,}", repeats)

    add("natural", sum(c.share for c in few), profile.usable_rows, 1.0, False)
    for score in result.scores:
        share = sum(float(score.share[place[c.label]]) for c in few)
        found = score.repetition
        add(score.name, share, score.length, found.times, found.is_too_much)
    return table


def _warn_of_repetition(console: Console, result: Any) -> None:
    too_much = [s for s in result.scores if s.repetition.is_too_much]
    if too_much:
        labels = dict.fromkeys(result.profile.names[s.repetition.class_id] for s in too_much)
        shown = ", ".join(f"'{name_text(label)}'" for label in list(labels)[:3])
        text = Text.assemble(
            ("Warning: ", "bold yellow"),
            f"{', '.join(s.name for s in too_much)} would repeat an example of {shown} more than "
            "30 times in an epoch, which invites memorising.",
        )
        console.print(text)


def _few_table(result: Any) -> Table:
    """How often each schedule draws the few group, by score."""
    names = [score.name for score in result.scores[:_SCORES_BY_SCHEDULE]]
    table = _table("schedule", "mean mix", *(f"few, {name}" for name in names))
    for schedule in result.schedules:
        mark = "*" if schedule.depends_on_run else ""
        shares = [_percent(schedule.few_share[name]) for name in names]
        table.add_row(schedule.name + mark, f"{schedule.mean_mix:.2f}", *shares)
    return table


def _split_table(result: Any) -> Table:
    """Class shares by part, those that deviate most first; of many parts the extremes."""
    is_wide = len(result.part_names) > _MOST_PARTS
    parts = ("lowest", "highest") if is_wide else result.part_names
    table = _table("class", "rows", "share", *parts, "deviation")
    order = np.argsort(-result.deviations.max(axis=0), kind="stable")
    for label in order[:_MOST_DEVIATING].tolist():
        counts, shares = result.counts[:, label], result.shares[:, label]
        if is_wide:
            cells = [_percent(shares.min()), _percent(shares.max())]
        elif len(parts) > _MOST_COUNTED_PARTS:
            cells = [_percent(share) for share in shares]
        else:
            cells = [
                f"{n:,}  {_percent(share):>5}" for n, share in zip(counts, shares, strict=True)
            ]
        table.add_row(
            name_text(result.names[label]),
            f"{counts.sum():,}",
            _percent(result.natural[label]),
            *cells,
            f"{100 * result.deviations[:, label].max():.2f}",
        )
    if more := len(order) - min(len(order), _MOST_DEVIATING):
        table.add_row(f"... {more} more", *[""] * (3 + len(parts)))
    sizes = result.counts.sum(axis=1)
    table.add_section()
    shown = (sizes.min(), sizes.max()) if is_wide else sizes
    table.add_row("all", f"{sizes.sum():,}", "", *(f"{size:,}" for size in shown), "")
    return table


def _after_split(result: Any) -> str:
    """What to type next."""
    if result.config.folds:
        return "train on all folds but one, with that one as --val; once for each"
    paths = {
        name: shlex.quote(str(result.config.out / f"{name}.csv")) for name in result.part_names
    }
    words = ["dsample train", paths.pop("train"), *(f"--{n} {path}" for n, path in paths.items())]
    texts, label = result.table.text_columns, result.table.label_column
    if texts != ("text",):
        words += [f"--text-column {shlex.quote(name)}" for name in texts]
    if label != "label":
        words.append(f"--label-column {shlex.quote(label)}")
    return " ".join(words)


def _schedule_table(result: Any) -> Table:
    groups, rarest = result.group_names, int(result.counts.argmin())
    unmarked = " " if any(epoch.is_reaction for epoch in result.epochs) else ""
    table = _table(
        *("epoch", "mix", "examples", *groups, "rarest", "repeats", ""),
        right=range(5 + len(groups)),
    )
    for epoch in _ends(result.epochs):
        if epoch is None:
            table.add_row("...", *[""] * (5 + len(groups)))
            continue
        note = Text("" if epoch.plan.judged else "not judged", style="dim")
        if epoch.repeats_too_much:
            note.append(", too often" if note else "too often", style="yellow")
        table.add_row(
            str(epoch.epoch),
            f"{epoch.plan.mix:.2f}{'*' if epoch.is_reaction else unmarked}",
            f"{epoch.length:,}",
            *(_percent(result.group_share(epoch.draws, group)) for group in groups),
            _percent(float(epoch.share[rarest])),
            Text(f"{epoch.repeats.max():.1f}", style="yellow" if epoch.repeats_too_much else ""),
            note,
        )
    draws = sum(epoch.draws for epoch in result.epochs)
    table.add_section()
    table.add_row(
        "all",
        f"{sum(result.mixes) / len(result.mixes):.2f}{unmarked}",
        f"{draws.sum():,.0f}",
        *(_percent(result.group_share(draws, group)) for group in groups),
        _percent(float(draws[rarest] / draws.sum())),
    )
    return table


def _schedule_notes(result: Any) -> list[str]:
    """What the reader of the table should know."""
    rarest = int(result.counts.argmin())
    count = int(result.counts[rarest])
    notes = [
        f"rarest: {name_text(result.data.label_names[rarest])}, {count:,} training "
        f"example{'s' * (count != 1)}; repeats: of the example that comes most"
    ]
    if any(epoch.is_reaction for epoch in result.epochs):
        notes.append("* while every epoch improves; the run decides")
    acting = next((epoch.epoch for epoch in result.epochs if epoch.weighs_examples), None)
    if acting is not None:
        many = len(result.example_names) > 1
        notes.append(
            f"{' and '.join(result.example_names)} {'weigh' if many else 'weighs'} single examples "
            f"from epoch {acting} on; the run decides which, the figures show the class part"
        )
    return notes


def _print_slices(console: Console, result: Any) -> None:
    column, n_values = result.by
    shown = f", the {len(result.slices)} largest of {n_values:,}" * (n_values > len(result.slices))
    console.print(Text(f"\nBy {name_text(column)}{shown}", style="bold"))
    has_intervals = result.evaluation.intervals is not None
    is_wide = console.width >= _WIDE
    table = _table(
        *("value", "rows"),
        *(["classes"] * is_wide),
        *("accuracy", "macro-F1"),
        *(["95% interval"] * has_intervals),
        "few recall",
    )
    for found in result.slices:
        part = found.evaluation
        table.add_row(
            Text("(empty)", style="dim") if found.value is None else name_text(found.value),
            f"{part.rows:,}",
            *([str(sum(report.support > 0 for report in part.per_class))] * is_wide),
            _figure(part.metrics["accuracy"]),
            _figure(part.metrics["macro_f1"]),
            *([_interval(part.intervals["macro_f1"])] if has_intervals else []),
            _figure(part.groups["few"]),
        )
    console.print(table)


def _print_mistakes(console: Console, mistakes: Sequence[Any]) -> None:
    if not mistakes:
        console.print(Text("\nNo mistakes.", style="bold"))
        return
    is_ranked = mistakes[0].probability is not None
    of = "with their probabilities" if is_ranked else "in the order of the file"
    console.print(Text(f"\nWorst mistakes (true -> predicted, {of})", style="bold"))
    for mistake in mistakes:
        true, predicted = name_text(mistake.true), name_text(mistake.predicted)
        if is_ranked:
            true = f"{true} {_figure(mistake.true_probability, 3)}"
            predicted = f"{predicted} {_figure(mistake.probability, 3)}"
        console.print(Text(f"  row {mistake.row}: {true} -> {predicted}"))
        if mistake.text is not None:
            text = Text(f"    {clean(' '.join(mistake.text.split()))}", style="dim")
            text.truncate(console.width, overflow="ellipsis")
            console.print(text, no_wrap=True)


def _group_table(evaluation: Any) -> Table:
    intervals = evaluation.group_intervals
    table = _table(
        "group", "classes", "mean recall", *(["95% interval"] if intervals is not None else [])
    )
    for group, recall in evaluation.groups.items():
        if recall is not None:
            pairs = zip(evaluation.class_groups, evaluation.per_class, strict=True)
            members = sum(of_class == group and report.support > 0 for of_class, report in pairs)
            ends = [_interval(intervals[group])] if intervals is not None else []
            name = Text(group, style=_GROUP_STYLE[group])
            table.add_row(name, str(members), _figure(recall), *ends)
    return table


def _report_table(evaluation: Any, width: int) -> Table:
    """Figures of each class; a narrow terminal gets no bars, average precision and groups."""
    is_wide, has_intervals = width >= _WIDE, evaluation.intervals is not None
    has_ranking = is_wide and evaluation.calibration is not None
    knows_training = any(c.train_count is not None for c in evaluation.per_class)
    names = ["class", *["train"] * knows_training, "rows", "precision", "recall"]
    names += ["95%"] * has_intervals + [""] * is_wide + ["F1"] + ["AP"] * has_ranking
    names += ["group"] * is_wide
    right = [i for i, name in enumerate(names) if name not in ("class", "", "group")]
    table = _table(*names, right=right)
    pairs = list(zip(evaluation.per_class, evaluation.class_groups, strict=True))
    pairs.sort(key=lambda pair: (-(pair[0].train_count or pair[0].support), pair[0].label))
    for pair in _ends(pairs):
        if pair is None:
            table.add_row("...", *[""] * (len(names) - 1))
            continue
        c, group = pair
        bar = ("█" * round(c.recall * 10)).ljust(10, "░") if c.support else ""
        table.add_row(
            name_text(c.label),
            *["-" if c.train_count is None else f"{c.train_count:,}"] * knows_training,
            f"{c.support:,}",
            _figure(c.precision, 3),
            _figure(c.recall, 3) if c.support else "-",
            *[_short_interval(c.recall_interval)] * has_intervals,
            *[Text(bar, style=_GROUP_STYLE[group])] * is_wide,
            _figure(c.f1, 3) if c.support else "-",
            *[_figure(c.average_precision, 3)] * has_ranking,
            *[Text(group, style=_GROUP_STYLE[group])] * is_wide,
        )
    return table


def _epoch_table(records: Sequence[Mapping[str, Any]], best_epoch: int | None) -> Table:
    table = _table("epoch", "mix", "few drawn", "train loss", "macro-F1", "few recall", "")
    for record in records:
        validation = record.get("validation") or {}
        few = record["drawn_by_group"].get("few")
        table.add_row(
            str(record["epoch"]),
            f"{record['mix']:.2f}",
            "-" if few is None else _percent(few),
            _figure(record["train_loss"]),
            _figure(validation.get("macro_f1")),
            _figure(validation.get("few_recall")),
            "best" if record["epoch"] == best_epoch else "" if record["judged"] else "not judged",
        )
    return table


def _ends(items: Sequence[Any], most: int = _MOST_CLASSES) -> list[Any]:
    """The items, or their first and last ones with a None between."""
    if len(items) <= most:
        return list(items)
    return [*items[: most // 2], None, *items[-(most // 2) :]]


def _interval(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}"


def _short_interval(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.2f}-{ends[1]:.2f}"
