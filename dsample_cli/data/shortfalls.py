"""What a split could not keep to, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsample_cli.data.groups import LinkedRows

LISTED_PARTS = 5


@dataclass(frozen=True)
class NotKept:
    """A wish that the rows do not allow.

    Attributes:
        code: `class-missing` (a part without a class), `class-single` (one row of it),
            `group-too-large` (rows that belong together exceed a held-out part) or `digits-kept`
            (texts that differ in their digits alone were told apart).
        label: The class, of the first two.
        message: What it means, a sentence.
    """

    code: str
    label: str | None
    message: str


def classes_not_kept(
    counts: NDArray[np.integer],
    names: Sequence[str],
    part_names: Sequence[str],
    codes: NDArray[np.integer],
    groups: NDArray[np.integer],
) -> list[NotKept]:
    """List the classes with fewer than two rows in a part, the rarest first.

    Args:
        counts: Rows of each class in each part, shape [P, C].
        names: Label id -> name.
        part_names: What the parts are called.
        codes: Label id per row.
        groups: Group id per row.
    """
    pairs = np.unique(groups.astype(np.int64) * len(names) + codes)
    n_groups = np.bincount(pairs % len(names), minlength=len(names))
    totals = counts.sum(axis=0)
    found = []
    for label in np.argsort(totals, kind="stable").tolist():
        if totals[label] == 0 or counts[:, label].min() >= 2:
            continue
        rows = _counted(int(totals[label]), "row")
        if n_groups[label] < totals[label]:
            rows += f" in {_counted(int(n_groups[label]), 'group')}"
        parts_with = {
            word: [name for name, n in zip(part_names, counts[:, label], strict=True) if n == count]
            for count, word in enumerate(("none", "one"))
        }
        where = [f"{word} in {_listed(parts)}" for word, parts in parts_with.items() if parts]
        found.append(
            NotKept(
                "class-missing" if parts_with["none"] else "class-single",
                names[label],
                f"'{names[label]}' has {rows}: {' and '.join(where)}.",
            )
        )
    return found


def links_not_kept(
    linked: LinkedRows,
    rows: NDArray[np.integer],
    is_stuck: NDArray[np.bool_],
    most: float,
    so: str,
) -> list[NotKept]:
    """List what the links between rows stand in the way of.

    Args:
        linked: The rows that were split.
        rows: Their row numbers in the file.
        is_stuck: Whether a group that is too large is told of, per row.
        most: Rows that the largest part that is held out should have.
        so: What becomes of larger groups, such as "stay in train".
    """
    found = []
    sizes = np.bincount(linked.ids[is_stuck])
    too_large = np.flatnonzero(sizes > max(most, 1))
    if len(too_large):
        largest = int(sizes.argmax())
        first = ", ".join(str(row) for row in rows[linked.ids == largest][:3])
        groups = _counted(len(too_large), "group")
        found.append(
            NotKept(
                "group-too-large",
                None,
                f"{groups} of rows that belong together ({sizes[too_large].sum():,} rows in all) "
                f"exceed a part of {most:,.0f} rows and {so}. The largest has {sizes[largest]:,} "
                f"rows, such as {first}.",
            )
        )
    if linked.keeps_digits:
        found.append(
            NotKept(
                "digits-kept",
                None,
                "Most texts are templates that only their numbers tell apart, so texts that differ "
                "in digits alone do not count as duplicates and may be in different parts.",
            )
        )
    return found


def _listed(parts: Sequence[str]) -> str:
    more = f" and {len(parts) - LISTED_PARTS} more" if len(parts) > LISTED_PARTS else ""
    return ", ".join(parts[:LISTED_PARTS]) + more


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"
