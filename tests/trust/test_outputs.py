"""Data take over neither the terminal nor the page, the spreadsheet or the reader of lines."""

import contextlib
import csv
import json
import re
from html import unescape
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsample_cli.cli.main import run
from dsample_cli.core.printable import json_text, one_line, printable
from tests.cli.conftest import trained  # noqa: F401
from tests.conftest import BLANK_PNG
from tests.helpers import QUICK
from tests.trust.hostile_outputs import (
    BENIGN,
    EVIL,
    HIDDEN,
    MARKER,
    NAMES,
    SEQUENCE,
    found_in,
    write_table,
)

FILE_NAMES = {BENIGN: "plain.csv", EVIL: "e\x1b[31mvil[red]\u202e.csv"}


class TestPrintable:
    @pytest.mark.parametrize(
        "text",
        [
            "plain",
            "é e\u0301 ñ",
            "שלום עולם مرحبا",
            "👩\u200d💻 👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 👍🏽 🏴\u200d☠\ufe0f",
            "नमस्\u200dते می\u200cخواهم",
            "한국어 漢字\u3000かな",
            "two\nlines\tand a tab",
        ],
    )
    def test_what_is_readable_stays(self, text):
        assert printable(text) == text

    @pytest.mark.parametrize(
        "char",
        list(
            "\0\x07\x08\x1b\r\x7f\x80\x85\x9b\x9d\xad\u061c\u180e\u200b\u200c\u200d\u200e\u200f"
            "\u2028\u2029\u202a\u202e\u2060\u2066\u2069\u3164\ufeff\ufff9\ud800\U000e0041"
        ),
    )
    def test_what_drives_or_hides_is_shown_as_such(self, char):
        assert printable(f"a{char}b") == "a\ufffdb"
        assert one_line(f"a{char}b\n") == "a\ufffdb\ufffd"

    @given(st.text(st.characters()))
    def test_nothing_hidden_is_left_of_any_text(self, text):
        assert not HIDDEN.search(printable(text))
        assert printable(printable(text)) == printable(text)
        assert len(printable(text)) == len(text)

    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def test_json_keeps_any_text(self, text):
        line = json_text({text: text})
        assert json.loads(line) == {text: text}
        assert not HIDDEN.search(line)
        assert len(line.splitlines()) == 1


@pytest.fixture(scope="module")
def workspaces(tmp_path_factory):
    """For the plain and the hostile name: a folder with two tables and a run trained on one."""
    found = {}
    for tail, name in FILE_NAMES.items():
        folder = tmp_path_factory.mktemp("hostile" if tail == EVIL else "plain")
        text, label, source = write_table(folder / name, tail)
        write_table(folder / f"b{name}", tail, seed=1)
        found[tail] = folder, name, (text, label, source)
    return found


def _commands(name: str, columns: tuple[str, str, str], tail: str) -> list[list[str]]:
    text, label, source = columns
    named = ["--text-column", text, "--label-column", label]
    lost = f"lost{tail}"
    return [
        ["analyze", name, *named, "--against", f"b{name}", "--label-issues", "--html", "a.html"],
        ["split", name, *named, "--out", "parts"],
        ["split", name, *named, "--out", "parts"],
        ["schedule"],
        ["train", *QUICK, "--epochs", "1", "--test-size", "0.2"],
        ["evaluate", "--errors", "5", "--by", source],
        ["evaluate", f"b{name}", *named, "--errors", "5", "--confusion", "c.png"],
        ["evaluate", "--fail-under", f"recall:{NAMES[0]} {tail}=1.1"],
        ["evaluate", "--fail-under", f"recall:{lost}=1.0"],
        ["predict", name, "--text-column", text, "-o", "out.jsonl"],
        ["predict", name, "--text-column", text, "--top", "2"],
        ["runs", "note", "latest", f"note {tail}"],
        ["runs", "list"],
        ["runs", "show"],
        ["runs", "show", lost],
        ["sweep", name, *named, *QUICK, "--seed", "1,2", "--dry-run"],
        ["analyze", lost],
        ["analyze", name, "--label-column", lost],
        ["train", name, *named, "--model", lost],
        ["train", name, "--schedule", lost],
        [lost],
        ["train", f"--{lost}"],
        ["train", "--epochs", lost],
        ["analyze", "--config", lost],
    ]


@pytest.fixture(scope="module")
def shown(workspaces):
    """What each command shows in a terminal with colours, by name and command."""
    found: dict[str, list[tuple[list[str], int, str]]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORCE_COLOR", "1")
        patch.setenv("COLUMNS", "120")
        patch.setenv("TERM", "xterm-256color")
        patch.setattr("matplotlib.figure.Figure.savefig", _save_blank)
        for tail, (folder, name, columns) in workspaces.items():
            patch.chdir(folder)
            found[tail] = [
                (args, *_run(args, folder / "shown")) for args in _commands(name, columns, tail)
            ]
    return found


def _save_blank(figure: object, file: BinaryIO, **options: object) -> None:
    """To draw takes longer than all else; labels in pictures have tests of their own."""
    file.write(BLANK_PNG)


def _run(args: list[str], file: Path) -> tuple[int, str]:
    with (
        file.open("w", encoding="utf-8", newline="") as stream,
        contextlib.redirect_stdout(stream),
        contextlib.redirect_stderr(stream),
    ):
        code = run(args)
    return code, file.read_bytes().decode()


def test_no_command_lets_data_drive_the_terminal(shown):
    plain = {found for _, _, text in shown[BENIGN] for found in SEQUENCE.findall(text)}
    allowed = frozenset(plain | {"\x1b[33m", "\x1b[1;33m"})  # there may be no warning to show
    assert "\x1b[31m" not in allowed
    assert "\x1b[2K" in allowed  # of the live bar
    assert not any(found.startswith("\x1b]") for found in allowed)
    for (args, code, text), (_, plain_code, _) in zip(shown[EVIL], shown[BENIGN], strict=True):
        assert code == plain_code, args
        assert "Traceback" not in text
        assert "Unexpected" not in text
        assert found_in(text, allowed) == [], args
    every_text = "".join(text for _, _, text in shown[EVIL])
    assert "[bold red]x[/bold red]" in every_text  # markup is shown and not obeyed


def test_a_long_label_is_cut_in_tables(dsample, tmp_path):
    rows = "".join(f"word {k},{'ab'[k % 2] * 10_000}\n" for k in range(40))
    (tmp_path / "a.csv").write_text("text,label\n" + rows)
    for args in (("analyze", "a.csv"), ("split", "a.csv", "--out", "parts"), ("schedule", "a.csv")):
        done = dsample(*args)
        assert done.code == 0
        assert "a" * 30 in done.out
        assert "a" * 100 not in done.out
    assert dsample("analyze", "a.csv", "--json").json["classes"][0]["label"] == "a" * 10_000


def test_no_page_runs_what_the_data_hold(shown, workspaces):
    folder = workspaces[EVIL][0]
    pages = [folder / "a.html", *folder.glob("dsample_workspace/runs/*/report.html")]
    assert len(pages) == 2
    for page in pages:
        html = page.read_text(encoding="utf-8")
        assert not HIDDEN.search(html)
        assert "<script>document" not in html
        assert "<img src=x" not in html
        assert html.count("<script") == html.count("</script") == 1
        tags = "".join(re.findall(r"<[a-z][^>]*>", re.sub(r'"[^"]*"', '""', html)))
        assert not re.findall(r"\s(?:on[a-z]+|href)\s*=", tags)
        assert set(re.findall(r'<[^>]*\ssrc="(.{14})', html)) == {"data:image/png"}
        policy = unescape(re.findall('Content-Security-Policy" content="([^"]*)"', html)[0])
        assert policy.startswith("default-src 'none'")
        assert re.fullmatch(r"'sha256-[\w+/=]+'", re.findall("script-src ([^;]*);", policy)[0])


def test_no_page_does_so_in_a_browser(shown, workspaces, tmp_path_factory):
    from tests.reports.browser import PATH, started_browser

    if PATH is None:
        pytest.skip("no Chromium on the PATH")
    folder = workspaces[EVIL][0]
    pages = [folder / "a.html", *folder.glob("dsample_workspace/runs/*/report.html")]
    # A short name: the path of a browser's socket has a limit.
    with started_browser(tmp_path_factory.mktemp("b")) as browser:
        for page in pages:
            browser.open(page, 1280)
            assert browser.value("document.title") != MARKER
            assert MARKER in browser.value("document.body.textContent")
            assert browser.value("document.scripts.length") == 1
            assert browser.value("document.querySelectorAll('a, img:not([src^=data])').length") == 0
            assert browser.problems == []
            assert [url for url in browser.fetched if not url.startswith(("file:", "data:"))] == []


class TestSpreadsheet:
    CELLS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "＝1", "-5", "+3.5", "-1e3")

    @pytest.fixture
    def table(self, tmp_path):
        with (tmp_path / "a.csv").open("w", newline="") as file:
            rows = [[f"{c} {k}" if k % 2 else c, "ab"[k % 2]] for c in self.CELLS for k in range(6)]
            csv.writer(file).writerows([["text", "label"], *rows])
        return sorted(text for text, _ in rows)

    @staticmethod
    def texts(folder: Path) -> list[str]:
        rows = [
            row for file in folder.glob("*.csv") for row in csv.DictReader(file.open(newline=""))
        ]
        return sorted(row["text"] for row in rows)

    def test_parts_are_the_data_as_they_are(self, dsample, tmp_path, table):
        assert dsample("split", "a.csv", "--out", "parts").code == 0
        assert self.texts(tmp_path / "parts") == table

    def test_an_apostrophe_keeps_a_spreadsheet_from_running_them(self, dsample, tmp_path, table):
        args = ("split", "a.csv", "--spreadsheet-safe")
        result = dsample(*args, "--out", "parts", "--json").json
        found = self.texts(tmp_path / "parts")
        assert [text.removeprefix("'") for text in sorted(found, key=table_order)] == sorted(
            table, key=table_order
        )
        assert result["escaped_cells"] == sum(text.startswith("'") for text in found)
        unsafe = [text for text in found if text[0] in "=+-@\t\r＝"]
        assert set(unsafe) == {"-5", "+3.5", "-1e3"}
        told = f"{result['escaped_cells']} cells"
        assert told in " ".join(dsample(*args, "--out", "others").out.split())


def table_order(text: str) -> str:
    return text.removeprefix("'")


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=15)
@given(
    rows=st.lists(
        st.fixed_dictionaries({"text": st.none() | ANY_TEXT | st.integers() | st.floats()}),
        min_size=1,
        max_size=9,
    ),
    key=ANY_TEXT.filter(lambda name: name != "text"),
    value=ANY_TEXT | st.integers() | st.lists(ANY_TEXT, max_size=2),
)
def test_predictions_are_one_line_a_row_in_order(trained, stored_model, rows, key, value):  # noqa: F811
    from dsample_cli.core.progress import Silent
    from dsample_cli.runs.run import Run
    from dsample_cli.workflows.predict import predict

    rows = [{**row, key: value} for row in rows]
    path = stored_model / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    written: list[str] = []
    predict(Run(trained.run), str(path), written.append, Silent(), ("text",))
    text = "".join(written)
    lines = text.encode().decode().splitlines()  # at U+2028 and its like too
    assert not HIDDEN.search(text)
    assert [json.loads(line)["row"] for line in lines] == list(range(len(rows)))
    for line, row in zip(map(json.loads, lines), rows, strict=True):
        expected = json.loads(json.dumps(row), parse_constant=lambda constant: None)
        assert line["data"] == expected
        is_blank = not str("" if expected["text"] is None else expected["text"]).strip()
        assert (line["label"] is None) == is_blank


@pytest.fixture(scope="module")
def stored_model(trained, tmp_path_factory):  # noqa: F811
    """Load the model once: each prediction would load it again."""
    from dsample_cli.workflows import predict as workflow

    opened = {}

    def open_once(run, *args):
        if run.id not in opened:
            opened[run.id] = open_model(run, *args)
        return opened[run.id]

    open_model = workflow.open_model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflow, "open_model", open_once)
        yield tmp_path_factory.mktemp("rows")
