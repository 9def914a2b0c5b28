"""dsample train --loss."""

import math
import tomllib

import pytest

from tests.helpers import QUICK, read_lines

# Uncorrected, so that the probabilities are those that the loss made.
ONCE = "--epochs 1 --correct none".split()


@pytest.mark.parametrize(
    ("options", "stored", "warning"),
    [
        (
            "--loss logit-adjusted --tau 0.5 --schedule natural",
            {"loss": "logit-adjusted", "tau": 0.5},
            None,
        ),
        (
            "--loss weighted --class-weight balanced --score inverse --schedule always",
            {"loss": "weighted", "class-weight": "balanced"},
            "--score inverse and --loss weighted make up for the same imbalance",
        ),
    ],
)
def test_a_loss_trains_and_evaluates(
    dsample, tickets, tmp_path, blank_pictures, options, stored, warning
):
    done = dsample("train", tickets, *QUICK, *ONCE, *options.split(), "--json")
    assert done.code == 0, done.err
    assert warning in done.err if warning else "Warning" not in done.err
    run = tmp_path / "dsample_workspace" / "runs" / done.json["run"]
    config = tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))
    assert {key: config[key] for key in stored} == stored
    assert "equalization-share" not in config
    (epoch,) = read_lines(run / "epochs.jsonl")
    # Whatever the training loss, that of validation is cross-entropy.
    labels = [line.split(",")[1] for line in tickets.read_text().splitlines()[1:]]
    predictions = read_lines(run / "predictions-validation.jsonl")
    losses = [-math.log(p["probabilities"][labels[p["row"]]]) for p in predictions]
    # Batches of other shapes round bf16 otherwise.
    assert epoch["validation"]["loss"] == pytest.approx(sum(losses) / len(losses), rel=2e-3)
    report = dsample("evaluate", "--no-intervals", "--json").json
    assert report["metrics"]["macro_f1"] == done.json["metrics"]["validation"]["macro_f1"]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--loss", "focl", "Unknown --loss 'focl'."),
        ("--tau", "-1", "--tau must be 0 or more, not -1."),
        ("--class-weight", "balance", "Unknown --class-weight 'balance'."),
        ("--equalization-share", "2", "--equalization-share must be a number from 0 to 1, not 2."),
    ],
)
def test_a_bad_option_is_refused_by_its_flag(fails, tickets, option, value, message):
    fails(
        *("train", tickets, option, value),
        kind="ConfigError",
        message=message,
        hint={"--loss": "focal", "--class-weight": "balanced"}.get(option, "--help"),
    )
