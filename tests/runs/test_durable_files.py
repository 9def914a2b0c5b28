"""What is said to be written is on the disk; what cannot be written is told by name and reason."""

import errno
import os

import pytest

from dsample_cli.core import disk
from dsample_cli.errors import RunError
from dsample_cli.runs.files import (
    append_json_line,
    atomic_writer,
    new_files,
    new_folder,
    write_json,
)
from tests.runs.conftest import contents


@pytest.fixture
def calls(monkeypatch):
    """What reaches the disk, in its order: ("sync" or "rename", name)."""
    found = []
    fsync, replace = os.fsync, os.replace

    def recorded_sync(handle):
        found.append(("sync", os.path.basename(os.readlink(f"/proc/self/fd/{handle}"))))
        fsync(handle)

    def recorded_replace(source, target):
        found.append(("rename", os.path.basename(target)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", recorded_sync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    return found


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc/self/fd")


@needs_proc
def test_a_file_is_on_the_disk_before_its_name_and_its_name_in_the_end(tmp_path, calls):
    write_json(tmp_path / "a.json", {})
    [(first, temporary), *others] = calls
    assert (first, temporary.startswith(".a.json.")) == ("sync", True)
    assert others == [("rename", "a.json"), ("sync", tmp_path.name)]


@needs_proc
def test_files_that_appear_together_are_on_the_disk(tmp_path, calls):
    with new_files(tmp_path / "out", ["a", "b"]) as files:
        for file in files:
            file.write(b"x")
    wanted = ["sync a", "sync b", "rename a", "rename b", "sync out", f"sync {tmp_path.name}"]
    assert [" ".join(call) for call in calls] == wanted


@needs_proc
@pytest.mark.parametrize("is_new", [True, False])
def test_a_folder_is_on_the_disk_with_all_that_is_in_it(tmp_path, calls, is_new):
    folder = tmp_path / "model"
    if not is_new:
        folder.mkdir()
    with new_folder(folder) as hidden:
        (hidden / "a").write_text("x")
        (hidden / "b").write_text("x")
    synced = [name for call, name in calls if call == "sync"]
    assert sorted(synced[:2]) == ["a", "b"]
    assert calls[-1] == ("sync", tmp_path.name if is_new else "model")
    assert ("rename", "model" if is_new else "a") in calls[3:]


def full(*args, **options):
    raise OSError(errno.ENOSPC, "No space left on device")


def write_with(tmp_path, way):
    if way == "append":
        append_json_line(tmp_path / "target", {"x": 1})
    elif way == "folder":
        with new_folder(tmp_path / "target") as hidden:
            (hidden / "a").write_text("x")
    elif way == "files":
        with new_files(tmp_path, ["target"]) as [file]:
            file.write(b"x")
    else:
        with atomic_writer(tmp_path / "target", way) as file:
            file.write("x" if way == "w" else b"x")


@pytest.mark.parametrize("way", ["w", "wb", "append", "folder", "files"])
def test_a_disk_that_is_full_is_told_with_the_name(tmp_path, monkeypatch, way):
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"Cannot write .*: No space left on device") as caught:
        write_with(tmp_path, way)
    assert str(tmp_path) in caught.value.message
    assert ".tmp" not in caught.value.message
    assert "Free some room" in caught.value.hint
    assert contents(tmp_path) in ([], ["target"] if way == "append" else [])


def test_the_write_that_fails_may_be_any(tmp_path):
    """/dev/full stands for the disk: the write fails, long before the file is closed."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    (tmp_path / "target").symlink_to("/dev/full")
    with pytest.raises(RunError, match=r"Cannot write .*target: No space left on device"):
        append_json_line(tmp_path / "target", {"x": 1})


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_what_goes_wrong_beside_the_writing_is_told_as_what_it_is(tmp_path, mode):
    def read_within():
        with atomic_writer(tmp_path / "target", mode):
            (tmp_path / "missing").read_text()

    with pytest.raises(FileNotFoundError):
        read_within()
    with pytest.raises(FileNotFoundError), new_folder(tmp_path / "folder"):
        (tmp_path / "missing").read_text()
    assert contents(tmp_path) == []


def test_a_library_that_cannot_write_into_a_new_folder_is_told_as_the_folder(tmp_path):
    with (
        pytest.raises(RunError, match=r"Cannot write .*model: No space left on device"),
        new_folder(tmp_path / "model"),
    ):
        raise RuntimeError("I/O error: No space left on device (os error 28)")


def test_a_system_that_syncs_no_folders_is_borne(tmp_path, monkeypatch):
    def refuse(handle):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    disk.sync_folder(tmp_path)
    with pytest.raises(OSError, match="Invalid argument"):
        disk.sync_file(tmp_path)
