"""What a run says of itself: reliability diagram, report, the card of its model, warnings."""

import json
import re
import shutil

import pytest

from tests.helpers import QUICK

EXACT = "--device cpu --precision fp32".split()
TEXT = "invoice locked refund case 7"
OLD_WARNING = "Told before the run was stopped."


@pytest.fixture
def made(dsample, trained, tmp_path):
    """Make a run of the trained one in a workspace of the test's own; give its folder."""

    def call(command, *args, run=trained.run):
        own = ("--run", run, "--workspace", tmp_path / "own", *EXACT, "--json")
        done = dsample(command, *own, *args)
        assert done.code == 0, done.err
        return tmp_path / "own" / "runs" / done.json["run"]

    return call


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of the trained run that a test may change, with a warning of its training."""
    run = tmp_path / "copied" / "runs" / trained.run.name
    shutil.copytree(trained.run, run)
    manifest = manifest_of(run)
    manifest["warnings"] = {"training": [OLD_WARNING], "results": ["Of these results."]}
    (run / "run.json").write_text(json.dumps(manifest), encoding="utf-8")
    return run


def manifest_of(run):
    return json.loads((run / "run.json").read_text(encoding="utf-8"))


def card_of(run):
    return (run / "model" / "README.md").read_text(encoding="utf-8")


def report_of(run):
    return (run / "report.html").read_text(encoding="utf-8")


def test_the_report_has_correction_and_calibration(trained):
    assert (trained.run / "reliability.png").read_bytes().startswith(b"\x89PNG")
    report = report_of(trained.run)
    assert "<h2>Correction</h2>" in report
    assert "Macro-F1 uncorrected" in report
    assert re.search("on the validation split the model is right in .* 24 rows give no", report)


def test_the_card_has_the_figures_of_the_run(trained):
    card, metrics = card_of(trained.run), trained.result["metrics"]["validation"]
    assert card.startswith("---\nlibrary_name: transformers\npipeline_tag: text-classification\n")
    assert "base_model" not in card, "tiny is on no hub"
    assert f"| Macro-F1 | {metrics['macro_f1']:.3f} (" in card
    assert "| billing | 60 | 15 |" in card
    assert re.search(
        "\ndsample train tickets.csv --model tiny --temperature 0.[0-9]+ --cycle 2 --epochs 2 "
        "--batch-size 4 --lr 0.002 --head-lr-factor 1.0\n",
        card,
    )
    assert str(trained.data.parent) not in card, "no folder of this machine"


def test_the_usage_on_the_card_gives_what_predict_gives(trained, dsample, monkeypatch, tmp_path):
    pytest.importorskip("transformers")
    (tmp_path / "one.csv").write_text(f"text\n{TEXT}\n")
    (expected,) = dsample("predict", "one.csv", "--run", trained.run, *EXACT).lines
    (usage,) = re.findall("```python\n(.*?)```", card_of(trained.run), re.DOTALL)
    monkeypatch.chdir(trained.run)
    names: dict = {}
    exec(usage.replace('classify("..."', f'found = classify("{TEXT}"'), names)
    found = {entry["label"]: entry["score"] for entry in names["found"]}
    assert found == pytest.approx(expected["probabilities"], abs=1e-4)


def test_a_head_beside_the_model_is_told_by_card_and_report(made, trained, dsample):
    ncm = made("refit", "--head", "ncm", "--correct", "none", "--no-cache")
    card = card_of(ncm)
    assert "**`from_pretrained` alone does not give the figures below.**" in card
    assert "`ncm`, `logits[c] = -sharpness |x - means[c]|^2" in card
    assert f"The parent run is `{trained.run.name}`." in card
    assert f"dsample refit --run {trained.run.name} --head ncm" in card
    report = report_of(ncm)
    assert "ncm, in head.safetensors beside the model" in report
    assert "No correction was asked for." in report
    assert trained.run.name in report
    # And a correction of it can be repeated in its three steps.
    corrected = made("correct", "--method", "temperature", run=ncm)
    commands = manifest_of(corrected)["commands"]
    assert [command.split()[1] for command in commands] == ["refit", "correct"]
    assert commands[1] == (
        f"dsample correct --run {ncm.name} --method temperature --target-prior uniform"
    )
    head = (corrected / "config.toml").read_text(encoding="utf-8").splitlines()[0]
    assert head.endswith(", then: ".join(["", *commands]))
    assert "the head `ncm` and the correction `temperature`" in card_of(corrected)
    assert re.search(r"ECE: [\d.]+ as refitted, [\d.]+ corrected\.", report_of(corrected))


def test_what_is_folded_is_told_by_card_and_report(made, dsample, copied):
    run = made("correct", "--method", "logit-adjust", "--target-prior", "outage=0.9", run=copied)
    card, report = card_of(run), report_of(run)
    assert "It is folded into the last layer" in card
    assert f"`dsample correct --run {run.name} --method none`" in card
    assert "the class shares of --target-prior: outage 90.0%, " in card
    assert "--correct logit-adjust --target-prior outage=0.9" in card
    assert "folded into the last layer of the saved model" in report
    assert re.search(r"ECE: 0\.\d{3} as trained, 0\.\d{3} corrected\.", report)
    line = "Corrected by logit-adjust; the probabilities stand for the class shares of --target"
    assert line in dsample("evaluate", "--run", run).out
    shown = dsample("runs", "show", run).out
    assert "Corrected by logit-adjust: macro-f1" in shown
    assert "the class shares of --target-prior" in shown
    # What was warned of in training holds for the new run, what was of the old results does not.
    assert manifest_of(run)["warnings"]["training"] == [OLD_WARNING]
    assert OLD_WARNING in report
    assert "Of these results." not in report


def test_warnings_are_kept_in_the_run_and_its_report(dsample, tickets, tmp_path):
    options = "--epochs 1 --max-length 4 --score oversample --loss weighted --schedule always"
    done = dsample("train", tickets, *QUICK, *options.split(), "--workspace", "own", "--json")
    assert done.code == 0, done.err
    run = tmp_path / "own" / "runs" / done.json["run"]
    told = [line.removeprefix("Warning: ") for line in done.err.splitlines() if "Warning" in line]
    kept = manifest_of(run)["warnings"]
    assert [*kept["training"], *kept["results"]] == told
    assert len(kept["training"]) == 2
    report = report_of(run)
    for start in ("of the training texts fill", "make up for the same imbalance"):
        assert start in report
    assert "make up for the same imbalance" in dsample("runs", "show", run).out


def test_warnings_survive_a_resume(dsample, copied):
    manifest = manifest_of(copied) | {"status": "interrupted"}
    (copied / "run.json").write_text(json.dumps(manifest), encoding="utf-8")
    done = dsample("train", "--resume", copied.name, "--workspace", copied.parents[1], "--json")
    assert done.code == 0, done.err
    assert manifest_of(copied)["warnings"] == {"training": [OLD_WARNING], "results": []}
    assert OLD_WARNING in report_of(copied)
