"""The workspace: its runs, found by name; its current dataset."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from dsample_cli.runs.run import Run
from dsample_cli.runs.workspace import CurrentDataset, RememberedBaseline, Workspace
from tests.runs.conftest import contents

DATASET = CurrentDataset("/x/data.csv", "abc", ("question", "answer"), "kind")


@pytest.fixture
def three_runs(make_run):
    return [make_run(f"2026010{day}-000000-cyclic-aa0{day}") for day in (1, 2, 3)]


def test_reading_makes_no_workspace(workspace):
    assert workspace.list_runs() == []
    assert workspace.current_dataset() is None
    assert not workspace.path.exists()


def test_a_new_run_is_named_by_time_and_label(workspace):
    runs = [workspace.create_run("cyclic") for _ in range(5)]
    assert len({run.id for run in runs}) == 5
    assert all(re.fullmatch(r"\d{8}-\d{6}-cyclic-[0-9a-f]{4}", run.id) for run in runs)
    assert all(run.path.is_dir() for run in runs)


def test_an_unwritable_workspace_is_told_with_a_way_out(tmp_path, run_error):
    (tmp_path / "file").write_text("")
    for call in (
        Workspace(tmp_path / "file").create,
        Workspace(tmp_path / "file" / "below").create,
        lambda: Workspace(tmp_path / "file").create_run("x"),
        lambda: Workspace(tmp_path / "file").set_current_dataset(DATASET),
    ):
        told = run_error(call)
        assert "Cannot write the workspace" in told
        assert "--workspace" in told


def test_runs_are_listed_newest_first(workspace, three_runs):
    assert [s.run for s in workspace.list_runs()] == three_runs[::-1]


def test_a_damaged_run_is_listed_and_hides_no_other(workspace, three_runs):
    three_runs[1].manifest_file.write_text("{")
    listed = workspace.list_runs()
    assert [(s.run.id[7], s.status) for s in listed] == [
        ("3", "completed"),
        ("2", "damaged"),
        ("1", "completed"),
    ]
    assert workspace.find_run("latest") == three_runs[2]
    assert workspace.find_run(three_runs[1].id) == three_runs[1]


def test_a_run_that_is_just_being_made_is_running(workspace):
    run = workspace.create_run("cyclic")
    with run.locked():
        assert [s.status for s in workspace.list_runs()] == ["running"]
    assert [s.status for s in workspace.list_runs()] == ["damaged"]


def test_files_and_hidden_folders_are_no_runs(workspace, three_runs):
    (workspace.runs_dir / "notes.txt").write_text("")
    (workspace.runs_dir / ".removed-x").mkdir()
    assert len(workspace.list_runs()) == 3


def test_a_run_is_found_by_id_prefix_and_path(workspace, three_runs, tmp_path, monkeypatch):
    run = three_runs[1]
    assert workspace.find_run(run.id) == run
    assert workspace.find_run("20260102") == run
    assert workspace.find_run(str(run.path)) == run
    assert Workspace(tmp_path / "elsewhere").find_run(str(run.path)) == run
    monkeypatch.chdir(workspace.runs_dir)
    assert workspace.find_run(f"./{run.id}").path == run.path


def test_an_id_that_is_the_prefix_of_another_is_found(workspace, make_run):
    short = make_run("20260101-cyclic")
    make_run("20260101-cyclic-more")
    assert workspace.find_run("20260101-cyclic") == short


def test_an_ambiguous_prefix_names_the_runs(workspace, three_runs, run_error):
    told = run_error(workspace.find_run, "2026")
    assert "'2026' fits 3 runs" in told
    assert all(run.id in told for run in three_runs)


@pytest.mark.parametrize("name", ["2025", "", "nonsense", ".", "/nowhere"])
def test_an_unknown_run_says_how_to_list_them(workspace, three_runs, run_error, name):
    told = run_error(workspace.find_run, name)
    assert f"There is no run '{name}'" in told
    assert "dsample runs list" in told


def test_a_misspelt_id_gets_a_near_one(workspace, three_runs, run_error):
    told = run_error(workspace.find_run, "20260102-000000-cyclic-aa20")
    assert "Did you mean" in told
    assert three_runs[1].id in told


def test_latest_is_the_run_completed_last(workspace, make_run):
    make_run("20260103-started-last", completed="2026-01-04T00:00:00.000+00:00")
    last = make_run("20260101-started-first", completed="2026-01-05T00:00:00.000+00:00")
    make_run("20260109-failed", status="failed")
    make_run("20260108-interrupted", status="interrupted")
    assert workspace.find_run("latest") == last


@pytest.mark.parametrize("name", ["latest", "best"])
def test_without_a_completed_run_there_is_no_latest_and_no_best(
    workspace, make_run, run_error, name
):
    make_run("20260101-failed", status="failed", macro_f1=0.9)
    told = run_error(workspace.find_run, name)
    assert "no completed run" in told
    assert "dsample train" in told


def test_best_has_the_highest_macro_f1_among_runs_that_can_be_compared(workspace, make_run):
    day = "2026-01-0{}T00:00:00.000+00:00".format
    make_run("20260101-a", completed=day(1), macro_f1=0.5)
    best = make_run("20260102-b", completed=day(2), macro_f1=0.7)
    make_run("20260103-other-data", completed=day(3), macro_f1=0.9, sha256="d2")
    make_run("20260104-other-rows", completed=day(4), macro_f1=0.9, rows="v2")
    make_run("20260105-no-validation", completed=day(5))
    make_run("20260106-failed", status="failed", macro_f1=0.99)
    make_run("20260107-latest", completed=day(7), macro_f1=0.6)
    assert workspace.find_run("best") == best


def test_best_needs_validation_figures(workspace, make_run, run_error):
    make_run("20260101-a", completed="2026-01-01T00:00:00.000+00:00")
    assert "No run has validation figures" in run_error(workspace.find_run, "best")


def test_a_removed_run_is_gone_and_the_others_stay(workspace, three_runs):
    (three_runs[1].path / "model").mkdir()
    (three_runs[1].path / "model" / "weights").write_text("x")
    workspace.remove_run(three_runs[1])
    assert contents(workspace.runs_dir) == [three_runs[0].id, three_runs[2].id]


def test_a_run_in_use_is_not_removed(workspace, three_runs, run_error):
    with three_runs[0].locked():
        assert "in use" in run_error(workspace.remove_run, three_runs[0])
    assert three_runs[0].manifest_file.is_file()


def test_a_run_that_is_removed_while_it_is_removed_is_gone(workspace, three_runs, monkeypatch):
    """As `doctor --fix` or a second removal may do with what is being deleted."""
    rmtree = shutil.rmtree

    def twice(path, **options):
        rmtree(path)
        rmtree(path, **options)

    monkeypatch.setattr(shutil, "rmtree", twice)
    workspace.remove_run(three_runs[0])
    assert not three_runs[0].path.exists()


def test_a_run_that_was_removed_meanwhile_cannot_be_removed(workspace, three_runs, run_error):
    shutil.rmtree(three_runs[0].path)
    assert "is gone: it was removed meanwhile" in run_error(workspace.remove_run, three_runs[0])
    assert not three_runs[0].path.exists()


def test_a_damaged_run_can_be_removed(workspace, three_runs):
    three_runs[0].manifest_file.write_text("{")
    workspace.remove_run(workspace.find_run(three_runs[0].id))
    assert not three_runs[0].path.exists()


def test_a_folder_outside_the_workspace_is_not_removed(workspace, three_runs, tmp_path, run_error):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "run.json").write_text("{}")
    for path in (outside, workspace.runs_dir / ".." / ".." / "outside", workspace.path):
        assert "is not in the workspace" in run_error(workspace.remove_run, Run(path))
    assert (outside / "run.json").is_file()


def test_removing_a_link_leaves_what_it_points_to(workspace, three_runs, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    link = workspace.runs_dir / "20260104-link"
    link.symlink_to(outside)
    workspace.remove_run(Run(link))
    assert not link.is_symlink()
    assert (outside / "precious").is_file()


def test_links_within_a_run_are_not_followed(workspace, three_runs, tmp_path):
    (tmp_path / "precious").write_text("x")
    (three_runs[0].path / "link").symlink_to(tmp_path)
    workspace.remove_run(three_runs[0])
    assert (tmp_path / "precious").is_file()
    assert not three_runs[0].path.exists()


def test_the_current_dataset_survives_the_way_to_disk_and_back(workspace):
    workspace.set_current_dataset(DATASET)
    assert Workspace(workspace.path).current_dataset() == DATASET
    other = CurrentDataset("/x/other.csv", "def", ("text",), "label")
    workspace.set_current_dataset(other)
    assert workspace.current_dataset() == other


def test_a_workspace_without_a_dataset_has_none(workspace):
    workspace.create()
    assert workspace.current_dataset() is None


def test_making_a_workspace_again_keeps_its_dataset(workspace):
    workspace.set_current_dataset(DATASET)
    workspace.create_run("cyclic")
    assert workspace.current_dataset() == DATASET


def test_a_workspace_that_is_made_by_several_at_once_keeps_what_one_wrote(workspace):
    def write(number: int) -> None:
        if number == 0:
            workspace.set_current_dataset(DATASET)
        else:
            workspace.create()
            workspace.remember_baseline(
                RememberedBaseline(str(number), ("text",), "label", "plain", 0.5)
            )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert workspace.current_dataset() == DATASET
    for number in range(1, 8):
        assert workspace.find_baseline(str(number), ("text",), "label") is not None


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", '{"dataset": {"path": "x"}}', '{"dataset": 3}'),
        '{"dataset": {"path": 3, "sha256": "a", "text_columns": ["t"], "label_column": "l"}}',
    ],
)
def test_a_damaged_workspace_file_says_what_to_do(workspace, run_error, content):
    workspace.create()
    (workspace.path / "workspace.json").write_text(content)
    told = run_error(workspace.current_dataset)
    assert "workspace.json is damaged" in told
    assert "dsample analyze DATA" in told


def test_baselines_are_remembered_by_file_and_columns(workspace):
    first = RememberedBaseline("aa", ("text",), "label", "plain", 0.5)
    second = RememberedBaseline("aa", ("title", "text"), "label", "balanced", 0.25)
    assert workspace.find_baseline(*first.key) is None
    assert not workspace.path.exists()
    for baseline in (first, second):
        workspace.remember_baseline(baseline)
    assert workspace.find_baseline(*first.key) == first
    assert workspace.find_baseline(*second.key) == second
    better = replace(first, model="balanced", macro_f1=0.75)
    workspace.remember_baseline(better)
    assert workspace.find_baseline(*first.key) == better
    assert workspace.find_baseline("bb", ("text",), "label") is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"baselines": [{}]}', '{"baselines": [{"model": "x"}]}']
)
def test_damaged_baselines_are_forgotten(workspace, content):
    workspace.create()
    (workspace.path / "baselines.json").write_text(content)
    assert workspace.find_baseline("aa", ("text",), "label") is None
    known = RememberedBaseline("aa", ("text",), "label", "plain", 0.5)
    workspace.remember_baseline(known)
    assert workspace.find_baseline(*known.key) == known
