"""Profiling a file: `analyze` against pandas, and how its cost grows.

    python -m tests.benchmarks.bench_analyze [--json] [--quick] [--rows N]

The data: a CSV of N rows of about 100 bytes (5 million; 100,000 with --quick), 50 classes; of the
rows 5% are exact copies, 2% copies in another spelling, and 1% texts that also have another label.
Each figure is the median of three processes of its own, in turn with those that it is compared
with: seconds without imports, and the peak of the resident memory, imports and all.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tests.benchmarks.bench_sampling import resident_memory
from tests.benchmarks.report import Figure, benchmark_parser, print_report

CLASSES, WORDS, VOCABULARY = 50, 13, 20_000
CHUNK_ROWS = 200_000
REPEATS = 3
MEBIBYTE = 1 << 20
WIDE_COLUMNS = 50
Job = Callable[[], Any]


def write_data(path: Path, rows: int, columns: int = 2) -> None:
    """Write the CSV; columns beyond two hold numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pcsv

    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    vocabulary = pa.array(
        ["".join(rng.choice(letters, size)) for size in rng.integers(2, 10, VOCABULARY)]
    )
    names = ["text", "label", *(f"x{place}" for place in range(columns - 2))]
    options = pcsv.WriteOptions(quoting_style="needed")
    with pcsv.CSVWriter(
        path, pa.schema([(n, pa.string()) for n in names]), write_options=options
    ) as out:
        for start in range(0, rows, CHUNK_ROWS):
            n = min(CHUNK_ROWS, rows - start)
            words = [
                vocabulary.take(pa.array(rng.integers(0, VOCABULARY, n))) for _ in range(WORDS)
            ]
            texts = pc.binary_join_element_wise(*words, " ")
            codes = rng.integers(0, CLASSES, n)
            kind = rng.random(n)
            source = np.where(kind < 0.08, rng.integers(0, n, n), np.arange(n))
            texts = texts.take(pa.array(source))
            codes = np.where(kind < 0.07, codes[source], codes)
            respelled = (kind >= 0.05) & (kind < 0.07)
            texts = pc.if_else(
                pa.array(respelled),
                pc.binary_join_element_wise(pc.utf8_capitalize(texts), ", ok!", ""),
                pc.binary_join_element_wise(texts, "ok", " "),
            )
            labels = pc.binary_join_element_wise("class", pc.cast(pa.array(codes), "string"), "_")
            numbers = [
                pc.cast(pa.array(rng.integers(0, 10**6, n)), "string") for _ in range(columns - 2)
            ]
            out.write(pa.table([texts, labels, *numbers], names=names))


def pandas_steps(path: str) -> Job:
    import pandas as pd

    def job() -> Any:
        frame = pd.read_csv(path, usecols=["text", "label"])
        counts = frame["label"].value_counts()
        again = frame.duplicated()
        texts = frame.drop_duplicates()["text"]
        torn = texts.duplicated(keep=False)
        return len(counts), int(again.sum()), int(torn.sum())

    return job


def pandas_three_steps(path: str) -> Job:
    """What the goals name: read_csv, value_counts and duplicated."""
    import pandas as pd

    def job() -> Any:
        frame = pd.read_csv(path)
        return len(frame["label"].value_counts()), int(frame.duplicated().sum())

    return job


def parse(path: str) -> Job:
    """The floor: Arrow's streaming parse of the two columns, nothing kept."""
    import pyarrow.csv as pcsv

    convert = pcsv.ConvertOptions(include_columns=["text", "label"])
    return lambda: sum(batch.num_rows for batch in pcsv.open_csv(path, convert_options=convert))


def counts_and_duplicates(path: str) -> Job:
    """Class counts, exact duplicates and conflicting labels."""
    from dsample_cli.data.facts import read_facts
    from dsample_cli.data.problems import Evidence

    def job() -> Any:
        evidence = Evidence(read_facts(path, ["text"], "label", is_thorough=False))
        again = evidence.same_example.later()
        return len(evidence.counts), len(again), len(evidence.same_text.torn(evidence.codes))

    return job


def whole_profile(path: str) -> Job:
    """All that `dsample analyze` does but drawing the tables."""
    import pandas  # noqa: F401  # imports are not counted
    import tokenizers  # noqa: F401

    from dsample_cli.core.progress import Silent
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.analyze import analyze

    def job() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            result = analyze(path, Workspace(Path(folder)), Silent(), ("text",), "label")
        return {problem.code: problem.count for problem in result.profile.problems}

    return job


KINDS = {
    kind.__name__: kind
    for kind in (pandas_steps, pandas_three_steps, parse, counts_and_duplicates, whole_profile)
}


def measure(kinds: Iterable[str], path: Path) -> dict[str, dict[str, Any]]:
    """Run each kind in turn, round by round: its median seconds and peak memory, and its result."""
    runs = [{kind: _measure_in_process(kind, path) for kind in kinds} for _ in range(REPEATS)]
    return {
        kind: {
            "seconds": median(run[kind]["seconds"] for run in runs),
            "bytes": median(run[kind]["bytes"] for run in runs),
            "result": runs[0][kind]["result"],
        }
        for kind in kinds
    }


def _measure_in_process(kind: str, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.bench_analyze", "--measure", kind, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def measure_here(kind: str, path: str) -> dict[str, Any]:
    job = KINDS[kind](path)
    begin = time.perf_counter()
    result = job()
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "bytes": resident_memory("VmHWM"), "result": result}


def figures(rows: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        write_data(path, rows)
        size = f"{rows:,} rows, {path.stat().st_size / 1e6:.0f} MB"
        found = measure(KINDS, path)
        results = _against_pandas(found, size)
        path.unlink()
        results += _wide(path, rows // 10)
        results += _growth(path, rows, found["whole_profile"])
    return results


def _against_pandas(found: dict[str, dict[str, Any]], size: str) -> list[Figure]:
    ours, full = found["counts_and_duplicates"], found["whole_profile"]
    peer, floor = found["pandas_three_steps"], found["parse"]
    assert ours["result"] == found["pandas_steps"]["result"][:2] + ours["result"][2:], "not exact"
    name = "counts, duplicates, conflicts / read_csv, value_counts, duplicated"
    return [
        _seconds(f"{name} ({size})", ours, peer, 1.5),
        _memory("peak memory of it", ours, peer, 3),
        _seconds("the same / pandas, conflicts too", ours, found["pandas_steps"], None),
        _seconds("the same / Arrow's bare streaming parse", ours, floor, None),
        _seconds("whole profile / read_csv, value_counts, duplicated", full, peer, 1 / 3),
        _memory("peak memory of it", full, peer, None),
    ]


def _wide(path: Path, rows: int) -> list[Figure]:
    write_data(path, rows, WIDE_COLUMNS)
    wide = measure(["pandas_steps", "counts_and_duplicates", "whole_profile"], path)
    path.unlink()
    title = f"with {WIDE_COLUMNS} columns, {rows:,} rows"
    ours, peer = wide["counts_and_duplicates"], wide["pandas_steps"]
    return [
        _seconds(f"{title}: counts, duplicates / pandas with usecols", ours, peer, 1.5),
        _seconds(
            f"{title}: whole profile / pandas with usecols", wide["whole_profile"], peer, 1 / 3
        ),
    ]


def _growth(path: Path, rows: int, largest: dict[str, Any]) -> list[Figure]:
    """Whole profiles of smaller files; a fixed part makes their rows dearer, never cheaper."""
    sizes = [n for n in (10**4, 10**5, 10**6) if n < rows]
    seconds = {}
    for n in sizes:
        write_data(path, n)
        seconds[n] = measure(["whole_profile"], path)["whole_profile"]["seconds"]
    seconds[rows] = largest["seconds"]
    results = [
        Figure(f"whole profile of {n:,} rows", taken, None, "s", None, None)
        for n, taken in seconds.items()
    ]
    last = sizes[-1]
    a_row = [seconds[n] / n * 1e6 for n in (rows, last)]
    name = f"microseconds a row at {rows:,} / at {last:,} rows"
    return [*results, Figure(name, a_row[0], a_row[1], "us", a_row[1] / a_row[0], 0.8)]


def _seconds(name: str, ours: dict[str, Any], peer: dict[str, Any], goal: float | None) -> Figure:
    a, b = ours["seconds"], peer["seconds"]
    return Figure(name, a, b, "s", b / a, goal)


def _memory(name: str, ours: dict[str, Any], peer: dict[str, Any], goal: float | None) -> Figure:
    a, b = ours["bytes"] / MEBIBYTE, peer["bytes"] / MEBIBYTE
    return Figure(name, a, b, "MiB", b / a, goal)


if __name__ == "__main__":
    parser = benchmark_parser(__doc__, measured="KIND FILE")
    parser.add_argument("--rows", type=int, metavar="N", help="5 million; 100,000 with --quick")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure_here(*options.measure)))
    else:
        rows = options.rows or (10**5 if options.quick else 5 * 10**6)
        print_report(figures(rows), options.json)
