"""dsample predict: one line a row, in order, and nothing else."""

import gzip
import io
import json
import subprocess
import sys

import pytest

from tests.helpers import read_lines, start

ROWS = [
    {"id": 7, "text": "invoice refund charge", "note": "정상"},
    {"id": 8, "text": "", "note": None},
    {"id": 9, "text": "password reset", "note": "NA"},
    {"id": 10, "text": None, "note": "x"},
    {"id": 11, "text": "server down \u2028 offline", "note": "1.0"},
    {"id": 12, "note": "no text at all"},
]


@pytest.fixture
def predict(trained, dsample):
    def call(*args: object):
        return dsample("predict", *args, "--workspace", trained.workspace)

    return call


@pytest.fixture
def rows_file(tmp_path):
    path = tmp_path / "new.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) for row in ROWS]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_every_row_gets_one_line_in_order(predict, rows_file):
    done = predict(rows_file)
    assert done.code == 0
    records = done.lines
    assert [record["row"] for record in records] == list(range(6))
    assert [list(record) for record in records] == [
        ["row", "label", "score", "probabilities", "data"]
    ] * 6
    assert [record["data"] for record in records] == ROWS


def test_probabilities_are_keyed_by_label_and_the_best_is_the_label(predict, rows_file):
    record = predict(rows_file).lines[0]
    assert set(record["probabilities"]) == {"billing", "login", "outage"}
    assert sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert record["label"] == max(record["probabilities"], key=record["probabilities"].get)
    assert record["score"] == max(record["probabilities"].values())


def test_a_row_without_text_gets_null_and_is_counted(predict, rows_file):
    done = predict(rows_file)
    records = done.lines
    assert [record["label"] is None for record in records] == [
        *(False, True, False, True, False, True)
    ]
    assert records[1]["probabilities"] == {}
    assert "3 rows have no text; their label is null." in done.err
    assert predict(rows_file, "--quiet").err == ""


def test_the_model_tells_the_classes_apart(predict, trained):
    records = predict(trained.data).lines
    right = [record["label"] == record["data"]["label"] for record in records]
    assert sum(right) / len(right) > 0.7


def test_a_row_is_predicted_as_in_training(predict, trained):
    """Other batches pad differently, which may move the last digits in bf16."""
    stored = {r["row"]: r for r in read_lines(trained.run / "predictions-validation.jsonl")}
    again = predict(trained.data).lines
    for row, record in stored.items():
        assert again[row]["probabilities"] == pytest.approx(record["probabilities"], abs=0.05)


def test_the_data_can_be_left_out_and_the_list_cut(predict, rows_file):
    records = predict(rows_file, "--no-data", "--top", "2").lines
    assert list(records[0]) == ["row", "label", "score", "probabilities"]
    assert len(records[0]["probabilities"]) == 2
    first, second = records[0]["probabilities"].values()
    assert first >= second
    assert next(iter(records[0]["probabilities"])) == records[0]["label"]


def test_more_than_there_are_classes_lists_all(predict, rows_file):
    assert len(predict(rows_file, "--top", "99", "--no-data").lines[0]["probabilities"]) == 3


def test_a_file_holds_the_same_lines_as_the_stream(predict, rows_file, tmp_path):
    streamed = predict(rows_file)
    written = predict(rows_file, "-o", "out.jsonl")
    assert written.out == ""
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == streamed.out
    assert "6 rows labelled" in written.err


def test_the_summary_counts_labels(predict, trained, rows_file):
    summary = predict(rows_file, "-o", "out.jsonl", "--json").json
    assert {"rows", "output", "run", "labels"} <= set(summary)
    assert (summary["rows"], summary["output"]) == (6, "out.jsonl")
    assert summary["run"] == trained.run.name
    assert sum(summary["labels"].values()) == 3
    assert set(summary["labels"]) <= {"billing", "login", "outage"}


def test_a_failure_keeps_the_old_output(predict, tmp_path):
    (tmp_path / "broken.jsonl").write_text('{"text": "invoice"}\n{"text": \n')
    (tmp_path / "out.jsonl").write_text("old")
    before = sorted(path.name for path in tmp_path.iterdir())
    assert predict("broken.jsonl", "-o", "out.jsonl").code == 1
    assert (tmp_path / "out.jsonl").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_file_without_rows_gives_no_lines(predict, tmp_path):
    (tmp_path / "empty.csv").write_text("text,label\n")
    done = predict("empty.csv")
    assert (done.code, done.out) == (0, "")


def test_compressed_csv_is_read_and_cells_stay_text(predict, tmp_path):
    content = b"id,text,label\n007,invoice refund,NA\n1.0,server down,\n"
    (tmp_path / "new.csv.gz").write_bytes(gzip.compress(content))
    records = predict("new.csv.gz").lines
    assert [record["data"] for record in records] == [
        {"id": "007", "text": "invoice refund", "label": "NA"},
        {"id": "1.0", "text": "server down", "label": ""},
    ]


def test_another_text_column_can_be_named(predict, tmp_path):
    (tmp_path / "new.csv").write_text("text,body\n,invoice refund\n,server down\n")
    assert predict("new.csv").lines[0]["label"] is None
    records = predict("new.csv", "--text-column", "body").lines
    assert all(record["label"] for record in records)


def test_the_window_does_not_change_what_is_predicted(predict, trained, monkeypatch):
    whole = predict(trained.data).lines
    monkeypatch.setattr("dsample_cli.workflows.predict._WINDOW", 7)
    windows = predict(trained.data).lines
    assert [record["row"] for record in windows] == list(range(120))
    assert [record["data"] for record in windows] == [record["data"] for record in whole]
    for a, b in zip(whole, windows, strict=True):
        assert a["probabilities"] == pytest.approx(b["probabilities"], abs=0.02)


def test_standard_input_is_read(predict, rows_file, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(rows_file.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    done = predict("-")
    assert done.code == 0
    assert done.out == predict(rows_file).out


def test_a_reader_that_has_enough_sees_no_traceback(trained, tmp_path):
    """Like `dsample predict big.csv | head -1`."""
    # Ten times of what a pipe holds.
    lines = [f"invoice refund \u2028 {number},정상" for number in range(4000)]
    (tmp_path / "big.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    process = start("predict", "big.csv", "--workspace", trained.workspace, cwd=tmp_path)
    first = json.loads(process.stdout.readline())
    assert first["row"] == 0
    assert first["data"] == {"text": "invoice refund \u2028 0", "label": "정상"}
    process.stdout.close()
    try:
        code = process.wait(timeout=240)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    told = process.stderr.read()
    process.stderr.close()
    assert code == 0
    assert told == ""
