"""Locks with owners: who holds one, who held it, and what cannot be told."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dsample_cli.errors import RunError
from dsample_cli.runs import locks
from dsample_cli.runs.locks import Owner, held, is_held, owner_file, read_owner
from dsample_cli.runs.run import Run
from tests.helpers import process_environment

HOLD = """
import sys
from pathlib import Path
from dsample_cli.runs.locks import held
with held(Path(sys.argv[1]), "Run x"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path) -> Path:
    return tmp_path / ".lock"


@pytest.fixture
def held_elsewhere(lock):
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)],
        env=process_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def write_owner(lock: Path, **entries: object) -> None:
    owner = {"pid": 4711, "host": "elsewhere", "since": "2026-01-02T03:04:05.678+00:00"}
    owner_file(lock).write_text(json.dumps(owner | entries))


def test_the_owner_is_known_while_it_holds_and_forgotten_after(lock):
    with held(lock, "Run x"):
        owner = read_owner(lock)
        assert owner is not None
        assert (owner.pid, owner.host, owner.is_alive) == (os.getpid(), socket.gethostname(), True)
        assert is_held(lock)
    assert not is_held(lock)
    assert read_owner(lock) is None


def test_who_comes_second_is_told_the_process_its_start_and_what_to_type(lock, held_elsewhere):
    with pytest.raises(RunError) as caught, held(lock, "Run x"):
        pass
    pid = held_elsewhere.pid
    told = rf"Run x is in use by another process \({pid}, since 20\d\d-\d\d-\d\d [\d:]{{8}} UTC\)."
    assert re.fullmatch(told, caught.value.message)
    assert caught.value.hint == f"Wait until it ends, or stop it: kill -INT {pid}"


def test_a_lock_dies_with_its_owner(lock, held_elsewhere):
    assert is_held(lock)
    held_elsewhere.kill()
    held_elsewhere.wait()
    assert not is_held(lock)
    left = read_owner(lock)
    assert left is not None, "killed, it could not forget"
    assert not left.is_alive
    with held(lock, "Run x"):
        taken = read_owner(lock)
        assert taken is not None
        assert taken.pid == os.getpid()


def test_to_ask_for_a_lock_does_not_keep_others_from_it(lock):
    """As `runs list` of ten users does all day, beside a run that is to be resumed."""
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            is_held(lock)
            time.sleep(0.0001)  # a process of its own would wait for no other's turn

    with held(lock, "Run x"):
        pass
    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(50):
            with held(lock, "Run x"):
                pass
    finally:
        is_over.set()
        for asker in askers:
            asker.join()


def test_who_only_asks_for_long_is_waited_for_longer_than_an_owner(lock):
    fcntl = pytest.importorskip("fcntl")
    lock.touch()
    with lock.open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        threading.Timer(locks.PATIENCE_SECONDS + 0.2, fcntl.flock, (other, fcntl.LOCK_UN)).start()
        with held(lock, "Run x"):
            pass
        time.sleep(0.1)


def test_two_that_ask_at_once_do_not_take_each_other_for_an_owner(lock):
    fcntl = pytest.importorskip("fcntl")
    lock.touch()
    with lock.open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not is_held(lock)


def test_who_holds_it_for_a_moment_is_waited_for(lock):
    is_taken = threading.Event()

    def hold() -> None:
        with held(lock, "Run x"):
            is_taken.set()
            time.sleep(0.1)

    holder = threading.Thread(target=hold)
    holder.start()
    is_taken.wait()
    with held(lock, "Run x"):
        pass
    holder.join()


def test_asking_writes_nothing(lock):
    lock.touch()
    before = lock.stat()
    assert not is_held(lock)
    assert not is_held(lock.with_name("none"))
    assert [path.name for path in lock.parent.iterdir()] == [".lock"]
    assert lock.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": -1}', '{"pid": true, "host": 1}'])
def test_a_damaged_owner_is_unknown(lock, held_elsewhere, monkeypatch, content):
    monkeypatch.setattr(locks, "UNKNOWN_SECONDS", 0.0)
    owner_file(lock).write_text(content)
    assert read_owner(lock) is None
    with pytest.raises(RunError, match=r"^Run x is in use by another process\.$"):
        held(lock, "Run x").__enter__()


def test_an_owner_on_another_machine_of_a_network_disk_is_not_overridden(lock, monkeypatch):
    """There its lock may not be seen here."""
    write_owner(lock)
    lock.touch()
    monkeypatch.setattr(locks, "_file_system", lambda path: "nfs4")
    assert is_held(lock)
    with pytest.raises(RunError) as caught:
        held(lock, "Run x").__enter__()
    assert "(4711 on elsewhere, since 2026-01-02 03:04:05 UTC)" in caught.value.message
    assert "network (nfs4)" in caught.value.message
    assert caught.value.hint == f"Look on elsewhere; if it has ended: rm {owner_file(lock)}"
    assert read_owner(lock) == Owner(4711, "elsewhere", "2026-01-02T03:04:05.678+00:00")


def test_an_owner_on_another_machine_of_a_local_disk_has_ended(lock, monkeypatch):
    """Such as a container that had another name: the system would show its lock."""
    write_owner(lock)
    lock.touch()
    monkeypatch.setattr(locks, "_file_system", lambda path: None)
    assert not is_held(lock)
    with held(lock, "Run x"):
        pass


def test_a_lock_whose_owner_ended_but_not_its_helpers_says_so(lock, held_elsewhere, monkeypatch):
    monkeypatch.setattr(Owner, "is_alive", False)
    monkeypatch.setattr(locks, "UNKNOWN_SECONDS", 0.0)
    with pytest.raises(RunError, match=f"which {held_elsewhere.pid} left behind"):
        held(lock, "Run x").__enter__()


def test_the_kind_of_a_file_system_is_that_of_the_nearest_mount(tmp_path, monkeypatch):
    mounts = f"d / ext4 rw 0 0\nn {tmp_path} nfs4 rw 0 0\nl {tmp_path}/a\\040b tmpfs rw 0 0\n"
    read = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda path, **o: mounts if "mounts" in path.name else read(path, **o)
    )
    assert locks._file_system(tmp_path / "x" / ".lock") == "nfs4"
    assert locks._file_system(tmp_path / "a b" / ".lock") is None
    assert locks._file_system(Path("/elsewhere/.lock")) is None


def test_a_folder_that_is_removed_before_the_lock_is_taken_is_told_and_not_made_anew(
    tmp_path, monkeypatch
):
    run = tmp_path / "run"
    run.mkdir()
    acquire = locks.FileLock.acquire

    def late(self, *args, **options):
        """As if another process moved the folder away just now, and filelock made it again."""
        if run.is_dir() and not (tmp_path / "away").exists():
            run.rename(tmp_path / "away")
            run.mkdir()
        return acquire(self, *args, **options)

    monkeypatch.setattr(locks.FileLock, "acquire", late)
    with pytest.raises(RunError, match="Run x is gone"):
        held(run / ".lock", "Run x").__enter__()
    assert not run.exists()
    assert not is_held(tmp_path / "away" / ".lock")


def test_a_lock_in_a_folder_that_is_not_there_makes_none(tmp_path):
    with pytest.raises(RunError, match="Run gone is gone"):
        Run(tmp_path / "gone").locked().__enter__()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", ["symlink_to", "hardlink_to"])
def test_a_lock_that_is_a_link_is_not_taken(lock, tmp_path, make):
    precious = tmp_path / "precious"
    precious.write_text("x")
    getattr(lock, make)(precious)
    with pytest.raises(RunError, match="is a link or no file"):
        held(lock, "Run x").__enter__()
    assert precious.read_text() == "x"


def test_an_owner_file_that_is_a_link_is_replaced_and_not_written_through(lock, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("x")
    owner_file(lock).symlink_to(precious)
    with held(lock, "Run x"):
        assert not owner_file(lock).is_symlink()
    assert precious.read_text() == "x"
