"""A part of a file: which rows, and their texts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsample_cli.data.sources import open_source
from dsample_cli.data.subset import KEPT_ROWS, read_texts, stratified_subset


@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=6),
    st.integers(1, 1000),
    st.integers(0, 3),
)
def test_each_class_keeps_its_first_rows_and_the_same_share_of_the_rest(counts, most, seed):
    codes = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    kept = stratified_subset(codes, len(counts), most, seed)
    assert (np.diff(kept) > 0).all()
    assert kept.tolist() == stratified_subset(codes, len(counts), most, seed).tolist()
    found = np.bincount(codes[kept], minlength=len(counts))
    if sum(counts) <= most:
        assert found.tolist() == counts
        return
    assert len(kept) <= max(most, KEPT_ROWS * len(counts))
    first = np.minimum(counts, KEPT_ROWS)
    beyond = np.array(counts) - first
    share = max(0, most - first.sum()) / max(1, beyond.sum())
    assert (found >= first).all()
    assert (abs(found - first - beyond * share) <= 1).all()


def test_texts_of_some_rows(write, monkeypatch):
    lines = [f"t{i},u{i},a" for i in range(50)]
    path = write("a.csv", "\n".join(["one,two,label", *lines]) + "\n")
    source, rows = open_source(path), np.array([0, 7, 8, 49])
    expected = [f"t{i}\nu{i}" for i in rows]
    assert read_texts(source, ("one", "two"), rows, 100) == expected
    monkeypatch.setattr("dsample_cli.data.read.BLOCK_BYTES", (64, 1 << 20))
    assert read_texts(source, ("one", "two"), rows, 100) == expected
    assert read_texts(source, ("two",), rows, 2) == ["u0", "u7", "u8", "u4"]
    assert read_texts(source, ("two",), np.array([], int), 2) == []


@pytest.mark.parametrize("text", ["한국어 문장", "é" * 5, "🙂🙂"])
def test_characters_are_cut_not_bytes(write, text):
    path = write("a.csv", f"text,label\n{text},a\n")
    assert read_texts(open_source(path), ("text",), np.array([0]), 2) == [text[:2]]
