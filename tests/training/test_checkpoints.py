"""A damaged checkpoint is passed over for the one before, whatever of it is damaged."""

import json
import os
import random

import pytest

from dsample_cli.errors import RunError
from dsample_cli.training import checkpoints
from dsample_cli.training.checkpoints import (
    RECORDS_FILE,
    SEAL_FILE,
    best_file,
    newest_checkpoint,
    seal,
)

RECORDS = [{"epoch": 0, "drawn": {"\ud83d€": 3}}, {"epoch": 1, "drawn": {"\ud83d€": 4}}]


def write_checkpoint(folder, step, records, best_epoch=None, is_sealed=True):
    """A checkpoint as the Trainer writes one, with little in its files."""
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    rng = random.Random(step)
    for name in ("model.safetensors", "optimizer.pt", "memory.npz"):
        (path / name).write_bytes(rng.randbytes(20))
    recorder = {"attributes": {"epochs_recorded": len(records)}}
    state = {"global_step": step, "stateful_callbacks": {"EpochRecorder": recorder}}
    (path / "trainer_state.json").write_text(json.dumps(state), encoding="utf-8")
    if best_epoch is not None:
        best_file(folder, best_epoch).write_bytes(rng.randbytes(20))
    if is_sealed:
        seal(path, records, best_epoch)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two checkpoints: after epoch 0 and after epoch 1, each the best so far."""
    write_checkpoint(tmp_path, 9, RECORDS[:1], best_epoch=0)
    write_checkpoint(tmp_path, 10, RECORDS, best_epoch=1)
    return tmp_path


def newest(folder):
    told: list[str] = []
    return newest_checkpoint(folder, told.append), told


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def damages(content):
    """The content cut off at every byte, with one bit flipped in every third, and made longer."""
    yield from (content[:size] for size in range(len(content)))
    for place in range(0, len(content), 3):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        yield bytes(changed)
    yield content + b"\0"


def test_the_newest_whole_checkpoint_is_taken(folder):
    found, told = newest(folder)
    assert (found.step, found.path.name, told) == (10, "checkpoint-10", [])
    assert found.records == RECORDS
    assert found.recorder == {"epochs_recorded": 2}


def test_no_checkpoint_is_none(tmp_path):
    assert newest(tmp_path) == (None, [])
    assert newest(tmp_path / "none") == (None, [])


def files_of_the_newest():
    inside = ("model.safetensors", "optimizer.pt", "memory.npz", "trainer_state.json")
    return [*(f"checkpoint-10/{name}" for name in (*inside, RECORDS_FILE)), "best-001.safetensors"]


@pytest.mark.parametrize("name", files_of_the_newest())
def test_any_damage_to_any_file_falls_back_to_the_checkpoint_before(
    folder, tmp_path_factory, monkeypatch, name
):
    monkeypatch.setattr(checkpoints, "_delete", lambda path: None)
    monkeypatch.setattr(checkpoints, "_remove_unneeded_weights", lambda folder: None)
    content = (folder / name).read_bytes()
    for damaged in damages(content):
        (folder / name).write_bytes(damaged)
        found, [told] = newest(folder)
        assert found.step == 9
        assert found.records == RECORDS[:1]
        assert told.startswith("checkpoint-10 is passed over: ")
        assert os.path.basename(name) in told
    (folder / name).unlink()
    found, [told] = newest(folder)
    assert (found.step, f"{os.path.basename(name)} is missing" in told) == (9, True)
    (folder / name).write_bytes(content)
    assert newest(folder)[0].step == 10


def test_any_damage_to_the_seal_falls_back_or_does_no_harm(folder, monkeypatch):
    monkeypatch.setattr(checkpoints, "_delete", lambda path: None)
    monkeypatch.setattr(checkpoints, "_remove_unneeded_weights", lambda folder: None)
    seal_file = folder / "checkpoint-10" / SEAL_FILE
    content = seal_file.read_bytes()
    meaning = json.loads(content)
    harmless = 0
    for damaged in damages(content):
        seal_file.write_bytes(damaged)
        try:
            is_same = json.loads(damaged) == meaning
        except ValueError:
            is_same = False
        found, told = newest(folder)
        assert found.step == (10 if is_same else 9)
        assert len(told) == (not is_same)
        harmless += is_same
    assert harmless < 60  # white space


def test_where_nothing_is_whole_training_starts_again(folder):
    for step in (9, 10):
        (folder / f"checkpoint-{step}" / "optimizer.pt").write_bytes(b"")
    found, told = newest(folder)
    assert found is None
    assert [line.split()[0] for line in told] == ["checkpoint-10", "checkpoint-9"]
    assert "optimizer.pt has 0 bytes, not 20" in told[0]
    assert names(folder) == []


def test_what_was_not_finished_is_deleted_and_told(folder):
    write_checkpoint(folder, 11, RECORDS, is_sealed=False)
    (folder / "checkpoint-12").mkdir()
    best_file(folder, 2).write_bytes(b"of an epoch that has no checkpoint")
    found, told = newest(folder)
    assert found.step == 10
    assert [line.split(":")[0] for line in told] == [
        "checkpoint-12 is passed over",
        "checkpoint-11 is passed over",
    ]
    assert "not written to its end" in told[0]
    assert names(folder) == [
        "best-000.safetensors",
        "best-001.safetensors",
        "checkpoint-10",
        "checkpoint-9",
    ]


def test_two_checkpoints_are_kept_with_the_best_weights_that_they_need(folder):
    write_checkpoint(folder, 11, RECORDS)
    best_file(folder, 1).unlink()
    seal(folder / "checkpoint-11", RECORDS, None)
    write_checkpoint(folder, 12, RECORDS, best_epoch=2)
    assert names(folder) == ["best-002.safetensors", "checkpoint-11", "checkpoint-12"]


def test_a_clock_that_was_set_back_deletes_no_newer_checkpoint(folder):
    for file in folder.glob("checkpoint-10/**"):
        os.utime(file, (0, 0))
    write_checkpoint(folder, 100, RECORDS)
    os.utime(folder / "checkpoint-100", (1, 1))
    write_checkpoint(folder, 101, RECORDS)
    assert names(folder) == ["checkpoint-100", "checkpoint-101"]


def test_one_that_was_never_sealed_does_not_count(folder):
    """It would push out a good one."""
    write_checkpoint(folder, 11, RECORDS, is_sealed=False)
    write_checkpoint(folder, 12, RECORDS)
    assert names(folder) == ["best-001.safetensors", "checkpoint-10", "checkpoint-12"]


def test_a_checkpoint_that_is_a_link_is_not_followed(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "file").write_text("kept")
    (folder / "checkpoint-50").symlink_to(elsewhere)
    assert newest(folder)[0].step == 10
    assert (elsewhere / "file").read_text() == "kept"
    assert "checkpoint-50" not in names(folder)


def test_a_seal_that_cannot_be_written_is_told(folder, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "replacing", full)
    with pytest.raises(RunError, match=r"Cannot write .*checkpoint-11: No space left") as caught:
        write_checkpoint(folder, 11, RECORDS)
    assert "dsample runs du" in caught.value.hint
    assert newest(folder)[0].step == 10
