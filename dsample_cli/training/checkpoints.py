"""Checkpoints that a power loss cannot spoil: each is sealed, and only what fits its seal is used.

Beside a checkpoint's own files its seal covers the best weights so far, which stand outside of it,
and the epochs are in it. So nothing that is needed to go on can be lost without being noticed, and
then the checkpoint before is as good.
"""

import json
import os
import shutil
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsample_cli.core.disk import replacing, sync_folder, sync_tree, writing

SEAL_FILE = "seal.json"
RECORDS_FILE = "epochs.jsonl"
# The newest, and the one before.
_KEPT = 2
_CHUNK = 1 << 20

Record = dict[str, Any]
# Size in bytes and CRC-32, which tells damage; it keeps out nobody who wants to deceive.
Print = list[int]


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint.

    Attributes:
        path: Its folder.
        step: Optimizer steps taken.
        recorder: What the EpochRecorder stored: the fields of its `Midway`.
        records: Lines of the epochs that were finished.
    """

    path: Path
    step: int
    recorder: dict[str, Any]
    records: list[Record]


class UnusableError(Exception):
    """A checkpoint is no good; the message says why, behind the name of the checkpoint."""


def best_file(folder: Path, epoch: int) -> Path:
    """Where the weights of an epoch that was the best are kept, among the checkpoints."""
    return folder / f"best-{epoch:03d}.safetensors"


def seal(path: Path, records: Sequence[Record], best_epoch: int | None) -> None:
    """Make a written checkpoint one that can be resumed from, and delete those before the last two.

    Args:
        path: Its folder.
        records: Lines of the finished epochs.
        best_epoch: The best of them, whose weights are needed in the end; None if there is none.

    Raises:
        RunError: If it cannot be written.
    """
    with writing(path):
        lines = "".join(json.dumps(record, allow_nan=False) + "\n" for record in records)
        (path / RECORDS_FILE).write_text(lines, encoding="ascii", newline="\n")
        sync_tree(path)
        sync_folder(path.parent)
        files = sorted(file for file in path.rglob("*") if file.is_file())
        prints = {os.path.relpath(file, path.parent): _print(file) for file in files}
        if best_epoch is not None:
            best = best_file(path.parent, best_epoch)
            prints[best.name] = _sealed_print(best) or _print(best)
        with replacing(path / SEAL_FILE, path / f".{SEAL_FILE}.partial") as partial:
            partial.write_text(json.dumps(_sealed(prints), indent=1) + "\n", encoding="utf-8")
    _rotate(path.parent)


def newest_checkpoint(folder: Path, tell: Callable[[str], None]) -> Checkpoint | None:
    """The newest whole checkpoint; those after it, which are not whole, are deleted.

    Args:
        folder: Has the checkpoints.
        tell: Hears which were passed over, and why.
    """
    for path in _newest_first(folder):
        try:
            found = _read(path)
        except UnusableError as error:
            tell(f"{path.name} is passed over: {error}.")
            _delete(path)
            continue
        _remove_unneeded_weights(folder)
        return found
    _remove_unneeded_weights(folder)
    return None


def _read(path: Path) -> Checkpoint:
    try:
        for name, expected in _read_seal(path).items():
            _check(path.parent / name, expected)
        state = json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        recorder = state["stateful_callbacks"]["EpochRecorder"]
        if isinstance(recorder, list):
            recorder = recorder[-1]
        lines = (path / RECORDS_FILE).read_text(encoding="ascii").splitlines()
        records = [json.loads(line) for line in lines]
        return Checkpoint(path, int(state["global_step"]), recorder["attributes"], records)
    except OSError as error:
        name = Path(error.filename or path).name
        raise UnusableError(f"{name} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UnusableError("another version wrote it") from error


def _read_seal(path: Path) -> dict[str, Print]:
    """What the files of a checkpoint are to be, by their names seen from its parent.

    Raises:
        UnusableError: If there is no seal, or it is damaged.
    """
    try:
        content = json.loads((path / SEAL_FILE).read_text(encoding="utf-8"))
        prints: dict[str, Print] = content["files"]
        if content != _sealed(prints):
            raise UnusableError(f"{SEAL_FILE} is damaged")
        return prints
    except FileNotFoundError:
        raise UnusableError("it was not written to its end, or by an earlier version") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnusableError(f"{SEAL_FILE} is damaged") from error


def _sealed(prints: dict[str, Print]) -> dict[str, Any]:
    """A seal's content, with a print of itself."""
    return {"files": prints, "crc32": zlib.crc32(json.dumps(prints, sort_keys=True).encode())}


def _sealed_print(best: Path) -> Print | None:
    """What an earlier checkpoint says of the best weights; to read them again takes time."""
    for path in _newest_first(best.parent):
        with suppress(UnusableError):
            if found := _read_seal(path).get(best.name):
                return found
    return None


def _check(file: Path, expected: Print) -> None:
    if not file.is_file():
        raise UnusableError(f"{file.name} is missing")
    size = file.stat().st_size
    if size != expected[0]:
        raise UnusableError(f"{file.name} has {size} bytes, not {expected[0]}")
    if _print(file) != expected:
        raise UnusableError(f"{file.name} is damaged")


def _print(file: Path) -> Print:
    size, crc = 0, 0
    with file.open("rb", buffering=0) as stream:
        while chunk := stream.read(_CHUNK):
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
    return [size, crc]


def _rotate(folder: Path) -> None:
    """Keep the newest sealed checkpoints; what was not finished before them goes too."""
    sealed = [path for path in _newest_first(folder) if (path / SEAL_FILE).is_file()]
    for path in _newest_first(folder):
        if path not in sealed[:_KEPT] and _step(path) < _step(sealed[0]):
            _delete(path)
    _remove_unneeded_weights(folder)


def _remove_unneeded_weights(folder: Path) -> None:
    """Delete best weights that no checkpoint has sealed."""
    needed = set()
    for path in _newest_first(folder):
        with suppress(UnusableError):
            needed |= set(_read_seal(path))
    for file in folder.glob("best-*.safetensors"):
        if file.name not in needed:
            file.unlink(missing_ok=True)


def _delete(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path)


def _newest_first(folder: Path) -> list[Path]:
    """Checkpoints by their steps, not by the clock."""
    return sorted(
        (p for p in folder.glob("checkpoint-*") if _step(p) >= 0), key=_step, reverse=True
    )


def _step(path: Path) -> int:
    number = path.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1
