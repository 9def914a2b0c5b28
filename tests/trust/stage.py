"""What the trials of kills and write faults share: data, what undisturbed commands gave, checks."""

import contextlib
import io
import json
import random
import shutil
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dsample_cli.cli.main import run as run_here
from tests.conftest import BLANK_PNG
from tests.forks import Forked, fork, run_forked
from tests.helpers import epochs_without_timing, make_tickets

# Dropout, so that random states matter; example scores and `switch`, so that earlier epochs do.
TRAINING = (
    "--model tiny --epochs 4 --batch-size 16 --lr 2e-3 --dropout 0.1 --device cpu --precision fp32 "
    "--checkpoint-steps 4 --record-draws"
).split()
FAMILIES = {
    "class-scores": "--score softmax --schedule switch".split(),
    "losses": "--score online-batch --schedule linear --score-warmup 1".split(),
    "history": "--score recency-bias+sqrt --schedule warmup:1+always --window 3".split(),
}
SWEEP = [
    *"--model tiny --epochs 2 --batch-size 16 --device cpu --precision fp32 --correct none".split(),
    *"--lr 1e-3,2e-3 --score softmax,inverse".split(),
]
RUN_FILES = ("predictions-validation.jsonl", "split.csv", "model/model.safetensors")


class Started(Forked):
    """A command in a process of its own, whose pictures are blank: to draw them takes longest.

    Args:
        args: What stands behind `dsample`.
        cwd: The folder in which it runs.
        prepare: Called in the process first; a function of a module, with its arguments.
    """

    def __init__(self, *args: object, cwd: Path, prepare: tuple[Any, ...] = ()) -> None:
        texts = [str(arg) for arg in args]
        self._begin(lambda out, err: fork(_run_blank, texts, cwd, out, err, prepare), cwd)


def _run_blank(args: list[str], cwd: Path, out: Path, err: Path, prepare: tuple[Any, ...]) -> None:
    from matplotlib.figure import Figure

    def blank(self: Any, file: Any, **options: Any) -> None:
        file.write(BLANK_PNG)

    Figure.savefig = blank  # type: ignore[method-assign,assignment]
    if prepare:
        prepare[0](*prepare[1:])
    run_forked(args, cwd, out, err, {})


@dataclass(frozen=True)
class Stage:
    """A folder with data and with what undisturbed commands gave.

    Attributes:
        folder: Of all that follows.
        families: Undisturbed runs.
        sweep: What an undisturbed sweep says, in JSON.
        predictions: What an undisturbed run of `dsample predict` wrote.
        seconds: That each command took.
    """

    folder: Path
    families: dict[str, Path]
    sweep: dict[str, Any]
    predictions: bytes
    seconds: dict[str, float]

    @property
    def tickets(self) -> Path:
        return self.folder / "tickets.csv"

    @property
    def texts(self) -> Path:
        return self.folder / "texts.csv"

    @property
    def model(self) -> Path:
        """A completed run to predict with."""
        return next(iter(self.families.values()))


def set_up(folder: Path, families: Sequence[str], kinds: Collection[str]) -> Stage:
    """Run each command undisturbed that trials are made of."""
    (folder / "tickets.csv").write_text(make_tickets(), encoding="utf-8")
    lines = make_tickets(1).splitlines()
    (folder / "texts.csv").write_text("\n".join([lines[0], *lines[1:] * 30]), encoding="utf-8")
    Started("--version", cwd=folder).finish()  # the first start is slow
    seconds, runs, grid = {}, {}, {}
    for family in families:
        began = time.perf_counter()
        done = Started(*train_args(folder, family), "--workspace", "expected", cwd=folder).finish()
        assert done.code == 0, done.err
        seconds["train"] = time.perf_counter() - began
        runs[family] = Path(done.json["path"])
    if "sweep" in kinds:
        began = time.perf_counter()
        done = Started(*sweep_args(folder), "--workspace", "expected-sweep", cwd=folder).finish()
        assert done.code == 0, done.err
        seconds["sweep"], grid = time.perf_counter() - began, done.json
    stage = Stage(folder, runs, grid, b"", seconds)
    if "predict" not in kinds:
        return stage
    began = time.perf_counter()
    done = Started(*predict_args(stage, "expected.jsonl"), cwd=folder).finish()
    assert done.code == 0, done.err
    seconds["predict"] = time.perf_counter() - began
    return replace(stage, predictions=(folder / "expected.jsonl").read_bytes())


def train_args(folder: Path, family: str) -> list[object]:
    return ["train", folder / "tickets.csv", *TRAINING, *FAMILIES[family], "--json"]


def sweep_args(folder: Path) -> list[object]:
    return ["sweep", folder / "tickets.csv", *SWEEP, "--json"]


def predict_args(stage: Stage, output: str) -> list[object]:
    return ["predict", stage.texts, "--run", stage.model, "-o", output, "--no-data", "--json"]


def listed(workspace: Path) -> dict[str, str]:
    """What `runs list` says: run -> status."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        assert run_here(["runs", "list", "--workspace", str(workspace), "--json"]) == 0
    return {entry["run"]: entry["status"] for entry in json.loads(out.getvalue())["runs"]}


def run_folders(workspace: Path) -> list[Path]:
    return sorted((workspace / "runs").glob("[!.]*"))


def epoch_lines(run: Path) -> list[Any]:
    """What epochs.jsonl holds of whole lines, without timing."""
    try:
        lines = (run / "epochs.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    except FileNotFoundError:
        return []
    records = [json.loads(line) for line in lines]
    return [
        {k: v for k, v in record.items() if k not in ("seconds", "examples_per_second")}
        for record in records
    ]


def check_same_run(run: Path, expected: Path) -> None:
    """Epochs, draws, predictions and weights are equal, byte for byte."""
    assert epochs_without_timing(run) == epochs_without_timing(expected)
    draws = [f"draws/{file.name}" for file in sorted((expected / "draws").glob("*"))]
    for name in (*RUN_FILES, *draws):
        assert (run / name).read_bytes() == (expected / name).read_bytes(), name
    assert not (run / "checkpoints").exists(), "checkpoints are left"


def check_same_sweep(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Every point ended as in the undisturbed sweep."""

    def results(sweep: dict[str, Any]) -> list[Any]:
        return [(r["options"], r["status"], r["validation"]) for r in sweep["runs"]]

    assert found["status"] == "completed"
    assert results(found) == results(expected)


def completed_points(workspace: Path) -> dict[str, str]:
    """Of the points of the only sweep that it calls completed: run -> when run.json says it was.

    The file is whole, or there is none yet.
    """
    found = {}
    for file in (workspace / "sweeps").glob("*.json"):
        for entry in json.loads(file.read_text(encoding="utf-8"))["points"].values():
            if entry["status"] == "completed":
                run = workspace / "runs" / entry["run"]
                found[entry["run"]] = json.loads((run / "run.json").read_text())["completed"]
    return found


def fresh(folder: Path, name: str) -> Path:
    """An empty folder for a trial."""
    path = folder / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path


def cut_off(file: Path, rng: random.Random) -> str:
    """Leave the beginning of a file, as a power loss may; tell what was done."""
    size = file.stat().st_size
    kept = rng.randrange(size) if size else 0
    with file.open("rb+") as stream:
        stream.truncate(kept)
    return f"{file.parent.name}/{file.name} cut to {kept} of {size}"


def tell(found: dict[str, Any], folder: Path, began: float, file: Path | None) -> bool:
    """Print what trials found, write it as JSON too, and tell whether anything broke.

    Args:
        found: Counts, and the list `failures`.
        folder: Where they worked; deleted where nothing broke.
        began: When, by `time.perf_counter`.
        file: For the JSON; None for none.
    """
    is_broken = bool(found["failures"])
    if is_broken:
        print(f"What failed trials left: {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    found["seconds"] = round(time.perf_counter() - began, 1)
    for name, value in found.items():
        if name != "failures":
            print(f"{name:26} {value}")
    print(f"{'broken':26} {len(found['failures'])}")
    if file is not None:
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return is_broken
