"""Every mistake of a user is answered with one line, a hint and the right exit code."""

import json
import shutil
import time

import pytest

from tests.cli.conftest import QUICK, make_tickets

FILES = {
    "empty.csv": b"",
    "header.csv": b"text,label\n",
    "binary.csv": bytes(range(256)) * 8,
    "latin.csv": "text,label\nhello,a\ncafé au lait,b\n".encode("latin-1"),
    "ragged.csv": b"text,label\nhello,a\nhello, world,a\nhi,b\n",
    "one.csv": b"text,label\nhello,a\nworld,a\nagain,a\n",
    "blank.csv": b"text,label\n,a\n  ,b\n,a\n",
    "good.csv": b"text,label\nhello,a\nworld,b\nagain,a\n",
    "lists.csv": b"text,label\nhello,\"['a', 'b']\"\nworld,\"['b']\"\n",
}


@pytest.fixture(autouse=True)
def _files(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)


@pytest.mark.parametrize("command", ["analyze", "train", "predict"])
@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("goood.csv", "There is no file goood.csv.", "Did you mean good.csv?"),
        ("empty.csv", "empty.csv is empty", "header line"),
        ("binary.csv", "binary.csv is binary data", "CSV (UTF-8)"),
        ("latin.csv", "latin.csv is not UTF-8: line 3 has the byte 0xE9", "iconv -f ISO-8859-1"),
        (".", ". is a directory", "such as"),
    ],
)
def test_a_file_that_is_no_table_is_refused(trained, fails, command, name, message, hint):
    options = ["--workspace", trained.workspace, "-o", "o.jsonl"] if command == "predict" else []
    if command == "train":
        name, message, hint = (str(text) for text in (name, message, hint))
        from pathlib import Path

        message = message.replace(name, str(Path(name).absolute()), 1) if name != "." else "is a"
        hint = hint.replace("good.csv", str(Path("good.csv").absolute()))
    fails(command, name, *options, kind="DataError", message=message, hint=hint)
