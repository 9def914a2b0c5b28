"""Files that are on the disk when they are said to be, and what to say when they are not."""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsample_cli.errors import RunError

_HINTS = {
    errno.ENOSPC: "Free some room on the disk; see what runs take with: dsample runs du",
    errno.EDQUOT: "Free some room on the disk; see what runs take with: dsample runs du",
    errno.EFBIG: "The system allows no file so large: see ulimit -f.",
    errno.EIO: "The disk may be failing: check it, or write to another.",
}
_UNWRITABLE = "Choose a folder that you may write to."
# So libraries written in Rust end what they tell of the system's error.
_RUST_NUMBER = re.compile(r"\(os error (\d+)\)")
# What torch.save says of any write that failed; it keeps the reason to itself.
_TORCH_WORDS = ("PytorchStreamWriter", "inline_container.cc", "iostream error")


def is_passed_on(path: Path) -> bool:
    """Whether what is written to a path goes elsewhere: a device, a pipe, or `/dev/stdout`.

    A file must not take such a place: root would lose `/dev/null`.
    """
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError):
        return False
    folder = os.path.realpath(path.parent)
    is_of_system = folder == "/dev" or folder.startswith("/proc/")
    return not stat.S_ISDIR(kind) and (is_of_system or not stat.S_ISREG(kind))


def sync_file(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Wait until the names of a folder's files are on the disk, where the system can tell."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        return  # Windows opens no folder; or this one may be written and not read
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Wait until a folder with all that is in it is on the disk."""
    for where, _, names in os.walk(folder):
        for name in names:
            sync_file(Path(where) / name)
        sync_folder(Path(where))


def replace_file(source: Path, target: Path) -> None:
    """Give a file its final name, which outlives a power loss when this returns."""
    os.replace(source, target)
    sync_folder(target.parent)


@contextmanager
def replacing(path: Path, partial: Path) -> Iterator[Path]:
    """Give a name to write a file under; at the block's end it is on the disk, under `path`.

    Args:
        path: Its final name.
        partial: The name until then, in the same folder; what a crash leaves has it.
    """
    yield partial
    sync_file(partial)
    replace_file(partial, path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tell of a write that fails, whichever library does it, as of one to `path`.

    Only what writes belongs in the block: files that it reads would be told of as `path` too.

    Raises:
        RunError: If the system refuses a write.
    """
    try:
        yield
    except Exception as error:
        told = as_write_error(error, path)
        if told is None:
            raise
        raise told from error


def as_write_error(error: Exception, path: Path | str | None = None) -> RunError | None:
    """What to say of an exception if it tells of a write that failed; else None.

    Args:
        error: Of Python, PyArrow, PyTorch, safetensors or tokenizers.
        path: What was written, where the exception does not name it.

    Examples:
        >>> as_write_error(OSError(28, "No space left on device"), "a.txt").message
        'Cannot write a.txt: No space left on device.'
        >>> as_write_error(Exception("Input/output error (os error 5)"), "a.txt").message
        'Cannot write a.txt: Input/output error.'
        >>> as_write_error(ValueError("no number"), "a.txt") is None
        True
    """
    number = error.errno if isinstance(error, OSError) else _number_in(str(error))
    if number is None:
        return None
    # A temporary name says less than that of the file which it was to become.
    return write_error(number, path or getattr(error, "filename", None) or "a file")


def write_error(number: int | None, path: Path | str) -> RunError:
    """What to say of a write to `path` that the system refused with an error number; 0 if unknown.

    Examples:
        >>> write_error(13, "a.txt").hint
        'Choose a folder that you may write to.'
    """
    reason = os.strerror(number) if number else "the disk may be full, or failing"
    return RunError(f"Cannot write {path}: {reason}.", _HINTS.get(number or 0, _UNWRITABLE))


def _number_in(text: str) -> int | None:
    """The system's error number in what a library says; 0 if the disk fails it without one."""
    if found := _RUST_NUMBER.search(text):
        return int(found[1])
    return 0 if any(words in text for words in _TORCH_WORDS) else None
