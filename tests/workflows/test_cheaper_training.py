"""Options that make training cheaper, and what they must not change."""

import pytest
import torch
from safetensors.numpy import load_file

from dsample_cli.errors import ConfigError, MissingExtraError
from dsample_cli.runs.files import read_json_lines
from dsample_cli.runs.workspace import Workspace
from dsample_cli.training.encoders import load_trained
from dsample_cli.workflows import train as workflow
from tests.helpers import make_tickets
from tests.killing import make_config, train

SHORT = {"epochs": 1, "correct": "none", "checkpoint_steps": 0}

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture(scope="module")
def tickets(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tickets.csv"
    path.write_text(make_tickets(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def plain(tickets, tmp_path_factory):
    """A run with dropout, trained without any of the options."""
    return train(make_config(tickets, **SHORT), tmp_path_factory.mktemp("plain"))


def weights(run):
    return load_file(run.model_dir / "model.safetensors")


def assert_alike(run, expected, atol=1e-5):
    own, others = weights(run), weights(expected)
    assert own.keys() == others.keys()
    for name, weight in others.items():
        assert own[name] == pytest.approx(weight, rel=0, abs=atol), name


def test_accumulated_batches_train_like_a_large_one(tickets, tmp_path):
    """Also where the last step has fewer batches, and a shorter one."""
    options = SHORT | {"dropout": 0.0, "val_size": 0.25}
    large = train(make_config(tickets, batch_size=16, **options), tmp_path / "large")
    small = train(make_config(tickets, batch_size=4, grad_accum=4, **options), tmp_path / "small")
    records = [read_json_lines(run.epochs_file) for run in (small, large)]
    assert sum(records[0][0]["drawn"].values()) % 16 == 9
    losses = [[record["train_loss"] for record in of_run] for of_run in records]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert_alike(small, large)


def test_accumulation_is_no_larger_batch_where_examples_are_compared(tickets, tmp_path, heard):
    config = make_config(tickets, grad_accum=2, loss="soft-f1", epochs=1, correct="none")
    workflow.train(config, Workspace(tmp_path), heard)
    assert any("--loss soft-f1 compares the 16 examples" in text for text in heard.warnings)


def test_recomputed_activations_and_workers_change_nothing(tickets, tmp_path, plain):
    run = train(make_config(tickets, gradient_checkpointing=True, workers=1, **SHORT), tmp_path)
    assert_alike(run, plain, atol=0)


def test_a_model_that_cannot_recompute_activations_is_told(tickets, tmp_path, monkeypatch):
    from transformers import ModernBertForSequenceClassification

    monkeypatch.setattr(
        ModernBertForSequenceClassification, "supports_gradient_checkpointing", False
    )
    with pytest.raises(ConfigError, match=r"--gradient-checkpointing.* cannot") as caught:
        train(make_config(tickets, gradient_checkpointing=True, **SHORT), tmp_path)
    assert "--grad-accum" in caught.value.hint


def test_adapters_are_merged_into_a_plain_model(tickets, tmp_path):
    config = make_config(tickets, **SHORT | {"lora": 2, "keep_checkpoints": True})
    run = train(config, tmp_path)
    [best] = run.checkpoints_dir.glob("best-*.safetensors")
    stored = load_file(best)
    assert any("lora_A" in name for name in stored)
    assert not any("embeddings" in name for name in stored)
    model, _ = load_trained(run.model_dir)
    assert set(weights(run)) == set(model.state_dict())


def test_lora_without_peft_is_told_before_any_training(tickets, tmp_path, monkeypatch):
    monkeypatch.setattr(workflow, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="--lora needs the package peft") as caught:
        train(make_config(tickets, lora=2), tmp_path)
    assert "dsample-cli[peft]" in caught.value.hint
    assert not (tmp_path / "runs").exists()


def test_the_model_is_compiled_once_for_all_lengths(tickets, tmp_path, monkeypatch, plain):
    compiled = []

    def compile_nothing(function, **options):
        compiled.append((function, options))
        return function

    monkeypatch.setattr(torch, "compile", compile_nothing)
    assert_alike(train(make_config(tickets, compile=True, **SHORT), tmp_path), plain, atol=0)
    [_, (model, options)] = compiled  # the first is a trial
    assert isinstance(model, torch.nn.Module)
    assert options == {"dynamic": True}


@pytest.mark.slow
def test_a_compiled_training_leaves_a_plain_model(tickets, tmp_path):
    options = SHORT | {"dropout": 0.0}
    with torch._dynamo.config.patch(error_on_recompile=True):
        run = train(make_config(tickets, compile=True, **options), tmp_path / "compiled")
    assert_alike(run, train(make_config(tickets, **options), tmp_path / "plain"), atol=1e-3)


def test_a_missing_compiler_is_told_before_any_training(tickets, tmp_path, monkeypatch):
    def fails(function, **options):
        raise RuntimeError("No working C++ compiler found\nin torch._inductor")

    monkeypatch.setattr(torch, "compile", fails)
    with pytest.raises(ConfigError, match="--compile does not work here: No working C") as caught:
        train(make_config(tickets, compile=True), tmp_path)
    assert "g++" in caught.value.hint
