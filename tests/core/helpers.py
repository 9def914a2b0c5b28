"""What several tests of the core share."""

import numpy as np

TOY = np.array([60, 30, 10])
LIMIT = 4.5


def shuffled_codes(counts=TOY, seed=3):
    codes = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    return np.random.default_rng(seed).permutation(codes)


def assert_draws_are_likely(drawn, expected):
    """Draws per row or class, none of which may be 4.5 standard deviations from its expectation.

    Drawing a part without replacement varies less than the binomial draws taken for granted here.
    """
    expected = np.asarray(expected, dtype=float)
    sigma = np.sqrt(expected * (1 - expected / expected.sum()))
    assert drawn.sum() == np.rint(expected.sum())
    assert (drawn[expected == 0] == 0).all()
    assert (np.abs(drawn - expected) <= LIMIT * sigma + 1e-6).all()


def assert_tally_counts(tally, codes, rows):
    """Compare a tally with a count of its own."""
    times = np.bincount(rows, minlength=len(codes))
    for label in range(len(tally.drawn)):
        of_class = times[codes == label]
        assert tally.drawn[label] == of_class.sum()
        assert tally.distinct[label] == np.count_nonzero(of_class)
        assert tally.most_repeated[label] == of_class.max(initial=0)
