"""dsample schedule."""

import hashlib

import pytest
import typer

from dsample_cli.cli.main import app
from tests.helpers import read_lines

COMMANDS = typer.main.get_command(app).commands
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def test_the_json_has_the_keys_of_the_contract(dsample, tickets):
    found = dsample("schedule", tickets, "--cycle", "3", "--epochs", "4", "--json").json
    assert list(found) == [
        *("data", "score", "settled", "schedule", "epochs", "depends_on_run", "warnings", "plot")
    ]
    assert found["data"] == {
        "path": str(tickets),
        "rows": 120,
        "train_rows": 96,
        "sha256": hashlib.sha256(tickets.read_bytes()).hexdigest(),
        "text_column": "text",
        "label_column": "label",
    }
    assert (found["score"], found["schedule"], found["plot"]) == ("softmax", "cyclic", None)
    assert list(found["settled"]) == ["temperature"]
    assert (found["depends_on_run"], found["warnings"]) == (False, [])
    assert [epoch["mix"] for epoch in found["epochs"]] == [0, 1, 1, 0]
    first = found["epochs"][0]
    assert list(first) == [
        *("epoch", "mix", "judged", "length", "expected", "groups", "repeats", "depends_on_run")
    ]
    assert (first["epoch"], first["judged"], first["length"]) == (0, True, 96)
    assert first["expected"] == {"billing": 60 / 96, "login": 24 / 96, "outage": 12 / 96}
    assert first["groups"] == {"many": 60 / 96, "medium": 24 / 96, "few": 12 / 96}
    assert first["repeats"] == {"billing": 1, "login": 1, "outage": 1}


def test_options_are_those_of_train():
    def declared(name):
        return {p.name: p for p in COMMANDS[name].params}

    own, train = declared("schedule"), declared("train")
    assert own.keys() - train.keys() == {"plot"}
    for name in own.keys() - {"plot", "data", "config"}:
        assert (own[name].opts, own[name].default) == (train[name].opts, train[name].default)
        assert own[name].help == train[name].help


def test_the_table_shows_epochs_and_where_they_come_from(dsample, tickets):
    done = dsample("schedule", tickets, "--schedule", "warmup:1+always", "--epochs", "3")
    assert (done.code, done.err) == (0, "")
    lines = [line.split() for line in done.out.splitlines()]
    assert ["0", "0.00", "96", "62.5%", "25.0%", "12.5%", "12.5%", "1.0", "not", "judged"] in lines
    assert ["all", "0.67", "288"] in [line[:3] for line in lines]
    assert "96 training rows of 120, 3 classes" in done.out
    assert "rarest: outage, 12 training examples" in done.out


def test_many_epochs_are_cut_in_the_middle(dsample, tickets):
    out = dsample("schedule", tickets, "--epochs", "200").out
    assert "\n  ...   " in out
    assert len(out.splitlines()) < 60


def test_what_the_run_decides_is_told(dsample, tickets):
    told = "* while every epoch improves; the run decides"
    out = dsample("schedule", tickets, "--schedule", "switch", "--epochs", "4").out
    assert told in out
    assert out.count("1.00*") == 2
    assert told not in dsample("schedule", tickets).out
    args = ["--score", "recency-bias+sqrt", "--schedule", "always", "--epochs", "10"]
    out = dsample("schedule", tickets, *args).out
    assert "recency-bias weighs single examples from epoch 2 on; the run decides which" in out


def test_examples_that_come_too_often_are_warned_of(dsample, tmp_path):
    rows = [f"text {i},{'ab'[i >= 98]}" for i in range(100)]
    (tmp_path / "d.csv").write_text("\n".join(["text,label", *rows]))
    args = ["schedule", "d.csv", "--val-size", "0", "--score", "oversample", "--epochs", "2"]
    done = dsample(*args)
    assert "49 times each in epoch 1, which invites memorising" in done.err
    assert "49.0   too often" in done.out
    assert len(dsample(*args, "--json").json["warnings"]) == 1


def test_without_data_the_current_dataset_is_read(dsample, tickets):
    assert dsample("analyze", tickets, "-q").code == 0
    done = dsample("schedule", "--json")
    assert done.err == f"Reading {tickets}, the current dataset.\n"
    assert done.json["data"]["rows"] == 120


def test_without_data_and_workspace_there_is_nothing_to_read(fails):
    fails(
        "schedule",
        kind="ConfigError",
        message="has no current dataset",
        hint="dsample schedule DATA",
    )


def test_data_may_come_from_stdin(dsample_process, tickets):
    done = dsample_process("schedule", "-", "--json", stdin=tickets.read_text(encoding="utf-8"))
    assert done.json["data"]["train_rows"] == 96


def test_the_config_of_a_run_shows_what_it_drew(dsample, trained):
    found = dsample("schedule", "--config", trained.run / "config.toml", "--json").json
    records = [line["expected"] for line in read_lines(trained.run / "epochs.jsonl")]
    assert [epoch["expected"] for epoch in found["epochs"]] == records


def test_a_config_file_may_hold_options_of_train_but_no_unknown_ones(fails, tickets, tmp_path):
    (tmp_path / "o.toml").write_text('lr = 1e-3\npreset = "paper"\nepochs = 4\ncylce = 3\n')
    fails(
        *("schedule", tickets, "--config", "o.toml"),
        kind="ConfigError",
        message="unknown key 'cylce'",
        hint="Did you mean cycle",
    )


def test_a_preset_counts_as_in_train(dsample, tickets, tmp_path):
    (tmp_path / "o.toml").write_text('preset = "paper"\nepochs = 4\n')
    found = dsample("schedule", tickets, "--config", "o.toml", "--json").json
    assert (found["settled"], len(found["epochs"])) == ({"temperature": 1.0}, 4)


def test_one_text_column_in_a_config_file_may_be_a_string(dsample, tickets, tmp_path):
    (tmp_path / "o.toml").write_text('text-column = "customer"\n')
    found = dsample("schedule", tickets, "--config", "o.toml", "--json").json
    assert found["data"]["text_column"] == "customer"


def test_the_picture_is_written_and_overwritten(dsample, tickets, tmp_path):
    picture = tmp_path / "schedule.png"
    picture.write_bytes(b"old")
    done = dsample("schedule", tickets, "--plot", "schedule.png")
    assert "Drawn in schedule.png" in done.out
    assert picture.read_bytes().startswith(PNG_MAGIC)
    found = dsample("schedule", tickets, "--schedule", "switch", "--plot", picture, "--json").json
    assert found["plot"] == str(picture)


@pytest.mark.parametrize(
    ("place", "message", "hint"),
    [
        ("none/s.png", "there is no folder none", "mkdir -p none"),
        (".", "--plot . is a folder", "schedule.png"),
    ],
)
def test_a_picture_needs_a_place(fails, tickets, place, message, hint):
    fails(*("schedule", tickets, "--plot", place), kind="ConfigError", message=message, hint=hint)


def test_a_wrong_option_is_refused_as_in_train(fails, tickets):
    fails(
        *("schedule", tickets, "--schedule", "cylic"),
        kind="ConfigError",
        message="Unknown schedule 'cylic'",
        hint="Did you mean cyclic?",
    )
    fails(
        *("schedule", tickets, "--temperature", "warm"),
        kind="UsageError",
        message="--temperature takes auto or a number",
        hint="--help",
        code=2,
    )
