"""Files that appear whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from dsample_cli.core.disk import is_passed_on

Target = str | os.PathLike[str] | BinaryIO


def write_whole(target: Target, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file, under a temporary name until it is complete.

    Args:
        target: Path, whose folder exists, or an open binary file, which is written to directly, as
            is a device.
        write: Receives the open binary file.

    Raises:
        OSError: If the folder cannot be written to; an older file at `target` is then unharmed.
    """
    if not isinstance(target, (str, os.PathLike)):
        write(target)
        return
    path = Path(target)
    if is_passed_on(path):
        with path.open("wb") as file:
            write(file)
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            write(file)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
