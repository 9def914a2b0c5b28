"""The report page: everything escaped, nothing fetched, only its own script allowed."""

import base64
import hashlib
import re
from dataclasses import replace

import numpy as np
import pytest

from dsample_cli.reports._calibration_section import calibration_section, calibration_text
from dsample_cli.reports._correction_section import correction_section
from dsample_cli.reports.html import (
    ClassRow,
    ClassShares,
    CorrectionGain,
    CorrectionReport,
    DataPart,
    Reliability,
    RunReport,
    SplitResult,
    render_run_report,
    write_run_report,
)
from tests.reports.pages import Page, fetches_nothing

NASTY = ("<script>alert(1)</script>", "\"&'</td>", "정상")


@pytest.fixture(scope="module")
def report() -> RunReport:
    classes = [
        ClassRow(NASTY[0], 900, 60, 0.9, 0.95, 0.924, "many"),
        ClassRow(NASTY[1], 90, 9, 0.5, 0.4, 0.444, "medium"),
        ClassRow(NASTY[2], 9, 0, 0.0, 0.0, 0.0, "few"),
    ]
    epochs = [
        {
            "epoch": epoch,
            "mix": float(epoch),
            "expected": dict(zip(NASTY, ([0.9, 0.09, 0.01], [0.4, 0.3, 0.3])[epoch], strict=True)),
            "drawn": dict(zip(NASTY, ([900, 90, 10], [300, 300, 400])[epoch], strict=True)),
            "train_loss": 1.5 - epoch,
            "validation": {"macro_f1": 0.4321 + epoch / 10, "accuracy": 0.8, "loss": 0.9},
        }
        for epoch in (0, 1)
    ]
    metrics = {"accuracy": 0.88, "macro_f1": 0.678, "balanced_accuracy": 0.675, "ece": None}
    intervals = {"macro_f1": (0.6, 0.75)}
    return RunReport(
        run="cyclic-<b>1",
        command="dsample train 'a & b.csv' --schedule cyclic",
        created="2026-01-02 03:04 UTC",
        model="tiny",
        schedule="cyclic:3",
        score="softmax",
        settings=[("seed", "42"), ("<i>", "</td>")],
        splits=[
            SplitResult("validation", 50, metrics, None, {"many": 0.9, "few": None}),
            SplitResult("test", 1069, metrics, intervals, {"many": 0.95, "few": None}),
        ],
        class_split="test",
        classes=classes,
        confusion=np.array([[57, 3, 0], [5, 4, 0], [0, 0, 0]]),
        epochs=epochs,
        best_epoch=1,
        most_confused=[(NASTY[1], NASTY[0], 5)],
        warnings=["<img src=x onerror=alert(1)>", "Use --max-length 16 or 'a--b'."],
        facts=[("Loss", "ce"), ("Made of", "natural-<b>0")],
        correction=CorrectionReport(
            "Corrected by logit-adjust+temperature",
            "logit-adjust+temperature",
            True,
            CorrectionGain("macro_f1", 0.6012, 0.6543, 0.0123, is_taken=True),
            "equal class shares",
            {"strength_carried": 1.0, "strength_data": 0.25, "temperature": 1.234},
            [
                ClassShares(label, natural, 0.4, 1 / 3, bias)
                for label, natural, bias in zip(
                    NASTY, (0.9009, 0.0901, 0.0009), (-1.5, 0.5, 1.0), strict=True
                )
            ],
        ),
        calibration=[
            Reliability("as trained", [0, 20, 40], [0, 0.5, 0.9], [0, 0.6, 0.7], 0.1667, 0.2),
            Reliability("corrected", [0, 20, 40], [0, 0.55, 0.8], [0, 0.6, 0.7], 0.0833, 0.1),
        ],
        data=[
            DataPart("train", "/secret/<b>train.csv", "0123456789abcdef" * 4, 999),
            DataPart("test", "/secret/test.csv", "fedcba9876543210" * 4, 1069),
        ],
    )


@pytest.fixture(scope="module")
def html(report) -> str:
    return render_run_report(report)


def test_the_page_is_well_formed_and_has_its_sections(html):
    page = Page(html)
    assert page.open == []
    headings = [tag for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1
    for title in (
        *("Results", "Classes", "Mistakes", "Correction", "Calibration", "Training", "Data"),
        "Repeat this run",
    ):
        assert f"<h2>{title}</h2>" in html


def test_everything_of_the_user_is_escaped(html):
    page = Page(html)
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert not {"b", "i"} & {tag for tag, _ in page.elements}
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    for text in (*NASTY, "cyclic-<b>1", "<img src=x onerror=alert(1)>", "</td>"):
        assert text in page.texts


def test_the_policy_allows_the_script_of_the_page_and_nothing_from_outside(html):
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(
        attributes["content"]
        for tag, attributes in Page(html).elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")
    assert f"script-src 'sha256-{digest}'" in policy
    fetches_nothing(html)


def test_six_pictures_are_embedded_with_descriptions(html):
    images = [attributes for tag, attributes in Page(html).elements if tag == "img"]
    assert len(images) == 6
    for image in images:
        kind, encoded = image["src"].split(",", 1)
        assert kind == "data:image/png;base64"
        assert base64.b64decode(encoded, validate=True).startswith(b"\x89PNG")
        assert image["alt"]
        assert 200 < int(image["width"]) < 1200


def test_figures_are_shown(html):
    texts = Page(html).texts
    assert "0.678" in texts
    assert "0.600 to 0.750" in texts
    assert "0.010" in texts  # the share of the few group in epoch 0, as drawn
    assert "0.400" in texts  # and in epoch 1
    assert "0.532" in texts
    assert '<tr class="kept">' in html
    assert html.count('<tr class="kept">') == 1


def test_the_correction_is_shown_with_what_it_is_worth(html):
    texts = Page(html).texts
    for text in ("0.601", "0.654", "+5.3 points", "standard error 1.2", "Macro-F1 corrected"):
        assert text in texts
    (lead,) = [text for text in texts if text.startswith("Corrected by")]
    assert "folded into the last layer" in lead
    assert "The probabilities stand for equal class shares." in lead
    assert "1 × log of the prior left by training, 0.25 × log of the training shares" in lead
    assert "temperature 1.23." in lead
    assert {"90.1%", "0.09%", "-1.50", "33.3%"} <= set(texts)


def test_what_was_tried_and_left_is_told_so(report):
    left = replace(report.correction.gain, is_taken=False)
    shares = [replace(of_class, bias=0.0) for of_class in report.correction.shares]
    nothing = replace(
        report.correction, verdict="No correction", method="none", gain=left, shares=shares
    )
    html = correction_section(nothing)
    assert "Macro-F1 with logit adjustment, not taken" in html
    assert "Logit bias" not in html
    assert "folded" not in html
    calibrated = replace(report.correction, method="temperature", is_folded=False, gain=left)
    html = correction_section(calibrated)
    assert "Logit bias" in html
    assert "kept beside the saved model" in html


def test_the_calibration_is_told_in_words(report, html):
    (lead,) = [text for text in Page(html).texts if text.startswith("Calibrated on average")]
    assert "on the test split the model is right in 66.7% of its answers" in lead
    assert "on average 71.7% sure of them, a difference that chance may account for." in lead
    assert "ECE: 0.167 as trained, 0.083 corrected." in lead
    assert "stand for equal class shares, not for those of these rows" in lead
    assert "rough" not in lead
    few = replace(report.calibration[0], rows=[0, 2, 4])
    lead = calibration_section(replace(report, calibration=[few]))
    assert "6 rows give no more than a rough picture." in lead
    assert "corrected." not in lead


@pytest.mark.parametrize(
    ("confidence", "accuracy", "verdict", "amount"),
    [
        (0.9, 0.8, "Over-confident", "10.0 points too much"),
        (0.8, 0.9, "Under-confident", "10.0 points too little"),
        (0.8, 0.81, "Calibrated on average", "a difference that chance may account for"),
        (1.0, 1.0, "Calibrated on average", "100.0% sure of them"),
    ],
)
def test_what_is_beyond_chance_is_called_so(confidence, accuracy, verdict, amount):
    panel = Reliability("as trained", [400], [confidence], [accuracy], 0.1, 0.1)
    text = calibration_text(panel, "validation")
    assert text.startswith(f"{verdict}: on the validation split")
    assert text.endswith(f" {amount}.")


def test_header_shows_where_the_run_came_from(html):
    texts = Page(html).texts
    assert texts[texts.index("Made of") + 1] == "natural-<b>0"


def test_lines_of_warnings_do_not_break_within_options(html):
    assert 'Use <span class="option">--max-length</span> 16 or' in html


def test_a_class_without_support_has_no_recall_and_sorts_last(html):
    row = next(row for row in html.split("<tr>") if "<bdi>정상</bdi>" in row)
    assert row.count('data-value="">–') == 2
    assert row.count('style="width:0.0%"') == 1


def test_a_bare_report_is_still_a_page(report):
    bare = replace(
        report, splits=[], classes=[], confusion=np.zeros((0, 0), int), epochs=[], warnings=[],
        settings=[], most_confused=[], best_epoch=None, facts=[], correction=None, calibration=[],
        data=[],
    )  # fmt: skip
    page = Page(render_run_report(bare))
    assert page.open == []
    assert "This run has not been evaluated." in page.texts


def test_the_data_are_told_without_their_folder(html):
    page = Page(html)
    for text in ("100.0", "900 rows to 9", "1 many, 1 medium, 1 few", "<b>train.csv", "1,069"):
        assert text in page.texts
    assert page.attributes("span", "title", "0123456789abcdef" * 4)
    assert "0123456789ab" in page.texts
    assert "/secret" not in html


def test_sparse_epochs_are_shown(report):
    sparse = replace(report, epochs=[{"epoch": 0}, {"epoch": 1, "mix": None, "validation": None}])
    assert Page(render_run_report(sparse)).open == []


def test_equal_reports_give_equal_files(report, html, tmp_path):
    path = tmp_path / "report.html"
    write_run_report(path, report)
    assert path.read_bytes() == html.encode()
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_label_with_no_utf8_form_does_not_stop_the_report(blank_pictures, report, tmp_path):
    write_run_report(tmp_path / "report.html", replace(report, run="run-\udcff"))
    assert "run-\ufffd" in (tmp_path / "report.html").read_text(encoding="utf-8")
