"""The pages in a real browser: they sort, fit a phone, fetch nothing and complain of nothing."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from dsample_cli.core.imbalance import frequency_groups
from dsample_cli.core.progress import Silent
from dsample_cli.reports.analysis import render_analysis
from dsample_cli.reports.comparison_page import render_comparison
from dsample_cli.reports.html import (
    ClassRow,
    DataPart,
    Reliability,
    RunReport,
    SplitResult,
    render_run_report,
)
from dsample_cli.runs.workspace import Workspace
from dsample_cli.workflows.compare import compare
from tests.cli.test_compare import store
from tests.reports.browser import PATH, Browser, started_browser
from tests.reports.test_analysis import make_report

pytestmark = pytest.mark.skipif(PATH is None, reason="no Chromium on the PATH")
PHONE, SCREEN = 390, 1280
# In the first sortable table: what the cells of a column sort by, from the top; and a click on its
# head, with how the table is sorted then.
COLUMN = """((name) => {
  const table = document.querySelector("table.sortable");
  const heads = [...table.tHead.rows[0].cells];
  const column = heads.findIndex((head) => head.textContent === name);
  return [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.value);
})(%r)"""
CLICK = """(() => {
  const heads = [...document.querySelector("table.sortable").tHead.rows[0].cells];
  const head = heads.find((head) => head.textContent === %r);
  head.querySelector("button").click();
  return heads.map((head) => head.getAttribute("aria-sort")).filter(Boolean);
})()"""
LONG_NAME = "transfer_into_account_fee_charged_without_an_explanation"


def blank_png(width: int, height: int) -> bytes:
    """A whole white picture of this size, quicker than to draw one."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = zlib.compress((b"\0" + b"\xff" * (-(-width // 8))) * height)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def make_run_report(n_classes: int = 24, n_epochs: int = 6) -> RunReport:
    """A report of classes of which some have no rows, and some long names."""
    rng = np.random.default_rng(n_classes)
    counts = np.maximum(900 * 0.8 ** np.arange(n_classes), 2).astype(int)
    labels = [f"class {k} <b>" for k in range(n_classes)]
    labels[-1], labels[n_classes // 2] = LONG_NAME, "정상 문의"
    groups = frequency_groups(counts)
    confusion = rng.binomial(4, 0.25 / n_classes, (n_classes, n_classes)) + 30 * np.eye(
        n_classes, dtype=int
    )
    support = confusion.sum(axis=1)
    recall = confusion.diagonal() / support
    support[1] = 0
    return RunReport(
        run="20260101-000000-cyclic-0000",
        command="dsample train --config /home/a folder/.dsample/runs/20260101-000000/config.toml",
        created="2026-01-01 00:00 UTC",
        model="sentence-transformers/all-MiniLM-L6-v2",
        schedule="warmup:2+cyclic:3",
        score="softmax",
        settings=[("seed", "42"), ("text-column", LONG_NAME)],
        splits=[
            SplitResult(
                name,
                1000,
                {"accuracy": 0.91, "macro_f1": 0.85, "balanced_accuracy": 0.86, "ece": 0.01},
                {"macro_f1": (0.83, 0.87), "accuracy": (0.9, 0.92)},
                {"many": 0.95, "medium": 0.9, "few": 0.7},
            )
            for name in ("validation", "test")
        ],
        class_split="test",
        classes=[
            ClassRow(label, int(n), int(rows), float(r), float(r), float(r), group)
            for label, n, rows, r, group in zip(
                labels, counts, support, recall, groups, strict=True
            )
        ],
        confusion=confusion,
        epochs=[
            {
                "epoch": epoch,
                "mix": float(epoch % 3 == 2),
                "expected": dict(zip(labels, counts / counts.sum(), strict=True)),
                "drawn": dict(zip(labels, counts.tolist(), strict=True)),
                "train_loss": 3 / (1 + epoch),
                "validation": {"loss": 2 / (1 + epoch), "accuracy": 0.8, "macro_f1": 0.7},
            }
            for epoch in range(n_epochs)
        ],
        best_epoch=n_epochs - 1,
        most_confused=[(labels[0], LONG_NAME, 5)],
        warnings=["Use --max-length 128: 3 of the texts are longer."],
        calibration=[
            Reliability("as trained", [0, 20, 40], [0, 0.5, 0.9], [0, 0.6, 0.7], 0.1, 0.2)
        ],
        data=[DataPart("train", f"/data/{LONG_NAME}.csv", "ab" * 32, int(counts.sum()))],
    )


def comparison_html(folder: Path) -> str:
    labels = ["billing", "login", "outage", LONG_NAME, "정상 문의"]
    truth = [label for label in labels for _ in range(8)]
    for seed, shift in enumerate((3, 2, 5)):
        predicted = [labels[(i // 8 + (i % shift == 1)) % 5] for i in range(len(truth))]
        schedule = ("natural", "cyclic:2", "warmup:2+switch")[seed]
        store(folder, f"run-{seed}", predicted, truth, labels, schedule=schedule, model=LONG_NAME)
    names = [f"run-{seed}" for seed in range(3)]
    return render_comparison(compare(Workspace(folder), names, listener=Silent()))


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """Path of each page; the pictures are blank, but as large as real ones."""
    folder = tmp_path_factory.mktemp("pages")
    picture = blank_png(1800, 1200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "matplotlib.figure.Figure.savefig", lambda self, file, **options: file.write(picture)
        )
        html = {
            "run": render_run_report(make_run_report()),
            "comparison": comparison_html(folder / "workspace"),
            "analysis": render_analysis(make_report()),
        }
    for name, text in html.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in html}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with started_browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


def is_sound(browser: Browser, path: Path) -> bool:
    return (
        browser.problems == []
        and browser.fetched[:1] == [path.as_uri()]
        and all(url.startswith("data:") for url in browser.fetched[1:])
    )


@pytest.mark.parametrize("width", [PHONE, SCREEN])
@pytest.mark.parametrize("name", ["run", "comparison", "analysis"])
def test_a_page_fits_and_fetches_nothing(browser, pages, name, width):
    browser.open(pages[name], width)
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value("[...document.images].every((i) => i.complete && i.naturalWidth > 0)")
    assert is_sound(browser, pages[name])


@pytest.mark.parametrize("name", ["run", "comparison", "analysis"])
def test_nothing_sticks_out_of_a_page_but_inside_what_scrolls(browser, pages, name):
    browser.open(pages[name], PHONE)
    outside = browser.value(
        "[...document.querySelectorAll('main *')]"
        ".filter((e) => !e.closest('.scroll, .picture') && e.getBoundingClientRect().right > 390)"
        ".map((e) => e.outerHTML.slice(0, 80))"
    )
    assert outside == []


@pytest.mark.parametrize(
    ("name", "number", "text"),
    [
        ("run", "Train rows", "Class"),
        ("run", "Recall", "Group"),
        ("comparison", "Difference from A", "Figure"),
        ("analysis", "Examples", "Class"),
    ],
)
def test_a_click_on_a_head_sorts(browser, pages, name, number, text):
    browser.open(pages[name], SCREEN)
    before = browser.value(COLUMN % number)
    known = sorted((float(value) for value in before if value), reverse=True)
    unknown = [""] * before.count("")
    for direction in ("descending", "ascending"):
        assert browser.value(CLICK % number) == [direction]
        values = browser.value(COLUMN % number)
        assert [float(value) for value in values[: len(known)]] == known
        assert values[len(known) :] == unknown
        known.reverse()
    expected = browser.value(
        f"{COLUMN % text}.sort(new Intl.Collator(undefined, {{ numeric: true }}).compare)"
    )
    for direction in ("ascending", "descending"):
        assert browser.value(CLICK % text) == [direction]
        assert browser.value(COLUMN % text) == expected
        expected.reverse()
    assert is_sound(browser, pages[name])


def test_the_checks_see_what_is_wrong(browser, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">"
        "<script>alert(1)</script><p style='width: 3000px'>wide<img src='http://127.0.0.1:9/a.png'>"
    )
    browser.open(page, PHONE)
    assert browser.value("document.documentElement.scrollWidth") > PHONE
    assert any("Content Security Policy" in problem for problem in browser.problems)
    assert not is_sound(browser, page)
