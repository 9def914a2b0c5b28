"""Texts without a Python object each."""

import pyarrow as pa
import pytest

from dsample_cli.data import texts as module
from dsample_cli.data.texts import Texts

STRINGS = ["spam", "", "ham", "eggs and bacon", "두부"]


@pytest.fixture
def texts(monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    return Texts(pa.chunked_array([["spam", None], ["ham", "eggs and bacon"], ["두부"]]))


def test_they_read_as_a_list_would(texts):
    assert list(texts) == STRINGS
    assert texts == STRINGS
    assert texts != [*STRINGS[:-1], "tofu"]
    assert texts != STRINGS[:-1]
    assert [texts[k] for k in range(-5, 5)] == STRINGS * 2


@pytest.mark.parametrize(
    "part", [slice(1, 4), slice(None), slice(-2, None), slice(3, 99), slice(None, None, -2)]
)
def test_a_slice_is_a_list_of_strings(texts, part):
    assert texts[part] == STRINGS[part]


def test_none_are_none():
    empty = Texts(pa.chunked_array([], pa.string()))
    assert len(empty) == 0
    assert list(empty) == []
