"""Tell faults of the machine from bugs: no memory, no device, no disk."""

import errno
import re
from pathlib import Path

from dsample_cli.core.disk import as_write_error
from dsample_cli.errors import RunError

# What the system says of writes alone; all else may be said of a file that is read.
_OF_WRITES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
# By their names, as torch need not be loaded to be told of a fault.
_OUT_OF_MEMORY = {"MemoryError", "OutOfMemoryError"}
_NO_MEMORY_WORDS = (
    "can't allocate memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "is killed by signal: Killed",  # so a worker that reads batches ends
)
_DEVICE_ERROR = "AcceleratorError"
_DEVICE_WORDS = re.compile(r"(CUDA|HIP|cuDNN|CUBLAS|NCCL|MPS)[ _]\w*(error|failed|status)", re.I)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was missing, the machine's or a device's.

    Examples:
        >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
        True
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    if not names.isdisjoint(_OUT_OF_MEMORY):
        return True
    return isinstance(error, RuntimeError) and any(w in str(error) for w in _NO_MEMORY_WORDS)


def is_lost_device(error: BaseException) -> bool:
    """Whether a GPU failed or is gone.

    Examples:
        >>> is_lost_device(RuntimeError("CUDA error: unspecified launch failure"))
        True
    """
    if not isinstance(error, RuntimeError):
        return False
    return type(error).__name__ == _DEVICE_ERROR or bool(_DEVICE_WORDS.search(str(error)))


def as_failed_write(error: BaseException, path: Path | None = None) -> RunError | None:
    """What to say of an error that can be of nothing but a write; None of any other.

    Args:
        error: Of any library.
        path: What was written, where the error does not name it.

    Examples:
        >>> as_failed_write(Exception("No space left on device (os error 28)")).message
        'Cannot write a file: No space left on device.'
        >>> as_failed_write(FileNotFoundError(2, "No such file or directory")) is None
        True
    """
    if isinstance(error, OSError):
        return as_write_error(error, path) if error.errno in _OF_WRITES else None
    return as_write_error(error, path) if isinstance(error, Exception) else None


def explain_fault(error: BaseException) -> RunError | None:
    """What to say of a fault of the machine; None of anything else, such as a bug.

    The exception's own words are left out: they may quote the data.
    """
    if is_out_of_memory(error):
        return RunError(
            "There is not enough memory.",
            "Close other programs, or try less at a time: fewer rows, a smaller --batch-size or "
            "--max-length.",
        )
    if is_lost_device(error):
        return RunError(
            f"The device failed or was lost: {type(error).__name__}.",
            "See that it is there again (nvidia-smi), or use another: --device cpu",
        )
    return as_failed_write(error)
