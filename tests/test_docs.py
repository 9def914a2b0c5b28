"""Help and README keep up with the commands."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from dsample_cli.cli.main import app

README = Path(__file__).parents[1] / "README.md"
# Options that Typer adds; the README need not list them.
TYPERS_OWN = {"--help", "-h", "--show-completion"}


def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A command and all below it, by their full names."""
    yield name, command
    for part, below in getattr(command, "commands", {}).items():
        yield from walk(below, f"{name} {part}")


COMMANDS = dict(walk(typer.main.get_command(app), "dsample"))
PARAMETERS = [
    (name, parameter) for name, command in COMMANDS.items() for parameter in command.params
]
OPTIONS = sorted(
    {
        (name, option)
        for name, parameter in PARAMETERS
        for option in [*parameter.opts, *parameter.secondary_opts]
        if option.startswith("--")
    }
)


@pytest.fixture(scope="module")
def readme() -> str:
    if not README.is_file():
        pytest.skip("there is no README yet")
    return README.read_text(encoding="utf-8")


def test_the_walk_finds_commands_and_options():
    assert {"dsample", "dsample analyze", "dsample train", "dsample runs list"} <= set(COMMANDS)
    assert ("dsample train", "--schedule") in OPTIONS
    assert ("dsample evaluate", "--no-intervals") in OPTIONS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name):
    assert len((COMMANDS[name].help or "").strip()) > 20


@pytest.mark.parametrize(
    ("name", "parameter"), PARAMETERS, ids=[f"{name} {p.name}" for name, p in PARAMETERS]
)
def test_every_option_and_argument_has_help(name, parameter):
    assert len((parameter.help or "").strip()) > 8


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_in_the_readme(readme, name):
    """`dsample runs list | show RUN` names two commands of the group runs."""
    group, _, word = name.rpartition(" ")
    assert re.search(rf"{group}.* {word}(?![\w-])" if group else name, readme)


@pytest.mark.parametrize(("name", "option"), OPTIONS, ids=map(" ".join, OPTIONS))
def test_every_option_is_in_the_readme(readme, name, option):
    if option not in TYPERS_OWN:
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", readme)


def test_the_readme_names_no_option_that_does_not_exist(readme):
    """Within its `dsample` commands; other tools have options of their own."""
    known = {option for _, option in OPTIONS} | {"--help"}
    lines = re.findall(r"dsample [^\n`|&]*", readme)
    assert len(lines) > 5
    used = {option for line in lines for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", line)}
    assert used - known == set()


def test_every_test_that_the_readme_names_is_there(readme):
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", readme)
    assert len(named) > 20
    tests = Path(__file__).parent
    for file, test in named:
        source = (tests / file).read_text(encoding="utf-8")
        assert re.search(rf"^(def|class) {test}\b", source, re.MULTILINE), f"{file}::{test}"
