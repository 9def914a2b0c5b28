"""What each command makes of hostile data files: exit code, time and memory.

Run as a program, it writes the files at full size (about 2 GB) and tries every command on each:
`python -m tests.trust.hostile_files --folder DIR [--only WORD] [--json FILE]`. The default suite
reads the same files, smaller.
"""

# ruff: noqa: E501 (one file a line)
import argparse
import gzip
import json
import os
import random
import re
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.helpers import make_tickets

MEGABYTE = 1 << 20
# The largest group of files, and what a command may take of this machine before it is ended.
SECONDS, BYTES = 150.0, 6 << 30
ROWS = [("refund card bill", "billing"), ("password reset", "login"), ("server down", "outage")]
CONTROLS = "\x1b]0;owned\x07\x1b[31m"
TRICKS = "\u202egpj.\u202c\u2066\u200b\u200d\ufeff\u2028\u2029\u0085\U000e0041"


@dataclass(frozen=True)
class Hostile:
    """A hostile file.

    Attributes:
        name: Its name, which begins with a word for what is hostile about it.
        write: Writes it; takes the path and the size, 1 for full size and less for tests.
    """

    name: str
    write: Callable[[Path, float], object]


def _text(*parts: str | bytes) -> Callable[[Path, float], object]:
    whole = b"".join(p.encode("utf-8", "surrogatepass") if isinstance(p, str) else p for p in parts)
    return lambda path, size: path.write_bytes(whole)


def _csv(rows: Iterable[Sequence[str]], header: str = "text,label") -> str:
    quoted = (",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) for row in rows)
    return "\n".join([header, *quoted]) + "\n"


def _usual(repeats: int = 20) -> list[tuple[str, str]]:
    return [(f"{text} {k}", label) for k in range(repeats) for text, label in ROWS]


def _sized(make: Callable[[int], str | bytes], full: int) -> Callable[[Path, float], object]:
    def write(path: Path, size: float) -> None:
        content = make(max(1, int(full * size)))
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


def _bomb(head: bytes, block: bytes, full: int) -> Callable[[Path, float], object]:
    """Many equal gzip members: `full` bytes of `block` again and again."""

    def write(path: Path, size: float) -> None:
        member_bytes = min(256 * MEGABYTE, int(full * size))
        member = gzip.compress(block * (member_bytes // len(block)), 9)
        with path.open("wb") as file:
            file.write(gzip.compress(head))
            for _ in range(max(1, int(full * size) // member_bytes)):
                file.write(member)

    return write


def _zstd_bomb(head: bytes, block: bytes, full: int) -> Callable[[Path, float], object]:
    def write(path: Path, size: float) -> None:
        with path.open("wb") as raw, pa.CompressedOutputStream(raw, "zstd") as file:
            file.write(head)
            whole = block * (MEGABYTE // len(block))
            for _ in range(int(full * size) // len(whole)):
                file.write(whole)

    return write


def _parquet(
    make: Callable[[float], pa.Table], **options: object
) -> Callable[[Path, float], object]:
    return lambda path, size: pq.write_table(make(size), path, **options)


def _labels() -> list[str]:
    return [label for _, label in _usual()]


def _texts() -> list[str]:
    return [text for text, _ in _usual()]


def _cut(write: Callable[[Path, float], object], share: float) -> Callable[[Path, float], object]:
    def write_cut(path: Path, size: float) -> None:
        write(path, size)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return write_cut


def _lying_parquet(path: Path, size: float) -> None:
    """A footer that tells of a million times as many rows and bytes as there are."""
    pq.write_table(pa.table({"text": _texts(), "label": _labels()}), path, compression="none")
    content = bytearray(path.read_bytes())
    footer = int.from_bytes(content[-8:-4], "little")
    start = len(content) - 8 - footer
    # num_rows = 60 is the zigzag varint 120; written anew it stays one byte long: 63 rows.
    body = content[start:-8].replace(b"\x16\x78", b"\x16\x7e")
    path.write_bytes(bytes(content[:start]) + body + bytes(content[-8:]))


def _parquet_bomb(size: float) -> pa.Table:
    """Gigabytes of one value, as a dictionary a few kilobytes."""
    rows = int(2_000 * MEGABYTE * size) // 1000
    return pa.table(
        {"text": pa.array(["x" * 1000]).take(pa.array([0] * rows)), "label": ["a"] * rows}
    )


def _noise(n_bytes: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(n_bytes)


def _gzipped(make: Callable[[int], str | bytes], full: int) -> Callable[[Path, float], object]:
    def write(path: Path, size: float) -> None:
        content = make(max(1, int(full * size)))
        path.write_bytes(gzip.compress(content if isinstance(content, bytes) else content.encode()))

    return write


def _json_lines(rows: Iterable[object]) -> str:
    return "\n".join(json.dumps(row) for row in rows) + "\n"


def _wide(n: int) -> str:
    names = ["text", "label", *(f"c{k}" for k in range(n))]
    rows = [[text, label, *["1"] * n] for text, label in ROWS]
    return "\n".join(",".join(row) for row in [names, *rows]) + "\n"


USUAL = _csv(_usual())
USUAL_JSON = _json_lines({"text": text, "label": label} for text, label in _usual())
DEEP = 100_000
FILES = [
    Hostile("random.csv", _sized(_noise, MEGABYTE)),
    Hostile("random.jsonl", _sized(_noise, MEGABYTE)),
    Hostile("random.parquet", _sized(_noise, MEGABYTE)),
    Hostile("random-par1.parquet", _sized(lambda n: b"PAR1" + _noise(n) + b"PAR1", MEGABYTE)),
    Hostile("random-gzip.csv.gz", _sized(lambda n: b"\x1f\x8b\x08\0" + _noise(n), MEGABYTE)),
    Hostile("random-zstd.csv.zst", _sized(lambda n: b"\x28\xb5\x2f\xfd" + _noise(n), MEGABYTE)),
    Hostile("random-high.csv", _sized(lambda n: bytes(b | 0x80 for b in _noise(n)), MEGABYTE)),
    Hostile("random-printable.csv", _sized(lambda n: bytes(32 + b % 95 if b > 9 else 10 for b in _noise(n)), MEGABYTE)),
    Hostile("cut.parquet", _cut(_parquet(lambda s: pa.table({"text": _texts(), "label": _labels()})), 0.6)),
    Hostile("cut.csv.gz", _cut(_gzipped(lambda n: _csv(_usual(n)), 2000), 0.6)),
    Hostile("cut.csv.zst", _cut(_zstd_bomb(b"text,label\n", b"refund card bill,a\n", 4 * MEGABYTE), 0.6)),
    Hostile("bomb-zeros.csv.gz", _bomb(b"text,label\n", b"\0" * 64, 8 << 30)),
    Hostile("bomb-cell.csv.gz", _bomb(b"text,label\n", b"a" * 64, 8 << 30)),
    Hostile("bomb-rows.csv.gz", _bomb(b"text,label\n", b"a,b\n", 8 << 30)),
    Hostile("bomb-blank.csv.gz", _bomb(b"\n", b"\n" * 64, 8 << 30)),
    Hostile("bomb-commas.csv.gz", _bomb(b"text,label", b"," * 64, 8 << 30)),
    Hostile("bomb-line.jsonl.gz", _bomb(b'{"text": "', b"a" * 64, 8 << 30)),
    Hostile("bomb-rows.jsonl.gz", _bomb(b"", b'{"text":"a","label":"b"}\n', 8 << 30)),
    Hostile("bomb-cell.csv.zst", _zstd_bomb(b"text,label\n", b"a" * 64, 8 << 30)),
    Hostile("bomb.parquet", _parquet(_parquet_bomb)),
    Hostile("huge-cell.csv", _sized(lambda n: _csv([*_usual(), ("a b " * (n // 4), "login")]), 200 * MEGABYTE)),
    Hostile("huge-cell-unquoted.csv", _sized(lambda n: USUAL + "a b " * (n // 4) + ",login\n", 200 * MEGABYTE)),
    Hostile("huge-cell.jsonl", _sized(lambda n: USUAL_JSON + json.dumps({"text": "a b " * (n // 4), "label": "login"}), 200 * MEGABYTE)),
    Hostile("huge-cell.parquet", _parquet(lambda s: pa.table({"text": [*_texts(), "a b " * int(50 * MEGABYTE * s)], "label": [*_labels(), "login"]}))),
    Hostile("huge-word.csv", _sized(lambda n: _csv([*_usual(), ("a" * n, "login")]), 200 * MEGABYTE)),
    Hostile("huge-label.csv", _sized(lambda n: _csv([*_usual(), ("hello", "b" * n)]), 200 * MEGABYTE)),
    Hostile("wide-million.csv", _sized(_wide, 1_000_000)),
    Hostile("wide-header.csv", _sized(lambda n: ",".join(f"c{k}" for k in range(n)) + "\n1,2\n", 1_000_000)),
    Hostile("wide-million.jsonl", _sized(lambda n: _json_lines({"text": t, "label": label, **{f"c{k}": 1 for k in range(n)}} for t, label in ROWS), 1_000_000)),
    Hostile("wide-each.jsonl", _sized(lambda n: _json_lines({"text": t, "label": label, **{f"r{r}c{k}": 1 for k in range(n // 60)}} for r, (t, label) in enumerate(_usual())), 1_000_000)),
    Hostile("nul.csv", _text(USUAL, "a\0b,login\n")),
    Hostile("nul-late.csv", _text(USUAL * 60, "a\0b,login\n")),
    Hostile("nul.jsonl", _text(USUAL_JSON, '{"text": "a\\u0000b", "label": "login\\u0000"}\n')),
    Hostile("surrogate.csv", _text(USUAL, "\ud800 alone,login\n")),
    Hostile("surrogate.jsonl", _text(USUAL_JSON, '{"text": "a\\ud800b", "label": "login\\udfff"}\n')),
    Hostile("tricks.csv", _text(_csv([(f"{t} {TRICKS}{CONTROLS}", f"{label}{TRICKS}{CONTROLS}") for t, label in _usual()]))),
    Hostile("rtl.csv", _text(_csv([(f"{t} שלום עולם", f"{label} مرحبا") for t, label in _usual()]))),
    Hostile("long-labels.csv", _text(_csv([(t, label * 1400) for t, label in _usual()]))),
    Hostile("blank-labels.csv", _text(_csv([(t, " \u3000\u200a"[k % 3]) for k, (t, _) in enumerate(_usual())]))),
    Hostile("zero-width-labels.csv", _text(_csv([(t, "\u200b\u200c\ufeff"[k % 3]) for k, (t, _) in enumerate(_usual())]))),
    Hostile("distinct-million.csv", _sized(lambda n: "text,label\n" + "".join(f"some words {k},id-{k}\n" for k in range(n)), 1_000_000)),
    Hostile("distinct-long.csv", _sized(lambda n: "text,label\n" + "".join(f"some words {k},{'some words ' * 9}{k}\n" for k in range(n)), 1_000_000)),
    Hostile("distinct-pairs.csv", _sized(lambda n: "text,label\n" + "".join(f"some words {k},id-{k // 2}\n" for k in range(n)), 1_000_000)),
    Hostile("ragged.csv", _text(USUAL, "a,b,c\n")),
    Hostile("ragged-late.csv", _sized(lambda n: "text,label\n" + "some words,a\nother words,b\n" * n + "x,y,z\n", 2_000_000)),
    Hostile("open-quote.csv", _sized(lambda n: 'text,label\n"some words,a\n' + "other words,b\n" * n, 7_000_000)),
    Hostile("open-quote-header.csv", _sized(lambda n: '"text,label\n' + "other words,b\n" * n, 7_000_000)),
    Hostile("quotes.csv", _sized(lambda n: "text,label\n" + '"' * n, 50 * MEGABYTE)),
    Hostile("commas.csv", _sized(lambda n: "," * n, 50 * MEGABYTE)),
    Hostile("breaks.csv", _sized(lambda n: "text,label\n" + "\r" * n, 50 * MEGABYTE)),
    Hostile("nested.parquet", _parquet(lambda s: pa.table({"text": [[{"a": [t]}] for t in _texts()], "label": _labels()}))),
    Hostile("dictionary.parquet", _parquet(lambda s: pa.table({"text": _texts(), "label": pa.array(_labels()).dictionary_encode()}))),
    Hostile("decimal.parquet", _parquet(lambda s: pa.table({"text": _texts(), "label": pa.array(range(60), pa.decimal128(20, 3))}))),
    Hostile("binary.parquet", _parquet(lambda s: pa.table({"text": pa.array([b"\xff\xfe\x1b[31m"] * 60), "label": _labels()}))),
    Hostile("view.parquet", _parquet(lambda s: pa.table({"text": pa.array(_texts()).cast(pa.string_view()), "label": _labels()}))),
    Hostile("map.parquet", _parquet(lambda s: pa.table({"text": _texts(), "label": pa.array([[("k", 1)]] * 60, pa.map_(pa.string(), pa.int64()))}))),
    Hostile("lying.parquet", _lying_parquet),
    Hostile("no-columns.parquet", _parquet(lambda s: pa.table({}))),
    Hostile("no-rows.parquet", _parquet(lambda s: pa.table({"text": pa.array([], pa.string()), "label": pa.array([], pa.string())}))),
    Hostile("deep.jsonl", _text(USUAL_JSON, '{"text": "a", "label": ' + "[" * DEEP + "]" * DEEP + "}\n")),
    Hostile("deep-other.jsonl", _text(USUAL_JSON, '{"text": "a", "label": "login", "more": ' + '{"a":' * 900 + "1" + "}" * 900 + "}\n")),
    Hostile("deep-objects.jsonl", _text('{"a":' * DEEP)),
    Hostile("numbers.jsonl", _text(USUAL_JSON, '{"text": 1e999, "label": "login"}\n{"text": -1e999, "label": 1e999}\n{"text": "x", "label": "login", "more": NaN}\n')),
    Hostile("digits.jsonl", _text(USUAL_JSON, '{"text": ', "9" * 5000, ', "label": "login"}\n')),
    Hostile("digits-other.jsonl", _text(USUAL_JSON, '{"text": "x", "label": "login", "more": ', "9" * 5000, "}\n")),
    Hostile("digits-million.jsonl", _text(USUAL_JSON, '{"text": "x", "label": "login", "more": ', "9" * 1_000_000, "}\n")),
    Hostile("twice.jsonl", _text(USUAL_JSON, '{"text": "a", "text": "b", "label": "login", "label": "outage"}\n')),
    Hostile("names.jsonl", _text(USUAL_JSON, '{"__proto__": {"x": 1}, "constructor": 1, "": "empty", " ": 2, "text": "x", "label": "login"}\n')),
    Hostile("column-names.csv", _text(_csv([(t, label, "x", "y", "z") for t, label in _usual()], f"text,label,{'c' * 100_000},{TRICKS.replace(chr(0x2028), '')}[red]x[/red],"))),
    Hostile("column-twice.csv", _text(_csv([(t, label, "x") for t, label in _usual()], "text,label,label"))),
    Hostile("column-controls.csv", _text(_csv([(t, label) for t, label in _usual()], f"te{CONTROLS}xt,la\u202ebel"))),
    Hostile("bel\x1b[31m[bold]\u202e.csv", _text(USUAL, "a,b,c\n")),
]  # fmt: skip

QUICK = ["--model", "tiny", "--epochs", "1", "--batch-size", "64", "--quiet"]
COMMANDS: dict[str, Callable[[str, str], list[str]]] = {
    "analyze": lambda file, stored: ["analyze", file],
    "split": lambda file, stored: ["split", file, "--out", "parts", "--force"],
    "schedule": lambda file, stored: ["schedule", file],
    "evaluate": lambda file, stored: ["evaluate", file, "--workspace", stored],
    "predict": lambda file, stored: ["predict", file, "--workspace", stored, "-o", "out.jsonl"],
    "train": lambda file, stored: ["train", file, *QUICK],
    "sweep": lambda file, stored: ["sweep", file, *QUICK, "--seed", "1"],
}


@dataclass
class Tried:
    """What a command did with a file: exit code, wall seconds, peak megabytes beyond what a
    process takes that has only imported everything, and the first line of its error."""

    file: str
    command: str
    code: int | str
    seconds: float
    megabytes: float
    told: str

    @property
    def is_answered(self) -> bool:
        """Whether it ended as it should: done, or told what is wrong without a traceback."""
        return self.code in (0, 1, 3) and "Traceback" not in self.told


def try_command(args: Sequence[str], folder: Path) -> Tried:
    """Run a command in a fork of this process, within SECONDS and BYTES."""
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _be_the_command(args, folder)
    ended: list[str] = []
    watch = threading.Thread(target=_watch, args=(pid, started, ended), daemon=True)
    watch.start()
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - started
    watch.join()
    error = (folder / "err").read_text(encoding="utf-8", errors="replace")
    return Tried(
        Path(args[1]).name,
        args[0],
        ended[0] if ended else os.waitstatus_to_exitcode(status),
        round(seconds, 2),
        round(usage.ru_maxrss / 1024) - _idle_megabytes(),
        _told(error)[:300],
    )


def _told(error: str) -> str:
    lines = error.splitlines()
    if "Traceback" in error:
        return f"Traceback: {lines[-1]}"
    return next((line for line in lines if "Error" in line), "")


@cache
def _idle_megabytes() -> int:
    """What a fork of this process takes that does nothing."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return round(os.wait4(pid, 0)[2].ru_maxrss / 1024)


def _be_the_command(args: Sequence[str], folder: Path) -> None:
    """Never returns."""
    os.setpgid(0, 0)
    os.chdir(folder)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    code = 70
    try:
        from dsample_cli.cli.main import run

        code = run(list(args))
        sys.stdout.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        import atexit

        atexit._run_exitfuncs()
        os._exit(code)


def _watch(pid: int, started: float, ended: list[str]) -> None:
    while _is_running(pid):
        if time.monotonic() - started > SECONDS:
            ended.append("hang")
        elif _resident(pid) > BYTES:
            ended.append("memory")
        if ended:
            os.killpg(pid, signal.SIGKILL)
            return
        time.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * resource.getpagesize()


def _write_apart(hostile: Hostile, path: Path, size: float) -> None:
    """Write a file in a fork, so that this process and the forks after it stay small."""
    pid = os.fork()
    if pid == 0:
        hostile.write(path, size)
        os._exit(0)
    assert os.wait4(pid, 0)[1] == 0, hostile.name


def make_stored(folder: Path) -> str:
    """A workspace with a run, for the commands that need one."""
    stored = folder / "stored"
    if not (stored / "runs").is_dir():
        (folder / "tickets.csv").write_text(make_tickets())
        tried = try_command(
            ["train", str(folder / "tickets.csv"), "--workspace", str(stored), *QUICK], folder
        )
        assert tried.code == 0, tried
    return str(stored)


def main() -> None:
    """Try each command on each file and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the files are written")
    parser.add_argument("--only", default="", help="files whose names fit this pattern")
    parser.add_argument("--commands", default=",".join(COMMANDS), help="names with commas between")
    parser.add_argument("--size", type=float, default=1.0, help="share of the full size")
    parser.add_argument("--json", type=Path, help="write all figures here")
    asked = parser.parse_args()
    import dsample_cli.cli.main
    import dsample_cli.training.fit
    import dsample_cli.workflows.train  # noqa: F401

    asked.folder.mkdir(parents=True, exist_ok=True)
    stored = make_stored(asked.folder)
    found = []
    for hostile in FILES:
        if not re.search(asked.only, hostile.name):
            continue
        path = asked.folder / hostile.name
        if not path.exists():
            _write_apart(hostile, path, asked.size)
        for command in asked.commands.split(","):
            tried = try_command(COMMANDS[command](str(path), stored), asked.folder)
            found.append(tried)
            told = tried.told.replace(str(asked.folder) + "/", "")
            mark = " " if tried.is_answered else "!"
            print(
                f"{mark} {ascii(tried.file)[1:-1][:28]:28} {command:9} {tried.code!s:>6} "
                f"{tried.seconds:6.1f} s {tried.megabytes:6.0f} MB  {ascii(told)[1:-1][:150]}",
                flush=True,
            )
    if asked.json is not None:
        asked.json.write_text(json.dumps([asdict(tried) for tried in found], indent=2))
    bad = [tried for tried in found if not tried.is_answered]
    print(f"{len(found)} commands, {len(bad)} not answered as they should be")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
