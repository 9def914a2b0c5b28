"""dsample evaluate."""

import json

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


def test_predictions_of_predict_are_scored_as_the_run_is(trained, evaluate, dsample):
    dsample("predict", trained.data, "-o", "p.jsonl", "--workspace", trained.workspace)
    done = dsample(
        *("evaluate", "--predictions", "p.jsonl", "--label-column", "data.label", "--json"),
        *("--prediction-column", "label", "--by", "data.customer", "--errors", 2),
        *("--text-column", "data.text", "--no-intervals"),
    )
    found, known = done.json, evaluate(trained.data, "--no-intervals", "--json").json
    assert found["metrics"] == pytest.approx(known["metrics"], abs=1e-4)
    assert found["confusion"] == known["confusion"]
    assert [b["rows"] for b in found["calibration"]] == [b["rows"] for b in known["calibration"]]
    assert found["by"] == {"column": "data.customer", "values": 40}
    assert len(found["slices"]) == 40
    assert all(mistake["text"] for mistake in found["errors"])


def test_probabilities_that_are_not_whole_are_left_out(dsample, tmp_path):
    rows = [
        {"y": "a", "p": "a", "probabilities": {"a": 0.9, "b": 0.1}},
        {"y": "b", "p": "a", "probabilities": {"a": 0.8}},
    ]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = dsample(
        *("evaluate", "--predictions", "p.jsonl", "--label-column", "y"),
        *("--prediction-column", "p", "--json"),
    )
    assert done.json["metrics"]["ece"] is None
    assert "probabilities" in done.err


def test_the_worst_mistakes_are_listed_on_request_alone(trained, evaluate):
    assert "errors" not in evaluate("--json").json
    found = evaluate(trained.data, "--errors", 5, "--json", "--no-intervals").json
    texts = [line.rsplit(",", 2) for line in trained.data.read_text().splitlines()[1:]]
    wrong = 120 - sum(row[i] for i, row in enumerate(found["confusion"]["matrix"]))
    assert len(found["errors"]) == min(5, wrong) > 0
    sure = [mistake["probability"] for mistake in found["errors"]]
    assert sure == sorted(sure, reverse=True)
    for mistake in found["errors"]:
        text, label, _ = texts[mistake["row"]]
        assert (mistake["text"], mistake["true"]) == (text, label)
        assert mistake["predicted"] != label
        assert mistake["true_probability"] < mistake["probability"]


def test_mistakes_and_slices_of_the_stored_split_come_from_its_file(trained, evaluate):
    found = evaluate("--errors", 3, "--by", "label", "--json").json
    lines = trained.data.read_text().splitlines()[1:]
    for mistake in found["errors"]:
        assert lines[mistake["row"]].startswith(f"{mistake['text']},{mistake['true']},")
    assert found["by"] == {"column": "label", "values": 3}
    support = {entry["label"]: entry["support"] for entry in found["per_class"]}
    recall = {entry["label"]: entry["recall"] for entry in found["per_class"]}
    for part in found["slices"]:
        assert part["rows"] == support[part["value"]]
        assert part["metrics"]["balanced_accuracy"] == pytest.approx(recall[part["value"]])
        assert set(part) >= {"value", "rows", "metrics", "groups", "intervals", "group_intervals"}
    assert [part["rows"] for part in found["slices"]] == sorted(support.values(), reverse=True)


@pytest.mark.parametrize("option", [("--errors", 1), ("--by", "label")])
@pytest.mark.parametrize("is_gone", [True, False])
def test_a_changed_file_cannot_tell_the_texts(trained, fails, option, is_gone):
    content = trained.data.read_text()
    try:
        if is_gone:
            trained.data.unlink()
        else:
            trained.data.write_text(content + "one more,billing,c1\n")
        fails(
            *("evaluate", *option, "--workspace", trained.workspace),
            kind="RunError",
            message="is gone since" if is_gone else "has changed since",
            hint="dsample evaluate DATA --run",
        )
    finally:
        trained.data.write_text(content)


def test_mistakes_are_shown_without_markup_or_control_characters(dsample, tmp_path):
    rows = ["y,p,t", '[red]a[/red],b,"one\n[bold]two[/bold] \x1b[31m' + "long " * 60 + '"', "b,b,x"]
    (tmp_path / "p.csv").write_text("\n".join(rows) + "\n")
    command = ("evaluate", "--predictions", "p.csv", "--label-column", "y")
    command += ("--prediction-column", "p", "--errors", 4, "--text-column", "t")
    shown = dsample(*command).out
    assert "row 0: [red]a[/red] -> b" in shown
    assert "one [bold]two[/bold] \ufffd[31mlong" in shown
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 110
    mistake = dsample(*command, "--json").json["errors"][0]
    assert mistake["text"].endswith("long " * 60)
    assert mistake["probability"] is mistake["true_probability"] is None


def test_empty_values_are_a_slice_and_many_are_cut(dsample, tmp_path):
    rows = [f"a,{'ab'[i % 3 == 0]},{i % 60 or ''}" for i in range(240)]
    (tmp_path / "p.csv").write_text("\n".join(["y,p,c", *rows, "b,b,59"]) + "\n")
    command = ("evaluate", "--predictions", "p.csv", "--label-column", "y")
    command += ("--prediction-column", "p", "--by", "c", "--no-intervals")
    done = dsample(*command, "--json")
    assert done.json["by"] == {"column": "c", "values": 60}
    slices = done.json["slices"]
    assert [part["rows"] for part in slices] == [5, *[4] * 49]
    assert (slices[0]["value"], slices[1]["value"]) == ("59", None)
    assert slices[0]["groups"]["few"] == 1
    assert "intervals" not in slices[0]
    assert "the 50 largest of 60" in done.err
    assert "(empty)" in dsample(*command).out


def test_a_column_of_single_rows_makes_no_slices(fails, tmp_path):
    (tmp_path / "p.csv").write_text("y,p,id\na,a,1\na,b,2\nb,b,3\n")
    fails(
        *("evaluate", "--predictions", "p.csv", "--label-column", "y"),
        *("--prediction-column", "p", "--by", "id"),
        kind="ConfigError",
        message="3 values in 3 rows",
        hint="few values",
    )


def test_a_check_that_is_not_met_exits_with_3(evaluate):
    figures = evaluate("--json").json
    accuracy = figures["metrics"]["accuracy"]
    met = evaluate("--fail-under", f"accuracy={accuracy}", "--json")
    assert met.code == 0
    assert met.json["checks"] == [
        {"name": "accuracy", "value": accuracy, "at_least": accuracy, "passed": True}
    ]
    worst = min(figures["per_class"], key=lambda figure: figure["recall"])
    name, recall = f"recall:{worst['label']}", worst["recall"]
    few = figures["groups"]["few"]
    failed = evaluate(
        *("--fail-under", f"{name}={recall + 0.01}", "--fail-under", "accuracy=0"),
        *("--fail-under", f"group:few={few}", "--json", "-q"),
    )
    assert failed.code == 3
    assert [check["passed"] for check in failed.json["checks"]] == [False, True, True]
    assert failed.err.splitlines() == [
        f"Check failed: {name} is {recall:.6g}, not at least {recall + 0.01:g}."
    ]


def test_a_figure_that_is_unknown_does_not_pass(dsample, tmp_path):
    (tmp_path / "p.csv").write_text("y,p\na,a\na,b=c:d\n")
    done = dsample(
        *("evaluate", "--predictions", "p.csv", "--label-column", "y"),
        *("--prediction-column", "p", "--fail-under", "macro_average_precision=0.1"),
        *("--fail-under", "recall:b=c:d=0"),
    )
    assert done.code == 3
    assert "there are no probabilities" in done.err
    assert "recall:b=c:d is unknown, so it is not at least 0: no row is of this class." in done.err


@pytest.mark.parametrize(
    ("check", "message", "hint"),
    [
        ("ece=0.1", "less is better", "macro_f1"),
        ("macro_f=0.1", "no figure 'macro_f'", "Did you mean macro_f1"),
        ("recall:outrage=0.1", "no label 'outrage'", "Did you mean outage?"),
        ("group:fewer=0.1", "no group 'fewer'", "Did you mean few?"),
        ("recal:outage=0.1", "no figure 'recal'", "Did you mean recall?"),
        ("recall=0.1", "does not say of what", "recall:LABEL=0.6"),
        ("macro_f1", "has no value", "NAME=VALUE"),
        ("macro_f1=much", "'much' is no number", "NAME=VALUE"),
        ("macro_f1=80", "not between 0 and 1", "Write 0.8 for 80%."),
        ("macro_f1=nan", "not between 0 and 1", "NAME=VALUE"),
    ],
)
def test_a_check_that_makes_no_sense_is_refused(trained, fails, check, message, hint):
    fails(
        *("evaluate", "--fail-under", check, "--workspace", trained.workspace),
        kind="ConfigError",
        message=message,
        hint=hint,
    )


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
