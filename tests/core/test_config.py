"""The record of a run's options."""

import math
from dataclasses import asdict

import pytest

from dsample_cli.core.config import (
    PAPER_PRESET,
    TrainConfig,
    parse_number_or_auto,
    parse_thresholds,
)
from dsample_cli.core.schedules import mixes
from dsample_cli.errors import ConfigError

IMPOSSIBLE = [
    ("epochs", 0),
    ("epochs", -1),
    ("batch_size", 0),
    ("grad_accum", 0),
    ("freeze_layers", -1),
    ("lora", -1),
    ("lora_alpha", 0.0),
    ("lora_alpha", math.inf),
    ("workers", -1),
    ("max_length", 3),
    ("patience", -1),
    ("seed", -1),
    ("weight_decay", -0.1),
    ("weight_decay", math.nan),
    ("weight_decay", math.inf),
    ("grad_clip", -1.0),
    ("grad_clip", math.nan),
    ("lr", 0.0),
    ("lr", -1e-3),
    ("lr", math.nan),
    ("lr", math.inf),
    ("lr", "fast"),
    ("temperature", 0.0),
    ("temperature", -1.0),
    ("temperature", math.nan),
    ("temperature", math.inf),
    ("temperature", "hot"),
    ("head_lr_factor", 0.0),
    ("head_lr_factor", math.nan),
    ("head_lr_factor", math.inf),
    ("lr_warmup", -0.1),
    ("lr_warmup", 1.0),
    ("lr_warmup", math.nan),
    ("val_size", -0.1),
    ("val_size", 1.0),
    ("val_size", math.nan),
    ("test_size", 1.0),
    ("test_size", 0.8),  # with the default --val-size of 0.2 nothing is left to train on
    ("dropout", -0.1),
    ("dropout", 1.0),
    ("minority_share", 0.0),
    ("minority_share", 1.0),
    ("cycle", 0),
    ("switch_start", "scored"),
    ("warmup_epochs", -1),
    ("schedule", "cylic"),
    ("score", "sofmax"),
    ("order", "random"),
    ("select_on", "f1"),
    ("unknown_labels", "keep"),
    ("truncation_side", "middle"),
    ("lr_schedule", "step"),
    ("optimizer", "sgd"),
    ("device", "gpu"),
    ("precision", "fp8"),
    ("groups", "many"),
    ("loss", "bce"),
    ("class_weight", "inverse"),
    ("drw_start", -0.1),
    ("drw_start", 1.0),
    ("drw_start", math.nan),
    ("drw_beta", 1.0),
    ("drw_beta", -0.1),
    ("drw_beta", math.nan),
]
# Options that only some schedules look at.
SCHEDULE_OF = {"switch_start": "switch", "warmup_epochs": "warmup"}


@pytest.mark.parametrize(("option", "value"), IMPOSSIBLE)
def test_an_impossible_value_is_refused_by_the_name_of_its_option(option, value):
    schedule = {"schedule": SCHEDULE_OF[option]} if option in SCHEDULE_OF else {}
    with pytest.raises(ConfigError) as caught:
        TrainConfig(**{"data": "x.csv", **schedule, option: value})
    is_registry = option in ("schedule", "score")
    named = f"Unknown {option}" if is_registry else f"--{option.replace('_', '-')}"
    assert named in caught.value.message


def test_a_minority_share_needs_the_softmax_score():
    TrainConfig(data="x.csv", score="softmax", minority_share=0.3)
    with pytest.raises(ConfigError, match="--minority-share sets the temperature of --score"):
        TrainConfig(data="x.csv", score="inverse", minority_share=0.3)


def test_options_survive_the_way_to_a_config_file_and_back():
    config = TrainConfig(
        data="x.csv",
        val="v.csv",
        text_column=("question", "answer"),
        label_column="kind",
        temperature=0.25,
        lr=3e-5,
        schedule="warmup",
        warmup_epochs=0,
        groups="100,20",
        dropout=0.0,
        loss="equalization",
        equalization_share=0.0,
        class_weight="effective-number",
        drw=True,
        keep_checkpoints=True,
    )
    options = config.to_options()
    assert options["text-column"] == ["question", "answer"]
    assert options["dropout"] == 0.0
    assert TrainConfig.from_options(options) == config


def test_unset_options_are_left_out_of_a_config_file():
    options = TrainConfig(data="x.csv").to_options()
    unset = {"val", "text-column", "minority-share", "groups", "equalization-share"}
    assert unset.isdisjoint(options)
    assert options["temperature"] == "auto"
    assert TrainConfig.from_options(options) == TrainConfig(data="x.csv")


def test_an_unknown_option_of_a_config_is_refused_with_a_near_one():
    with pytest.raises(ConfigError, match="Unknown option 'cylce'") as caught:
        TrainConfig.from_options({"data": "x.csv", "cylce": 3})
    assert "cycle" in caught.value.hint


def test_the_paper_preset_is_the_contracts_list():
    config = TrainConfig.from_options({"data": "x.csv", "model": "mine", **PAPER_PRESET})
    contract = {
        "optimizer": "adam",
        "lr": 1e-5,
        "lr_schedule": "constant",
        "head_lr_factor": 1.0,
        "batch_size": 128,
        "max_length": 96,
        "grad_clip": 10.0,
        "precision": "fp32",
        "select_on": "loss",
        "patience": 6,
        "epochs": 1000,
        "order": "file",
        "score": "softmax",
        "temperature": 1.0,
        "loss": "ce",
        "model": "mine",
    }
    assert {name: asdict(config)[name] for name in contract} == contract
    assert (config.weight_decay, config.lr_warmup, config.planned_warmup_epochs) == (0, 0, 5)


def test_warmup_is_half_of_the_epochs_unless_it_is_given():
    config = TrainConfig(data="x.csv", schedule="warmup", epochs=5)
    assert mixes(config.make_schedule(), 5) == [0, 0, 1, 1, 1]
    config = TrainConfig(data="x.csv", schedule="warmup", epochs=5, warmup_epochs=1)
    assert mixes(config.make_schedule(), 5) == [0, 1, 1, 1, 1]


def test_the_schedule_gets_its_options():
    assert mixes(TrainConfig(data="x.csv", cycle=2).make_schedule(), 4) == [0, 1, 0, 1]
    reverse = TrainConfig(data="x.csv", schedule="switch", switch_start="natural")
    assert mixes(reverse.make_schedule(), 2) == [0, 0]


@pytest.mark.parametrize(("text", "thresholds"), [("100,20", (100, 20)), ("7, 7", (7, 7))])
def test_thresholds_are_two_counts(text, thresholds):
    assert parse_thresholds(text) == thresholds
    assert TrainConfig(data="x.csv", groups=text).group_thresholds == thresholds


@pytest.mark.parametrize("text", ["", "100", "20,100", "5,-1", "a,b", "1,2,3", "1.5,1", "-5,-6"])
def test_other_thresholds_are_refused(text):
    with pytest.raises(ConfigError, match="--groups takes two train counts") as caught:
        parse_thresholds(text)
    assert "--groups 100,20" in caught.value.hint


@pytest.mark.parametrize(("text", "value"), [("auto", "auto"), ("2e-5", 2e-5), ("1", 1.0)])
def test_a_number_or_auto_is_read(text, value):
    assert parse_number_or_auto(text, "lr") == value


def test_what_is_neither_a_number_nor_auto_is_refused():
    with pytest.raises(ConfigError, match="--head-lr-factor takes auto or a number, not 'fast'"):
        parse_number_or_auto("fast", "head_lr_factor")
