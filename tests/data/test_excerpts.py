"""Single rows, read again."""

import json
import os
import threading

import pytest

from dsample_cli.data import excerpts
from dsample_cli.data.excerpts import read_cells


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    rows = "".join(f'"text\n{i}",{"ab"[i % 2]},{i}\n' for i in range(50))
    path.write_text(f"text,label,id\n{rows}", encoding="utf-8")
    return path


def test_rows_are_found_by_their_number(table):
    found = read_cells(str(table), ("label", "text"), [3, 0, 49, 3, 50])
    assert found == {0: ("a", "text\n0"), 3: ("b", "text\n3"), 49: ("b", "text\n49")}
    assert read_cells(str(table), ("label",), []) == {}


def test_several_files_are_one_table_and_null_is_empty(tmp_path):
    for part in range(3):
        rows = [{"text": f"t{part}{i}", "label": None if i else "a"} for i in range(4)]
        (tmp_path / f"p{part}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = read_cells(str(tmp_path / "p*.jsonl"), ("text", "label"), [5, 8])
    assert found == {5: ("t11", ""), 8: ("t20", "a")}


def test_reading_stops_behind_the_last_row(table, monkeypatch):
    read = []
    iter_columns = excerpts.iter_columns

    def counted(*args):
        for batch in iter_columns(*args):
            for part in (batch.slice(0, 10), batch.slice(10)):
                read.append(part.num_rows)
                yield part

    monkeypatch.setattr(excerpts, "iter_columns", counted)
    assert list(read_cells(str(table), ("text",), [9])) == [9]
    assert read == [10]


def test_a_pipe_is_not_read_twice(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    found = []
    thread = threading.Thread(
        target=lambda: found.append(read_cells(str(tmp_path / "pipe"), ("text",), [0])), daemon=True
    )
    thread.start()
    thread.join(5)
    assert found == [{}]
