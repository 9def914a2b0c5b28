"""dsample refit, end to end."""

import json
import shutil
import sys

import numpy as np
import pytest

from dsample_cli.core.refitting import HEAD_NAMES, RESAMPLE_NAMES
from dsample_cli.training import features as extraction
from tests.helpers import read_lines

BESIDE = ("ncm", "disalign")
PLAIN = "--device cpu --precision fp32 --correct none --epochs 3 -q --json".split()


@pytest.fixture
def refit(dsample, trained, tmp_path, blank_pictures):
    """Refit the trained run into a workspace of the test's own."""

    def call(*args, run=trained.run):
        done = dsample("refit", "--run", run, "--workspace", tmp_path / "own", "--no-cache", *args)
        assert done.code == 0, done.err
        return done

    return call


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of the trained workspace that a test may change: the workspace and its run."""
    shutil.copytree(trained.workspace, tmp_path / "copied")
    return tmp_path / "copied", tmp_path / "copied" / "runs" / trained.run.name


def manifest_of(result):
    with open(f"{result['path']}/run.json", encoding="utf-8") as file:
        return json.load(file)


@pytest.mark.parametrize("head", HEAD_NAMES)
def test_each_head_gives_a_run_whose_model_predicts_what_it_stored(
    refit, dsample, trained, tmp_path, head
):
    result = refit("--head", head, *PLAIN).json
    assert list(result)[:6] == ["run", "path", "status", "epochs", "best_epoch", "metrics"]
    assert (result["status"], result["parent"]) == ("completed", trained.run.name)
    manifest = manifest_of(result)
    assert (manifest["head"], manifest["resample"]) == (head, None)
    assert manifest["parent"] == trained.run.name
    assert manifest["refit"] == result["refit"]
    assert manifest["refit"]["kept_beside"] == (head in BESIDE)
    assert manifest["device"]["precision"] == "fp32"
    assert manifest["correction"]["method"] == "none"
    assert (tmp_path / "own" / "runs" / result["run"] / "head.safetensors").exists() == (
        head in BESIDE
    )
    stored = read_lines(tmp_path / "own" / "runs" / result["run"] / "predictions-validation.jsonl")
    done = dsample(
        *("predict", trained.data, "--run", result["path"], "--no-data", "-q"),
        *("--device", "cpu", "--precision", "fp32"),
    )
    by_row = {record["row"]: record for record in done.lines}
    assert stored
    for record in stored:
        assert by_row[record["row"]]["probabilities"] == pytest.approx(
            record["probabilities"], abs=1e-4
        )


@pytest.mark.parametrize("name", RESAMPLE_NAMES)
def test_each_resampling_goes_before_a_head(refit, name):
    result = refit("--head", "ncm", "--resample", name, *PLAIN).json
    manifest = manifest_of(result)
    assert manifest["resample"] == name
    assert 0 < result["metrics"]["validation"]["macro_f1"] <= 1


def test_the_parent_is_left_as_it_is(refit, trained):
    def state():
        files = (path for path in trained.run.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files}

    before = state()
    refit(*PLAIN)
    assert state() == before


def test_the_same_refit_gives_the_same_model(refit, tmp_path):
    first, second = (refit(*PLAIN).json for _ in range(2))
    assert first["metrics"] == second["metrics"]
    paths = [tmp_path / "own" / "runs" / r["run"] / "model" for r in (first, second)]
    weights = [(path / "model.safetensors").read_bytes() for path in paths]
    assert weights[0] == weights[1]
    command = (paths[0].parent / "config.toml").read_text().splitlines()[0]
    assert "dsample refit --run" in command
    assert "--head crt --epochs 3 --rho 1.0 --seed 42 --correct none" in command


def test_a_new_linear_head_is_in_the_model_wherever_it_is_loaded(refit, dsample, tmp_path):
    """Its correction too, by transformers alone."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    text = "invoice locked refund case 7"
    (tmp_path / "one.csv").write_text(f"text\n{text}\n")
    result = refit(
        *("--head", "crt", "--correct", "logit-adjust", "--precision", "fp32", "-q", "--json")
    ).json
    assert manifest_of(result)["correction"]["folded"]
    (record,) = dsample(
        *("predict", "one.csv", "--run", result["path"], "-q", "--precision", "fp32")
    ).lines
    folder = f"{result['path']}/model"
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert type(model).__module__.startswith("transformers.models.")
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.inference_mode():
        found = model(**tokens).logits.softmax(-1)[0].tolist()
    by_label = {model.config.id2label[i]: p for i, p in enumerate(found)}
    assert by_label == pytest.approx(record["probabilities"], abs=1e-5)


def test_a_head_beside_the_model_can_be_corrected(refit, dsample, trained, tmp_path):
    ncm = refit("--head", "ncm", *PLAIN).json
    done = dsample(
        *("correct", "--run", ncm["path"], "--method", "thresholds", "--precision", "fp32"),
        *("--workspace", tmp_path / "own", "-q", "--json"),
    )
    assert done.code == 0, done.err
    manifest = manifest_of(done.json)
    assert manifest["parent"] == ncm["run"]
    assert manifest["head"] == "ncm"
    correction = manifest["correction"]
    assert (correction["method"], correction["folded"]) == ("thresholds", False)
    assert set(correction["carried_prior"].values()) == {1 / 3}

    def probabilities(run):
        args = ("--run", run, "--no-data", "-q", "--precision", "fp32")
        lines = dsample("predict", trained.data, *args).lines
        return np.array([[r["probabilities"][n] for n in manifest["labels"]] for r in lines])

    bias = np.array([correction["bias"][n] for n in manifest["labels"]])
    expected = probabilities(ncm["path"]) * np.exp(bias)
    assert np.ptp(bias) > 0
    assert probabilities(done.json["path"]) == pytest.approx(
        expected / expected.sum(axis=1, keepdims=True), abs=1e-3
    )


def test_a_run_made_of_another_stands_for_its_training(refit, trained, tmp_path):
    first = refit("--head", "crt", *PLAIN).json
    shutil.copytree(trained.run, tmp_path / "own" / "runs" / trained.run.name)
    done = refit("--head", "lws", *PLAIN[:-2], "--json", run=first["path"])
    assert done.json["parent"] == trained.run.name
    assert f"Refitting {trained.run.name}, the training that {first['run']} came from" in done.err
    direct = refit("--head", "lws", *PLAIN).json
    assert done.json["metrics"] == direct["metrics"]
    shutil.rmtree(tmp_path / "own" / "runs" / trained.run.name)
    alone = refit("--head", "lws", *PLAIN[:-2], "--json", run=first["path"])
    assert "is gone" in alone.err
    assert alone.json["parent"] == first["run"]


def test_features_are_extracted_once(dsample, copied, monkeypatch):
    workspace, run = copied
    args = ("refit", "--workspace", workspace, *PLAIN)
    assert not list(run.glob("features-*"))
    first = dsample(*args).json
    assert {path.name for path in run.glob("features-*")} == {
        "features-train.npz",
        "features-validation.npz",
    }

    def refuse(*args):
        raise AssertionError("extracted again")

    monkeypatch.setattr(extraction, "pooled_features", refuse)
    second = dsample(*args, "--run", run.name).json
    assert second["metrics"] == first["metrics"]
    with pytest.raises(AssertionError, match="extracted again"):
        dsample(*args, "--no-cache", "--debug")


def test_figures_of_the_head_are_shown(refit):
    done = refit("--head", "ncm", "--device", "cpu")
    assert "head.safetensors" in done.out
    assert "head: " in done.out
    done = refit("--head", "crt", "--device", "cpu", "--epochs", "2")
    assert "best epoch" in done.out
    assert "of 2 (from 0)" in done.out


def test_options_of_the_correction_are_those_of_the_run_unless_given(refit, trained):
    result = refit("--head", "ncm", "--target-prior", "outage=0.5", "-q", "--json").json
    config = manifest_of(result)["config"]
    assert config["target-prior"] == "outage=0.5"
    assert (
        config["correct"] == json.loads((trained.run / "run.json").read_text())["config"]["correct"]
    )
    assert manifest_of(result)["correction"]["target_prior"]["outage"] == 0.5


def test_a_wrong_name_is_answered_with_the_nearest(fails, trained):
    run = ("refit", "--run", trained.run, "--workspace", "own")
    fails(*run, "--head", "ctr", kind="ConfigError", message="'ctr'", hint="Did you mean crt?")
    fails(
        *(*run, "--resample", "smte"),
        kind="ConfigError",
        message="Unknown resampling 'smte'.",
        hint="smote",
    )
    fails(
        *(*run, "--head", "tau-norm", "--resample", "enn"),
        kind="ConfigError",
        message="--resample does not act on --head tau-norm",
        hint="--head crt",
    )
    fails(
        *run, "--correct", "autp", kind="ConfigError", message="'autp'", hint="Did you mean auto?"
    )


def test_changed_data_are_refused(fails, copied):
    workspace, run = copied
    content = (run / "run.json").read_text(encoding="utf-8")
    manifest = json.loads(content)
    changed = content.replace(manifest["data"]["train"]["sha256"], "0" * 64)
    (run / "run.json").write_text(changed, encoding="utf-8")
    fails(
        *("refit", "--workspace", workspace),
        kind="RunError",
        message="has changed since run",
        hint="dsample train --config",
    )
    assert [path.name for path in (workspace / "runs").iterdir()] == [run.name]


def test_a_missing_package_is_told_before_anything_is_done(fails, trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "imblearn", None)
    for name in [name for name in sys.modules if name.startswith("imblearn.")]:
        monkeypatch.delitem(sys.modules, name)
    fails(
        *("refit", "--run", trained.run, "--workspace", "own", "--resample", "smote"),
        kind="MissingExtraError",
        message="imbalanced-learn",
        hint="pip install 'dsample-cli[resampling]'",
    )


def test_a_refit_that_was_cut_off_is_not_resumed(refit, fails, tmp_path):
    result = refit("--head", "ncm", *PLAIN).json
    path = tmp_path / "own" / "runs" / result["run"] / "run.json"
    path.write_text(path.read_text().replace('"status": "completed"', '"status": "running"'))
    fails(
        *("train", "--resume", result["run"], "--workspace", tmp_path / "own"),
        kind="RunError",
        message="trains nothing that could go on",
        hint="dsample runs remove",
    )
