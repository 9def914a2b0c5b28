"""Keys of objects as columns."""

import pytest

from dsample_cli.data.nested import has_objects, parse_objects, read_named
from dsample_cli.data.sources import open_source
from dsample_cli.errors import DataError

LINES = """\
{"label": "a", "data": {"label": 1.0, "x.y": true}, "p": {"a": 0.5}}
{"label": "b", "data": {"label": null}, "data.x": "kept", "p": null}
{"label": "c", "data": "{no object", "p": "text"}
"""


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text(LINES, encoding="utf-8")
    return open_source(path)


def test_a_key_of_an_object_is_a_column_with_values_as_written(source):
    found = read_named(source, ("label", "data.label", "data.x", "data.x.y"))
    assert found["label"].to_pylist() == ["a", "b", "c"]
    assert found["data.label"].to_pylist() == ["1.0", None, None]
    assert found["data.x"].to_pylist() == [None, "kept", None], "a column has the name itself"
    assert found["data.x.y"].to_pylist() == ["true", None, None]


def test_objects_are_told_and_parsed(source, tmp_path):
    assert has_objects(source, "p")
    assert not has_objects(source, "label")
    assert not has_objects(source, "missing")
    assert parse_objects(read_named(source, ("p",))["p"]) == [{"a": 0.5}, {}, {}]
    table = tmp_path / "p.csv"
    table.write_text('p\n"{""a"": 1}"\n')
    assert not has_objects(open_source(table), "p")


@pytest.mark.parametrize("name", ["lable", "lable.x"])
def test_a_column_that_is_not_there_is_an_error(source, name):
    with pytest.raises(DataError, match=f"no column '{name}'"):
        read_named(source, (name,))
