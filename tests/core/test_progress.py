"""Listeners."""

from dsample_cli.core.progress import Silent, WarningsKept


class Calls(Silent):
    def __init__(self):
        self.calls = []

    def warn(self, message):
        self.calls.append(("warn", message))

    def note(self, message):
        self.calls.append(("note", message))

    def phase(self, name, total=None):
        self.calls.append(("phase", name, total))

    def advance(self, count):
        self.calls.append(("advance", count))

    def epoch_started(self, epoch, epochs):
        self.calls.append(("started", epoch, epochs))

    def epoch_finished(self, record):
        self.calls.append(("finished", record))


def test_warnings_are_kept_once_and_everything_is_passed_on():
    calls = Calls()
    heard = WarningsKept(calls, ["before"])
    heard.note("noted")
    heard.warn("before")
    heard.warn("new")
    heard.warn("new")
    heard.phase("evaluating", 3)
    heard.advance(2)
    heard.epoch_started(0, 4)
    heard.epoch_finished({"epoch": 0})
    assert heard.warnings == ["before", "new"]
    assert calls.calls == [
        *(("note", "noted"), ("warn", "before"), ("warn", "new"), ("warn", "new")),
        *(("phase", "evaluating", 3), ("advance", 2), ("started", 0, 4)),
        ("finished", {"epoch": 0}),
    ]
