"""Tags and notes, in a file of their own."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from dsample_cli.errors import ConfigError, RunError
from dsample_cli.runs.notes import Notes, add_tags, read_notes, remove_tags, write_note
from tests.runs.conftest import contents


@pytest.fixture
def run(make_run):
    return make_run("20260101-000000-cyclic-aa01")


def test_tags_and_notes_survive_the_way_to_disk_and_back(run):
    before = run.manifest_file.read_bytes()
    add_tags(run, ["paper", "한국어"])
    assert add_tags(run, ["paper", "v2"]).tags == ("paper", "한국어", "v2")
    write_note(run, " before the labels were mended\n")
    assert read_notes(run) == Notes(("paper", "한국어", "v2"), "before the labels were mended")
    assert remove_tags(run, ["paper"]).tags == ("한국어", "v2")
    assert run.manifest_file.read_bytes() == before


def test_the_file_goes_with_the_last_of_them(run):
    files = contents(run.path)
    add_tags(run, ["a"])
    assert "notes.json" in contents(run.path)
    remove_tags(run, ["a"])
    write_note(run, "")
    assert contents(run.path) == sorted([".notes.lock", *files])


def test_those_who_tag_at_once_lose_nothing(run):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: add_tags(run, [f"t{number}"]), range(8)))
    assert sorted(read_notes(run).tags) == [f"t{number}" for number in range(8)]


def test_notes_that_cannot_be_read_are_not_written_over(run):
    run.notes_file.write_text('{"tags": ["paper"')
    for change in (lambda: add_tags(run, ["x"]), lambda: write_note(run, "x")):
        with pytest.raises(RunError, match="is damaged, and would be lost") as caught:
            change()
        assert "dsample doctor --fix" in caught.value.hint
    assert run.notes_file.read_text() == '{"tags": ["paper"'


def test_a_run_in_training_can_be_tagged(run):
    with run.locked():
        assert add_tags(run, ["long"]).tags == ("long",)


@pytest.mark.parametrize("tag", ["", " a", "a\nb", "a\x1b[31m", "x" * 41])
def test_a_tag_that_spoils_a_list_is_refused(run, tag):
    with pytest.raises(ConfigError) as caught:
        add_tags(run, ["fine", tag])
    assert "runs note" in caught.value.hint
    assert read_notes(run).is_empty


def test_a_tag_that_is_not_there_is_told_with_those_that_are(run):
    add_tags(run, ["paper"])
    with pytest.raises(ConfigError) as caught:
        remove_tags(run, ["papers"])
    assert "paper" in caught.value.hint


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"tags": 3, "note": ""}', '{"tags": [], "note": null}']
)
def test_a_damaged_file_holds_nothing(run, content):
    run.notes_file.write_text(content)
    assert read_notes(run) == Notes()


def test_what_is_no_text_is_no_tag(run):
    run.notes_file.write_text(json.dumps({"tags": ["a", 3, None], "note": "b"}))
    assert read_notes(run) == Notes(("a",), "b")
