"""What a problem is, what the checks look at, and how they word it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dsample_cli.data.duplicates import EqualRows, equal_rows
from dsample_cli.data.facts import FileFacts
from dsample_cli.data.hashing import Hashes
from dsample_cli.data.label_doubts import LabelDoubts
from dsample_cli.data.token_facts import TokenFacts

LISTED_ROWS = 20
LISTED_NAMES = 5
LISTED_CHARACTERS = 60


@dataclass(frozen=True)
class Problem:
    """Something that makes training on this table worse.

    Attributes:
        code: Its name, kebab-case.
        severity: "error", "warning" or "info".
        message: What it means for training, and how to mend it.
        count: Rows that have it; of `rare-class`, `single-class` and `too-many-labels`, classes;
            of `unseen-labels`, labels; of `sorted-by-label`, changes of label from one row to the
            next.
        rows: The first 20 of those rows, counted from 0, of `suspect-labels` the most doubtful;
            empty where `count` is not of rows. Of `leakage` and `unseen-labels` they are rows of
            the other file.
        option: What to add to `dsample train` against it; empty where no option helps.
    """

    code: str
    severity: str
    message: str
    count: int
    rows: tuple[int, ...] = ()
    option: str = ""


@dataclass(frozen=True)
class Evidence:
    """What the checks look at.

    Attributes:
        facts: Of the file.
        against: Of the file that it is compared with, if any.
        tokens: What the tokenizer makes of the sampled texts, if there is one.
        doubts: Rows whose label a model contradicts, if that was looked for.
    """

    facts: FileFacts
    against: FileFacts | None = None
    tokens: TokenFacts | None = None
    doubts: LabelDoubts | None = None

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Row numbers of the usable rows; the arrays below are aligned with it."""
        return np.flatnonzero(self.facts.codes >= 0)

    @cached_property
    def codes(self) -> NDArray[np.int32]:
        """Label id per usable row."""
        codes = self.facts.codes
        return codes if self._is_all_usable else codes[self.rows]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Usable rows per class, shape [C]."""
        return np.bincount(self.codes, minlength=len(self.facts.names))

    @cached_property
    def same_text(self) -> EqualRows:
        """Usable rows with equal texts."""
        return equal_rows(self._usable(self.facts.texts))

    @cached_property
    def same_example(self) -> EqualRows:
        """Usable rows with equal texts and labels."""
        return self.same_text.with_labels(self.codes)

    @cached_property
    def same_form(self) -> EqualRows | None:
        """Usable rows whose texts have equal normal forms."""
        forms = self.facts.normal_forms
        return None if forms is None else equal_rows(self._usable(forms))

    def _usable(self, hashes: Hashes) -> Hashes:
        return hashes if self._is_all_usable else hashes[:, self.rows]

    @property
    def _is_all_usable(self) -> bool:
        return len(self.rows) == self.facts.rows


def of_rows(
    code: str, rows: NDArray[np.int64], message: str, severity: str = "warning"
) -> Problem | None:
    """A problem of some rows; `message` may hold {count} and {rows}."""
    if len(rows) == 0:
        return None
    text = message.format(count=len(rows), rows=plural("row", len(rows)))
    return Problem(code, severity, text, len(rows), first_rows(rows))


def first_rows(rows: NDArray[np.int64]) -> tuple[int, ...]:
    """The row numbers that a problem lists."""
    return tuple(rows[:LISTED_ROWS].tolist())


def literal(text: str) -> str:
    """A text such that `str.format` leaves it as it is."""
    return text.replace("{", "{{").replace("}", "}}")


def listed(items: Sequence[str], total: int) -> str:
    """The first items, and how many more there are of `total`."""
    shown = ", ".join(items[:LISTED_NAMES])
    more = total - min(len(items), LISTED_NAMES)
    return f"{shown} and {more} more" if more else shown


def plural(word: str, count: int) -> str:
    """The word, with an ending unless the count is 1."""
    if count == 1:
        return word
    return word + ("es" if word.endswith("s") else "s")


def shortened(name: str) -> str:
    """A label or column name, cut where it is very long."""
    return name if len(name) <= LISTED_CHARACTERS else name[: LISTED_CHARACTERS - 3] + "..."


def percent(share: float) -> str:
    """A share in words that never round a few to none.

    Examples:
        >>> percent(0.1234), percent(0.0004)
        ('12.3%', '0.04%')
    """
    return f"{share:.1%}" if share >= 0.001 or share == 0 else f"{share:.2%}"
