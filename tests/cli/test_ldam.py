"""dsample train --loss ldam --drw, and what the other commands make of its cosine head."""

import contextlib
import io
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from dsample_cli.cli.main import run
from dsample_cli.runs.run import Run
from dsample_cli.workflows.model import open_model
from tests.helpers import QUICK, Trained, make_tickets, read_lines

LABELS = ["billing", "login", "outage"]
ASKED = "--loss ldam --drw --ldam-margin 0.4 --schedule natural --correct none".split()
EXACT = "--device cpu --precision fp32".split()


@pytest.fixture(scope="module")
def told():
    """What the training told."""
    return io.StringIO()


@pytest.fixture(scope="module")
def ldam(tmp_path_factory, told) -> Trained:
    folder = tmp_path_factory.mktemp("ldam")
    data, workspace, out = folder / "tickets.csv", folder / "workspace", io.StringIO()
    data.write_text(make_tickets(), encoding="utf-8")
    words = ["train", data, "--workspace", workspace, *QUICK, *ASKED, *EXACT, "--json"]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(told):
        assert run([str(word) for word in words]) == 0
    result = json.loads(out.getvalue())
    return Trained(workspace, data, Path(result["path"]), result)


@pytest.fixture
def derive(dsample, ldam, tmp_path, blank_pictures):
    """Correct or refit the run into a workspace of the test's own."""

    def call(command, *args, parent=ldam.run):
        done = dsample(
            *(command, "--run", parent, "--workspace", tmp_path / "own", *args, *EXACT),
            *("-q", "--json"),
        )
        assert done.code == 0, done.err
        return Path(done.json["path"])

    return call


def manifest_of(run):
    return json.loads((run / "run.json").read_text(encoding="utf-8"))


def tickets_of(ldam):
    """Texts and label ids of all tickets."""
    rows = [line.split(",") for line in ldam.data.read_text().splitlines()[1:]]
    return [row[0] for row in rows], np.array([LABELS.index(row[1]) for row in rows])


def logits_of(run, ldam):
    """What a run makes of all tickets, shape [N, 3]."""
    texts, _ = tickets_of(ldam)
    return open_model(Run(run), manifest_of(run), "cpu", "fp32").logits([texts])


def plain_logits_of(run, ldam):
    """The same by transformers alone."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(run / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(run / "model")
    texts, _ = tickets_of(ldam)
    with torch.inference_mode():
        return model(**tokenizer(texts, padding=True, return_tensors="pt")).logits.numpy()


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def check_stored(run, logits):
    """The validation predictions of a run are those of these logits."""
    for record in read_lines(run / "predictions-validation.jsonl"):
        stored = [record["probabilities"][name] for name in LABELS]
        assert stored == pytest.approx(softmax(logits)[record["row"]], abs=1e-4)


def test_a_run_says_that_its_head_is_a_cosine_head(ldam, told):
    manifest = manifest_of(ldam.run)
    assert manifest["head"] == "cosine"
    assert (manifest["correction"]["method"], manifest["correction"]["folded"]) == ("none", False)
    assert (ldam.run / "head.safetensors").is_file()
    config = tomllib.loads((ldam.run / "config.toml").read_text(encoding="utf-8"))
    assert (config["loss"], config["ldam-margin"], config["drw"]) == ("ldam", 0.4, True)
    assert "The cosine head is kept in head.safetensors beside the model" in told.getvalue()
    assert "Warning" not in told.getvalue()
    # The second of two epochs was re-weighted, so hardly anything of the imbalance was left.
    prior = manifest["prior"]
    assert prior["outage"] > 0.25
    assert prior["billing"] < 0.45


def test_its_predictions_are_those_of_the_trained_network(ldam, dsample):
    """Whose validation loss the last epoch recorded."""
    logits, (_, codes) = logits_of(ldam.run, ldam), tickets_of(ldam)
    check_stored(ldam.run, logits)
    rows = [record["row"] for record in read_lines(ldam.run / "predictions-validation.jsonl")]
    losses = -np.log(softmax(logits))[np.arange(len(codes)), codes]
    best = read_lines(ldam.run / "epochs.jsonl")[ldam.result["best_epoch"]]
    assert best["validation"]["loss"] == pytest.approx(losses[rows].mean(), rel=1e-4)
    for data, evaluated in (([], rows), ([ldam.data], np.arange(len(codes)))):
        done = dsample("evaluate", *data, "--run", ldam.run, "--no-intervals", *EXACT, "--json")
        hits = logits[evaluated].argmax(axis=1) == codes[evaluated]
        assert done.json["metrics"]["accuracy"] == pytest.approx(hits.mean())
    done = dsample("predict", ldam.data, "--run", ldam.run, "--no-data", "-q", *EXACT)
    assert [line["label"] for line in done.lines] == [LABELS[c] for c in logits.argmax(axis=1)]


def test_transformers_alone_gives_the_same_labels(ldam):
    expected, found = logits_of(ldam.run, ldam), plain_logits_of(ldam.run, ldam)
    assert len(set(expected.argmax(axis=1))) == 3
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert np.abs(softmax(found) - softmax(expected)).mean() < 0.02


@pytest.mark.parametrize("method", ["thresholds", "logit-adjust"])
def test_a_correction_stands_beside_the_head(ldam, derive, method):
    run = derive("correct", "--method", method, "--target-prior", "outage=0.9")
    manifest = manifest_of(run)
    entry = manifest["correction"]
    assert (manifest["head"], entry["asked"], entry["folded"]) == ("cosine", method, False)
    scale, bias = (np.array([entry[key][n] for n in LABELS]) for key in ("scale", "bias"))
    plain = logits_of(ldam.run, ldam)
    assert logits_of(run, ldam) == pytest.approx(plain * scale + bias, abs=1e-4)
    if method == "logit-adjust":
        assert np.ptp(bias) > 1
        restored = derive("correct", "--method", "none", parent=run)
        assert logits_of(restored, ldam) == pytest.approx(plain, abs=1e-5)


@pytest.mark.parametrize("head", ["crt", "disalign"])
def test_a_refit_begins_with_the_plain_layer(ldam, derive, head):
    run = derive("refit", "--head", head, "--epochs", "2", "--no-cache", "--correct", "none")
    manifest = manifest_of(run)
    assert (manifest["head"], manifest["refit"]["kept_beside"]) == (head, head == "disalign")
    logits = logits_of(run, ldam)
    check_stored(run, logits)
    if head == "crt":
        assert plain_logits_of(run, ldam) == pytest.approx(logits, abs=1e-4)
        normed = derive("correct", "--method", "tau-norm", parent=run)
        assert manifest_of(normed)["correction"]["folded"]


def test_class_weights_without_lengths_are_not_divided_by_them(ldam, fails, tmp_path):
    own = ("--workspace", tmp_path / "own")
    message = "--correct tau-norm needs a model whose last layer is linear"
    for command in (
        ("train", ldam.data, "--loss", "ldam", "--correct", "tau-norm"),
        ("correct", "--run", ldam.run, "--method", "tau-norm"),
    ):
        fails(*command, *own, kind="ConfigError", message=message, hint="logit-adjust")
    fails(
        *("refit", "--run", ldam.run, "--head", "tau-norm", *own),
        kind="ConfigError",
        message="--head tau-norm divides by the lengths of class weights, and the cosine head of",
        hint="--head crt",
    )
    assert not list((tmp_path / "own").glob("runs/*"))


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--ldam-scale", "0", "--ldam-scale must be a number above 0, not 0."),
        ("--drw-start", "1", "--drw-start must be a share from 0 to below 1, not 1.0."),
        ("--drw-beta", "1", "--drw-beta must be a number from 0 to below 1, not 1.0."),
    ],
)
def test_a_bad_option_is_refused_by_its_flag(fails, ldam, option, value, message):
    fails(
        *("train", ldam.data, "--loss", "ldam", "--drw", option, value),
        kind="ConfigError",
        message=message,
        hint="--help",
    )
