"""Least values that an evaluation must reach, such as `recall:spam=0.6`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dsample_cli.core.imbalance import GROUP_NAMES
from dsample_cli.core.names import did_you_mean
from dsample_cli.errors import ConfigError
from dsample_cli.evaluation.metrics import SUMMARY_METRICS
from dsample_cli.evaluation.report import Evaluation

_METRICS = (*SUMMARY_METRICS, "macro_average_precision")
_LESS_IS_BETTER = ("ece", "classwise_ece")
_RANKING = "average_precision"
_OF_CLASS = ("recall", "precision", "f1", _RANKING)
_GROUP = "group"
_LONGEST_HINT = 500
_EXAMPLE = "Write NAME=VALUE, such as macro_f1=0.80, recall:LABEL=0.6 or group:few=0.5."


@dataclass(frozen=True)
class Check:
    """A figure and the least value that it must have.

    Attributes:
        figure: A summary metric, "recall", "precision", "f1" or "average_precision" of a class, or
            "group" for the mean recall of a group.
        of: The class or group; None for a summary metric.
        at_least: In [0, 1].
    """

    figure: str
    of: str | None
    at_least: float

    @property
    def name(self) -> str:
        return self.figure if self.of is None else f"{self.figure}:{self.of}"


@dataclass(frozen=True)
class CheckResult:
    """How a check went.

    Attributes:
        check: What was asked for.
        value: The figure; None where it is not known, which does not pass.
    """

    check: Check
    value: float | None

    @property
    def passed(self) -> bool:
        return self.value is not None and self.value >= self.check.at_least

    @property
    def told(self) -> str:
        """The outcome as a sentence."""
        name, least = self.check.name, self.check.at_least
        if self.value is None:
            return f"{name} is unknown, so it is not at least {least:g}: {self._why_unknown()}."
        return f"{name} is {self.value:.6g}, {'' if self.passed else 'not '}at least {least:g}."

    def _why_unknown(self) -> str:
        if self.check.figure == _GROUP:
            return "no class of this group has rows"
        if self.check.of is None:
            return "there are no probabilities"
        if self.check.figure == _RANKING:
            return "it needs rows of this class, and probabilities"
        return "no row is of this class"

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.check.name,
            "value": self.value,
            "at_least": self.check.at_least,
            "passed": self.passed,
        }


def parse_check(text: str) -> Check:
    """Read `NAME=VALUE`; a label may hold `=` and `:` itself.

    Raises:
        ConfigError: If there is no such figure, less of it is better, or the value is not in
            [0, 1].

    Examples:
        >>> parse_check("macro-f1=0.8")
        Check(figure='macro_f1', of=None, at_least=0.8)
        >>> parse_check("recall:a=b:c=0.6").of
        'a=b:c'
    """
    name, equals, number = text.rpartition("=")
    if not equals:
        raise ConfigError(f"--fail-under '{text}' has no value.", _EXAMPLE)
    figure, colon, of = name.partition(":")
    figure = figure.strip().lower().replace("-", "_")
    at_least = _parse_value(text, number)
    if not colon:
        _check_metric(text, figure)
        return Check(figure, None, at_least)
    if figure not in (*_OF_CLASS, _GROUP):
        raise ConfigError(
            f"--fail-under '{text}': there is no figure '{figure}' of a class or group.",
            did_you_mean(figure, (*_OF_CLASS, _GROUP)),
        )
    if figure == _GROUP and of not in GROUP_NAMES:
        raise ConfigError(
            f"--fail-under '{text}': there is no group '{of}'.", did_you_mean(of, GROUP_NAMES)
        )
    return Check(figure, of, at_least)


def check_labels(checks: Sequence[Check], labels: Sequence[str]) -> None:
    """Raise a ConfigError if a check is of a class that there is not."""
    for check in checks:
        if check.of is not None and check.figure != _GROUP and check.of not in labels:
            raise ConfigError(
                f"--fail-under {check.name}: there is no label '{check.of}'.",
                _shortened(did_you_mean(check.of, labels)),
            )


def _shortened(hint: str) -> str:
    return hint if len(hint) <= _LONGEST_HINT else f"{hint[:_LONGEST_HINT]}..."


def run_checks(checks: Sequence[Check], evaluation: Evaluation) -> list[CheckResult]:
    """Compare an evaluation with what it must reach."""
    return [CheckResult(check, _value(check, evaluation)) for check in checks]


def _value(check: Check, evaluation: Evaluation) -> float | None:
    if check.of is None:
        return evaluation.metrics[check.figure]
    if check.figure == _GROUP:
        return evaluation.groups[check.of]
    report = next(report for report in evaluation.per_class if report.label == check.of)
    value: float | None = getattr(report, check.figure) if report.support else None
    return value


def _check_metric(text: str, figure: str) -> None:
    if figure in _LESS_IS_BETTER:
        raise ConfigError(
            f"--fail-under '{text}': of {figure} less is better, so that a least value is no "
            "check.",
            f"Take a figure of which more is better: {', '.join(_METRICS)}.",
        )
    if figure in (*_OF_CLASS, _GROUP):
        example = "group:few" if figure == _GROUP else f"{figure}:LABEL"
        raise ConfigError(
            f"--fail-under '{text}' does not say of what.", f"Name it, as in {example}=0.6."
        )
    if figure not in _METRICS:
        raise ConfigError(
            f"--fail-under '{text}': there is no figure '{figure}'.",
            did_you_mean(
                figure, (*_METRICS, *(f"{name}:LABEL" for name in _OF_CLASS), "group:few")
            ),
        )


def _parse_value(text: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError:
        raise ConfigError(f"--fail-under '{text}': '{number}' is no number.", _EXAMPLE) from None
    if not 0 <= value <= 1:
        is_percent = 1 < value <= 100
        raise ConfigError(
            f"--fail-under '{text}': {number} is not between 0 and 1.",
            f"Write {value / 100:g} for {number}%." if is_percent else _EXAMPLE,
        )
    return value
