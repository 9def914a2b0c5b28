"""Write files so that a reader, or a crash, never meets half of one."""

import io
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from dsample_cli.core.disk import (
    is_passed_on,
    replace_file,
    sync_folder,
    sync_tree,
    write_error,
    writing,
)
from dsample_cli.core.faults import as_failed_write
from dsample_cli.errors import RunError

_BUFFER_BYTES = 1 << 16
_DAMAGED_HINT = "Restore the file, or remove its run with: dsample runs remove RUN"


@contextmanager
def atomic_writer(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path` that becomes `path` when the block ends without error.

    Then it is on the disk, under its name, and outlives a power loss. What is no file, such as
    `/dev/stdout`, is written to as it is.

    Raises:
        RunError: If the folder or the file cannot be written.
    """
    if is_passed_on(path):
        with writing(path):
            passing = os.open(path, os.O_WRONLY | os.O_APPEND)
        with _opened(passing, path, mode) as file:
            yield file
            with writing(path):
                file.flush()
        return
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise write_error(error.errno, path) from error
    try:
        with _opened(handle, path, mode) as file:
            yield file
            with writing(path):
                file.flush()
                os.fsync(file.fileno())
        with writing(path):
            os.chmod(name, 0o666 & ~_umask())
            replace_file(Path(name), path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def new_files(
    folder: Path, names: Sequence[str], replaced: Sequence[str] = ()
) -> Iterator[Sequence[BinaryIO]]:
    """Open files that appear in `folder` together when the block ends without error.

    Args:
        folder: Made if there is none, and then unmade on an error.
        names: Of the files.
        replaced: Files of the folder that are deleted just before.

    Raises:
        RunError: If the folder cannot be made or written.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=folder))
    except OSError as error:
        raise RunError(
            f"Cannot write to {folder}: {error.strerror}.", "Choose a folder that you may write to."
        ) from error
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(_created(hidden / name, folder / name)) for name in names]
            yield files
            with writing(folder):
                for file in files:
                    file.flush()
                    os.fsync(file.fileno())
        with writing(folder):
            for name in replaced:
                (folder / name).unlink()
            for name in names:
                os.replace(hidden / name, folder / name)
            hidden.rmdir()
            sync_folder(folder)
            if is_new:
                sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(folder if is_new else hidden, ignore_errors=True)
        raise


@contextmanager
def new_folder(path: Path, replaced: Sequence[str] = ()) -> Iterator[Path]:
    """Give an empty folder whose files become those of `path` when the block ends without error.

    Args:
        path: There is none yet, or it is empty but for `replaced`.
        replaced: Names of its files that are deleted just before.

    Raises:
        RunError: If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    except OSError as error:
        raise write_error(error.errno, path) from error
    try:
        try:
            yield hidden
        except Exception as error:  # of a library that was given the folder
            if told := as_failed_write(error, path):
                raise told from error
            raise
        with writing(path):
            _publish(hidden, path, replaced)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise


def _publish(hidden: Path, path: Path, replaced: Sequence[str]) -> None:
    """Give a finished folder its name, or its files to the folder that has it."""
    for file in hidden.iterdir():
        file.chmod(0o666 & ~_umask())  # safetensors writes weights for their owner alone
    hidden.chmod(0o777 & ~_umask())
    sync_tree(hidden)
    if not path.is_dir():
        replace_file(hidden, path)
        return
    # The folder itself stays: a shell may stand in it.
    for name in replaced:
        (path / name).unlink(missing_ok=True)
    for file in sorted(hidden.iterdir()):
        os.replace(file, path / file.name)
    hidden.rmdir()
    sync_folder(path)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file, or nothing."""
    with atomic_writer(path) as file:
        file.write(text)


def write_json(path: Path, value: Any) -> None:
    """Write a whole JSON file, or nothing."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        RunError: If it is missing or damaged.
    """
    try:
        content = path.read_text(encoding="utf-8")
        return json.loads(content, parse_constant=_finite, parse_float=_finite)
    except FileNotFoundError:
        raise RunError(f"{path} is missing.", _DAMAGED_HINT) from None
    except (ValueError, OSError, RecursionError) as error:
        raise RunError(f"{path} is damaged: {type(error).__name__}.", _DAMAGED_HINT) from error


def _finite(text: str) -> float:
    """A number of a JSON file; NaN and infinite ones, which JSON has not, are refused."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def write_json_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write a whole JSON Lines file, or nothing."""
    with atomic_writer(path) as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")


def append_json_line(path: Path, record: dict[str, Any]) -> None:
    """Append one line to a JSON Lines file and push it to the disk.

    Raises:
        RunError: If it cannot be written; a part of the line may have been.
    """
    line = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
    with writing(path), path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Read the whole lines of a JSON Lines file; a last line that a crash cut off is left out."""
    if not path.exists():
        return []
    records = []
    # Not splitlines(): a label may hold a line separator that JSON leaves as it is.
    for line in path.read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n"):
        try:
            records.append(json.loads(line))
        except (ValueError, RecursionError):
            break
    return records


class _NamedFile(io.FileIO):
    """An open file whose failing writes tell the name of the file that it is to become."""

    def __init__(self, handle: int, target: Path) -> None:
        super().__init__(handle, "w")
        self._target = target

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise write_error(error.errno, self._target) from error


def _opened(handle: int, target: Path, mode: str = "wb") -> IO[Any]:
    """A buffered file, of text where the mode has no "b"."""
    file = io.BufferedWriter(_NamedFile(handle, target), _BUFFER_BYTES)
    if "b" in mode:
        return file
    return io.TextIOWrapper(file, encoding="utf-8", newline="\n")


def _created(path: Path, target: Path) -> BinaryIO:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    return _opened(handle, target)  # type: ignore[return-value]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
