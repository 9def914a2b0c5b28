"""dsample train: the run that it leaves, and that it can be repeated."""

import csv
import json
import tomllib

import numpy as np
import pytest

from dsample_cli.core.class_scores import class_weights, expected_share
from tests.helpers import (
    COUNTS,
    QUICK,
    WORDS,
    epochs_without_timing,
    make_tickets,
    read_lines,
)

METRICS = {"macro_f1", "accuracy", "balanced_accuracy"}
RUN_FILES = {
    "run.json",
    "config.toml",
    "epochs.jsonl",
    "split.csv",
    "metrics.json",
    "predictions-validation.jsonl",
    "report.html",
    "confusion.png",
    "reliability.png",
    "model",
}
EPOCH_KEYS = {
    "epoch",
    "mix",
    "expected",
    "drawn",
    "train_loss",
    "validation",
    "judged",
    "seconds",
    "examples_per_second",
}

pytestmark = pytest.mark.usefixtures("blank_pictures")


def run_of(tmp_path, done):
    assert done.code == 0, done.err
    return tmp_path / "dsample_workspace" / "runs" / done.json["run"]


def predictions_of(run_path, split="validation"):
    return (run_path / f"predictions-{split}.jsonl").read_bytes()


def manifest_of(run_path):
    return json.loads((run_path / "run.json").read_text(encoding="utf-8"))


def split_of(run_path):
    with (run_path / "split.csv").open(newline="") as file:
        return [(int(line["row"]), line["split"]) for line in csv.DictReader(file)]


def test_the_json_has_the_keys_of_the_contract(trained):
    result = trained.result
    assert {"run", "path", "status", "epochs", "best_epoch", "metrics"} <= set(result)
    assert (result["status"], result["epochs"]) == ("completed", 2)
    assert set(result["metrics"]) == {"validation"}
    assert set(result["metrics"]["validation"]) >= METRICS


def test_the_quick_training_learns_something(trained):
    """Else the tests of determinism and resuming would compare constants."""
    assert trained.result["metrics"]["validation"]["macro_f1"] > 0.5
    records = read_lines(trained.run / "predictions-validation.jsonl")
    assert len({record["score"] for record in records}) > 10


def test_the_run_directory_holds_what_the_contract_lists(trained):
    found = {path.name for path in trained.run.iterdir() if not path.name.startswith(".")}
    assert found == RUN_FILES, "and no checkpoints any more"


def test_the_manifest_tells_how_the_run_came_about(trained):
    manifest = manifest_of(trained.run)
    assert manifest["status"] == "completed"
    assert manifest["seed"] == 42
    assert manifest["labels"] == ["billing", "login", "outage"]
    assert manifest["data"]["train"]["path"] == str(trained.data)
    assert len(manifest["data"]["train"]["sha256"]) == 64
    assert {"schema", "config", "versions", "device"} <= set(manifest)
    assert isinstance(manifest["config"]["temperature"], float)
    assert manifest["metrics"]["validation"] == trained.result["metrics"]["validation"]


def test_every_row_is_in_one_split_and_each_class_in_both(trained):
    split = split_of(trained.run)
    assert sorted(row for row, _ in split) == list(range(120))
    labels = [line.split(",")[1] for line in make_tickets().splitlines()[1:]]
    for name in ("train", "validation"):
        assert {labels[row] for row, part in split if part == name} == set(WORDS)


def test_the_epochs_file_says_what_was_planned_and_drawn(trained):
    epochs = read_lines(trained.run / "epochs.jsonl")
    assert [record["epoch"] for record in epochs] == [0, 1]
    assert [record["mix"] for record in epochs] == [0.0, 1.0]
    counts = np.array(manifest_of(trained.run)["train_counts"])
    names = list(COUNTS)
    natural, scored = epochs
    assert natural["drawn"] == dict(zip(names, counts.tolist(), strict=True))
    assert sum(scored["drawn"].values()) == counts.sum()
    assert scored["drawn"] != natural["drawn"]
    temperature = manifest_of(trained.run)["config"]["temperature"]
    weights = class_weights("softmax", counts, temperature=temperature)
    for record in epochs:
        assert set(record) >= EPOCH_KEYS
        assert set(record["validation"]) >= METRICS
        share = expected_share(counts, weights, record["mix"])
        assert list(record["expected"].values()) == pytest.approx(share.tolist())


def test_the_best_epoch_is_the_first_with_the_highest_macro_f1(trained):
    scores = [r["validation"]["macro_f1"] for r in read_lines(trained.run / "epochs.jsonl")]
    assert trained.result["best_epoch"] == scores.index(max(scores))
    assert trained.result["metrics"]["validation"]["macro_f1"] == pytest.approx(max(scores))


def test_the_model_loads_with_transformers_and_knows_the_names(trained):
    transformers = pytest.importorskip("transformers")
    folder = trained.run / "model"
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.id2label == {0: "billing", 1: "login", 2: "outage"}
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer("invoice refund")["input_ids"]) >= 4


def test_no_text_of_the_data_is_copied_into_a_run(trained):
    texts = [line.split(",")[0].encode() for line in make_tickets().splitlines()[1:]]
    files = [path for path in trained.run.rglob("*") if path.is_file()]
    assert len(files) > len(RUN_FILES)
    for path in files:
        content = path.read_bytes()
        assert not [text for text in texts if text in content], path


def test_the_same_seed_gives_the_same_run(trained, dsample, tickets, tmp_path):
    run = run_of(tmp_path, dsample("train", tickets, *QUICK, "--json"))
    assert epochs_without_timing(run) == epochs_without_timing(trained.run)
    assert predictions_of(run) == predictions_of(trained.run)
    assert split_of(run) == split_of(trained.run)


def test_the_config_of_a_run_repeats_it(trained, dsample, tmp_path):
    config = trained.run / "config.toml"
    options = tomllib.loads(config.read_text(encoding="utf-8"))
    assert options["model"] == "tiny"
    assert isinstance(options["temperature"], float), (
        "resolved, so that new defaults change nothing"
    )
    run = run_of(tmp_path, dsample("train", "--config", config, "--json"))
    assert epochs_without_timing(run) == epochs_without_timing(trained.run)
    assert predictions_of(run) == predictions_of(trained.run)
    assert (run / "config.toml").read_bytes() == config.read_bytes()


def test_another_seed_gives_another_run(trained, dsample, tickets, tmp_path):
    run = run_of(tmp_path, dsample("train", tickets, *QUICK, "--seed", "7", "--json"))
    assert split_of(run) != split_of(trained.run)
    assert epochs_without_timing(run) != epochs_without_timing(trained.run)


def test_quiet_labels_and_groups(dsample, tickets, tmp_path):
    done = dsample(
        *("train", tickets, *QUICK, "--quiet", "--json", "--labels", "outage,login,billing"),
        *("--group-column", "customer", "--keep-checkpoints"),
    )
    run = run_of(tmp_path, done)
    assert done.err == ""
    assert manifest_of(run)["labels"] == ["outage", "login", "billing"]
    customers = [line.split(",")[2] for line in make_tickets().splitlines()[1:]]
    parts = {
        name: {customers[row] for row, part in split_of(run) if part == name}
        for name in ("train", "validation")
    }
    assert parts["validation"]
    assert parts["train"].isdisjoint(parts["validation"])
    assert list((run / "checkpoints").iterdir())


def test_the_current_dataset_and_its_columns(dsample, tickets, tmp_path):
    text = tickets.read_text(encoding="utf-8").replace("text,label", "body,kind", 1)
    tickets.write_text(text, encoding="utf-8")
    columns = ["--text-column", "body", "--label-column", "kind"]
    assert dsample("analyze", tickets, *columns).code == 0
    done = dsample("train", *QUICK, "--epochs", "1", "--json")
    run = run_of(tmp_path, done)
    assert f"Training on {tickets}, the current dataset." in done.err
    assert "has changed" not in done.err
    assert manifest_of(run)["text_columns"] == ["body"]
    assert manifest_of(run)["label_column"] == "kind"
    tickets.write_text(text + "one more invoice,billing,c1\n", encoding="utf-8")
    done = dsample("train", *QUICK, "--epochs", "1", "--json")
    assert done.code == 0
    assert f"Warning: {tickets} has changed" in done.err


def test_files_for_validation_and_test(dsample, tickets, tmp_path):
    for seed, name in ((1, "val.csv"), (2, "test.csv")):
        (tmp_path / name).write_text(make_tickets(seed), encoding="utf-8")
    done = dsample(
        *("train", tickets, "--val", "val.csv", "--test", "test.csv", *QUICK, "--json"),
        *("--epochs", "1"),
    )
    run = run_of(tmp_path, done)
    assert set(done.json["metrics"]) == {"validation", "test"}
    assert set(done.json["metrics"]["test"]) >= METRICS
    assert [r["row"] for r in read_lines(run / "predictions-test.jsonl")] == list(range(120))
    evaluated = dsample("evaluate", "--json", "--no-intervals").json
    assert evaluated["metrics"]["macro_f1"] == done.json["metrics"]["test"]["macro_f1"]
    assert set(manifest_of(run)["data"]) == {"train", "validation", "test"}


def test_a_sorted_file_in_file_order_gets_a_warning(dsample, tickets, tmp_path):
    head, *rows = tickets.read_text(encoding="utf-8").splitlines()
    rows.sort(key=lambda row: row.split(",")[1])
    (tmp_path / "sorted.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    options = [*QUICK, "--epochs", "1", "--val", tickets]
    done = dsample("train", "sorted.csv", *options, "--order", "file", "--json")
    assert done.code == 0
    assert "sorted by label" in done.err
    assert "--order shuffled" in done.err
    assert "sorted by label" not in dsample("train", "sorted.csv", *options, "--json").err


def test_all_warmup_and_no_validation_keep_the_last_epoch(dsample, tickets, tmp_path):
    done = dsample(
        *("train", tickets, *QUICK, "--schedule", "warmup", "--warmup-epochs", "2"),
        *("--val-size", "0", "--json"),
    )
    run = run_of(tmp_path, done)
    assert (done.json["best_epoch"], done.json["metrics"]) == (1, {})
    assert "no validation data" in done.err
    assert "epochs of --schedule warmup are warmup" in done.err
    epochs = read_lines(run / "epochs.jsonl")
    assert [(record["mix"], record["judged"]) for record in epochs] == [(0.0, False)] * 2


def test_labels_and_pairs_survive_all_four_commands(dsample, tmp_path):
    labels = ["NA", "None", "null", "1.0"]
    rows = [
        {"question": f"about {labels[i % 4]} {i}", "answer": f"word{i % 4}", "kind": labels[i % 4]}
        for i in range(80)
    ]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    columns = ["--text-column", "question", "--text-column", "answer", "--label-column", "kind"]
    analyzed = dsample("analyze", "d.jsonl", *columns, "--json").json
    assert {entry["label"] for entry in analyzed["classes"]} == set(labels)
    done = dsample("train", *QUICK, "--json")
    run = run_of(tmp_path, done)
    assert manifest_of(run)["labels"] == sorted(labels)
    assert manifest_of(run)["text_columns"] == ["question", "answer"]
    evaluated = dsample("evaluate", "d.jsonl", "--json", "--no-intervals").json
    assert {entry["label"] for entry in evaluated["per_class"]} == set(labels)
    predicted = dsample("predict", "d.jsonl").lines
    assert len(predicted) == 80
    assert all(set(record["probabilities"]) == set(labels) for record in predicted)
    assert {record["label"] for record in predicted} <= set(labels)
    assert predicted[3]["data"] == rows[3]


def test_plain_lines_where_there_is_no_terminal(dsample, tickets):
    done = dsample("train", tickets, *QUICK)
    assert done.code == 0
    assert "\x1b" not in done.err + done.out
    lines = [line.split() for line in done.err.splitlines() if line.strip()[:1].isdigit()]
    assert [line[:2] for line in lines] == [["0", "0.00"], ["1", "1.00"]]
    assert "macro-F1" in done.err
    assert "dsample predict" in done.out
