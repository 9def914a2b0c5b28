"""Locks on files, with their owners: the system lets go of what a dead process held."""

import json
import os
import socket
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from dsample_cli.errors import RunError

# Some hold a lock for a moment, such as the doctor: they are waited for.
PATIENCE_SECONDS = 0.5
# Who asks whether a lock is held shares it for a moment, and is no owner: many may ask in turn.
UNKNOWN_SECONDS = 5.0
_POLL_SECONDS = 0.02
# Not through a link, and without waiting where a pipe stands in the file's place.
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_LONGEST_OWNER = 4096  # bytes
# Kinds of file systems on which a lock of another machine may not be seen.
_NETWORK = frozenset(
    "nfs nfs4 cifs smb3 smbfs ceph lustre gpfs beegfs 9p afs ocfs2 gfs2 glusterfs virtiofs".split()
)


@dataclass(frozen=True)
class Owner:
    """Who took a lock.

    Attributes:
        pid: Number of the process.
        host: Name of its machine.
        since: When, UTC, ISO 8601.
    """

    pid: int
    host: str
    since: str

    @property
    def is_here(self) -> bool:
        """Whether it runs, or ran, on this machine."""
        return self.host == socket.gethostname()

    @property
    def is_alive(self) -> bool:
        """Whether a process of this number runs on this machine."""
        if not self.is_here:
            return False
        if sys.platform == "win32":
            return True  # to ask would end it
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except OSError:
            return True  # another user's
        return True

    def __str__(self) -> str:
        place = "" if self.is_here else f" on {self.host}"
        return f"{self.pid}{place}, since {self.since[:19].replace('T', ' ')} UTC"


@contextmanager
def held(file: Path, what: str, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold a lock while the block runs.

    The owner is written beside the lock, for others to read; the lock itself is the system's.

    Args:
        file: The lock; made if there is none, in a folder that there is.
        what: It guards, for the error.
        patience_seconds: How long another's hold is waited for.

    Raises:
        RunError: If another process holds it, if its folder is gone or cannot be written, or if the
            file is a link.
    """
    _require_own(file, what)
    lock = FileLock(file)
    with ExitStack() as stack:
        folder = stack.enter_context(_kept_folder(file.parent, what))
        _acquire(lock, file, what, patience_seconds)
        stack.callback(lock.release)
        # Who removes the folder moves it away under the lock: then this is the lock of nothing.
        if not _is_same_folder(file.parent, folder):
            lock.release()
            _unmake(file, folder)
            raise gone(what)
        _require_visible(file, what)
        _write_owner(file)
        stack.callback(_forget_owner, file, folder)
        yield


def is_held(file: Path) -> bool:
    """Whether a living process holds a lock; to ask writes nothing and hinders nobody for long."""
    try:
        # Not FileLock: it would hold the lock for itself, and needs a folder that can be written.
        handle = os.open(file, _READ)
    except OSError:
        return False
    try:
        is_free = _can_share(handle, file)
    finally:
        os.close(handle)
    return not is_free or hidden_owner(file) is not None


def read_owner(file: Path) -> Owner | None:
    """Who took a lock last and has not let it go in order; None where nobody is known."""
    try:
        with os.fdopen(os.open(owner_file(file), _READ), "rb") as stream:
            entry = json.loads(stream.read(_LONGEST_OWNER))
        pid, host, since = entry["pid"], entry["host"], entry["since"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if type(pid) is not int or pid <= 0 or not isinstance(host, str) or not isinstance(since, str):
        return None
    return Owner(pid, host, since)


def owner_file(file: Path) -> Path:
    """Where the owner of a lock is written."""
    return file.with_name(f"{file.name}.owner")


def hidden_owner(file: Path) -> Owner | None:
    """An owner on another machine, whose lock this file system may not show here."""
    owner = read_owner(file)
    return owner if owner and not owner.is_here and _file_system(file) else None


def _acquire(lock: FileLock, file: Path, what: str, patience_seconds: float) -> None:
    began = time.monotonic()
    while True:
        try:
            lock.acquire(timeout=0)
            return
        except Timeout:
            owner = read_owner(file)
            is_known = owner is not None and (owner.is_alive or not owner.is_here)
            patience = patience_seconds if is_known else max(patience_seconds, UNKNOWN_SECONDS)
            if time.monotonic() - began >= patience:
                raise _in_use(owner, what) from None
            time.sleep(_POLL_SECONDS)
        except FileNotFoundError:
            raise gone(what) from None
        except OSError as error:
            raise RunError(
                f"{what} cannot be written: {error.strerror} ({file.parent}).",
                "Make the folder writable, or work with --workspace DIR elsewhere.",
            ) from error


def _can_share(handle: int, file: Path) -> bool:
    """Whether nobody holds a lock alone; where the system has no shared ones, take it to see."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False
        except OSError:
            pass
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return False
    lock.release()
    return True


def _require_own(file: Path, what: str) -> None:
    """A lock that is a link would be taken, and its owner written, somewhere else."""
    try:
        info = file.lstat()
    except OSError:
        return
    if not stat.S_ISREG(info.st_mode) or info.st_nlink > 1:
        raise RunError(
            f"{what} cannot be locked: {file} is a link or no file.", f"Remove it: rm {file}"
        )


def _require_visible(file: Path, what: str) -> None:
    owner = hidden_owner(file)
    if owner is not None:
        raise RunError(
            f"{what} was taken by another process ({owner}), and whether that still runs cannot be "
            f"seen here: the folder is on a network ({_file_system(file)}).",
            f"Look on {owner.host}; if it has ended: rm {owner_file(file)}",
        )


def _in_use(owner: Owner | None, what: str) -> RunError:
    message, hint = f"{what} is in use by another process", "Wait until it ends, or stop it"
    if owner is None:
        return RunError(f"{message}.", f"{hint}.")
    if owner.is_here and not owner.is_alive:
        return RunError(
            f"{message}, which {owner.pid} left behind or which cannot be seen from here.",
            "Wait some seconds for it to end, then see: dsample doctor",
        )
    place = "" if owner.is_here else f" on {owner.host}"
    return RunError(f"{message} ({owner}).", f"{hint}{place}: kill -INT {owner.pid}")


def gone(what: str) -> RunError:
    """What to say of something that another process removed meanwhile."""
    return RunError(
        f"{what} is gone: it was removed meanwhile.", "See what there is: dsample runs list"
    )


@contextmanager
def _kept_folder(folder: Path, what: str) -> Iterator[int | None]:
    """An open folder, whose number no other one gets while it is open; None on Windows."""
    if not hasattr(os, "O_DIRECTORY"):
        yield None
        return
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        raise gone(what) from None
    except OSError as error:
        raise RunError(
            f"{what} cannot be read: {error.strerror} ({folder}).", "Check who may read the folder."
        ) from error
    try:
        yield handle
    finally:
        os.close(handle)


def _is_same_folder(folder: Path, handle: int | None) -> bool:
    if handle is None:
        return folder.is_dir()
    try:
        return os.path.samestat(folder.stat(), os.fstat(handle))
    except OSError:
        return False


def _unmake(file: Path, folder: int | None) -> None:
    """Take away a folder that older versions of filelock make anew for a lock in it."""
    with suppress(OSError):
        if folder is not None and [entry.name for entry in file.parent.iterdir()] == [file.name]:
            file.unlink()
            file.parent.rmdir()


def _write_owner(file: Path) -> None:
    """Say who holds the lock; a disk that is full is no reason to stop."""
    owner = Owner(os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat())
    place = owner_file(file)
    with suppress(OSError):
        place.unlink(missing_ok=True)  # a link in its place is not written through
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(asdict(owner), stream)


def _forget_owner(file: Path, folder: int | None) -> None:
    """The folder may have been moved away by its owner, and another stand in its place."""
    if _is_same_folder(file.parent, folder):
        with suppress(OSError):
            owner_file(file).unlink()


def _file_system(path: Path) -> str | None:
    """Kind of the network file system that holds a path; None for a local or unknown one."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    real = os.path.realpath(path)
    kind, longest = "", -1
    for line in mounts.splitlines():
        point, name = line.split(" ")[1:3]
        point = point.replace("\\040", " ")
        is_above = real == point or real.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= longest:
            kind, longest = name, len(point)
    return kind if kind in _NETWORK or kind.startswith("fuse.") else None
