"""Bootstrapping every summary metric against scikit-learn's classification_report.

    python -m tests.benchmarks.bench_bootstrap [--json] [--quick]

The data: 100,000 rows of 150 classes in a geometric series with an imbalance of 100; a fifth of the
predictions is wrong, once spread over all classes and once over a few that are alike. Ours is the
whole of it: the confusion matrix and 1,000 resamples of seven metrics. The peer is 20 reports on
the same rows. They take turns; each figure is a median. A quick run takes a tenth of the rows.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, classification_report

from dsample_cli.evaluation.intervals import bootstrap_intervals
from dsample_cli.evaluation.metrics import confusion_matrix
from dsample_cli.evaluation.ranking import average_precisions
from tests.benchmarks.report import Figure, benchmark_parser, print_report

CLASSES, IMBALANCE, WRONG, RESAMPLES, REPORTS, REPEATS = 150, 100, 0.2, 1000, 20, 3
Rows = tuple[np.ndarray, np.ndarray]


def make_rows(rows: int, are_alike: bool) -> Rows:
    """True and predicted label ids; wrong predictions fall on classes that are alike, or on any."""
    rng = np.random.default_rng(0)
    share = np.geomspace(IMBALANCE, 1, CLASSES)
    true = rng.choice(CLASSES, rows, p=share / share.sum())
    any_class = rng.integers(0, CLASSES, rows)
    alike = (true + rng.geometric(0.3, rows)) % CLASSES
    is_wrong = rng.random(rows) < WRONG
    return true, np.where(is_wrong, alike if are_alike else any_class, true)


def bootstrap(true: np.ndarray, predicted: np.ndarray) -> Any:
    return bootstrap_intervals(confusion_matrix(true, predicted, CLASSES), RESAMPLES)


def reports(true: np.ndarray, predicted: np.ndarray) -> Any:
    return [
        classification_report(true, predicted, output_dict=True, zero_division=0)
        for _ in range(REPORTS)
    ]


def in_turns(*jobs: Callable[[], Any]) -> list[float]:
    """Median seconds of each job."""
    seconds: list[list[float]] = [[] for _ in jobs]
    for _ in range(REPEATS):
        for taken, job in zip(seconds, jobs, strict=True):
            begin = time.perf_counter()
            job()
            taken.append(time.perf_counter() - begin)
    return [median(taken) for taken in seconds]


def figures(quick: bool) -> list[Figure]:
    rows = 10_000 if quick else 100_000
    found = []
    for are_alike in (True, False):
        data = make_rows(rows, are_alike)
        ours, peer = in_turns(lambda data=data: bootstrap(*data), lambda data=data: reports(*data))
        where = "alike" if are_alike else "any"
        name = f"{RESAMPLES} resamples / {REPORTS} classification_report, {rows} rows x {CLASSES}"
        found.append(Figure(f"{name}, errors on {where} classes", ours, peer, "s", peer / ours, 1))
    true = make_rows(rows, True)[0]
    probabilities = np.random.default_rng(1).dirichlet(np.full(CLASSES, 0.1), rows)
    ours, peer = in_turns(
        lambda: average_precisions(probabilities, true),
        lambda: [average_precision_score(true == k, probabilities[:, k]) for k in range(CLASSES)],
    )
    name = f"average precision of {CLASSES} classes / average_precision_score, {rows} rows"
    found.append(Figure(name, ours, peer, "s", peer / ours, 1))
    return found


if __name__ == "__main__":
    options = benchmark_parser(__doc__).parse_args()
    print_report(figures(options.quick), options.json)
