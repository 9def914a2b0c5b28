"""Every strategy says when to use it, what it costs and what may go wrong: the CLI shows it."""

import inspect
import re

import pytest

from dsample_cli.core.class_scores import CLASS_SCORES
from dsample_cli.core.example_scores import EXAMPLE_SCORES
from dsample_cli.core.resampling import RESAMPLINGS
from dsample_cli.core.schedules import SCHEDULES
from dsample_cli.core.signatures import option_names

STRATEGIES = {**CLASS_SCORES, **RESAMPLINGS, **EXAMPLE_SCORES, **SCHEDULES}
every_strategy = pytest.mark.parametrize("name", sorted(STRATEGIES))


def sections_of(name):
    """Heading -> text of the sections of a docstring; the summary is that of ''."""
    parts = re.split(r"^(\w+):", inspect.getdoc(STRATEGIES[name]), flags=re.MULTILINE)
    headings = ["", *parts[1::2]]
    return dict(zip(headings, (part.strip() for part in parts[0::2]), strict=True))


def test_no_name_is_used_twice():
    registries = (CLASS_SCORES, RESAMPLINGS, EXAMPLE_SCORES, SCHEDULES)
    assert sum(map(len, registries)) == len(STRATEGIES)


@every_strategy
def test_a_strategy_is_named_as_a_user_types_it(name):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)


@every_strategy
def test_the_summary_is_one_sentence_on_one_line(name):
    summary = sections_of(name)[""].splitlines()
    assert summary[0].endswith(".")
    assert len(summary) == 1 or summary[1] == ""


@every_strategy
@pytest.mark.parametrize("section", ["When", "Cost", "Risk", "References", "Examples"])
def test_every_section_is_there(name, section):
    text = sections_of(name)[section]
    assert text.endswith(".") or section == "Examples"


@every_strategy
def test_every_option_is_described(name):
    options = option_names(STRATEGIES[name])
    described = sections_of(name).get("Args", "")
    assert all(re.search(rf"^\s*{option}: ", described, flags=re.MULTILINE) for option in options)
