import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsample_cli.data.folds import stratified_folds
from dsample_cli.data.groups import linked_rows, normalized_groups
from dsample_cli.data.normalize import normal_forms, without_digits
from dsample_cli.data.splits import stratified_split

SPELLINGS = [
    *("Hello you", "hello, YOU!", "HELLO  you", "ｈｅｌｌｏ you"),
    *("order 12", "Order #7", "order 1,000.", "orders 12"),
    *("Straße", "STRASSE", "caf\u00e9", "cafe\u0301", "12:30", "12:45", ":-)"),
]


def forms(*texts, **options):
    return normal_forms(pa.array(texts, pa.string()), **options).to_pylist()


@pytest.mark.parametrize(
    "spellings",
    [
        ("Where is my order?", "where  is\tmy ORDER", "Where is my order…", "«Where is my order»"),
        ("Order #123 (€ 1,234.50)", "order 7 9", "ORDER 1/2/2024"),
        ("covid-19", "Covid 19", "COVID19"),
        ("Straße", "STRASSE", "straẞe"),
        ("ΟΔΟΣ", "οδος", "Οδός".replace("ό", "ο")),
        ("caf\u00e9 ok", "cafe\u0301 OK"),
        ("ＡＢＣ　ｄ", "abc d"),
        ("배송이 늦어요!!", "배송이 늦어요~ 😡"),
        ("٣ رسائل", "12 رسائل"),
        ("don\u2019t", "don't"),
    ],
)
def test_spellings_of_one_text_have_one_form(spellings):
    assert len(set(forms(*spellings))) == 1


@pytest.mark.parametrize(
    "texts",
    [
        ("no", "yes"),
        ("ice cream", "icecream"),
        ("मेल", "मल"),  # the vowel is a combining mark
        ("12:30", "12:45"),  # no word to compare
        (":-)", ":-("),
        ("😀", "😡"),
        ("", "?"),
    ],
)
def test_other_texts_have_other_forms(texts):
    assert len(set(forms(*texts))) == len(texts)


def test_texts_beyond_two_gigabytes_have_the_same_forms():
    texts = ["Order No. 12", None, "12:30"]
    wide = normal_forms(pa.array(texts, pa.large_string()))
    assert wide.to_pylist() == normal_forms(pa.array(texts)).to_pylist()


def test_digits_may_be_kept():
    assert forms("Order 12!", "order 13", keep_digits=True) == ["order 12", "order 13"]


def plain_form(text):
    """The same in plain Python, for these spellings."""
    form = unicodedata.normalize("NFKC", text).casefold()
    form = re.sub(r"[\W\d_]+", lambda found: " 0 " if re.search(r"\d", found[0]) else " ", form)
    return form.strip() if re.search(r"[^\W\d_]", form) else text


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.sampled_from(SPELLINGS), st.integers(0, 12), st.integers(0, 3)),
        min_size=4,
        max_size=50,
    ),
    st.sampled_from([(0.2, 0.0), (0.1, 0.1), (0.4, 0.4)]),
)
def test_no_duplicate_and_no_group_is_ever_on_two_sides(rows, shares):
    texts, customers, codes = zip(*rows, strict=True)
    column = pa.array([f"c{who}" if who else None for who in customers], pa.string())
    linked = linked_rows([pa.array(texts)], column)
    codes = np.array(codes)
    for parts in (
        stratified_split(codes, 4, *shares, groups=linked.ids).parts,
        stratified_folds(codes, 4, 3, groups=linked.ids),
    ):
        assert len(parts) == len(rows)
        for keys in (map(plain_form, texts), [who or (row,) for row, who in enumerate(customers)]):
            sides = set(zip(keys, parts.tolist(), strict=True))
            assert len(sides) == len({key for key, _ in sides})


@settings(max_examples=50)
@given(st.lists(st.text(alphabet="aAßſİ1٣,. \u0301é-ς", max_size=8)))
def test_forms_are_made_by_each_text_alone_and_in_two_steps(texts):
    array = pa.array(texts, pa.string())
    whole = normal_forms(array)
    assert without_digits(normal_forms(array, keep_digits=True)).equals(whole)
    chunks = pa.chunked_array([array.slice(0, 2), array.slice(2)])
    assert normal_forms(chunks).to_pylist() == whole.to_pylist()


def test_pairs_are_normalised_column_by_column():
    first = pa.array(["A?", "a", "a"])
    second = pa.array(["b 1", "B 2", "c"])
    assert normalized_groups(first, second)[0].tolist() == [0, 0, 1]


def test_numbered_texts_are_told_apart_by_their_digits():
    numbered = pa.array([f"text {i}" for i in range(30)] + ["Text 3!", "hello", "hello"])
    linked = linked_rows([numbered], None)
    assert linked.keeps_digits
    assert linked.duplicates == 2
    assert linked.ids[30] == linked.ids[3]


def test_a_template_in_less_than_half_of_the_rows_is_one_text():
    words = [f"{'abcdefghij'[i // 10]}{'klmnopqrst'[i % 10]}" for i in range(60)]
    linked = linked_rows([pa.array([f"call me at {i}" for i in range(40)] + words)], None)
    assert not linked.keeps_digits
    assert linked.duplicates == 39
    assert linked.kept_together == 1


def test_duplicates_link_the_rows_of_a_group_column():
    texts = pa.array(["Hi there", "hi THERE", "other", "more"])
    linked = linked_rows([texts], pa.array(["ann", "bob", "bob", ""]))
    assert linked.ids.tolist() == [0, 0, 0, 1]
    assert (linked.duplicates, linked.kept_together) == (1, 1)
    assert linked.ids.dtype == np.int64
