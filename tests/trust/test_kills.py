"""A few kills of those that `python -m tests.trust.kills` makes by the hundred."""

from tests.trust.kills import run_trials
from tests.trust.stage import set_up


def test_kills_and_power_losses_lose_nothing(tmp_path):
    stage = set_up(tmp_path, ["history"], {"train", "predict"})
    for kind, kills in (("train", 2), ("predict", 1)):
        found = run_trials(stage, kills, 5, (kind,))
        assert found["failures"] == []
        assert found[f"kills of {kind}"] >= kills
