"""Inputs from strangers: hostile tables, damaged bytes, impossible options, spoilt run folders.

Hypothesis draws the structure of an input (which table, written how, with which options), a seeded
generator of random numbers damages bytes. Nothing here touches a disk or starts a command: the
result is a `Case`, which `tests.trust.fuzz` runs.
"""

import base64
import csv
import gzip
import io
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st

from dsample_cli.cli.main import app
from dsample_cli.core.config import CORRECT_NAMES, LOSS_NAMES

# Stands in texts of the data, and so may be on no stderr and in no error.
SENTINEL = "Zqxsentinel"
RUN, OTHER_RUN = "20260103-130405-cyclic-1a2b", "20260102-130405-natural-3c4d"
LABELS = ("billing", "login", "outage")

WORDS = "invoice charge refund password account locked offline server café naïve 안녕 日本".split()
TEXTS = (
    *("", " ", "\t", "NA", "None", "null", "nan", "1.0", "0", "-", "true", "[]", "{}", "=1+1"),
    *("=cmd|' /C calc'!A0", "@SUM(A1)", "+1", '"', "'", '""', '","', "\\", "\\N", "a,b;c\td|e"),
    *("\x00", "a\x00b", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\r", "\n", "a\r\nb", "\x7f"),
    *("\x85", "\u202egnp.exe", "\u200b", "\u200d\u200c", "\ufeff", "\u2028", "\u2029", "\ufffe"),
    *("\uffff", "[red]x[/red]", "[link=file:///x]y[/link]", "[/]", "<script>alert(1)</script>"),
    *("&amp;", "{0}", "%s%n", "مرحبا بالعالم", "שלום", "e\u0301" * 50, "👩‍👩‍👧‍👦", "𝔘𝔫𝔦"),
    *("\U0010ffff", "ß", "İ", "ﬁ", "\u0345", "x" * 5000, "word " * 1500),
    *("a" * 300 + "\u0300" * 300, ":smile:", "-1", "1e999", "0x10", "١٢"),
)
NAMES = (
    *("text", "label", "Text", "LABEL", " text", "label ", "", " ", "id", "0", "row", "split"),
    *("group", "\u202etxet", "text\n", "a,b", '"', "=1", "[red]", "te\x00xt", "prediction"),
    *("text.1", "x" * 300),
)
ENCODINGS = (
    *("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp949"),
    *("euc_kr", "latin-1", "cp1252", "shift_jis", "gb18030", "big5", "iso2022_jp", "koi8_r"),
    "cp037",
)
ENCODING_NAMES = (
    *ENCODINGS,
    *("rot13", "hex", "base64", "zlib", "bz2", "uu", "idna", "punycode", "unicode_escape", "mbcs"),
    *("raw_unicode_escape", "undefined", "oem", "nonsense", "", " ", "UTF 8", "../x", "utf-8\n"),
    *("é", "x" * 999),
)
NUMBERS = (
    *("0", "1", "2", "-1", "-0", "3", "0.5", "1.0", "1e-9", "1e9", "1e308", "1e309", "-1e309"),
    *("nan", "inf", "-inf", "NaN", "1_000", "0x10", "١", "", " ", "abc", "1,2", "1;2", "None"),
    *("auto", "1e", "--1", "9" * 30, "9" * 400, "9" * 5000, "2147483648", "9223372036854775808"),
    *("-9223372036854775809", "0.1" + "0" * 300 + "1"),
)
WORDS_OF_OPTIONS = (
    *("", " ", "auto", "none", "all", "latest", "best", "text", "label", "a,b", "a=1", "uniform"),
    *("train", "softmax", "cyclic", "softmax+sqrt", "warmup:2+cyclic:3", "warmup:-1", "cyclic:0"),
    *("cyclic:999999999999", "+", "++", ":", "::", "a:b:c", "=", "a=", "=1", "a=nan"),
    *("billing=0.5,login=0.5", "billing=1", "\\,", ",", "..", "../..", "../outside"),
    *("../outside/canary.txt", ".", "/", "/dev/zero", "/proc/self/mem", "missing", "[red]x"),
    *("\x1b[31m", "\u202e", "é€😀", "\udcff", "x" * 300, "x" * 5000, "-", "--", "*", "[", "**/*"),
    *("{a}", "%s", "~", "http://127.0.0.1:9/x", "nobody/no-model", "a/b/c", "C:\\x", "con"),
    *("file:///etc/passwd", "\n", "a\nb", "1"),
)
# Where files may be asked for: nothing else in the sandbox may appear or change.
PLACES = (
    *("out", "out.jsonl", "out.html", "out.png", "made/new/deeper", "made/x.csv", "../asked"),
    *("data", "", ".", "..", "taken", "taken/file", "canary.txt", "a" * 300, "é€😀", "\udcff"),
    *("[red]", "x\ny", "/proc/none/x"),
)
# Rarely a good idea here: they start processes, compile, need a network, or end in an editor.
LEFT_OUT = {"help", "debug", "workers", "jobs", "compile", "engine", "lora", "trials"}
WRITTEN_OPTIONS = {"out", "output", "html", "plot", "confusion", "to", "workspace", "tables"}


@dataclass(frozen=True)
class Case:
    """One command line and all that it meets.

    Attributes:
        kind: Which generator made it.
        args: What stands behind `dsample`.
        files: Path in the working folder -> content.
        variables: Of the environment, beside a clean one.
        stdin: What the command reads there.
        run_changes: Path in the folder of the stored run -> its new content; None takes it away,
            "folder" puts a folder there.
        has_run: Whether the workspace `ws` holds the stored runs.
        has_sentinel: Whether `SENTINEL` stands in texts of the data, and in texts alone.
        seed: Of the damage done to bytes.
    """

    kind: str
    args: tuple[str, ...]
    files: dict[str, bytes] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    stdin: bytes = b""
    run_changes: dict[str, bytes | str | None] = field(default_factory=dict)
    has_run: bool = False
    has_sentinel: bool = False
    seed: int = 0

    @property
    def command(self) -> str:
        """The command that it is about."""
        return self.args[0] if self.args and self.args[0] in commands() else "-"

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {
            **vars(self),
            "files": {name: _packed(content) for name, content in self.files.items()},
            "stdin": _packed(self.stdin),
            "run_changes": {
                name: content if not isinstance(content, bytes) else {"bytes": _packed(content)}
                for name, content in self.run_changes.items()
            },
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Case":
        """Read a kept case."""
        return cls(
            **{
                **value,
                "args": tuple(value["args"]),
                "files": {name: _unpacked(text) for name, text in value["files"].items()},
                "stdin": _unpacked(value["stdin"]),
                "run_changes": {
                    name: _unpacked(content["bytes"]) if isinstance(content, dict) else content
                    for name, content in value["run_changes"].items()
                },
            }
        )


def _packed(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _unpacked(text: str) -> bytes:
    return base64.b64decode(text)


# Bytes


def damage(content: bytes, rng: random.Random) -> bytes:
    """Change bytes in one to three ways."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = rng.choice(DAMAGES)(content, rng)
    return content[: 1 << 20]


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(min(len(changed), rng.choice((1, 1, 2, 8, 64)))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _flip_at_the_end(content: bytes, rng: random.Random) -> bytes:
    return content[:-48] + _flip(content[-48:], rng)


def _flip_at_the_start(content: bytes, rng: random.Random) -> bytes:
    return _flip(content[:32], rng) + content[32:]


def _truncate(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _behead(content: bytes, rng: random.Random) -> bytes:
    return content[rng.randrange(len(content) + 1) :]


def _cut(content: bytes, rng: random.Random) -> bytes:
    low, high = _span(content, rng)
    return content[:low] + content[high:]


def _duplicate(content: bytes, rng: random.Random) -> bytes:
    low, high = _span(content, rng)
    return content[:high] + content[low:high] * rng.choice((1, 1, 2, 30)) + content[high:]


def _splice(content: bytes, rng: random.Random) -> bytes:
    (low, high), at = _span(content, rng), rng.randrange(len(content) + 1)
    return content[:at] + content[low:high] + content[at:]


def _insert(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.choice(_CHUNKS) * rng.choice((1, 1, 3, 500)) + content[at:]


def _overwrite(content: bytes, rng: random.Random) -> bytes:
    at, chunk = rng.randrange(len(content) + 1), rng.choice(_CHUNKS)
    return content[:at] + chunk + content[at + len(chunk) :]


def _new_magic(content: bytes, rng: random.Random) -> bytes:
    magic = rng.choice(_MAGICS)
    return magic + content[rng.choice((0, len(magic))) :]


def _new_parquet_length(content: bytes, rng: random.Random) -> bytes:
    length = rng.choice((0, 1, 7, len(content), len(content) * 2, 0x7FFFFFFF, 0xFFFFFFFF))
    return content[:-8] + length.to_bytes(4, "little") + rng.choice((b"PAR1", b"PARE", b"par1"))


def _new_gzip_header(content: bytes, rng: random.Random) -> bytes:
    return content[:3] + bytes([rng.randrange(256)]) + content[4:]


def _new_gzip_length(content: bytes, rng: random.Random) -> bytes:
    return content[:-4] + rng.randrange(1 << 32).to_bytes(4, "little")


def _span(content: bytes, rng: random.Random) -> tuple[int, int]:
    low = rng.randrange(len(content) + 1)
    return low, min(len(content), low + rng.choice((1, 2, 4, 16, 64, 512)))


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip, _flip, _flip_at_the_end, _flip_at_the_start, _truncate, _truncate, _behead, _cut),
    *(_duplicate, _splice, _insert, _insert, _overwrite, _new_magic, _new_parquet_length),
    *(_new_gzip_header, _new_gzip_length),
)
_CHUNKS = (
    *(b"\x00", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80"),
    *(b'"', b"'", b"\n", b"\r", b",", b";", b"\t", b"|", b"\\", b"{", b"[", b"}", b"]", b'{"a":'),
    *(b"\x1b[31m", b"\x1a", b"1e999", b"NaN", b"null", b"\\ud800", b"\xf4\x8f\xbf\xbf"),
    *(b"\xe2\x80\xa8", b"\x80" * 9 + b"\x01", b"\x7f\xff\xff\xff", b'"",""', b"\r\n\r\n"),
    *(b" " * 40, b"=", b"#", b"--"),
)
_MAGICS = (
    *(b"PAR1", b"PARE", b"\x1f\x8b", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"BZh9"),
    *(b"\xfd7zXZ\x00", b"ARROW1", b"\x89HDF", b"\xd0\xcf\x11\xe0", b"%PDF-1.7", b"\xff\xfe"),
    *(b"\x80\x04", b"\x28\xb5\x2f\xfd\xff", b"\x50\x2a\x4d\x18", b"\x7fELF"),
    *(b"SQLite format 3\x00", b"#!/bin/sh"),
)


# Tables


@dataclass(frozen=True)
class Table:
    """Columns by name, and whether the sentinel stands in texts."""

    columns: dict[str, list[Any]]
    has_sentinel: bool


# Spread evenly, which hypothesis does not do.
seeds = st.binary(min_size=4, max_size=4).map(lambda drawn: int.from_bytes(drawn, "little"))
hostile_texts = st.one_of(
    st.sampled_from(TEXTS),
    st.text(max_size=30),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join),
)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A table of 0 to 40 rows with texts, labels and perhaps other columns, any of them hostile."""
    rng = random.Random(draw(seeds))
    rows = rng.choice((0, 1, 2, 3, 6, 12, 12, 24, 24, 24, 24, 40, 40))
    oddities = draw(st.lists(hostile_texts, max_size=4))
    has_sentinel = rng.random() < 0.5
    labels = list(LABELS)
    if rng.random() < 0.3:
        labels = draw(st.lists(hostile_texts, min_size=1, max_size=6))
    elif rng.random() < 0.05:
        labels = [str(number) for number in range(60)]
    texts = []
    for number in range(rows):
        text = " ".join(rng.choices(WORDS, k=5)) + f" {number}"
        if oddities and rng.random() < 0.3:
            text = rng.choice(oddities)
        if has_sentinel and rng.random() < 0.5:
            text = f"{SENTINEL} {text} {SENTINEL}{number}"
        texts.append(text)
    columns: dict[str, list[Any]] = {
        "text": texts,
        "label": rng.choices(labels, weights=range(len(labels), 0, -1), k=rows),
    }
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=2)):
        if name not in columns:
            columns[name] = [rng.choice(("a", "b", "", "1", *labels)) for _ in range(rows)]
    return Table(columns, has_sentinel)


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def to_csv(
    table: Table, delimiter: str = ",", encoding: str = "utf-8", newline: str = "\n"
) -> bytes:
    """The table as CSV; what the encoding lacks becomes a question mark."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=newline)
    writer.writerow(table.columns)
    writer.writerows(zip(*(map(_text_of, c) for c in table.columns.values()), strict=True))
    return out.getvalue().encode(encoding, "replace")


def to_json_lines(table: Table, encoding: str = "utf-8", ascii_only: bool = False) -> bytes:
    """The table as JSON Lines."""
    lines = [
        json.dumps(dict(zip(table.columns, row, strict=True)), ensure_ascii=ascii_only)
        for row in zip(*table.columns.values(), strict=True)
    ]
    return "".join(line + "\n" for line in lines).encode(encoding, "replace")


def to_parquet(table: Table, codec: str = "none", is_dictionary: bool = False) -> bytes:
    """The table as Parquet; characters that UTF-8 lacks become question marks."""
    arrays = {
        name.encode("utf-8", "replace").decode(): pa.array(
            [v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for v in values],
            pa.string() if all(isinstance(v, str) for v in values) else None,
        )
        for name, values in table.columns.items()
    }
    if is_dictionary:
        arrays = {name: array.dictionary_encode() for name, array in arrays.items()}
    out = io.BytesIO()
    pq.write_table(pa.table(arrays), out, compression=codec, row_group_size=16)
    return out.getvalue()


_ODD_VALUES: tuple[Any, ...] = (
    *(None, True, 0, 1, -1, 1.5, 1e308, 10**18, 10**40, "", "x", [], ["a", "b"], {}, {"a": 1}),
    *([[["deep"]]], {"text": "x", "label": "y"}, "\x00", float("nan"), float("inf")),
)


@st.composite
def odd_json_lines(draw: st.DrawFn) -> tuple[str, bytes]:
    """JSON Lines whose values, keys and lines are not those of a table."""
    rng = random.Random(draw(seeds))
    lines = []
    for number in range(rng.choice((1, 3, 10, 20))):
        record: dict[str, Any] = {
            "text": f"{rng.choice(WORDS)} {number}",
            "label": rng.choice(LABELS),
        }
        change = rng.randrange(10)
        if change == 0:
            record[rng.choice(("text", "label", "other"))] = rng.choice(_ODD_VALUES)
        elif change == 1:
            del record[rng.choice(list(record))]
        elif change == 2:
            record = {rng.choice(NAMES): value for value in record.values()}
        line = json.dumps(record, ensure_ascii=rng.random() < 0.5)
        if change == 3:
            line = rng.choice(
                (
                    *("", " ", "null", "[]", "1", '"x"', "{}", "[1, 2]", "nonsense", "{", "NaN"),
                    *("[" * 3000 + "]" * 3000, '{"text": ' * 2000 + "1" + "}" * 2000, "\ufeff{}"),
                    *(
                        '{"text": "\\ud800", "label": "a"}',
                        '{"text": "a", "text": "b", "label": "c"}',
                    ),
                    *(
                        '{"text": "a\\u0000b", "label": "\\udfff"}',
                        '{"\\ud800": 1}',
                        '{"text": 1e999}',
                    ),
                    *("{'text': 'a', 'label': 'b'}", '{"text": "a", "label": ' + "9" * 5000 + "}"),
                )
            )
        lines.append(line)
    newline = rng.choice(("\n", "\n", "\r\n", "\r", "\n\n", "\u2028"))
    return "jsonl", newline.join(lines).encode("utf-8", "replace")


_ARROW_COLUMNS: tuple[tuple[pa.DataType, Sequence[Any]], ...] = (
    (pa.int64(), (1, 2, -1, None)),
    (pa.float64(), (1.0, float("nan"), float("inf"), None)),
    (pa.bool_(), (True, False, None)),
    (pa.binary(), (b"a", b"\xff\x00", None)),
    (pa.large_string(), ("a", "b", None)),
    (pa.list_(pa.string()), (["a", "b"], [], None)),
    (pa.struct([("a", pa.string()), ("b", pa.int64())]), ({"a": "x", "b": 1}, None)),
    (pa.map_(pa.string(), pa.int64()), ([("a", 1)], None)),
    (pa.timestamp("ns"), (0, 2**62, -(2**62), None)),
    (pa.date32(), (0, 2**31 - 1, None)),
    (pa.time64("us"), (0, 1, None)),
    (pa.decimal128(38, 2), (None,)),
    (pa.null(), (None,)),
    (pa.duration("s"), (0, 2**60, None)),
    (pa.string(), (None,)),
)


@st.composite
def odd_parquets(draw: st.DrawFn) -> tuple[str, bytes]:
    """Parquet with columns of any type, twice the same name, no rows or no columns."""
    rng = random.Random(draw(seeds))
    rows = rng.choice((0, 1, 12, 30))
    names, arrays = [], []
    for name in rng.sample(("text", "label", "text", "other", "\u202ex", ""), rng.randrange(5)):
        kind, values = rng.choice(_ARROW_COLUMNS)
        if rng.random() < 0.4:
            kind, values = pa.string(), LABELS
        names.append(name)
        arrays.append(pa.array([rng.choice(values) for _ in range(rows)], kind))
    out = io.BytesIO()
    pq.write_table(pa.table(arrays, names=names), out, compression=rng.choice(("none", "zstd")))
    return "parquet", out.getvalue()


@st.composite
def written_tables(draw: st.DrawFn) -> tuple[str, bytes, bool, tuple[str, ...]]:
    """A table in some format: suffix, content, whether it has the sentinel, options to read it."""
    table = draw(tables())
    rng = random.Random(draw(seeds))
    form = rng.choice(("csv", "csv", "csv", "tsv", "jsonl", "jsonl", "parquet", "parquet"))
    encoding, options = "utf-8", []
    if form != "parquet" and rng.random() < 0.25:
        encoding = rng.choice(ENCODINGS)
        if rng.random() < 0.5:
            options += [
                "--encoding",
                rng.choice((encoding, encoding, rng.choice(ENCODINGS))),
            ]
    if form in ("csv", "tsv"):
        delimiter = "\t" if form == "tsv" else rng.choice(",,,;|\t")
        content = to_csv(table, delimiter, encoding, rng.choice(("\n", "\n", "\r\n", "\r")))
    elif form == "jsonl":
        content = to_json_lines(table, encoding, rng.random() < 0.5)
    else:
        codec = rng.choice(("none", "snappy", "gzip", "zstd", "brotli", "lz4"))
        content = to_parquet(table, codec, rng.random() < 0.5)
    suffix, content = _packed_up(form, content, rng.randrange(12))
    return suffix, content, table.has_sentinel and encoding == "utf-8", tuple(options)


def _packed_up(form: str, content: bytes, how: int) -> tuple[str, bytes]:
    """Compress some contents; let the suffix of some say nothing, or something wrong."""
    if how == 0:
        return f"{form}.gz", gzip.compress(content, mtime=0)
    if how == 1:
        return f"{form}.zst", pa.compress(content, codec="zstd", asbytes=True)
    if how == 2:
        return ("jsonl", "csv", "parquet", "gz", "zst", "dat")[len(content) % 6], content
    return form, content


# Options


@cache
def commands() -> dict[str, Any]:
    """Name -> command, as Typer has it, with the subcommands of groups by `group name`."""
    root = typer.main.get_command(app)
    found = {}
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        children = getattr(command, "commands", None)
        found[name] = command
        for child, inner in (children or {}).items():
            found[f"{name} {child}"] = inner
    return found


def _options_of(command: str) -> list[Any]:
    return [
        parameter
        for parameter in commands()[command].params
        if parameter.param_type_name == "option" and parameter.name not in LEFT_OUT
    ]


WHOLE_NUMBERS = ("1", "2", "3", "4", "5", "7", "10", "100", "1000", "1000000000", "0")
USABLE_NUMBERS = (
    *("0", "0.1", "0.3", "0.5", "0.9", "0.999999", "1", "2", "10", "1e-9", "1e-30", "5e-324"),
    *("1e9", "1e30", "1e300", "0.0001", "-0.5", "-1"),
)
_SCORES = ("softmax", "inverse", "sqrt", "power", "effective-number", "oversample", "undersample")
_PER_EXAMPLE = ("easy", "hard", "online-batch", "active-bias", "recency-bias", "hard+sqrt")
_SCHEDULES = (
    "natural always cyclic switch warmup deferred linear cosine dcl-convex dcl-concave".split()
)
RIGHT_WORDS: dict[str, Sequence[str]] = {
    "score": (*_SCORES, *_PER_EXAMPLE),
    "schedule": (
        *_SCHEDULES,
        "dcl-composite",
        "warmup:1+cyclic:2",
        "cyclic:2+switch",
        "linear:1+always",
    ),
    "loss": LOSS_NAMES,
    "correct": CORRECT_NAMES,
    "method": CORRECT_NAMES,
    "head": ("crt", "lws", "ncm", "tau-norm", "disalign"),
    "resample": ("smote", "smote-enn", "enn", "oss", "oversample", "ftl"),
    "order": ("file", "shuffled"),
    "optimizer": ("adam", "adafactor"),
    "lr": ("auto", "1e-9", "1", "1e6", "1e30", "1e300"),
    "head_lr_factor": ("auto", "1e-9", "1e9", "1e300"),
    "temperature": ("auto", "1e-9", "1e9", "1e300", "1e-300"),
    "beta": ("auto", "0", "0.5", "0.999999999999999999", "0.9999999"),
    "lr_schedule": ("linear", "cosine", "constant"),
    "select_on": ("macro-f1", "balanced-accuracy", "accuracy", "loss"),
    "class_weight": ("balanced", "one-minus-share", "effective-number"),
    "contrastive_form": ("supervised", "balanced"),
    "active_bias": ("variance", "closeness"),
    "switch_start": ("weighted", "natural"),
    "precision": ("fp32", "bf16", "fp16", "auto"),
    "device": ("cpu", "cuda", "mps", "cuda:7", "meta", "cpu:1"),
    "target_prior": (
        "uniform",
        "train",
        "billing=0.5,login=0.3,outage=0.2",
        "billing=1,login=0,outage=0",
    ),
    "groups": ("10,2", "0,0", "9" * 30 + ",1", "1,1"),
    "labels": ("outage,login,billing", "billing,login", "billing,login,outage,more", "data.csv"),
    "text_column": ("text", "group", "label"),
    "label_column": ("label", "group", "text"),
    "group_column": ("group", "text", "label"),
    "by": ("group", "text", "label"),
    "fail_under": (
        "macro_f1=0.9",
        "recall:billing=1",
        "group:few=0.5",
        "macro_f1=nan",
        "f1:=1",
        "mcc=-1e999",
    ),
    "against": ("data.csv", "data.jsonl"),
    "val": ("data.csv", "data.jsonl"),
    "test": ("data.csv", "data.jsonl"),
    "preset": ("paper",),
    "split": ("test", "validation", "auto"),
    "report_to": ("none", "tensorboard", "wandb", "none,none", "mlflow"),
    "unknown_labels": ("drop", "error"),
    "run": (RUN, OTHER_RUN, "latest", "best", f"ws/runs/{RUN}"),
    "model": ("tiny", "ws", f"ws/runs/{RUN}/model", "data", "data.csv"),
    "max_bytes": ("1", "1KB", "10MB", "0", "1e9", "-1MB", "nanMB", "1 GB", "99999999TB"),
}


@st.composite
def hostile_options(draw: st.DrawFn, command: str) -> list[str]:
    """One to four options of a command with values that are wrong, huge, odd, or right."""
    args: list[str] = []
    rng = random.Random(draw(seeds))
    for option in rng.choices(_options_of(command), k=rng.choice((1, 1, 1, 2, 3, 4))):
        flag = rng.choice((*option.opts, *option.secondary_opts))
        if option.is_flag:
            args.append(flag)
            continue
        value = draw(hostile_values(option))
        args += (
            [f"{flag}={value}"] if flag.startswith("--") and rng.random() < 0.5 else [flag, value]
        )
    if rng.random() < 0.05:
        args.append(rng.choice(("--nonsense", "--", "-", "-x", "--json=1", "--debu", "extra")))
    return args


def hostile_values(option: Any) -> st.SearchStrategy[str]:
    """Values for an option by its name and type; some of them are right, to get further."""
    if option.name in WRITTEN_OPTIONS:
        return st.sampled_from(PLACES)
    if option.name in ("encoding", "delimiter"):
        return st.sampled_from((*ENCODING_NAMES, ",", ";", "tab", "pipe", "\t", "ab", '"'))
    right = st.sampled_from(RIGHT_WORDS.get(option.name, WORDS_OF_OPTIONS))
    numbers, words = st.sampled_from(NUMBERS), st.sampled_from(WORDS_OF_OPTIONS)
    # Where versions of Typer keep the type of an option differs.
    kind = getattr(option, "type_descriptor", None) or getattr(option, "type", None)
    kind = str(getattr(kind, "annotation", kind))
    if re.search("int|float", kind, re.IGNORECASE):
        is_whole = re.search("int", kind, re.IGNORECASE)
        usable = st.sampled_from(WHOLE_NUMBERS if is_whole else USABLE_NUMBERS)
        return st.one_of(usable, usable, usable, numbers, words)
    return st.one_of(right, right, words, numbers, arguments)


# What a command line and a variable can hold: no NUL, and bytes that are no UTF-8 as surrogates.
arguments = st.text(
    st.one_of(
        st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), st.just("\udcff")
    ),
    max_size=12,
)


@st.composite
def config_files(draw: st.DrawFn, command: str) -> bytes:
    """A config file with options of a command, some damaged."""
    rng = random.Random(draw(seeds))
    lines = []
    for option in rng.sample(_options_of(command), min(3, len(_options_of(command)))):
        name = rng.choice((option.name, option.name.replace("_", "-")))
        if option.name in WRITTEN_OPTIONS:
            value = json.dumps(rng.choice(("out", "../asked", "", ".", "taken", "x\u0000y")))
        else:
            value = rng.choice(
                (
                    *(
                        "1",
                        "-1",
                        "0.5",
                        "nan",
                        "inf",
                        "1e308",
                        "9" * 25,
                        "true",
                        "false",
                        '""',
                        '"auto"',
                    ),
                    *(
                        "[]",
                        "[1, 2]",
                        '["a", "b"]',
                        "{}",
                        "{a = 1}",
                        "1979-05-27",
                        "07:32:00",
                        "[[1]]",
                    ),
                    *(
                        '"x\\u0000y"',
                        '"\\u202e"',
                        "'''\n'''",
                        '"text"',
                        '"label"',
                        "[{a = 1}]",
                        '"missing"',
                    ),
                )
            )
        lines.append(f"{name} = {value}")
    if rng.random() < 0.3:
        lines.append(f"[{rng.choice((command, 'train', 'nonsense', 'a.b', ''))}]\nseed = 1")
    content = "\n".join(lines).encode() + b"\n"
    return damage(content, rng) if rng.random() < 0.4 else content


# Run folders


def _at_random(value: Any, rng: random.Random) -> Any:
    """JSON with one node replaced, taken away, or put somewhere else."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        if rng.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if rng.random() < 0.1:
            return {rng.choice(NAMES) if k == key else k: v for k, v in value.items()}
        return {k: _at_random(v, rng) if k == key else v for k, v in value.items()}
    if isinstance(value, list) and value and rng.random() < 0.85:
        index = rng.randrange(len(value))
        if rng.random() < 0.2:
            return [*value[:index], *value[index + 1 :]]
        return [_at_random(v, rng) if i == index else v for i, v in enumerate(value)]
    return rng.choice(_ODD_JSON)


_ODD_JSON: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 1.5, 1e308, -0.0, 10**9, 10**30, "", "x", "../outside"),
    *("\x00", [], [[]], {}, {"a": 1}, "/etc/passwd", "nan", "\u202e", "\x1b[31m", "x" * 3000),
    *([None], ["a"], float("nan"), float("inf"), "float64", "auto", {"0": "a"}),
    "20260103-130405-natural-3c4d",
)


def changed_json(content: bytes, rng: random.Random) -> bytes:
    """A JSON file, or one of JSON Lines, with other values."""
    try:
        value = json.loads(content)
    except ValueError:
        lines = content.split(b"\n")
        index = rng.randrange(max(1, len(lines) - 1))
        try:
            lines[index] = json.dumps(_at_random(json.loads(lines[index]), rng)).encode()
        except ValueError:
            return damage(content, rng)
        return b"\n".join(lines)
    for _ in range(rng.choice((1, 1, 2, 4))):
        value = _at_random(value, rng)
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


OFTEN_SPOILT = {"run.json", "model/config.json", "metrics.json"}
LEAVES = (".png", ".html", ".md")


@st.composite
def run_changes(draw: st.DrawFn, stored: dict[str, bytes]) -> dict[str, bytes | str | None]:
    """One or two files of a stored run changed, damaged, taken away or replaced by a folder."""
    rng = random.Random(draw(seeds))
    changes: dict[str, bytes | str | None] = {}
    names = sorted(stored)
    # The manifest and the model's config decide most; pictures and pages nothing.
    weights = [8 if name in OFTEN_SPOILT else 1 if name.endswith(LEAVES) else 4 for name in names]
    for name in rng.choices(names, weights=weights, k=rng.choice((1, 1, 2))):
        how = rng.randrange(20)
        content = stored[name]
        if how == 0:
            changes[name] = None
        elif how == 1:
            changes[name] = "folder"
        elif how == 2:
            changes[name] = rng.choice(
                (b"", b"\x00" * 64, b"null", b"[]", b"{}", b"1", b'"x"', b"\xff\xfe")
            )
        elif how < 14 and name.endswith((".json", ".jsonl")):
            changes[name] = changed_json(content, rng)
        else:
            changes[name] = damage(content, rng)
    return changes


# Cases


QUICK = ("--model", "tiny", "--epochs", "1", "--batch-size", "32")


@st.composite
def data_cases(draw: st.DrawFn, command: str) -> Case:
    """A command on a table: hostile but whole, odd, or damaged."""
    seed = draw(seeds)
    rng = random.Random(seed)
    how = rng.random()
    options: tuple[str, ...] = ()
    has_sentinel = False
    # A training takes long, and is reached by what can be read alone.
    damaged = 0.25 if command == "train" else 0.4
    if how < 0.08:
        suffix, content = draw(odd_json_lines())
    elif how < 0.16:
        suffix, content = draw(odd_parquets())
    elif how < 0.2:
        suffix, content = "csv", rng.randbytes(rng.choice((0, 1, 10, 300, 3000)))
    else:
        suffix, content, has_sentinel, options = draw(written_tables())
    if rng.random() < damaged:
        content, has_sentinel = damage(content, rng), False
    is_stdin = command != "train" and rng.random() < 0.08
    name = "-" if is_stdin else f"data.{suffix}"
    return Case(
        f"{command}: data",
        (*_on_data(command, name, rng), *options),
        {} if is_stdin else {name: content},
        stdin=content if is_stdin else b"",
        has_run=_needs_run(command),
        has_sentinel=has_sentinel,
        seed=seed,
    )


def _needs_run(command: str) -> bool:
    return command not in ("analyze", "split", "train", "methods", "schedule", "sweep")


def _on_data(command: str, name: str, rng: random.Random) -> list[str]:
    """A usual command line on a data file, with some options that are right."""
    more = {
        "analyze": f"--fast --model=tiny --json --strict --html=out.html -q --against={name}",
        "split": "--json --folds=3 --val-size=0.3 --force -q --group-column=group",
        "train": "--json --test-size=0.2 --val-size=0.4 -q --unknown-labels=drop",
        "evaluate": "--json --no-intervals --unknown-labels=drop --errors=3 --by=group",
        "predict": "--no-data --top=2 -q --target-prior=uniform -oout.jsonl",
        "schedule": "--json --epochs=4 --score=sqrt --schedule=dcl-convex",
    }[command].split()
    chosen = [option for option in more if rng.random() < 0.25]
    if command == "analyze" and rng.random() < 0.8 and "--model=tiny" not in chosen:
        chosen.append("--model=tiny")  # to load the tokenizer of minilm for each takes its time
    if command == "analyze" and "--html=out.html" in chosen and rng.random() < 0.8:
        chosen.remove("--html=out.html")
    if command == "split":
        chosen.append("--out=out")
    if command == "train":
        chosen += QUICK
    if command == "evaluate" and rng.random() < 0.3:
        return [
            command,
            "--predictions",
            name,
            "--prediction-column",
            rng.choice(("text", "label")),
            *chosen,
        ]
    return (
        [command, name, "--workspace=ws", *chosen]
        if command != "split"
        else [command, name, *chosen]
    )


GOOD = Table(
    {
        "text": [f"{WORDS[n % 11]} {WORDS[n * 7 % 9]} {SENTINEL} {n}" for n in range(24)],
        "label": [LABELS[(0, 0, 0, 1, 1, 2)[n % 6]] for n in range(24)],
        "group": [f"g{n % 5}" for n in range(24)],
    },
    True,
)
GOOD_FILES = {"data.csv": to_csv(GOOD), "data.jsonl": to_json_lines(GOOD)}


@st.composite
def option_cases(draw: st.DrawFn, command: str) -> Case:
    """A command with hostile options, variables or a hostile config file."""
    rng = random.Random(draw(seeds))
    args = [*command.split(), *draw(_positionals(command))]
    if command == "split" and rng.random() < 0.8:
        args += ["--out", "out"]
    if command not in ("split", "methods"):
        args += ["--workspace", "ws"]
    variables: dict[str, str] = {}
    files = dict(GOOD_FILES)
    options = _options_of(command)
    how = rng.random()
    if how < 0.6:
        args += draw(hostile_options(command))
    elif how < 0.8:
        for option in rng.sample(options, rng.choice((1, 2))):
            variables[f"DSAMPLE_{option.name.upper()}"] = draw(hostile_values(option))
    elif "config" in {option.name for option in options}:
        files["options.toml"] = draw(config_files(command))
        args += ["--config", "options.toml"]
    if command in ("train", "sweep"):
        # Last, so that it wins: a training of many epochs would be what was asked for.
        quick = list(QUICK) if not any("--model" in arg for arg in args) else list(QUICK[2:])
        if rng.random() < 0.05:
            quick[-1] = rng.choice(NUMBERS)
        args += [*quick, *["--dry-run"][: command == "sweep" and rng.random() < 0.8]]
    if rng.random() < 0.3:
        args.append("--json")
    return Case(
        f"{command}: options",
        tuple(args),
        files,
        variables,
        has_run=_needs_run(command) or rng.random() < 0.3,
        has_sentinel=_reads_as_usual(args) and _reads_as_usual([*variables]),
    )


def _reads_as_usual(words: Sequence[str]) -> bool:
    """Whether no option makes labels or columns of what are texts, or asks for texts."""
    told = "errors delimiter encoding column by config val test labels against fail target".split()
    return not any(name in word.lower() for word in words for name in told)


def _positionals(command: str) -> st.SearchStrategy[list[str]]:
    runs = st.sampled_from((RUN, RUN, OTHER_RUN, "latest", "best", RUN[:8], *NO_RUNS))
    texts = st.one_of(st.sampled_from(WORDS_OF_OPTIONS), arguments)
    files = st.sampled_from((*["data.csv"] * 8, "data.jsonl", "*.csv", *NO_FILES))
    if command in ("methods", "doctor"):
        return st.lists(texts, max_size=1)
    if command == "compare":
        return st.lists(runs, min_size=1, max_size=3)
    if command == "runs remove":
        return st.lists(runs, max_size=2)
    if command in ("runs note", "runs tag"):
        return st.tuples(runs, texts).map(list)
    if command == "runs show":
        return runs.map(lambda run: [run])
    if command in ("analyze", "split", "train", "evaluate", "predict", "schedule", "sweep"):
        return files.map(lambda file: [file])
    return st.just([])


NO_RUNS = (
    "../outside",
    "..",
    "",
    "missing",
    "2026",
    "ws",
    f"ws/runs/{RUN}/model",
    "data.csv",
    "ws/runs/../..",
)
NO_FILES = ("missing.csv", ".", "-", "", "/dev/zero", "ws", "data.csv/x", "\udcff")
READERS = (
    *("evaluate", "evaluate", "evaluate data.csv", "predict data.csv", "predict data.csv"),
    *("runs list", "runs show latest", f"runs show {RUN}", "runs best", "runs du"),
    *("runs prune --keep 1 --yes", f"runs tag {RUN} a", f"runs note {RUN} x", f"runs remove {RUN}"),
    *(f"compare {RUN} {OTHER_RUN}", "compare latest best --split validation", "export --to out"),
    *("schedule data.csv", "doctor", "correct --method none", f"train --resume {RUN}"),
    f"refit --run {RUN} --head ncm",
)


@st.composite
def run_cases(draw: st.DrawFn, stored: dict[str, bytes], readers: Sequence[str] = READERS) -> Case:
    """A command on a stored run that somebody spoilt."""
    rng = random.Random(draw(seeds))
    line = rng.choice([reader for reader in readers if reader.split()[0] in commands()])
    changes = draw(run_changes(stored))
    args = [*line.split(), "--workspace", "ws"]
    if rng.random() < 0.3 and not line.startswith("predict"):
        args.append("--json")
    if line.startswith("predict") and rng.random() < 0.5:
        args += ["-o", "out.jsonl"]
    # Labels and columns of a changed run may be anything; its texts are still nobody's business.
    return Case(
        f"{line.split()[0]}: run", tuple(args), dict(GOOD_FILES), run_changes=changes, has_run=True
    )


SHARES: dict[str, int] = {
    "analyze: data": 260,
    "analyze: options": 90,
    "split: data": 150,
    "split: options": 50,
    "train: data": 60,
    "train: options": 60,
    "evaluate: data": 60,
    "evaluate: options": 30,
    "predict: data": 80,
    "predict: options": 30,
    "schedule: data": 15,
    "others: options": 45,
    "any: run": 180,
}
OTHERS = (
    *("schedule", "methods", "compare", "export", "sweep", "correct", "refit", "doctor"),
    *("runs list", "runs show", "runs best", "runs tag", "runs note", "runs prune", "runs du"),
    "runs remove",
)


def _strategy(kind: str, stored: dict[str, bytes]) -> st.SearchStrategy[Case]:
    command, about = kind.split(": ")
    if about == "data":
        return data_cases(command)
    if about == "run":
        return run_cases(stored)
    if command == "others":
        known = [name for name in OTHERS if name in commands()]
        return st.sampled_from(known).flatmap(option_cases)
    return option_cases(command)


def draw_cases(
    seed: int, count: int, stored: dict[str, bytes], only: Sequence[str] = ()
) -> Iterator[Case]:
    """Draw cases in the shares of `SHARES`, the same for the same seed.

    Args:
        seed: Of all draws.
        count: Of the cases.
        stored: The files of the stored run.
        only: Commands to draw for; all when empty.
    """
    kinds = [kind for kind in SHARES if not only or kind.split(":")[0] in only]
    rng = random.Random(seed)
    wanted = rng.choices(kinds, weights=[SHARES[kind] for kind in kinds], k=count)
    drawn = {
        kind: iter(_examples(_strategy(kind, stored), seed + number, wanted.count(kind)))
        for number, kind in enumerate(kinds)
    }
    for kind in wanted:
        yield next(drawn[kind])


def _examples(strategy: st.SearchStrategy[Case], seed: int, count: int) -> list[Case]:
    found: list[Case] = []

    # Twice as many as needed: hypothesis may leave repeated ones out.
    @hypothesis_seed(seed)
    @settings(
        max_examples=count + 10,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(case: Case) -> None:
        found.append(case)

    if count:
        collect()
        while len(found) < count:
            found.append(found[len(found) % 7])
    return found[:count]
