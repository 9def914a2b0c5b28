"""A listener that remembers."""

import pytest


class Heard:
    """Collects what a workflow tells."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.epochs: list[dict] = []
        self.advanced = 0

    def note(self, message):
        self.notes.append(message)

    def warn(self, message):
        self.warnings.append(message)

    def phase(self, name, total=None):
        pass

    def advance(self, count):
        self.advanced += count

    def epoch_started(self, epoch, epochs):
        pass

    def epoch_finished(self, record):
        self.epochs.append(dict(record))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def write(tmp_path):
    def write_file(name: str, rows: list[tuple[str, ...]], header: str = "text,label") -> str:
        path = tmp_path / name
        path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
        return str(path)

    return write_file
