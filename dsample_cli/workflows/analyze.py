"""Look at a data file before training on it."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dsample_cli.core.class_scores import CLASS_SCORES, Floats
from dsample_cli.core.config import TrainConfig, auto_epochs, parse_thresholds
from dsample_cli.core.epochs import expected_draws
from dsample_cli.core.progress import Listener
from dsample_cli.core.read_options import DETECTED, ReadOptions
from dsample_cli.core.resampling import RESAMPLINGS
from dsample_cli.core.schedules import SCHEDULES, EpochPlan, make_schedule, plans
from dsample_cli.core.scores import Score
from dsample_cli.data.facts import FileFacts, read_facts
from dsample_cli.data.label_doubts import LabelDoubts
from dsample_cli.data.problems import TOKEN_LENGTHS
from dsample_cli.data.profile import Profile, profile_facts
from dsample_cli.data.samples import TextSample
from dsample_cli.data.sources import open_source
from dsample_cli.data.token_facts import TokenFacts, token_facts
from dsample_cli.runs.workspace import CurrentDataset, Workspace
from dsample_cli.workflows.baseline import Baseline, CrossCheck, cross_check, remember
from dsample_cli.workflows.scoring import Repetition, most_repeated, resolve_score
from dsample_cli.workflows.suggestions import Suggestion, suggest

# An epoch that follows the score fully.
_FOLLOWED = EpochPlan(1.0)
# The tokenizer sees so many texts and characters, evenly spread over the file.
_TOKENIZED_ROWS = 10_000
_TOKENIZED_CHARACTERS = 4_000_000
# Doubtful labels that --json lists.
_MOST_LABEL_ISSUES = 100


@dataclass(frozen=True)
class ScorePreview:
    """What one score draws when it is followed fully.

    Attributes:
        name: Its name.
        score: What is drawn by.
        settled: Option name -> number that was chosen for it.
        length: Draws of such an epoch.
        share: Expected share of each class, shape [C].
        repetition: Which example comes most often in such an epoch.
    """

    name: str
    score: Score
    settled: dict[str, float]
    length: int
    share: Floats
    repetition: Repetition


@dataclass(frozen=True)
class SchedulePreview:
    """How much of the training a schedule leaves to the score.

    Attributes:
        name: Its name.
        mean_mix: Mean mix over the planned epochs.
        few_share: Score name -> mean expected share of the few group over these epochs.
        depends_on_run: Whether the run may change it.
    """

    name: str
    mean_mix: float
    few_share: dict[str, float]
    depends_on_run: bool


@dataclass(frozen=True)
class AnalyzeResult:
    """What `dsample analyze` shows.

    Attributes:
        data: The file.
        profile: What it holds.
        tokens: What a tokenizer makes of its texts; None where there is no tokenizer.
        against: The file that it is compared with, if any.
        scores: What each score would draw.
        schedules: What each schedule would leave to the score.
        suggestions: What to try.
        baseline: How a simple model fares; None when not asked for, or not possible.
        doubts: Labels that it contradicts; None likewise.
    """

    data: FileFacts
    profile: Profile
    tokens: TokenFacts | None
    against: FileFacts | None
    scores: tuple[ScorePreview, ...]
    schedules: tuple[SchedulePreview, ...]
    suggestions: tuple[Suggestion, ...]
    baseline: Baseline | None = None
    doubts: LabelDoubts | None = None

    def to_json(self) -> dict[str, Any]:
        """The public JSON object of `dsample analyze --json`."""
        text = self.data.text_columns
        return {
            "data": {
                "path": self.data.path,
                "rows": self.profile.rows,
                "usable_rows": self.profile.usable_rows,
                "sha256": self.data.sha256,
                "text_column": text[0] if len(text) == 1 else list(text),
                "label_column": self.data.label_column,
            },
            "against": _against_json(self.against),
            "tokens": _tokens_json(self.tokens),
            "classes": [asdict(c) for c in self.profile.classes],
            "imbalance": asdict(self.profile.imbalance),
            "problems": [asdict(p) | {"rows": list(p.rows)} for p in self.profile.problems],
            "sampling": {
                score.name: dict(zip(self.profile.names, score.share.tolist(), strict=True))
                for score in self.scores
            },
            "temperature": {
                score.name: score.settled["temperature"]
                for score in self.scores
                if "temperature" in score.settled
            },
            "repetition": {
                score.name: {
                    "label": self.profile.names[score.repetition.class_id],
                    "times": score.repetition.times,
                    "too_often": score.repetition.is_too_much,
                }
                for score in self.scores
            },
            "suggestions": [asdict(s) for s in self.suggestions],
            "baseline": None if self.baseline is None else asdict(self.baseline),
            "label_issues": _label_issues_json(self.data, self.doubts),
        }


def analyze(
    data: str,
    workspace: Workspace,
    listener: Listener,
    text_columns: tuple[str, ...] = (),
    label_column: str | None = None,
    groups: str | None = None,
    epochs: int | None = None,
    cycle: int = 3,
    model: str = TrainConfig.model,
    max_length: int = TrainConfig.max_length,
    against: str | None = None,
    is_thorough: bool = True,
    options: ReadOptions = DETECTED,
    wants_baseline: bool = False,
    wants_label_issues: bool = False,
) -> AnalyzeResult:
    """Profile a file, preview what the samplers would draw, and make it the current dataset.

    Args:
        data: Data file, or a pattern of several; "-" for standard input, which does not become
            the current dataset.
        workspace: Remembers the file and its columns.
        listener: Hears what was guessed.
        text_columns: One, or two for pairs; guessed when empty.
        label_column: Guessed when None.
        groups: "HIGH,LOW" train counts of the groups, instead of terciles.
        epochs: Planned epochs of the schedule preview; what `train` would take when None.
        cycle: Cycle of the schedule preview.
        model: Its tokenizer measures the texts, if it is on this machine.
        max_length: Tokens that training would keep of a text.
        against: A file to compare with, such as the test data, with the same columns.
        is_thorough: Whether to look for normalised duplicates, at other columns and at tokens.
        options: How the files are written, where that is not to be detected.
        wants_baseline: Whether to cross-validate a simple model, which the workspace remembers.
        wants_label_issues: Whether to look for labels that it contradicts.

    Raises:
        DsampleError: If the file or the workspace cannot be used.
    """
    thresholds = parse_thresholds(groups) if groups else None
    source = open_source(data, options)
    facts = read_facts(source, text_columns, label_column, is_thorough, options=options)
    other = _read_other(against, facts, is_thorough, options) if against else None
    for note in dict.fromkeys((*facts.notes, *(other.notes if other else ()))):
        listener.note(note)
    tokens = _measure_tokens(model, max_length, facts.sample, listener) if is_thorough else None
    check = CrossCheck()
    if (wants_baseline or wants_label_issues) and facts.names:
        check = cross_check(source, facts, wants_baseline, wants_label_issues, listener)
    profile = profile_facts(facts, thresholds, other, tokens, check.doubts)
    if data != "-":
        workspace.set_current_dataset(
            CurrentDataset(
                facts.path,
                facts.sha256,
                facts.text_columns,
                facts.label_column,
                options.encoding,
                options.delimiter,
            )
        )
        if check.baseline is not None:
            remember(workspace, facts, check.baseline)
    scores = _preview_scores(profile)
    return AnalyzeResult(
        facts,
        profile,
        tokens,
        other,
        scores,
        _preview_schedules(profile, scores, epochs or auto_epochs(profile.usable_rows), cycle),
        suggest(
            profile,
            _command(data, text_columns, label_column),
            check.baseline is not None,
            wants_label_issues,
        ),
        check.baseline,
        check.doubts,
    )


def _command(data: str, text_columns: Sequence[str], label_column: str | None) -> str:
    """What the user typed, as far as it names the data."""
    words = ["dsample", "analyze", "DATA" if data == "-" else data]
    words += [word for name in text_columns for word in ("--text-column", name)]
    words += ["--label-column", label_column] if label_column else []
    return shlex.join(words)


def _read_other(path: str, facts: FileFacts, is_thorough: bool, options: ReadOptions) -> FileFacts:
    return read_facts(
        path, facts.text_columns, facts.label_column, is_thorough, facts.keeps_digits, options
    )


def _measure_tokens(
    model: str, max_length: int, sample: TextSample, listener: Listener
) -> TokenFacts | None:
    """Tokenize a sample; None where there is no tokenizer to do it."""
    from dsample_cli.training.token_counts import count_tokens, find_tokenizer

    file = find_tokenizer(model)
    if file is None or len(sample) == 0:
        if model != "tiny" and len(sample):
            listener.note(
                f"The tokenizer of {model} is not on this machine: whether texts would be cut or "
                "have unknown tokens is not checked."
            )
        return None
    sample = sample.thinned(_TOKENIZED_ROWS, _TOKENIZED_CHARACTERS)
    try:
        counts = count_tokens(file, [text.to_pylist() for text in sample.texts])
    except ValueError:
        listener.note(f"The tokenizer of {model} cannot be read; the texts' tokens are unchecked.")
        return None
    return token_facts(model, max_length, sample, counts.lengths, counts.unknown, counts.special)


def _tokens_json(tokens: TokenFacts | None) -> dict[str, Any] | None:
    if tokens is None:
        return None
    return {
        "model": tokens.model,
        "max_length": tokens.max_length,
        "sampled_rows": len(tokens.rows),
        "cut_share": {str(n): tokens.cut_share(n) for n in TOKEN_LENGTHS},
        "lost_share": {str(n): tokens.lost_share(n) for n in TOKEN_LENGTHS},
        "unknown_share": tokens.unknown_share,
        "scripts": {facts.script: facts.share for facts in tokens.scripts},
    }


def _label_issues_json(facts: FileFacts, doubts: LabelDoubts | None) -> list[dict[str, Any]] | None:
    if doubts is None:
        return None
    return [
        {
            "row": row,
            "label": facts.names[facts.codes[row]],
            "suggested": facts.names[suggested],
            "margin": round(margin, 4),
        }
        for row, suggested, margin in list(
            zip(
                doubts.rows.tolist(),
                doubts.suggested.tolist(),
                doubts.margins.tolist(),
                strict=True,
            )
        )[:_MOST_LABEL_ISSUES]
    ]


def _against_json(facts: FileFacts | None) -> dict[str, Any] | None:
    if facts is None:
        return None
    usable = int((facts.codes >= 0).sum())
    return {
        "path": facts.path,
        "rows": facts.rows,
        "usable_rows": usable,
        "sha256": facts.sha256,
    }


def _preview_scores(profile: Profile) -> tuple[ScorePreview, ...]:
    counts = profile.counts

    def preview(name: str) -> ScorePreview:
        resolved = resolve_score(name, counts)
        draws = expected_draws(counts, resolved.score, _FOLLOWED, 0)
        return ScorePreview(
            name,
            resolved.score,
            resolved.settled,
            round(draws.sum()),
            draws / draws.sum(),
            most_repeated(counts, resolved.score, make_schedule("always"), 1),
        )

    return tuple(preview(name) for name in (*CLASS_SCORES, *RESAMPLINGS))


def _preview_schedules(
    profile: Profile, scores: tuple[ScorePreview, ...], epochs: int, cycle: int
) -> tuple[SchedulePreview, ...]:
    group_of = {c.label: c.group for c in profile.classes}
    is_few = np.array([group_of[name] == "few" for name in profile.names])
    previews = []
    for name in SCHEDULES:
        schedule = make_schedule(name, epochs=epochs, cycle=cycle, warmup_epochs=epochs // 2)
        planned = plans(schedule, epochs)
        few = {}
        for score in scores:
            draws = np.sum(
                [
                    expected_draws(profile.counts, score.score, plan, epoch)
                    for epoch, plan in enumerate(planned)
                ],
                axis=0,
            )
            few[score.name] = float(draws[is_few].sum() / draws.sum())
        mix = float(np.mean([plan.mix for plan in planned]))
        previews.append(SchedulePreview(name, mix, few, schedule.depends_on_run))
    return tuple(previews)
