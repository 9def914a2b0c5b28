"""`train --report-to`: the log of each epoch, before, after and across a stop."""

import json

import pytest

from tests.helpers import QUICK, epochs_without_timing


def scalars(run):
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = module.EventAccumulator(str(run / "logs"))
    log.Reload()
    tags = log.Tags()
    return {n: [(e.step, e.value) for e in log.Scalars(n)] for n in tags["scalars"]}


def test_tensorboard_gets_every_epoch(dsample, trained, tickets, tmp_path, blank_pictures):
    pytest.importorskip("tensorboard")
    options = (*QUICK, "--report-to", "tensorboard", "--workspace", "own", "--json", "-q")
    done = dsample("train", tickets, *options)
    assert done.code == 0, done.err
    run = tmp_path / "own" / "runs" / done.json["run"]
    told, records = scalars(run), epochs_without_timing(run)
    assert told["train/mix"] == [(24, 0.0), (48, 1.0)]
    for name, key in (("eval/macro_f1", "macro_f1"), ("eval/loss", "loss")):
        values = [value for _, value in told[name]]
        assert values == pytest.approx([r["validation"][key] for r in records], abs=1e-6)
    losses = [value for _, value in told["train/loss"]]
    assert losses == pytest.approx([r["train_loss"] for r in records], abs=1e-6)
    expected = [r["expected"]["outage"] for r in records]
    assert [v for _, v in told["train/expected_few_share"]] == pytest.approx(expected, abs=1e-6)
    assert {f"eval/recall_{label}" for label in ("billing", "login", "outage")} <= set(told)
    # Nothing else is different.
    assert records == epochs_without_timing(trained.run)
    assert b"invoice" not in b"".join(f.read_bytes() for f in (run / "logs").iterdir())
    assert "report-to" not in (run / "model" / "README.md").read_text(encoding="utf-8")
    assert json.loads((run / "run.json").read_text())["config"]["report-to"] == ["tensorboard"]
    # Stopped before its first checkpoint it starts again, and so does its log.
    manifest = json.loads((run / "run.json").read_text()) | {"status": "interrupted"}
    (run / "run.json").write_text(json.dumps(manifest))
    again = dsample("train", "--resume", run.name, "--workspace", "own", "-q")
    assert again.code == 0, again.err
    assert len(list((run / "logs").iterdir())) == 2
    assert scalars(run)["eval/macro_f1"] == told["eval/macro_f1"]


def test_a_missing_package_is_told_before_training(fails, tickets, monkeypatch, tmp_path):
    monkeypatch.setattr("dsample_cli.workflows.trackers.find_spec", lambda name: None)
    fails(
        *("train", tickets, *QUICK, "--report-to", "none", "--report-to", "wandb"),
        kind="ConfigError",
        message="--report-to none goes with no other",
        hint="Leave one of them out",
    )
    fails(
        *("train", tickets, *QUICK, "--report-to", "wandb,mlflow", "--workspace", "own"),
        kind="MissingExtraError",
        message="needs the package wandb",
        hint="pip install wandb",
    )
    assert not (tmp_path / "own").exists()


def test_an_unknown_tracker_is_answered_with_the_nearest(fails, tickets):
    fails(
        *("train", tickets, *QUICK, "--report-to", "tensorbord"),
        kind="ConfigError",
        message="Unknown --report-to 'tensorbord'",
        hint="Did you mean tensorboard?",
    )
