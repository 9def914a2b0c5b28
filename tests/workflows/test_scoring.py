"""Scores by name, previews, suggestions."""

import numpy as np
import pytest

from dsample_cli.core.class_scores import CLASS_SCORES, class_weights, scored_share
from dsample_cli.core.config import TrainConfig
from dsample_cli.core.resampling import RESAMPLINGS
from dsample_cli.core.schedules import make_schedule
from dsample_cli.errors import ConfigError
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows.analyze import analyze
from dsample_cli.workflows.scoring import (
    most_repeated,
    repetition_warning,
    resolve_config_score,
    resolve_score,
    settle,
)

COUNTS = np.array([90, 10])


def drawn_share(resolved):
    return scored_share(COUNTS, resolved.score.class_weights)


def test_auto_becomes_the_number_that_balances():
    resolved = resolve_score("softmax", COUNTS)
    assert resolved.settled == {"temperature": pytest.approx(0.364096, abs=5e-7)}
    assert drawn_share(resolved) == pytest.approx((0.5, 0.5))


def test_a_minority_share_becomes_a_temperature():
    config = TrainConfig(data="x.csv", minority_share=0.3)
    resolved = resolve_config_score(config, COUNTS)
    assert drawn_share(resolved)[1] == pytest.approx(0.3)
    settled = settle(config, resolved)
    assert settled.minority_share is None
    assert drawn_share(resolve_config_score(settled, COUNTS)) == pytest.approx(
        drawn_share(resolved)
    )


def test_a_given_temperature_is_kept():
    assert resolve_score("softmax", COUNTS, 1.0).settled == {"temperature": 1.0}


def test_beta_is_settled_at_the_median_class():
    config = TrainConfig(data="x.csv", score="effective-number")
    resolved = resolve_config_score(config, COUNTS)
    assert resolved.settled == {"beta": pytest.approx(0.98)}
    assert settle(config, resolved).beta == pytest.approx(0.98)


@pytest.mark.parametrize("name", ["inverse", "sqrt"])
def test_a_score_without_options_settles_none(name):
    resolved = resolve_score(name, COUNTS, 0.25)
    assert resolved.settled == {}
    assert resolved.score.class_weights == pytest.approx(class_weights(name, COUNTS))


def test_an_example_score_begins_after_a_fifth_of_the_epochs():
    config = TrainConfig(data="x.csv", score="recency-bias+sqrt", epochs=10)
    score = resolve_config_score(config, COUNTS).score
    assert (score.first_epoch, score.epochs) == (2, 10)
    early = TrainConfig(data="x.csv", score="hard", epochs=3, score_warmup=0)
    assert resolve_config_score(early, COUNTS).score.first_epoch == 0


@pytest.mark.parametrize(
    ("score", "option", "value"),
    [
        ("hard", "hard_share", 0.0),
        ("easy", "easy_start", 1.5),
        ("online-batch", "pressure", 0.5),
        ("recency-bias+sqrt", "pressure", 0.0),
        ("active-bias", "active_bias", "mean"),
        ("power", "power", float("nan")),
    ],
)
def test_an_impossible_option_is_told_before_training(score, option, value):
    with pytest.raises(ConfigError, match=f"--{option.replace('_', '-')}"):
        resolve_config_score(TrainConfig(data="x.csv", score=score, **{option: value}), COUNTS)


def test_a_rare_example_that_comes_too_often_is_found():
    counts = np.array([900, 99, 1])
    score = resolve_score("inverse", counts).score
    found = most_repeated(counts, score, make_schedule("always"), 2)
    assert (found.times, found.class_id, found.epoch) == (pytest.approx(1000 / 3), 2, 0)
    assert found.is_too_much
    warning = repetition_warning(found, counts, ("a", "b", "c"))
    assert "The 1 example of 'c' will come 333 times each in epoch 0" in warning
    assert most_repeated(counts, score, make_schedule("natural"), 2).times == 1
    reverse = make_schedule("switch", switch_start="natural")
    assert most_repeated(counts, score, reverse, 2).times == found.times


def test_an_unknown_score_is_refused():
    with pytest.raises(ConfigError, match="Unknown score 'sofmax'"):
        resolve_score("sofmax", COUNTS)


def test_analyze_previews_what_the_sampler_draws(write, heard, tmp_path):
    rows = [(f"text {i}", "a" if i < 90 else "b") for i in range(100)]
    workspace = Workspace(tmp_path / "workspace")
    result = analyze(write("d.csv", rows), workspace, heard, epochs=12)
    for score in result.scores:
        assert score.share == pytest.approx(drawn_share(resolve_score(score.name, COUNTS)))
    assert {score.name for score in result.scores} == {*CLASS_SCORES, *RESAMPLINGS}
    length = {score.name: score.length for score in result.scores}
    assert (length["inverse"], length["oversample"], length["undersample"]) == (100, 180, 20)
    cyclic = next(s for s in result.schedules if s.name == "cyclic")
    assert cyclic.mean_mix == pytest.approx(8 / 12)
    assert cyclic.few_share["inverse"] == pytest.approx(0.1 / 3 + 0.5 * 2 / 3)
    assert not cyclic.depends_on_run
    assert workspace.current_dataset().label_column == "label"


@pytest.fixture
def suggested(write, heard, tmp_path):
    """The commands that `analyze` suggests for some rows."""

    def commands(rows, **options):
        path = write("d.csv", rows)
        workspace = Workspace(tmp_path / "workspace")
        return [
            s.command for s in analyze(path, workspace, heard, epochs=12, **options).suggestions
        ]

    return commands


def labelled(*counts):
    labels = [label for label, count in zip("abc", counts, strict=False) for _ in range(count)]
    return [(f"text number {i}", label) for i, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("counts", "first"),
    [((50, 50), "--schedule natural"), ((90, 10), "--schedule cyclic --cycle 3")],
)
def test_the_first_suggestion_fits_the_imbalance(suggested, counts, first):
    found = suggested(labelled(*counts))
    assert found[0] == f"dsample train {first}"
    assert 1 <= len(found) <= 5


def test_every_training_has_the_options_that_the_data_ask_for(suggested):
    rows = [(" ".join([text] * 40), label) for text, label in labelled(60, 30)]
    found = suggested(rows, max_length=64)
    trainings = [command for command in found if command.startswith("dsample train")]
    assert len(trainings) == 2
    assert all("--max-length 128" in command for command in trainings)


def test_conflicts_suggest_a_look_at_the_labels(suggested, tmp_path):
    rows = [*labelled(60, 30), ("torn", "a"), ("torn", "b")]
    path = str(tmp_path / "d.csv")
    assert f"dsample analyze {path} --label-issues" in suggested(rows)
    assert f"dsample analyze {path} --baseline" in suggested(rows)
    named = f"dsample analyze {path} --label-column label --baseline"
    assert named in suggested(rows, label_column="label")
    assert not any("--label-issues" in command for command in suggested(labelled(60, 30)))
    done = {"wants_baseline": True, "wants_label_issues": True}
    assert all(command.startswith("dsample train") for command in suggested(rows, **done))
