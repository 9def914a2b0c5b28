"""The preview says what training then records."""

import numpy as np
import pytest

from dsample_cli.core.config import TrainConfig, auto_epochs
from dsample_cli.runs.files import read_json_lines
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows import train as workflow
from dsample_cli.workflows.schedule import preview_schedule

EPOCHS = 5
CASES = {
    "cyclic": {"schedule": "cyclic", "cycle": 3},
    "linear": {"schedule": "linear", "score": "inverse"},
    "dcl-convex": {"schedule": "dcl-convex"},
    "in a row": {"schedule": "warmup:1+always", "score": "sqrt"},
    "oversample": {"score": "oversample", "schedule": "cyclic"},
    "a validation file": {"schedule": "always", "val": "val.csv"},
    "thresholds": {"schedule": "always", "groups": "10,4", "val_size": 0.3, "seed": 7},
    "switch, while every epoch improves": {"schedule": "warmup:1+switch"},
    "an example score, before it acts": {"score": "hard+sqrt", "score_warmup": 3},
}

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture
def data(write):
    words = {"a": "red", "b": "green", "c": "blue"}
    labels = "a" * 18 + "b" * 6 + "c" * 3
    rows = [(f"{words[label]} {i}", label) for i, label in enumerate(labels)]
    write("val.csv", rows[::4])
    return write("d.csv", rows)


@pytest.fixture
def train_records(tmp_path, heard, monkeypatch):
    """Lines of epochs.jsonl of a training in which every epoch improves."""

    def train(config):
        improving = iter(range(100))
        figures = {"loss": 0.5, "few_recall": 0.0, "never_predicted": 0}
        monkeypatch.setattr(
            workflow,
            "_measure",
            lambda *args: lambda logits: {**figures, "macro_f1": next(improving) / 100},
        )
        result = workflow.train(config, Workspace(tmp_path / "workspace"), heard)
        return read_json_lines(result.run.epochs_file)

    return train


@pytest.mark.parametrize("case", CASES)
def test_the_preview_is_what_training_records(case, data, train_records, heard, own_folder):
    config = TrainConfig(
        data=data, model="tiny", epochs=EPOCHS, batch_size=9, device="cpu", **CASES[case]
    )
    previewed = preview_schedule(config, heard).to_json()
    records = train_records(config)
    assert len(records) == len(previewed["epochs"]) == EPOCHS
    for record, epoch in zip(records, previewed["epochs"], strict=True):
        assert (epoch["epoch"], epoch["judged"]) == (record["epoch"], record["judged"])
        assert epoch["mix"] == record["mix"]
        assert list(epoch["groups"]) == list(record["drawn_by_group"])
        if epoch["depends_on_run"] and case.startswith("an example score"):
            continue
        assert epoch["expected"] == record["expected"]
        assert epoch["length"] == sum(record["drawn"].values())


def test_auto_epochs_go_by_the_training_rows(data, heard):
    result = preview_schedule(TrainConfig(data=data), heard)
    assert len(result.epochs) == auto_epochs(len(result.data.parts["train"].rows)) == 16


def test_repeats_are_draws_over_examples(data, heard):
    result = preview_schedule(TrainConfig(data=data, schedule="cyclic:2", score="inverse"), heard)
    first, second = result.to_json()["epochs"][:2]
    assert first["repeats"] == {"a": 1.0, "b": 1.0, "c": 1.0}
    rows = result.counts.sum()
    assert list(second["repeats"].values()) == pytest.approx((rows / 3 / result.counts).tolist())
    assert sum(second["expected"].values()) == pytest.approx(1)
    assert sum(second["groups"].values()) == pytest.approx(1)


def test_groups_that_do_not_exist_are_not_shown(write, heard):
    path = write("d.csv", [(f"text {i}", "ab"[i % 2]) for i in range(40)])
    result = preview_schedule(TrainConfig(data=path), heard)
    assert result.group_names == ("many",)
    assert result.shares_by_group == {"many": [1.0] * 16}


def decided_by_run(heard, **options):
    """Which epochs the run decides, and what the preview warned of."""
    result = preview_schedule(TrainConfig(epochs=6, **options), heard)
    found = result.to_json()
    assert found["depends_on_run"] == any(epoch["depends_on_run"] for epoch in found["epochs"])
    assert heard.warnings[len(heard.warnings) - len(result.warnings) :] == list(result.warnings)
    return [e["epoch"] for e in found["epochs"] if e["depends_on_run"]], result.warnings


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        ({"schedule": "cyclic"}, []),
        ({"schedule": "switch"}, [2, 3, 4, 5]),
        ({"schedule": "warmup:2+switch"}, [4, 5]),
        ({"schedule": "switch@4+natural"}, [2, 3]),
        ({"score": "hard", "score_warmup": 2, "schedule": "always"}, [2, 3, 4, 5]),
        ({"score": "hard", "score_warmup": 2, "schedule": "cyclic:3"}, [2, 4, 5]),
    ],
    ids=str,
)
def test_an_epoch_that_the_run_decides_is_marked(data, heard, options, epochs):
    assert decided_by_run(heard, data=data, **options) == (epochs, ())


def test_without_validation_switch_never_switches(data, heard):
    epochs, (warning,) = decided_by_run(heard, data=data, schedule="switch", val_size=0.0)
    assert epochs == []
    assert "never switches" in warning


def test_a_score_whose_turn_never_comes_is_warned_of(data, heard):
    epochs, (warning,) = decided_by_run(heard, data=data, score="hard+sqrt", score_warmup=6)
    assert epochs == []
    assert "--score-warmup" in warning


def test_a_class_repeated_too_often_is_warned_of(write, heard):
    path = write("d.csv", [(f"text {i}", "ab"[i >= 98]) for i in range(100)])
    config = TrainConfig(data=path, val_size=0.0, epochs=2, score="oversample")
    result = preview_schedule(config, heard)
    (warning,) = result.warnings
    assert "The 2 examples of 'b' will come 49 times each in epoch 1" in warning
    assert [epoch.repeats_too_much for epoch in result.epochs] == [False, True]


def test_the_split_is_that_of_train(data, heard):
    first = preview_schedule(TrainConfig(data=data, seed=3, test_size=0.2), heard)
    again = preview_schedule(TrainConfig(data=data, seed=3, test_size=0.2), heard)
    assert np.array_equal(first.data.parts["train"].rows, again.data.parts["train"].rows)
    assert first.counts.sum() == len(first.data.parts["train"].rows) < first.data.rows == 27
