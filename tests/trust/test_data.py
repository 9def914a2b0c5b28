"""Data files from strangers: bounded, answered in one line, and quoted nowhere."""

import gzip
import json
import os
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsample_cli.core.read_options import ReadOptions, default_max_bytes, parse_size
from dsample_cli.data import csv_text, read, sources, streams
from dsample_cli.data.read import iter_columns, iter_rows, read_columns
from dsample_cli.data.sources import check_unchanged, column_names, open_source
from dsample_cli.errors import ConfigError, DataError
from tests.cli.conftest import trained  # noqa: F401
from tests.helpers import QUICK, make_tickets
from tests.trust.hostile_files import FILES

MEGABYTE = 1 << 20
ROW = b"a few words,login\n"


@pytest.fixture
def short_rows(monkeypatch):
    """Let rows, headers and tables of columns be small, so that the tests need not be large."""
    for module in (streams, csv_text):
        monkeypatch.setattr(module, "MOST_ROW_BYTES", MEGABYTE)
    monkeypatch.setattr(csv_text, "HEADER_BYTES", 1 << 12)
    monkeypatch.setattr(csv_text, "MOST_HEADER_BYTES", 1 << 16)
    monkeypatch.setattr(read, "BLOCK_BYTES", (1 << 16, MEGABYTE))
    monkeypatch.setattr(streams, "MOST_COLUMNS", 1000)


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def parquet(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    words = content[: len(content) // 2].decode()
    table = pa.table({"text": [words + "a", words + "b"], "label": ["a", "b"]})
    pq.write_table(table, sink, use_dictionary=False)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("hostile", FILES, ids=[ascii(hostile.name)[1:-1] for hostile in FILES])
def test_analyze_answers_every_hostile_file(dsample, tmp_path, short_rows, hostile):
    path = tmp_path / hostile.name
    hostile.write(path, 0.002 if "bomb" not in hostile.name else 0.0002)
    done = dsample("analyze", path, "--fast", "--max-bytes", "8M", "--workspace", "workspace")
    assert done.code in (0, 1)
    assert "Traceback" not in done.err
    if done.code:
        errors = [line for line in done.err.splitlines() if line.startswith("Error: ")]
        assert len(errors) == 1
        assert hostile.name.partition("\x1b")[0] in errors[0]
        assert done.err.splitlines()[-1].startswith("Hint: ")
        assert "Unexpected" not in errors[0]


class TestMaxBytes:
    @pytest.mark.parametrize(
        ("text", "n_bytes"), [("1000", 1000), ("1k", 1024), ("2 MiB", 2 << 20), ("3GB", 3 << 30)]
    )
    def test_sizes(self, text, n_bytes):
        assert parse_size(text) == n_bytes

    @pytest.mark.parametrize("text", ["", "0", "-1", "1.5G", "1X", "G", "1e9", "9" * 40])
    def test_what_is_no_size(self, text):
        with pytest.raises(ConfigError, match="--max-bytes"):
            ReadOptions(max_bytes=text)

    @pytest.mark.parametrize(
        ("name", "compress", "does"),
        [
            ("a.csv.gz", gzip.compress, "decompresses to"),
            ("a.csv.zst", zstd, "decompresses to"),
            ("a.csv", bytes, "has"),
            ("a.parquet", parquet, "says that it holds"),
        ],
    )
    @pytest.mark.parametrize("reads", [read_columns, lambda *args: list(iter_columns(*args))])
    def test_more_than_that_is_not_read(self, tmp_path, name, compress, does, reads):
        content = b"text,label\n" + ROW * 100_000
        (tmp_path / name).write_bytes(compress(content))
        with pytest.raises(DataError, match=f"{name} {does} more than 1M") as caught:
            reads(open_source(tmp_path / name, ReadOptions(max_bytes="1M")), ["text", "label"])
        assert "--max-bytes 4M" in caught.value.hint
        enough = open_source(tmp_path / name, ReadOptions(max_bytes="4M"))
        assert reads(enough, ["text", "label"]) is not None

    def test_without_it_a_compressed_file_may_grow_fiftyfold(self, tmp_path, monkeypatch):
        monkeypatch.setattr("dsample_cli.core.read_options.LEAST_MAX_BYTES", MEGABYTE)
        content = gzip.compress(b"text,label\n" + ROW * 200_000)
        (tmp_path / "a.csv.gz").write_bytes(content)
        limit = default_max_bytes(len(content))
        assert limit == max(MEGABYTE, 50 * len(content))
        with pytest.raises(DataError, match=f"{limit:,} bytes"):
            read_columns(open_source(tmp_path / "a.csv.gz"), ["text"])
        (tmp_path / "a.csv").write_bytes(gzip.decompress(content))
        assert read_columns(open_source(tmp_path / "a.csv"), ["text"]).num_rows == 200_000

    def test_copies_of_one_value_count(self, tmp_path, monkeypatch):
        """Of a dictionary every row can be a copy: kilobytes that hold gigabytes."""
        monkeypatch.setattr("dsample_cli.data.parquet.BATCH_BYTES", 1 << 24)
        texts = pa.array(["x" * 100_000, "y"]).take(pa.array([1] + [0] * 5_000))
        table = pa.table({"text": texts, "label": ["a"] * len(texts)})
        pq.write_table(table, tmp_path / "a.parquet")
        assert (tmp_path / "a.parquet").stat().st_size < MEGABYTE
        source = open_source(tmp_path / "a.parquet", ReadOptions(max_bytes="40M"))
        batches = iter_columns(source, ["text"])
        assert next(batches).nbytes < 20 * MEGABYTE
        with pytest.raises(DataError, match="decompresses to more than 40M"):
            list(batches)

    def test_every_command_knows_it(self, dsample, trained, tmp_path):  # noqa: F811
        (tmp_path / "a.csv.gz").write_bytes(gzip.compress(make_tickets().encode() * 9))
        given = ("a.csv.gz", "--max-bytes", "2000")
        stored = ("--workspace", trained.workspace)
        for command in (
            ("analyze", *given),
            ("split", *given, "--out", "parts"),
            ("schedule", *given),
            ("train", *given, *QUICK),
            ("sweep", *given, *QUICK, "--seed", "1,2"),
            ("evaluate", *given, *stored),
            ("predict", *given, *stored, "-o", "out.jsonl"),
        ):
            done = dsample(*command)
            assert done.code == 1, command
            assert "a.csv.gz decompresses to more than 2000 (2,000 bytes)" in done.err, command
            assert "--max-bytes 8K" in done.err
        assert not (tmp_path / "out.jsonl").exists()

    def test_config_file_and_variable(self, dsample, tmp_path, monkeypatch):
        (tmp_path / "a.csv.gz").write_bytes(gzip.compress(make_tickets().encode()))
        (tmp_path / "c.toml").write_text('max-bytes = "2000"\n')
        assert "--max-bytes 8K" in dsample("analyze", "a.csv.gz", "--config", "c.toml").err
        monkeypatch.setenv("DSAMPLE_MAX_BYTES", "1K")
        assert "more than 1K (1,024 bytes)" in dsample("analyze", "a.csv.gz").err

    def test_it_is_stored_but_tells_no_runs_apart(self):
        from dsample_cli.core.config import TrainConfig
        from dsample_cli.workflows.documents import train_command
        from dsample_cli.workflows.run_names import training_options

        config = TrainConfig(data="a.csv", max_bytes="1G")
        assert TrainConfig.from_options(config.to_options()).read_options.max_bytes == "1G"
        assert train_command(config) == "dsample train a.csv"
        plain = {"config": TrainConfig(data="a.csv").to_options()}
        assert training_options({"config": config.to_options()}) == training_options(plain)


class TestStreams:
    @pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/dev/full"])
    def test_devices_without_an_end(self, device):
        if not os.path.exists(device):
            pytest.skip("no such device")
        with pytest.raises(DataError, match=r"binary data|empty|cannot be told"):
            open_source(device)

    def test_a_pipe_without_an_end(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")

        def write() -> None:
            with open(tmp_path / "pipe", "wb") as pipe:
                try:
                    pipe.write(b"text,label\n")
                    while True:
                        pipe.write(ROW * 1000)
                except BrokenPipeError:
                    os.dup2(os.open(os.devnull, os.O_WRONLY), pipe.fileno())

        writer = threading.Thread(target=write)
        writer.start()
        with pytest.raises(DataError, match="pipe has more than 1M"):
            open_source(tmp_path / "pipe", ReadOptions(max_bytes="1M"))
        writer.join(10)
        assert not writer.is_alive()

    def test_a_pipe_that_nobody_writes_to(self, tmp_path, monkeypatch):
        monkeypatch.setattr(sources, "PIPE_SECONDS", 0.2)
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DataError, match="Nobody wrote to the pipe"):
            open_source(tmp_path / "pipe")

    def test_a_pipe_with_a_slow_writer(self, tmp_path, monkeypatch):
        monkeypatch.setattr(sources, "PIPE_SECONDS", 0.2)
        os.mkfifo(tmp_path / "pipe")
        may_write = threading.Event()

        def write() -> None:
            with open(tmp_path / "pipe", "wb") as pipe:
                may_write.wait(1)
                pipe.write(b"text,label\n" + ROW)

        writer = threading.Thread(target=write)
        writer.start()
        assert column_names(open_source(tmp_path / "pipe")) == ["text", "label"]
        writer.join(10)


class TestLongRows:
    @pytest.mark.parametrize("quote", ["", '"'])
    def test_a_cell_that_is_too_long(self, tmp_path, short_rows, quote):
        path = tmp_path / "a.csv"
        path.write_bytes(
            b"text,label\n"
            + ROW
            + quote.encode()
            + b"x" * (2 * MEGABYTE)
            + quote.encode()
            + b",b\n"
        )
        for reads in (read_columns, lambda *args: list(iter_columns(*args))):
            with pytest.raises(DataError, match=r"a\.csv, line 3: the row that starts here has"):
                reads(open_source(path), ["text"])

    def test_a_line_of_json_that_is_too_long(self, tmp_path, short_rows):
        path = tmp_path / "a.jsonl"
        path.write_text('{"text": "a"}\n{"text": "' + "x" * (2 * MEGABYTE))
        with pytest.raises(DataError, match=r"a\.jsonl, line 2: the row that starts here has"):
            read_columns(open_source(path), ["text"])

    def test_a_text_in_parquet_that_is_too_long(self, tmp_path, monkeypatch):
        monkeypatch.setattr("dsample_cli.data.parquet.MOST_ROW_BYTES", MEGABYTE)
        pq.write_table(pa.table({"text": ["a", "x" * (2 * MEGABYTE)]}), tmp_path / "a.parquet")
        with pytest.raises(DataError, match=r"a\.parquet, row 1: the row that starts here has"):
            read_columns(open_source(tmp_path / "a.parquet"), ["text"])

    def test_a_quote_left_open_in_a_large_file(self, tmp_path, short_rows):
        path = tmp_path / "a.csv"
        path.write_bytes(b'text,label\n"open,a\n' + ROW * 200_000)
        with pytest.raises(DataError, match="line 2") as caught:
            read_columns(open_source(path), ["text"])
        assert "quote is left open" in caught.value.hint

    def test_a_header_without_an_end(self, tmp_path, short_rows):
        (tmp_path / "a.csv").write_bytes(b"text,label" + b"x" * MEGABYTE)
        with pytest.raises(DataError, match="line 1: the row that starts here"):
            column_names(open_source(tmp_path / "a.csv"))

    def test_a_header_of_any_length_that_ends(self, tmp_path, short_rows):
        names = ["text", "label", "x" * 5000, "y" * 5000]
        (tmp_path / "a.csv").write_text(",".join(names) + "\na,b,c,d\n")
        assert column_names(open_source(tmp_path / "a.csv")) == names
        assert read_columns(open_source(tmp_path / "a.csv"), ["label"]).to_pydict() == {
            "label": ["b"]
        }

    def test_whole_rows_come_in_batches_by_their_length(self, tmp_path, monkeypatch):
        monkeypatch.setattr(read, "BATCH_CHARACTERS", 1000)
        (tmp_path / "a.csv").write_text("text,label\n" + f"{'x' * 600},b\n" * 9)
        sizes = [len(batch) for batch in iter_rows(open_source(tmp_path / "a.csv"), 4)]
        assert sizes == [2, 2, 2, 2, 1]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", lambda names: ",".join(names) + "\n" + ",".join("1" * len(names)) + "\n"),
        ("a.jsonl", lambda names: json.dumps(dict.fromkeys(names)) + "\n"),
    ],
)
def test_too_many_columns(tmp_path, short_rows, name, write):
    (tmp_path / name).write_text(write(["text", "label", *(f"c{k}" for k in range(999))]))
    with pytest.raises(DataError, match=r"1,001 columns; at most 1,000 are read"):
        column_names(open_source(tmp_path / name))


class TestNoTarget:
    @pytest.mark.parametrize("command", ["train", "schedule", "split", "sweep"])
    def test_labels_of_their_own(self, fails, tmp_path, command):
        rows = "".join(f"words {k},id-{k}\n" for k in range(100))
        (tmp_path / "a.csv").write_text("text,label\n" + rows)
        fails(
            *(command, "a.csv", *(["--out", "parts"] if command == "split" else [])),
            kind="DataError",
            message="column 'label' has 100 different values in 100 rows (100%)",
            hint="--label-column NAME",
        )

    @pytest.mark.parametrize(("each", "share"), [(1, "100%"), (2, "50%")])
    def test_analyze_of_more_than_it_can_show(self, fails, tmp_path, each, share):
        rows = "".join(f"words {k},id-{k // each}\n" for k in range(24_000))
        (tmp_path / "a.csv").write_text("text,label\n" + rows)
        fails("analyze", "a.csv", kind="DataError", message=share, hint="--label-column NAME")

    def test_predictions_of_another_tool(self, fails, tmp_path):
        rows = "".join(f"id-{k},x\n" for k in range(100))
        (tmp_path / "a.csv").write_text("label,prediction\n" + rows)
        fails(
            *("evaluate", "--predictions", "a.csv"),
            kind="DataError",
            message="column 'label' has 100 different values",
            hint="--label-column",
        )

    def test_few_examples_a_class_are_still_classes(self, dsample, tmp_path):
        rows = "".join(f"words {k},class-{k % 60}\n" for k in range(180))
        (tmp_path / "a.csv").write_text("text,label\n" + rows)
        assert dsample("schedule", "a.csv", "--val-size", "0").code == 0


class TestChangedWhileRead:
    def test_a_file_that_grows(self, tmp_path):
        (tmp_path / "a.csv").write_bytes(b"text,label\n" + ROW)
        source = open_source(tmp_path / "a.csv")
        check_unchanged(source)
        with open(tmp_path / "a.csv", "ab") as file:
            file.write(ROW)
        with pytest.raises(DataError, match=r"a\.csv changed while it was read"):
            check_unchanged(source)

    @pytest.mark.parametrize("command", ["analyze", "split", "schedule"])
    def test_commands_notice(self, fails, tmp_path, monkeypatch, command):
        from dsample_cli.data import facts, table

        (tmp_path / "a.csv").write_text(make_tickets())

        def and_remove(function):
            def call(*args):
                (tmp_path / "a.csv").unlink(missing_ok=True)
                return function(*args)

            return call

        monkeypatch.setattr(table, "check_unchanged", and_remove(table.check_unchanged))
        monkeypatch.setattr(facts, "check_unchanged", and_remove(facts.check_unchanged))
        done = [command, "a.csv", *(["--out", "parts"] if command == "split" else [])]
        from dsample_cli.cli.main import run

        assert run(done) == 1
        assert not list(tmp_path.glob("parts/*"))


SENTINEL = "xyzzysecret"
TEXT = f"some {SENTINEL} words"


def _rows(n: int = 12, text: str = TEXT) -> str:
    return "".join(f"{text} {k},{'ab'[k % 2]}\n" for k in range(n))


DEFECTS: dict[str, str | bytes] = {
    "ragged.csv": "text,label\n" + _rows() + f"{TEXT},a,b\n",
    "short.csv": "text,label,more\n" + f"{TEXT},a,1\n" * 9 + TEXT + "\n",
    "quote.csv": "text,label\n" + _rows() + f'"{TEXT},a\n{TEXT},b\n',
    "header-quote.csv": f'text,"label\n{_rows()}',
    "header.csv": f"text,label,text\n{TEXT},a,b\n",
    "bytes.csv": b"text,label\n"
    + f"th\u00e9 {TEXT},a\n".encode() * 9
    + f"{TEXT} \xff,a\n".encode("latin-1"),
    "utf16.csv": b"\xff\xfe" + f"text,label\n{_rows()}".encode("utf-16-le") + b"\x00\xd8",
    "nul.csv": f"text,label\n{TEXT}\0,a\n",
    "json.jsonl": f'{{"text": "{TEXT}", "label": "a"}}\n{{"text": "{TEXT}", "label": }}\n',
    "array.jsonl": f'["{TEXT}"]\n',
    "list.jsonl": f'{{"text": "{TEXT}", "label": "a"}}\n["{TEXT}"]\n',
    "label.jsonl": f'{{"text": "{TEXT}", "label": {{"a": 1}}}}\n' * 3,
    "lists.csv": "text,label\n" + f"{TEXT},\"['a', 'b']\"\n" * 5,
    "blank-label.csv": "text,label\n" + f"{TEXT},\n" * 5,
    "some-blank.csv": "text,label\n" + _rows() + f"{TEXT} more,\n",
    "one-class.csv": "text,label\n" + f"{TEXT},a\n" * 5,
    "conflict.csv": "text,label\n" + f"{TEXT},a\n{TEXT},b\n" * 9,
    "variants.csv": "text,label\n" + _rows() + f"{TEXT},A \n",
    "empty-text.csv": "text,label\n" + _rows() + ",a\n",
    "long.csv": "text,label\n" + _rows(text=f"{SENTINEL} " * 600),
    "cut.csv.gz": gzip.compress(("text,label\n" + _rows(500)).encode())[:-30],
}
COMMANDS = {
    "analyze": ("analyze", "{}"),
    "schedule": ("schedule", "{}"),
    "predict": ("predict", "{}", "--workspace", "{stored}", "-o", "out.jsonl"),
}


@pytest.mark.parametrize("command", list(COMMANDS))
@pytest.mark.parametrize("name", list(DEFECTS))
def test_no_message_quotes_a_text(dsample, trained, tmp_path, name, command):  # noqa: F811
    content = DEFECTS[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    args = [part.format(path, stored=trained.workspace) for part in COMMANDS[command]]
    for more in ([], ["--json"]):
        done = dsample(*args, *more)
        assert done.code in (0, 1)
        assert "Unexpected" not in done.err
        assert SENTINEL not in done.err + done.out
        (tmp_path / "out.jsonl").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("option", "told"), [("--val", "validation rows"), ("--test", "test rows")]
)
def test_held_out_rows_without_some_classes(tmp_path, option, told):
    from dsample_cli.core.config import TrainConfig
    from dsample_cli.core.progress import Silent
    from dsample_cli.workflows.datasets import load_datasets

    class Listening(Silent):
        def __init__(self) -> None:
            self.warnings: list[str] = []

        def warn(self, message: str) -> None:
            self.warnings.append(message)

    lines = make_tickets().splitlines()
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "b.csv").write_text("\n".join(k for k in lines if "outage" not in k) + "\n")
    files = {"data": str(tmp_path / "a.csv"), option[2:]: str(tmp_path / "b.csv")}
    config = TrainConfig.from_options({**files, "val-size": 0.0})
    listening = Listening()
    data = load_datasets(config, listening)
    (warning,) = listening.warnings
    assert "no row of 1 of the 3 classes: 'outage'. Macro-F1 runs over the other" in warning
    assert told in warning
    assert f"{option}-size 0.1" in warning
    split = {"--val": "validation", "--test": "test"}[option]
    assert (np.bincount(data.parts[split].codes, minlength=3) == 0).sum() == 1


def test_evaluated_rows_without_some_classes(dsample, trained, tmp_path):  # noqa: F811
    lines = [line for line in make_tickets().splitlines() if "outage" not in line]
    (tmp_path / "b.csv").write_text("\n".join(lines) + "\n")
    done = dsample("evaluate", "b.csv", "--workspace", trained.workspace, "--no-intervals")
    assert done.code == 0
    assert "b.csv has no row of 1 of the 3 classes: 'outage'. Macro-F1 runs over" in done.err
