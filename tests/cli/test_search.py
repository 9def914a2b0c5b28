"""dsample sweep --trials: a search in place of the full grid."""

import json
import sys
from types import SimpleNamespace

import pytest

from dsample_cli.workflows.search import parse_range

SPACE = "--schedule cyclic,switch --cycle 2..6 --lr 1e-4..1e-2 --model tiny --epochs 4".split()


@pytest.fixture
def training(monkeypatch):
    """Runs that take no time; `stop_at` interrupts one."""
    pytest.importorskip("optuna")

    kept = SimpleNamespace(trained=[], stop_at=None)

    def train(config, workspace, run, sweep_id, listener):
        if not run.path.is_dir():
            workspace.make_run(run)
        kept.trained.append((run.id, config.schedule, config.cycle, config.lr, config.seed))
        run.write_manifest({"status": "running", "sweep": sweep_id})
        if len(kept.trained) == kept.stop_at:
            raise KeyboardInterrupt
        macro_f1 = 0.9 - abs(config.lr - 2e-3) * 50 + 0.001 * config.seed
        try:
            for epoch in range(4):
                validation = {"macro_f1": macro_f1 * (epoch + 1) / 4}
                listener.epoch_finished({"epoch": epoch, "judged": True, "validation": validation})
        except BaseException:
            run.update_manifest(status="failed")
            raise
        metrics = {"validation": {"macro_f1": macro_f1}}
        run.update_manifest(status="completed", metrics=metrics)
        return "completed"

    monkeypatch.setattr("dsample_cli.workflows.sweep.train_run", train)
    return kept


def settings_of(result):
    return [run["options"] for run in result["runs"]]


def test_a_search_tries_so_many_settings_and_goes_on(dsample, tickets, tmp_path, training):
    first = dsample("sweep", tickets, *SPACE, "--trials", "10", "--json")
    assert first.code == 0, first.err
    result = first.json
    assert len(result["runs"]) == len(training.trained) == result["trials"] == 10
    assert {run["status"] for run in result["runs"]} == {"completed", "pruned"}
    for run in result["runs"]:
        options = run["options"]
        assert 1e-4 <= options["lr"] <= 1e-2
        assert options.get("cycle", 2) in range(2, 7)
        assert ("cycle" in options) == (options["schedule"] == "cyclic")
        assert (run["error"] or "").startswith("Pruned" if run["status"] == "pruned" else "")
        epochs = run["error"] and int(run["error"].split()[3].rstrip(":"))
        assert epochs is None or 1 <= epochs < 3
    database = tmp_path / "dsample_workspace" / "sweeps" / f"{result['sweep']}.db"
    assert database.exists()
    values = [run["validation"]["macro_f1"] for run in result["runs"] if run["validation"]]
    best = next(run for run in result["runs"] if run["run"] == result["best"])
    assert best["validation"]["macro_f1"] == max(values)
    more = dsample("sweep", tickets, *SPACE, "--trials", "11", "--json").json
    assert (len(training.trained), more["skipped"]) == (11, 10)
    assert settings_of(more)[:10] == settings_of(result)


def test_a_search_that_was_stopped_ends_as_one_that_was_not(dsample, tickets, tmp_path, training):
    command = ["sweep", tickets, *SPACE, "--trials", "7", "--json"]
    whole = dsample(*command, "--workspace", "whole").json
    training.trained.clear()
    training.stop_at = 4
    stopped = dsample(*command)
    assert stopped.code == 130
    assert "Stopped. Go on with: dsample sweep" in stopped.err
    training.stop_at = None
    planned = dsample(*command, "--dry-run").json
    assert (planned["status"], planned["skipped"]) == ("planned", 3)
    done = dsample(*command).json
    assert settings_of(done) == settings_of(whole)
    runs = [run for run, *_ in training.trained]
    assert (len(runs), len(set(runs))) == (8, 7), "the stopped one goes on as the same run"


def test_a_trial_is_the_mean_over_all_seeds(dsample, tickets, training):
    done = dsample("sweep", tickets, *SPACE, "--seed", "0,1,2", "--trials", "3", "--json").json
    assert [len(group["runs"]) for group in done["groups"]] == [3, 3, 3]
    assert [seed for *_, seed in training.trained] == [0, 1, 2] * 3


def test_a_search_needs_a_space_and_the_extra(dsample, tickets, fails, monkeypatch):
    pytest.importorskip("optuna")
    search = ["sweep", tickets, "--trials", "3"]
    nothing = "There is nothing to search"
    fails(*search, "--cycle", "3", kind="ConfigError", message=nothing, hint="--cycle 2..6")
    fails(
        *search, "--seed", "0..3", kind="ConfigError", message="--seed takes no range", hint="0,1"
    )
    fails(*search, "--cycle", "6..2", kind="ConfigError", message="'6..2' is empty", hint="lower")
    fails(
        *(*search, "--cycle", "0..3", "--schedule", "cyclic"),
        kind="ConfigError",
        message="--cycle must be at least 1",
        hint="",
    )
    monkeypatch.setitem(sys.modules, "optuna", None)
    fails(
        *(*search, "--cycle", "2,3"),
        kind="MissingExtraError",
        message="needs Optuna",
        hint="pip install 'dsample-cli[search]'",
    )


def test_a_grid_takes_no_range(dsample, tickets):
    done = dsample("sweep", tickets, "--cycle", "2..4")
    assert done.code == 2
    assert "--trials" in done.err


@pytest.mark.parametrize("text", ["a..b", "..", "1..", "cyclic", "../data.csv"])
def test_what_is_no_range(text):
    assert parse_range(text) is None


def test_the_sweep_file_names_its_points(dsample, tickets, tmp_path, training):
    done = dsample("sweep", tickets, *SPACE, "--trials", "2", "--json").json
    file = tmp_path / "dsample_workspace" / "sweeps" / f"{done['sweep']}.json"
    points = json.loads(file.read_text(encoding="utf-8"))["points"]
    assert [p["run"] for p in points.values()] == [run["run"] for run in done["runs"]]
