"""Write files so that a reader, or a crash, never meets half of one."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from dsample_cli.errors import RunError

_DAMAGED_HINT = "Restore the file, or remove its run with: dsample runs remove RUN"


@contextmanager
def atomic_writer(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path` that becomes `path` when the block ends without error.

    Raises:
        RunError: If the folder cannot be written.
    """
    encoding = None if "b" in mode else "utf-8"
    newline = None if "b" in mode else "\n"
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise RunError(
            f"Cannot write {path}: {error.strerror}.", "Choose a folder that you may write to."
        ) from error
    try:
        with os.fdopen(handle, mode, encoding=encoding, newline=newline) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
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
            files = [stack.enter_context(open(hidden / name, "wb")) for name in names]
            yield files
            for file in files:
                file.flush()
                os.fsync(file.fileno())
        for name in replaced:
            (folder / name).unlink()
        for name in names:
            os.replace(hidden / name, folder / name)
        hidden.rmdir()
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
        raise RunError(
            f"Cannot write {path}: {error.strerror}.", "Choose a folder that you may write to."
        ) from error
    try:
        yield hidden
        for file in hidden.iterdir():
            file.chmod(0o666 & ~_umask())  # safetensors writes weights for their owner alone
        hidden.chmod(0o777 & ~_umask())
        if not path.is_dir():
            hidden.rename(path)
            return
        # The folder itself stays: a shell may stand in it.
        for name in replaced:
            (path / name).unlink(missing_ok=True)
        for file in sorted(hidden.iterdir()):
            os.replace(file, path / file.name)
        hidden.rmdir()
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise


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
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} is missing.", _DAMAGED_HINT) from None
    except (ValueError, OSError) as error:
        raise RunError(f"{path} is damaged: {type(error).__name__}.", _DAMAGED_HINT) from error


def write_json_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write a whole JSON Lines file, or nothing."""
    with atomic_writer(path) as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")


def append_json_line(path: Path, record: dict[str, Any]) -> None:
    """Append one line to a JSON Lines file and push it to the disk."""
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
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
        except ValueError:
            break
    return records


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
