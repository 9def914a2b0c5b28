"""The baseline and the doubts about labels on data that nobody here wrote."""

import csv

import numpy as np
import pytest

HELD = [
    ("sms_spam.csv", "label", 0.95),
    ("trec_train.csv", "coarse", 0.80),
    ("korean_hate_train.csv", "hate", 0.48),
]


@pytest.mark.parametrize(("name", "label", "least"), HELD)
def test_the_baseline(real, dsample, name, label, least):
    """Somewhat below what was measured, and far above the floor."""
    options = ("--label-column", label, "--fast", "--json", "--quiet")
    found = dsample("analyze", real(name), "--baseline", "--label-issues", *options).json
    baseline = found["baseline"]
    assert min(baseline[model]["macro_f1"] for model in ("plain", "balanced")) > least
    assert baseline["majority"]["macro_f1"] < 0.5
    assert [p for p in found["problems"] if p["severity"] == "error"] == []
    (problem,) = [p for p in found["problems"] if p["code"] == "suspect-labels"]
    assert problem["severity"] == "info"
    assert problem["count"] < 0.06 * baseline["rows"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("label", "least"), [("trec_train.csv fine", 0.6), ("clinc_lt_train.csv label", 0.7)]
)
def test_many_classes(real, dsample, label, least):
    name, column = label.split()
    done = dsample("analyze", real(name), "--label-column", column, "--baseline", "--json", "-q")
    assert done.json["baseline"]["balanced"]["macro_f1"] > least


@pytest.mark.parametrize(
    ("name", "precision", "recall"), [("sms_spam.csv", 0.85, 0.7), ("trec_train.csv", 0.4, 0.45)]
)
def test_flipped_labels_are_found(real, dsample, tmp_path, name, precision, recall):
    """3% of the labels are changed; the first 20 that are doubted are nearly all of them."""
    label = "coarse" if name.startswith("trec") else "label"
    with real(name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = sorted({row[label] for row in rows})
    rng = np.random.default_rng(0)
    flipped = set(np.flatnonzero(rng.random(len(rows)) < 0.03).tolist())
    for row in flipped:
        others = [n for n in names if n != rows[row][label]]
        rows[row][label] = others[rng.integers(len(others))]
    with (tmp_path / "flipped.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["text", label])
        writer.writeheader()
        writer.writerows({key: row[key] for key in ("text", label)} for row in rows)
    options = ("--label-column", label, "--label-issues", "--fast", "--json", "--quiet")
    found = dsample("analyze", "flipped.csv", *options).json
    (problem,) = [p for p in found["problems"] if p["code"] == "suspect-labels"]
    listed = [issue["row"] for issue in found["label_issues"]]
    hits = len(flipped & set(listed))
    assert len(flipped & set(listed[:20])) >= 16
    assert hits / len(listed) > precision
    # Of more rows than are listed, those that are listed are a part of what is found.
    assert hits / len(flipped) > recall * min(1, len(listed) / problem["count"])
