"""What to type next, and why, from the facts of a profile."""

from collections.abc import Iterator
from dataclasses import dataclass

from dsample_cli.data.profile import Profile

_MOST = 5
_BALANCED = 1.5
_MANY_CLASSES = 20
_FEW_EXAMPLES = 20
_MOST_BASELINE_ROWS = 200_000
# Problem with an option against it -> what the option does.
_OPTION_REASONS = {
    "unknown-tokens": "an encoder that knows the language",
    "truncation": "texts are not cut",
    "repeated-group": "rows that belong together stay on one side of the split",
}


@dataclass(frozen=True)
class Suggestion:
    """A command and the fact that speaks for it."""

    command: str
    reason: str


def suggest(
    profile: Profile,
    analyze: str = "dsample analyze DATA",
    has_baseline: bool = False,
    has_label_issues: bool = False,
) -> tuple[Suggestion, ...]:
    """At most five commands that follow from the profile, the most useful first.

    Options that a problem asks for are part of every `dsample train` among them.

    Args:
        profile: Of the file.
        analyze: The command that looks at this file.
        has_baseline: Whether this analysis measured one.
        has_label_issues: Whether it looked for labels that are wrong.
    """
    if len(profile.names) < 2:
        return ()
    has_conflicts = any(problem.code == "conflicting-labels" for problem in profile.problems)
    found = [*_trainings(profile)]
    if has_conflicts and not has_label_issues:
        found.append(_label_issues(analyze))
    if profile.usable_rows <= _MOST_BASELINE_ROWS and not has_baseline:
        found.append(_baseline(analyze))
    return tuple(found[:_MOST])


def _label_issues(analyze: str) -> Suggestion:
    return Suggestion(
        f"{analyze} --label-issues",
        "Equal texts have different labels here: see which other labels look wrong.",
    )


def _baseline(analyze: str) -> Suggestion:
    return Suggestion(
        f"{analyze} --baseline",
        "What word counts and logistic regression reach in seconds: the floor to beat.",
    )


def _trainings(profile: Profile) -> Iterator[Suggestion]:
    options, reasons = _options_against_problems(profile)
    train = " ".join(["dsample train", *options])
    because = f" With it: {'; '.join(reasons)}." if reasons else ""
    ratio, smallest = profile.imbalance.ratio, int(profile.counts.min())
    if ratio < _BALANCED:
        yield Suggestion(
            f"{train} --schedule natural",
            f"The classes are nearly balanced: there is little for a sampler to do.{because}",
        )
        return
    yield Suggestion(
        f"{train} --schedule cyclic --cycle 3",
        f"The largest class has {ratio:.3g} times the examples of the smallest; this draws rare "
        f"classes more in two epochs of three.{because}",
    )
    yield Suggestion(
        f"{train} --schedule natural", "Plain training, to see what the schedule gains."
    )
    if len(profile.names) >= _MANY_CLASSES:
        yield Suggestion(
            f"{train} --schedule dcl-convex --score inverse",
            f"{len(profile.names)} classes: from natural order to every class equally often; best "
            "of the schedules that were measured on many classes.",
        )
    elif smallest < _FEW_EXAMPLES:
        yield Suggestion(
            f"{train} --val-size 0.3",
            f"The smallest class has {smallest} example{'s' * (smallest != 1)}; a larger "
            "validation share makes its figures less a matter of luck.",
        )


def _options_against_problems(profile: Profile) -> tuple[list[str], list[str]]:
    """One option of each kind, and what it is good for."""
    chosen = {p.code: p.option for p in reversed(profile.problems) if p.option}
    codes = [code for code in _OPTION_REASONS if code in chosen]
    return [chosen[code] for code in codes], [_OPTION_REASONS[code] for code in codes]
