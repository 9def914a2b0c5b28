"""Encodings, delimiters and patterns of files, from analyze to predict."""

import json

import pytest

from tests.helpers import make_tickets

QUICK = "--model tiny --epochs 1 --batch-size 30".split()


@pytest.fixture
def parts(tmp_path):
    """The tickets in three files: other order of columns, delimiter, encoding and format."""
    header, *rows = make_tickets().splitlines()
    columns = header.split(",")
    rows = [dict(zip(columns, row.split(","), strict=True)) for row in rows]
    (tmp_path / "part-0.csv").write_text(
        "\n".join([header, *(",".join(row.values()) for row in rows[:40])])
    )
    reverse = [";".join(reversed(row.values())) for row in rows[40:80]]
    text = "\n".join([";".join(reversed(columns)), *reverse]).replace("refund", "환불")
    (tmp_path / "part-1.csv").write_bytes(text.encode("cp949"))
    (tmp_path / "part-2.jsonl").write_text("\n".join(json.dumps(row) for row in rows[80:]))
    return "part-*"


def test_a_pattern_goes_through_all_commands(dsample, fails, parts, tmp_path):
    found = dsample("analyze", parts, "--json")
    assert "1 of 3 files is read as CP949; --encoding names another" in found.err
    data = found.json["data"]
    assert (data["rows"], data["path"]) == (120, str(tmp_path / parts))
    result = dsample("train", "--json", *QUICK).json
    manifest = json.loads((tmp_path / result["path"] / "run.json").read_text())
    assert manifest["data"]["train"]["path"] == str(tmp_path / parts)
    assert manifest["data"]["train"]["sha256"] == data["sha256"]
    assert dsample("evaluate", parts, "--json", "--no-intervals").json["rows"] == 120

    predicted = dsample("predict", parts)
    assert [line["row"] for line in predicted.lines] == list(range(120))
    assert "환불" in "".join(line["data"]["text"] for line in predicted.lines[40:80])
    last = (tmp_path / "part-2.jsonl").read_text().splitlines()[-1]
    assert predicted.lines[-1]["data"] == json.loads(last)
    assert predicted.err.count("CP949") == 1

    assert dsample("refit", "--head", "ncm", "--json").code == 0
    (tmp_path / "part-3.csv").write_text("text,label,customer\none more,billing,c1\n")
    fails("refit", kind="RunError", message="part-* has changed since run", hint="--config")
    assert "has changed since dsample analyze saw it" in dsample("schedule").err


def test_problems_number_rows_over_all_files(dsample, tmp_path):
    (tmp_path / "a-0.csv").write_text("text,label\nx,a\ny,b\nz,a\n")
    (tmp_path / "a-1.csv").write_text("label,text\nb,w\na,\n")
    problems = dsample("analyze", "a-*.csv", "--json").json["problems"]
    assert [p["rows"] for p in problems if p["code"] == "empty-text"] == [[4]]


def test_analyze_remembers_how_the_file_is_read(dsample, tmp_path):
    rows = [f"отзыв {i}:{'да' if i % 3 else 'нет'}" for i in range(30)]
    (tmp_path / "a.csv").write_bytes("\n".join(["text:label", *rows]).encode("cp1251"))
    named = ("--encoding", "cp1251", "--delimiter", ":")
    found = dsample("analyze", "a.csv", *named, "--json").json
    assert {c["label"] for c in found["classes"]} == {"да", "нет"}
    assert dsample("schedule", "--json").json["data"]["rows"] == 30
    assert dsample("schedule", "a.csv", "--json").code == 1
    assert dsample("split", "a.csv", "--out", "parts", *named).code == 0
    assert "отзыв" in (tmp_path / "parts" / "train.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["analyze", "train", "schedule", "evaluate"])
@pytest.mark.parametrize(
    ("option", "value", "hint"),
    [("--encoding", "cp9499", "cp949"), ("--delimiter", "semicolons", "semicolon")],
)
def test_unknown_names(trained, fails, command, option, value, hint):
    stored = ["--workspace", trained.workspace]
    fails(
        *(command, trained.data, option, value, *stored),
        kind="ConfigError",
        message=option,
        hint=hint,
    )


def test_a_list_of_files_is_answered_with_the_pattern(dsample, parts):
    done = dsample("analyze", "part-0.csv", "part-1.csv")
    assert done.code == 2
    assert "one pattern in quotes" in done.err


def test_predictions_of_any_tool_in_another_encoding(dsample, tmp_path):
    rows = "label,prediction\n긍정,긍정\n부정,긍정\n부정,부정\n"
    (tmp_path / "p.csv").write_bytes(rows.encode("cp949"))
    done = dsample("evaluate", "--predictions", "p.csv", "--json", "--no-intervals")
    assert done.json["confusion"]["labels"] == ["긍정", "부정"]
    assert "p.csv is read as CP949; --encoding names another" in done.err
