"""What a real training writes into epochs.jsonl follows the schedule's golden sequence."""

import pytest

from dsample_cli.core.config import TrainConfig
from dsample_cli.runs.files import read_json_lines
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows import train as workflow

# Injected validation losses, by epoch; 0.1 and 9.0 fall into review epochs of `switch`.
LOSSES = (1.0, 0.9, 0.95, 0.1, 0.9, 9.0, 0.8, 0.7)
ALL = [True] * 8

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture
def data(write):
    words = {"a": "red", "b": "green", "c": "blue"}
    labels = "a" * 18 + "b" * 6 + "c" * 3
    return write("d.csv", [(f"{words[label]} {i}", label) for i, label in enumerate(labels)])


@pytest.fixture
def train_with_losses(data, tmp_path, heard, monkeypatch):
    """Train `tiny` on 27 rows while the validation tells the losses above."""

    def train(**options):
        left = list(LOSSES)
        figures = {"macro_f1": 0.5, "few_recall": 0.0, "never_predicted": 0}
        monkeypatch.setattr(
            workflow, "_measure", lambda *args: lambda logits: {**figures, "loss": left.pop(0)}
        )
        config = TrainConfig(
            data=data,
            model="tiny",
            epochs=len(LOSSES),
            batch_size=9,
            select_on="loss",
            device="cpu",
            **options,
        )
        result = workflow.train(config, Workspace(tmp_path / "workspace"), heard)
        return result, read_json_lines(result.run.epochs_file)

    return train


@pytest.mark.parametrize(
    ("options", "mix", "judged", "best_epoch"),
    [
        ({"schedule": "cyclic", "cycle": 3}, [0, 1, 1, 0, 1, 1, 0, 1], ALL, 3),
        (
            {"schedule": "warmup", "warmup_epochs": 2},
            [0, 0, 1, 1, 1, 1, 1, 1],
            [False, False, *ALL[2:]],
            3,
        ),
        (
            {"schedule": "switch"},
            [1, 1, 1, 0, 1, 0, 1, 1],
            [True, True, True, False, True, False, True, True],
            7,
        ),
        (
            {"schedule": "switch", "switch_start": "natural"},
            [0, 0, 0, 1, 0, 1, 0, 0],
            [True, True, True, False, True, False, True, True],
            7,
        ),
    ],
    ids=["cyclic 3", "warmup 2", "switch", "switch natural"],
)
def test_the_epochs_follow_the_schedule(train_with_losses, options, mix, judged, best_epoch):
    result, epochs = train_with_losses(**options)
    assert [record["mix"] for record in epochs] == mix
    assert [record["judged"] for record in epochs] == judged
    assert result.best_epoch == best_epoch
    natural = next(record["drawn"] for record in epochs if record["mix"] == 0)
    assert all((r["drawn"] == natural) == (r["mix"] == 0) for r in epochs)


def test_patience_ends_the_training_after_judged_epochs_only(train_with_losses):
    result, epochs = train_with_losses(schedule="switch", patience=2)
    assert [record["mix"] for record in epochs] == [1, 1, 1, 0, 1]
    assert (result.status, result.epochs, result.best_epoch) == ("completed", 5, 1)
