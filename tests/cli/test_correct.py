"""dsample correct, and --correct and --target-prior of the other commands."""

import contextlib
import copy
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dsample_cli.cli.main import run
from dsample_cli.errors import RunError
from tests.helpers import QUICK, Outcome, make_tickets, read_lines

LABELS = ["billing", "login", "outage"]
# A correction that is never nothing, however few the validation rows.
MOSTLY_OUTAGE = "--method logit-adjust --target-prior outage=0.9".split()
# Exactly comparable: in bf16 a folded bias is rounded.
EXACT = "--precision fp32".split()


class Shelf:
    """A workspace in which a test may make further runs.

    Attributes:
        run: The trained run.
        plain: The same uncorrected.
        outage: The same, corrected for data that is mostly outages; the latest.
    """

    def __init__(self, workspace: Path, data: Path, run: str):
        self.workspace, self.data, self.run = workspace, data, run
        self.plain = self.outage = ""

    def __call__(self, command, *args):
        out, err = io.StringIO(), io.StringIO()
        words = [command, *args, "--workspace", self.workspace]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([str(word) for word in words])
        return Outcome(code, out.getvalue(), err.getvalue())

    def correct(self, *args, parent=None):
        """The new run of a correction that must go well."""
        done = self("correct", "--run", parent or self.run, *args, *EXACT, "--json")
        assert done.code == 0, done.err
        return done.json["run"]

    def path(self, run):
        return self.workspace / "runs" / run

    def manifest(self, run):
        return json.loads((self.path(run) / "run.json").read_text(encoding="utf-8"))

    def change(self, run, **entries):
        """Change entries of run.json; None removes one."""
        changed = self.manifest(run) | entries
        kept = {key: value for key, value in changed.items() if value is not None}
        (self.path(run) / "run.json").write_text(json.dumps(kept), encoding="utf-8")

    def probabilities(self, run, *args):
        """Of all tickets, in label order, shape [N, 3]."""
        done = self("predict", self.data, "--run", run, "--no-data", *args, *EXACT)
        assert done.code == 0, done.err
        return np.array([[line["probabilities"][n] for n in LABELS] for line in done.lines])


@pytest.fixture(scope="module")
def corrected(trained, tmp_path_factory):
    """A shelf that no test may change."""
    workspace = tmp_path_factory.mktemp("corrected") / "workspace"
    shutil.copytree(trained.workspace, workspace)
    shelf = Shelf(workspace, trained.data, trained.run.name)
    shelf.plain = shelf.correct("--method", "none")
    shelf.outage = shelf.correct(*MOSTLY_OUTAGE)
    return shelf


@pytest.fixture
def shelf(corrected, tmp_path, blank_pictures):
    own = copy.copy(corrected)
    own.workspace = tmp_path / "shelf"
    shutil.copytree(corrected.workspace, own.workspace)
    return own


def content_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_tells_its_correction_and_its_prior(corrected):
    manifest = corrected.manifest(corrected.run)
    entry = manifest["correction"]
    assert entry["asked"] == "auto"
    assert set(entry["scale"]) == set(entry["bias"]) == set(entry["carried_prior"]) == set(LABELS)
    assert entry["metric"] == "macro_f1"
    assert {"before", "cross_fitted", "standard_error"} <= set(entry)
    assert entry["folded"] == (entry["method"] != "none")
    assert set(manifest["prior"]) == set(LABELS)
    assert sum(manifest["prior"].values()) == pytest.approx(1)
    # Of two epochs the second drew by the score, so rare classes have more than their share.
    counts = dict(zip(LABELS, manifest["train_counts"], strict=True))
    assert entry["carried_prior"]["outage"] > counts["outage"] / sum(counts.values())
    assert "parent" not in manifest


def test_a_correction_is_a_new_run_that_names_its_parent(trained, shelf):
    done = shelf("correct", "--run", shelf.run, *MOSTLY_OUTAGE, "--json")
    assert done.code == 0, done.err
    assert set(done.json) == set(trained.result), "as train answers"
    assert "Corrected by logit-adjust: macro-f1" in done.err
    manifest, parent = shelf.manifest(done.json["run"]), shelf.manifest(shelf.run)
    assert manifest["parent"] == shelf.run
    assert manifest["status"] == done.json["status"] == "completed"
    assert manifest["metrics"] == done.json["metrics"]
    assert manifest["correction"]["target_prior"]["outage"] == 0.9
    assert manifest["prior"] == pytest.approx({"billing": 0.05, "login": 0.05, "outage": 0.9})
    for key in ("data", "labels", "train_counts", "seed", "epochs", "best_epoch"):
        assert manifest[key] == parent[key]
    assert manifest["config"] == parent["config"] | {
        "correct": "logit-adjust",
        "target-prior": "outage=0.9",
    }
    assert shelf("evaluate", "--no-intervals", "--json").json["run"] == manifest["run"], "latest"
    listed = shelf("runs", "list", "--json").json["runs"]
    assert {shelf.run, manifest["run"]} < {entry["run"] for entry in listed}


def test_a_corrected_run_holds_all_that_a_trained_run_does(trained, corrected):
    own, parents = corrected.path(corrected.outage), corrected.path(corrected.run)
    assert {p.name for p in own.iterdir()} == {p.name for p in parents.iterdir()}
    for name in ("split.csv", "epochs.jsonl"):
        assert (own / name).read_bytes() == (parents / name).read_bytes()
    before = {path.relative_to(trained.run): text for path, text in content_of(trained.run).items()}
    after = {path.relative_to(parents): text for path, text in content_of(parents).items()}
    assert after == before, "the parent is as it was"


def test_transformers_alone_gives_the_corrected_predictions(corrected):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = corrected.path(corrected.outage) / "model"
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    texts = [line.split(",")[0] for line in corrected.data.read_text().splitlines()[1:]]
    with torch.inference_mode():
        logits = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits
    found = corrected.probabilities(corrected.outage)
    # A GPU multiplies with TF32.
    assert torch.softmax(logits, dim=1).numpy() == pytest.approx(found, abs=5e-4)
    assert np.abs(found - corrected.probabilities(corrected.run)).max() > 0.2


def test_a_correction_can_be_taken_back(shelf):
    tempered = shelf.correct("--method", "temperature", parent=shelf.outage)
    restored = shelf.correct("--method", "none", parent=tempered)
    expected = shelf.probabilities(shelf.plain)
    assert np.abs(shelf.probabilities(shelf.outage) - expected).max() > 0.2
    assert shelf.probabilities(restored) == pytest.approx(expected, abs=1e-5)
    assert shelf.manifest(restored)["parent"] == tempered
    assert shelf.manifest(restored)["prior"] == shelf.manifest(shelf.plain)["prior"]


def test_a_correction_replaces_that_of_its_parent(shelf):
    """Fitted on what training left, not on top."""
    between = shelf.correct("--method", "thresholds")
    after = shelf.correct(*MOSTLY_OUTAGE, parent=between)
    expected = shelf.probabilities(shelf.outage)
    assert shelf.probabilities(after) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("method", "strengths"),
    [("tau-norm", ["tau"]), ("thresholds", []), ("temperature", ["temperature"])],
)
def test_every_method_can_be_asked_for(shelf, method, strengths):
    run = shelf.correct("--method", method)
    entry = shelf.manifest(run)["correction"]
    assert (entry["asked"], entry["method"], entry["folded"]) == (method, method, True)
    assert list(entry["strengths"]) == strengths
    if method == "tau-norm":  # where the scales differ, the constant that softmax hides matters
        return
    scale, bias = (np.array([entry[key][n] for n in LABELS]) for key in ("scale", "bias"))
    weights = np.exp(np.log(shelf.probabilities(shelf.plain)) * scale + bias)
    expected = weights / weights.sum(axis=1, keepdims=True)
    # A power of less than 1 brings out what the six digits of small probabilities leave out.
    assert shelf.probabilities(run) == pytest.approx(expected, abs=5e-4)


def test_the_default_decides_by_itself(shelf):
    entry = shelf.manifest(shelf.correct())["correction"]
    assert entry["asked"] == "auto"
    assert entry["method"] == shelf.manifest(shelf.run)["correction"]["method"]


def test_validation_figures_are_those_of_cross_fitted_predictions(shelf):
    run = shelf.correct("--method", "thresholds")
    manifest = shelf.manifest(run)
    assert manifest["metrics"]["validation"]["macro_f1"] == pytest.approx(
        manifest["correction"]["cross_fitted"]
    )
    records = read_lines(shelf.path(run) / "predictions-validation.jsonl")
    stored = np.array([[record["probabilities"][n] for n in LABELS] for record in records])
    fitted = shelf.probabilities(run)[[record["row"] for record in records]]
    assert np.abs(stored - fitted).max() > 1e-3


def test_training_takes_a_correction_and_a_target_prior(shelf, tmp_path):
    (tmp_path / "shares.json").write_text('{"outage": 0.9}')
    options = ["--correct", "logit-adjust", "--target-prior", "shares.json"]
    done = shelf("train", shelf.data, *QUICK, *options, "--json")
    assert done.code == 0, done.err
    run = done.json["run"]
    manifest = shelf.manifest(run)
    assert manifest["correction"]["method"] == "logit-adjust"
    assert manifest["prior"]["outage"] == pytest.approx(0.9)
    # Found from any folder, so that the config repeats the run.
    assert manifest["config"]["target-prior"] == str(tmp_path / "shares.json")
    found, plain = shelf.probabilities(run), shelf.probabilities(shelf.plain)
    assert found[:, 2].mean() > plain[:, 2].mean() + 0.03
    # Fitted in the precision of training, the strengths may differ by a step.
    expected = shelf.probabilities(shelf.outage)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.9
    # Below the correction are the weights of any training with this seed.
    taken_back = shelf.correct("--method", "none", parent=run)
    assert shelf.probabilities(taken_back) == pytest.approx(plain, abs=1e-5)


def test_a_target_prior_turns_predictions(corrected):
    rare, common = (
        corrected.probabilities(corrected.run, "--target-prior", f"outage={share}")
        for share in (0.001, 0.99)
    )
    plain = corrected.probabilities(corrected.run)
    assert (rare[:, 2] <= plain[:, 2]).all()
    assert (plain[:, 2] <= common[:, 2]).all()
    counted = [(p.argmax(axis=1) == 2).sum() for p in (rare, plain, common)]
    assert counted[0] < counted[1] < counted[2]
    own = corrected.manifest(corrected.run)["prior"]
    shares = ",".join(f"{label}={share!r}" for label, share in own.items())
    same = corrected.probabilities(corrected.run, "--target-prior", shares)
    assert same == pytest.approx(plain, abs=1e-5)


@pytest.mark.parametrize("has_data", [False, True])
def test_a_target_prior_turns_an_evaluation(corrected, has_data):
    predicted = []
    for share in (0.001, 0.99):
        data = [corrected.data] if has_data else []
        options = ["--target-prior", f"outage={share}", "--run", corrected.run, "--no-intervals"]
        done = corrected("evaluate", *data, *options, "--json")
        assert done.code == 0, done.err
        predicted.append(np.sum(done.json["confusion"]["matrix"], axis=0)[2])
    assert predicted[0] < predicted[1]


def test_to_shift_an_uncorrected_run_and_to_correct_it_come_near(corrected):
    """The one takes the textbook's strengths, the other fitted ones."""
    shifted = corrected.probabilities(corrected.plain, "--target-prior", "outage=0.9")
    fitted = corrected.probabilities(corrected.outage)
    assert (shifted.argmax(axis=1) == fitted.argmax(axis=1)).mean() > 0.8


def test_shares_may_come_from_a_json_file(shelf, tmp_path):
    (tmp_path / "shares.json").write_text('{"outage": 0.9}')
    from_file = ["--target-prior", "shares.json"]
    by_file = shelf.probabilities(shelf.run, *from_file)
    assert (by_file == shelf.probabilities(shelf.run, "--target-prior", "outage=0.9")).all()
    manifest = shelf.manifest(shelf.correct("--method", "logit-adjust", *from_file))
    assert manifest["config"]["target-prior"] == str(tmp_path / "shares.json")
    assert manifest["prior"] == shelf.manifest(shelf.outage)["prior"]


@pytest.mark.parametrize("command", ["train", "correct", "evaluate", "predict"])
@pytest.mark.parametrize(
    ("shares", "message", "hint"),
    [
        ("outrage=0.9", "--target-prior names the unknown label 'outrage'.", "Did you mean outage"),
        ("outage=1.5", "--target-prior gives 'outage' a share of 1.5.", "between 0 and 1"),
        ("none.json", "none.json", "Check the path of --target-prior."),
    ],
)
def test_shares_that_are_none_are_refused(shelf, fails, command, shares, message, hint):
    data = {"train": [shelf.data, *QUICK], "predict": [shelf.data, "-o", "out.jsonl"]}
    fails(
        *(command, *data.get(command, []), "--target-prior", shares),
        *("--workspace", shelf.workspace),
        kind="ConfigError",
        message=message,
        hint=hint,
    )


def test_predictions_of_other_tools_have_no_prior(fails, tmp_path):
    (tmp_path / "p.csv").write_text("label,prediction\na,a\nb,a\n")
    fails(
        *("evaluate", "--predictions", "p.csv", "--target-prior", "uniform"),
        kind="ConfigError",
        message="--target-prior needs the probabilities of a run",
        hint="Leave one of them out.",
    )


def test_an_older_run_gets_a_prior_by_being_corrected(shelf, fails):
    shelf.change(shelf.plain, correction=None, prior=None)
    options = ["--run", shelf.plain, "--target-prior", "train"]
    fails(
        *("evaluate", *options, "--workspace", shelf.workspace),
        kind="RunError",
        message=f"Run {shelf.plain} does not say which class prior its model carries.",
        hint=f"dsample correct --run {shelf.plain}",
    )
    before = shelf.probabilities(shelf.plain)
    run = shelf.correct("--method", "none", parent=shelf.plain)
    assert shelf.probabilities(run) == pytest.approx(before, abs=1e-5)
    assert np.abs(shelf.probabilities(run, "--target-prior", "train") - before).max() > 0.01


def test_an_unknown_method_is_refused(corrected, fails):
    runs = set((corrected.workspace / "runs").iterdir())
    fails(
        *("correct", "--method", "logit-adjusted", "--workspace", corrected.workspace),
        kind="ConfigError",
        message="'logit-adjusted'",
        hint="Did you mean logit-adjust",
    )
    assert set((corrected.workspace / "runs").iterdir()) == runs


def test_a_run_without_a_model_cannot_be_corrected(shelf, fails):
    shelf.change(shelf.run, status="interrupted")
    fails(
        *("correct", "--run", shelf.run, "--workspace", shelf.workspace),
        kind="RunError",
        message=f"Run {shelf.run} is interrupted, so it has no model.",
        hint=f"dsample train --resume {shelf.run}",
    )


def test_data_that_has_changed_is_refused(shelf, fails, tmp_path):
    path = tmp_path / "moved.csv"
    path.write_text(make_tickets(), encoding="utf-8")
    manifest = shelf.path(shelf.run) / "run.json"
    manifest.write_text(manifest.read_text().replace(str(shelf.data), str(path)))
    assert shelf.correct("--method", "none")
    path.write_text(make_tickets(1), encoding="utf-8")
    fails(
        *("correct", "--run", shelf.run, "--workspace", shelf.workspace),
        kind="RunError",
        message=f"{path} has changed since run {shelf.run} began",
        hint="Begin anew with: dsample train --config",
    )


def test_a_correction_that_fails_leaves_the_parent_and_says_so(shelf, monkeypatch):
    def fail(*args, **options):
        raise RunError("The disk is full.", "Make room.")

    before = content_of(shelf.path(shelf.run))
    monkeypatch.setattr("dsample_cli.workflows.correct.finish_run", fail)
    done = shelf("correct", "--run", shelf.run)
    assert (done.code, "The disk is full." in done.err) == (1, True)
    assert content_of(shelf.path(shelf.run)) == before
    listed = shelf("runs", "list", "--json").json["runs"]
    assert sorted(entry["status"] for entry in listed) == [*["completed"] * 3, "failed"]
    latest = shelf("evaluate", "--no-intervals", "--json").json["run"]
    assert latest == shelf.outage, "which is the latest still"


def test_without_validation_nothing_can_be_fitted(shelf, fails):
    """Which is told before training, not after."""
    options = [*QUICK, "--epochs", "1", "--val-size", "0"]
    message = "--correct thresholds is fitted on validation data, and there is none."
    fails(
        *("train", shelf.data, *options, "--correct", "thresholds"),
        *("--workspace", shelf.workspace),
        kind="ConfigError",
        message=message,
        hint="--val-size 0.2",
    )
    done = shelf("train", shelf.data, *options, "--json")
    assert done.code == 0, done.err
    entry = shelf.manifest(done.json["run"])["correction"]
    assert (entry["asked"], entry["method"]) == ("auto", "none")
    runs = set((shelf.workspace / "runs").iterdir())
    fails(
        *("correct", "--method", "thresholds", "--workspace", shelf.workspace),
        kind="ConfigError",
        message=message,
        hint="--val-size 0.2",
    )
    assert set((shelf.workspace / "runs").iterdir()) == runs


def test_a_head_without_bias_has_its_correction_beside_it(shelf, tmp_path):
    transformers = pytest.importorskip("transformers")
    from safetensors.numpy import load_file

    tokenizer = transformers.AutoTokenizer.from_pretrained(shelf.path(shelf.run) / "model")
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    transformers.LlamaForSequenceClassification(config).save_pretrained(tmp_path / "llama")
    tokenizer.save_pretrained(tmp_path / "llama")
    options = ["--model", tmp_path / "llama", "--epochs", "1", "--correct", "none", *EXACT]
    done = shelf("train", shelf.data, *QUICK, *options, "--json")
    assert done.code == 0, done.err
    plain = done.json["run"]
    entry = shelf.manifest(plain)["correction"]
    assert (entry["asked"], entry["method"], entry["folded"]) == ("none", "none", False)
    assert shelf.manifest(plain)["prior"] == entry["carried_prior"]
    assert "metric" not in entry
    corrected = shelf.correct(*MOSTLY_OUTAGE, parent=plain)
    entry = shelf.manifest(corrected)["correction"]
    bias = list(entry["bias"].values())
    assert (entry["method"], entry["folded"]) == ("logit-adjust", False)
    assert load_file(shelf.path(corrected) / "head.safetensors")["bias"].tolist() == bias
    weights = [shelf.path(run) / "model" / "model.safetensors" for run in (plain, corrected)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    odds = shelf.probabilities(plain) * np.exp(bias)
    expected = odds / odds.sum(axis=1, keepdims=True)
    assert shelf.probabilities(corrected) == pytest.approx(expected, abs=1e-5)
    restored = shelf.correct("--method", "none", parent=corrected)
    assert shelf.probabilities(restored) == pytest.approx(shelf.probabilities(plain), abs=1e-5)
    figures = [shelf.manifest(run)["metrics"]["validation"] for run in (plain, restored)]
    assert figures[0] == pytest.approx(figures[1], abs=1e-5, nan_ok=True)
