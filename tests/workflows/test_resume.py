"""A training that is killed at any moment is resumed to the very same end."""

import random
import shutil
from itertools import cycle, product

import pytest
from safetensors.numpy import load_file

from dsample_cli.core.schedules import SCHEDULES
from dsample_cli.core.scores import SCORE_NAMES
from dsample_cli.runs.files import read_json_lines
from dsample_cli.runs.run import Run
from dsample_cli.training import fit
from tests.helpers import make_tickets
from tests.killing import (
    Told,
    assert_same,
    dying_after,
    make_config,
    only_run,
    resume,
    train,
    train_and_die,
)

STEPS = 36  # 6 epochs of 6 steps; 96 of the 120 rows train
SCORES = (*SCORE_NAMES, "recency-bias+sqrt", "online-batch+inverse")
SCHEDULE_TEXTS = (*SCHEDULES, "warmup:2+cyclic:2", "natural:2+switch")
# Each score once and each schedule once; the whole product is slow.
PAIRS = list(zip(SCORES, cycle(SCHEDULE_TEXTS), strict=False))
FAMILIES = {
    "frequency": {"score": "softmax", "schedule": "switch"},
    "loss": {"score": "online-batch", "schedule": "linear"},
    "history": {"score": "recency-bias+sqrt", "schedule": "warmup:1+always"},
}

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture(scope="module")
def tickets(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tickets.csv"
    path.write_text(make_tickets(), encoding="utf-8")
    return path


def check_breaking_off(tickets, tmp_path, monkeypatch, score, schedule, times, **options):
    """Break off at random steps, resume each time."""
    config = make_config(tickets, score=score, schedule=schedule, **options)
    expected = train(config, tmp_path / "expected")
    drawn = [sum(record["drawn"].values()) for record in read_json_lines(expected.epochs_file)]
    step_size = config.batch_size * config.grad_accum
    steps = sum(-(-examples // step_size) for examples in drawn)
    rng = random.Random(f"{score} {schedule}")
    broken = tmp_path / "broken"
    for begin, last in zip(
        [lambda: train(config, broken), *[lambda: resume(broken)] * (times - 1)],
        sorted(rng.sample(range(2, steps), times)),
        strict=True,
    ):
        with dying_after(last):
            begin()
    assert_same(resume(broken), expected)


def test_the_pairs_hold_every_score_and_every_schedule():
    assert {score for score, _ in PAIRS} == set(SCORES)
    assert {schedule for _, schedule in PAIRS} == set(SCHEDULE_TEXTS)


@pytest.mark.parametrize(("score", "schedule"), PAIRS)
def test_breaking_off_changes_nothing(tickets, tmp_path, monkeypatch, score, schedule):
    check_breaking_off(tickets, tmp_path, monkeypatch, score, schedule, times=1)


def test_breaking_off_changes_nothing_of_what_a_loss_sees_and_draws(tickets, tmp_path, monkeypatch):
    """Equalization goes by the share of the epoch, and by torch's random state."""
    options = {"loss": "equalization", "equalization_share": 0.3, "equalization_drop": 0.5}
    options |= {"epochs": 3, "correct": "none"}
    check_breaking_off(tickets, tmp_path, monkeypatch, "sqrt", "cyclic", times=1, **options)


def test_breaking_off_changes_nothing_of_a_cosine_head_and_reweighted_epochs(
    tickets, tmp_path, monkeypatch
):
    options = {"loss": "ldam", "drw": True, "drw_start": 0.3, "epochs": 3, "correct": "none"}
    check_breaking_off(tickets, tmp_path, monkeypatch, "sqrt", "cyclic", times=1, **options)


def test_breaking_off_changes_nothing_of_pairs_and_second_views(tickets, tmp_path, monkeypatch):
    options = {"contrastive": 0.5, "epochs": 3, "correct": "none"}
    check_breaking_off(tickets, tmp_path, monkeypatch, "sqrt", "cyclic", times=1, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 5, "grad_accum": 3},  # 96 are 6 steps and two batches
        {"freeze_layers": 1, "gradient_checkpointing": True},
        {"lora": 2},
    ],
    ids=str,
)
def test_breaking_off_changes_nothing_of_a_cheaper_training(
    tickets, tmp_path, monkeypatch, options
):
    options = {"epochs": 2, "correct": "none", **options}
    check_breaking_off(tickets, tmp_path, monkeypatch, "sqrt", "cyclic", times=1, **options)


@pytest.fixture(scope="module")
def wide_model(tickets, tmp_path_factory):
    """A model that knows many more words than the tickets have."""
    folder = tmp_path_factory.mktemp("wide")
    data = folder / "wide.csv"
    words = "\n".join(f"{'word' * 3}{number} {number * 37},billing,c" for number in range(400))
    data.write_text(tickets.read_text(encoding="utf-8") + words + "\n", encoding="utf-8")
    return str(train(make_config(data, epochs=1), folder / "workspace").model_dir)


def test_only_the_words_of_the_data_are_trained(tickets, tmp_path, monkeypatch, wide_model):
    """And the result is what training all of them gives."""
    options = {"model": wide_model, "epochs": 2, "correct": "none", "keep_checkpoints": True}
    config = make_config(tickets, **options)
    compact = train(config, tmp_path / "compact")
    monkeypatch.setattr(fit, "_compact", lambda *texts: None)
    whole = train(config, tmp_path / "whole")
    rows = []
    for run in (compact, whole):
        [first, *_] = sorted(run.checkpoints_dir.glob("checkpoint-*/model.safetensors"))
        [words] = [w for name, w in load_file(first).items() if "tok_embeddings" in name]
        rows.append(len(words))
    assert rows[0] < rows[1] / 1.25
    trained, expected = (load_file(run.model_dir / "model.safetensors") for run in (compact, whole))
    for name, weight in expected.items():
        assert trained[name] == pytest.approx(weight, rel=1e-4, abs=1e-5), name


def test_breaking_off_changes_nothing_of_a_compact_embedding(
    tickets, tmp_path, monkeypatch, wide_model
):
    options = {"model": wide_model, "epochs": 3, "correct": "none"}
    check_breaking_off(tickets, tmp_path, monkeypatch, "sqrt", "cyclic", times=1, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("score", "schedule"), [p for p in product(SCORES, SCHEDULE_TEXTS) if p not in PAIRS]
)
def test_breaking_off_changes_nothing_in_any_pair(tickets, tmp_path, monkeypatch, score, schedule):
    check_breaking_off(tickets, tmp_path, monkeypatch, score, schedule, times=2)


@pytest.fixture(scope="module")
def uninterrupted(tickets, tmp_path_factory):
    """For each family a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    return {
        family: train(make_config(tickets, **options), folder / family)
        for family, options in FAMILIES.items()
    }


def check_kill(tickets, tmp_path, uninterrupted, family, seed):
    rng = random.Random(f"{family} {seed}")
    config = make_config(tickets, **FAMILIES[family])
    workspace = tmp_path / "workspace"
    # Up to 30 ms later: in the next steps, in a checkpoint, in a validation.
    train_and_die(config, workspace, rng.randrange(1, STEPS - 2), rng.uniform(0, 0.03))
    assert only_run(workspace).read_manifest()["status"] == "interrupted"
    assert_same(resume(workspace), uninterrupted[family])


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("family", FAMILIES)
def test_kill_9_changes_nothing(tickets, tmp_path, uninterrupted, family, seed):
    check_kill(tickets, tmp_path, uninterrupted, family, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 20))
@pytest.mark.parametrize("family", FAMILIES)
def test_kill_9_changes_nothing_twenty_times(tickets, tmp_path, uninterrupted, family, seed):
    check_kill(tickets, tmp_path, uninterrupted, family, seed)


@pytest.fixture(scope="module")
def broken_off(tickets, tmp_path_factory):
    """A run that ended behind step 21, with checkpoints of steps 18 and 20."""
    folder = tmp_path_factory.mktemp("broken")
    with dying_after(21):
        train(make_config(tickets, **FAMILIES["history"]), folder)
    return folder


def cut_off(path, seed):
    """What a power loss leaves of a file: its beginning."""
    content = path.read_bytes()
    path.write_bytes(content[: random.Random(seed).randrange(len(content))])


NEWEST, BEFORE = "checkpoints/checkpoint-20", "checkpoints/checkpoint-18"


@pytest.mark.parametrize(
    ("damaged", "passed_over"),
    [
        ([f"{NEWEST}/memory.npz", f"{NEWEST}/rng_state.pth"], 1),
        ([f"{NEWEST}/model.safetensors", f"{BEFORE}/trainer_state.json"], 2),
        (["checkpoints/best-*.safetensors"], 2),
        (["epochs.jsonl"], 0),
    ],
    ids=str,
)
def test_damage_of_a_power_loss_changes_nothing(
    tmp_path, uninterrupted, broken_off, damaged, passed_over
):
    workspace = shutil.copytree(broken_off, tmp_path / "workspace")
    run = only_run(workspace)
    for name in damaged:
        for path in run.path.glob(name):
            cut_off(path, name)
    listener = Told()
    assert_same(resume(workspace, listener), uninterrupted["history"])
    told = [line for line in listener.lines if "checkpoint" in line]
    assert ["is passed over" in line for line in told] == [True] * passed_over + [False]
    going_on = ("Going on from checkpoint-20.", "Going on from checkpoint-18.")
    assert (
        told[-1] == (*going_on, "No checkpoint is whole: the training starts again.")[passed_over]
    )


def test_epochs_that_were_lost_are_in_the_checkpoint(tmp_path, uninterrupted, broken_off):
    workspace = shutil.copytree(broken_off, tmp_path / "workspace")
    only_run(workspace).epochs_file.unlink()
    assert_same(resume(workspace), uninterrupted["history"])


def test_a_kill_in_the_very_end_keeps_the_checkpoints(
    tickets, tmp_path, monkeypatch, uninterrupted
):
    """They go when run.json says that the run is completed, not before."""
    config = make_config(tickets, **FAMILIES["frequency"])
    update = Run.update_manifest

    def dies(self, **changes):
        if changes.get("status") == "completed":
            raise KeyboardInterrupt
        return update(self, **changes)

    monkeypatch.setattr(Run, "update_manifest", dies)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path)
    monkeypatch.setattr(Run, "update_manifest", update)
    listener = Told()
    assert_same(resume(tmp_path, listener), uninterrupted["frequency"])
    assert "Going on from checkpoint-32." in listener.lines
