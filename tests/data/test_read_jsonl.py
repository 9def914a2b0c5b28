import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KINDS = ["text", "label"]
CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\r\t\"',"))


class TestJsonl:
    def test_values_as_text(self, write, columns):
        values = ['"NA"', "1", "1.0", "1e3", "1.10", "true", "false", '["a",1, 2.50]', '{"k": "é"}']
        told = ["NA", "1", "1.0", "1e3", "1.10", "true", "false", '["a",1,2.5]', '{"k":"é"}']
        path = write("a.jsonl", "".join(f'{{"text": "x", "label": {v}}}\n' for v in values))
        assert columns(path)["label"] == told

    @pytest.mark.parametrize("line", ['{"text": null}', '{"label": "a"}', '{"text": NaN}'])
    def test_missing_values(self, write, line, columns):
        path = write("a.jsonl", '{"text": "x"}\n' + line + "\n")
        assert columns(path, ["text"]) == {"text": ["x", None]}

    def test_rows_are_as_parsed(self, write, rows):
        objects = [{"text": "x", "n": 1, "f": 1.5, "l": ["a"], "o": {"k": None}}, {"text": "y\n"}]
        path = write("a.jsonl", "\n".join(map(json.dumps, objects)))
        assert rows(path) == objects

    def test_rows_can_be_written_as_json(self, write, columns, rows):
        path = write("a.jsonl", r'{"text": "\ud83d half", "n": NaN, "m": -Infinity}')
        assert rows(path) == [{"text": "\ufffd half", "n": None, "m": None}]
        assert columns(path, ["text"]) == {"text": ["\ufffd half"]}

    def test_whole_surrogate_pairs_are_kept(self, write, columns):
        assert columns(write("a.jsonl", r'{"text": "\ud83d\ude00"}'), ["text"]) == {"text": ["😀"]}

    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\n\n \n"])
    def test_line_ends_and_blank_lines(self, write, newline, rows):
        path = write("a.jsonl", "\ufeff" + newline.join(['{"text": "a\u2028b"}'] * 3))
        assert len(rows(path)) == 3

    @pytest.mark.parametrize(
        "line",
        ["secret", '{"text": "secret"', '{"text": "secret"} {}', '"secret"', "[1]", "3"],
        ids=range(6),
    )
    def test_bad_line_is_named(self, write, data_error, line, columns, rows):
        path = write("a.jsonl", '{"text": "x"}\n\n' + line + "\n")
        for told in (data_error(columns, path, ["text"]), data_error(rows, path)):
            assert "line 3: not" in told
            assert "secret" not in told

    def test_deep_nesting_and_huge_numbers(self, write, data_error, columns, rows):
        path = write("a.jsonl", '{"text": "x"}\n{"text": ' + "[" * 100_000 + "\n")
        assert "line 2" in data_error(rows, path)
        path = write("b.jsonl", '{"text": ' + "9" * 5000 + "}\n")
        assert columns(path, ["text"]) == {"text": ["9" * 5000]}

    def test_not_utf8(self, write, data_error, columns):
        good = '{"text": "é"}\n'.encode() * 9000
        path = write("a.jsonl", good + '{"text": "é"}\n'.encode("latin-1"))
        assert "line 9001 has the byte 0xE9" in data_error(columns, path, ["text"])

    def test_gzip(self, write, rows):
        path = write("a.jsonl.gz", gzip.compress(b'{"text": "x"}\n'))
        assert rows(path) == [{"text": "x"}]

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    @given(
        table=st.lists(
            st.tuples(*[st.none() | st.text(st.characters(exclude_categories=["Cs"]))] * 2),
            min_size=1,
            max_size=6,
        ),
        ascii_only=st.booleans(),
    )
    def test_round_trip(self, write, table, ascii_only, columns, rows):
        objects = [dict(zip(KINDS, row, strict=True)) for row in table]
        path = write("a.jsonl", "\n".join(json.dumps(o, ensure_ascii=ascii_only) for o in objects))
        assert list(zip(*columns(path).values(), strict=True)) == table
        assert rows(path) == objects
