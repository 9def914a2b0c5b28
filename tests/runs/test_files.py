"""Files appear whole or not at all."""

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from dsample_cli.core.disk import is_passed_on
from dsample_cli.errors import RunError
from dsample_cli.reports._files import write_whole
from dsample_cli.runs.files import (
    append_json_line,
    atomic_writer,
    new_folder,
    read_json,
    read_json_lines,
    write_json,
    write_json_lines,
    write_text,
)
from tests.runs.conftest import contents


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_writer(path) as file:
        file.write("half")
        file.flush()
        assert not path.exists()
    assert path.read_text() == "half"
    assert contents(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail():
        with atomic_writer(path) as file:
            file.write("new")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert contents(tmp_path) == ["a.txt"]


def test_a_failure_leaves_no_file_where_there_was_none(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    with pytest.raises(TypeError):
        write_json_lines(tmp_path / "a.jsonl", [{"x": 1}, {"x": object()}])
    assert contents(tmp_path) == []


def test_bytes_are_written_as_they_are(tmp_path):
    with atomic_writer(tmp_path / "a.bin", "wb") as file:
        file.write(b"\r\n\x00")
    assert (tmp_path / "a.bin").read_bytes() == b"\r\n\x00"


def test_text_is_utf8_with_plain_line_ends(tmp_path):
    write_text(tmp_path / "a.txt", "정상\n")
    assert (tmp_path / "a.txt").read_bytes() == "정상\n".encode()


def test_a_new_file_has_the_rights_that_the_user_gives(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_folder_that_cannot_be_written_is_a_run_error(tmp_path, run_error):
    (tmp_path / "file").write_text("")
    assert "Cannot write" in run_error(write_text, tmp_path / "file" / "a.txt", "x")
    assert "Cannot write" in run_error(write_text, tmp_path / "none" / "a.txt", "x")


def test_json_survives_the_way_to_disk_and_back(tmp_path):
    value = {"label": "정상", "x": [1, 2.5, None, True]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1', b"\xff\xfe"])
def test_damaged_json_is_a_run_error(tmp_path, run_error, content):
    (tmp_path / "a.json").write_bytes(content)
    assert "a.json is damaged" in run_error(read_json, tmp_path / "a.json")


def test_missing_json_is_a_run_error(tmp_path, run_error):
    assert "a.json is missing" in run_error(read_json, tmp_path / "a.json")


def test_appended_lines_are_read_back(tmp_path):
    path = tmp_path / "a.jsonl"
    for epoch in range(3):
        append_json_line(path, {"epoch": epoch, "label": "정상\u2028"})
    assert read_json_lines(path) == [{"epoch": e, "label": "정상\u2028"} for e in range(3)]


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_line_that_a_crash_cut_off_is_left_out(tmp_path, cut):
    path = tmp_path / "a.jsonl"
    write_json_lines(path, [{"epoch": 0}, {"epoch": 1}])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - cut])
    kept = read_json_lines(path)
    assert kept == ([{"epoch": 0}, {"epoch": 1}] if cut == 1 else [{"epoch": 0}])


def test_a_line_cut_inside_a_character_is_left_out(tmp_path):
    path = tmp_path / "a.jsonl"
    last = json.dumps({"label": "정상"}, ensure_ascii=False).encode()
    path.write_bytes(b'{"epoch": 0}\n' + last[:-4])
    assert read_json_lines(path) == [{"epoch": 0}]


def test_a_missing_file_has_no_lines(tmp_path):
    assert read_json_lines(tmp_path / "none.jsonl") == []


def test_a_run_error_is_what_a_reader_sees_of_a_folder(tmp_path):
    with pytest.raises(RunError):
        read_json(tmp_path)


def test_a_new_folder_appears_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "deep" / "out"

    def write_half():
        with new_folder(folder) as hidden:
            (hidden / "a").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert list((tmp_path / "deep").iterdir()) == []
    for round_, replaced in (("first", ()), ("second", ("a", "b"))):
        with new_folder(folder, replaced) as hidden:
            (hidden / "a").write_text(round_)
            if not replaced:
                (hidden / "b").touch()
            assert not replaced or (folder / "a").read_text() == "first"
        assert (folder / "a").read_text() == round_
        assert [path.name for path in folder.parent.iterdir()] == ["out"]
    assert [path.name for path in folder.iterdir()] == ["a"]


@pytest.fixture
def pipe(tmp_path):
    """A named pipe, and what was read from its other end."""
    path, read = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    yield path, lambda: reader.join(10) or read[0]
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert [file.name for file in tmp_path.iterdir()] == ["pipe"]


def test_a_pipe_stays_one(pipe):
    path, read = pipe
    with atomic_writer(path) as file:
        file.write("café")
    assert read() == "café".encode()


def test_a_picture_into_a_pipe(pipe):
    path, read = pipe
    write_whole(path, lambda file: file.write(b"PNG"))
    assert read() == b"PNG"


@pytest.mark.parametrize("place", ["/dev/null", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_no_file_takes_the_place_of_a_device(place):
    assert is_passed_on(Path(place))


def test_files_and_folders_are_written_as_such(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link", "missing", ".", "file/below", "x" * 500, "a\0b"):
        assert not is_passed_on(tmp_path / name)
