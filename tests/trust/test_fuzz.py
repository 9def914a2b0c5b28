"""A few dozen inputs of the fuzz harness, and those that once did what no input may."""

import contextlib
import io
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsample_cli.cli.main import run
from tests.trust import fuzz, hostile
from tests.trust.fuzz import Sandbox, draw_pictures, run_case
from tests.trust.hostile import GOOD_FILES, RUN, SENTINEL, Case

SEED, INPUTS = 20260101, 40


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """A sandbox whose stored runs were trained in this process."""
    made = Sandbox(tmp_path_factory.mktemp("fuzz"))

    def train(args, folder):
        with contextlib.chdir(folder), draw_pictures(False):
            assert run(list(args)) == 0

    made.make_stored(train)
    return made


@pytest.fixture(scope="module")
def drawn(box):
    return list(hostile.draw_cases(SEED, INPUTS, box.make_stored()))


@pytest.mark.parametrize("number", range(INPUTS))
def test_hostile_inputs(box, drawn, number):
    check(drawn[number], box)


def check(case: Case, box: Sandbox, code: int | None = None) -> str:
    """Run a case, which has to go as it should; give what it told."""
    with draw_pictures(False):
        outcome, ran = run_case(case, box)
    assert not outcome.problems, f"{outcome.problems}\n{case.args}\n{ran.err.decode()}"
    if code is not None:
        assert outcome.code == code
    return outcome.told or ""


def test_a_case_is_kept_whole(box, drawn, tmp_path):
    for case in drawn:
        outcome = fuzz.Outcome(case.kind, case.command, 0, 0.0, 0.0, None, [])
        path = fuzz.keep(case, outcome, None, tmp_path)
        assert fuzz.read_kept(path) == case


def test_the_same_seed_draws_the_same(box, drawn):
    assert list(hostile.draw_cases(SEED, INPUTS, box.make_stored())) == drawn


def raise_it(*args):
    raise KeyError(SENTINEL)


def print_a_text(*args):
    print(f"{SENTINEL} 12", file=sys.stderr)
    raise fuzz.hostile.typer.Exit(0)


def write_outside(*args):
    Path("../outside/new").write_text("x")
    Path("canary.txt").write_text("other")
    Path("../home/canary.txt").unlink()
    raise fuzz.hostile.typer.Exit(0)


def take_long(*args):
    while True:
        time.sleep(0.01)


def say_nothing(*args):
    raise fuzz.hostile.typer.Exit(1)


def leave_oddly(*args):
    raise SystemExit(7)


@pytest.mark.parametrize(
    ("gives_way", "problems"),
    [
        (raise_it, ["Unexpected KeyError in dsample_cli.cli.methods:"]),
        (print_a_text, ["a text of the data on stderr"]),
        (
            write_outside,
            ["cwd/canary.txt changed", "home/canary.txt went", "outside/new appeared"],
        ),
        (take_long, ["took 0 s", "Unexpected Hang in dsample_cli.cli.methods:"]),
        (say_nothing, ["no error is told"]),
        (leave_oddly, ["exit code 7"]),
    ],
)
def test_the_harness_sees_what_goes_wrong(box, monkeypatch, gives_way, problems):
    monkeypatch.setattr("dsample_cli.workflows.methods.methods", gives_way)
    monkeypatch.setattr(fuzz, "SECONDS", 0.3 if gives_way is take_long else 30)
    outcome, _ = run_case(Case("x", ("methods",), dict(GOOD_FILES), has_sentinel=True), box)
    assert len(outcome.problems) == len(problems)
    for found, expected in zip(outcome.problems, problems, strict=True):
        assert found.startswith(expected)


# Inputs that once did what none may.


def on_run(command: str, changes: Mapping[str, bytes | str | None]) -> Case:
    args = (*command.split(), "--workspace", "ws")
    return Case("spoilt", args, dict(GOOD_FILES), run_changes=dict(changes), has_run=True)


def test_a_refit_of_a_run_that_lost_its_epochs(box):
    told = check(on_run(f"refit --run {RUN} --head ncm", {"epochs.jsonl": b""}), box, code=1)
    assert "epochs.jsonl is damaged" in told


@pytest.mark.parametrize("row", ["99,train\n", "0,trainx\n", "-1,train\n", f"{'9' * 30},train\n"])
def test_a_refit_of_a_run_that_lost_its_split(box, row):
    changes = {"split.csv": f"row,split\n{row}".encode()}
    check(on_run(f"refit --run {RUN} --head ncm", changes), box, code=1)


@pytest.mark.parametrize(
    "content", [b'"a text"', b'{"a": NaN}', b'{"a": 1e999}', b'{"a": [-1e999]}']
)
def test_an_export_of_a_run_whose_tokenizer_is_damaged(box, content):
    case = on_run("export --to out", {"model/tokenizer_config.json": content})
    assert "tokenizer_config.json is damaged" in check(case, box, code=1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb'^\{"row": \d+', b'{"row": NaN'),
        (rb'^\{"row": \d+', b'{"row": 99'),
        (rb'^\{"row": \d+', b'{"row": -1'),
        (rb'"billing": [0-9.]+', b'"billing": 1e999'),
        (rb'"billing": [0-9.]+', b'"billing": "x"'),
        (rb"\n.*\n$", b"\n"),
    ],
)
def test_an_evaluation_of_predictions_that_were_changed(box, old, new):
    whole = box.make_stored()["predictions-test.jsonl"]
    changed = re.sub(old, new, whole, count=1)
    assert changed != whole
    case = on_run("evaluate --by group", {"predictions-test.jsonl": changed})
    assert "predictions-test.jsonl is damaged" in check(case, box, code=1)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([2**60] * 3, pa.duration("s")),
        pa.array([2**50] * 3, pa.timestamp("s")),
        pa.array([2**31 - 1] * 3, pa.date32()),
    ],
    ids=lambda values: str(values.type),
)
@pytest.mark.parametrize("command", ["analyze --model tiny", "predict"])
def test_parquet_with_times_that_no_calendar_has(box, command, values):
    out = io.BytesIO()
    texts = pa.array(["one", "two", "three"])
    pq.write_table(pa.table({"text": texts, "label": texts, "when": values}), out)
    name, *options = command.split()
    used = ["--label-column", "when"] if name == "analyze" else []
    case = Case(
        "times",
        (name, "data.parquet", *options, *used, "--workspace", "ws"),
        {"data.parquet": out.getvalue()},
        has_run=True,
    )
    check(case, box)
