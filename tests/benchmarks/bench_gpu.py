"""How much of a GPU's peak a fine-tune of BERT-base's size reaches: ours beside a stock Trainer.

    python -m tests.benchmarks.bench_gpu [--json] [--quick] [--seconds 540] [--kinds ours,stock]
        [--batches 32,64,128]
    python -m tests.benchmarks.bench_gpu --quick --cpu    # a smoke test, with a toy model

Needs one CUDA device that computes in bf16; without one it says so and ends. No network: the model
is made from a `BertConfig` (12 layers of width 768) with random weights, its vocabulary of random
words, and every text fills 128 tokens. Each kind runs in a process of its own, in turn with the
others, once a round; a kind that fails is reported and stops no other. A process takes each batch
size in turn: some steps to warm up, in which `--compile` compiles too, then the steps that count,
between two synchronisations with the device.

Kinds: `ours` is `training.fit`, as `dsample train` calls it, with `--precision bf16`;
`ours-compile` is the same with `--compile`. `stock` is a `transformers.Trainer` with `bf16=True`
and its defaults, `stock-compile` the same with `torch_compile=True`. `bare` is a PyTorch loop over
batches that lie on the device already, with our optimizer: what remains of the model itself.

    model FLOPs of a text = length (6 P + 12 layers width length) + 6 H

forward and backward, with P the parameters of the encoder's layers, through which every token goes,
and H those of pooler and classifier, which see one token a text; embeddings are looked up. The
second term is attention's two products. Utilisation is model FLOPs a second over the peak dense
bf16 rate: the data sheet's where the device's name is known, else the rate of a large product of
matrices measured here, which is always shown as well.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from tests.benchmarks.report import benchmark_parser, machine
from tests.benchmarks.stock import stock_trainer

LENGTH, CLASSES, VOCABULARY = 128, 10, 30_522
WARMUP_STEPS = 20
ROUNDS = 3
MARK = "bench_gpu: "  # before a child's results, among what libraries print
NEEDS = (
    "bench_gpu needs a CUDA device with bf16 (compute capability 8.0 or more) and a CUDA build of "
    "PyTorch; neither weights nor a network. Without a GPU, try the program with: "
    "python -m tests.benchmarks.bench_gpu --quick --cpu"
)
# Dense bf16 FLOPs a second of data sheets; the first name that fits counts.
PEAKS = {
    "B200": 2250e12,
    "GH200": 989e12,
    "H200 NVL": 835e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "A10G": 70e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
}


class Plan(NamedTuple):
    """What all processes measure.

    Attributes:
        folder: Of the model.
        device: "cuda" or "cpu".
        rows: Texts of the steps that count.
        batches: Sizes.
    """

    folder: str
    device: str
    rows: int
    batches: Sequence[int]


class Timing:
    """Takes the time between the end of the warm-up and the last step."""

    def __init__(self, steps: int, device: str) -> None:
        self._steps, self._device = steps, device
        self._done = 0
        self._begin = self.seconds = 0.0

    def step(self) -> None:
        self._done += 1
        if self._done == WARMUP_STEPS:
            self._begin = self._now()
        elif self._done == self._steps:
            self.seconds = self._now() - self._begin

    def _now(self) -> float:
        if self._device == "cuda":
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()


def write_model(folder: str, is_toy: bool) -> None:
    """A BERT with random weights, and a tokenizer that knows random words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        PreTrainedTokenizerFast,
        set_seed,
    )

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: i for i, word in enumerate([*special, *words()])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), special, strict=False))
    PreTrainedTokenizerFast(
        tokenizer_object=inner, model_max_length=512, mask_token="[MASK]", **names
    ).save_pretrained(folder)
    toy = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    size = toy | {"intermediate_size": 128} if is_toy else {}
    set_seed(0)
    model = BertForSequenceClassification(
        BertConfig(vocab_size=len(vocabulary), num_labels=CLASSES, **size)
    )
    model.save_pretrained(folder)


def words() -> list[str]:
    return [f"w{i}" for i in range(VOCABULARY - 5)]


def make_texts(count: int) -> tuple[list[str], np.ndarray]:
    """Texts of more than LENGTH random words, and labels."""
    rng = np.random.default_rng(0)
    known = np.array(words(), dtype=object)
    texts = [" ".join(row) for row in known[rng.integers(0, len(known), (count, LENGTH))]]
    codes = np.concatenate([np.arange(CLASSES), rng.integers(0, CLASSES, count - CLASSES)])
    return texts, codes.astype(np.int32)


def ours(plan: Plan, batch: int, texts: list[str], codes: np.ndarray, compiled: bool) -> float:
    from dsample_cli.core.config import TrainConfig
    from dsample_cli.core.progress import Silent
    from dsample_cli.training.devices import choose_device
    from dsample_cli.training.fit import fit, prepare
    from dsample_cli.workflows.scoring import resolve_score

    timing = Timing(len(texts) // batch, plan.device)

    class Timed(Silent):
        def advance(self, count: int) -> None:
            if count:
                timing.step()

    further: dict[str, Any] = {"compile": True} if compiled else {}
    config = TrainConfig(
        data="",
        model=plan.folder,
        epochs=1,
        schedule="natural",
        batch_size=batch,
        max_length=LENGTH,
        device=plan.device,
        precision="bf16",
        **further,
    )
    names = tuple(str(c) for c in range(CLASSES))
    device = choose_device(plan.device, "bf16")
    fitting = prepare(config, names, [texts], codes, None, device)
    assert (fitting.train.lengths == LENGTH).all()
    score = resolve_score("softmax", np.bincount(codes)).score
    with tempfile.TemporaryDirectory() as folder:
        fit(fitting, score, Path(folder), lambda logits: {}, lambda record: None, None, Timed())
    return timing.seconds


def stock(plan: Plan, batch: int, texts: list[str], codes: np.ndarray, compiled: bool) -> float:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback

    tokenizer = AutoTokenizer.from_pretrained(plan.folder)
    model = AutoModelForSequenceClassification.from_pretrained(plan.folder, dtype=torch.float32)
    timing = Timing(len(texts) // batch, plan.device)

    class Timed(TrainerCallback):
        def on_step_end(self, *args: Any, **options: Any) -> None:
            timing.step()

    with tempfile.TemporaryDirectory() as folder:
        stock_trainer(
            model,
            tokenizer,
            texts,
            codes,
            folder,
            LENGTH,
            [Timed()],
            num_train_epochs=1,
            per_device_train_batch_size=batch,
            bf16=True,
            use_cpu=plan.device == "cpu",
            torch_compile=compiled,
        ).train()
    return timing.seconds


def bare(plan: Plan, batch: int, texts: list[str], codes: np.ndarray) -> float:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(plan.folder)
    model = AutoModelForSequenceClassification.from_pretrained(plan.folder, dtype=torch.float32)
    model.to(plan.device).train()
    encoded = tokenizer(texts, truncation=True, max_length=LENGTH, return_tensors="pt")
    inputs = {
        "input_ids": encoded["input_ids"].to(plan.device),
        "attention_mask": encoded["attention_mask"].to(plan.device),
        "labels": torch.from_numpy(codes.astype(np.int64)).to(plan.device),
    }
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, fused=True)
    timing = Timing(len(texts) // batch, plan.device)
    for start in range(0, len(texts), batch):
        with torch.autocast(plan.device, dtype=torch.bfloat16):
            loss = model(**{n: values[start : start + batch] for n, values in inputs.items()}).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        timing.step()
    return timing.seconds


KINDS: dict[str, Callable[[Plan, int, list[str], np.ndarray], float]] = {
    "ours": partial(ours, compiled=False),
    "ours-compile": partial(ours, compiled=True),
    "stock": partial(stock, compiled=False),
    "stock-compile": partial(stock, compiled=True),
    "bare": bare,
}


def flops_per_text(folder: str) -> float:
    """Model FLOPs of one text, forward and backward."""
    import torch
    from transformers import AutoConfig, BertForSequenceClassification

    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model = BertForSequenceClassification(config)
    layers = sum(p.numel() for p in model.bert.encoder.parameters())
    once = [*model.bert.pooler.parameters(), *model.classifier.parameters()]
    attention = 12 * config.num_hidden_layers * config.hidden_size * LENGTH
    return LENGTH * (6 * layers + attention) + 6 * sum(p.numel() for p in once)


def matmul_rate(device: str) -> float:
    """FLOPs a second of a product of bf16 matrices, the best of a few."""
    import torch

    size, times = (8192, 50) if device == "cuda" else (1024, 3)
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))

    def seconds() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(times):
            left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - begin

    return 2 * size**3 * times / min(seconds() for _ in range(5))


def describe(plan: Plan) -> dict[str, Any]:
    """The device, its peaks, and the work of a text."""
    import torch
    import transformers

    name = torch.cuda.get_device_name() if plan.device == "cuda" else "CPU"
    known = [rate for part, rate in PEAKS.items() if part in name and "MIG" not in name]
    return {
        "device": name,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "flops_per_text": flops_per_text(plan.folder),
        "data_sheet_flops": known[0] if known else None,
        "matmul_flops": matmul_rate(plan.device),
    }


def measure(kind: str, plan: Plan) -> Iterator[dict[str, Any]]:
    """Seconds of the steps that count, for each batch size, in this process."""
    import gc

    import torch

    texts, codes = make_texts(plan.rows + WARMUP_STEPS * max(plan.batches))
    for batch in plan.batches:
        steps = WARMUP_STEPS + plan.rows // batch
        found: dict[str, Any] = {"kind": kind, "batch": batch, "rows": plan.rows // batch * batch}
        size = steps * batch
        if plan.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        try:
            found["seconds"] = KINDS[kind](plan, batch, texts[:size], codes[:size])
        except Exception as error:  # out of memory at one size says nothing about the next
            found["error"] = f"{type(error).__name__}: {str(error).strip()[:400]}"
        if plan.device == "cuda":
            found["gib"] = torch.cuda.max_memory_allocated() / 2**30
        yield found
        gc.collect()
        if plan.device == "cuda":
            torch.cuda.empty_cache()


def child(what: str, plan: Plan, seconds: float) -> list[dict[str, Any]]:
    """The JSON lines that a process of its own prints; an `error` among them if it failed."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_gpu", "--measure", what]
    hidden = "" if plan.device == "cpu" else os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": hidden}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        try:
            code = subprocess.run(
                [*command, json.dumps(plan)],
                stdout=out,
                stderr=err,
                timeout=max(1.0, seconds),
                env=environment,
            ).returncode
            problem = f"exit code {code}" if code else ""
        except subprocess.TimeoutExpired:
            problem = "no time left"
        out.seek(0)
        err.seek(0)
        lines = [json.loads(line.removeprefix(MARK)) for line in out if line.startswith(MARK)]
        if problem:
            lines.append({"kind": what, "error": f"{problem}: {err.read()[-800:].strip()}"})
    return lines


def compare(
    plan: Plan, kinds: Sequence[str], rounds: int, end: float
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The device, and what each process found; begins no process that would not end in time."""
    about = child("device", plan, end - time.monotonic())[0]
    print(json.dumps(about), file=sys.stderr)
    found: list[dict[str, Any]] = []
    took: dict[str, float] = {}
    for number in range(rounds):
        for kind in kinds:
            begin = time.monotonic()
            if end - begin < took.get(kind, 5.0):
                print(f"round {number + 1}: no time left for {kind}", file=sys.stderr)
                continue
            lines = child(kind, plan, end - begin)
            took[kind] = time.monotonic() - begin
            for line in lines:
                print(json.dumps(line), file=sys.stderr, flush=True)
            found.extend(lines)
    return about, found


def summarise(about: dict[str, Any], found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each kind and batch size: medians over the rounds."""
    peak = about["data_sheet_flops"] or about["matmul_flops"]
    rows = []
    for kind, batch in dict.fromkeys((f["kind"], f.get("batch")) for f in found):
        of_both = [f for f in found if (f["kind"], f.get("batch")) == (kind, batch)]
        good = [f for f in of_both if f.get("seconds")]
        row: dict[str, Any] = {"kind": kind, "batch": batch, "rounds": len(good)}
        if good:
            speeds = [f["rows"] / f["seconds"] for f in good]
            rate = median(speeds) * about["flops_per_text"]
            row |= {
                "texts_per_second": round(median(speeds), 1),
                "spread": round((max(speeds) - min(speeds)) / median(speeds), 3),
                "milliseconds_per_step": round(batch / median(speeds) * 1000, 2),
                "utilisation": round(rate / peak, 4),
                "share_of_matmul": round(rate / about["matmul_flops"], 4),
                "gib": round(max(f.get("gib", 0) for f in good), 2),
            }
        if errors := [f["error"] for f in of_both if "error" in f]:
            row["error"] = errors[-1]
        rows.append(row)
    return rows


def best_of(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The row of each kind's best batch size."""
    good = sorted((r for r in rows if r["rounds"]), key=lambda r: r["texts_per_second"])
    return {row["kind"]: row for row in good}


def print_all(about: dict[str, Any], rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    best = best_of(rows)
    names = ("ours", "ours-compile")
    ratios = {
        f"{name} / {peer}": round(
            best[name]["texts_per_second"] / best[peer]["texts_per_second"], 3
        )
        for name in names
        for peer in ("stock", "stock-compile", "bare")
        if name in best and peer in best
    }
    if as_json:
        print(json.dumps({"machine": machine() | about, "rows": rows, "ratios": ratios}, indent=2))
        return
    print(", ".join(f"{key} {value}" for key, value in (machine() | about).items()))
    head = ("kind", "batch", "texts/s", "ms/step", "MFU", "of matmul", "GiB", "spread", "rounds")
    print(("{:<15}" + "{:>11}" * 8).format(*head))
    for row in rows:
        if row["rounds"]:
            mark = " best" if best[row["kind"]] is row else ""
            print(
                f"{row['kind']:<15}{row['batch']:>11}{row['texts_per_second']:>11}"
                f"{row['milliseconds_per_step']:>11}{row['utilisation']:>11.1%}"
                f"{row['share_of_matmul']:>11.1%}{row['gib']:>11}{row['spread']:>11.1%}"
                f"{row['rounds']:>11}{mark}"
            )
        if "error" in row:
            print(f"{row['kind']:<15}{row['batch'] or '-':>11}  failed: {row['error']}")
    for name, ratio in ratios.items():
        print(f"{name}, each at its best batch: {ratio}")


def is_usable() -> bool:
    """Whether a CUDA device with bf16 is there, asked in a process of its own."""
    question = (
        "import torch; print(torch.cuda.is_available() and "
        "torch.cuda.is_bf16_supported(including_emulation=False))"
    )
    done = subprocess.run([sys.executable, "-c", question], stdout=subprocess.PIPE, text=True)
    return done.stdout.strip() == "True"


def parse() -> argparse.Namespace:
    parser = benchmark_parser(__doc__, measured="WHAT PLAN")
    every = ",".join(KINDS)
    parser.add_argument("--seconds", type=float, default=540, help="when to end, default 540")
    parser.add_argument("--kinds", default=every, help=f"which, default {every}")
    parser.add_argument("--batches", default="32,64,128", help="sizes, default 32,64,128")
    parser.add_argument("--cpu", action="store_true", help="a toy model without a GPU")
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    end = time.monotonic() + options.seconds
    if not options.cpu and not is_usable():
        print(NEEDS)
        return
    with tempfile.TemporaryDirectory() as folder:
        batches = [int(size) for size in options.batches.split(",")]
        plan = Plan(folder, "cuda", 3200 if options.quick else 19_200, batches)
        if options.cpu:
            plan = Plan(folder, "cpu", 64, (8, 16))
        write_model(folder, is_toy=options.cpu)
        rounds = 1 if options.quick else ROUNDS
        about, found = compare(plan, options.kinds.split(","), rounds, end)
    if "flops_per_text" not in about:
        sys.exit(f"The device could not be measured: {about.get('error')}")
    print_all(about, summarise(about, found), options.json)


if __name__ == "__main__":
    given = parse()
    if given.measure:
        wanted, text = given.measure
        shared = Plan(*json.loads(text))
        for line in [describe(shared)] if wanted == "device" else measure(wanted, shared):
            print(MARK + json.dumps(line), flush=True)
    else:
        main(given)
