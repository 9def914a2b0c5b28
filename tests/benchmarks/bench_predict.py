"""Prediction on one machine: ours, transformers' pipeline, and a bare loop over prebuilt batches.

    python -m tests.benchmarks.bench_predict [--json] [--quick] [--rows N]
                                             [--lengths] [--engines] [--memory]

All predict texts of mixed lengths with one run of MiniLM, at the same thread count. Each figure is
rows a second once imports and model are loaded, the median of three processes of its own, in turn
with the others. `ours` is all of `dsample predict`: it reads a CSV file, tokenises, predicts and
writes a JSON line a row with the probabilities of all classes and the row itself. `pipeline` is
`pipeline("text-classification")` at its best batch size, which gets texts and gives one label; it
gets every 25th row, or 500 of a smaller file, so that it ends today. `bare` forwards our batches,
sorted over all rows and built beforehand, in our precision: the ceiling of what a tool around such
a loop can reach.

`--lengths` compares the same on each data set by itself, its texts as they are, and needs them
beside the repository. `--engines` compares the engines of `dsample predict` on the test texts of
clinc_lt. `--memory` compares the peak memory of `dsample predict` at 50,000 and 500,000 rows, with
`tiny`. Without any of them the mixed texts alone are predicted.

The mixed texts are those of clinc_lt, korean_hate, sms_spam and trec, one to eight joined, where
they lie beside the repository, else random words.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tests.benchmarks.report import Figure, benchmark_parser, print_report
from tests.real.conftest import REAL_DATA

ROWS, QUICK_ROWS, PIPELINE_STEP, PIPELINE_ROWS = 50_000, 1_000, 25, 500
PIPELINE_BATCHES = (1, 8, 32)
ENGINES = ("torch", "onnx", "onnx-int8")
MEMORY_ROWS, QUICK_MEMORY_ROWS = (50_000, 500_000), (9_000, 18_000)
ROUNDS = 3
CLASSES, LENGTH = 150, 128
FILES = ("clinc_lt_train.csv", "korean_hate_train.csv", "sms_spam.csv", "trec_train.csv")
ENGINE_FILE = REAL_DATA / "clinc_lt_test.csv"
# How many texts are joined, and how often.
JOINED, SHARES = (1, 2, 4, 8), (0.7, 0.15, 0.1, 0.05)
GOALS = {"pipeline": 5, "bare": 0.85}


class Clock:
    """A listener that knows when predicting began."""

    def __init__(self) -> None:
        self.begin = 0.0

    def phase(self, name: str, total: int | None = None) -> None:
        self.begin = time.perf_counter()

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: None


def mixed_texts(rows: int) -> list[str]:
    """Texts of many lengths in random order."""
    rng = np.random.default_rng(0)
    texts = [text for name in FILES for text in column(REAL_DATA / name)] or random_texts(rng)
    sizes = rng.choice(JOINED, rows, p=SHARES)
    return [" ".join(texts[i] for i in rng.integers(0, len(texts), size)) for size in sizes]


def column(path: Path) -> list[str]:
    """The column `text` of a CSV file, blanks left out; nothing if there is no file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file) if row["text"].strip()]


def random_texts(rng: np.random.Generator) -> list[str]:
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, rng.integers(2, 8))) for _ in range(3000)]
    return [" ".join(rng.choice(words, rng.poisson(14) + 1)) for _ in range(10_000)]


def write_csv(path: Path, names: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)


def train(folder: Path, model: str, classes: int) -> None:
    """Make a run in the folder: what it has learned does not matter."""
    labelled = ((text, f"class {i % classes}") for i, text in enumerate(mixed_texts(2 * classes)))
    write_csv(folder / "train.csv", ("text", "label"), labelled)
    options = "--epochs 1 --schedule natural --val-size 0 --correct none --quiet".split()
    dsample("train", folder / "train.csv", "--model", model, *options, folder=folder)


def dsample(*args: object, folder: Path) -> float:
    """Run a command as a process; give its peak memory in MiB."""
    command = [sys.executable, "-m", "dsample_cli", *map(str, args), "--workspace", str(folder)]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def environment() -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}


def ours(folder: Path, data: Path, engine: str = "torch") -> float:
    """What `dsample predict` does."""
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.predict import predict

    clock = Clock()
    run = Workspace(folder).find_run("latest")
    with (data.parent / "predictions.jsonl").open("w", encoding="utf-8") as file:
        summary = predict(run, str(data), file.write, clock, engine=engine)
    return summary.rows / (time.perf_counter() - clock.begin)


def bare(folder: Path, data: Path) -> float:
    """A loop over prebuilt batches of our size, in our precision."""
    import torch

    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.training.inference import batch_tokens, token_batches
    from dsample_cli.workflows.model import open_model

    run = Workspace(folder).find_run("latest")
    model = open_model(run, run.read_manifest())
    collator = model.collate([column(data)])
    cuts = token_batches(collator.tokens.lengths, batch_tokens(model.device.type))
    batches = [{k: v.to(model.device.type) for k, v in collator(rows).items()} for rows in cuts]
    network = model.network.eval()
    begin = time.perf_counter()
    with torch.inference_mode(), model.device.autocast():
        for batch in batches:
            logits = network(**batch).logits
    logits.float().cpu()  # waits for a GPU
    return len(collator.tokens) / (time.perf_counter() - begin)


def pipeline(folder: Path, data: Path, batch_size: int) -> float:
    """A pipeline as its documentation shows it."""
    import torch
    import transformers

    from dsample_cli.runs.workspace import Workspace

    run = Workspace(folder).find_run("latest")
    device = 0 if torch.cuda.is_available() else -1
    classify = transformers.pipeline(
        "text-classification", str(run.model_dir), device=device, batch_size=batch_size
    )
    texts = column(data)
    texts = texts[:: max(1, min(PIPELINE_STEP, len(texts) // PIPELINE_ROWS))]
    begin = time.perf_counter()
    found = classify(texts, truncation=True, max_length=LENGTH)
    assert len(found) == len(texts)
    return len(texts) / (time.perf_counter() - begin)


KINDS: dict[str, Callable[[Path, Path], float]] = {
    "ours": ours,
    "bare": bare,
    **{f"pipeline{size}": partial(pipeline, batch_size=size) for size in PIPELINE_BATCHES},
    **{name: partial(ours, engine=name) for name in ENGINES},
}


def measure(kind: str, folder: Path, data: Path) -> float:
    """Rows a second of one kind, in a process of its own."""
    program = [sys.executable, "-m", "tests.benchmarks.bench_predict", "--measure"]
    done = subprocess.run(
        [*program, kind, str(folder), str(data)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=environment(),
    )
    return float(done.stdout.splitlines()[-1])


def compare(folder: Path, title: str, texts: list[str], rounds: int) -> list[Figure]:
    """Ours, the pipeline at its best batch size, and the bare loop."""
    data = folder / "texts.csv"
    write_csv(data, ("text", "id"), ((text, i) for i, text in enumerate(texts)))
    sizes = [f"pipeline{size}" for size in PIPELINE_BATCHES]
    speeds: dict[str, list[float]] = {kind: [] for kind in ("ours", "bare", *sizes)}
    for _ in range(rounds):
        for kind, found in speeds.items():
            found.append(measure(kind, folder, data))
        print(json.dumps(speeds), file=sys.stderr, flush=True)
    speed = {kind: median(found) for kind, found in speeds.items()}
    best = max(sizes, key=lambda kind: speed[kind])

    def figure(peer: str, words: str, goal: float) -> Figure:
        name, ratio = f"{title}: ours / {words}", speed["ours"] / speed[peer]
        return Figure(name, speed["ours"], speed[peer], "rows/s", ratio, goal)

    return [
        figure(best, f"pipeline, batch {best.removeprefix('pipeline')}", GOALS["pipeline"]),
        figure("bare", "bare loop over prebuilt batches", GOALS["bare"]),
    ]


def compare_lengths(folder: Path, is_quick: bool) -> list[Figure]:
    """The same on each data set by itself."""
    figures: list[Figure] = []
    for name in FILES:
        texts = column(REAL_DATA / name)[: QUICK_ROWS if is_quick else None]
        words = sum(len(text.split()) for text in texts) / len(texts)
        title = f"{name}, {len(texts):,} texts of {words:.0f} words"
        figures += compare(folder, title, texts, 1 if is_quick else ROUNDS)
    return figures


def compare_engines(folder: Path, is_quick: bool) -> list[Figure]:
    """The engines against the first of them."""
    texts = column(ENGINE_FILE) or random_texts(np.random.default_rng(1))
    data = folder / "engines.csv"
    write_csv(data, ("text",), ((text,) for text in texts[: QUICK_ROWS if is_quick else None]))
    speeds: dict[str, list[float]] = {name: [] for name in ENGINES}
    for _ in range(1 if is_quick else ROUNDS):
        for name in ENGINES:
            speeds[name].append(measure(name, folder, data))
    first, *others = (median(found) for found in speeds.values())
    return [
        Figure(f"engine {name} / {ENGINES[0]}", speed, first, "rows/s", speed / first, None)
        for name, speed in zip(ENGINES[1:], others, strict=True)
    ]


def compare_memory(folder: Path, is_quick: bool) -> list[Figure]:
    """Peak memory at ten times the rows."""
    train(folder, "tiny", 3)
    peaks = []
    sizes = QUICK_MEMORY_ROWS if is_quick else MEMORY_ROWS
    texts = mixed_texts(min(sizes))
    for rows in sizes:
        data = folder / f"{rows}.csv"
        write_csv(data, ("text", "id"), ((texts[i % len(texts)], i) for i in range(rows)))
        peaks.append(
            median(
                dsample("predict", data, "-o", folder / "o.jsonl", "--quiet", folder=folder)
                for _ in range(1 if is_quick else ROUNDS)
            )
        )
    few, many = peaks
    name = f"peak memory, {sizes[1]:,} rows / {sizes[0]:,} rows"
    return [Figure(name, many, few, "MiB", few / many, 1 / 1.1)]


def run(options: Namespace) -> list[Figure]:
    """The figures that are asked for."""
    figures: list[Figure] = []
    is_whole = not (options.lengths or options.engines or options.memory)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        if options.memory:
            figures += compare_memory(Path(other), options.quick)
        if is_whole or options.lengths or options.engines:
            train(Path(one), "minilm", CLASSES)
        if options.lengths:
            figures += compare_lengths(Path(one), options.quick)
        if options.engines:
            figures += compare_engines(Path(one), options.quick)
        if is_whole:
            rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
            title, texts = f"{rows:,} mixed texts", mixed_texts(rows)
            figures += compare(Path(one), title, texts, 1 if options.quick else ROUNDS)
    return figures


if __name__ == "__main__":
    parser = benchmark_parser(__doc__, measured="KIND FOLDER FILE")
    parser.add_argument("--rows", type=int, metavar="N", help=f"texts, default {ROWS}")
    parser.add_argument("--lengths", action="store_true", help="compare on each data set")
    parser.add_argument("--engines", action="store_true", help="compare the engines")
    parser.add_argument("--memory", action="store_true", help="compare the memory of many rows")
    given = parser.parse_args()
    if given.lengths and not all((REAL_DATA / name).is_file() for name in FILES):
        parser.error(f"--lengths needs {', '.join(FILES)} in {REAL_DATA}")
    if given.measure:
        kind, *where = given.measure
        print(KINDS[kind](*map(Path, where)))
    else:
        print_report(run(given), given.json)
