"""dsample runs: list, show, best, tag, note, prune, du, remove."""

import json
import shutil

import pytest

from dsample_cli.runs.run import Run
from dsample_cli.runs.workspace import Workspace


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


@pytest.fixture
def many(tmp_path, dsample):
    """A workspace of runs that were never trained: seven completed, the newest is number 7."""
    workspace = tmp_path / "many"

    def store(number: int, status: str = "completed", **entries) -> Run:
        run = Run(workspace / "runs" / f"2026010{number}-000000-cyclic-aa0{number}")
        (run.path / "model").mkdir(parents=True)
        (run.path / "model" / "model.safetensors").write_bytes(b"x" * 1000 * number)
        config = {"model": "/models/bert", "schedule": "cyclic", "score": "softmax", "loss": "ce"}
        config |= entries.pop("config", {})
        data = {"path": "/d/train.csv", "sha256": entries.pop("sha256", "abcdef12" * 8)}
        macro_f1 = entries.pop("macro_f1", 0.5)
        manifest = {
            "status": status,
            "created": f"2026-01-0{number}T00:00:00.000+00:00",
            "completed": f"2026-01-0{number}T00:0{10 - number}:00.500+00:00",
            "config": config,
            "data": {"train": data},
            "metrics": {
                "validation": {
                    **dict.fromkeys(("macro_f1", "accuracy", "balanced_accuracy"), macro_f1),
                    "few_recall": 1 - macro_f1,
                }
            },
        }
        run.write_manifest(manifest | entries)
        return run

    def call(*args: object):
        return dsample("runs", *args, "--workspace", workspace)

    call.store = store
    call.workspace = Workspace(workspace)
    return call


def ids(done) -> list[str]:
    """Numbers of the runs in a list."""
    return [int(entry["run"][7]) for entry in done.json["runs"]]


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


def test_a_list_is_filtered_sorted_and_cut(many, tmp_path):
    many.store(1, macro_f1=0.7)
    many.store(2, macro_f1=0.9, config={"schedule": "natural", "model": "tiny"})
    many.store(3, "failed", metrics={}, completed=None)
    many.store(4, macro_f1=0.8, sha256="1234567890")
    assert ids(many("list", "--json")) == [4, 3, 2, 1]
    assert ids(many("list", "--status", "completed", "--json")) == [4, 2, 1]
    assert ids(many("list", "--model", "bert", "--json")) == [4, 3, 1]
    assert ids(many("list", "--model", "tiny", "--schedule", "natural", "--json")) == [2]
    assert ids(many("list", "--sort", "macro-f1", "--json")) == [2, 4, 1, 3]
    assert ids(many("list", "--sort", "few-recall", "--limit", "1", "--json")) == [1]
    assert ids(many("list", "--sort", "seconds", "--json")) == [1, 2, 4, 3]
    assert ids(many("list", "--sort", "status", "--json")) == [4, 2, 1, 3]
    assert ids(many("list", "--data", "123456", "--json")) == [4]
    entry = many("list", "--data", "123456", "--json").json["runs"][0]
    assert entry["seconds"] == 360.5
    assert entry["data"] == {"path": "/d/train.csv", "sha256": "1234567890"}
    assert (entry["tags"], entry["note"], entry["loss"]) == ([], "", "ce")
    assert "No run is like that" in many("list", "--status", "running").out


def test_data_is_a_file_that_is_known_by_its_content(many, tmp_path):
    (tmp_path / "renamed.csv").write_text("text,label\n")
    from dsample_cli.data.sources import file_sha256

    many.store(1, sha256=file_sha256(tmp_path / "renamed.csv"))
    many.store(2)
    assert ids(many("list", "--data", "renamed.csv", "--json")) == [1]
    assert ids(many("list", "--data", "/d/train.csv", "--json")) == [2, 1]


@pytest.mark.parametrize(
    ("option", "message", "hint"),
    [
        (("--status", "complete"), "Unknown --status 'complete'", "Did you mean completed?"),
        (("--sort", "f1"), "Unknown --sort 'f1'", "macro-f1"),
        (("--data", "missing.csv"), "--data missing.csv is neither a file nor", "SHA-256"),
    ],
)
def test_an_impossible_filter_is_told(fails, many, option, message, hint):
    many.store(1)
    where = ("--workspace", many.workspace.path)
    fails("runs", "list", *option, *where, kind="ConfigError", message=message, hint=hint)


def test_the_best_run_is_that_of_run_best(many):
    many.store(1, macro_f1=0.9)
    many.store(2, macro_f1=0.95, sha256="1234567890")
    many.store(3, macro_f1=0.8)
    found = many("best", "--json").json
    assert found["run"] == many.workspace.find_run("best").id == "20260101-000000-cyclic-aa01"
    assert found["metrics"]["validation"]["macro_f1"] == 0.9
    text = many("best").out
    assert text.splitlines()[0] == found["run"]
    assert "macro-F1 0.9000" in text
    assert many("best", "--data", "123456", "--json").json["run"].startswith("20260102")


def test_without_runs_of_the_data_none_is_best(fails, many):
    many.store(1)
    where = ("--workspace", many.workspace.path)
    fails(
        *("runs", "best", "--data", "99999999", *where),
        kind="ConfigError",
        message="No completed run",
        hint="dsample runs list",
    )


def test_tags_and_notes_are_set_shown_and_taken(many):
    many.store(1)
    many.store(2)
    assert many("tag", "20260101", "paper", "v2", "--json").json == {
        "run": "20260101-000000-cyclic-aa01",
        "tags": ["paper", "v2"],
        "note": "",
    }
    assert "before\ufffd[31m the mend" in many("note", "20260101", "before\x1b[31m the mend").out
    assert ids(many("list", "--tag", "paper", "--json")) == [1]
    assert ids(many("list", "--tag", "paper", "--tag", "v2", "--json")) == [1]
    assert ids(many("list", "--tag", "paper", "--tag", "v3", "--json")) == []
    assert "paper v2" in many("list").out
    shown = many("show", "20260101")
    assert "tags       paper v2" in shown.out
    assert "\x1b" not in shown.out
    found = many("show", "20260101", "--json").json
    assert (found["tags"], found["note"]) == (["paper", "v2"], "before\x1b[31m the mend")
    assert many("tag", "20260101", "v2", "--remove", "--json").json["tags"] == ["paper"]
    assert many("note", "20260101", "", "--json").json["note"] == ""


def test_a_tag_that_is_not_there_is_told(fails, many):
    many.store(1)
    fails(
        *("runs", "tag", "latest", "paper", "--remove", "--workspace", many.workspace.path),
        kind="ConfigError",
        message="has no tag 'paper'",
        hint="no tags at all",
    )


@pytest.fixture
def old(many):
    """What a workspace gathers: of the runs 1 to 9, prune --keep 2 may take 4 and 6."""
    many.store(1, macro_f1=0.9)  # the best
    many.store(2)  # what 8 was made of
    many.store(3)  # tagged
    many.store(4)
    many.store(5, "interrupted")
    many.store(6)
    many.store(7, "failed", metrics={})
    many.store(8, parent="20260102-000000-cyclic-aa02")
    many.store(9)
    many("tag", "20260103", "paper")
    return many


def test_prune_tells_what_would_go_and_why_the_rest_stays(old):
    found = old("prune", "--keep", "2", "--dry-run", "--json").json
    assert not found["removed"]
    assert ids_of(found["runs"]) == [6, 4]
    assert found["bytes"] == sum(entry["bytes"] for entry in found["runs"]) > 10_000
    reasons = {int(entry["run"][7]): entry["reason"] for entry in found["kept"]}
    assert reasons == {
        **{9: "newest", 8: "newest", 1: "best", 3: "tagged", 2: "parent"},
        **{5: "unfinished", 7: "unfinished"},
    }
    text = old("prune", "--keep", "2", "--dry-run").out
    assert "Would remove 2 runs" in text
    assert "2 unfinished (--unfinished removes them)" in text
    assert len(old.workspace.list_runs()) == 9


def ids_of(runs) -> list[int]:
    return [int(entry["run"][7]) for entry in runs]


def test_prune_removes_nothing_without_yes(old):
    done = old("prune", "--keep", "2")
    assert done.code == 1
    assert "Would remove 2 runs" in done.out
    assert "Hint: To remove them, add --yes: dsample runs prune --keep 2 --yes" in done.err
    as_json = old("prune", "--keep", "2", "--json")
    assert (as_json.code, as_json.json["error"]["type"]) == (1, "ConfigError")
    assert len(old.workspace.list_runs()) == 9


def test_prune_removes_with_yes_and_unfinished_runs_when_told(old):
    found = old("prune", "--keep", "2", "--yes", "--json").json
    assert found["removed"]
    assert ids_of(found["runs"]) == [6, 4]
    assert ids(old("list", "--json")) == [9, 8, 7, 5, 3, 2, 1]
    done = old("prune", "--keep", "2", "--unfinished", "--yes")
    assert done.code == 0
    assert "Removed 2 runs" in done.out
    assert ids(old("list", "--json")) == [9, 8, 3, 2, 1]
    done = old("prune", "--keep", "2", "--yes")
    assert (done.code, "There is nothing to remove." in done.out) == (0, True)


def test_prune_leaves_a_run_in_training_and_one_that_is_taken_up(old):
    training = Run(old.workspace.runs_dir / "20260105-000000-cyclic-aa05")
    training.update_manifest(status="running")
    taken = Run(old.workspace.runs_dir / "20260104-000000-cyclic-aa04")
    with training.locked(), taken.locked():
        found = old("prune", "--keep", "2", "--unfinished", "--yes", "--json").json
    reasons = {int(entry["run"][7]): entry["reason"] for entry in found["kept"]}
    assert (reasons[5], reasons[4]) == ("running", "in use")
    assert ids_of(found["runs"]) == [7, 6]
    assert training.path.is_dir()
    assert taken.path.is_dir()


def test_prune_takes_a_link_and_leaves_what_it_leads_to(old, tmp_path):
    victim = old.workspace.runs_dir / "20260104-000000-cyclic-aa04"
    victim.rename(tmp_path / "elsewhere")
    victim.symlink_to(tmp_path / "elsewhere")
    (old.workspace.runs_dir / "20260106-000000-cyclic-aa06" / "link").symlink_to(tmp_path)
    found = old("prune", "--keep", "2", "--yes", "--json").json
    assert ids_of(found["runs"]) == [6, 4]
    assert not victim.is_symlink()
    assert (tmp_path / "elsewhere" / "model" / "model.safetensors").is_file()


def test_du_tells_the_largest_first(many):
    many.store(1)
    many.store(3)
    many.store(2)
    leftover = many.workspace.runs_dir / ".removed-x"
    leftover.mkdir()
    (leftover / "weights").write_bytes(b"x" * 500)
    found = many("du", "--json").json
    assert ids_of(found["runs"]) == [3, 2, 1]
    assert found["parts"]["model"] == 6000
    assert found["leftover"] == 500
    assert found["bytes"] == sum(entry["bytes"] for entry in found["runs"]) + 500
    text = many("du").out
    assert "3.0 kB" in text
    assert "(interrupted removals)" in text
    assert "3 runs" in text


def test_du_of_nothing_says_how_to_begin(dsample):
    assert "dsample train DATA" in dsample("runs", "du").out


def test_show_draws_the_training(runs, trained):
    call, first, _ = runs
    text = call("show", first.name).out
    assert "Validation macro-F1" in text
    assert "Validation loss" in text
    assert "█" in text
