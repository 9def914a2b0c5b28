"""Several files, named by a pattern, are one table."""

import gzip
import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsample_cli.core.read_options import ReadOptions
from dsample_cli.data.facts import read_facts
from dsample_cli.data.read import iter_columns, iter_rows, read_columns
from dsample_cli.data.sources import (
    absolute_path,
    check_columns,
    column_names,
    open_source,
    path_sha256,
    source_sha256,
)
from dsample_cli.data.table import read_text_table


@pytest.fixture
def parts(write, tmp_path):
    """Three files of two rows each: other order of columns, formats and encodings; the pattern."""
    write("part-0.csv", "text,label\na,x\nb,y\n")
    write("part-1.csv", "label;text\nx;c\ny;정말 재미있는 영화\n".encode("cp949"))
    write("part-2.jsonl.gz", gzip.compress(b'{"label": "x", "text": "d"}\n{"text": "e"}\n'))
    pq.write_table(pa.table({"label": ["z"], "text": ["f"]}), tmp_path / "part-3.parquet")
    write("other.csv", "a,b\n")
    return str(tmp_path / "part-*")


def test_are_read_one_after_the_other_in_the_order_of_names(parts):
    source = open_source(parts)
    assert [part.format for part in source.parts] == ["csv", "csv", "jsonl", "parquet"]
    assert column_names(source) == ["text", "label"]
    table = read_columns(source, ["label", "text"])
    texts = ["a", "b", "c", "정말 재미있는 영화", "d", "e", "f"]
    assert table.to_pydict() == {"label": ["x", "y", "x", "y", "x", None, "z"], "text": texts}
    streamed = pa.Table.from_batches(iter_columns(source, ["label", "text"]))
    assert streamed.to_pydict() == table.to_pydict()
    batches = list(iter_rows(source, 3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert [row["text"] for batch in batches for row in batch] == texts


def test_remarks_are_told_once(parts):
    source = open_source(parts)
    assert source.notes == (
        f"{parts}: 1 of 4 files is separated by semicolon; --delimiter names another",
        f"{parts}: 1 of 4 files is read as CP949; --encoding names another",
    )
    assert read_text_table(parts).notes == source.notes


def test_options_hold_for_all_files(write, tmp_path):
    for i in range(2):
        write(f"a-{i}.csv", "text:label\n글:b\n".encode("cp949"))
    source = open_source(tmp_path / "a-*.csv", ReadOptions("cp949", ":"))
    assert read_columns(source, ["text"]).to_pydict() == {"text": ["글", "글"]}
    assert source.notes == ()


def test_sha256_is_of_the_files_sha256(parts, tmp_path):
    digests = [hashlib.sha256(file.read_bytes()) for file in sorted(tmp_path.glob("part-*"))]
    expected = hashlib.sha256("".join(d.hexdigest() for d in digests).encode()).hexdigest()
    assert source_sha256(open_source(parts)) == path_sha256(parts) == expected
    assert read_text_table(parts).sha256 == read_facts(parts).sha256 == expected


def test_sha256_of_a_path(write, tmp_path):
    path = str(write("a.csv", "x"))
    assert path_sha256(path) == hashlib.sha256(b"x").hexdigest()
    assert path_sha256(str(tmp_path / "*.tsv")) is None
    assert path_sha256(str(tmp_path / "b.csv")) is None


def test_folders_of_any_depth(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x.csv").write_text("text\n1\n")
    (tmp_path / "y.csv").write_text("text\n2\n")
    source = open_source(tmp_path / "**" / "*.csv")
    assert read_columns(source, ["text"]).to_pydict() == {"text": ["1", "2"]}


def test_a_file_may_be_named_like_a_pattern(write, monkeypatch, tmp_path):
    write("a[1].csv", "text\nx\n")
    write("a1.csv", "text\ny\n")
    monkeypatch.chdir(tmp_path)
    assert read_columns(open_source("a[1].csv"), ["text"]).to_pydict() == {"text": ["x"]}


def test_a_folder_may_be_named_like_a_pattern(monkeypatch, tmp_path):
    folder = tmp_path / "[x]"
    folder.mkdir()
    (folder / "a.csv").write_text("text\nx\n")
    monkeypatch.chdir(folder)
    pattern = absolute_path("*.csv")
    monkeypatch.chdir(tmp_path)
    assert read_columns(open_source(pattern), ["text"]).num_rows == 1


def test_a_file_without_rows_is_no_harm_among_others(write, tmp_path, data_error):
    write("a-0.csv", "text\n")
    assert "no rows" in data_error(read_columns, open_source(tmp_path / "a-*.csv"), ["text"])
    write("a-1.csv", "text\nx\n")
    assert read_columns(open_source(tmp_path / "a-*.csv"), ["text"]).num_rows == 1


def test_json_lines_may_lack_keys_that_are_not_used(write, tmp_path):
    write("a-0.jsonl", '{"text": "x", "label": "y"}\n')
    write("a-1.jsonl", '{"label": "y", "text": "z", "note": 1}\n')
    source = open_source(tmp_path / "a-*.jsonl")
    assert column_names(source) == ["text", "label", "note"]
    assert read_text_table(source).rows == 2


class TestErrors:
    def test_nothing_matches(self, write, tmp_path, data_error):
        write("part-0.csv", "text\nx\n")
        told = data_error(open_source, tmp_path / "prt-*.csv")
        assert f"No file matches {tmp_path / 'prt-*.csv'}" in told
        assert f"{tmp_path} has part-0.csv." in told
        assert "Check the pattern" in data_error(open_source, tmp_path / "none" / "*.csv")

    def test_other_columns(self, write, tmp_path, data_error):
        write("a-0.csv", "text,label\nx,y\n")
        write("a-1.csv", "label,txt\nx,y\n")
        told = data_error(column_names, open_source(tmp_path / "a-*.csv"))
        assert "a-1.csv has other columns than " in told
        assert "a-0.csv: it lacks 'text' and it adds 'txt'." in told

    def test_another_format_with_other_columns(self, write, tmp_path, data_error):
        write("a-0.jsonl", '{"text": "x", "lable": "y"}\n')
        write("a-1.csv", "text,label\nx,y\n")
        told = data_error(column_names, open_source(tmp_path / "a-*"))
        assert "a-0.jsonl has other columns" in told
        assert "it adds 'lable'" in told

    @pytest.mark.parametrize("read", [read_text_table, read_facts])
    def test_a_used_key_that_a_file_never_has(self, write, tmp_path, data_error, read):
        write("a-0.jsonl", '{"text": "x", "label": "y"}\n')
        write("a-1.jsonl", '{"text": "z"}\n')
        told = data_error(read, tmp_path / "a-*.jsonl")
        assert "a-1.jsonl has no column 'label'" in told
        source = open_source(tmp_path / "a-*.jsonl")
        assert "a-1.jsonl" in data_error(check_columns, source, ["label"])

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"text,label\na,b\nsecret,b,c\n", "a-1.csv, line 3: the row has 3 fields"),
            (b'text,label\na,"secret\n', "a-1.csv, line 2: a quoted cell"),
            (b"text,label\n" + "좋은,b\n".encode() * 50 + b"secret \xff,c\n", "line 52"),
            (b"", "a-1.csv is empty"),
            (b"PK\x03\x04", "a-1.csv is an Excel"),
        ],
    )
    def test_one_bad_file_is_named_with_its_own_line(
        self, write, tmp_path, data_error, content, message
    ):
        write("a-0.csv", "text,label\nx,y\nx,y\nx,y\n")
        write("a-1.csv", content)

        def stream():
            return list(iter_rows(open_source(tmp_path / "a-*.csv")))

        for read in (lambda: read_text_table(tmp_path / "a-*.csv"), stream):
            told = data_error(read)
            assert message in told
            assert "a-1.csv" in told
            assert "secret" not in told
