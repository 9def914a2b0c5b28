"""A training that cannot go on says why, and what to do; what it keeps are numbers."""

import errno
import re
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from dsample_cli.errors import ConfigError, DataError, RunError
from dsample_cli.runs.run import Run
from dsample_cli.training import losses
from dsample_cli.training.objective import Objective
from dsample_cli.training.recorder import EpochRecorder
from dsample_cli.training.trainer import ScheduledTrainer
from dsample_cli.workflows.faults import explained
from tests.helpers import make_tickets
from tests.killing import assert_same, make_config, only_run, resume, train

pytestmark = pytest.mark.usefixtures("blank_pictures")

SHORT = {"epochs": 1, "score": "sqrt", "correct": "none"}
OPTIONS = {"epochs": 2, "score": "sqrt", "correct": "none", "record_draws": True}


@pytest.fixture(scope="module")
def tickets(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tickets.csv"
    path.write_text(make_tickets(), encoding="utf-8")
    return path


def failing(config, workspace):
    """Train to an error; give the error and the run."""
    with pytest.raises(RunError) as caught:
        train(config, workspace)
    run = only_run(workspace)
    manifest = run.read_manifest()
    assert (manifest["status"], manifest["error"]) == ("failed", caught.value.message)
    return caught.value, run


def batch_of(run, epoch, step, size):
    """Rows of a step as the draws have them, in rising order."""
    rows = pq.read_table(run.draws_file(epoch))["row"].to_pylist()
    return sorted(set(rows[(step - 1) * size : step * size]))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({}, r"training loss became (?:nan|inf) in"),
        ({"batch_size": 8, "grad_accum": 2}, r"training loss became (?:nan|inf) in"),
        ({"checkpoint_steps": 1}, "weights are no finite numbers any more after"),
    ],
    ids=str,
)
def test_a_training_that_explodes_is_told_with_its_rows(tickets, tmp_path, options, what):
    settings = OPTIONS | {"checkpoint_steps": 0, "lr": 1e30} | options
    error, run = failing(make_config(tickets, **settings), tmp_path)
    told = re.fullmatch(
        rf"The {what} epoch 0, step (\d) of 6\. Its batch has rows ([\d, ]+) of {tickets}, "
        r"counted from 0\.",
        error.message,
    )
    assert told, error.message
    rows, drawn = [int(row) for row in told[2].split(", ")], batch_of(run, 0, int(told[1]), 16)
    assert set(rows) <= set(drawn)
    assert len(rows) >= len(drawn) / 2 - 2  # of two batches that make a step, one
    assert "a lower --lr (it was 1e+30)" in error.hint
    assert f"dsample train --config {run.config_file} --lr 2.5e+29" in error.hint
    for file in run.checkpoints_dir.glob("*/model.safetensors"):
        assert all(torch.isfinite(weights).all() for weights in load_file(file).values())


@pytest.fixture
def one_bad_row(monkeypatch):
    """Let the loss of one example be infinite, in one forward pass; give how many came before."""
    passes = []

    def cross_entropy(logits, labels):
        found = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        passes.append(len(labels))
        if len(passes) == 10:  # the first one is the objective's own
            found = found + torch.where(torch.arange(len(labels)) == 3, torch.inf, 0.0)
        return found

    monkeypatch.setitem(losses.LOSSES, "ce", cross_entropy)


@pytest.mark.parametrize("steps_between_looks", [1, 50])
def test_one_example_is_told_alone(
    tickets, tmp_path, monkeypatch, one_bad_row, steps_between_looks
):
    """Also where the device is asked rarely, as it would have to be waited for."""

    def begin(self, *args, **kwargs):
        on_train_begin(self, *args, **kwargs)
        self._steps_between_looks = steps_between_looks

    on_train_begin = EpochRecorder.on_train_begin
    monkeypatch.setattr(EpochRecorder, "on_train_begin", begin)
    error, run = failing(make_config(tickets, checkpoint_steps=0, **OPTIONS), tmp_path)
    rows = pq.read_table(run.draws_file(1))["row"].to_pylist()
    bad = rows[2 * 16 + 3]
    assert (
        f"became inf in epoch 1, step 3 of 6. Of the 16 rows of its batch it comes from row {bad}"
        in (error.message)
    )
    assert [p.name for p in run.checkpoints_dir.glob("checkpoint-*")] == ["checkpoint-6"]


def test_many_rows_are_cut(tickets, tmp_path):
    options = OPTIONS | {"batch_size": 48, "checkpoint_steps": 0}
    error, _ = failing(make_config(tickets, lr=1e30, **options), tmp_path)
    assert re.search(r"(\d+, ){19}\d+ and \d+ more of", error.message)


def test_weights_that_are_no_numbers_are_not_kept(tickets, tmp_path, monkeypatch):
    """The last update before a checkpoint shows in no loss."""

    def spoil(self, args, state, control, model, **kwargs):
        if state.global_step == 8:
            next(model.parameters()).data.view(-1)[-1] = torch.nan
        on_step_end(self, args, state, control, model=model, **kwargs)

    on_step_end = EpochRecorder.on_step_end
    monkeypatch.setattr(EpochRecorder, "on_step_end", spoil)
    error, run = failing(make_config(tickets, **OPTIONS), tmp_path)
    assert "weights are no finite numbers any more after epoch 1, step 2 of 6. Its" in error.message
    assert f"rows {', '.join(map(str, batch_of(run, 1, 2, 16)))} of {tickets}" in error.message
    assert sorted(p.name for p in run.checkpoints_dir.glob("checkpoint-*")) == [
        "checkpoint-4",
        "checkpoint-6",
    ]


def test_the_first_bad_pass_since_the_last_look_is_found():
    objective = Objective("ce", torch.zeros(6, dtype=torch.long), torch.ones(2))
    good, bad = torch.zeros(2, 2), torch.tensor([[0.0, 0.0], [torch.nan, 0.0]])
    passes = [good, good, bad, bad]
    for number, logits in enumerate(passes):
        objective(SimpleNamespace(logits=logits), torch.tensor([number, number + 1]))
        if number == 0:
            assert objective.find_not_finite() is None
    found = objective.find_not_finite()
    assert found is not None
    assert (found.number, found.rows, found.batch_size) == (2, [3], 2)
    assert objective.find_not_finite() is None


def breaking(monkeypatch, error, step):
    """Let an error end the training in a step."""

    def training_step(self, *args, **kwargs):
        if self.state.global_step == step:
            raise error
        return original(self, *args, **kwargs)

    original = ScheduledTrainer.training_step
    monkeypatch.setattr(ScheduledTrainer, "training_step", training_step)
    return lambda: monkeypatch.setattr(ScheduledTrainer, "training_step", original)


CPU_WORDS = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you "
    "tried to allocate 4000000000000000 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.mark.parametrize(
    ("raised", "message", "hint"),
    [
        (torch.OutOfMemoryError("secret text"), "not enough memory", "--batch-size 8 --grad-accum"),
        (RuntimeError(CPU_WORDS), "not enough memory", "--batch-size 8 --grad-accum 2"),
        (MemoryError("secret text"), "not enough memory", "a shorter --max-length"),
        (
            torch.AcceleratorError("CUDA error: unspecified launch failure"),
            "The device failed or was lost: AcceleratorError",
            "nvidia-smi",
        ),
        (RuntimeError("CUDA error: device lost"), "The device failed or was lost", "nvidia-smi"),
        (OSError(errno.ENOSPC, "secret text", "some/file"), "some/file: No space left", "runs du"),
    ],
    ids=["cuda-memory", "cpu-memory", "memory", "device", "old-device", "disk"],
)
def test_a_fault_is_told_with_the_command_that_goes_on(
    tickets, tmp_path, monkeypatch, raised, message, hint
):
    breaking(monkeypatch, raised, step=1)
    error, run = failing(make_config(tickets, **SHORT), tmp_path)
    assert message in error.message
    assert hint in error.hint
    assert f"dsample train --resume {run.id} --workspace {tmp_path}" in error.hint
    assert "secret" not in error.message + error.hint


def test_what_is_no_fault_stays_what_it_is(tickets, tmp_path):
    run, config = Run(tmp_path / "workspace" / "runs" / "r"), make_config(tickets)
    for error in (
        DataError("a", "b"),
        ConfigError("a", "b"),
        RunError("a", "b"),
        ValueError("a"),
        RuntimeError("a shape does not fit"),
        FileNotFoundError(errno.ENOENT, "no such file", "model.json"),
        KeyboardInterrupt(),
    ):
        assert explained(error, run, config) is error


def test_a_second_error_does_not_hide_the_first(tickets, tmp_path, monkeypatch):
    config = make_config(tickets, **SHORT)
    expected = train(config, tmp_path / "whole")
    mend = breaking(monkeypatch, MemoryError(), step=5)

    def full(self, **changes):
        if "error" in changes:
            raise RunError("Cannot write run.json: No space left on device.", "Free some room.")
        return update(self, **changes)

    update = Run.update_manifest
    monkeypatch.setattr(Run, "update_manifest", full)
    faulty = tmp_path / "faulty"
    with pytest.raises(RunError, match="not enough memory"):
        train(config, faulty)
    mend()
    monkeypatch.setattr(Run, "update_manifest", update)
    assert only_run(faulty).read_manifest()["status"] == "interrupted"
    assert_same(resume(faulty), expected)
