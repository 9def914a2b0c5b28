"""Windows of a stream: their order, their share of several processes, what becomes of an error."""

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dsample_cli.data.sources import open_source
from dsample_cli.errors import DataError
from dsample_cli.workflows import predict
from dsample_cli.workflows.team import Team

NAMES = ("a", "b")
MODEL: Any = SimpleNamespace(names=NAMES, collate=lambda texts: list(texts[0]))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("text\n" + "".join(f"text {n}\n" for n in range(23)), encoding="utf-8")
    return open_source(path)


def overlapped(windows, forward, put) -> None:
    predict._overlapped(windows, forward, put)


def texts_of(windows):
    return [(window.first_row, window.tokens) for window in windows if window.tokens]


def test_processes_share_the_windows_and_go_through_the_same_rounds(source, monkeypatch):
    monkeypatch.setattr(predict, "_WINDOW", 4)
    alone = list(predict._windows(MODEL, source, ("text",), False, Team(0, 1)))
    shares = [
        list(predict._windows(MODEL, source, ("text",), False, Team(rank, 4))) for rank in range(4)
    ]
    assert [len(share) for share in shares] == [2] * 4
    in_turn = [window for turn in zip(*shares, strict=True) for window in turn]
    assert texts_of(in_turn) == texts_of(alone)
    assert [first for first, _ in texts_of(alone)] == [0, 4, 8, 12, 16, 20]
    assert sum(len(window.has_text) for window in in_turn) == 23


def test_of_many_classes_a_window_has_fewer_rows(source, monkeypatch):
    monkeypatch.setattr(predict, "_WINDOW_LOGITS", 10)
    windows = predict._windows(MODEL, source, ("text",), True, Team(0, 1))
    assert [len(window.data or []) for window in windows] == [5, 5, 5, 5, 3]


def test_the_next_window_is_read_and_the_last_written_during_the_forward_pass():
    is_forwarding, is_read = threading.Event(), threading.Event()
    written = []

    def windows():
        yield 0
        assert is_forwarding.wait(20)
        is_read.set()
        yield 1

    def forward(window):
        is_forwarding.set()
        assert is_read.wait(20), "the next window is not read meanwhile"
        return window * 10

    overlapped(windows(), forward, lambda *found: written.append(found))
    assert written == [(0, 0), (1, 10)]


def test_what_was_read_before_an_error_is_written():
    written = []

    def windows():
        yield from (0, 1)
        raise DataError("line 3 is broken", "Mend it.")

    with pytest.raises(DataError):
        overlapped(windows(), lambda w: w, lambda window, _: written.append(window))
    assert written == [0, 1]


def test_an_error_of_the_writer_ends_it():
    forwarded = []

    def full(window, logits):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        overlapped(iter(range(1000)), lambda w: forwarded.append(w), full)
    assert len(forwarded) <= 2


def test_rows_without_text_stand_between_the_others():
    window = predict._Window(5, ['{"text": ""}', '{"text": "x"}'], np.array([False, True]), None)
    assert window.rows_with_text == [6]
    blocks = predict._blocks(window, iter(['{"row": 6}']))
    assert "".join(blocks) == (
        '{"row": 5, "label": null, "score": null, "probabilities": {}, "data": {"text": ""}}\n'
        '{"row": 6, "data": {"text": "x"}}\n'
    )
