"""How training grows with rows and with classes, and what of it is the tool's own.

    python -m tests.benchmarks.bench_scaling [--json] [--quick]

Each line is `dsample train` on a CSV file in a process of its own: one epoch of a model so small
that what is around it shows (one layer of width 32, texts of six words, batches of 128). Rows go
from 10^3 to 10^6 at 10 classes and without validation; classes from 2 to 10,000 at 50,000 rows, a
tenth of them validation. `epoch` is from before the epoch is drawn until it is recorded, validation
included. `model` is what of it the model's forward and backward passes, the loss, the clipping of
gradients and the optimizer take, by clocks around them; the rest, `own`, is the tool's and the
Trainer's: drawing, collating, callbacks, recording. Both are processor seconds of the main thread,
so that other work on the machine does not count; give PyTorch one thread (OMP_NUM_THREADS=1) and
they add up to the epoch. `own a step` is set beside the seconds of a
MiniLM step at the default batch size of 32, measured here by the same clocks: that is the share at
a size which people train, of which nothing is extrapolated but the model. Memory is the most that
the process had resident, less what it had before it read the file.
"""

import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.report import Figure, benchmark_parser, machine, print_report

ROWS, CLASSES = (10**3, 10**4, 10**5, 10**6), (2, 100, 1000, 10_000)
ROWS_OF_CLASSES, CLASSES_OF_ROWS = 50_000, 10
QUICK = 10  # so many times fewer rows
BATCH, MINILM_BATCH, MINILM_ROWS = 128, 32, 1280
MOST_SHARE, MOST_GROWTH = 0.05, 1.3
VOCABULARY = 3000


def write_model(folder: Path) -> None:
    """A BERT of one layer of width 32, and a tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    known = {word: i for i, word in enumerate([*special, *words()])}
    inner = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), special, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=64, **names).save_pretrained(
        folder
    )
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = BertConfig(
        vocab_size=len(known), intermediate_size=64, max_position_embeddings=64, **size
    )
    BertForSequenceClassification(config).save_pretrained(folder)


def words() -> list[str]:
    return [f"w{i}" for i in range(VOCABULARY)]


def write_data(path: Path, rows: int, classes: int) -> None:
    """Random texts of six words; each class has its rows, the first ones more."""
    rng = np.random.default_rng(0)
    known = np.array(words(), dtype=object)
    share = 1 / np.arange(1, classes + 1) ** 0.5
    drawn = rng.choice(classes, max(0, rows - 3 * classes), p=share / share.sum())
    codes = np.concatenate([np.tile(np.arange(classes), 3), drawn])[:rows]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for start in range(0, rows, 10_000):
            part = codes[start : start + 10_000].tolist()
            texts = known[rng.integers(0, VOCABULARY, (len(part), 6))].tolist()
            writer.writerows((" ".join(t), f"c{c:05d}") for t, c in zip(texts, part, strict=True))


class Clock:
    """Adds up the processor's seconds of calls; a call within another one counts once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._is_running = False

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._is_running:
                return function(*args, **kwargs)
            self._is_running, begin = True, time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.thread_time() - begin
                self._is_running = False

        return timed


def train(arguments: Sequence[str]) -> dict[str, Any]:
    """Run `dsample train` in this process, with clocks."""
    import accelerate
    import torch
    from transformers import Trainer  # noqa: F401  # what is imported before is no memory of rows

    from dsample_cli.cli import main
    from dsample_cli.training import fit, objective, recorder

    model, times = Clock(), {"begin": time.perf_counter()}
    steps = 0

    def on_build(builder: Callable[..., Any]) -> Callable[..., Any]:
        def build(*args: Any, **kwargs: Any) -> Any:
            trainer = builder(*args, **kwargs)
            trainer.model.forward = model.around(trainer.model.forward)
            trainer.optimizer.step = model.around(trainer.optimizer.step)
            return trainer

        return build

    def noting(name: str, function: Callable[..., Any], is_after: bool) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            nonlocal steps
            steps += name == "first_step"
            if not is_after:
                times[name], times["busy"] = time.perf_counter(), time.thread_time()
                model.seconds = 0.0
            answer = function(*args, **kwargs)
            if is_after:
                times.setdefault(name, time.perf_counter())
            return answer

        return noted

    def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        setattr(owner, name, make(getattr(owner, name)))

    replace(fit, "make_trainer", on_build)
    replace(accelerate.Accelerator, "backward", model.around)
    replace(accelerate.Accelerator, "clip_grad_norm_", model.around)
    replace(torch.nn.utils, "clip_grad_norm_", model.around)
    replace(objective.Objective, "_losses", model.around)
    cls = recorder.EpochRecorder
    replace(cls, "on_epoch_begin", lambda usual: noting("epoch", usual, False))
    replace(cls, "on_step_end", lambda usual: noting("first_step", usual, True))
    finish = cls.on_epoch_end

    def on_epoch_end(*args: Any, **kwargs: Any) -> Any:
        answer = finish(*args, **kwargs)
        times["end"], times["model"] = time.perf_counter(), model.seconds
        times["busy"] = time.thread_time() - times["busy"]
        return answer

    replace(cls, "on_epoch_end", lambda usual: on_epoch_end)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code = main.run(["train", *arguments, "--epochs", "1", "--schedule", "natural", "-q"])
    if code:
        raise SystemExit(code)
    return {
        "epoch": times["end"] - times["epoch"],
        "model": times["model"],
        "own": times["busy"] - times["model"],
        "steps": steps,
        "to_first_step": times["first_step"] - times["begin"],
        "all": time.perf_counter() - times["begin"],
        "mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
    }


def measure(folder: Path, rows: int, classes: int, validation: float, is_minilm: bool) -> Any:
    """What `train` finds in a process of its own."""
    data = folder / "data.csv"
    write_data(data, rows, classes)
    arguments = [str(data), "--val-size", str(validation), "--max-length", "64"]
    arguments += ["--workspace", str(folder / f"workspace-{rows}-{classes}-{is_minilm}")]
    arguments += ["--model", "minilm" if is_minilm else str(folder / "model")]
    arguments += ["--batch-size", str(MINILM_BATCH if is_minilm else BATCH)]
    program = [sys.executable, "-m", "tests.benchmarks.bench_scaling"]
    command = [*program, "--measure", json.dumps(arguments)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"}
    )
    if done.returncode:
        raise SystemExit(f"{rows} rows of {classes} classes failed with code {done.returncode}")
    found = {"rows": rows, "classes": classes} | json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(found), file=sys.stderr, flush=True)
    data.unlink()
    return found


def growth(name: str, small: dict[str, Any], large: dict[str, Any]) -> Figure:
    """Seconds a row of a large file beside those of a small one; 1 is linear."""
    a, b = (1e6 * f["epoch"] / f["rows"] for f in (large, small))
    return Figure(name, a, b, "µs/row", b / a, 1 / MOST_GROWTH)


def share(found: dict[str, Any], minilm: dict[str, Any]) -> Figure:
    """The tool's milliseconds a step beside those of a MiniLM step; better is a smaller share."""
    own = 1000 * found["own"] / found["steps"]
    step = 1000 * minilm["model"] / minilm["steps"]
    name = f"{found['rows']:,} rows, {found['classes']:,} classes: own / a MiniLM step"
    part = own / (own + step)
    return Figure(f"{name} ({part:.1%})", own, step, "ms", (1 - part), 1 - MOST_SHARE)


def compare(folder: Path, is_quick: bool) -> tuple[list[dict[str, Any]], list[Figure]]:
    write_model(folder / "model")
    less = QUICK if is_quick else 1
    minilm = measure(folder, MINILM_ROWS // (4 if is_quick else 1), 10, 0.0, is_minilm=True)
    sizes = [rows // less for rows in ROWS if rows // less >= 10 * CLASSES_OF_ROWS]
    by_rows = [measure(folder, rows, CLASSES_OF_ROWS, 0.0, is_minilm=False) for rows in sizes]
    of_classes = ROWS_OF_CLASSES // less
    by_classes = [
        measure(folder, of_classes, classes, 0.1, is_minilm=False)
        for classes in CLASSES
        if 3 * classes <= of_classes
    ]
    figures = [
        growth(f"{last['rows']:,} rows / {first['rows']:,}: seconds a row", first, last)
        for first, last in pairwise(by_rows[1:])
    ]
    own = by_classes[-1]["own"] / by_classes[0]["own"]
    figures.append(
        Figure(
            f"{by_classes[-1]['classes']:,} classes / {by_classes[0]['classes']}: own time "
            f"({own:.2f} times)",
            by_classes[-1]["own"],
            by_classes[0]["own"],
            "s",
            1 / own,
            None,
        )
    )
    figures += [share(found, minilm) for found in (minilm, *by_rows, *by_classes)]
    return [minilm, *by_rows, *by_classes], figures


def print_lines(lines: Sequence[dict[str, Any]]) -> None:
    names = ("rows", "classes", "epoch", "model", "own", "steps", "to_first_step", "all", "mib")
    print("".join(f"{name:>14}" for name in (*names, "own a row")))
    for line in lines:
        values = [
            f"{line[n]:,.2f}" if isinstance(line[n], float) else f"{line[n]:,}" for n in names
        ]
        values.append(f"{1e6 * line['own'] / line['rows']:.1f} µs")
        print("".join(f"{value:>14}" for value in values))


if __name__ == "__main__":
    options = benchmark_parser(__doc__, measured="ARGUMENTS").parse_args()
    if options.measure:
        print(json.dumps(train(json.loads(options.measure[0]))))
    else:
        with tempfile.TemporaryDirectory() as made:
            found, compared = compare(Path(made), options.quick)
        if options.json:
            figures = [asdict(figure) for figure in compared]
            print(json.dumps({"machine": machine(), "runs": found, "figures": figures}, indent=2))
        else:
            print_lines(found)
            print_report(compared, as_json=False)
