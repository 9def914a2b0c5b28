"""Damage a saved model in many ways and load it: it works, or a ConfigError says what is wrong.

python -m tests.trust.mutated_models --inputs 2000

Bytes of each file are flipped, cut and filled; values within the JSON files and the header of the
weights are replaced by what nobody expects. Each case is loaded as a run's model and as an encoder,
and has to classify where it loads, in a process that may not take more than `MEMORY`.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEMORY = 12 * 2**30
SECONDS = 30
NAMES = ["ham", "spam"]
TEXTS = ["one two three", "three one two two", "a text of other words"]
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 3, 7, 64, 10**5, 10**9, 2**31, 2**63, -(2**63), 10**30),
    *(
        0.0,
        -0.5,
        1e-320,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x",
        "0",
        "[PAD]",
        "\ud800",
        "../x",
    ),
    *("x" * 10_000, [], {}, [[]], [None], [1, "a"], {"": {}}, {"a": [1]}, [0] * 1000),
    *("gpt2", "t5", "clip", "bert", "none", "kernels-community/evil", {"rope_type": "yarn"}),
]
FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
WORKS, REFUSED = "works", "refused"


def make_model(folder: Path) -> None:
    """Save a two-layer BERT, the commonest architecture, and its tokenizer."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    import dsample_cli.training.encoders  # noqa: F401 - it silences transformers
    from dsample_cli.training.tiny import train_tokenizer

    torch.manual_seed(0)
    tokenizer = train_tokenizer(TEXTS * 3)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=64,
        id2label=dict(enumerate(NAMES)),
        label2id={name: k for k, name in enumerate(NAMES)},
        pad_token_id=tokenizer.pad_token_id,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def mutate(folder: Path, seed: int) -> str:
    """Damage one file of a model; say how."""
    rng = random.Random(seed)
    file = folder / rng.choice(FILES)
    content = file.read_bytes()
    ways: list[Callable[[bytes, random.Random], tuple[bytes, str]]] = [_damaged_bytes]
    ways += [_damaged_header if file.suffix == ".safetensors" else _damaged_json] * 3
    damaged, how = rng.choice(ways)(content, rng)
    file.write_bytes(damaged)
    return f"{file.name}: {how}"


def _damaged_bytes(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    place, size = rng.randrange(len(content)), rng.choice((1, 1, 4, 64, 5000))
    way = rng.choice(("cut", "flip", "zero", "noise", "repeat", "empty"))
    if way == "cut":
        return content[:place], f"cut at {place}"
    if way == "empty":
        return b"", "empty"
    if way == "repeat":
        return content[:place] + content, f"repeated at {place}"
    part = content[place : place + size]
    made = {"flip": bytes(b ^ 1 for b in part), "zero": bytes(len(part))}
    return (
        content[:place] + made.get(way, rng.randbytes(len(part))) + content[place + size :],
        f"{way} {size} at {place}",
    )


def _damaged_json(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    value = json.loads(content)
    how = _change(value, rng)
    return json.dumps(value).encode(), how


def _damaged_header(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    (size,) = struct.unpack("<Q", content[:8])
    if rng.random() < 0.2:
        lie = rng.choice((0, 1, size - 1, size + 1, 2**20, 2**31, 2**40, 2**63, 2**64 - 1))
        return struct.pack("<Q", lie) + content[8:], f"header of {lie} bytes"
    header = json.loads(content[8 : 8 + size])
    name = rng.choice([key for key in header if key != "__metadata__"])
    way = rng.choice(("any", "dtype", "shape", "name", "drop"))
    if way == "any":
        how = _change(header, rng)
    elif way == "dtype":
        header[name]["dtype"] = how = rng.choice(
            ("I32", "U8", "BOOL", "F8_E4M3", "C64", "X", "F16")
        )
    elif way == "shape":
        shape = header[name]["shape"]
        header[name]["shape"] = rng.choice(([*shape, 1], shape[::-1], [1, *shape], [], [2**40]))
        how = f"{name} of shape {header[name]['shape']}"
    elif way == "name":
        header[f"x.{name}"] = header.pop(name)
        how = f"{name} renamed"
    else:
        del header[name]
        how = f"{name} dropped"
    made = json.dumps(header).encode()
    return struct.pack("<Q", len(made)) + made + content[8 + size :], how


def _change(value: Any, rng: random.Random) -> str:
    """Replace, remove or add something somewhere within a JSON value."""
    path = []
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = rng.choice(keys)
        path.append(str(key)[:30])
        inner = value[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.75:
            value = inner
            continue
        break
    if rng.random() < 0.2:
        del value[key]
        return f"{'.'.join(path)} removed"
    value[key] = rng.choice(VALUES)
    return f"{'.'.join(path)} = {str(value[key])[:40]!r}"


def load(folder: Path) -> str:
    """Load a folder in both ways and classify; "works", "refused", or what else happened."""
    from dsample_cli.errors import ConfigError

    outcomes = []
    for way in (_as_run, _as_encoder):
        try:
            way(folder)
            outcomes.append(WORKS)
        except ConfigError as error:
            if "memory" in error.message or "allocate" in error.message:
                return f"asked for memory: {error.message}"
            if str(folder) not in error.message and "model" not in error.message:
                return f"does not say which: {error.message}"
            outcomes.append(REFUSED)
        except Exception as error:
            return f"{way.__name__}: {type(error).__name__}: {str(error)[:200]}"
    return WORKS if WORKS in outcomes else REFUSED


def _as_run(folder: Path) -> None:
    from dsample_cli.training.encoders import load_trained

    _classify(*load_trained(folder))


def _as_encoder(folder: Path) -> None:
    from dsample_cli.training.encoders import load_for_training, longest_input

    network, tokenizer = load_for_training(str(folder), ["a", "b", "c"], [TEXTS])
    longest_input(network, tokenizer, 32)
    _classify(network, tokenizer)


def _classify(network: Any, tokenizer: Any) -> None:
    from dsample_cli.training.devices import choose_device
    from dsample_cli.training.encoders import longest_input
    from dsample_cli.training.inference import predict_logits
    from dsample_cli.training.tokenization import make_collator, tokenize

    tokens = tokenize(tokenizer, [TEXTS], longest_input(network, tokenizer, 32))
    device, classes = choose_device("cpu", "fp32"), network.config.num_labels
    predict_logits(network, make_collator(tokenizer, tokens), device, classes)


def _work(original: Path, seeds: range, results: Any) -> None:
    import torch

    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _too_slow)
    for seed in seeds:
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(shutil.copytree(original, Path(parent) / "model"))
            how = mutate(folder, seed)
            results.send((seed, how, None, 0.0))
            began = time.perf_counter()
            signal.alarm(SECONDS)
            told = io.StringIO()
            with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
                try:
                    outcome = load(folder)
                except BaseException as error:
                    outcome = f"{type(error).__name__}: {str(error)[:200]}"
            signal.alarm(0)
            if told.getvalue():
                outcome = f"printed: {told.getvalue()[:200]}"
            results.send((seed, how, outcome, time.perf_counter() - began))


def _too_slow(*_: Any) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


def run(original: Path, first: int, count: int) -> list[tuple[int, str, str, float]]:
    """Try so many damages; give seed, damage, outcome and seconds of each."""
    import dsample_cli.training.encoders  # noqa: F401 - so that each process has it

    done: list[tuple[int, str, str, float]] = []
    seed = first
    while seed < first + count:
        here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        process = context.Process(target=_work, args=(original, range(seed, first + count), there))
        process.start()
        there.close()
        begun = ""
        with contextlib.suppress(EOFError):
            while True:
                seed, how, outcome, seconds = here.recv()
                begun = how
                if outcome is not None:
                    done.append((seed, how, outcome, seconds))
                    begun, seed = "", seed + 1
        process.join()
        if begun:
            done.append((seed, begun, f"ended the process: {process.exitcode}", 0.0))
            seed += 1
    return done


def main() -> int:
    """Try them, and print what should not have happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder))
        done = run(Path(folder), asked.first, asked.inputs)
    counts = Counter(outcome if outcome in (WORKS, REFUSED) else "WRONG" for *_, outcome, _ in done)
    wrong = [entry for entry in done if entry[2] not in (WORKS, REFUSED)]
    for seed, how, outcome, seconds in wrong:
        print(f"{seed:6d}  {seconds:5.1f} s  {how}\n        {outcome}")
    slowest = max(seconds for *_, seconds in done)
    print(f"{len(done)} inputs: {dict(counts)}; the slowest took {slowest:.1f} s")
    if asked.json:
        facts = {"inputs": len(done), "outcomes": counts, "slowest_seconds": slowest}
        asked.json.write_text(json.dumps(facts | {"wrong": wrong}, indent=1) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
