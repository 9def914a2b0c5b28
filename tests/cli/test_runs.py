"""dsample runs list, show, remove."""

import json
import shutil

import pytest


@pytest.fixture
def runs(trained, tmp_path, dsample):
    """A workspace with the trained run and a failed copy that was made later."""
    workspace = tmp_path / "workspace"
    shutil.copytree(trained.workspace, workspace)
    first = workspace / "runs" / trained.run.name
    second = first.with_name("29991231-000000-warmup-ffff")
    shutil.copytree(first, second)
    manifest = json.loads((second / "run.json").read_text())
    manifest |= {"status": "failed", "created": "2999-12-31T00:00:00.000+00:00", "metrics": {}}
    (second / "run.json").write_text(json.dumps(manifest))

    def call(*args: object):
        return dsample("runs", *args, "--workspace", workspace)

    return call, first, second


def test_the_list_has_the_keys_of_the_contract_newest_first(runs, trained):
    call, first, second = runs
    found = call("list", "--json").json
    assert list(found) == ["runs"]
    keys = {"run", "path", "status", "created", "schedule", "score", "macro_f1"}
    assert all(set(entry) >= keys for entry in found["runs"])
    assert [(entry["run"], entry["status"]) for entry in found["runs"]] == [
        (second.name, "failed"),
        (first.name, "completed"),
    ]
    entry = found["runs"][1]
    assert (entry["path"], entry["schedule"], entry["score"]) == (str(first), "cyclic", "softmax")
    assert entry["macro_f1"] == trained.result["metrics"]["validation"]["macro_f1"]
    assert found["runs"][0]["macro_f1"] is None


def test_the_table_shows_the_same(runs):
    call, first, second = runs
    done = call("list")
    assert done.out.index(second.name) < done.out.index(first.name)
    assert "completed" in done.out
    assert "failed" in done.out


def test_a_workspace_without_runs_says_how_to_make_one(dsample):
    done = dsample("runs", "list")
    assert done.code == 0
    assert "dsample train" in done.out


def test_show_tells_the_run_with_its_epochs(runs, trained):
    call, first, _ = runs
    found = call("show", "--json").json
    assert (found["run"], found["path"]) == (first.name, str(first))
    assert [record["epoch"] for record in found["epoch_records"]] == [0, 1]
    assert found["metrics"] == trained.result["metrics"]
    assert first.name in call("show", "latest").out


def test_remove_deletes_what_is_named(runs):
    call, first, second = runs
    assert call("remove", "2999", "--json").json == {"removed": [second.name]}
    assert not second.exists()
    assert first.is_dir()
    assert [entry["run"] for entry in call("list", "--json").json["runs"]] == [first.name]


def test_a_wrong_name_removes_nothing(runs):
    call, first, second = runs
    done = call("remove", first.name, "nonsense")
    assert done.code == 1
    assert "There is no run 'nonsense'" in done.err
    assert first.is_dir()
    assert second.is_dir()


def test_a_run_named_twice_is_removed_once(runs):
    call, first, _ = runs
    done = call("remove", first.name, "latest", "--json")
    assert done.json == {"removed": [first.name]}


def test_a_folder_outside_the_workspace_is_not_removed(runs, trained):
    call, _, _ = runs
    done = call("remove", str(trained.run))
    assert done.code == 1
    assert "is not in the workspace" in done.err
    assert trained.run.is_dir()
