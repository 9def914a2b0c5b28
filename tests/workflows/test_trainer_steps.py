"""What our Trainer does in another way than its base class comes to the same."""

import pytest
from safetensors.numpy import load_file

from dsample_cli.training.trainer import ScheduledTrainer
from tests.helpers import make_tickets
from tests.killing import make_config, train

pytestmark = pytest.mark.usefixtures("blank_pictures")


def test_a_fused_optimizer_clips_as_the_trainer_does(tmp_path, monkeypatch):
    (tmp_path / "tickets.csv").write_text(make_tickets(), encoding="utf-8")

    def weights(name, clip):
        options = {"epochs": 2, "correct": "none", "checkpoint_steps": 0, "grad_clip": clip}
        run = train(make_config(tmp_path / "tickets.csv", **options), tmp_path / name)
        return load_file(run.model_dir / "model.safetensors")

    ours, unclipped = weights("ours", 0.2), weights("unclipped", 1e6)
    monkeypatch.delattr(ScheduledTrainer, "_clip_grad_norm")
    theirs = weights("theirs", 0.2)
    for name, weight in theirs.items():
        assert ours[name] == pytest.approx(weight, rel=0, abs=2e-6), name
    assert any(abs(weight - unclipped[name]).max() > 1e-4 for name, weight in theirs.items())
