"""dsample sweep: a grid of runs, each once, whatever stops it."""

import json
import os
import random
import re
import signal
import time

import pytest

from dsample_cli.cli.sweep import _OTHER, SINGLE, _train_command
from tests.forks import Forked
from tests.helpers import QUICK, epochs_without_timing, make_tickets

FAST = "--model tiny --epochs 1 --batch-size 8 --lr 2e-3 --correct none".split()
GRID = "--schedule cyclic,switch --cycle 2,3 --seed 0,1".split()

pytestmark = pytest.mark.usefixtures("blank_pictures")


def runs_of(tmp_path):
    folder = tmp_path / "dsample_workspace" / "runs"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def manifest_of(tmp_path, run):
    path = tmp_path / "dsample_workspace" / "runs" / run / "run.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def stub_training(monkeypatch):
    """Runs that take no time: their figures are told by the cycle and the seed."""
    trained = []

    def train(config, workspace, run, sweep_id, listener):
        if not run.path.is_dir():
            workspace.make_run(run)
        trained.append((config.schedule, config.cycle, config.seed))
        macro_f1 = 0.5 + 0.01 * config.cycle + 0.001 * config.seed
        figures = {"macro_f1": macro_f1, "few_recall": 0.5}
        metrics = {"validation": figures, "test": figures}
        run.write_manifest({"status": "completed", "metrics": metrics, "sweep": sweep_id})
        return "completed"

    monkeypatch.setattr("dsample_cli.workflows.sweep.train_run", train)
    return trained


def test_every_option_of_train_is_one_of_sweep(dsample):
    text = dsample("sweep", "--help").out
    for parameter in _train_command().params:
        if parameter.name in _OTHER | {"help", "data"}:
            continue
        takes_list = re.search(rf"{', '.join(parameter.opts)} LIST", text) is not None
        assert parameter.opts[0] in text
        assert takes_list == (parameter.name not in SINGLE)


def test_options_that_take_no_list_are_those_of_train():
    names = {parameter.name for parameter in _train_command().params}
    assert names >= SINGLE | _OTHER


def test_a_grid_is_trained_once_and_grouped_by_everything_but_the_seed(dsample, tickets, tmp_path):
    done = dsample("sweep", tickets, *FAST, *GRID, "--schedule", "cyclic", "--json")
    assert done.code == 0, done.err
    result = done.json
    assert (result["status"], result["skipped"]) == ("completed", 0)
    assert [(r["options"]["cycle"], r["options"]["seed"]) for r in result["runs"]] == [
        (2, 0),
        (3, 0),
        (2, 1),
        (3, 1),
    ]
    assert {run["status"] for run in result["runs"]} == {"completed"}
    assert runs_of(tmp_path) == sorted(run["run"] for run in result["runs"])
    for run in result["runs"]:
        manifest = manifest_of(tmp_path, run["run"])
        assert manifest["sweep"] == result["sweep"]
        assert manifest["config"]["cycle"] == run["options"]["cycle"]
        assert manifest["config"]["seed"] == run["options"]["seed"]
        assert run["validation"] == manifest["metrics"]["validation"]
        assert run["test"] is None
    for group in result["groups"]:
        values = [r["validation"]["macro_f1"] for r in result["runs"] if r["run"] in group["runs"]]
        assert len(values) == 2
        assert group["macro_f1"]["mean"] == pytest.approx(sum(values) / 2)
        assert group["macro_f1"]["sd"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert result["best"] in result["groups"][0]["runs"]
    assert result["command"].startswith("dsample train --config")
    listed = dsample("runs", "list", "--json").json["runs"]
    assert len(listed) == 4


def test_a_run_of_a_sweep_is_the_run_that_train_makes(dsample, tickets, tmp_path):
    swept = dsample("sweep", tickets, *QUICK, "--score", "sqrt", "--json").json["best"]
    trained = dsample("train", tickets, *QUICK, "--score", "sqrt", "--json").json["run"]
    folder = tmp_path / "dsample_workspace" / "runs"
    assert epochs_without_timing(folder / swept) == epochs_without_timing(folder / trained)
    configs = [(folder / run / "config.toml").read_bytes() for run in (swept, trained)]
    assert configs[0] == configs[1]


def test_what_is_finished_is_not_repeated(dsample, tickets, tmp_path, stub_training):
    first = dsample("sweep", tickets, *FAST, *GRID, "--json").json
    assert len(stub_training) == 6, "switch has no cycle"
    again = dsample("sweep", tickets, *FAST, *GRID, "--json").json
    assert (len(stub_training), again["skipped"]) == (6, 6)
    assert again["runs"] == first["runs"]
    # A larger grid takes over what this one trained.
    wider = dsample("sweep", tickets, *FAST, *GRID, "--cycle", "2,3,4", "--json").json
    assert stub_training[6:] == [("cyclic", 4, 0), ("cyclic", 4, 1)]
    assert (wider["skipped"], wider["best"]) == (6, wider["groups"][0]["runs"][0])
    assert wider["groups"][0]["options"] == {"schedule": "cyclic", "cycle": 4}
    # A run that was removed is trained again, and no other.
    assert dsample("runs", "remove", first["runs"][0]["run"]).code == 0
    del stub_training[:]
    assert dsample("sweep", tickets, *FAST, *GRID, "--json").json["skipped"] == 5
    assert stub_training == [("cyclic", 2, 0)]
    # Other data make another sweep.
    tickets.write_text(make_tickets(seed=5), encoding="utf-8")
    assert dsample("sweep", tickets, *FAST, *GRID, "--json").json["skipped"] == 0


def test_a_dry_run_lists_the_points_and_trains_nothing(dsample, tickets, tmp_path):
    done = dsample("sweep", tickets, *FAST, *GRID, "--dry-run")
    assert done.code == 0
    assert "6 runs; how long each takes is known when the first one ends" in done.out
    lines = [line.split() for line in done.out.splitlines() if "planned" in line]
    assert lines[:3] == [
        ["cyclic", "2", "0", "planned"],
        ["cyclic", "3", "0", "planned"],
        ["switch", "-", "0", "planned"],
    ]
    assert not (tmp_path / "dsample_workspace").exists()
    planned = dsample("sweep", tickets, *FAST, *GRID, "--dry-run", "--json").json
    assert (planned["status"], planned["best"], len(planned["runs"])) == ("planned", None, 6)


def test_the_cost_goes_by_earlier_runs_on_the_same_data(dsample, tickets):
    assert dsample("train", tickets, *FAST).code == 0
    told = dsample("sweep", tickets, *FAST, *GRID, "--dry-run").out
    assert re.search(r"6 runs; about \d+ s each \(by 1 earlier run\), about \d+ s in all", told)
    other = dsample("sweep", tickets, *FAST, *GRID, "--model", "minilm,tiny", "--dry-run").out
    assert "is known when the first one ends" in other


def test_a_point_that_fails_is_recorded_and_the_others_go_on(dsample, tickets, tmp_path):
    options = [*FAST, "--lr", "2e-3,1e30", "--precision", "fp32"]
    done = dsample("sweep", tickets, *options, "--json")
    assert done.code == 1
    good, bad = done.json["runs"]
    assert (good["status"], bad["status"]) == ("completed", "failed")
    assert "no longer finite" in bad["error"] or "became" in bad["error"]
    assert done.json["best"] == good["run"]
    assert manifest_of(tmp_path, bad["run"])["status"] == "failed"
    plain = dsample("sweep", tickets, *options)
    assert plain.code == 1
    assert "1 run failed" in plain.out
    assert "lr 1e+30:" in plain.out
    assert runs_of(tmp_path) == sorted([good["run"], bad["run"]]), "tried again as the same run"


def test_impossible_combinations_fail_and_impossible_values_are_refused(
    dsample, tickets, fails, stub_training
):
    sizes = ["--val-size", "0.2,0.5", "--test-size", "0.1,0.5"]
    done = dsample("sweep", tickets, *FAST, *sizes, "--json")
    assert done.code == 1
    assert [run["status"] for run in done.json["runs"]].count("failed") == 1
    assert done.json["runs"][3]["run"] is None
    assert "leave no training rows" in done.json["runs"][3]["error"]
    trained = len(stub_training)
    fails(
        *("sweep", tickets, "--schedule", "cyclic,swich"),
        kind="ConfigError",
        message="Unknown schedule 'swich'",
        hint="Did you mean switch?",
    )
    fails(
        *("sweep", tickets, "--val-size", "0"),
        kind="ConfigError",
        message="no validation data",
        hint="--val FILE",
    )
    fails(
        *("sweep", "nowhere.csv", "--cycle", "2,3"),
        kind="DataError",
        message="nowhere.csv",
        hint="",
    )
    fails("sweep", "-", kind="ConfigError", message="standard input", hint="dsample sweep FILE")
    assert len(stub_training) == trained


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--cycel", "2,3"], "--cycle"),
        (["--cycle", "2,x"], "'--cycle': Input should be a valid integer"),
        (["--temperature", "auto,warm"], "--temperature takes auto or a number, not 'warm'"),
        (["--drw", "maybe"], "neither yes nor no"),
        (["--trials", "0"], "--trials"),
    ],
    ids=str,
)
def test_wrong_usage(dsample, tickets, options, told):
    done = dsample("sweep", tickets, *options)
    assert done.code == 2
    assert told in done.err


def test_lists_come_from_a_config_file_a_variable_and_a_preset(
    dsample, tickets, tmp_path, monkeypatch, stub_training
):
    (tmp_path / "grid.toml").write_text(
        "cycle = [2, 3]\nmodel = 'tiny'\ndrw = [true, false]\ngroups = '50,20'\n[sweep]\nepochs=2"
    )
    monkeypatch.setenv("DSAMPLE_SEED", "0,1")
    done = dsample("sweep", tickets, "--config", "grid.toml", "--preset", "paper", "--json")
    assert done.code == 0, done.err
    assert len(stub_training) == 8
    names = {"cycle", "drw", "seed"}
    assert all(set(run["options"]) == names for run in done.json["runs"])


def test_the_current_dataset_is_swept_over(dsample, tickets, stub_training):
    dsample("analyze", tickets)
    done = dsample("sweep", "--cycle", "2,3", *FAST)
    assert done.code == 0
    assert done.err.count(f"Sweeping over {tickets}, the current dataset.") == 1


def test_the_table_names_seeds_test_figures_and_what_comes_next(dsample, tickets, stub_training):
    done = dsample("sweep", tickets, *FAST, *GRID, "--workspace", "elsewhere")
    assert done.code == 0
    first = next(line for line in done.out.splitlines() if line.startswith("cyclic"))
    assert first.split()[:6] == ["cyclic", "3", "2", "0.5305", "±", "0.0007"]
    assert "the test rows had no say" in done.out
    assert "--workspace elsewhere" in done.out.split("Repeat it: ")[1]
    assert done.err.count("macro-F1") == 6
    quiet = dsample("sweep", tickets, *FAST, *GRID, "--quiet")
    assert quiet.err == ""


def sweep_killed(tmp_path, rng, *options):
    """Start a sweep and kill it somewhere in its next run; whether it still ran."""
    before = len(list(tmp_path.glob("dsample_workspace/runs/*/run.json")))
    process = Forked("sweep", "tickets.csv", *options, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("dsample_workspace/runs/*/run.json"))) <= before:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.5))
    return process.kill() == -signal.SIGKILL


def test_a_sweep_killed_twice_ends_with_every_run_once(dsample, tickets, tmp_path):
    rng = random.Random(8)
    options = [*FAST, "--epochs", "2", "--cycle", "2,3", "--seed", "0,1"]
    for _ in range(2):
        assert sweep_killed(tmp_path, rng, *options), "it was still running"
    finished = {
        run: (tmp_path / "dsample_workspace/runs" / run / "run.json").read_bytes()
        for run in runs_of(tmp_path)
        if (tmp_path / "dsample_workspace/runs" / run / "metrics.json").exists()
        and manifest_of(tmp_path, run)["status"] == "completed"
    }
    done = dsample("sweep", "tickets.csv", *options, "--json")
    assert done.code == 0, done.err
    assert runs_of(tmp_path) == sorted(run["run"] for run in done.json["runs"])
    assert len(runs_of(tmp_path)) == 4
    settings = [(r["options"]["cycle"], r["options"]["seed"]) for r in done.json["runs"]]
    assert sorted(settings) == [(2, 0), (2, 1), (3, 0), (3, 1)]
    assert {run["status"] for run in done.json["runs"]} == {"completed"}
    assert done.json["skipped"] == len(finished)
    for run, content in finished.items():
        path = tmp_path / "dsample_workspace" / "runs" / run / "run.json"
        assert path.read_bytes() == content, "it was left alone"


def test_a_sweep_killed_while_it_makes_a_run_makes_that_one(
    dsample, tickets, tmp_path, stub_training
):
    """The name of a run is written down before the run is made."""
    options = [*FAST, "--cycle", "2,3", "--json"]
    first = dsample("sweep", tickets, *options).json
    file = tmp_path / "dsample_workspace" / "sweeps" / f"{first['sweep']}.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    (entry, *_) = content["points"].values()
    dsample("runs", "remove", entry["run"])
    entry |= {"run": "20260101-000000-cyclic-0000", "status": "planned"}
    file.write_text(json.dumps(content), encoding="utf-8")
    done = dsample("sweep", tickets, *options)
    assert done.json["runs"][0]["run"] == entry["run"]
    assert len(runs_of(tmp_path)) == 2


def test_ctrl_c_checkpoints_and_tells_how_to_go_on(dsample, tickets, tmp_path):
    options = [*FAST, "--epochs", "30", "--cycle", "2,3"]
    process = Forked("sweep", "tickets.csv", *options, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("dsample_workspace/runs/*/checkpoints/checkpoint-*")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.process.pid, signal.SIGINT)
    done = process.finish()
    assert done.code == 130
    assert "Stopping after a checkpoint" in done.err
    assert "Stopped. Go on with: dsample sweep tickets.csv --model tiny" in done.err
    (run,) = runs_of(tmp_path)
    assert manifest_of(tmp_path, run)["status"] == "interrupted"
    planned = dsample("sweep", "tickets.csv", *options, "--dry-run", "--json").json["runs"]
    assert [(r["run"], r["status"]) for r in planned] == [(run, "interrupted"), (None, "planned")]
