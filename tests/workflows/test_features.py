"""The cache of features: taken only where it is of the same rows and weights."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dsample_cli.runs.run import Run
from dsample_cli.workflows.datasets import Datasets, Part
from dsample_cli.workflows.features import run_features


@dataclass
class Model:
    """Counts what it extracts."""

    device: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(precision="fp32"))
    max_length: int = 16
    asked: list[int] = field(default_factory=list)

    def features(self, texts, on_rows):
        self.asked.append(len(texts[0]))
        on_rows(len(texts[0]))
        return np.full((len(texts[0]), 3), len(self.asked), np.float32), None


def make_part(rows, sha256="abc"):
    codes = np.zeros(len(rows), np.int32)
    return Part("data.csv", sha256, np.array(rows), (["text"] * len(rows),), codes)


def make_data(**parts):
    return Datasets(("a", "b"), ("text",), "label", 10, parts)


DATA = make_data(train=make_part([0, 1, 4]), validation=make_part([2, 3]))


@pytest.fixture
def run(tmp_path) -> Run:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"weights")
    return Run(tmp_path)


def extracted(run, data=DATA, model=None, use_cache=True, listener=None) -> list[int]:
    """Rows of the splits that had to be extracted."""
    model = model or Model()
    listener = listener or SimpleNamespace(
        phase=lambda *args: None, advance=lambda count: None, note=lambda text: None
    )
    found = run_features(run, model, data, use_cache, listener)
    assert {name: len(values) for name, values in found.items()} == {
        name: len(part.rows) for name, part in data.parts.items()
    }
    return model.asked


def test_features_are_extracted_once(run, heard):
    assert extracted(run, listener=heard) == [3, 2]
    assert heard.advanced == 5
    assert extracted(run) == []
    assert extracted(run, use_cache=False) == [3, 2]


def test_without_cache_nothing_is_written(run):
    extracted(run, use_cache=False)
    assert not list(run.path.glob("*.npz"))


def test_what_was_cached_is_what_is_found(run):
    listener = SimpleNamespace(phase=lambda *args: None, advance=lambda count: None)
    first = run_features(run, Model(), DATA, True, listener)
    again = run_features(run, Model(), DATA, True, listener)
    assert all((first[name] == again[name]).all() for name in first)
    assert {values.dtype for values in again.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    "data",
    [
        make_data(train=make_part([0, 1, 5]), validation=make_part([2, 3])),
        make_data(train=make_part([0, 4, 1]), validation=make_part([2, 3])),
        make_data(train=make_part([0, 1, 4], "abd"), validation=make_part([2, 3])),
    ],
)
def test_other_rows_have_other_features(run, data):
    extracted(run)
    assert extracted(run, data) == [3]


def test_other_weights_or_another_precision_have_other_features(run):
    extracted(run)
    bf16 = Model(SimpleNamespace(precision="bf16"))
    assert extracted(run, model=bf16) == [3, 2]
    assert extracted(run, model=replace(bf16, asked=[])) == []
    Path(run.model_dir / "model.safetensors").write_bytes(b"other weights")
    assert extracted(run, model=replace(bf16, asked=[])) == [3, 2]


@pytest.mark.parametrize("content", [b"", b"damaged", b"PK\x03\x04 damaged"])
def test_a_damaged_cache_is_written_anew(run, content):
    extracted(run)
    run.features_file("train").write_bytes(content)
    assert extracted(run) == [3]
    assert extracted(run) == []


def test_a_folder_that_cannot_be_written_is_told(run, heard, monkeypatch):
    def refuse(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert extracted(run, listener=heard) == [3, 2]
    assert len(heard.notes) == 2
    assert "features of train are not cached" in heard.notes[0]
