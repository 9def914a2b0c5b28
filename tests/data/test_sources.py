import gzip
import hashlib
import io
import json
import os
import sys
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsample_cli.data.sources import column_names, file_sha256, open_source

CSV = "text,label\nhello,a\n"
JSONL = '{"text": "hello", "label": "a"}\n'


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("name", "content", "format_", "delimiter"),
    [
        ("a.csv", CSV, "csv", ","),
        ("a.csv", CSV.replace(",", ";"), "csv", ";"),
        ("a.csv", CSV.replace(",", "|"), "csv", "|"),
        ("a.txt", CSV.replace(",", "\t"), "csv", "\t"),
        ("a.tsv", "text, or so\tlabel, kind\nb\ta\n", "csv", "\t"),
        ("a.tsv", CSV, "csv", ","),
        ("a.tab", "text\nhello\n", "csv", "\t"),
        ("a.csv", "text\nhello\n", "csv", ","),
        ("a.csv", '"a;b;c",label\nx,y\n', "csv", ","),
        ("a.csv", '"a;b\n;c",label\nx,y\n', "csv", ","),
        ("a.csv", "a,b;c\n", "csv", ","),
        ("a.csv", "\n\n" + CSV.replace(",", ";"), "csv", ";"),
        ("nosuffix", CSV, "csv", ","),
        ("a.jsonl", JSONL, "jsonl", ","),
        ("a.ndjson", JSONL, "jsonl", ","),
        ("a.csv", "\n  " + JSONL, "jsonl", ","),
        ("a.CSV", b"\xef\xbb\xbf" + JSONL.encode(), "jsonl", ","),
        ("a.csv", "[text],label\nx,y\n", "csv", ","),
    ],
)
def test_format_is_told_by_content_then_by_suffix(write, name, content, format_, delimiter):
    source = open_source(write(name, content))
    assert (source.format, source.compression) == (format_, None)
    if format_ == "csv":
        assert source.delimiter == delimiter


def test_parquet_is_known_whatever_its_name(tmp_path):
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "data.csv")
    assert open_source(tmp_path / "data.csv").format == "parquet"


@pytest.mark.parametrize(("compress", "kind"), [(gzip.compress, "gzip"), (zstd, "zstd")])
@pytest.mark.parametrize("content", [CSV, JSONL])
def test_compressed(write, compress, kind, content):
    source = open_source(write("data.bin", compress(content.encode())))
    assert source.compression == kind
    assert column_names(source) == ["text", "label"]


@pytest.mark.parametrize("name", ["data.tsv.gz", "data.tsv.zst"])
def test_the_suffix_under_the_compression_counts(write, name):
    assert open_source(write(name, gzip.compress(b"text\nhello\n"))).delimiter == "\t"


def test_name_is_the_path_as_given(write, monkeypatch, tmp_path):
    write("data.csv", CSV)
    monkeypatch.chdir(tmp_path)
    assert open_source("data.csv").name == "data.csv"


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("text,label", ["text", "label"]),
        ("\ufefftext,label", ["text", "label"]),
        ('\ufeff"te""x,t",label', ['te"x,t', "label"]),
        ('"two\nlines",label', ["two\nlines", "label"]),
        ("v1,v2,,", ["v1", "v2", "column_3", "column_4"]),
        ("\n\r\ntext,label", ["text", "label"]),
        ("텍스트,라벨", ["텍스트", "라벨"]),
    ],
)
def test_csv_columns(write, header, names):
    assert column_names(open_source(write("a.csv", header + "\nx,y,,\n"))) == names


def test_jsonl_columns_are_the_keys_in_order(write):
    path = write("a.jsonl", '{"b": 1}\n\n{"a": 2, "b": 3}\n')
    assert column_names(open_source(path)) == ["b", "a"]


def test_a_wanted_key_is_looked_for_to_the_end(write):
    path = write("a.jsonl", '{"text": "x"}\n' * 3000 + '{"label": "a"}\n')
    assert column_names(open_source(path)) == ["text"]
    assert column_names(open_source(path), ["label"]) == ["text", "label"]


def test_parquet_columns(tmp_path):
    pq.write_table(pa.table({"b.c": [1], "a": [{"x": 1}]}), tmp_path / "a.parquet")
    assert column_names(open_source(tmp_path / "a.parquet")) == ["b.c", "a"]


def test_sha256_is_of_the_bytes_as_they_lie(write):
    content = gzip.compress(CSV.encode())
    assert file_sha256(write("a.csv.gz", content)) == hashlib.sha256(content).hexdigest()


class TestStandardInput:
    def test_is_a_source_like_any_file(self, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(JSONL.encode())))
        source = open_source("-")
        assert (source.name, source.format) == ("standard input", "jsonl")
        assert source.path.read_text() == JSONL

    def test_can_be_opened_again(self, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CSV.encode())))
        assert column_names(open_source("-")) == column_names(open_source("-"))

    def test_empty(self, monkeypatch, data_error):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        assert "standard input is empty" in data_error(open_source, "-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_can_be_read_more_than_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(CSV,))
    writer.start()
    source = open_source(tmp_path / "pipe")
    writer.join()
    assert column_names(source) == column_names(source) == ["text", "label"]


class TestErrors:
    def test_missing_file_names_the_nearest(self, write, tmp_path, data_error):
        write("train.csv", CSV)
        assert f"Did you mean {tmp_path / 'train.csv'}?" in data_error(
            open_source, tmp_path / "trian.csv"
        )

    def test_missing_folder(self, tmp_path, data_error):
        assert "no folder" in data_error(open_source, tmp_path / "nowhere" / "a.csv")

    def test_directory(self, write, tmp_path, data_error):
        write("train.csv", CSV)
        assert "directory" in (told := data_error(open_source, tmp_path))
        assert "train.csv" in told
        assert "*.csv" in told

    @pytest.mark.parametrize("content", [b"", b" \n\t\r\n", b"\xef\xbb\xbf", b"\n" * 200_000])
    def test_empty(self, write, content, data_error):
        assert "is empty" in data_error(open_source, write("a.csv", content))

    def test_empty_when_decompressed(self, write, data_error):
        assert "is empty" in data_error(open_source, write("a.csv.gz", gzip.compress(b"")))

    @pytest.mark.parametrize("content", [b"text\0\1\2,label\n" * 9, bytes(range(32)) * 50])
    def test_binary(self, write, content, data_error):
        assert "binary data" in data_error(open_source, write("a.csv", content))

    @pytest.mark.parametrize(
        ("content", "kind"),
        [(b"PK\x03\x04abc", "Excel"), (b"BZh91AY", "bzip2"), (b"ARROW1", "Arrow")],
    )
    def test_other_kinds_of_file(self, write, content, kind, data_error):
        assert kind in data_error(open_source, write("a.csv", content))

    def test_duplicate_columns(self, write, data_error):
        source = open_source(write("a.csv", "text,label,text\na,b,c\n"))
        assert "'text' more than once" in data_error(column_names, source)

    def test_open_quote_in_the_header_tells_no_text(self, write, data_error):
        source = open_source(write("a.csv", 'text,"label\nsecret,a\n'))
        assert "secret" not in (told := data_error(column_names, source))
        assert "line 1" in told

    @pytest.mark.parametrize("name", ["a.json", "a.csv", "a.jsonl"])
    def test_json_array(self, write, name, data_error):
        path = write(name, json.dumps([{"text": "x"}], indent=1))
        assert "jq -c '.[]'" in data_error(open_source, path)

    def test_parquet_in_name_only(self, write, data_error):
        assert "not a Parquet file" in data_error(open_source, write("a.parquet", CSV))

    def test_unreadable(self, write, monkeypatch, data_error):
        def refuse(*args, **kwargs):
            raise PermissionError(13, "Permission denied")

        path = write("a.csv", CSV)
        monkeypatch.setattr("builtins.open", refuse)
        assert "permission denied" in data_error(open_source, path)
