"""Planning an epoch: the engine against torch's sampler, numpy's choice and the floor.

    python -m tests.benchmarks.bench_sampling [--json] [--quick]

The data: N rows, 100 classes, counts in a geometric series with an imbalance of 1000. Each figure
comes from a process of its own, so that peak memory is that of the planning alone: the resident
memory that it adds to what the process held with its imports and the label ids.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks.report import Figure, benchmark_parser, print_report

CLASSES, IMBALANCE, REPEATS = 100, 1000, 3
MEBIBYTE = 1 << 20


def make_codes(rows: int) -> np.ndarray:
    share = np.geomspace(IMBALANCE, 1, CLASSES)
    counts = np.maximum(1, share / share.sum() * rows).astype(np.int64)
    counts[0] += rows - counts.sum()
    codes = np.repeat(np.arange(CLASSES, dtype=np.int16), counts)
    np.random.default_rng(0).shuffle(codes)
    return codes


def first_epoch(rows: int) -> Callable[[], Any]:
    """Index the rows and draw: what a run does once."""
    from dsample_cli.core.epochs import EpochDrawer
    from dsample_cli.core.schedules import EpochPlan
    from dsample_cli.core.scores import make_score

    codes = make_codes(rows)
    score = make_score("inverse", np.bincount(codes))
    return lambda: EpochDrawer(codes, score, seed=0).draw(1, EpochPlan(1.0))


def later_epoch(rows: int) -> Callable[[], Any]:
    """Draw, with the tally of repetitions."""
    from dsample_cli.core.epochs import EpochDrawer
    from dsample_cli.core.schedules import EpochPlan
    from dsample_cli.core.scores import make_score

    codes = make_codes(rows)
    drawer = EpochDrawer(codes, make_score("inverse", np.bincount(codes)), seed=0)
    return lambda: drawer.draw(1, EpochPlan(1.0))


def first_epoch_as_list(rows: int) -> Callable[[], Any]:
    """The first epoch as Python integers, which is what torch's sampler yields."""
    plan = first_epoch(rows)
    return lambda: plan().rows.tolist()


def by_example(rows: int) -> Callable[[], Any]:
    """Draw by a weight of each row."""
    from dsample_cli.core.sampling import draw_by_row

    weights = (1 / np.bincount(codes := make_codes(rows)))[codes]
    rng = np.random.default_rng(0)

    def draw() -> Any:
        drawn = draw_by_row(weights, rows, rng)
        rng.shuffle(drawn)
        return drawn

    return draw


def bucketed(rows: int) -> Callable[[], Any]:
    """Sort an epoch into batches of like length."""
    from dsample_cli.core.sampling import bucket_by_length

    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 128, rows).astype(np.int32)
    drawn = rng.integers(0, rows, rows, dtype=np.int32)
    return lambda: bucket_by_length(drawn, lengths, 32, rng)


def torch_sampler(rows: int) -> Callable[[], Any]:
    import torch

    codes = make_codes(rows)
    weights = 1 / np.bincount(codes)

    def plan() -> Any:
        sampler = torch.utils.data.WeightedRandomSampler(torch.from_numpy(weights[codes]), rows)
        return list(sampler)

    return plan


def numpy_choice(rows: int) -> Callable[[], Any]:
    codes = make_codes(rows)
    weights = (1 / np.bincount(codes))[codes]
    rng = np.random.default_rng(0)
    return lambda: rng.choice(rows, rows, p=weights / weights.sum())


def floor(rows: int) -> Callable[[], Any]:
    """The least that any sampler with replacement must do: draw integers and permute them."""
    rng = np.random.default_rng(0)
    return lambda: rng.permutation(rng.integers(0, rows, rows, dtype=np.int32))


KINDS = (
    first_epoch,
    first_epoch_as_list,
    later_epoch,
    by_example,
    bucketed,
    torch_sampler,
    numpy_choice,
    floor,
)


def measure(kind: str, rows: int, repeats: int) -> dict[str, float]:
    """Seconds (the fastest) and added peak memory of one kind, in a new process."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_sampling", "--measure", kind]
    done = subprocess.run(
        [*command, str(rows), str(repeats)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return {"error": done.stderr.strip().splitlines()[-1]}  # type: ignore[dict-item]
    return json.loads(done.stdout)


def measure_here(kind: str, rows: int, repeats: int) -> dict[str, float]:
    job = next(k for k in KINDS if k.__name__ == kind)(rows)
    reset_peak_memory()
    before = resident_memory("VmRSS")
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        job()
        seconds.append(time.perf_counter() - begin)
    return {"seconds": min(seconds), "bytes": resident_memory("VmHWM") - before}


def reset_peak_memory() -> None:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def resident_memory(key: str) -> int:
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(key))
    return int(line.split()[1]) * 1024


def figures(quick: bool) -> list[Figure]:
    rows = 10**6 if quick else 10**7
    found = {kind.__name__: measure(kind.__name__, rows, REPEATS) for kind in KINDS}
    at = f"at 10^{len(str(rows)) - 1} rows"

    def seconds(name: str, ours: str, peer: str, goal: float) -> Figure:
        a, b = found[ours]["seconds"], found[peer]["seconds"]
        return Figure(f"{name}, {at}", a, b, "s", b / a, goal)

    ours, theirs = (found[k]["bytes"] / MEBIBYTE for k in ("first_epoch", "torch_sampler"))
    results = [
        seconds(
            "plan the first epoch / list(WeightedRandomSampler)", "first_epoch", "torch_sampler", 5
        ),
        seconds("the same, as a list of integers", "first_epoch_as_list", "torch_sampler", 5),
        Figure(f"peak memory of it, {at}", ours, theirs, "MiB", theirs / ours, 4),
        seconds("plan the first epoch / Generator.choice(p)", "first_epoch", "numpy_choice", 12),
        seconds("plan a later epoch / draw and permute integers", "later_epoch", "floor", 0.5),
        seconds("draw by example weights / Generator.choice(p)", "by_example", "numpy_choice", 5),
        seconds("bucket by length / draw and permute integers", "bucketed", "floor", 0.5),
    ]
    if not quick:
        large = 10**8
        big = measure("first_epoch", large, 1)
        gibibytes = big["bytes"] / 1024 / MEBIBYTE
        results.append(
            Figure("peak memory at 10^8 rows / 8 GiB", gibibytes, 8.0, "GiB", 8 / gibibytes, 1)
        )
        refusal = measure("torch_sampler", large, 1).get("error", "it no longer refuses")
        results.append(
            Figure(
                f"plan the first epoch at 10^8 rows (torch: {refusal[:60]})",
                big["seconds"],
                None,
                "s",
                None,
                None,
            )
        )
    return results


if __name__ == "__main__":
    options = benchmark_parser(__doc__, measured="KIND ROWS REPEATS").parse_args()
    if options.measure:
        kind, rows, repeats = options.measure
        print(json.dumps(measure_here(kind, int(rows), int(repeats))))
    else:
        print_report(figures(options.quick), options.json)
