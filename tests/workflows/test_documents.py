"""The command on the card is the config."""

import shlex
from dataclasses import fields

import pytest

from dsample_cli.core.config import TrainConfig
from dsample_cli.training.encoders import MINILM_HUB_ID, hub_id
from dsample_cli.workflows.documents import train_command


def read_back(command):
    """The config that a command describes, as `dsample train` would read it."""
    _, _, data, *words = shlex.split(command)
    types = {field.name: type(field.default) for field in fields(TrainConfig)}
    options: dict = {"data": data}
    while words:
        name = words.pop(0).removeprefix("--").replace("-", "_")
        if types[name] is bool:
            options[name] = True
        elif name == "text_column":
            options[name] = (*options.get(name, ()), words.pop(0))
        else:
            text = words.pop(0)
            options[name] = types[name](text) if types[name] in (int, float) else text
    return TrainConfig(**options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"text_column": ("question one", "it's"), "label_column": "-", "labels": "a,b c"},
        {"score": "recency-bias+sqrt", "pressure": 3.5, "schedule": "warmup:2+cyclic:3"},
        {"target_prior": "a=0.1,b b=0.2", "correct": "logit-adjust", "epochs": "auto"},
        {"loss": "vs", "tau": 0.5, "seed": 7, "val": "v.csv", "val_size": 0.3},
    ],
)
def test_the_command_gives_the_config_back(options):
    config = TrainConfig(data="my data.csv", **options)
    assert read_back(train_command(config)) == config


def test_what_changes_nothing_that_is_learned_is_left_out():
    config = TrainConfig(data="t.csv", keep_checkpoints=True, device="cpu", record_draws=True)
    assert train_command(config) == "dsample train t.csv"


def test_a_base_model_is_named_where_the_hub_has_it(tmp_path):
    assert hub_id("minilm") == MINILM_HUB_ID == "sentence-transformers/all-MiniLM-L6-v2"
    assert hub_id("klue/bert-base") == "klue/bert-base"
    assert hub_id("tiny") is None
    assert hub_id(str(tmp_path)) is None
