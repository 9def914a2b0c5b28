"""What a user writes about a run: tags and a note, in a file that training never touches."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from dsample_cli.errors import ConfigError, RunError
from dsample_cli.runs.files import write_json
from dsample_cli.runs.locks import held
from dsample_cli.runs.run import Run, read_object

LONGEST_TAG = 40
# Another process holds the notes of a run for milliseconds.
_PATIENCE_SECONDS = 10


@dataclass(frozen=True)
class Notes:
    """What is known of a run besides what it did.

    Attributes:
        tags: Short marks, in the order in which they were set.
        note: Free text; empty when there is none.
    """

    tags: tuple[str, ...] = ()
    note: str = ""

    @property
    def is_empty(self) -> bool:
        return not self.tags and not self.note


def read_notes(run: Run) -> Notes:
    """Read the tags and the note of a run; of a missing or damaged file, none."""
    try:
        return _read(run)
    except RunError:
        return Notes()


def are_damaged(run: Run) -> bool:
    """Whether there are notes of a run that cannot be read."""
    try:
        _read(run)
    except RunError:
        return run.notes_file.exists() or run.notes_file.is_symlink()
    return False


def _read(run: Run) -> Notes:
    entry = read_object(run.notes_file)
    tags, note = entry.get("tags"), entry.get("note")
    if not isinstance(tags, list) or not isinstance(note, str) or not _is_text(note):
        raise RunError(f"{run.notes_file} is damaged.", "Mend it: dsample doctor --fix")
    return Notes(tuple(tag for tag in tags if _is_text(tag)), note)


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False  # half a surrogate pair, which no file takes
    return True


def add_tags(run: Run, tags: Iterable[str]) -> Notes:
    """Tag a run, besides the tags that it has.

    Raises:
        ConfigError: If a tag is empty, too long or not on one line.
        RunError: If the run cannot be written.
    """
    tags = [_checked(tag) for tag in tags]
    return _change(run, lambda known: replace(known, tags=_united(known.tags, tags)))


def remove_tags(run: Run, tags: Iterable[str]) -> Notes:
    """Take tags from a run.

    Raises:
        ConfigError: If the run has no such tag.
        RunError: If the run cannot be written.
    """
    taken = list(tags)

    def without(known: Notes) -> Notes:
        for tag in taken:
            if tag not in known.tags:
                raise ConfigError(
                    f"Run {run.id} has no tag '{tag}'.",
                    f"It has: {', '.join(known.tags)}." if known.tags else "It has no tags at all.",
                )
        return replace(known, tags=tuple(tag for tag in known.tags if tag not in taken))

    return _change(run, without)


def write_note(run: Run, note: str) -> Notes:
    """Write the note of a run anew; an empty one is taken away.

    Raises:
        RunError: If the run cannot be written.
    """
    return _change(run, lambda known: replace(known, note=note.strip()))


def _change(run: Run, change: Callable[[Notes], Notes]) -> Notes:
    """Read, change and write; a lock of its own, so that a run in training can be marked."""
    with held(run.path / ".notes.lock", f"The notes of run {run.id}", _PATIENCE_SECONDS):
        if are_damaged(run):
            raise RunError(
                f"{run.notes_file} is damaged, and would be lost.",
                "Set it aside: dsample doctor --fix",
            )
        notes = change(read_notes(run))
        if notes.is_empty:
            run.notes_file.unlink(missing_ok=True)
        else:
            write_json(run.notes_file, {"tags": list(notes.tags), "note": notes.note})
    return notes


def _united(tags: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*tags, *others)))


def _checked(tag: str) -> str:
    if not tag or tag != tag.strip() or not tag.isprintable() or len(tag) > LONGEST_TAG:
        raise ConfigError(
            "A tag has 1 to 40 printable characters, without blanks around them.",
            "Write longer text as a note: dsample runs note RUN TEXT",
        )
    return tag
