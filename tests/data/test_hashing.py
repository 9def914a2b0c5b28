import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsample_cli.data.hashing import LONG_BYTES, hash_strings, join_hashes
from dsample_cli.data.normal_hashes import hash_normal_forms
from dsample_cli.data.normalize import normal_forms

# Few characters, so that equal texts and equal forms are common.
SPELLINGS = st.text("aAbBz019 .-\t’'éÉ①２ß한K\x00", max_size=9)


def same_pairs(hashes):
    return (hashes[:, :, None] == hashes[:, None, :]).all(axis=0)


@given(st.lists(SPELLINGS | st.none() | st.text("ab", max_size=20), max_size=12))
def test_hashes_are_equal_where_the_strings_are(strings):
    expected = [[(a or "") == (b or "") for b in strings] for a in strings]
    for array in (pa.array(strings, pa.string()), pa.array(strings, pa.large_string())):
        assert same_pairs(hash_strings(array)).tolist() == expected


@settings(max_examples=200)
@given(st.lists(SPELLINGS | st.none(), max_size=12))
def test_hashes_of_forms_are_equal_where_the_forms_are(texts):
    array = pa.array(texts, pa.string())
    forms = normal_forms(array).to_pylist()
    expected = [[a == b for b in forms] for a in forms]
    assert same_pairs(hash_normal_forms(array)).tolist() == expected


@pytest.mark.parametrize("n_bytes", [0, 7, 8, 9, LONG_BYTES - 1, LONG_BYTES, LONG_BYTES + 1, 50000])
def test_every_byte_counts(n_bytes):
    text = "x" * n_bytes
    others = [text + "x", text + "\0", "y" + text[1:], text[:-1] + "y", text]
    hashes = hash_strings(pa.array([text, *others]))
    same = same_pairs(hashes)[0]
    assert same.tolist() == [text == other for other in [text, *others]]


def test_a_slice_hashes_like_a_copy():
    array = pa.array(["first", "second", None, "long " * 5000, "", "last"])
    assert np.array_equal(hash_strings(array.slice(1, 4)), hash_strings(array)[:, 1:5])
    assert np.array_equal(hash_normal_forms(array.slice(1, 4)), hash_normal_forms(array)[:, 1:5])


def test_zero_bytes_count():
    texts = [text + "\0" * n for text in ("", "a", "b", "longer than a word") for n in range(20)]
    for lane in hash_strings(pa.array(texts)):
        assert len(np.unique(lane)) == len(texts)


def test_numbered_texts_do_not_collide():
    hashes = hash_strings(pa.array([f"{i:08}{j:08}" for i in range(300) for j in range(300)]))
    for lane in hashes:
        assert len(np.unique(lane)) == 300 * 300


def test_a_pair_is_not_its_reverse():
    a, b = hash_strings(pa.array(["a"])), hash_strings(pa.array(["b"]))
    assert not (join_hashes(a, b) == join_hashes(b, a)).any()
