"""Small made-up data, and the command line as a process of its own."""

import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
WORDS = {
    "billing": "invoice charge refund payment card bill".split(),
    "login": "password account sign locked reset code".split(),
    "outage": "down offline server error crash slow".split(),
}
COUNTS = {"billing": 75, "login": 30, "outage": 15}
# Two epochs of 24 steps: enough to tell the classes apart, in about three seconds.
QUICK = "--model tiny --epochs 2 --batch-size 4 --lr 2e-3 --cycle 2".split()


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The JSON Lines on stdout."""
        return [json.loads(line) for line in self.out.removesuffix("\n").split("\n")]


@dataclass(frozen=True)
class Trained:
    """A workspace with a completed run, made once for all tests; they must not change it."""

    workspace: Path
    data: Path
    run: Path
    result: dict[str, Any]


def make_tickets(seed: int = 0) -> str:
    """A small table of tickets: 120 distinct texts in 3 imbalanced classes, in random order.

    Half of the words are of any class, so that nothing learns them perfectly.
    """
    rng = random.Random(seed)
    every_word = [word for words in WORDS.values() for word in words]
    rows = [
        f"{' '.join(rng.choices(WORDS[label], k=3) + rng.choices(every_word, k=3))} "
        f"case {number},{label},c{number % 40}"
        for label, count in COUNTS.items()
        for number in range(count)
    ]
    rng.shuffle(rows)
    return "\n".join(["text,label,customer", *rows]) + "\n"


def read_lines(path: Path) -> list[Any]:
    """A JSON Lines file; its texts may hold line separators of Unicode."""
    content = path.read_text(encoding="utf-8").removesuffix("\n")
    return [json.loads(line) for line in content.split("\n")]


def epochs_without_timing(run_path: Path) -> list[Any]:
    """epochs.jsonl but for the two keys that may differ between equal runs."""
    records = read_lines(run_path / "epochs.jsonl")
    for record in records:
        del record["seconds"], record["examples_per_second"]
    return records


def process_environment(**variables: str) -> dict[str, str]:
    """The environment of a `python -m dsample_cli` that needs no installation."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("DSAMPLE_")}
    return kept | {"PYTHONPATH": str(REPOSITORY)} | variables


def start(*args: object, cwd: Path, **options: Any) -> subprocess.Popen:
    """Start `python -m dsample_cli` with pipes for its outputs."""
    return subprocess.Popen(
        [sys.executable, "-m", "dsample_cli", *map(str, args)],
        cwd=cwd,
        env=process_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
