"""`dsample export`: a folder that loads anywhere and tells nothing of this machine; the hub."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from dsample_cli.errors import RunError
from dsample_cli.runs.run import Run
from dsample_cli.workflows import export as workflow
from dsample_cli.workflows import hub
from tests.helpers import process_environment

EXACT = "--device cpu --precision fp32".split()
TEXT = "invoice locked refund case 7"
KEYS = ["run", "path", "format", "files", "bytes", "largest_difference", "pushed"]
LOADS = """
import json, sys
from transformers import AutoModelForSequenceClassification, AutoTokenizer
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1])
tokens = AutoTokenizer.from_pretrained(sys.argv[1])(sys.argv[2], return_tensors="pt")
probabilities = model(**tokens).logits.softmax(-1)[0].tolist()
print(json.dumps({model.config.id2label[i]: p for i, p in enumerate(probabilities)}))
"""


@pytest.fixture
def export(dsample, trained):
    def call(*args):
        return dsample("export", "--run", trained.run, *map(str, args))

    return call


@pytest.fixture
def predicted(dsample, trained, tmp_path):
    (tmp_path / "one.csv").write_text(f"text\n{TEXT}\n")
    (line,) = dsample("predict", "one.csv", "--run", trained.run, *EXACT).lines
    return line["probabilities"]


@pytest.fixture
def hub_api(monkeypatch):
    """The hub, but for the network; `api.public` are repositories that are there."""
    huggingface_hub = pytest.importorskip("huggingface_hub")

    class Api:
        endpoint, uploads, made, public = "https://hub.test", [], [], set()

        def __init__(self, **options):
            pass

        def create_repo(self, repo, private, exist_ok):
            assert exist_ok
            Api.made.append((repo, private))
            full = repo if "/" in repo else f"me/{repo}"
            if not private:
                Api.public.add(full)
            return type("Url", (), {"repo_id": full})

        def model_info(self, repo):
            return type("Info", (), {"private": repo not in Api.public})

        def upload_folder(self, repo_id, folder_path, commit_message):
            card = (folder_path / "README.md").read_text(encoding="utf-8")
            names = {file.name for file in folder_path.iterdir()}
            Api.uploads.append((repo_id, names, card, commit_message))

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_x")
    return Api


def test_a_fresh_process_loads_the_folder(export, trained, predicted, tmp_path):
    done = export("--to", "deep/classifier", "--json")
    assert done.code == 0, done.err
    folder = tmp_path / "deep" / "classifier"
    assert list(done.json) == KEYS
    assert done.json["path"] == str(folder)
    assert done.json["files"] == sorted(file.name for file in folder.iterdir())
    assert {"README.md", "dsample.json", "model.safetensors"} <= set(done.json["files"])
    assert done.json["bytes"] == sum(file.stat().st_size for file in folder.iterdir())
    assert done.json["largest_difference"] is done.json["pushed"] is None
    assert "words of the training texts" in done.err, "tiny made its vocabulary of them"
    command = [sys.executable, "-c", LOADS, str(folder), TEXT]
    loaded = subprocess.run(
        command, capture_output=True, text=True, check=True, env=process_environment()
    )
    assert json.loads(loaded.stdout) == pytest.approx(predicted, abs=1e-5)
    assert list((tmp_path / "deep").iterdir()) == [folder], "nothing else is left"


def test_the_folder_tells_nothing_of_this_machine(export, trained, tmp_path):
    config = trained.run / "model" / "config.json"
    told = json.loads(config.read_text()) | {"_name_or_path": "/home/me/bert"}
    source = tmp_path / "runs" / "copied"
    shutil.copytree(trained.run, source)
    (source / "model" / "config.json").write_text(json.dumps(told))
    assert export("--run", source, "--to", "out").code == 0
    for file in (tmp_path / "out").iterdir():
        content = file.read_bytes()
        for secret in (b"/home/me", str(trained.data.parent).encode(), TEXT.encode()):
            assert secret not in content, file
    facts = json.loads((tmp_path / "out" / "dsample.json").read_text())
    assert facts["labels"] == ["billing", "login", "outage"]
    assert facts["train_counts"] == {"billing": 60, "login": 24, "outage": 12}
    assert sum(facts["training_prior"].values()) == pytest.approx(1)
    assert {"method", "scale", "bias"} <= set(facts["correction"])
    assert facts["run"] == "copied"


def test_the_hubs_own_parser_reads_the_card(export, trained, tmp_path):
    hub_library = pytest.importorskip("huggingface_hub")
    assert export("--to", "out").code == 0
    card = hub_library.ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.model_name == trained.run.name
    results = {result.metric_name: result for result in card.data.eval_results}
    figures = trained.result["metrics"]["validation"]
    assert results["Macro-F1"].metric_value == pytest.approx(figures["macro_f1"], abs=1e-4)
    assert results["Macro-F1"].dataset_split == "validation"
    assert {"Recall: outage", "F1: outage", "Recall: billing"} <= set(results)
    assert results["Recall: outage"].metric_type == "recall"
    assert card.data.license is None, "left to the user"


def test_only_a_new_or_empty_folder_is_written(export, fails, trained, tmp_path):
    def refused(message, hint, *args):
        options = ("export", "--run", trained.run, *args)
        fails(*options, kind="ConfigError", message=message, hint=hint)

    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.tex").write_text("years of work")
    refused("own is not empty", "--force", "--to", "own")
    refused("holds no earlier export", "another --to", "--to", "own", "--force")
    assert (tmp_path / "own" / "thesis.tex").read_text() == "years of work"
    refused("is a file", "another --to", "--to", "own/thesis.tex")
    (tmp_path / "empty").mkdir()
    assert export("--to", "empty").code == 0
    assert export("--to", "empty").code == 1
    (tmp_path / "empty" / "tokenizer.json").write_text("of an earlier export")
    assert export("--to", "empty", "--force").code == 0
    assert len((tmp_path / "empty" / "tokenizer.json").read_text()) > 100
    (tmp_path / "empty" / "LICENSE").write_text("mine")
    refused("what no export wrote: LICENSE", "Move it away", "--to", "empty", "--force")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "--to DIR, --push REPO or both"),
        (("--to", "x", "--public"), "--public goes with --push"),
        (("--push", "me/x", "--force"), "--force goes with --to"),
    ],
)
def test_wrong_usage(fails, args, message):
    fails("export", *args, kind="UsageError", message=message, hint="--help", code=2)


def test_what_cannot_be_exported(fails, trained, tmp_path):
    fails(
        *("export", "--run", trained.run, "--to", "x", "--format", "onxx"),
        kind="ConfigError",
        message="Unknown --format 'onxx'",
        hint="onnx",
    )
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "run.json").write_bytes((trained.run / "run.json").read_bytes())
    fails(
        *("export", "--run", broken, "--to", "x"),
        kind="RunError",
        message="config.json is missing",
        hint="dsample train --config",
    )
    assert not (tmp_path / "x").exists()


def test_onnx_gives_what_the_run_does(export, predicted, graph_is_copied, tmp_path):
    done = export("--to", "model", "--format", "onnx", "--json")
    assert done.code == 0, done.err
    assert {"model.onnx", "config.json", "tokenizer.json"} < set(done.json["files"])
    assert "model.safetensors" not in done.json["files"]
    assert 0 < done.json["largest_difference"] < 1e-4
    graph = (tmp_path / "model" / "model.onnx").read_bytes()
    assert b"site-packages" not in graph
    assert b"transformers/models" not in graph
    # The card's own code gives the labels and probabilities of the run.
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "from_pretrained` alone" not in card
    (usage,) = re.findall("```python\n(.*?)```", card, re.DOTALL)
    names: dict = {"print": lambda *args: None}
    exec(usage.replace('["..."]', f'["{TEXT}", "refund"]'), names)
    label, probability = max(predicted.items(), key=lambda entry: entry[1])
    assert names["labels"][int(names["logits"][0].argmax())] == label
    assert names["probabilities"][0].max() == pytest.approx(probability, abs=1e-4)


def test_an_onnx_model_that_differs_is_not_left_behind(fails, trained, monkeypatch, tmp_path):
    onnx_export = pytest.importorskip("dsample_cli.training.onnx_export")

    class Other:
        def __init__(self, file, classes):
            pass

        def logits(self, collator, batches):
            return np.full((len(collator.tokens), 3), np.nan)

    monkeypatch.setattr(onnx_export, "require_onnx", lambda: None)
    monkeypatch.setattr(onnx_export, "write_onnx", lambda *args: None)
    monkeypatch.setattr(onnx_export, "OnnxModel", Other)
    fails(
        *("export", "--run", trained.run, "--to", "out", "--format", "onnx", "--quiet"),
        kind="RunError",
        message="differ from the run's by up to nan",
        hint="leave --format onnx out",
    )
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_there_is_no_onnx(fails, trained, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    fails(
        *("export", "--run", trained.run, "--to", "out", "--format", "onnx"),
        kind="MissingExtraError",
        message="package onnx",
        hint="pip install 'dsample-cli[onnx]'",
    )
    assert not (tmp_path / "out").exists()


def test_push_makes_a_private_repository(export, hub_api, trained, tmp_path):
    done = export("--push", "classifier", "--json")
    assert done.code == 0, done.err
    assert done.json["path"] is None
    assert done.json["pushed"] == "https://hub.test/me/classifier"
    assert hub_api.made == [("classifier", True)]
    ((repo, names, card, message),) = hub_api.uploads
    assert repo == "me/classifier"
    assert names == set(done.json["files"])
    assert '\nmodel = "classifier"\n' in card
    assert trained.run.name in message
    assert list(tmp_path.iterdir()) == []


def test_push_does_not_publish_unasked(fails, hub_api, export, trained, tmp_path):
    hub_api.public.add("me/open")
    hub_api.uploads.clear()
    fails(
        *("export", "--run", trained.run, "--push", "me/open", "-q"),
        kind="RunError",
        message="me/open on the hub is public, so nothing was uploaded",
        hint="--public",
    )
    assert hub_api.uploads == []
    assert export("--push", "me/open", "--public", "--to", "out").code == 0
    assert len(hub_api.uploads) == 1
    assert '\nmodel = "me/open"\n' in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_push_says_why_it_failed(fails, hub_api, trained, monkeypatch, tmp_path):
    def unreachable(self, *args, **options):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(hub_api, "create_repo", unreachable)
    options = ("export", "--run", trained.run, "--push", "me/x", "--to", "out", "-q")
    done = {"kind": "RunError", "hint": "Check the network"}
    fails(*options, "--force", message="cannot be reached (ConnectionError: no route", **done)
    assert (tmp_path / "out" / "model.safetensors").exists()


def test_push_needs_a_token_and_a_name(fails, hub_api, trained, monkeypatch, tmp_path):
    options = ("export", "--run", trained.run, "--to", "out", "--push")
    fails(*options, "a b", kind="ConfigError", message="OWNER/NAME", hint="--push my-name/")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    fails(*options, "me/x", kind="RunError", message="needs a token", hint="hf auth login")
    assert list(tmp_path.iterdir()) == [], "told before anything is written"


def test_a_run_without_its_head_is_no_run(trained, tmp_path):
    manifest = json.loads((trained.run / "run.json").read_text()) | {"head": "cosine"}
    run = Run(tmp_path / "run")
    (run.path / "model").mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (run.model_dir / name).touch()
    run.manifest_file.write_text(json.dumps(manifest))
    with pytest.raises(RunError, match=r"head\.safetensors is missing"):
        workflow.export(run, workflow.Target(tmp_path / "out"), None, "transformers")


def test_a_refusal_of_the_hub_is_told():
    errors = pytest.importorskip("huggingface_hub.errors")
    offline = hub._explained("me/x", errors.OfflineModeIsEnabled())
    assert "HF_HUB_OFFLINE" in offline.hint
    refused = errors.HfHubHTTPError.__new__(errors.HfHubHTTPError)
    refused.response = type("Response", (), {"status_code": 403})
    assert "right to write to me/x" in hub._explained("me/x", refused).hint
