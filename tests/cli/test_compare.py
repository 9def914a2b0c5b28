"""dsample compare, on runs whose predictions are written by hand."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsample_cli.core.progress import Silent
from dsample_cli.evaluation.comparison import holm
from dsample_cli.evaluation.metrics import SUMMARY_METRICS
from dsample_cli.runs.run import Run
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows.compare import compare as run_comparison
from tests.reports.pages import Page, fetches_nothing, png_size

LABELS = ["billing", "login", "outage"]
COUNTS = [60, 24, 12]
TRUTH = ["billing"] * 10 + ["login"] * 6 + ["outage"] * 4


def store(
    workspace: Path,
    name: str,
    predicted: list[str],
    truth: list[str] = TRUTH,
    labels: list[str] = LABELS,
    split: str = "test",
    sha256: str = "t1",
    rows: list[int] | None = None,
    status: str = "completed",
    **config: object,
) -> Run:
    """Store a run that predicted so; `config` are options of its training."""
    run = Run(workspace / "runs" / name)
    run.path.mkdir(parents=True)
    seed = config.get("seed", 42)
    run.write_manifest(
        {
            "status": status,
            "created": f"2026-01-01T00:00:{len(list(run.path.parent.iterdir())):02d}.000+00:00",
            "config": {"data": "/d/train.csv", "model": "tiny", "seed": seed, **config},
            "data": {
                "train": {"path": "/d/train.csv", "sha256": "d1", "rows": 96},
                split: {"path": "/d/held.csv", "sha256": sha256, "rows": len(truth)},
            },
            "labels": labels,
            "train_counts": [*COUNTS, 5, 5][: len(labels)],
            "seed": seed,
        }
    )
    numbers = range(len(truth)) if rows is None else rows
    records = [
        {"row": row, "label": label, "score": 0.9, "probabilities": {label: 0.9}, "true": true}
        for row, label, true in zip(numbers, predicted, truth, strict=True)
    ]
    write_predictions(run, records, split)
    return run


def write_predictions(run: Run, records: list[dict], split: str = "test") -> None:
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    run.predictions_file(split).write_text("".join(lines), encoding="utf-8", newline="\n")


def wrong_in(*rows: int) -> list[str]:
    """Predictions that are right but in these rows."""
    return [
        LABELS[LABELS.index(true) - 1] if row in rows else true for row, true in enumerate(TRUTH)
    ]


@pytest.fixture
def workspace(tmp_path) -> Path:
    return tmp_path / "workspace"


@pytest.fixture
def compare(dsample, workspace):
    def call(*args: object):
        return dsample("compare", *args, "--workspace", workspace)

    return call


@pytest.fixture
def two(workspace):
    """Two runs of which one alone is right in 8 and in 2 rows."""
    first = store(workspace, "first", wrong_in(0, 1), schedule="natural")
    second = store(workspace, "second", wrong_in(*range(8, 16)), schedule="always")
    return first, second


def test_the_json_has_the_keys_that_scripts_rely_on(compare, two):
    found = compare("first", "second", "--json").json
    assert set(found) == {
        *("split", "same_rows", "rows", "first", "runs", "seeds", "groups", "classes"),
        *("warnings", "html", "plot"),
    }
    assert (found["split"], found["rows"], found["first"]) == ("test", 20, "first")
    assert [entry["run"] for entry in found["runs"]] == ["first", "second"]
    assert [entry["name"] for entry in found["runs"]] == ["schedule=natural", "schedule=always"]
    first, second = found["runs"]
    assert (first["difference"], first["mcnemar"]) == (None, None)
    assert set(first["metrics"]) == set(SUMMARY_METRICS)
    assert first["metrics"]["accuracy"] == pytest.approx(0.9)
    assert first["groups"] == pytest.approx({"many": 0.8, "medium": 1, "few": 1})
    assert set(second["difference"]) == {
        *SUMMARY_METRICS,
        *("many_recall", "medium_recall", "few_recall"),
    }
    accuracy = second["difference"]["accuracy"]
    assert set(accuracy) == {"value", "interval", "p_value", "p_holm"}
    assert accuracy["value"] == pytest.approx(-0.3)
    assert accuracy["interval"][0] < -0.3 < accuracy["interval"][1] < 0
    assert [entry["label"] for entry in found["classes"]] == LABELS
    assert found["classes"][0] == {
        "label": "billing",
        "train_count": 60,
        "support": 10,
        "group": "many",
        "recall": {"first": 0.8, "second": 0.8},
        "f1": pytest.approx({"first": 8 / 9, "second": 16 / 24}),
        "winner": "schedule=natural",
        "best": ["schedule=natural"],
    }
    assert (found["seeds"], found["warnings"]) == ([], [])


def test_mcnemar_has_the_golden_values(compare, two):
    test = compare("first", "second", "--json").json["runs"][1]["mcnemar"]
    assert (test["only_first"], test["only_second"]) == (8, 2)
    assert test["p_value"] == pytest.approx(0.109375)
    assert test["p_holm"] == test["p_value"]
    assert test["chi2"] == pytest.approx(2.5)
    assert test["chi2_p_value"] == pytest.approx(0.113846, abs=1e-6)


def test_several_runs_are_corrected_for_their_number(compare, two, workspace):
    store(workspace, "third", wrong_in(), schedule="linear")
    store(workspace, "fourth", wrong_in(*range(20)), schedule="cosine")
    runs = compare("first", "second", "third", "fourth", "--json").json["runs"][1:]
    for pick in (
        lambda run: run["mcnemar"],
        lambda run: run["difference"]["macro_f1"],
        lambda run: run["difference"]["few_recall"],
    ):
        p_values = np.array([pick(run)["p_value"] for run in runs])
        assert [pick(run)["p_holm"] for run in runs] == pytest.approx(holm(p_values).tolist())


def test_winners_and_ties_are_told_by_class_and_group(compare, two, workspace):
    store(workspace, "third", wrong_in(0, 1), schedule="linear")
    found = compare("first", "second", "third", "--json").json
    tied = ["schedule=natural", "schedule=linear"]
    of_class = {entry["label"]: (entry["winner"], entry["best"]) for entry in found["classes"]}
    assert of_class["login"] == (None, tied)
    assert of_class["outage"] == (None, ["schedule=natural", "schedule=always", "schedule=linear"])
    medium = found["groups"][1]
    assert medium["group"] == "medium"
    assert medium["classes"] == 1
    assert medium["recall"] == {"first": 1, "second": 0, "third": 1}
    assert (medium["winner"], medium["best"]) == (None, tied)


def test_the_tables_show_names_differences_and_the_classes_that_changed(compare, two):
    text = compare("first", "second", "-q").out
    for part in (
        "2 runs on the test split",
        "A  schedule=natural  first",
        "B  schedule=always  second",
        "Difference from A",
        "McNemar p",
        "Macro-F1 against A, beyond chance (p < 0.05): B loses",
        "B: recall up in 0 classes, down in 1, equal in 2",
    ):
        assert part in text
    assert "login" in text.split("Recall of classes")[1]


def test_equal_predictions_do_not_differ(compare, two, workspace):
    store(workspace, "copy", wrong_in(0, 1), schedule="linear")
    found = compare("first", "copy", "--json").json["runs"][1]
    assert {d["value"] for d in found["difference"].values()} == {0}
    assert {d["p_value"] for d in found["difference"].values()} == {1}
    assert found["mcnemar"]["p_value"] == 1
    text = compare("first", "copy").out
    assert "No difference in macro-F1 is beyond chance" in text
    assert "No class changed its recall" in text


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_rows_does_not_matter(tmp_path_factory, seed):
    rng = random.Random(seed)
    workspace = tmp_path_factory.mktemp("workspace")
    runs = [
        store(workspace, name, rng.choices(LABELS, k=len(TRUTH)), lr=lr)
        for name, lr in (("a", 1e-3), ("b", 2e-3))
    ]

    def compared():
        names = [run.id for run in runs]
        return run_comparison(Workspace(workspace), names, Silent(), resamples=50).to_json()

    before = compared()
    lines = runs[1].predictions_file("test").read_text().splitlines()
    rng.shuffle(lines)
    write_predictions(runs[1], [json.loads(line) for line in lines])
    assert compared() == before


def test_runs_that_differ_by_seed_alone_are_one_with_mean_and_deviation(compare, workspace):
    for seed, (natural, always) in enumerate([((0, 1), ()), ((0, 1, 2), (1,)), ((0, 12), (12,))]):
        store(workspace, f"n{seed}", wrong_in(*natural), schedule="natural", seed=seed)
        store(workspace, f"a{seed}", wrong_in(*always), schedule="always", seed=seed)
    store(workspace, "linear", wrong_in(3), schedule="linear", device="cpu")
    names = ["n0", "a1", "n2", "n1", "a0", "a2", "linear"]
    found = compare(*names, "--json").json
    assert [run["run"] for run in found["runs"]] == names
    natural, always, linear = found["seeds"]
    assert natural["name"] == "schedule=natural"
    assert (natural["runs"], natural["seeds"]) == (["n0", "n1", "n2"], [0, 1, 2])
    assert natural["metrics"]["accuracy"] == {
        "mean": pytest.approx(0.9 - 0.05 / 3),
        "sd": pytest.approx(0.05 / 3**0.5),
    }
    assert set(natural["groups"]) == {"many", "medium", "few"}
    assert natural["difference"] is None
    assert always["paired_by_seed"]
    assert not linear["paired_by_seed"]
    assert linear["metrics"]["accuracy"]["sd"] is None
    difference = always["difference"]["accuracy"]
    assert difference["value"] == pytest.approx((0.05 + 0.05) / 3 + 0.05)
    assert difference["interval"][0] < difference["value"] < difference["interval"][1]
    assert difference["p_holm"] >= difference["p_value"]
    assert all(entry["winner"] != "n0" for entry in found["classes"])
    text = compare(*names, "-q").out
    assert "A  schedule=natural  3 seeds: 0, 1, 2" in text
    assert "±0.029" in text
    assert "Equal seeds are paired: A with B." in text


def test_the_same_seed_again_is_no_further_seed(compare, workspace):
    for name in ("x1", "x2"):
        store(workspace, name, wrong_in(0), schedule="natural")
    found = compare("x1", "x2", "--json").json
    assert found["seeds"] == []
    assert [run["name"] for run in found["runs"]] == ["x1", "x2"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sha256": "t2"}, "the files that their rows are from differ"),
        ({"rows": [*range(19), 25]}, "they held out other rows of the file (20 and 20, 19 of"),
        ({"truth": [*TRUTH[:-1], "login"]}, "the true labels of their rows differ"),
    ],
    ids=["file", "rows", "labels"],
)
def test_other_rows_are_refused_unless_allowed(compare, fails, two, workspace, changes, why):
    store(workspace, "other", wrong_in(5), schedule="linear", **changes)
    fails(
        *("compare", "first", "second", "other", "--workspace", workspace),
        kind="RunError",
        message="Runs first and other cannot be compared row by row: " + why,
        hint="--different-data",
    )
    found = compare("first", "other", "--different-data", "--json").json
    assert not found["same_rows"]
    assert "Not all runs predicted the same rows" in found["warnings"][0]
    difference = found["runs"][1]["difference"]["accuracy"]
    assert (difference["p_value"], difference["p_holm"]) == (None, None)
    assert difference["interval"][0] <= difference["value"] <= difference["interval"][1]
    assert found["runs"][1]["mcnemar"] is None
    text = compare("first", "other", "--different-data", "-q").out
    assert "Difference from A  (unpaired)" in text
    assert "McNemar" not in text


def test_seeds_that_held_out_rows_of_their_own_are_still_one_training(compare, workspace):
    """As they do where training divides its data itself."""
    for seed in (1, 2):
        rows = list(range(seed, seed + 20))
        store(workspace, f"n{seed}", wrong_in(seed), rows=rows, schedule="natural", seed=seed)
        store(workspace, f"a{seed}", wrong_in(), rows=rows, schedule="always", seed=seed)
    found = compare("n1", "a1", "n2", "a2", "--different-data", "--json").json
    assert [entry["runs"] for entry in found["seeds"]] == [["n1", "n2"], ["a1", "a2"]]
    difference = found["seeds"][1]["difference"]["accuracy"]
    assert difference["value"] == pytest.approx(0.05)
    assert difference["p_value"] is None
    done = compare("n1", "a1", "n2", "a2")
    assert "dsample split DATA --out DIR" in done.err


def test_labels_that_one_run_does_not_know_are_joined_by_name(compare, two, workspace):
    labels = ["outage", "billing", "login", "refund"]
    predicted = ["refund", *wrong_in()[1:]]
    store(workspace, "wider", predicted, labels=labels, schedule="linear")
    found = compare("first", "wider", "--json").json
    assert [entry["label"] for entry in found["classes"]] == [*LABELS, "refund"]
    assert found["classes"][3]["recall"] == {"first": None, "wider": None}
    assert found["classes"][3]["winner"] is None
    assert found["runs"][1]["metrics"]["accuracy"] == pytest.approx(0.95)
    assert "'refund'" in found["warnings"][0]


def test_the_validation_rows_are_taken_where_a_run_has_no_others(compare, fails, two, workspace):
    for name in ("v1", "v2"):
        store(workspace, name, wrong_in(3), split="validation", lr=0.1 if name == "v1" else 0.2)
    found = compare("v1", "v2", "--json").json
    assert found["split"] == "validation"
    assert "validation rows" in found["warnings"][0]
    fails(
        *("compare", "v1", "v2", "--split", "test", "--workspace", workspace),
        kind="RunError",
        message="Run v1 has not a test split",
        hint="--test",
    )
    fails(
        *("compare", "first", "v1", "--workspace", workspace),
        kind="RunError",
        message="predictions of a split that all have",
        hint="leave it out",
    )
    fails(
        *("compare", "v1", "v2", "--split", "tets", "--workspace", workspace),
        kind="ConfigError",
        message="Unknown --split 'tets'",
        hint="Did you mean test?",
    )


def test_one_run_is_not_compared_with_itself(fails, two, workspace):
    fails(
        *("compare", "first", workspace / "runs" / "first", "fir", "--workspace", workspace),
        kind="ConfigError",
        message="There is nothing to compare first with",
        hint="dsample compare RUN RUN",
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: [*lines[:-1], lines[-1][:20]],
        lambda lines: [*lines, lines[0]],
        lambda lines: [line.replace('"label": "billing"', '"label": "spam"') for line in lines],
        lambda lines: [],
    ],
    ids=["cut off", "row twice", "unknown label", "empty"],
)
def test_damaged_predictions_are_told(fails, two, workspace, spoil):
    file = two[1].predictions_file("test")
    file.write_text("\n".join(spoil(file.read_text().splitlines())))
    fails(
        *("compare", "first", "second", "--workspace", workspace),
        kind="RunError",
        message="predictions-test.jsonl is damaged",
        hint="Leave run second out",
    )


def test_a_run_that_is_not_completed_is_told(fails, two, workspace):
    store(workspace, "failed", wrong_in(), status="failed")
    fails(
        *("compare", "first", "failed", "--workspace", workspace),
        kind="RunError",
        message="Run failed is failed",
        hint="--resume",
    )


def test_the_page_and_the_picture_are_written(compare, two, workspace, tmp_path):
    store(workspace, "<b>&", wrong_in(2), model="/m/<script>", schedule="linear")
    done = compare("first", "second", "<b>&", "--html", "c.html", "--plot", "c.png", "--json")
    assert (done.json["html"], done.json["plot"]) == ("c.html", "c.png")
    html = (tmp_path / "c.html").read_text(encoding="utf-8")
    fetches_nothing(html)
    page = Page(html)
    assert page.open == []
    text = " ".join(page.texts)
    for part in ("3 runs compared", "Differences from A", "McNemar", "outage", "model=<script>"):
        assert part in text
    assert "<b>" not in html
    width, height = png_size((tmp_path / "c.png").read_bytes())
    assert width > height > 600
    assert "Written: c.html" in compare("first", "second", "--html", "c.html").out


@pytest.mark.usefixtures("blank_pictures")
def test_the_page_shows_seeds_and_unpaired_differences(compare, workspace, tmp_path):
    for seed in (1, 2):
        store(workspace, f"n{seed}", wrong_in(seed), seed=seed)
    store(workspace, "other", wrong_in(3), sha256="t2", schedule="linear")
    compare("n1", "n2", "other", "--different-data", "--html", "c.html")
    text = " ".join(Page((tmp_path / "c.html").read_text(encoding="utf-8")).texts)
    assert "2 seeds: 1, 2" in text
    assert "nothing is tested" in text
    assert "--different-data" in text


def test_a_place_that_cannot_be_written_is_told_before_the_work(fails, workspace):
    fails(
        *("compare", "a", "b", "--html", "missing/c.html", "--workspace", workspace),
        kind="ConfigError",
        message="there is no folder missing",
        hint="mkdir -p missing",
    )


def test_what_training_stores_can_be_compared(dsample, trained, tmp_path):
    workspace = tmp_path / "workspace"
    shutil.copytree(trained.workspace, workspace, ignore=shutil.ignore_patterns("model"))
    first = workspace / "runs" / trained.run.name
    shutil.copytree(first, first.with_name("copy"))
    found = dsample("compare", "copy", first.name, "--workspace", workspace, "--json").json
    assert (found["split"], found["rows"]) == ("validation", 24)
    for run in found["runs"]:
        known = trained.result["metrics"]["validation"]
        assert run["metrics"]["macro_f1"] == pytest.approx(known["macro_f1"])
        assert run["groups"]["few"] == pytest.approx(known["few_recall"])
