"""What a user writes about a run: tags and a note, in a file that training never touches."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from dsample_cli.errors import ConfigError, RunError
from dsample_cli.runs.files import read_json, write_json
from dsample_cli.runs.run import Run

LONGEST_TAG = 40


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
        entry = read_json(run.notes_file)
        tags, note = entry["tags"], entry["note"]
    except (RunError, KeyError, TypeError):
        return Notes()
    if not isinstance(tags, list) or not isinstance(note, str):
        return Notes()
    return Notes(tuple(tag for tag in tags if isinstance(tag, str)), note)


def add_tags(run: Run, tags: Iterable[str]) -> Notes:
    """Tag a run, besides the tags that it has.

    Raises:
        ConfigError: If a tag is empty, too long or not on one line.
        RunError: If the run cannot be written.
    """
    tags = [_checked(tag) for tag in tags]
    known = read_notes(run)
    return _write(run, replace(known, tags=tuple(dict.fromkeys((*known.tags, *tags)))))


def remove_tags(run: Run, tags: Iterable[str]) -> Notes:
    """Take tags from a run.

    Raises:
        ConfigError: If the run has no such tag.
        RunError: If the run cannot be written.
    """
    known, taken = read_notes(run), list(tags)
    for tag in taken:
        if tag not in known.tags:
            raise ConfigError(
                f"Run {run.id} has no tag '{tag}'.",
                f"It has: {', '.join(known.tags)}." if known.tags else "It has no tags at all.",
            )
    return _write(run, replace(known, tags=tuple(tag for tag in known.tags if tag not in taken)))


def write_note(run: Run, note: str) -> Notes:
    """Write the note of a run anew; an empty one is taken away.

    Raises:
        RunError: If the run cannot be written.
    """
    return _write(run, replace(read_notes(run), note=note.strip()))


def _write(run: Run, notes: Notes) -> Notes:
    if notes.is_empty:
        run.notes_file.unlink(missing_ok=True)
    else:
        write_json(run.notes_file, {"tags": list(notes.tags), "note": notes.note})
    return notes


def _checked(tag: str) -> str:
    if not tag or tag != tag.strip() or not tag.isprintable() or len(tag) > LONGEST_TAG:
        raise ConfigError(
            "A tag has 1 to 40 printable characters, without blanks around them.",
            "Write longer text as a note: dsample runs note RUN TEXT",
        )
    return tag
