"""analyze --baseline and --label-issues, and what train makes of the first."""

import io
import json
import sys
from pathlib import Path

import pytest

from tests.helpers import QUICK

FIGURES = {"accuracy", "macro_f1", "balanced_accuracy"}


@pytest.fixture
def mislabelled(tmp_path):
    """Texts that their words settle, 300 rows in three classes, and four wrong labels."""
    words = {"spam": "win prize free", "ham": "lunch home later", "[b]x[/b]": "회의 일정 변경"}
    names = list(words)
    rows = []
    for i in range(300):
        label = names[i * 7 % 3]
        text = f"{words[label]} {'abcdefghij'[i % 10]}{'klmnopqrst'[i // 10 % 10]}{i}"
        rows.append([text, label])
    right = {row: rows[row][1] for row in (17, 80, 151, 222)}
    for row, label in right.items():
        rows[row][1] = names[(names.index(label) + 1) % 3]
    path = tmp_path / "wrong.csv"
    lines = [f'"{text}","{label}"' for text, label in rows]
    path.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    return path, right


def test_the_baseline_as_json(dsample, tickets):
    found = dsample("analyze", tickets, "--baseline", "--json").json
    baseline = found["baseline"]
    assert set(baseline) == {"folds", "rows", "majority", "plain", "balanced", "seconds"}
    assert (baseline["folds"], baseline["rows"]) == (5, 120)
    assert baseline["majority"]["accuracy"] == 0.625
    for name in ("majority", "plain", "balanced"):
        assert set(baseline[name]) == FIGURES
    for name in ("plain", "balanced"):
        assert baseline[name]["macro_f1"] > baseline["majority"]["macro_f1"] + 0.3
    assert found["label_issues"] is None
    found = dsample("analyze", tickets, "--json").json
    assert (found["baseline"], found["label_issues"]) == (None, None)


def test_the_baseline_as_a_table(dsample, tickets):
    shown = " ".join(dsample("analyze", tickets, "--baseline").out.split())
    assert "TF-IDF + logistic regression 5-fold cross-validation, 120 rows" in shown
    assert "always the commonest class 0.2564 0.3333 0.6250" in shown
    assert "class-balanced" in shown
    assert "TF-IDF" not in dsample("analyze", tickets).out


def test_wrong_labels_are_found(dsample, mislabelled):
    path, right = mislabelled
    found = dsample("analyze", path, "--label-issues", "--json").json
    assert {issue["row"]: issue["suggested"] for issue in found["label_issues"]} == right
    margins = [issue["margin"] for issue in found["label_issues"]]
    assert margins == sorted(margins, reverse=True)
    assert all(0 < margin <= 1 for margin in margins)
    (problem,) = [p for p in found["problems"] if p["code"] == "suspect-labels"]
    assert (problem["severity"], problem["count"]) == ("info", 4)
    assert problem["rows"] == [issue["row"] for issue in found["label_issues"]]
    assert "row 17 " in problem["message"]
    assert found["baseline"] is None
    assert dsample("analyze", path, "--label-issues", "--strict").code == 0


def test_labels_are_shown_as_they_are(dsample, mislabelled):
    done = dsample("analyze", mislabelled[0], "--label-issues")
    table = done.out[done.out.index("Suspect labels\n") :]
    assert "[b]x[/b]" in table
    assert "회의" not in table  # no text of the rows


def test_right_labels_are_left_alone(dsample, tmp_path):
    words = ["red apple", "blue river", "old tower"]
    lines = [f"{words[i % 3]} {i},{'abc'[i % 3]}" for i in range(150)]
    (tmp_path / "right.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    done = dsample("analyze", "right.csv", "--label-issues", "--json")
    assert done.json["label_issues"] == []
    assert "suspect-labels" not in [p["code"] for p in done.json["problems"]]
    assert "No suspect labels found." in dsample("analyze", "right.csv", "--label-issues").out


def test_both_come_of_one_cross_validation(dsample, tickets, monkeypatch):
    from dsample_cli.evaluation import baseline

    calls, cross_validate = [], baseline.cross_validate
    monkeypatch.setattr(
        baseline, "cross_validate", lambda *args: calls.append(1) or cross_validate(*args)
    )
    both = dsample("analyze", tickets, "--baseline", "--label-issues", "--json").json
    assert calls == [1]
    alone = dsample("analyze", tickets, "--label-issues", "--json").json
    assert alone["label_issues"] == both["label_issues"]


def test_standard_input(dsample, tickets, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(tickets.read_bytes())))
    found = dsample("analyze", "-", "--baseline", "--json")
    assert found.code == 0
    assert found.json["baseline"]["rows"] == 120
    assert not (tmp_path / "dsample_workspace").exists()


def test_pairs_and_rows_without_text_or_label(dsample, tmp_path):
    lines = [f"{'good' if i % 2 else 'bad'} film,plot {i},{'yn'[i % 2]}" for i in range(40)]
    lines[3:5] = [",,y", "film,plot,"]
    (tmp_path / "d.csv").write_text("\n".join(["a,b,label", *lines]) + "\n")
    options = "--text-column a --text-column b --baseline --json".split()
    found = dsample("analyze", "d.csv", *options).json["baseline"]
    assert found["rows"] == 38
    assert found["plain"]["accuracy"] == 1


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["one,a", "two,b", "three,a"], "3 usable rows are fewer than 10"),
        ([f"text {i} {i},a" for i in range(20)], "there is only one class"),
        ([f"same,{'ab'[i % 2]}" for i in range(20)], "the texts are all the same"),
        ([f"text,{i}" for i in range(1001)], "1,001 classes are more than 1,000"),
    ],
)
def test_what_cannot_be_done_is_told(dsample, tmp_path, lines, told):
    (tmp_path / "d.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    done = dsample("analyze", "d.csv", "--baseline", "--label-issues", "--json")
    assert done.code == 0
    assert (done.json["baseline"], done.json["label_issues"]) == (None, None)
    assert told in " ".join(done.err.split())
    assert dsample("analyze", "d.csv", "--baseline").code == 0


def test_classes_of_one_row_are_counted_and_never_doubted(dsample, tickets):
    with tickets.open("a") as file:
        file.write("".join(f"strange text {i},lone{i},c1\n" for i in range(3)))
    found = dsample("analyze", tickets, "--baseline", "--label-issues", "--json").json
    assert found["baseline"]["rows"] == 123
    assert not {"lone0", "lone1"} & {issue["label"] for issue in found["label_issues"]}


def test_a_large_file_is_thinned_and_that_is_told(dsample, tickets, monkeypatch):
    monkeypatch.setattr("dsample_cli.workflows.baseline.MOST_ROWS", 80)
    done = dsample("analyze", tickets, "--baseline", "--json")
    assert 75 <= done.json["baseline"]["rows"] <= 80
    assert "of 120 usable rows" in " ".join(done.err.split())


def test_copies_of_a_text_are_in_one_fold(dsample, tmp_path):
    """Labels that no word tells: only copies on both sides of a fold could give them away."""
    import random

    rng = random.Random(0)
    texts = ["".join(rng.choices("abcdefghij", k=8)) for _ in range(60)]
    lines = [f"{text.upper() if i else text},{'yn'[j % 2]}" for i in range(3)
             for j, text in enumerate(texts)]  # fmt: skip
    (tmp_path / "d.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    found = dsample("analyze", "d.csv", "--baseline", "--json").json["baseline"]
    assert found["plain"]["accuracy"] < 0.75


def test_train_shows_its_gain_over_the_baseline(dsample, tickets, blank_pictures):
    assert dsample("analyze", tickets, "--baseline", "-q").code == 0
    done = dsample("train", tickets, *QUICK, "--test-size", 0.2, "--json")
    assert done.code == 0, done.err
    baseline = done.json["baseline"]
    assert set(baseline) == {"model", "fitted_rows", "train_rows", "validation", "test"}
    assert baseline["model"] in ("plain", "balanced")
    assert baseline["fitted_rows"] == baseline["train_rows"]
    for split in ("validation", "test"):
        assert set(baseline[split]) == FIGURES
    run = Path(done.json["path"])
    assert json.loads((run / "run.json").read_text())["baseline"] == baseline
    gain = done.json["metrics"]["test"]["macro_f1"] - baseline["test"]["macro_f1"]
    told = f"{baseline['test']['macro_f1']:.3f} on test (this run {gain:+.3f})"
    assert told in (run / "report.html").read_text()
    corrected = dsample("correct", "--method", "none")
    assert "TF-IDF + logistic regression" in corrected.out


def test_a_baseline_that_fails_loses_no_run(dsample, tickets, blank_pictures, monkeypatch):
    def fail(*args):
        raise MemoryError

    assert dsample("analyze", tickets, "--baseline", "-q").code == 0
    monkeypatch.setattr("dsample_cli.workflows.finish.measure_baseline", fail)
    done = dsample("train", tickets, *QUICK, "--json")
    assert (done.code, done.json["status"], done.json["baseline"]) == (0, "completed", None)
    assert "could not be fitted to compare with (MemoryError)" in " ".join(done.err.split())
