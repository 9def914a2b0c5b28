"""From files to splits."""

import numpy as np
import pytest

from dsample_cli.core.config import TrainConfig
from dsample_cli.errors import DataError
from dsample_cli.workflows.datasets import load_datasets

ROWS = [(f"text {i}", "ab"[i % 4 == 0]) for i in range(40)]


def test_ids_follow_the_sorted_names_whatever_label_comes_first(write, heard):
    """The reference gave classes each other's scores when the first row was not of class 0."""
    path = write("d.csv", [("x1", "c"), ("x2", "a"), ("x3", "b"), ("x4", "a")])
    data = load_datasets(TrainConfig(data=path, val_size=0.0), heard)
    assert data.label_names == ("a", "b", "c")
    assert data.parts["train"].codes.tolist() == [2, 0, 1, 0]


def test_a_split_has_the_asked_shares_and_each_row_once(write, heard):
    config = TrainConfig(data=write("d.csv", ROWS), val_size=0.2, test_size=0.3)
    parts = load_datasets(config, heard).parts
    sizes = {name: len(part.rows) for name, part in parts.items()}
    assert sizes == {"train": 20, "validation": 8, "test": 12}
    rows = np.concatenate([part.rows for part in parts.values()])
    assert sorted(rows.tolist()) == list(range(40))
    for part in parts.values():
        assert part.texts[0] == [f"text {row}" for row in part.rows]
        assert [row % 4 == 0 for row in part.rows] == [code == 1 for code in part.codes]


def test_the_split_depends_on_the_seed_alone(write, heard):
    path = write("d.csv", ROWS)

    def validation(seed):
        return load_datasets(TrainConfig(data=path, seed=seed), heard).parts["validation"].rows

    assert validation(1).tolist() == validation(1).tolist()
    assert validation(1).tolist() != validation(2).tolist()


def test_equal_texts_stay_on_one_side(write, heard):
    path = write("d.csv", [(f"text {i % 20}", "ab"[i % 2]) for i in range(40)])
    parts = load_datasets(TrainConfig(data=path, val_size=0.3), heard).parts
    assert parts["validation"].texts[0]
    assert set(parts["train"].texts[0]).isdisjoint(parts["validation"].texts[0])


def test_texts_that_differ_only_in_spelling_stay_on_one_side(write, heard):
    words = "one two three four five six seven eight nine ten".split()
    rows = [(f"{a} {b}", "ab"[len(a) % 2]) for a in words for b in words]
    path = write("d.csv", [*rows, *[(f"{text.upper()}  !", label) for text, label in rows]])
    parts = load_datasets(TrainConfig(data=path, val_size=0.3), heard).parts
    assert set(parts["train"].rows % 100).isdisjoint(parts["validation"].rows % 100)
    assert heard.warnings == []


def test_a_group_larger_than_the_validation_part_stays_in_train_and_is_told(write, heard):
    calls = [(f"Call me at {i}", "a") for i in range(12)]
    words = "one two three four five six seven".split()
    path = write("d.csv", [*calls, *[(f"{a} {b}", "ab"[a < b]) for a in words for b in words]])
    parts = load_datasets(TrainConfig(data=path, val_size=0.15), heard).parts
    assert set(range(12)) <= set(parts["train"].rows.tolist())
    assert any(
        "12 rows in all" in warning and "stay in train" in warning for warning in heard.warnings
    )


def test_a_class_that_is_too_small_to_split_stays_in_train_and_is_told(write, heard):
    path = write("d.csv", [*ROWS, ("lonely", "rare")])
    parts = load_datasets(TrainConfig(data=path), heard).parts
    assert 40 in parts["train"].rows
    assert any("'rare'" in warning and "too small" in warning for warning in heard.warnings)


def test_unusable_rows_are_left_out_and_counted(write, heard):
    path = write("d.csv", [*ROWS, ("", "a"), ("no label", ""), ("  ", "b")])
    data = load_datasets(TrainConfig(data=path, val_size=0.0), heard)
    assert len(data.parts["train"].rows) == 40
    assert any("3 rows without text or label" in warning for warning in heard.warnings)


def test_given_files_are_used_whole(write, heard):
    train, val = write("d.csv", ROWS), write("v.csv", ROWS[:7])
    parts = load_datasets(TrainConfig(data=train, val=val), heard).parts
    assert {name: len(part.rows) for name, part in parts.items()} == {"train": 40, "validation": 7}
    assert parts["validation"].path == val


def test_stored_rows_give_the_same_split_again(write, heard):
    config = TrainConfig(data=write("d.csv", ROWS), val_size=0.25)
    data = load_datasets(config, heard)
    stored = {name: part.rows.tolist() for name, part in data.parts.items()}
    again = load_datasets(config, heard, stored)
    for name, part in data.parts.items():
        assert again.parts[name].rows.tolist() == part.rows.tolist()
        assert again.parts[name].codes.tolist() == part.codes.tolist()
    assert again.validation_rows_sha256 == data.validation_rows_sha256


def test_other_validation_rows_have_another_identity(write, heard):
    path = write("d.csv", ROWS)
    found = {
        load_datasets(TrainConfig(data=path, **options), heard).validation_rows_sha256
        for options in ({}, {"seed": 1}, {"val_size": 0.3}, {"val": path})
    }
    assert len(found) == 4
    assert load_datasets(TrainConfig(data=path, val_size=0.0), heard).validation_rows_sha256 is None


def test_named_labels_fix_ids_and_rows(write, heard):
    config = TrainConfig(data=write("d.csv", ROWS), labels="b,a", val_size=0.0)
    data = load_datasets(config, heard)
    assert data.label_names == ("b", "a")
    assert data.parts["train"].codes[0] == 0


def test_a_row_with_a_label_that_is_not_named_is_refused_or_dropped(write, heard):
    path = write("d.csv", [*ROWS, ("other", "c")])
    with pytest.raises(DataError, match=r"'c' \(1 rows\)"):
        load_datasets(TrainConfig(data=path, labels="a,b"), heard)
    config = TrainConfig(data=path, labels="a,b", unknown_labels="drop", val_size=0.0)
    assert len(load_datasets(config, heard).parts["train"].rows) == 40
    assert any("'c' (1 rows)" in warning for warning in heard.warnings)
