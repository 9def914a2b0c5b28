"""The crowd for a few seconds; `python -m tests.trust.crowd` lets it work for minutes."""

import sys

import pytest

from tests.trust.crowd import Ended, crowd


@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
def test_processes_work_in_one_workspace_without_damage(tmp_path):
    result = crowd(tmp_path, processes=2, seconds=5, seed=3)
    assert result["wrong"] == []
    assert sum(row["runs"] for row in result["commands"]) >= 2


@pytest.mark.parametrize(
    ("code", "out", "err", "complaint"),
    [
        (0, "", "", None),
        (1, "", "Error: Run a is in use by another process (1, since then).\nHint: x", None),
        (1, "", "Error: The disk burns.", "an error that is not to be expected"),
        (1, "", "Error: Unexpected.\nHint: This is a bug of dsample.", "a bug"),
        (1, "", "Traceback (most recent call last):", "a bug"),
        (2, "", "Error: No such option", "exit code 2"),
        (130, "", "", "exit code 130"),
        (-11, "", "", "exit code -11"),
        (None, "", "", "stood still for 60 s"),
    ],
)
def test_the_crowd_tells_what_is_wrong(code, out, err, complaint):
    assert Ended(["runs", "list"], code, out, err, 0.0).complaint() == complaint
