"""Scores by name, previews, suggestions."""

import numpy as np
import pytest

from dsample_cli.core.class_scores import CLASS_SCORES, class_weights, scored_share
from dsample_cli.core.config import TrainConfig
from dsample_cli.errors import ConfigError
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows.analyze import analyze
from dsample_cli.workflows.scoring import resolve_config_score, resolve_score

COUNTS = np.array([90, 10])


def test_auto_becomes_the_number_that_balances():
    score = resolve_score("softmax", COUNTS)
    assert score.temperature == pytest.approx(0.364096, abs=5e-7)
    assert scored_share(COUNTS, score.weights) == pytest.approx((0.5, 0.5))


def test_a_minority_share_becomes_a_temperature():
    config = TrainConfig(data="x.csv", minority_share=0.3)
    score = resolve_config_score(config, COUNTS)
    assert scored_share(COUNTS, score.weights)[1] == pytest.approx(0.3)
    again = TrainConfig(data="x.csv", temperature=score.temperature)
    assert resolve_config_score(again, COUNTS).weights == pytest.approx(score.weights)


def test_a_given_temperature_is_kept():
    assert resolve_score("softmax", COUNTS, 1.0).temperature == 1.0


@pytest.mark.parametrize("name", ["inverse", "sqrt"])
def test_a_score_without_temperature_has_none(name):
    score = resolve_score(name, COUNTS, 0.25)
    assert score.temperature is None
    assert score.weights == pytest.approx(class_weights(name, COUNTS))


def test_an_unknown_score_is_refused():
    with pytest.raises(ConfigError, match="Unknown score 'sofmax'"):
        resolve_score("sofmax", COUNTS)


def test_analyze_previews_what_the_sampler_draws(write, heard, tmp_path):
    rows = [(f"text {i}", "a" if i < 90 else "b") for i in range(100)]
    workspace = Workspace(tmp_path / "workspace")
    result = analyze(write("d.csv", rows), workspace, heard, epochs=12)
    for score in result.scores:
        expected = scored_share(COUNTS, resolve_score(score.name, COUNTS).weights)
        assert score.share == pytest.approx(expected)
    assert {score.name for score in result.scores} == set(CLASS_SCORES)
    cyclic = next(s for s in result.schedules if s.name == "cyclic")
    assert cyclic.mean_mix == pytest.approx(8 / 12)
    assert cyclic.few_share["inverse"] == pytest.approx(0.1 / 3 + 0.5 * 2 / 3)
    assert not cyclic.depends_on_run
    assert workspace.current_dataset().label_column == "label"


@pytest.mark.parametrize(
    ("counts", "first"),
    [([50, 50], "--schedule natural"), ([90, 10], "--schedule cyclic --cycle 3")],
)
def test_the_first_suggestion_fits_the_imbalance(write, heard, tmp_path, counts, first):
    labels = "a" * counts[0] + "b" * counts[1]
    path = write("d.csv", [(f"text {i}", label) for i, label in enumerate(labels)])
    found = analyze(path, Workspace(tmp_path / "workspace"), heard, epochs=12).suggestions
    assert first in found[0].command
    assert 1 <= len(found) <= 3
