"""Places for the files that a command writes when it is asked to."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from dsample_cli.errors import ConfigError


def check_place(
    option: str, place: Path | None, example: str, others: Iterable[str | Path | None] = ()
) -> None:
    """Refuse a place for a file before the work begins.

    Args:
        option: That names it, such as "--plot".
        place: Where the file is to be; nothing to check when None.
        example: Name of such a file.
        others: Files, or patterns of files, that the command reads or writes, which it must not
            replace.

    Raises:
        ConfigError: If the folder does not exist or may not be written to, or there is a folder or
            one of the other files in the place.
    """
    if place is None:
        return
    folder = place.parent
    if not folder.is_dir():
        raise ConfigError(
            f"{option} {place}: there is no folder {folder}.", f"Make it: mkdir -p {folder}"
        )
    if place.is_dir():
        raise ConfigError(
            f"{option} {place} is a folder.", f"Name a file: {option} {place}/{example}"
        )
    if not os.access(folder, os.W_OK):
        raise ConfigError(
            f"{option} {place}: the folder {folder} may not be written to.",
            f"Name another: {option} {example}",
        )
    if any(_is_same(place, other) for other in _files(others)):
        raise ConfigError(
            f"{option} {place} would replace a file that this command needs.",
            f"Name another: {option} {example}",
        )


def _files(others: Iterable[str | Path | None]) -> Iterator[Path]:
    for other in others:
        if other is not None:
            yield Path(other)
            yield from map(Path, glob.iglob(str(other), recursive=True))


def _is_same(first: Path, second: Path) -> bool:
    if first.exists() and second.exists():
        return first.samefile(second)
    return first.absolute() == second.absolute()
