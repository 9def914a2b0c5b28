"""What trackers are told, and that their failures stay theirs."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dsample_cli.core.progress import Silent, WarningsKept
from dsample_cli.errors import MissingExtraError, RunError
from dsample_cli.training.trackers import MOST_CLASSES, Tracker, epoch_figures, label_keys
from dsample_cli.workflows.trackers import require_trackers

LOGS = Path("logs")
STATE = SimpleNamespace(is_world_process_zero=True, global_step=0)


def record_of(labels, **validation):
    share = 1 / len(labels)
    return {
        "epoch": 1,
        "mix": 0.5,
        "expected": dict.fromkeys(labels, share),
        "drawn": dict.fromkeys(labels, 4),
        "train_loss": 0.7,
        "examples_per_second": 100.0,
    } | ({"validation": validation} if validation else {})


def test_an_epoch_is_told_with_the_recall_of_each_class():
    record = record_of(["a", "b/c", "d"], loss=0.4, macro_f1=0.6, few_recall=None)
    recall = np.array([1.0, 0.5, np.nan])
    figures = epoch_figures(record, recall, ["many", "few", "few"], 1e-4)
    assert figures == pytest.approx(
        {
            "loss": 0.7,
            "learning_rate": 1e-4,
            "mix": 0.5,
            "examples": 12,
            "examples_per_second": 100.0,
            "expected_many_share": 1 / 3,
            "expected_few_share": 2 / 3,
            "eval_loss": 0.4,
            "eval_macro_f1": 0.6,
            "eval_many_recall": 1.0,
            "eval_few_recall": 0.5,
            "eval_recall_a": 1.0,
            "eval_recall_b_c": 0.5,
        }
    )


def test_many_classes_are_told_by_group():
    labels = [f"c{i}" for i in range(MOST_CLASSES + 1)]
    figures = epoch_figures(
        record_of(labels, loss=0.1), np.ones(len(labels)), ["few"] * len(labels), 0.0
    )
    assert figures["eval_few_recall"] == 1.0
    assert not any(name.startswith("eval_recall_") for name in figures)


def test_without_validation_training_is_told():
    figures = epoch_figures(record_of(["a", "b"]), None, ["many", "few"], 0.0)
    assert "mix" in figures
    assert not any(name.startswith("eval_") for name in figures)


def test_names_stay_distinct_for_every_tracker():
    labels = ["정상", "욕설", "..", "//", "x" * 300]
    keys = label_keys(labels)
    assert len(set(keys)) == len(labels)
    assert max(map(len, keys)) < 100
    assert not any("/" in key for key in keys)


class Broken:
    """An integration that fails when it is told so."""

    def __init__(self, event):
        self._event, self.calls = event, []

    def __getattr__(self, event):
        def call(*args, **kwargs):
            self.calls.append(event)
            print("a tracker's own words")
            if event == self._event:
                raise ValueError("no key\nmore")

        return call


def test_a_tracker_that_cannot_begin_ends_the_training():
    tracker = Tracker("mlflow", Broken("on_train_begin"), LOGS, Silent())
    with pytest.raises(RunError, match=r"mlflow could not begin: no key$"):
        tracker.on_train_begin(None, STATE, None)


def test_a_tracker_that_fails_later_is_left_out(capsys):
    heard, callback = WarningsKept(Silent()), Broken("on_log")
    tracker = Tracker("mlflow", callback, LOGS, heard)
    tracker.on_train_begin(None, STATE, None)
    for _ in range(2):
        tracker.on_log(None, STATE, None, logs={})
    tracker.on_train_end(None, STATE, None)
    assert callback.calls == ["on_train_begin", "on_log"]
    (warning,) = heard.warnings
    assert "mlflow failed (no key)" in warning
    assert "training goes on" in warning
    printed = capsys.readouterr()
    assert printed.out == "", "--json has stdout for itself"
    assert "own words" in printed.err


def test_a_folder_of_the_name_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "notrack").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("notrack", "missingtrack"):
        with pytest.raises(MissingExtraError, match=f"needs the package {name}") as caught:
            require_trackers([name])
        assert caught.value.hint == f"Install it: pip install {name}"
    require_trackers([])
