"""How much room runs take."""

import os

from dsample_cli.runs.sizes import run_sizes, tree_size


def test_each_part_is_counted_once(tmp_path):
    run = tmp_path / "run"
    for name, size in {
        "run.json": 5,
        "model/model.safetensors": 1000,
        "model/deeper/vocab.txt": 10,
        "head.safetensors": 100,
        "checkpoints/step-3/model.bin": 2000,
        "predictions-test.jsonl": 30,
        "features-train.npz": 40,
        "draws/epoch-000.parquet": 50,
        "confusion.png": 7,
    }.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(b"x" * size)
    assert run_sizes(run) == {
        "model": 1110,
        "checkpoints": 2000,
        "predictions": 30,
        "features": 40,
        "draws": 50,
        "reports": 7,
        "other": 5,
    }


def test_links_count_themselves(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 10_000)
    run = tmp_path / "run"
    run.mkdir()
    (run / "model").symlink_to(tmp_path)
    (tmp_path / "linked").symlink_to(run)
    assert 0 < run_sizes(run)["model"] < 1000
    assert sum(run_sizes(tmp_path / "linked").values()) < 1000


def test_what_vanishes_counts_nothing(tmp_path, monkeypatch):
    """A checkpoint is rotated away while it is looked at."""
    assert tree_size(tmp_path / "gone") == 0
    assert set(run_sizes(tmp_path / "gone").values()) == {0}
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(os, "listdir", lambda folder: ["run.json", "checkpoints"])
    assert set(run_sizes(tmp_path / "run").values()) == {0}
