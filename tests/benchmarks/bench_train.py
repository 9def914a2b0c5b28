"""Training speed on one machine: ours, the reference's loop, a stock Trainer, and a bare loop.

    python -m tests.benchmarks.bench_train [--json] [--quick]

All train MiniLM with a new head on the same rows at the same thread count: an epoch is the first
3,000 rows. Each figure is examples a second of training alone (no loading, no evaluation), the
median of three processes of its own, in turn with the others. `reference` tokenises in the collate
function, pads to 96 and runs Adam in fp32; so that it ends today, it gets a tenth of the rows.
`stock` is a `transformers.Trainer` with its defaults and dynamic padding, at its best batch size.
`bare` is a PyTorch loop over our batches, built beforehand, in our precision, with our optimizer
and clipping: the ceiling of what a tool around such a loop can reach, unless it saves work in it.

The texts are those of clinc_lt and korean_hate where they lie beside the repository, else random
words of these lengths.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from tests.benchmarks.report import Figure, benchmark_parser, print_report
from tests.benchmarks.stock import stock_trainer
from tests.real.conftest import REAL_DATA

BATCH, LENGTH, LR, CLIP = 32, 128, 2e-4, 1.0
REFERENCE_LENGTH, REFERENCE_SHARE = 96, 0.1
STOCK_BATCHES = (16, 32, 64)
ROUNDS = 3
MOST_ROWS = 3000
QUICK_ROWS = 320
FILES = {
    "clinc_lt": ("clinc_lt_train.csv", "label"),
    "korean_hate": ("korean_hate_train.csv", "hate"),
}
# Rows, mean words and classes of the random texts that stand in.
LIKE = {"clinc_lt": (3783, 9, 150), "korean_hate": (7896, 20, 3)}


class Rows(NamedTuple):
    """Texts, and the label id of each."""

    texts: list[str]
    codes: np.ndarray

    def first(self, count: int) -> "Rows":
        return Rows(self.texts[:count], self.codes[:count])

    @property
    def classes(self) -> int:
        return int(self.codes.max()) + 1


def read_rows(name: str) -> Rows:
    """The texts of a data set, in random order."""
    rng = np.random.default_rng(0)
    file, label = FILES[name]
    if (REAL_DATA / file).is_file():
        import pandas as pd

        table = pd.read_csv(REAL_DATA / file).dropna().sample(frac=1, random_state=0)
        return Rows(table["text"].tolist(), pd.factorize(table[label])[0].astype(np.int32))
    size, words, classes = LIKE[name]
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    vocabulary = ["".join(rng.choice(letters, rng.integers(2, 8))) for _ in range(3000)]
    texts = [" ".join(rng.choice(vocabulary, rng.poisson(words) + 1)) for _ in range(size)]
    return Rows(texts, rng.integers(0, classes, size).astype(np.int32))


def new_model(classes: int) -> tuple[Any, Any]:
    from dsample_cli.training.encoders import load_for_training

    return load_for_training("minilm", [str(c) for c in range(classes)], [[]])


def ours(rows: Rows) -> float:
    """What `dsample train` does, without its files."""
    from dsample_cli.core.config import TrainConfig
    from dsample_cli.core.progress import Silent
    from dsample_cli.training.devices import choose_device
    from dsample_cli.training.fit import fit, prepare
    from dsample_cli.workflows.scoring import resolve_score

    names = tuple(str(c) for c in range(rows.classes))
    config = TrainConfig(data="", epochs=1, schedule="natural", batch_size=BATCH)
    score = resolve_score("softmax", np.bincount(rows.codes)).score
    fitting = prepare(config, names, [rows.texts], rows.codes, None, choose_device())
    with tempfile.TemporaryDirectory() as folder:
        result = fit(
            fitting, score, Path(folder), lambda logits: {}, lambda record: None, None, Silent()
        )
    return float(result.records[0]["examples_per_second"])


def bare(rows: Rows) -> float:
    """A loop over prebuilt batches: our lengths, precision, optimizer and clipping."""
    import torch
    from transformers import get_scheduler

    from dsample_cli.core.schedules import EpochPlan
    from dsample_cli.training.devices import choose_device
    from dsample_cli.training.optim import build_optimizer
    from dsample_cli.training.sampler import EpochSampler
    from dsample_cli.training.tokenization import make_collator, tokenize
    from dsample_cli.workflows.scoring import resolve_score

    model, tokenizer = new_model(rows.classes)
    tokens = tokenize(tokenizer, [rows.texts], LENGTH)
    score = resolve_score("softmax", np.bincount(rows.codes)).score
    sampler = EpochSampler(rows.codes, score, tokens.lengths, BATCH, seed=42)
    sampler.plan(0, EpochPlan(0.0))
    collator = make_collator(tokenizer, tokens, rows.codes)
    order = sampler.rows
    batches = [collator(order[start : start + BATCH]) for start in range(0, len(order), BATCH)]
    device = choose_device()
    model.to(device.type).train()
    batches = [{name: t.to(device.type) for name, t in batch.items()} for batch in batches]
    optimizer = build_optimizer(model, LR, weight_decay=0.1)
    scheduler = get_scheduler("linear", optimizer, len(batches) // 5, len(batches))

    def epoch() -> None:
        for batch in batches:
            with device.autocast():
                loss = model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()

    return len(order) / _seconds(epoch)


def stock(rows: Rows, batch_size: int) -> float:
    """A Trainer as its documentation shows it."""
    model, tokenizer = new_model(rows.classes)
    with tempfile.TemporaryDirectory() as folder:
        trainer = stock_trainer(
            model,
            tokenizer,
            rows.texts,
            rows.codes,
            folder,
            LENGTH,
            num_train_epochs=1,
            per_device_train_batch_size=batch_size,
        )
        return len(rows.codes) / _seconds(trainer.train)


def reference(rows: Rows) -> float:
    """The loop of s2jin/D-Sampling_Imbalanced-CLS, as far as its cost goes."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, tokenizer = new_model(rows.classes)
    model.to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5, fused=False)

    def collate(batch: list[int]) -> Any:
        encoded = tokenizer(
            [rows.texts[row] for row in batch],
            padding="max_length",
            truncation=True,
            max_length=REFERENCE_LENGTH,
            return_tensors="pt",
        )
        encoded["labels"] = torch.tensor(rows.codes[batch], dtype=torch.long)
        return encoded.to(device)

    loader = torch.utils.data.DataLoader(
        range(len(rows.codes)), BATCH, shuffle=True, collate_fn=collate
    )

    def epoch() -> None:
        for batch in loader:
            optimizer.zero_grad()
            loss = model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10)
            optimizer.step()
            loss.item()

    return len(rows.codes) / _seconds(epoch)


def _seconds(job: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    job()
    return time.perf_counter() - begin


KINDS: dict[str, Callable[[Rows], float]] = {
    "ours": ours,
    "bare": bare,
    "reference": lambda rows: reference(rows.first(int(len(rows.codes) * REFERENCE_SHARE))),
    **{f"stock{size}": lambda rows, size=size: stock(rows, size) for size in STOCK_BATCHES},
}


def measure(kind: str, name: str, is_quick: bool) -> float:
    """Examples a second of one kind, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_train", "--measure", kind, name]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        command + ["--quick"] * is_quick,
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def compare(name: str, is_quick: bool) -> list[Figure]:
    speeds: dict[str, list[float]] = {kind: [measure(kind, name, is_quick)] for kind in KINDS}
    best = max((k for k in KINDS if k.startswith("stock")), key=lambda kind: speeds[kind][0])
    for _ in range(1, 1 if is_quick else ROUNDS):
        for kind in ("ours", "bare", "reference", best):
            speeds[kind].append(measure(kind, name, is_quick))
    speed = {kind: median(found) for kind, found in speeds.items()}

    def figure(peer: str, words: str, goal: float) -> Figure:
        ratio = speed["ours"] / speed[peer]
        return Figure(f"{name}: ours / {words}", speed["ours"], speed[peer], "rows/s", ratio, goal)

    return [
        figure("reference", "the reference's loop", 12),
        figure(best, f"stock Trainer, batch {best.removeprefix('stock')}", 2.7),
        figure("bare", "bare loop over prebuilt batches", 0.92),
    ]


if __name__ == "__main__":
    options = benchmark_parser(__doc__, measured="KIND DATA").parse_args()
    if options.measure:
        kind, data = options.measure
        rows = read_rows(data).first(QUICK_ROWS if options.quick else MOST_ROWS)
        print(KINDS[kind](rows))
    else:
        figures = [f for name in FILES for f in compare(name, options.quick)]
        print_report(figures, options.json)
