"""dsample evaluate."""

import pytest

from tests.helpers import make_tickets

METRICS = ["accuracy", "macro_f1", "weighted_f1", "balanced_accuracy", "g_mean", "mcc", "ece"]


@pytest.fixture
def evaluate(trained, dsample):
    def call(*args: object):
        return dsample("evaluate", *args, "--workspace", trained.workspace)

    return call


def test_the_json_has_the_keys_of_the_contract(trained, evaluate):
    found = evaluate("--json").json
    assert set(found) >= {"run", "rows", "metrics", "per_class", "groups", "confusion", "intervals"}
    assert (found["run"], found["rows"]) == (trained.result["run"], 24)
    assert set(found["metrics"]) >= set(METRICS)
    assert set(found["groups"]) == {"many", "medium", "few"}
    assert [entry["label"] for entry in found["per_class"]] == ["billing", "login", "outage"]
    assert [entry["train_count"] for entry in found["per_class"]] == [60, 24, 12]
    for entry in found["per_class"]:
        assert set(entry) >= {"label", "support", "train_count", "precision", "recall", "f1"}
    assert found["confusion"]["labels"] == ["billing", "login", "outage"]
    matrix = found["confusion"]["matrix"]
    assert [sum(row) for row in matrix] == [entry["support"] for entry in found["per_class"]]
    for name, (low, high) in found["intervals"].items():
        assert low <= found["metrics"][name] <= high


def test_without_data_the_stored_split_is_scored_as_training_did(trained, evaluate):
    found = evaluate("--json").json["metrics"]
    known = trained.result["metrics"]["validation"]
    for name in METRICS[:-1]:
        assert found[name] == known[name]
    assert found["ece"] == pytest.approx(known["ece"], abs=1e-5)


def test_intervals_can_be_left_out(evaluate):
    assert "intervals" not in evaluate("--no-intervals", "--json").json


def test_a_file_is_scored_row_by_row(trained, evaluate, dsample):
    found = evaluate(trained.data, "--no-intervals", "--json").json
    assert found["rows"] == 120
    predicted = dsample("predict", trained.data, "--workspace", trained.workspace).lines
    right = sum(record["label"] == record["data"]["label"] for record in predicted)
    assert found["metrics"]["accuracy"] == pytest.approx(right / 120)


def test_groups_come_from_the_train_counts(evaluate):
    groups = evaluate("--groups", "20,5", "--no-intervals", "--json").json["groups"]
    assert groups["few"] is None
    assert groups["many"] is not None


def test_the_report_shows_each_class_and_the_figures(evaluate):
    done = evaluate()
    for text in ("billing", "outage", "macro-F1", "95% interval", "few"):
        assert text in done.out


def test_the_confusion_matrix_is_written_as_png(evaluate, tmp_path):
    assert evaluate("--confusion", "c.png", "--no-intervals").code == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_predictions_of_any_tool_are_scored(dsample, tmp_path):
    rows = ["a,a"] * 4 + ["a,b", "a,c", "b,a", "b,b", "b,a", "NA,NA"]
    (tmp_path / "p.csv").write_text("\n".join(["y,p", *rows]) + "\n")
    done = dsample(
        *("evaluate", "--predictions", "p.csv", "--label-column", "y"),
        *("--prediction-column", "p", "--json"),
    )
    found = done.json
    assert (found["run"], found["rows"]) == (None, 10)
    assert found["confusion"] == {
        "labels": ["NA", "a", "b", "c"],
        "matrix": [[1, 0, 0, 0], [0, 4, 1, 1], [0, 2, 1, 0], [0, 0, 0, 0]],
    }
    assert found["metrics"]["accuracy"] == pytest.approx(0.6)
    f1 = {entry["label"]: entry["f1"] for entry in found["per_class"]}
    assert f1 == pytest.approx({"NA": 1, "a": 2 / 3, "b": 0.4, "c": 0})
    assert found["metrics"]["macro_f1"] == pytest.approx((1 + 2 / 3 + 0.4) / 3)
    assert set(found) >= {"metrics", "per_class", "groups", "confusion", "intervals"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("y,q\na,a\n", "has no column 'p'"),
        ("y,p\na,a\na,\n", "column 'p' is empty in 1 rows, the first is row 1"),
        ("y,p\n,a\na,a\n", "column 'y' is empty in 1 rows, the first is row 0"),
    ],
)
def test_predictions_that_cannot_be_scored(fails, tmp_path, content, message):
    (tmp_path / "p.csv").write_text(content)
    fails(
        *("evaluate", "--predictions", "p.csv", "--label-column", "y"),
        *("--prediction-column", "p"),
        kind="DataError",
        message=message,
        hint="",
    )


def test_an_evaluated_file_may_lack_a_class(trained, evaluate, tmp_path):
    lines = [line for line in make_tickets(5).splitlines() if ",outage," not in line]
    (tmp_path / "some.csv").write_text("\n".join(lines) + "\n")
    found = evaluate("some.csv", "--no-intervals", "--json").json
    assert found["rows"] == 105
    assert found["per_class"][2]["support"] == 0
    with_support = [entry["f1"] for entry in found["per_class"][:2]]
    assert found["metrics"]["macro_f1"] == pytest.approx(sum(with_support) / 2)
