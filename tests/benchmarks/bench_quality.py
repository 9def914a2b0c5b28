"""What the speed of training is worth: macro-F1 after equal epochs, and the seconds to reach it.

    python -m tests.benchmarks.bench_quality [--json] [--quick] [--epochs 5] [--batch 32]

MiniLM on clinc_lt, which must lie beside the repository. `stock` is a `transformers.Trainer` with
its defaults at each of three learning rates, `ours` is what `dsample train` does by default, before
any correction of its outputs. Each is a process of its own. Test macro-F1 is taken after every
epoch; the seconds are those of training alone, so that neither pays for being watched.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.bench_train import LENGTH, QUICK_ROWS, Rows, new_model
from tests.benchmarks.report import Figure, benchmark_parser, machine, print_report
from tests.benchmarks.stock import stock_trainer
from tests.real.conftest import REAL_DATA

RATES = ("5e-5", "2e-4", "4e-4")
SEED = 42
Curve = list[tuple[float, float]]  # training seconds so far and test macro-F1, after each epoch


def read_rows(is_quick: bool) -> tuple[Rows, Rows]:
    """Training and test rows of clinc_lt, with the same label ids."""
    import pandas as pd

    train, test = (pd.read_csv(REAL_DATA / f"clinc_lt_{part}.csv") for part in ("train", "test"))
    codes, names = pd.factorize(train["label"])
    rows = Rows(train["text"].tolist(), codes.astype(np.int32))
    known = pd.Index(names).get_indexer(test["label"]).astype(np.int32)
    held_out = Rows(test["text"].tolist(), known)
    return (rows.first(QUICK_ROWS), held_out.first(QUICK_ROWS)) if is_quick else (rows, held_out)


def macro_f1(logits: np.ndarray, codes: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(codes, logits.argmax(1), average="macro", zero_division=0))


def ours(train: Rows, test: Rows, epochs: int, batch: int, rate: str) -> Curve:
    """What `dsample train` does by default, without its files."""
    from dsample_cli.core.config import TrainConfig
    from dsample_cli.core.progress import Silent
    from dsample_cli.training.devices import choose_device
    from dsample_cli.training.fit import fit, prepare
    from dsample_cli.workflows.scoring import resolve_score

    counts = np.bincount(train.codes)
    config = TrainConfig(data="", epochs=epochs, batch_size=batch, seed=SEED)
    score = resolve_score(config.score, counts).score
    names = tuple(str(c) for c in range(len(counts)))
    device = choose_device()
    fitting = prepare(config, names, [train.texts], train.codes, [test.texts], device)

    def measure(logits: Any) -> dict[str, Any]:
        figure = macro_f1(logits, test.codes)
        return {"macro_f1": figure, "accuracy": 0.0, "loss": 0.0}

    with tempfile.TemporaryDirectory() as folder:
        records = fit(
            fitting, score, Path(folder), measure, lambda record: None, None, Silent()
        ).records
    seconds = np.cumsum([record["seconds"] for record in records])
    return [(float(s), r["validation"]["macro_f1"]) for s, r in zip(seconds, records, strict=True)]


def stock(train: Rows, test: Rows, epochs: int, batch: int, rate: str) -> Curve:
    """A Trainer as its documentation shows it, at a learning rate."""
    import torch
    from transformers import TrainerCallback

    from dsample_cli.training.devices import choose_device
    from dsample_cli.training.inference import predict_logits
    from dsample_cli.training.tokenization import make_collator, tokenize

    torch.manual_seed(SEED)
    model, tokenizer = new_model(train.classes)
    collator = make_collator(tokenizer, tokenize(tokenizer, [test.texts], LENGTH))
    device, curve = choose_device(), Curve()

    class Watched(TrainerCallback):
        seconds = 0.0

        def on_epoch_begin(self, *args: Any, **options: Any) -> None:
            self.begin = time.perf_counter()

        def on_epoch_end(self, *args: Any, **options: Any) -> None:
            self.seconds += time.perf_counter() - self.begin
            logits = predict_logits(model, collator, device, train.classes)
            curve.append((self.seconds, macro_f1(logits, test.codes)))

    with tempfile.TemporaryDirectory() as folder:
        stock_trainer(
            model,
            tokenizer,
            train.texts,
            train.codes,
            folder,
            LENGTH,
            [Watched()],
            learning_rate=float(rate),
            num_train_epochs=epochs,
            per_device_train_batch_size=batch,
            seed=SEED,
        ).train()
    return curve


def curve_of(kind: str, rate: str, options: Namespace) -> Curve:
    """The curve of one training, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_quality", "--measure", kind, rate]
    sizes = ["--epochs", str(options.epochs), "--batch", str(options.batch)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        command + sizes + ["--quick"] * options.quick,
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    curve: Curve = json.loads(done.stdout.splitlines()[-1])
    return curve


def compare(options: Namespace) -> tuple[list[Figure], dict[str, Curve]]:
    curves = {"ours": curve_of("ours", "", options)}
    print(json.dumps(curves), file=sys.stderr, flush=True)
    for rate in RATES:
        curves[rate] = curve_of("stock", rate, options)
        print(json.dumps({rate: curves[rate]}), file=sys.stderr, flush=True)
    best = max(RATES, key=lambda rate: curves[rate][-1][1])
    seconds, figure = curves[best][-1]
    reached = next((s for s, found in curves["ours"] if found >= figure), float("inf"))
    end, final = curves["ours"][-1]
    peer = f"stock Trainer at its best rate, {best}"
    return [
        Figure(
            f"macro-F1 after {options.epochs} epochs / {peer}", final, figure, "", final / figure, 1
        ),
        Figure(
            f"seconds of {options.epochs} epochs / {peer}", end, seconds, "s", seconds / end, None
        ),
        Figure(
            f"seconds to macro-F1 {figure:.3f} / {peer}",
            reached,
            seconds,
            "s",
            seconds / reached,
            None,
        ),
    ], curves


def main() -> None:
    parser = benchmark_parser(__doc__, measured="KIND RATE")
    parser.add_argument("--epochs", type=int, default=5, help="default 5")
    parser.add_argument("--batch", type=int, default=32, help="examples a batch, default 32")
    options = parser.parse_args()
    if not REAL_DATA.is_dir():
        print("bench_quality needs clinc_lt beside the repository: ../shared/data")
        return
    if options.measure:
        kind, rate = options.measure
        train, test = read_rows(options.quick)
        learn = ours if kind == "ours" else stock
        print(json.dumps(learn(train, test, options.epochs, options.batch, rate)))
        return
    figures, curves = compare(options)
    if options.json:
        found = {"machine": machine(), "curves": curves, "figures": [asdict(f) for f in figures]}
        print(json.dumps(found, indent=2))
    else:
        print_report(figures, as_json=False)


if __name__ == "__main__":
    main()
