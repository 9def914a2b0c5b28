"""Numbers in the place of values."""

import numpy as np
import pytest

from dsample_cli.data.numbering import number_values


@pytest.mark.parametrize(
    "values",
    [
        [],
        [3, 1, 3, 0],
        [-1, 7, -1],
        [10**15, 5, 10**15],
        ["b", "a", "b"],
        np.random.default_rng(0).integers(0, 50, 200),
        np.random.default_rng(1).integers(0, 10**9, 200),
    ],
)
def test_equal_values_share_a_number_by_first_appearance(values):
    values = np.asarray(values, dtype=np.int64 if len(values) == 0 else None)
    known: dict = {}
    expected = [known.setdefault(value, len(known)) for value in values.tolist()]
    found = number_values(values)
    assert found.tolist() == expected
    assert found.dtype == np.int64
