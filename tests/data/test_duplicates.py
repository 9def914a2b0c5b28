import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dsample_cli.data.duplicates import equal_rows, is_among

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)), max_size=15)


def as_hashes(rows):
    return np.array([row[:2] for row in rows], np.uint64).reshape(-1, 2).T


@given(ROWS)
def test_equal_rows_by_brute_force(rows):
    """Of rows of two lanes, in which single lanes collide often, and a label."""
    values = [row[:2] for row in rows]
    codes = np.array([row[2] for row in rows], np.int32)
    equal = equal_rows(as_hashes(rows))
    shared = [i for i, value in enumerate(values) if values.count(value) > 1]
    assert equal.rows.tolist() == shared
    first_seen = list(dict.fromkeys(values[i] for i in shared))
    assert equal.ids.tolist() == [first_seen.index(values[i]) for i in shared]
    assert equal.n_distinct == len(set(values))
    assert equal.most_equal == max(map(values.count, values), default=0)
    assert equal.later().tolist() == [i for i in range(len(rows)) if values[i] in values[:i]]
    examples = [(row[:2], row[2]) for row in rows]
    again = [i for i in range(len(rows)) if examples[i] in examples[:i]]
    assert equal.with_labels(codes).later().tolist() == again
    labels = {value: {row[2] for row in rows if row[:2] == value} for value in values}
    torn = [i for i, value in enumerate(values) if len(labels[value]) > 1]
    assert equal.torn(codes).tolist() == torn


@given(ROWS, ROWS)
def test_is_among_by_brute_force(rows, known):
    found = is_among(as_hashes(rows), as_hashes(known))
    assert found.tolist() == [row[:2] in [k[:2] for k in known] for row in rows]
