"""suspect-labels, of what a model doubts."""

import numpy as np
import pytest

from dsample_cli.data.facts import read_facts
from dsample_cli.data.label_doubts import LabelDoubts
from dsample_cli.data.profile import profile_facts


@pytest.fixture
def facts(write):
    rows = [f"text number {'x' * i},{'ab{'[i % 3]}" for i in range(40)]
    return read_facts(write("a.csv", "\n".join(["text,label", *rows]) + "\n"))


def doubts_of(rows):
    n = len(rows)
    return LabelDoubts(np.array(rows, np.int64), np.zeros(n, int), np.linspace(1, 0.8, n), 40, 0.9)


def found_in(facts, doubts):
    problems = profile_facts(facts, doubts=doubts).problems
    return next((p for p in problems if p.code == "suspect-labels"), None)


def test_nothing_is_told_where_nothing_is_doubted(facts):
    assert found_in(facts, None) is None
    assert found_in(facts, doubts_of([])) is None


def test_rows_are_listed_by_doubt_and_the_first_are_told(facts):
    rows = [39, 2, 38, 5, *range(7, 35)]
    problem = found_in(facts, doubts_of(rows))
    assert (problem.severity, problem.count) == ("info", 32)
    assert problem.rows == tuple(rows[:20])
    assert problem.message.startswith("32 rows of 40 have labels")
    assert "row 2 '{' -> 'a'" in problem.message
    assert "and 27 more" in problem.message
    assert "90.0% of all labels" in problem.message


def test_one_row(facts):
    assert found_in(facts, doubts_of([4])).message.startswith("1 row of 40 has a label")
