"""Text that is not UTF-8 is read all the same, or refused with the line."""

import csv
import gzip
import io
import json

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsample_cli.core.read_options import ReadOptions
from dsample_cli.data import decoding
from dsample_cli.data.encodings import guess_encoding, split_whole, weigh
from dsample_cli.data.read import iter_columns, iter_rows, read_columns
from dsample_cli.data.sources import open_source

KOREAN = [
    ("정말 재미있는 영화였다,\n또 보고 싶다", "긍정"),
    ('지루하고 "길다"', "부정"),
    ("짧다", ""),
]
WESTERN = [("un café très noir,\n“déjà vu”", "opinión"), ("naïve façade", "straße"), ("x", "y")]
ENCODINGS = [
    ("utf-8", KOREAN, None),
    ("utf-8-sig", KOREAN, None),
    ("utf-16", KOREAN, "UTF-16"),
    ("utf-16-le", KOREAN, "UTF-16LE"),
    ("utf-16-be", KOREAN, "UTF-16BE"),
    ("utf-16-le", WESTERN, "UTF-16LE"),
    ("utf-32", KOREAN, "UTF-32"),
    ("cp949", KOREAN, "CP949"),
    ("euc-kr", KOREAN, "CP949"),
    ("windows-1252", WESTERN, "Windows-1252"),
    ("latin-1", [("un café", "é"), ("b", "ü")], "Windows-1252"),
]


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


COMPRESSIONS = {"": bytes, ".gz": gzip.compress, ".zst": zstd}


def as_csv(table, **dialect) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows([("text", "label"), *table])
    return text.getvalue()


def as_jsonl(table) -> str:
    rows = [dict(zip(("text", "label"), row, strict=True)) for row in table]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read_all(source) -> list[tuple]:
    """The rows of text and label; the three ways to read must agree."""
    table = read_columns(source, ["text", "label"]).to_pydict()
    streamed = pa.Table.from_batches(iter_columns(source, ["text", "label"])).to_pydict()
    assert streamed == table
    rows = list(zip(*table.values(), strict=True))
    assert [(r["text"], r["label"]) for batch in iter_rows(source) for r in batch] == rows
    return rows


def only(call, source):
    """One way to read, on its own."""
    if call is read_columns:
        return call(source, ["text", "label"]).to_pylist()
    if call is iter_columns:
        return [row for batch in call(source, ["text", "label"]) for row in batch.to_pylist()]
    return [row for batch in call(source) for row in batch]


@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize(("kind", "write_as"), [("csv", as_csv), ("jsonl", as_jsonl)])
@pytest.mark.parametrize(("encoding", "table", "told"), ENCODINGS)
def test_encodings_are_detected_and_told(write, encoding, table, told, kind, write_as, suffix):
    content = COMPRESSIONS[suffix](write_as(table).encode(encoding))
    path = write(f"a.{kind}{suffix}", content)
    source = open_source(path)
    assert source.format == kind
    assert read_all(source) == table
    notes = (f"{path} is read as {told}; --encoding names another",) if told else ()
    assert source.notes == notes


@pytest.mark.parametrize(
    ("encoding", "table"),
    [("shift_jis", [("表示、「面白い」,\n映画", "良い")]), ("cp1251", [("Это фильм", "да")])],
)
@pytest.mark.parametrize(("kind", "write_as"), [("csv", as_csv), ("jsonl", as_jsonl)])
def test_others_are_read_when_named(write, data_error, encoding, table, kind, write_as):
    path = write(f"a.{kind}", write_as(table).encode(encoding))
    told = data_error(lambda: only(read_columns, open_source(path)))
    assert "is not UTF-8" in told
    assert "--encoding" in told
    source = open_source(path, ReadOptions(encoding=encoding))
    assert read_all(source) == table
    assert source.notes == ()


def test_other_encodings_are_not_taken_for_known_ones():
    chinese = "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工"
    for text, encoding in ((chinese, "gbk"), ("これはとても面白い映画でした。", "euc-jp")):
        assert guess_encoding(weigh([text.encode(encoding)])) not in ("CP949", "Windows-1252")


class TestLate:
    """The first bytes that are not ASCII come after megabytes of ASCII."""

    @pytest.mark.parametrize("call", [read_columns, iter_columns, iter_rows])
    @pytest.mark.parametrize(
        ("encoding", "table"), [("cp949", KOREAN), ("windows-1252", WESTERN), ("utf-8", KOREAN)]
    )
    @pytest.mark.parametrize(("kind", "write_as"), [("csv", as_csv), ("jsonl", as_jsonl)])
    def test_is_read_right(self, write, call, encoding, table, kind, write_as):
        plain = [("a" * 5000, "b")] * 500
        path = write(f"a.{kind}.gz", gzip.compress(write_as(plain + table).encode(encoding), 1))
        source = open_source(path)
        assert source.encoding.name is None
        rows = only(call, source)
        assert [(row["text"], row["label"]) for row in rows] == plain + table
        assert bool(source.notes) == (encoding != "utf-8")

    def test_bytes_that_look_like_utf8_by_chance_do_not_decide(self, write):
        by_chance = b"\xc2\xa1".decode("cp949")
        table = [("a" * 5000, "b")] * 500 + [(by_chance, by_chance)] * 5 + KOREAN * 20
        source = open_source(write("a.csv", as_csv(table).encode("cp949")))
        rows = iter_rows(source, 501)
        assert next(rows)[-1] == {"text": by_chance, "label": by_chance}
        assert read_all(source) == table

    def test_utf8_is_not_read_again(self, write, monkeypatch):
        path = write("a.csv", as_csv([("a" * 5000, "b")] * 500 + KOREAN * 20))
        opened = []
        monkeypatch.setattr(
            decoding, "open_bytes", lambda *a, f=decoding.open_bytes: (opened.append(a), f(*a))[1]
        )
        read_columns(open_source(path), ["text", "label"])
        assert len(opened) == 2, "once for the header, once for the rows"

    def test_ascii_only_stays_unsettled(self, write):
        source = open_source(write("a.csv", as_csv([("a", "b")])))
        assert read_all(source) == [("a", "b")]
        assert source.encoding.name is None


class TestDamagedUtf8:
    """Text that is UTF-8 but for a few bytes is not read as anything else."""

    @pytest.mark.parametrize("call", [read_columns, iter_columns, iter_rows])
    @pytest.mark.parametrize("place", [0, 1, 700, 20_000])
    def test_the_line_is_named(self, write, data_error, call, place):
        lines = ["재미있는 영화,긍정\n".encode()] * 20_000
        lines.insert(place, b"secret caf\xe9,x\n")
        path = write("a.csv", b"text,label\n" + b"".join(lines))
        told = data_error(lambda: only(call, open_source(path)))
        assert f"is not UTF-8: line {place + 2} has the byte 0xE9" in told
        assert "--encoding windows-1252" in told
        assert "secret" not in told

    def test_in_jsonl(self, write, data_error):
        lines = as_jsonl(KOREAN * 50).encode().splitlines(keepends=True)
        lines.insert(7, b'{"text": "\xff", "label": "x"}\n')
        path = write("a.jsonl", b"".join(lines))
        assert "line 8 has the byte 0xFF" in data_error(lambda: only(iter_rows, open_source(path)))

    def test_cut_off_inside_a_character(self, write, data_error):
        path = write("a.csv", as_csv(KOREAN * 50).encode() + "끝".encode()[:2])
        told = data_error(lambda: only(read_columns, open_source(path)))
        assert "is cut off" in told

    def test_a_character_on_the_edge_of_a_block_is_whole(self, write):
        for shift in range(3):
            text = "a" * (decoding.BUFFER_BYTES - 12 - shift) + "한글" * 40
            path = write("a.csv", as_csv([(text, "b")]))
            assert only(read_columns, open_source(path)) == [{"text": text, "label": "b"}]


class TestNamedEncoding:
    def test_is_not_told(self, write):
        source = open_source(write("a.csv", as_csv(KOREAN).encode("cp949")), ReadOptions("euc-kr"))
        assert read_all(source) == KOREAN
        assert source.notes == ()

    @pytest.mark.parametrize("call", [read_columns, iter_columns, iter_rows])
    @pytest.mark.parametrize(
        ("written", "named", "line", "byte"),
        [("latin-1", "utf-8", 3, "E9"), ("utf-8", "ascii", 3, "C3"), ("latin-1", "cp949", 3, "E9")],
    )
    def test_that_does_not_fit_is_an_error_with_the_line(
        self, write, data_error, call, written, named, line, byte
    ):
        path = write("a.csv", 'text,label\nplain,"secret"\nété,b\n'.encode(written))
        told = data_error(lambda: only(call, open_source(path, ReadOptions(encoding=named))))
        assert f"line {line} has the byte 0x{byte}" in told
        assert "leave --encoding out" in told
        assert "secret" not in told

    def test_utf16_without_a_mark(self, write, data_error):
        path = write("a.csv", as_csv(KOREAN).encode("utf-16-le"))
        told = data_error(lambda: only(read_columns, open_source(path, ReadOptions("utf-16"))))
        assert "no byte order mark" in told
        assert "utf-16-le" in told
        assert read_all(open_source(path, ReadOptions("utf-16-le"))) == KOREAN

    def test_a_mark_is_no_part_of_the_first_name(self, write):
        for encoding in ("utf-16-le", "utf-8"):
            path = write("a.csv", ("\ufeff" + as_csv(KOREAN)).encode(encoding))
            assert read_all(open_source(path, ReadOptions(encoding))) == KOREAN

    def test_broken_rows_are_named_by_line(self, write, data_error):
        content = 'text,label\n"둘째\n줄",b\n셋,넷,secret\n'
        for encoding in ("cp949", "utf-16"):
            path = write("a.csv", content.encode(encoding))
            told = data_error(lambda p=path: only(read_columns, open_source(p)))
            assert "line 4: the row has 3 fields" in told
            assert "secret" not in told


class TestDelimiter:
    @pytest.mark.parametrize(
        ("option", "character"), [("|", "|"), ("tab", "\t"), ("semicolon", ";"), (":", ":")]
    )
    def test_is_taken_as_named(self, write, option, character):
        table = [("a,b;c|d\te:f", "x"), ("1,2", "y")]
        path = write("a.csv", as_csv(table, delimiter=character, quoting=csv.QUOTE_ALL))
        source = open_source(path, ReadOptions(delimiter=option))
        assert read_all(source) == table
        assert source.notes == ()

    @pytest.mark.parametrize(
        ("name", "delimiter", "told"),
        [
            ("a.csv", ";", "separated by semicolon"),
            ("a.tsv", ",", "separated by comma"),
            ("a.csv", ",", None),
            ("a.tsv", "\t", None),
            ("a.txt", "|", None),
        ],
    )
    def test_is_told_when_the_suffix_says_another(self, write, name, delimiter, told):
        path = write(name, as_csv(KOREAN, delimiter=delimiter))
        notes = open_source(path).notes
        assert notes == ((f"{path} is {told}; --delimiter names another",) if told else ())


def test_parts_of_characters():
    assert split_whole(b"") == (b"", b"")
    assert split_whole("한".encode()) == ("한".encode(), b"")
    assert split_whole("a😀".encode()[:-1]) == (b"a", "😀".encode()[:-1])
    assert split_whole(b"\x80\x80\x80\x80") == (b"\x80\x80\x80\x80", b"")


HANGUL = st.text(
    st.sampled_from("가나다라마바사아자차카타파하좋은영화였다똠"), min_size=1, max_size=4
)
ACCENTED = st.text(st.sampled_from("éèüßñçàö“”"), min_size=1, max_size=1)
ODD = st.text(st.sampled_from(" ,;\t|\"\n\r'aZ0"), max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    data=st.data(),
    encoding=st.sampled_from(["utf-8", "utf-16", "cp949", "windows-1252"]),
    delimiter=st.sampled_from(",;\t|"),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_round_trip(write, data, encoding, delimiter, ending):
    words = ACCENTED if encoding == "windows-1252" else HANGUL
    cells = st.lists(words | ODD, max_size=4).map("".join)
    table = data.draw(st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
    dialect = {"delimiter": delimiter, "lineterminator": ending, "quoting": csv.QUOTE_ALL}
    path = write("a.csv", as_csv(table, **dialect).encode(encoding))
    named = ReadOptions(encoding=encoding, delimiter=delimiter)
    assert read_all(open_source(path, named)) == table


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(table=st.lists(st.tuples(HANGUL, ODD), min_size=1, max_size=9))
def test_korean_is_detected_whatever_the_words(write, table):
    # Some syllables are valid UTF-8 by chance, so the text needs a majority of others.
    table = [("가 나 다 라 마 바 사 아 좋은 영화", "x"), *table]
    text = as_csv(table, quoting=csv.QUOTE_ALL)
    for encoding in ("cp949", "utf-16", "utf-16-be", "utf-8"):
        assert read_all(open_source(write("a.csv", text.encode(encoding)))) == table
