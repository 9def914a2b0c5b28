"""Training the points of a sweep."""

import pytest

from dsample_cli.core.progress import Silent
from dsample_cli.runs.run import Run
from dsample_cli.runs.sweeps import Sweep
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows.grid import make_points
from dsample_cli.workflows.sweep import PointResult, Trainer, group_results, train_run
from tests.helpers import make_tickets
from tests.killing import make_config


class Board:
    """Keeps what it is shown."""

    def __init__(self):
        self.listener, self.results = Silent(), []

    def planned(self, plan, finished): ...

    def started(self, point, run, is_resumed): ...

    def epoch_finished(self, point, record): ...

    def ended(self, result, seconds_left):
        self.results.append((result.status, result.error))


@pytest.fixture
def config(tmp_path):
    (tmp_path / "tickets.csv").write_text(make_tickets(), encoding="utf-8")
    return make_config(tmp_path / "tickets.csv", epochs=3, correct="none")


@pytest.fixture
def workspace(tmp_path):
    found = Workspace(tmp_path / "workspace")
    found.create()
    return found


@pytest.mark.usefixtures("blank_pictures")
def test_a_pruned_run_is_a_failed_one_without_checkpoints_and_can_go_on(config, workspace):
    (point,) = make_points([{}], lambda values: vars(config), [])
    sweep, board = Sweep(workspace.path / "sweeps", "s"), Board()
    with sweep.locked():
        trainer = Trainer(workspace, sweep, board, config, set())
        trainer.know([point])
        assert trainer.train_point(point, None, lambda record: f"Epoch {record['epoch']}.")
        assert board.results == [("pruned", "Epoch 0.")]
        run = Run(workspace.runs_dir / sweep.points[point.key].run)
        manifest = run.read_manifest()
        assert (manifest["status"], manifest["error"]) == ("failed", "Epoch 0.")
        assert not run.checkpoints_dir.exists()
        trainer.know([point])
        assert sweep.points[point.key].is_over
    assert train_run(config, workspace, run, "s", Silent()) == "completed"


@pytest.mark.usefixtures("blank_pictures")
def test_a_run_whose_folder_was_just_made_is_begun(config, workspace):
    named = workspace.name_run("cyclic")
    named.path.mkdir()
    named.config_file.write_text("half of a", encoding="utf-8")
    assert train_run(config, workspace, named, "s", Silent()) == "completed"
    assert named.read_manifest()["sweep"] == "s"
    assert [summary.run.id for summary in workspace.list_runs()] == [named.id]


def test_groups_are_ranked_by_their_means(config):
    def read(values):
        return {**vars(config), **values}

    settings = [{"cycle": c, "seed": s} for c in (2, 3) for s in (0, 1)]
    points = make_points(settings, read, ["cycle", "seed"])
    macro_f1 = [0.9, 0.5, 0.8, 0.7]
    results = [
        PointResult(point, str(place), "completed", {"macro_f1": value}, {"macro_f1": 0.5})
        for place, (point, value) in enumerate(zip(points, macro_f1, strict=True))
    ]
    first, second = group_results(results)
    assert [result.run for result in first.results] == ["2", "3"]
    assert first.settings == {"cycle": 3}
    assert first.spread("macro_f1").mean == pytest.approx(0.75)
    assert first.spread("macro_f1").sd == pytest.approx(0.1 / 2**0.5)
    assert first.spread("few_recall") is None
    assert second.spread("macro_f1", "test").mean == 0.5
    failed = PointResult(points[3], None, "failed")
    alone = group_results([*results[:3], failed])
    assert [(len(group.results), group.failed) for group in alone] == [(1, 1), (2, 0)]
    assert alone[0].spread("macro_f1").sd is None
