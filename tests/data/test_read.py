import csv
import gzip
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsample_cli.data.read import iter_rows, read_columns
from dsample_cli.data.sources import open_source

KINDS = ["text", "label"]
CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\r\t\"',"))


class TestCsv:
    def test_labels_stay_what_they_are(self, write, columns, rows):
        labels = ["NA", "None", "null", "1.0", "nan", "true", "007", " a ", "", "2020-01-01"]
        path = write("a.csv", "text,label\n" + "".join(f"x,{label}\n" for label in labels))
        assert columns(path)["label"] == labels
        assert [row["label"] for row in rows(path)] == labels

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ("\ufefftext,label\nx,y\n", [("x", "y")]),
            ("text,label\r\nx,y\r\n", [("x", "y")]),
            ("text,label\rx,y\r", [("x", "y")]),
            ("text,label\nx,y", [("x", "y")]),
            ("\ntext,label\n\n\nx,y\n\r\nz,y\n\n", [("x", "y"), ("z", "y")]),
            ('text,label\n"a\nb\r\nc",y\n', [("a\nb\r\nc", "y")]),
            ('text,label\n"say ""hi"", ok",y\n', [('say "hi", ok', "y")]),
            ('text,label\n5" tall,y\n', [('5" tall', "y")]),
            ('"text","label"\n"",""\n', [("", "")]),
            ("text;label\nx,1;y\n", [("x,1", "y")]),
            ("text,label\n안녕,긍정\n", [("안녕", "긍정")]),
        ],
    )
    def test_dialects(self, write, content, expected, columns, rows):
        path = write("a.csv", content)
        assert list(zip(*columns(path).values(), strict=True)) == expected
        assert rows(path) == [{"text": text, "label": label} for text, label in expected]

    def test_only_the_columns_asked_for_in_their_order(self, write, columns):
        path = write("a.csv", "a,b,c\n1,2,3\n")
        assert columns(path, ["c", "a"]) == {"c": ["3"], "a": ["1"]}

    def test_one_column(self, write, columns):
        assert columns(write("a.csv", 'text\nx\n""\ny\n'), ["text"]) == {"text": ["x", "", "y"]}

    def test_columns_without_a_name(self, write, rows):
        assert rows(write("a.csv", "v1,v2,,\nham,hello,,\n")) == [
            {"v1": "ham", "v2": "hello", "column_3": "", "column_4": ""}
        ]

    @pytest.mark.parametrize("name", ["a.csv.gz", "a.csv"])
    def test_gzip(self, write, name, columns, rows):
        path = write(name, gzip.compress(b"text,label\nx,y\n"))
        assert columns(path) == {"text": ["x"], "label": ["y"]}
        assert rows(path) == [{"text": "x", "label": "y"}]

    def test_cells_larger_than_a_block(self, write, columns, rows):
        long = "word \n" * 500_000
        content = "text,label\n" + "a,b\n" * 300_000 + f'"{long}",c\nlast,d\n'
        path = write("a.csv", content)
        assert columns(path)["text"][-2:] == [long, "last"]
        texts = [row["text"] for row in rows(path)]
        assert len(texts) == 300_002
        assert texts[-3:] == ["a", long, "last"]

    def test_many_blocks_come_in_order(self, write, rows):
        path = write("a.csv", "text,label\n" + "".join(f"{i:020},x\n" for i in range(200_000)))
        assert [int(row["text"]) for row in rows(path)] == list(range(200_000))

    def test_batches(self, write):
        path = write("a.csv", "text\n" + "x\n" * 10)
        assert [len(batch) for batch in iter_rows(open_source(path), 4)] == [4, 4, 2]

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    @given(
        table=st.lists(
            st.tuples(CELLS, CELLS),
            min_size=1,
            max_size=6,
        ),
        ending=st.sampled_from(["\n", "\r\n"]),
    )
    def test_round_trip(self, write, table, ending, columns, rows):
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator=ending, quoting=csv.QUOTE_ALL).writerows(
            [("text", "label"), *table]
        )
        path = write("a.csv", text.getvalue())
        assert list(zip(*columns(path).values(), strict=True)) == table
        assert [tuple(row.values()) for row in rows(path)] == table


class TestBrokenCsv:
    @pytest.mark.parametrize(
        ("body", "line", "fields"),
        [
            ("a,b\nsecret,b,c\n", 3, 3),
            ('"a\nb\r\nc",b\nsecret\n', 5, 1),
            ("\n\na,b\n\nsecret,b,c,d\n", 6, 4),
            ('a,b\n"secret, ""x""\n",b,c\n', 3, 3),
            ("a,b\nsecret", 3, 1),
        ],
    )
    def test_ragged_row_is_named_by_line(
        self, write, data_error, body, line, fields, columns, rows
    ):
        path = write("a.csv", "text,label\n" + body)
        for read in (columns, rows):
            told = data_error(read, path)
            assert f"line {line}: the row has {fields} field" in told
            assert "header has 2" in told
            assert "secret" not in told

    def test_ragged_row_far_into_the_file(self, write, data_error, columns, rows):
        path = write("a.csv", "text,label\n" + "aaaaaaaaaa,b\n" * 200_000 + "x\n")
        assert "line 200002: the row has 1 field," in data_error(columns, path)
        assert "line 200002: the row has 1 field," in data_error(rows, path)

    @pytest.mark.parametrize(
        "body", ['a,b\nc,"secret\n', 'a,b\n"secret,d\nx,y\n', 'a,b\nc,"', 'a,b\nc,"secret\n\n\n']
    )
    def test_quote_left_open_at_the_end(self, write, data_error, body, columns, rows):
        path = write("a.csv", "text,label\n" + body)
        for read in (columns, rows):
            told = data_error(read, path)
            assert "line 3: a quoted cell of the row that starts here is never closed" in told
            assert "secret" not in told

    def test_quote_left_open_in_a_column_not_asked_for(self, write, data_error, columns):
        path = write("a.csv", 'text,label,note\na,b,"c\n')
        assert "line 2" in data_error(columns, path)

    def test_quote_left_open_early_in_a_long_file(self, write, data_error, columns):
        path = write("a.csv", 'text,label\n"a,b\n' + "some text,b\n" * 300_000)
        assert "line 2: a quoted cell" in data_error(columns, path)

    def test_quote_left_open_until_another_row(self, write, data_error, columns):
        path = write("a.csv", 'text,label\n"a,b\nc,d\n"e,f",g\n')
        assert "runs on to line 4" in data_error(columns, path)

    def test_bytes_that_are_not_utf8(self, write, data_error, columns, rows):
        good = "좋은 영화,긍정\n".encode() * 20_000
        bad = "정말 나쁜 영화,부정\n".encode("cp949") * 5
        path = write("a.csv", b"text,label\n" + good + bad)
        for read in (columns, rows):
            told = data_error(read, path)
            assert "line 20002 has the byte 0xC1; it looks like CP949" in told
            assert "--encoding cp949" in told

    def test_header_only(self, write, data_error, columns, rows):
        path = write("a.csv", "text,label\n")
        assert "has a header but no rows" in data_error(columns, path)
        assert rows(path) == []

    def test_cut_off_gzip(self, write, data_error, columns, rows):
        whole = gzip.compress(
            b"text,label\n" + np.random.default_rng(0).bytes(300_000).hex().encode() + b",x\n"
        )
        path = write("a.csv.gz", whole[: len(whole) // 2])
        for read in (columns, rows):
            assert "damaged or cut off: its gzip data" in data_error(read, path)


@pytest.mark.parametrize("name", ["sms_spam.csv", "korean_hate_train.csv", "trec_train.csv"])
def test_real_files_read_as_pandas_reads_them(real_data, name):
    expected = pd.read_csv(real_data / name, dtype=str, keep_default_na=False)
    source = open_source(real_data / name)
    assert read_columns(source, list(expected)).to_pydict() == expected.to_dict("list")
    told = [row for batch in iter_rows(source) for row in batch]
    assert told == expected.to_dict("records")
