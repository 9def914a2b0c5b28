"""dsample analyze."""

import hashlib
import io
import sys

import pytest

NASTY = ["NA", "None", "null", "1.0", "nan", "[bold]x[/bold]"]


def test_the_json_has_the_keys_of_the_contract(dsample, tickets):
    done = dsample("analyze", tickets, "--json")
    assert done.code == 0
    found = done.json
    assert {"data", "classes", "imbalance", "problems", "sampling"} <= set(found)
    data = found["data"]
    assert data["path"] == str(tickets)
    assert data["rows"] == 120
    assert data["sha256"] == hashlib.sha256(tickets.read_bytes()).hexdigest()
    assert (data["text_column"], data["label_column"]) == ("text", "label")
    assert found["classes"] == [
        {"label": "billing", "count": 75, "share": 0.625, "group": "many"},
        {"label": "login", "count": 30, "share": 0.25, "group": "medium"},
        {"label": "outage", "count": 15, "share": 0.125, "group": "few"},
    ]
    assert set(found["imbalance"]) == {
        "ratio",
        "entropy",
        "evenness",
        "effective_classes",
        "gini",
        "kl_to_uniform",
        "total_variation",
    }
    assert found["imbalance"]["ratio"] == 5.0
    assert set(found["sampling"]) >= {"softmax", "inverse", "sqrt"}
    assert found["sampling"]["inverse"] == pytest.approx(
        {"billing": 1 / 3, "login": 1 / 3, "outage": 1 / 3}
    )
    for share in found["sampling"].values():
        assert sum(share.values()) == pytest.approx(1)
    for problem in found["problems"]:
        assert {"code", "severity", "message", "count", "rows"} <= set(problem)
        assert problem["severity"] in ("error", "warning", "info")


def test_the_table_shows_classes_shares_and_what_to_type(dsample, tickets):
    done = dsample("analyze", tickets)
    assert done.code == 0
    for text in ("billing", "62.5%", "few", "softmax", "cyclic", "dsample train"):
        assert text in done.out
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert "class natural softmax inverse sqrt effective-number" in lines
    assert "inverse 33.3% 120 2.7 times" in lines
    assert "oversample 33.3% 225 5.0 times" in lines
    assert "undersample 33.3% 45 1.0 times" in lines
    assert max(map(len, done.out.splitlines())) <= 110


def test_groups_by_thresholds(dsample, tickets):
    found = dsample("analyze", tickets, "--groups", "70,20", "--json").json
    assert [entry["group"] for entry in found["classes"]] == ["many", "medium", "few"]
    found = dsample("analyze", tickets, "--groups", "10,5", "--json").json
    assert [entry["group"] for entry in found["classes"]] == ["many"] * 3


def test_a_guessed_column_is_told_on_stderr(dsample, tmp_path):
    (tmp_path / "d.csv").write_text("message,category,id\nhello,a,1\nworld,b,2\n")
    done = dsample("analyze", "d.csv", "--json")
    assert (done.json["data"]["text_column"], done.json["data"]["label_column"]) == (
        "message",
        "category",
    )
    assert "'message' (guessed" in done.err
    assert "'category' (guessed" in done.err
    assert dsample("analyze", "d.csv", "--json", "--quiet").err == ""


def test_labels_stay_what_the_file_says(dsample, tmp_path):
    rows = [f'text {i},"{label}"' for i, label in enumerate(NASTY * 2)]
    (tmp_path / "d.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    found = dsample("analyze", "d.csv", "--json").json
    assert {entry["label"] for entry in found["classes"]} == set(NASTY)
    assert all(label in dsample("analyze", "d.csv").out for label in NASTY)


def test_a_label_cannot_drive_the_terminal(dsample, tmp_path):
    (tmp_path / "d.csv").write_text("text,label\nhello,a\x1b[31m\nworld,b\n")
    assert "\x1b[31m" not in dsample("analyze", "d.csv").out


def test_strict_exits_with_3_only_for_an_error(dsample, tickets, tmp_path):
    assert dsample("analyze", tickets, "--strict").code == 0
    (tmp_path / "one.csv").write_text("text,label\nhello,a\nworld,a\n")
    assert dsample("analyze", "one.csv", "--strict").code == 3
    assert dsample("analyze", "one.csv").code == 0


def test_standard_input_is_analyzed_but_not_remembered(dsample, tickets, tmp_path, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(tickets.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    done = dsample("analyze", "-", "--json")
    assert done.code == 0
    assert (done.json["data"]["path"], done.json["data"]["rows"]) == ("-", 120)
    assert not (tmp_path / "dsample_workspace" / "workspace.json").exists()


def test_problems_come_with_severity_rows_and_a_mend(dsample, tmp_path):
    rows = [
        f"text of kind {'xyz'[i % 3]} number {i} {'word ' * i},{'ab'[i % 2]}" for i in range(40)
    ]
    (tmp_path / "d.csv").write_text("\n".join(["text,label", *rows, *[",a"] * 30]) + "\n")
    found = dsample("analyze", "d.csv", "--json").json["problems"]
    (empty,) = [problem for problem in found if problem["code"] == "empty-text"]
    assert (empty["severity"], empty["count"]) == ("warning", 30)
    assert empty["rows"] == list(range(40, 60))
    shown = dsample("analyze", "d.csv").out
    assert "Problems  1 warning\n" in shown
    assert "warning  empty-text" in shown
    assert "Rows: 40, 41, 42, 43, 44, 45," in shown
    assert "59 and 10 more" in " ".join(shown.split())


def test_against_another_file(dsample, tickets, tmp_path):
    lines = tickets.read_text().splitlines()
    (tmp_path / "test.csv").write_text("\n".join([lines[0], *lines[5:8], "new text,other,c1"]))
    done = dsample("analyze", tickets, "--against", "test.csv", "--json", "--strict")
    assert done.code == 3
    codes = {problem["code"]: problem for problem in done.json["problems"]}
    assert codes["leakage"]["rows"] == [0, 1, 2]
    assert codes["unseen-labels"]["severity"] == "error"
    assert done.json["against"]["rows"] == 4
    assert done.json["against"]["path"] == str(tmp_path / "test.csv")
    assert dsample("analyze", tickets, "--json").json["against"] is None


def test_against_a_file_with_other_columns(fails, tickets, tmp_path):
    (tmp_path / "test.csv").write_text("body,label\nx,y\n")
    fails(
        "analyze", tickets, "--against", "test.csv",
        kind="DataError", message="test.csv has no column 'text'", hint="Columns: 'body'",
    )  # fmt: skip


def test_tokens_of_the_chosen_model(dsample, tickets, tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "case": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    (tmp_path / "encoder").mkdir()
    tokenizer.save(str(tmp_path / "encoder" / "tokenizer.json"))
    done = dsample("analyze", tickets, "--model", "encoder", "--max-length", 7, "--json")
    tokens = done.json["tokens"]
    assert (tokens["sampled_rows"], tokens["max_length"]) == (120, 7)
    assert tokens["cut_share"] == {"64": 0, "128": 0, "256": 0, "512": 0}
    assert tokens["unknown_share"] == pytest.approx(7 / 8)
    codes = {problem["code"]: problem["count"] for problem in done.json["problems"]}
    assert codes["truncation"] == codes["unknown-tokens"] == 120
    assert "unknown-tokens" in dsample("analyze", tickets, "--model", "encoder").out


def test_a_tokenizer_that_is_not_here_is_told(dsample, tickets, tmp_path):
    done = dsample("analyze", tickets, "--model", "no/such-model", "--json")
    assert done.code == 0
    assert done.json["tokens"] is None
    assert "tokenizer of no/such-model is not on this machine" in done.err
    assert "tokenizer" not in dsample("analyze", tickets, "--model", "tiny").err
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "tokenizer.json").write_text("{}")
    done = dsample("analyze", tickets, "--model", "broken", "--json")
    assert (done.code, done.json["tokens"]) == (0, None)
    assert "cannot be read" in done.err


def test_fast_leaves_out_the_slow_checks(dsample, tickets):
    with tickets.open("a") as file:
        file.write("A TEXT,login,c1\na text,login,c1\n")

    def codes(*options):
        return {p["code"] for p in dsample("analyze", tickets, "--json", *options).json["problems"]}

    assert "normalized-duplicates" in codes()
    assert "normalized-duplicates" not in codes("--fast")
