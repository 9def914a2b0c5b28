"""dsample analyze --html and --plot."""

import io
import os
import re
import sys

import pytest

from tests.helpers import REPOSITORY
from tests.reports.pages import Page, fetches_nothing, png_size

pytestmark = pytest.mark.usefixtures("blank_pictures")

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def hostile(tmp_path):
    """Labels, texts and a name that are markup; two rows are equal."""
    rows = [f"<img src=x onerror={i}> {i},{HOSTILE}" for i in range(30)]
    rows += [f"\u202etxet {i},[bold]x[/bold]" for i in range(8)]
    rows += [rows[0], rows[0]]
    path = tmp_path / "<b>d.csv"
    path.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    return path


def test_the_page_has_all_that_the_json_tells(dsample, hostile, tmp_path):
    done = dsample("analyze", hostile, "--html", "a.html", "--json")
    assert done.code == 0
    found = done.json
    assert (found["html"], found["plot"]) == ("a.html", None)
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    fetches_nothing(html)
    page = Page(html)
    assert page.open == []
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert not {"b", "bold"} & {tag for tag, _ in page.elements}
    told = " ".join(" ".join(page.texts).split())
    problems = {problem["code"] for problem in found["problems"]}
    assert problems >= {"exact-duplicates", "sorted-by-label"}
    assert all(code in told for code in problems)
    assert all(suggestion["reason"] in told for suggestion in found["suggestions"])
    commands = re.findall("<pre><code>(.*?)</code></pre>", html)
    assert len(commands) == len(found["suggestions"])
    assert found["data"]["sha256"] in told
    assert str(hostile) in told
    assert HOSTILE in told
    assert "Row 38, <script>alert(1)</script> <img src=x onerror=0> 0" in told
    assert "\u202e" not in html


def test_both_files_are_written_and_told(dsample, tickets, tmp_path):
    (tmp_path / "a.html").write_text("old")
    done = dsample("analyze", tickets, "--html", "a.html", "--plot", "a.png")
    assert done.code == 0
    assert done.out.endswith("Written: a.html\nWritten: a.png\n")
    assert (tmp_path / "a.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert png_size((tmp_path / "a.png").read_bytes()) == (1, 1)
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
    assert "Written" not in dsample("analyze", tickets).out


def test_without_a_page_no_text_is_quoted(dsample, tickets, monkeypatch):
    def refuse(*args):
        raise AssertionError("read again")

    monkeypatch.setattr("dsample_cli.workflows.analysis_page.read_cells", refuse)
    assert dsample("analyze", tickets, "--plot", "a.png", "-q").code == 0


def test_rows_of_the_other_file_are_quoted_from_it(dsample, tickets, tmp_path):
    head, *rows = tickets.read_text().splitlines()
    (tmp_path / "test.csv").write_text("\n".join([head, "never seen here,login,c1", rows[9]]))
    dsample("analyze", tickets, "--against", "test.csv", "--html", "a.html")
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    text, label, _ = rows[9].split(",")
    told = " ".join(" ".join(Page(html).texts).split())
    assert f"Row 1, {label} {text} Rows of the other file: 1" in told
    assert str(tmp_path / "test.csv") in told


def test_standard_input_is_quoted_too(dsample, tmp_path, monkeypatch):
    rows = "".join(f"same old text,{label}\n" for label in "abababab")
    stdin = io.TextIOWrapper(io.BytesIO(f"text,label\n{rows}".encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert dsample("analyze", "-", "--fast", "--html", "a.html", "--plot", "a.png").code == 0
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<h1>standard input</h1>" in html
    assert "same old text" in html
    assert "in words on all 8 texts" in html


def test_a_baseline_and_doubted_labels_are_on_the_page(dsample, tmp_path):
    data = REPOSITORY / "sample_data" / "korean_reviews.csv"
    done = dsample(
        *("analyze", data, "--fast", "--baseline", "--label-issues", "--html", "a.html", "--json")
    )
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert Page(html).open == []
    assert "<h2>A floor to beat</h2>" in html
    assert f"{done.json['baseline']['plain']['macro_f1']:.3f}" in html
    assert html.count("; the model says ") == min(20, len(done.json["label_issues"]))


@pytest.mark.parametrize(
    ("option", "place", "message", "hint"),
    [
        ("--html", "none/a.html", "--html none/a.html: there is no folder none", "mkdir -p none"),
        ("--plot", ".", "--plot . is a folder", "analysis.png"),
        ("--html", "./tickets.csv", "would replace a file", "--html analysis.html"),
    ],
)
def test_a_file_needs_a_place(fails, tickets, monkeypatch, option, place, message, hint):
    """Told before the data is read."""
    monkeypatch.delattr("dsample_cli.workflows.analyze.read_facts")
    fails("analyze", tickets, option, place, kind="ConfigError", message=message, hint=hint)


def test_no_part_of_a_pattern_is_replaced(fails, tickets):
    message = "would replace a file"
    hint = "analysis.html"
    fails("analyze", "*.csv", "--html", tickets, kind="ConfigError", message=message, hint=hint)


def test_page_and_picture_need_two_places(fails, tickets):
    fails(
        *("analyze", tickets, "--html", "a", "--plot", "./a"),
        kind="ConfigError",
        message="--plot a would replace",
        hint="--plot analysis.png",
    )
