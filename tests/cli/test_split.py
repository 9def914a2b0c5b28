"""dsample split."""

import csv
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dsample_cli.data.groups import linked_rows

SAMPLE = Path(__file__).parents[2] / "sample_data" / "support_tickets.csv"
WORDS = ("alpha", "bravo", "chili", "delta", "echo", "fox", "golf", "hotel", "india", "julia")


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def words(number):
    """A text of its own for each number, without digits."""
    return " ".join(WORDS[int(digit)] for digit in str(number))


@pytest.fixture
def table(tmp_path):
    rows = [f"{words(i)},{'ab'[i % 5 == 0]},c{i // 2}" for i in range(100)]
    (tmp_path / "d.csv").write_text("\n".join(["text,label,who", *rows]) + "\n")
    return "d.csv"


def test_the_json_has_the_keys_of_the_contract(dsample, table):
    done = dsample("split", table, "--out", "p", "--json")
    found = done.json
    assert list(found) == [
        *("out", "files", "data", "seed", "left_out", "classes", "shares"),
        *("largest_deviation", "groups", "duplicates", "not_kept"),
    ]
    assert found["out"] == "p"
    assert found["files"] == {"train.csv": 80, "val.csv": 10, "test.csv": 10}
    assert found["classes"] == {
        "a": {"train": 64, "val": 8, "test": 8},
        "b": {"train": 16, "val": 2, "test": 2},
    }
    assert found["shares"]["b"] == {"train": 0.2, "val": 0.2, "test": 0.2}
    assert (found["largest_deviation"], found["groups"], found["duplicates"]) == (0, 0, 0)
    assert (found["left_out"], found["not_kept"], found["seed"]) == (0, [], 42)
    assert done.err == ""


def test_parts_have_every_row_once_in_order(dsample, table):
    dsample("split", table, "--out", "p")
    rows = read(table)
    parts = [read(f"p/{name}.csv") for name in ("train", "val", "test")]
    assert [part[0] for part in parts] == [rows[0]] * 3
    place = {tuple(row): i for i, row in enumerate(rows)}
    for part in parts:
        places = [place[tuple(row)] for row in part[1:]]
        assert places == sorted(places)
    assert sorted(row for part in parts for row in part[1:]) == sorted(rows[1:])


def test_a_part_without_a_share_is_not_written(dsample, table):
    dsample("split", table, "--out", "p", "--test-size", "0", "--val-size", "0.3")
    assert sorted(path.name for path in Path("p").iterdir()) == ["train.csv", "val.csv"]
    assert len(read("p/val.csv")) == 31


def test_folds(dsample, table):
    found = dsample("split", table, "--out", "f", "--folds", "5", "--json").json
    assert found["files"] == {f"fold-{k}.csv": 20 for k in range(5)}
    assert found["classes"]["b"] == {f"fold-{k}": 4 for k in range(5)}
    rows = [row for k in range(5) for row in read(f"f/fold-{k}.csv")[1:]]
    assert sorted(rows) == sorted(read(table)[1:])


def test_equal_seeds_write_equal_files(dsample, table):
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        dsample("split", table, "--out", out, "--seed", seed)
    a, b, c = (Path(out, "val.csv").read_bytes() for out in "abc")
    assert a == b != c


def test_the_split_is_that_of_train(dsample, table):
    """The training classes that `schedule` shows, for the same shares and seed."""
    args = [table, "--val-size", "0.2", "--group-column", "who"]
    found = dsample("split", *args, "--test-size", "0", "--out", "p", "--json").json
    shown = dsample("schedule", *args, "--epochs", "1", "--json").json
    rows = found["files"]["train.csv"]
    assert shown["data"]["train_rows"] == rows
    assert shown["epochs"][0]["expected"] == {
        name: parts["train"] / rows for name, parts in found["classes"].items()
    }


@pytest.mark.parametrize("folds", [[], ["--folds", "4"]])
def test_the_sample_data_has_no_customer_and_no_duplicate_on_two_sides(dsample, tmp_path, folds):
    done = dsample("split", SAMPLE, "--group-column", "customer_id", "--out", "p", "--json", *folds)
    assert sum(done.json["files"].values()) == 2523
    assert done.json["largest_deviation"] < 0.002
    assert done.json["not_kept"] == []
    assert all(min(parts.values()) >= 2 for parts in done.json["classes"].values())
    parts = [read(f"p/{name}") for name in done.json["files"]]
    customers = Counter(c for part in parts for c in {row[1] for row in part[1:]})
    assert max(customers.values()) == 1
    rows = [(row[2], place) for place, part in enumerate(parts) for row in part[1:]]
    groups = linked_rows([pa.array([text for text, _ in rows])], None)
    sides = {(int(group), place) for group, (_, place) in zip(groups.ids, rows, strict=True)}
    assert len(sides) == len(set(groups.ids.tolist()))
    assert done.json["duplicates"] == groups.duplicates == 70


def test_values_are_written_as_they_were_read(dsample):
    cells = ["NA", "007", "1.0", "a\nb", "a\r\nb", 'say "hi"', " blank ", "a,b", "", "null", "\t;"]
    with open("d.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a;b;c", "text", "label", 'the "id"'])
        writer.writerows([cell, words(i), "ab"[i % 2], f"0{i}"] for i, cell in enumerate(cells * 4))
    dsample("split", "d.csv", "--out", "p", "--test-size", "0", "--val-size", "0.5")
    rows = read("d.csv")
    parts = [read("p/train.csv"), read("p/val.csv")]
    assert [part[0] for part in parts] == [rows[0]] * 2
    assert sorted(parts[0][1:] + parts[1][1:]) == sorted(rows[1:])
    again = dsample("split", "p/train.csv", "--out", "q", "--json").json
    assert sum(again["files"].values()) == len(parts[0]) - 1


def test_jsonl_and_parquet_come_out_as_csv_with_all_columns(dsample):
    rows = [{"text": words(i), "label": "ab"[i % 2], "n": i, "x": ""} for i in range(20)]
    pq.write_table(pa.Table.from_pylist(rows), "d.parquet")
    rows[0] |= {"late": None}
    rows += [{"text": words(1000 + i), "label": "a", "late": [1, "é"]} for i in range(1000)]
    Path("d.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    dsample("split", "d.parquet", "--out", "p")
    assert read("p/train.csv")[0] == ["text", "label", "n", "x"]
    assert ',""' in Path("p/train.csv").read_text().splitlines()[1]
    dsample("split", "d.jsonl", "--out", "j")
    train = read("j/train.csv")
    assert train[0] == ["text", "label", "n", "x", "late"]
    assert train[-1][-1] == '[1,"é"]'
    assert Path("j/train.csv").read_text(encoding="utf-8").splitlines()[-1].count(",,") == 1


def test_rows_without_text_or_label_are_left_out_and_counted(dsample, table):
    with open(table, "a") as file:
        file.write(",a,c1\nlonely,,c2\n")
    done = dsample("split", table, "--out", "p", "--json")
    assert (done.json["left_out"], sum(done.json["files"].values())) == (2, 100)
    assert done.err == "Warning: 2 rows are left out, without text or label.\n"


def test_the_table_shows_what_was_kept_and_what_to_type_next(dsample, table):
    with open(table, "a") as file:
        file.write("Golf?,rare,c900\nkilo,rare,c901\nFOX  fox,a,c902\n")
    out = dsample("split", table, "--out", "my parts", "--group-column", "who").out
    assert "103 rows of" in out
    assert "'rare' has 2 rows: none in val, test." in out
    assert "groups of rows with the same text or who; 2 rows repeat an earlier text" in out
    assert "Largest deviation of a class share: " in out
    assert (
        "Next: dsample train 'my parts/train.csv' --val 'my parts/val.csv' "
        "--test 'my parts/test.csv'" in out
    )


def test_the_next_command_names_columns_that_are_not_the_usual_ones(dsample, table):
    Path(table).write_text(Path(table).read_text().replace("text,label", "body,topic", 1))
    args = ["--text-column", "body", "--label-column", "topic"]
    assert dsample("split", table, "--out", "p", *args).out.endswith(
        "--test p/test.csv --text-column body --label-column topic\n"
    )


def test_many_folds_and_classes_fit_the_terminal(dsample):
    rows = [f"{words(i)},class-{i % 30}" for i in range(600)]
    Path("d.csv").write_text("\n".join(["text,label", *rows]))
    out = dsample("split", "d.csv", "--out", "f", "--folds", "20").out
    assert "lowest" in out
    assert "... 10 more" in out
    assert max(map(len, out.splitlines())) <= 110


def test_a_huge_group_stays_in_train_and_is_told(dsample, table):
    with open(table, "a") as file:
        file.writelines(f'"Call me at {i}!",a,c{900 + i}\n' for i in range(60))
    found = dsample("split", table, "--out", "p", "--json").json
    (told,) = found["not_kept"]
    assert (told["code"], told["label"]) == ("group-too-large", None)
    assert "60 rows" in told["message"]
    assert "rows, such as 100, 101, 102" in told["message"]
    assert found["classes"]["a"]["val"] > 2
    train = [row[0] for row in read("p/train.csv")]
    assert sum(text.startswith("Call me") for text in train) == 60
    folds = dsample("split", table, "--out", "f", "--folds", "5", "--json").json
    assert [found["code"] for found in folds["not_kept"]] == ["group-too-large"]


def test_numbered_texts_can_be_split(dsample):
    Path("d.csv").write_text(
        "text,label\n" + "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(50))
    )
    found = dsample("split", "d.csv", "--out", "p", "--json").json
    assert found["files"]["val.csv"] == 6
    assert [told["code"] for told in found["not_kept"]] == ["digits-kept"]


def test_sentence_pairs(dsample, table):
    args = ["--text-column", "text", "--text-column", "who", "--label-column", "label"]
    found = dsample("split", table, *args, "--out", "p", "--json").json
    assert found["data"]["text_column"] == ["text", "who"]


def test_a_split_is_replaced_only_by_force(dsample, fails, table):
    assert dsample("split", table, "--out", "p", "--folds", "3").code == 0
    Path("p/notes.csv").write_text("mine")
    args = ["split", table, "--out", "p"]
    fails(*args, kind="ConfigError", message="holds a split already", hint="--force")
    assert dsample(*args, "--force").code == 0
    assert sorted(path.name for path in Path("p").iterdir()) == [
        *("notes.csv", "test.csv", "train.csv", "val.csv")
    ]
    args = ["split", "p/train.csv", "--out", "p", "--force"]
    fails(*args, kind="ConfigError", message="would delete p/train.csv", hint="another --out")


def test_a_broken_file_leaves_nothing_behind(fails, table):
    with open(table, "a") as file:
        file.write("too,many,cells,here\n")
    args = ["split", table, "--out", "new/p"]
    fails(*args, kind="DataError", message="line 102", hint="quotes")
    assert not Path("new/p").exists()


def test_an_interrupted_write_leaves_nothing_behind(dsample, table, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("dsample_cli.workflows.split.write_parts", stop)
    Path("old").mkdir()
    assert dsample("split", table, "--out", "old").code == 130
    assert list(Path("old").iterdir()) == []
    assert dsample("split", table, "--out", "new").code == 130
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("args", "kind", "message", "hint"),
    [
        (["--out", "d.csv"], "ConfigError", "is a file", "Name a folder"),
        (["--out", "d.csv/x"], "RunError", "Cannot write to d.csv/x", "Choose a folder"),
        (["--out", "p", "--val-size", "1"], "ConfigError", "below 1", "0.1"),
        (["--out", "p", "--val-size", "-0.1"], "ConfigError", "at least 0", "0.1"),
        (["--out", "p", "--val-size", "0.5", "--test-size", "0.5"], "ConfigError", "leave no", ""),
        (["--out", "p", "--val-size", "0", "--test-size", "0"], "ConfigError", "nothing to", "0.1"),
        (
            ["--out", "p", "--group-column", "same"],
            "DataError",
            "nothing for val, test",
            "the same",
        ),
        (
            ["--out", "p", "--folds", "2", "--group-column", "same"],
            "DataError",
            "fold-1",
            "--folds",
        ),
        (["--out", "p", "--folds", "50"], "ConfigError", "cannot make 50", "fewer --folds"),
        (["--out", "p", "--group-column", "no"], "DataError", "no", "same"),
        (["--out", "p", "--text-column", "empty"], "DataError", "no row has both", "--text-column"),
    ],
)
def test_bad_input(fails, args, kind, message, hint):
    rows = [f"{words(i)},{'ab'[i % 2]},x," for i in range(40)]
    Path("d.csv").write_text("\n".join(["text,label,same,empty", *rows]))
    fails("split", "d.csv", *args, kind=kind, message=message, hint=hint)
    assert not Path("p").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "--out"),
        (["--out", "p", "--folds", "1"], "--folds"),
        (["--out", "p", "--folds", "3", "--val-size", "0.1"], "leave out --val-size"),
    ],
)
def test_wrong_usage(fails, table, args, message):
    fails("split", table, *args, kind="UsageError", message=message, hint="--help", code=2)


def test_standard_input(dsample_process, table, tmp_path):
    done = dsample_process("split", "-", "--out", "p", stdin=(tmp_path / table).read_text())
    assert (done.code, done.err) == (0, "")
    assert len(read(tmp_path / "p" / "train.csv")) == 81
