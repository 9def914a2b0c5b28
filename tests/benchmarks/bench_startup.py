"""What it costs to begin: help, the prediction of one row, and the first step of a training.

    python -m tests.benchmarks.bench_startup [--json] [--quick]

Each figure is the wall time of a whole process, in turn with the process that it is compared with,
the median of seven of each after one that warms the disk's cache. `--help` is compared with a
Python that imports Typer. `dsample predict` on one row is compared with a script that imports torch
and transformers, loads the same folder and predicts the same row. The first step of `dsample train`
(MiniLM, the training file of clinc_lt where it lies beside the repository, else random words of
that length) is compared with a script that imports the Trainer, loads the same model, tokenises the
same rows and takes one step of the same batch size in the same precision; both processes leave as
soon as the step has been taken.
"""

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.benchmarks.bench_train import FILES, read_rows
from tests.benchmarks.report import Figure, benchmark_parser, print_report
from tests.real.conftest import REAL_DATA

ROUNDS, QUICK_ROUNDS = 7, 2
BATCH, LENGTH = 32, 128
DSAMPLE = Path(sys.executable).with_name("dsample")
TEXT = "please book a table for two at the italian place round the corner"

TYPER = "import typer"

BARE_PREDICT = """
import sys
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model.eval()
with torch.inference_mode():
    logits = model(**tokenizer(sys.argv[2], return_tensors="pt")).logits
print(model.config.id2label[int(logits.argmax())])
"""

# The command line itself, but that the process leaves at the end of the first step.
OUR_STEP = """
import os, sys
from dsample_cli.workflows import train
usual = train._train

def until_first_step(*given):
    from dsample_cli.training.recorder import EpochRecorder
    EpochRecorder.on_step_end = lambda *args, **kwargs: os._exit(0)
    return usual(*given)

train._train = until_first_step
from dsample_cli.cli.main import main
main(sys.argv[1:])
"""

BARE_STEP = """
import csv, os, sys
import torch
from transformers import (
    AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer,
    TrainerCallback, TrainingArguments,
)
folder, data, out, is_bf16, label = sys.argv[1:]
with open(data, encoding="utf-8", newline="") as file:
    rows = list(csv.DictReader(file))
names = sorted({row[label] for row in rows})
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(names))
encoded = tokenizer([row["text"] for row in rows], truncation=True, max_length=LENGTH)
places = {name: place for place, name in enumerate(names)}
examples = [
    {"input_ids": ids, "attention_mask": mask, "labels": places[row[label]]}
    for ids, mask, row in zip(encoded["input_ids"], encoded["attention_mask"], rows)
]

class Leave(TrainerCallback):
    def on_step_end(self, *args, **kwargs):
        os._exit(0)

Trainer(
    model,
    TrainingArguments(
        out, per_device_train_batch_size=BATCH, bf16=is_bf16 == "True",
        use_cpu=not torch.cuda.is_available(), report_to="none", save_strategy="no",
        logging_strategy="no", disable_tqdm=True,
    ),
    train_dataset=examples,
    data_collator=DataCollatorWithPadding(tokenizer),
    callbacks=[Leave()],
).train()
""".replace("LENGTH", str(LENGTH)).replace("BATCH", str(BATCH))


def seconds(command: Sequence[str]) -> float:
    """Wall time of a process that must succeed."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    taken = time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:3])[:200]} failed:\n{done.stderr[-2000:]}")
    return taken


def in_turn(first: Sequence[str], other: Sequence[str], rounds: int) -> tuple[float, float]:
    """Median wall times of two commands that alternate."""
    for command in (first, other):
        seconds(command)
    pairs = [(seconds(first), seconds(other)) for _ in range(rounds)]
    return median(p[0] for p in pairs), median(p[1] for p in pairs)


def figure(name: str, ours: Sequence[str], peer: Sequence[str], most: float, rounds: int) -> Figure:
    """Our time beside the other's; `ratio` is theirs over ours, so that more is better."""
    own, other = in_turn(ours, peer, rounds)
    return Figure(f"{name} ({own / other:.2f} times)", own, other, "s", other / own, 1 / most)


def training_file(folder: Path) -> tuple[Path, str]:
    """A file of clinc_lt's shape, and the name of its label column."""
    file, label = FILES["clinc_lt"]
    if (REAL_DATA / file).is_file():
        return REAL_DATA / file, label
    rows = read_rows("clinc_lt")
    path = folder / file
    with path.open("w", encoding="utf-8", newline="") as written:
        writer = csv.writer(written)
        writer.writerow(["text", label])
        writer.writerows(zip(rows.texts, (f"class {code}" for code in rows.codes), strict=True))
    return path, label


def compare(folder: Path, rounds: int) -> list[Figure]:
    from dsample_cli.training.devices import choose_device
    from dsample_cli.training.encoders import find_minilm

    data, label = training_file(folder)
    columns = ["--text-column", "text", "--label-column", label]
    with data.open(encoding="utf-8", newline="") as file:
        head = [line for line, _ in zip(csv.reader(file), range(401), strict=False)]
    with (folder / "few.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(head)
    with (folder / "one.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text"], [TEXT]])
    train = ["train", "--model", "minilm", "--batch-size", str(BATCH), "--max-length", str(LENGTH)]
    workspace = ["--workspace", str(folder / "workspace")]
    train += [*columns, *workspace]
    few = [*train, str(folder / "few.csv"), "--epochs", "1", "--schedule", "natural"]
    seconds([str(DSAMPLE), *few])
    (model,) = folder.glob("workspace/runs/*/model")
    is_bf16 = str(choose_device().precision == "bf16")
    one = ["predict", str(folder / "one.csv"), *workspace]
    python = [sys.executable, "-c"]
    return [
        figure(
            "dsample --help / import typer", [str(DSAMPLE), "--help"], [*python, TYPER], 2, rounds
        ),
        figure(
            "dsample predict, one row / bare script",
            [str(DSAMPLE), *one],
            [*python, BARE_PREDICT, str(model), TEXT],
            1.15,
            rounds,
        ),
        figure(
            "dsample train, to the first step / bare script",
            [*python, OUR_STEP, *train, str(data)],
            [*python, BARE_STEP, find_minilm(), str(data), str(folder / "out"), is_bf16, label],
            1.15,
            rounds,
        ),
    ]


if __name__ == "__main__":
    options = benchmark_parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as made:
        figures = compare(Path(made), QUICK_ROUNDS if options.quick else ROUNDS)
    print_report(figures, options.json)
