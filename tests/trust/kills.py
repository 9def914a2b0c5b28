"""SIGKILL at random moments over train, predict and sweep, half of them as if the power was lost.

    python -m tests.trust.kills --kills 100 --json kills.json

After each kill: `runs list` answers and says "interrupted"; lines of epochs.jsonl that were there
before are still there; what `predict -o` writes is absent or whole; a sweep's file is whole. In the
end each command is resumed to what an undisturbed one gives, byte for byte, and no point of a sweep
that was called completed is trained again. A power loss is played by cutting off files that the
interrupted run was at work on: in its newest checkpoint, the best weights, epochs.jsonl.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.trust.stage import (
    FAMILIES,
    Stage,
    Started,
    check_same_run,
    check_same_sweep,
    completed_points,
    cut_off,
    epoch_lines,
    fresh,
    listed,
    predict_args,
    run_folders,
    set_up,
    sweep_args,
    tell,
    train_args,
)

# How often a command is killed before it may end.
MOST_KILLS = 3
Tally = Counter[str]


def kill(stage: Stage, kind: str, started: Started, rng: random.Random) -> bool:
    """Kill a command at a random moment; whether it was still running."""
    after = rng.uniform(0, 1.1) * stage.seconds[kind]
    started.process.join(after)
    was_running = started.kill() == -signal.SIGKILL
    if not was_running:  # the machine has less to do than when the time was taken
        stage.seconds[kind] = min(stage.seconds[kind], after)
    return was_running


def trial_of_train(stage: Stage, rng: random.Random, folder: Path, tally: Tally) -> None:
    """Train, killed and resumed, until it ends."""
    family = rng.choice(list(stage.families))
    args: list[object] = train_args(stage.folder, family)
    for _ in range(rng.randint(1, MOST_KILLS)):
        began = Started(*args, "--workspace", folder / "w", cwd=folder)
        if not kill(stage, "train", began, rng):
            assert began.finish().code == 0, began.finish().err
            [run] = run_folders(folder / "w")
            check_same_run_but_checkpoints(run, stage.families[family])
            return
        tally["kills of train"] += 1
        found = run_folders(folder / "w")
        states = listed(folder / "w")
        assert set(states) == {run.name for run in found}
        if not found or not (found[0] / "run.json").exists():
            tally["before the run had begun"] += 1
            fresh(folder.parent, folder.name)
            continue
        [run] = found
        assert states[run.name] in ("interrupted", "completed"), states
        expected = epoch_lines(stage.families[family])
        assert epoch_lines(run) == expected[: len(epoch_lines(run))]
        if rng.random() < 0.5:
            lose_power(run, rng, tally)
            assert listed(folder / "w") == states
        if states[run.name] == "completed":
            check_same_run_but_checkpoints(run, stage.families[family])
            return
        args = ["train", "--resume", run.name, "--json"]
    done = Started(*args, "--workspace", folder / "w", cwd=folder).finish(240)
    assert done.code == 0, done.err
    tally["passed over"] += done.err.count("is passed over")
    tally["started again"] += done.err.count("starts again")
    [run] = run_folders(folder / "w")
    check_same_run_but_checkpoints(run, stage.families[family])


def check_same_run_but_checkpoints(run: Path, expected: Path) -> None:
    """What a kill between the last word of a run and the deletion leaves, `doctor` removes."""
    for file in sorted((run / "checkpoints").rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    if (run / "checkpoints").exists():
        (run / "checkpoints").rmdir()
    check_same_run(run, expected)


def lose_power(run: Path, rng: random.Random, tally: Tally) -> None:
    """Cut off what the last seconds may have left in the system's memory alone."""
    checkpoints = sorted(
        run.glob("checkpoints/checkpoint-*"), key=lambda path: int(path.name.partition("-")[2])
    )
    newest = [file for path in checkpoints[-1:] for file in path.glob("*") if file.is_file()]
    others = [*run.glob("checkpoints/best-*"), *run.glob("epochs.jsonl"), *run.glob(".*.tmp")]
    for files in (newest, others):
        if files and rng.random() < 0.7:
            cut_off(rng.choice(sorted(files)), rng)
            tally["files cut off"] += 1


def trial_of_predict(stage: Stage, rng: random.Random, folder: Path, tally: Tally) -> None:
    """Predict into a new file or over an old one."""
    output, old = folder / "out.jsonl", b'{"row": 0}\n' if rng.random() < 0.5 else None
    if old is not None:
        output.write_bytes(old)
    began = Started(*predict_args(stage, "out.jsonl"), cwd=folder)
    was_running = kill(stage, "predict", began, rng)
    tally["kills of predict"] += was_running
    found = output.read_bytes() if output.exists() else None
    assert found in ((old, stage.predictions) if was_running else (stage.predictions,))
    tally["after the file was there"] += was_running and found == stage.predictions
    done = Started(*predict_args(stage, "out.jsonl"), cwd=folder).finish()
    assert done.code == 0, done.err
    assert output.read_bytes() == stage.predictions


def trial_of_sweep(stage: Stage, rng: random.Random, folder: Path, tally: Tally) -> None:
    """Sweep, killed and begun again, until it ends."""
    completed: dict[str, str] = {}
    for _ in range(rng.randint(1, MOST_KILLS)):
        began = Started(*sweep_args(stage.folder), "--workspace", folder / "w", cwd=folder)
        if not kill(stage, "sweep", began, rng):
            break
        tally["kills of sweep"] += 1
        states = listed(folder / "w")
        assert set(states.values()) <= {"interrupted", "completed", "damaged"}
        for run in run_folders(folder / "w"):
            assert (states[run.name] == "damaged") == (not (run / "run.json").exists())
        found = completed_points(folder / "w")
        assert completed.items() <= found.items(), "a completed point was trained again"
        completed = found
    args = (*sweep_args(stage.folder), "--workspace", folder / "w")
    done = Started(*args, cwd=folder).finish(240)
    assert done.code == 0, done.err
    check_same_sweep(done.json, stage.sweep)
    assert completed.items() <= completed_points(folder / "w").items()
    tally["points that stayed"] += len(completed)
    assert set(listed(folder / "w").values()) == {"completed"}


TRIALS = {"train": trial_of_train, "predict": trial_of_predict, "sweep": trial_of_sweep}


def run_trials(stage: Stage, kills: int, seed: int, kinds: tuple[str, ...]) -> dict[str, Any]:
    """Kill so many commands; give what happened, and what was broken."""
    tally, failures, number = Counter[str](), list[str](), 0
    while sum(tally[f"kills of {kind}"] for kind in set(kinds)) < kills:
        kind = kinds[number % len(kinds)]
        folder = fresh(stage.folder, f"trial-{number}")
        try:
            TRIALS[kind](stage, random.Random(f"{seed} {number}"), folder, tally)
            fresh(stage.folder, folder.name).rmdir()
        except Exception as error:
            failures.append(f"{kind}, seed {seed}, trial {number}: {type(error).__name__}: {error}")
            print(failures[-1], file=sys.stderr)
        number += 1
        if sys.stderr.isatty():
            print(f"\r{number} trials, {dict(tally)}", end="", file=sys.stderr)
    return {"trials": number, "seed": seed, **tally, "failures": failures}


def main() -> None:
    """Run the trials and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=TRIALS, help="one command")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    kinds = (options.only,) if options.only else ("train", "train", "sweep", "predict")
    began = time.perf_counter()
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    stage = set_up(folder, list(FAMILIES), set(kinds))
    found = run_trials(stage, options.kills, options.seed, kinds)
    sys.exit(tell(found, folder, began, options.json))


if __name__ == "__main__":
    main()
