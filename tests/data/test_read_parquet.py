import json
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from dsample_cli.data.read import iter_rows
from dsample_cli.data.sources import open_source

KINDS = ["text", "label"]
CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\r\t\"',"))


class TestParquet:
    @pytest.mark.parametrize(
        ("values", "told"),
        [
            (pa.array(["a", None, ""]), ["a", None, ""]),
            (pa.array(["a", None], pa.large_string()), ["a", None]),
            (pa.array([1, None, -2]), ["1", None, "-2"]),
            (pa.array([200], pa.uint8()), ["200"]),
            (pa.array([1.0, 0.1, 1e20, np.nan, None]), ["1.0", "0.1", "1e+20", None, None]),
            (pa.array([0.1, 2.0, None], pa.float32()), ["0.1", "2.0", None]),
            (pa.array([True, False, None]), ["true", "false", None]),
            (pa.array(["a", None, "b"]).dictionary_encode(), ["a", None, "b"]),
            (pa.array([b"caf\xc3\xa9", None]), ["café", None]),
            (pa.array([["a", "b"], None]), ['["a","b"]', None]),
            (pa.array([{"k": 1}]), ['{"k":1}']),
            (pa.array([date(2020, 1, 2)]), ["2020-01-02"]),
            (pa.array([Decimal("1.50")]), ["1.50"]),
            (pa.nulls(2), [None, None]),
        ],
    )
    def test_values_as_text(self, tmp_path, values, told, columns):
        pq.write_table(pa.table({"label": values, "other": values}), tmp_path / "a.parquet")
        assert columns(tmp_path / "a.parquet", ["label"]) == {"label": told}

    def test_rows_can_be_written_as_json(self, tmp_path, rows):
        moment = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
        row = {
            "text": "x",
            "n": 1,
            "f": 0.5,
            "nan": float("nan"),
            "when": moment,
            "dec": Decimal("1.50"),
            "bytes": b"ab",
            "list": [1.0, float("inf")],
            "struct": {"day": date(2020, 1, 2)},
        }
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
        (told,) = rows(tmp_path / "a.parquet")
        assert json.loads(json.dumps(told, allow_nan=False)) == {
            "text": "x",
            "n": 1,
            "f": 0.5,
            "nan": None,
            "when": "2020-01-02 03:04:05+00:00",
            "dec": "1.50",
            "bytes": "ab",
            "list": [1.0, None],
            "struct": {"day": "2020-01-02"},
        }

    def test_pandas_categories_and_batches(self, tmp_path, columns):
        frame = pd.DataFrame({"text": ["a", "b", "c"], "label": pd.Categorical(["x", None, "y"])})
        frame.to_parquet(tmp_path / "a.parquet")
        assert columns(tmp_path / "a.parquet")["label"] == ["x", None, "y"]
        batches = list(iter_rows(open_source(tmp_path / "a.parquet"), 2))
        assert [len(batch) for batch in batches] == [2, 1]

    def test_cut_off(self, write, tmp_path, data_error, columns, rows):
        pq.write_table(pa.table({"text": ["x"] * 100}), tmp_path / "a.parquet")
        whole = (tmp_path / "a.parquet").read_bytes()
        path = write("b.parquet", whole[: len(whole) // 2])
        for read in (columns, rows):
            assert "not a whole Parquet file" in data_error(read, path)

    def test_damaged_pages(self, write, tmp_path, data_error, columns):
        pq.write_table(pa.table({"text": [str(i) for i in range(9999)]}), tmp_path / "a.parquet")
        whole = bytearray((tmp_path / "a.parquet").read_bytes())
        whole[100:2000] = b"\xff" * 1900
        path = write("b.parquet", bytes(whole))
        assert "not a whole Parquet file" in data_error(columns, path, ["text"])

    def test_strings_that_are_not_utf8(self, write, tmp_path, data_error, columns, rows):
        pq.write_table(
            pa.table({"text": ["secret-word"] * 3}), tmp_path / "a.parquet", compression="none"
        )
        content = (
            (tmp_path / "a.parquet").read_bytes().replace(b"secret-word", b"secret-w\xff\xffd")
        )
        path = write("b.parquet", content)
        for told in (data_error(columns, path, ["text"]), data_error(rows, path)):
            assert "not UTF-8" in told

    def test_no_rows(self, tmp_path, data_error, columns, rows):
        pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
        assert "no rows" in data_error(columns, tmp_path / "a.parquet", ["text"])
