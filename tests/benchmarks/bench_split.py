"""Group-safe stratified folds: ours against scikit-learn's StratifiedGroupKFold.

    python -m tests.benchmarks.bench_split [--json] [--quick]

The data: N rows of 50 classes in a geometric series with an imbalance of 100; groups of skewed
sizes (Pareto), once with classes independent of the group and once with most rows of a group in
one class; and the sample data by customer. K is 5. The deviation is the largest difference
between the share of a class in a fold and in all rows, the mean over three seeds.
"""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.data.folds import stratified_folds
from dsample_cli.data.groups import linked_rows
from dsample_cli.data.labels import encode_labels
from dsample_cli.data.table import read_text_table
from tests.benchmarks.report import Figure, benchmark_parser, print_report

FOLDS, CLASSES, IMBALANCE, SEEDS = 5, 50, 100, 3
SAMPLE = Path(__file__).parents[2] / "sample_data" / "support_tickets.csv"
Rows = NDArray[np.int64]
Table = tuple[Rows, Rows]


def make_table(rows: int, own_class_share: float = 0.0) -> Table:
    """Label id and group id of each row.

    Args:
        rows: Number of rows.
        own_class_share: Of the rows that are of their group's own class.
    """
    rng = np.random.default_rng(0)
    share = np.geomspace(IMBALANCE, 1, CLASSES)
    share /= share.sum()
    n_groups = rows // 10
    weights = rng.pareto(1.5, n_groups) + 1
    groups = rng.choice(n_groups, rows, p=weights / weights.sum())
    codes = rng.choice(CLASSES, rows, p=share)
    own = rng.choice(CLASSES, n_groups, p=share)[groups]
    return np.where(rng.random(rows) < own_class_share, own, codes), groups


def sample_table() -> Table:
    """The sample data; a group is a customer, with duplicate texts linked."""
    table = read_text_table(SAMPLE, group_column="customer_id")
    assert table.labels is not None
    codes = encode_labels(table.labels).codes.astype(np.int64)
    return codes, linked_rows(table.texts, table.groups).ids


def ours(codes: Rows, groups: Rows, seed: int) -> Rows:
    return stratified_folds(codes, int(codes.max()) + 1, FOLDS, seed, groups)


def scikit_learn(codes: Rows, groups: Rows, seed: int) -> Rows:
    from sklearn.model_selection import StratifiedGroupKFold

    folds = np.empty(len(codes), np.int64)
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with fewer rows than folds
        for fold, (_, rows) in enumerate(splitter.split(codes, codes, groups)):
            folds[rows] = fold
    return folds


def largest_deviation(codes: Rows, folds: Rows) -> float:
    n_classes = int(codes.max()) + 1
    cells = np.bincount(folds * n_classes + codes, minlength=FOLDS * n_classes)
    counts = cells.reshape(FOLDS, n_classes)
    natural = counts.sum(axis=0) / counts.sum()
    return float(np.abs(counts / counts.sum(axis=1, keepdims=True) - natural).max())


def measure(split: Callable[..., Rows], table: Table) -> dict[str, float]:
    deviations, seconds = [], []
    for seed in range(SEEDS):
        begin = time.perf_counter()
        folds = split(*table, seed)
        seconds.append(time.perf_counter() - begin)
        deviations.append(largest_deviation(table[0], folds))
    return {"deviation": float(np.mean(deviations)), "seconds": min(seconds)}


def figures(quick: bool) -> list[Figure]:
    tables: dict[str, Table] = {"sample data by customer": sample_table()}
    for rows in (10**4,) if quick else (10**4, 10**5):
        at = f"10^{len(str(rows)) - 1} rows"
        tables[at] = make_table(rows)
        tables[f"{at}, groups of one main class"] = make_table(rows, own_class_share=0.5)
    results = []
    for name, table in tables.items():
        mine, peer = measure(ours, table), measure(scikit_learn, table)
        results += [
            _figure(f"largest deviation, {name}", mine, peer, "deviation", "points", 100, 1.0),
            _figure(f"time, {name}", mine, peer, "seconds", "s", 1, None),
        ]
    return results


def _figure(
    name: str, mine: Any, peer: Any, key: str, unit: str, scale: float, goal: float | None
) -> Figure:
    ratio = peer[key] / max(mine[key], 1e-12)
    return Figure(name, scale * mine[key], scale * peer[key], unit, ratio, goal)


if __name__ == "__main__":
    options = benchmark_parser(__doc__).parse_args()
    print_report(figures(options.quick), options.json)
