"""The page of an analysed file: everything told, everything escaped, nothing fetched."""

import re
from dataclasses import replace

import numpy as np
import pytest

from dsample_cli.core.imbalance import frequency_groups, measure_imbalance
from dsample_cli.reports import _analysis_sections
from dsample_cli.reports._page import content_security_policy
from dsample_cli.reports.analysis import (
    AnalysisReport,
    BaselineFigures,
    ClassSize,
    DataFile,
    DoubtedLabel,
    DoubtedLabels,
    Example,
    Finding,
    ScheduleDraws,
    ScoreDraws,
    TextLengths,
    render_analysis,
    write_analysis_html,
)
from tests.reports.pages import Page, fetches_nothing

NASTY = ("<script>alert(1)</script>", "\"&'</td>", "[bold]정상[/bold]")
TURNED = "\u202etxet\x1b[31m"


def make_report(counts=(900, 90, 9), labels=NASTY) -> AnalysisReport:
    counts = np.array(counts)
    shares = counts / counts.sum()
    groups = frequency_groups(counts)
    even = np.full(len(counts), 1 / len(counts))
    return AnalysisReport(
        file=DataFile("/data/<b>train.csv", 1010, int(counts.sum()), "ab" * 32),
        against=DataFile("/data/test.csv", 60, 50, "cd" * 32),
        text_columns=("text", "<i>"),
        label_column="label",
        notes=["train.csv is read as cp949; --encoding names another"],
        classes=list(map(ClassSize, labels, counts.tolist(), shares.tolist(), groups)),
        imbalance=measure_imbalance(counts),
        findings=[
            Finding(
                "exact-duplicates",
                "warning",
                f"2 rows of '{NASTY[0]}'. Use --group-column 'a'.",
                12,
                (3, 44),
                (
                    Example(3, NASTY[0], ("<img src=x onerror=alert(1)>", TURNED)),
                    Example(44, "", ("word " * 200, "")),
                ),
            ),
            Finding("leakage", "error", "1 row is in both.", 1, (7,), (), is_of_other_file=True),
            Finding("rare-class", "info", "One class is rare.", 1),
        ],
        scores=[
            ScoreDraws(name, even, 999, labels[-1], 37.0, name == "inverse", {"temperature": 0.5})
            for name in ("softmax", "inverse", "sqrt", "effective-number", "power")
        ],
        schedules=[
            ScheduleDraws("switch", 0.5, {"softmax": 0.123, "inverse": 0.2, "sqrt": 0.1}, True)
        ],
        lengths=TextLengths(
            "tokens",
            np.arange(1, 200),
            False,
            "minilm",
            128,
            {64: (0.75, 0.5), 128: (0.25, 0.125)},
            0.034,
        ),
        suggestions=[("dsample train --cycle 3 <x>", "Draws rare classes more.")],
        version="1.2.3",
        baseline=BaselineFigures(
            5, 999, {"simple": {"macro_f1": 0.777, "accuracy": 0.9}}, best="simple"
        ),
        doubts=DoubtedLabels(
            [DoubtedLabel(Example(5, NASTY[1], ("a text", "b")), NASTY[2], 0.91)], 3, 999, 0.85
        ),
    )


@pytest.fixture
def render(blank_pictures):
    return render_analysis


@pytest.fixture
def html(render) -> str:
    return render(make_report())


def test_the_page_is_well_formed_and_has_its_sections(html):
    page = Page(html)
    assert page.open == []
    titles = [
        *("Problems", "Classes", "What training would draw", "Text lengths", "A floor to beat"),
        *("Labels to check", "What to try", "The file"),
    ]
    assert re.findall("<h2>(.*?)</h2>", html) == titles
    assert [tag for tag, _ in page.elements].count("h1") == 1
    assert len([tag for tag, _ in page.elements if tag == "img"]) == 3


def test_nothing_is_fetched(html):
    fetches_nothing(html)
    policy = Page(html).attributes("meta", "http-equiv", "Content-Security-Policy")["content"]
    assert policy == content_security_policy()


def test_everything_of_the_user_is_escaped(html):
    page = Page(html)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 1
    assert not {"b", "i", "x"} & set(tags)
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    for text in (*NASTY, "<b>train.csv", "/data/<b>train.csv", "text + <i>"):
        assert text in page.texts
    assert "<i>: \ufffdtxet\ufffd[31m" in page.texts
    assert "\u202e" not in html
    assert "\x1b" not in html


def test_problems_come_with_rows_and_short_examples(html):
    texts = [text.strip() for text in Page(html).texts]
    for text in ("exact-duplicates", "leakage", "rare-class", "1 row is in both."):
        assert text in texts
    assert "Rows: 3, 44 and 10 more" in texts
    assert "Rows of the other file: 7" in texts
    assert '<span class="option">--group-column</span>' in html
    (cut,) = [text for text in texts if text.startswith("text: word")]
    assert cut.endswith("…")
    assert len(cut) < 170
    assert "(empty)" in texts
    assert "no label" in texts
    assert any("mind with whom you share it" in text for text in texts)


def test_figures_and_commands_are_shown(html):
    texts = Page(html).texts
    for text in ("100.0", "90.1%", "37.0 times", "33.3%", "12.3%", "switch*", "0.777"):
        assert text in texts
    assert {"75.0%", "12.5%", "128 (now)"} <= set(texts)
    assert any("3.4% of the tokens are unknown" in text for text in texts)
    assert any("on a sample of 199 texts, with the tokenizer of minilm" in text for text in texts)
    assert " ".join(re.findall("<pre><code>(.*?)</code></pre>", html)).count("<span>") == 5
    assert "Draws rare classes more." in texts
    assert any("Row 5, " in text for text in texts)
    assert "; the model says " in texts
    assert ", by 91 points" in texts


def test_the_file_is_told_by_path_rows_and_hash(html):
    texts = Page(html).texts
    for text in ("1,010, of which 999 usable", "ab" * 32, "/data/test.csv", "cd" * 32):
        assert text in texts
    assert any("read as cp949" in text for text in texts)


def test_a_single_class_without_problems_is_a_page_too(render):
    report = make_report((5,), ("a",))
    bare = replace(
        report, against=None, notes=[], findings=[], scores=[], schedules=[], suggestions=[],
        lengths=TextLengths("words", np.array([3, 4, 5]), True), baseline=None, doubts=None,
    )  # fmt: skip
    html = render(bare)
    assert Page(html).open == []
    assert re.findall("<h2>(.*?)</h2>", html) == ["Problems", "Classes", "Text lengths", "The file"]
    assert "None of the checks found a problem." in html
    assert "no tokenizer measured the texts" in html
    assert "<ul" not in html


def test_standard_input_is_called_so(render):
    html = render(replace(make_report(), file=DataFile("-", 9, 9, "ef")))
    assert "<h1>standard input</h1>" in html
    assert "name your data file behind dsample train" in html


def test_of_very_many_classes_the_ends_are_listed(render, monkeypatch):
    monkeypatch.setattr(_analysis_sections, "MOST_CLASSES", 10)
    counts = np.arange(60, 0, -1)
    html = render(make_report(counts, [f"class {k}" for k in range(60)]))
    assert "The 5 largest and the 5 smallest of 60 classes" in html
    assert "class 4<" in html
    assert "class 30<" not in html
    assert "class 55<" in html


def test_the_page_is_written_whole_even_with_a_broken_file_name(blank_pictures, tmp_path):
    path = tmp_path / "analysis.html"
    write_analysis_html(path, replace(make_report(), file=DataFile("/a\udcff.csv", 9, 9, "ef")))
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [entry.name for entry in tmp_path.iterdir()] == ["analysis.html"]
