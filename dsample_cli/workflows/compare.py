"""Compare runs by the predictions that they stored for the same held-out rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.config import AUTO, parse_thresholds
from dsample_cli.core.imbalance import GROUP_NAMES, frequency_groups
from dsample_cli.core.names import look_up
from dsample_cli.core.progress import Listener
from dsample_cli.errors import ConfigError, RunError
from dsample_cli.evaluation.comparison import Difference, McNemar, holm, mcnemar
from dsample_cli.evaluation.metrics import class_reports, confusion_matrix
from dsample_cli.evaluation.seeds import Tries, compare_tries, figures_by_seed, pooled_spread
from dsample_cli.runs.manifests import OF_A_RESULT
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows.evaluate import completed_manifest
from dsample_cli.workflows.run_names import SEED, differing_names, training_options
from dsample_cli.workflows.stored import (
    SPLITS,
    StoredPredictions,
    choose_split,
    difference_of_rows,
    read_stored,
)

_SAME = 1e-12  # figures that differ by less are tied


@dataclass(frozen=True)
class Entry:
    """One way of training that is compared: a run, or runs that differ by seed alone.

    Attributes:
        name: The options that tell it from the others.
        runs: Run ids.
        seeds: Of the runs.
        rows: Evaluated rows.
        figures: The summary metrics and `<group>_recall`, means over the runs.
        spread: Their standard deviations over the runs; empty of a single run.
        recall: Of each class, mean over the runs, NaN without support, shape [C].
        f1: Of each class, as `recall`.
        differences: From the first entry by figure; empty of the first.
        p_holm: p-value of each difference, corrected for the number of entries compared.
        mcnemar: Test against the first entry; None unless both are single runs on the same rows.
        mcnemar_holm: Its exact p-value, corrected in the same way.
        is_paired_by_seed: Whether the differences are those of equal seeds.
    """

    name: str
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    rows: int
    figures: dict[str, float]
    spread: dict[str, float]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    differences: dict[str, Difference]
    p_holm: dict[str, float]
    mcnemar: McNemar | None
    mcnemar_holm: float | None
    is_paired_by_seed: bool


@dataclass(frozen=True)
class CompareResult:
    """What `dsample compare` found.

    Attributes:
        split: "test" or "validation".
        is_same_rows: Whether all runs predicted the same rows.
        labels: Every class that a run knows, those of the first run in its order.
        train_counts: Training rows of each class, of the first run that knows it.
        support: Evaluated rows of each class in the first run.
        class_groups: "many", "medium" or "few" for each class.
        runs: Every run, as named, each compared with the first.
        entries: What the tables show: the runs, or groups of them that differ by seed alone.
        warnings: What weakens the comparison.
    """

    split: str
    is_same_rows: bool
    labels: tuple[str, ...]
    train_counts: tuple[int, ...]
    support: NDArray[np.int64]
    class_groups: tuple[str, ...]
    runs: tuple[Entry, ...]
    entries: tuple[Entry, ...]
    warnings: tuple[str, ...]

    @property
    def has_seeds(self) -> bool:
        """Whether an entry is the mean of several seeds."""
        return any(len(entry.runs) > 1 for entry in self.entries)

    def best_of_class(self, label_id: int) -> list[int]:
        """Places of the entries with the highest F1 of a class; none without support."""
        return _best([float(entry.f1[label_id]) for entry in self.entries])

    def best_of(self, figure: str) -> list[int]:
        """Places of the entries that are highest in a figure."""
        return _best([entry.figures.get(figure, np.nan) for entry in self.entries])

    def largest_changes(self) -> list[int]:
        """Classes by the recall that an entry gained or lost most, as against the first."""
        if len(self.entries) < 2:
            return []  # the runs differ by seed alone
        changes = np.stack([e.recall - self.entries[0].recall for e in self.entries[1:]])
        largest = np.abs(np.nan_to_num(changes)).max(axis=0)
        order = np.lexsort((np.array(self.train_counts), -largest.round(9)))
        return [int(k) for k in order if largest[k] > 0]

    def to_json(self) -> dict[str, Any]:
        """The public JSON object of `dsample compare --json`."""
        return {
            "split": self.split,
            "same_rows": self.is_same_rows,
            "rows": self.runs[0].rows,
            "first": self.runs[0].runs[0],
            "runs": [_run_to_json(entry) for entry in self.runs],
            "seeds": [_seeds_to_json(entry) for entry in self.entries] if self.has_seeds else [],
            "groups": [
                {
                    "group": group,
                    "classes": self.class_groups.count(group),
                    "recall": {
                        entry.runs[0]: entry.figures.get(f"{group}_recall") for entry in self.runs
                    },
                    **self._winner(self.best_of(f"{group}_recall")),
                }
                for group in GROUP_NAMES
            ],
            "classes": [
                {
                    "label": label,
                    "train_count": self.train_counts[k],
                    "support": int(self.support[k]),
                    "group": self.class_groups[k],
                    "recall": {entry.runs[0]: _known(entry.recall[k]) for entry in self.runs},
                    "f1": {entry.runs[0]: _known(entry.f1[k]) for entry in self.runs},
                    **self._winner(self.best_of_class(k)),
                }
                for k, label in enumerate(self.labels)
            ],
            "warnings": list(self.warnings),
        }

    def _winner(self, best: Sequence[int]) -> dict[str, Any]:
        names = [self.entries[place].name for place in best]
        return {"winner": names[0] if len(names) == 1 else None, "best": names}


def compare(
    workspace: Workspace,
    names: Sequence[str],
    listener: Listener,
    split: str = AUTO,
    allow_different_data: bool = False,
    resamples: int = 1000,
) -> CompareResult:
    """Compare stored predictions of runs with those of the first of them.

    No model is loaded. Runs whose options differ by the seed alone are also taken together as one
    entry, with mean and standard deviation.

    Args:
        workspace: Where runs are looked up.
        names: Ids, prefixes, paths, `latest` or `best`; a run named twice counts once.
        listener: Hears what is done.
        split: "test", "validation", or "auto" for the test rows where all runs have them.
        allow_different_data: Whether runs with other rows may be compared, by unpaired differences.
        resamples: Number of bootstrap resamples.

    Raises:
        ConfigError: If there are fewer than two runs.
        RunError: If a run cannot be used, or the runs predicted different rows.
    """
    look_up(dict.fromkeys((AUTO, *SPLITS)), split, "--split")
    # A path and an id may name the same run, in words that differ.
    runs = list({run.id: run for run in map(workspace.find_run, names)}.values())
    if len(runs) < 2:
        raise ConfigError(
            f"There is nothing to compare {runs[0].id} with."
            if runs
            else "Two runs or more can be compared.",
            "Name two runs or more: dsample compare RUN RUN. List them with: dsample runs list",
        )
    manifests = [completed_manifest(run, OF_A_RESULT) for run in runs]
    split = choose_split(runs, split)
    listener.phase("reading predictions", len(runs))
    stored = []
    for run, manifest in zip(runs, manifests, strict=True):
        stored.append(read_stored(run, manifest, split))
        listener.advance(1)
    warnings = _warnings(stored, split)
    differing = [one for one in stored[1:] if difference_of_rows(stored[0], one)]
    if differing and not allow_different_data:
        raise RunError(
            f"Runs {stored[0].run.id} and {differing[0].run.id} cannot be compared row by row: "
            f"{difference_of_rows(stored[0], differing[0])}.",
            "Divide the data once with dsample split DATA --out DIR and train all with that --val "
            "and --test, or compare their figures as they are with --different-data.",
        )
    if differing:
        told = ", ".join(one.run.id for one in differing[:3]) + " ..." * (len(differing) > 3)
        warnings.insert(
            0,
            f"Not all runs predicted the same rows (compared with {stored[0].run.id}: {told}): "
            "differences are not paired and nothing is tested.",
        )
    return _compare(stored, split, not differing, warnings, listener, resamples)


def _compare(
    stored: Sequence[StoredPredictions],
    split: str,
    is_same_rows: bool,
    warnings: Sequence[str],
    listener: Listener,
    resamples: int,
) -> CompareResult:
    labels = list(dict.fromkeys(label for one in stored for label in one.manifest["labels"]))
    counts: dict[str, int] = {}
    for one in stored:
        for label, count in zip(one.manifest["labels"], one.manifest["train_counts"], strict=True):
            counts.setdefault(label, int(count))
    train_counts = np.array([counts[label] for label in labels])
    thresholds = stored[0].manifest["config"].get("groups")
    class_groups = frequency_groups(
        train_counts, parse_thresholds(thresholds) if thresholds else None
    )
    ids = {label: i for i, label in enumerate(labels)}
    tries = [
        Tries(
            [np.array([ids[label] for label in one.truth])],
            [np.array([ids[label] for label in one.predicted])],
        )
        for one in stored
    ]
    task = _Task(
        [one.run.id for one in stored],
        [training_options(one.manifest) for one in stored],
        tries,
        labels,
        class_groups,
        is_same_rows,
        resamples,
    )
    members = _same_but_for_seed(task.options)
    has_seeds = len(members) < len(stored)
    listener.phase("comparing", len(stored) - 1 + (len(members) - 1) * has_seeds)
    runs = _entries(task, [[i] for i in range(len(stored))], (), listener)
    return CompareResult(
        split,
        is_same_rows,
        tuple(labels),
        tuple(train_counts.tolist()),
        np.bincount(tries[0].truths[0], minlength=len(labels)),
        tuple(class_groups),
        runs,
        _entries(task, members, (SEED,), listener) if has_seeds else runs,
        tuple(warnings),
    )


@dataclass(frozen=True)
class _Task:
    """Runs that are compared.

    Attributes:
        runs: Their ids.
        options: `training_options` of each.
        tries: What each predicted, label ids in the order of `labels`.
        labels: Every class.
        class_groups: Group of each class.
        is_same_rows: Whether all predicted the same rows.
        resamples: Number of bootstrap resamples.
    """

    runs: Sequence[str]
    options: Sequence[Mapping[str, Any]]
    tries: Sequence[Tries]
    labels: Sequence[str]
    class_groups: Sequence[str]
    is_same_rows: bool
    resamples: int


def _entries(
    task: _Task, parts: Sequence[Sequence[int]], unnamed: Sequence[str], listener: Listener
) -> tuple[Entry, ...]:
    """Describe groups of runs, and compare each group with the first.

    Args:
        task: All runs.
        parts: Places of the runs in each group.
        unnamed: Options that are left out of the names.
        listener: Hears how far it is.
    """
    options = [task.options[part[0]] for part in parts]
    names = differing_names(options, [task.runs[part[0]] for part in parts], unnamed)
    seeds = [tuple(int(task.options[i].get(SEED, 0)) for i in part) for part in parts]
    together = [_together([task.tries[i] for i in part]) for part in parts]
    values = [figures_by_seed(one, len(task.labels), task.class_groups) for one in together]
    spread = None
    if len(parts) < sum(map(len, parts)):
        spread = {
            name: pooled_spread([one[name] for one in values if name in one]) for name in values[0]
        }
    found: list[dict[str, Any]] = []
    for place, part in enumerate(parts):
        first, second = together[0], together[place]
        is_paired = task.is_same_rows and len(part) > 1 and seeds[place] == seeds[0]
        differences: dict[str, Difference] = {}
        test = None
        if place > 0:
            differences = compare_tries(
                first,
                second,
                len(task.labels),
                task.class_groups,
                task.is_same_rows,
                is_paired,
                spread,
                task.resamples,
            )
            if task.is_same_rows and len(part) == len(parts[0]) == 1:
                test = mcnemar(first.truths[0], first.predictions[0], second.predictions[0])
            listener.advance(1)
        found.append(
            _description(second, values[place], task.labels)
            | {
                "name": names[place],
                "runs": tuple(task.runs[i] for i in part),
                "seeds": seeds[place],
                "differences": differences,
                "mcnemar": test,
                "is_paired_by_seed": place > 0 and is_paired,
            }
        )
    corrected = _holm_by_figure([entry["differences"] for entry in found])
    tests = [entry["mcnemar"] for entry in found]
    of_tests = _corrected([None if test is None else test.p_value for test in tests])
    return tuple(
        Entry(**entry, p_holm=p_values, mcnemar_holm=p_value)
        for entry, p_values, p_value in zip(found, corrected, of_tests, strict=True)
    )


def _together(members: Sequence[Tries]) -> Tries:
    """Runs as one way of training."""
    return Tries(
        [truth for one in members for truth in one.truths],
        [ids for one in members for ids in one.predictions],
    )


def _description(
    tries: Tries, values: Mapping[str, NDArray[np.float64]], labels: Sequence[str]
) -> dict[str, Any]:
    """Figures of one entry: means over its runs, and how far these are apart."""
    recall, f1 = [], []
    for truth, predicted in zip(tries.truths, tries.predictions, strict=True):
        matrix = confusion_matrix(truth, predicted, len(labels))
        reports = class_reports(matrix, labels)
        recall.append([r.recall if r.support else np.nan for r in reports])
        f1.append([r.f1 if r.support else np.nan for r in reports])
    has_several = len(tries.predictions) > 1
    return {
        "rows": len(tries.truths[0]),
        "figures": {name: float(of_runs.mean()) for name, of_runs in values.items()},
        "spread": {
            name: float(of_runs.std(ddof=1)) for name, of_runs in values.items() if has_several
        },
        "recall": _known_mean(np.array(recall)),
        "f1": _known_mean(np.array(f1)),
    }


def _known_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the runs that have rows of a class, shape [C]; NaN where none has."""
    has_rows = ~np.isnan(values)
    totals = np.where(has_rows, values, 0).sum(axis=0)
    return np.divide(
        totals, has_rows.sum(axis=0), out=np.full(len(totals), np.nan), where=has_rows.any(axis=0)
    )


def _holm_by_figure(differences: Sequence[Mapping[str, Difference]]) -> list[dict[str, float]]:
    """Of each entry, the corrected p-value of each figure."""
    found: list[dict[str, float]] = [{} for _ in differences]
    for name in dict.fromkeys(name for one in differences for name in one):
        p_values = [one[name].p_value if name in one else None for one in differences]
        for place, p_value in enumerate(_corrected(p_values)):
            if p_value is not None:
                found[place][name] = p_value
    return found


def _corrected(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction of those that there are."""
    places = [i for i, p_value in enumerate(p_values) if p_value is not None]
    corrected = holm(np.array([p_values[i] for i in places], np.float64)).tolist()
    of_place = dict(zip(places, corrected, strict=True))
    return [of_place.get(i) for i in range(len(p_values))]


def _same_but_for_seed(options: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Places of runs that differ by the seed alone; a seed comes once in each."""
    groups: list[list[int]] = []
    for place, own in enumerate(options):
        for group in groups:
            known, seeds = options[group[0]], {options[i].get(SEED) for i in group}
            if {**own, SEED: 0} == {**known, SEED: 0} and own.get(SEED) not in seeds:
                group.append(place)
                break
        else:
            groups.append([place])
    return [sorted(group, key=lambda i: options[i].get(SEED, 0)) for group in groups]


def _warnings(stored: Sequence[StoredPredictions], split: str) -> list[str]:
    """What a reader of the comparison should know."""
    found = []
    if split == "validation":
        found.append(
            "These are validation rows, which chose each run's best epoch and fitted its "
            "correction: expect a little less on new rows."
        )
    first = stored[0]
    known = set(first.manifest["labels"])
    counts = dict(zip(first.manifest["labels"], first.manifest["train_counts"], strict=True))
    for one in stored[1:]:
        labels = one.manifest["labels"]
        differing = known.symmetric_difference(labels)
        if differing:
            shown = ", ".join(f"'{label}'" for label in sorted(differing)[:3])
            more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
            found.append(f"Not both {first.run.id} and {one.run.id} know {shown}{more}.")
        elif counts != dict(zip(labels, one.manifest["train_counts"], strict=True)):
            found.append(
                f"{one.run.id} was trained on other rows than {first.run.id}, whose train counts "
                "are shown."
            )
    return found


def _best(values: Sequence[float]) -> list[int]:
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return []
    return [i for i, value in enumerate(values) if value >= max(known) - _SAME]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _run_to_json(entry: Entry) -> dict[str, Any]:
    test = entry.mcnemar
    return {
        "run": entry.runs[0],
        "name": entry.name,
        "seed": entry.seeds[0],
        "rows": entry.rows,
        "metrics": _metrics(entry.figures),
        "groups": {group: entry.figures.get(f"{group}_recall") for group in GROUP_NAMES},
        "difference": _differences_to_json(entry),
        "mcnemar": None
        if test is None
        else {
            "only_first": test.only_first,
            "only_second": test.only_second,
            "p_value": test.p_value,
            "p_holm": entry.mcnemar_holm,
            "chi2": test.chi2,
            "chi2_p_value": test.chi2_p_value,
        },
    }


def _seeds_to_json(entry: Entry) -> dict[str, Any]:
    spread = {
        name: {"mean": mean, "sd": entry.spread.get(name)} for name, mean in entry.figures.items()
    }
    return {
        "name": entry.name,
        "runs": list(entry.runs),
        "seeds": list(entry.seeds),
        "metrics": _metrics(spread),
        "groups": {group: spread.get(f"{group}_recall") for group in GROUP_NAMES},
        "paired_by_seed": entry.is_paired_by_seed,
        "difference": _differences_to_json(entry),
    }


def _metrics(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figures.items() if not name.endswith("_recall")}


def _differences_to_json(entry: Entry) -> dict[str, Any] | None:
    """None of the first, which differs from nothing."""
    if not entry.differences:
        return None
    return {
        name: {
            "value": found.difference,
            "interval": list(found.interval),
            "p_value": found.p_value,
            "p_holm": entry.p_holm.get(name),
        }
        for name, found in entry.differences.items()
    }
