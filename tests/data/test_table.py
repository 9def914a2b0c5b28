import hashlib
import io
import json
import sys

import numpy as np
import pyarrow as pa
import pytest

from dsample_cli.data.sources import open_source
from dsample_cli.data.table import is_blank, read_text_table, usable_rows


def test_a_table(write):
    path = write("a.csv", "id,sentence,label,user\n1,hello,NA,u1\n2,bye,a,u2\n")
    table = read_text_table(path, group_column="user")
    assert table.rows == 2
    assert table.path == str(path)
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert table.columns == ("id", "sentence", "label", "user")
    assert (table.text_columns, table.label_column) == (("sentence",), "label")
    assert [text.to_pylist() for text in table.texts] == [["hello", "bye"]]
    assert table.labels.to_pylist() == ["NA", "a"]
    assert table.groups.to_pylist() == ["u1", "u2"]
    assert table.notes == ("text column: 'sentence' (guessed; set it with --text-column)",)


def test_path_is_absolute(write, monkeypatch, tmp_path):
    write("a.csv", "text,label\nx,y\n")
    monkeypatch.chdir(tmp_path)
    assert read_text_table("a.csv").path == str(tmp_path / "a.csv")


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"text\nx\n")))
    assert read_text_table("-", need_labels=False).path == "-"


def test_a_source_will_do(write):
    assert read_text_table(open_source(write("a.csv", "text,label\nx,y\n"))).rows == 1


def test_sentence_pairs(write):
    path = write("a.jsonl", '{"a": "x", "b": "y", "label": 1}\n{"a": "", "b": null, "label": 1}\n')
    table = read_text_table(path, ["a", "b"])
    assert [text.to_pylist() for text in table.texts] == [["x", ""], ["y", None]]
    assert table.labels.to_pylist() == ["1", "1"]
    assert usable_rows(table).tolist() == [0]


def test_labels_that_come_late_in_jsonl(write):
    path = write("a.jsonl", '{"text": "x"}\n' * 2000 + '{"text": "x", "kind": "a"}\n')
    table = read_text_table(path, label_column="kind")
    assert usable_rows(table).tolist() == [2000]


def test_usable_rows(write):
    path = write("a.csv", "text,label\nx,a\n,a\n \u3000,a\ny,\nz, \nw,b\n")
    assert usable_rows(read_text_table(path)).tolist() == [0, 5]
    without = read_text_table(path, need_labels=False)
    assert without.labels is None
    assert usable_rows(without).tolist() == [0, 3, 4, 5]


@pytest.mark.parametrize("chunked", [False, True])
def test_is_blank(chunked):
    values = ["a", "", " ", "\t\n", "\u00a0\u3000", None, " a ", "\u200b"]
    array = pa.chunked_array([values[:3], values[3:]]) if chunked else pa.array(values)
    blank = is_blank(array)
    assert blank.dtype == bool
    assert blank.tolist() == [False, True, True, True, True, True, False, False]
    assert is_blank(pa.nulls(2, pa.string())).tolist() == [True, True]
    assert is_blank(pa.array([], pa.string())).shape == (0,)


@pytest.mark.parametrize(
    "labels",
    [
        [["a", "b"], ["c"], []],
        ["['a', 'b']", "['c']", "[]"],
        ['["a"]', None, " [0 1] "],
        ["[1]", "[2, 3]", "x"],
    ],
)
def test_multi_label_is_out_of_scope(write, labels, data_error):
    lines = [json.dumps({"text": "x", "label": label}) for label in labels]
    told = data_error(read_text_table, write("a.jsonl", "\n".join(lines)))
    assert "multi-label" in told
    assert "out of scope" in told


@pytest.mark.parametrize("labels", [["[INFO]", "[WARN]"], ["[1]", "x", "y"], [None, "a"]])
def test_bracketed_names_are_labels(write, labels):
    lines = [json.dumps({"text": "x", "label": label}) for label in labels]
    assert read_text_table(write("a.jsonl", "\n".join(lines))).labels.to_pylist() == labels


@pytest.mark.parametrize(
    ("kwargs", "told"),
    [
        ({"text_columns": ["txt"]}, "a.csv has no column 'txt'. | Did you mean 'text'?"),
        ({"group_column": "user"}, "a.csv has no column 'user'"),
        ({"label_column": "text"}, "the text column cannot be guessed"),
    ],
)
def test_column_errors_name_the_file(write, kwargs, told, data_error):
    path = write("a.csv", "text,label,usr\nx,y,z\n")
    assert told in data_error(read_text_table, path, **kwargs)


def test_real_data(real_data):
    table = read_text_table(real_data / "trec_train.csv", label_column="fine")
    assert (table.rows, len(usable_rows(table))) == (5452, 5452)
    assert len(np.unique(table.labels.to_numpy())) > 40
