"""The facts of a file, and that they do not depend on its format or its batches."""

import json

import numpy as np
import pandas as pd
import pytest

from dsample_cli.data import facts as facts_module
from dsample_cli.data import samples
from dsample_cli.data.facts import read_facts
from dsample_cli.data.read import iter_columns, read_columns
from dsample_cli.data.samples import SAMPLE_CHARACTERS, Sampler
from dsample_cli.data.sources import open_source

ROWS = [("One text", "b"), ("", "a"), ("two", "a"), (" ", "c"), ("one TEXT!", "b"), ("two", " ")]


@pytest.fixture(params=["csv", "jsonl", "parquet"])
def table_file(request, tmp_path):
    frame = pd.DataFrame(ROWS, columns=["text", "label"])
    path = tmp_path / f"table.{request.param}"
    if request.param == "csv":
        frame.to_csv(path, index=False)
    elif request.param == "jsonl":
        path.write_text("\n".join(json.dumps(dict(row)) for _, row in frame.iterrows()))
    else:
        frame.to_parquet(path)
    return path


def test_facts_of_every_format(table_file):
    facts = read_facts(table_file)
    assert facts.rows == 6
    assert facts.names == ("a", "b"), "no usable row has the label c"
    assert facts.codes.tolist() == [1, -1, 0, -1, 1, -1]
    assert facts.is_text_blank.tolist() == [False, True, False, True, False, False]
    assert facts.is_label_blank.tolist() == [False] * 5 + [True]
    assert np.array_equal(facts.texts[:, 2], facts.texts[:, 5])
    assert not np.array_equal(facts.texts[:, 0], facts.texts[:, 4])
    assert np.array_equal(facts.normal_forms[:, 0], facts.normal_forms[:, 4])
    assert facts.sample.rows.tolist() == [0, 2, 4]
    assert facts.sample.words.tolist() == [2, 1, 2]
    assert facts.sample.is_whole


def test_batches_are_the_whole_table(table_file):
    source = open_source(table_file)
    whole = read_columns(source, ["label", "text"])
    batches = list(iter_columns(source, ["label", "text"]))
    assert [row for batch in batches for row in batch.to_pylist()] == whole.to_pylist()


def test_batches_of_an_empty_table(write, data_error):
    source = open_source(write("a.csv", "text,label\n"))
    assert "no rows" in data_error(lambda: list(iter_columns(source, ["text"])))


def test_only_the_fast_facts(write):
    facts = read_facts(write("a.csv", "text,label,user_id\nx,a,1\ny,b,1\n"), is_thorough=False)
    assert facts.normal_forms is None
    assert facts.others == ()


def test_many_batches(write):
    lines = [f'"text {i} {"word " * (i % 50)}",{"abc"[i % 3]}\n' for i in range(30_000)]
    facts = read_facts(write("a.csv", "text,label\n" + "".join(lines)))
    assert facts.codes.tolist() == [i % 3 for i in range(30_000)]
    assert facts.keeps_digits, "only the numbers tell these texts apart"


def test_multi_label_is_out_of_scope(write, data_error):
    lines = [json.dumps({"text": "x", "label": ["a", "b"]})] * 3
    assert "multi-label" in data_error(read_facts, write("a.jsonl", "\n".join(lines)))
    mixed = [*lines, *[json.dumps({"text": "x", "label": "a"})] * 4]
    assert read_facts(write("b.jsonl", "\n".join(mixed))).rows == 7


def test_the_sample_is_even_and_bounded(monkeypatch):
    import pyarrow as pa

    monkeypatch.setattr(samples, "SAMPLE_ROWS", 10)
    sampler = Sampler()
    for start in range(0, 1000, 7):
        rows = np.arange(start, min(start + 7, 1000))
        sampler.add(rows, (pa.array([f"text {row}" for row in rows]),))
    sample = sampler.sample()
    steps = np.unique(np.diff(sample.rows))
    assert 10 <= len(sample) <= 20
    assert sample.rows[0] == 0
    assert len(steps) == 1
    assert sample.texts[0].to_pylist() == [f"text {row}" for row in sample.rows]
    assert not sample.is_whole
    assert len(sample.thinned(5, 10**6)) <= 5
    assert len(sample.thinned(10**6, 40)) <= 6


def test_long_texts_are_cut_in_the_sample_but_counted_whole(write):
    text = "word " * SAMPLE_CHARACTERS
    sample = read_facts(write("a.csv", f"text,label\n{text},a\nx,b\n")).sample
    assert len(sample.texts[0][0].as_py()) == SAMPLE_CHARACTERS
    assert sample.words.tolist() == [SAMPLE_CHARACTERS, 1]


def test_a_wide_file_is_read_only_where_it_matters(write):
    names = [f"x{i}" for i in range(20)]
    lines = [f"text {i},{'ab'[i % 2]},{','.join(str(i * j) for j in range(20))}" for i in range(50)]
    path = write("a.csv", "\n".join([f"text,label,{','.join(names)}", *lines]))
    assert read_facts(path).others == ()
    assert facts_module.HEAD_ROWS >= 10_000
