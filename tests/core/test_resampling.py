"""How many examples of each class a resampled epoch holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsample_cli.core.class_scores import inverse_score, scored_share, sqrt_score
from dsample_cli.core.resampling import RESAMPLINGS, oversample, undersample
from dsample_cli.core.signatures import input_names, option_names
from dsample_cli.errors import ConfigError
from tests.core.helpers import TOY

every_resampling = pytest.mark.parametrize("name", sorted(RESAMPLINGS))

UNIFORM = np.full(3, 1 / 3)


@st.composite
def counts_and_shares(draw):
    counts = np.array(draw(st.lists(st.integers(1, 5000), min_size=1, max_size=20)))
    raw = st.floats(0.01, 1)
    weights = np.array(draw(st.lists(raw, min_size=len(counts), max_size=len(counts))))
    return counts, weights / weights.sum()


@pytest.mark.parametrize(
    ("resample", "sizes", "total"),
    [(oversample, [60, 60, 60], 180), (undersample, [10, 10, 10], 30)],
)
def test_equal_shares_grow_to_the_largest_or_shrink_to_the_smallest_class(resample, sizes, total):
    assert resample(TOY, UNIFORM).tolist() == sizes
    assert resample(TOY, UNIFORM).sum() == total
    share = scored_share(TOY, inverse_score(TOY))
    assert resample(TOY, share).tolist() == sizes


@every_resampling
@given(case=counts_and_shares())
def test_the_natural_share_changes_nothing(name, case):
    counts, _ = case
    assert (RESAMPLINGS[name](counts, counts / counts.sum()) == counts).all()


@every_resampling
@given(case=counts_and_shares())
def test_sizes_have_the_wanted_share_but_for_rounding(name, case):
    counts, share = case
    sizes = RESAMPLINGS[name](counts, share)
    ratio = counts / share
    length = ratio.max() if name == "oversample" else ratio.min()
    assert sizes.shape == counts.shape
    assert np.issubdtype(sizes.dtype, np.integer)
    assert (sizes >= 1).all()
    assert (np.abs(sizes - length * share) <= 0.5 + 1e-6 + (sizes == 1) * 0.5).all()


@given(case=counts_and_shares())
def test_oversampling_keeps_all_and_undersampling_repeats_none(case):
    counts, share = case
    more, fewer = oversample(counts, share), undersample(counts, share)
    assert (more >= counts).all()
    assert (more == counts).any()
    assert (fewer <= counts).all()
    assert (fewer == counts).any()


@every_resampling
@given(case=counts_and_shares(), seed=st.integers(0, 1000))
def test_sizes_move_with_their_classes(name, case, seed):
    counts, share = case
    order = np.random.default_rng(seed).permutation(len(counts))
    sizes = RESAMPLINGS[name](counts, share)
    assert (RESAMPLINGS[name](counts[order], share[order]) == sizes[order]).all()


@every_resampling
def test_a_resampling_is_deterministic_and_does_not_change_its_inputs(name):
    counts, share = TOY.copy(), scored_share(TOY, sqrt_score(TOY))
    before = share.copy()
    first = RESAMPLINGS[name](counts, share)
    assert (RESAMPLINGS[name](counts, share) == first).all()
    assert (counts == TOY).all()
    assert (share == before).all()


@every_resampling
def test_a_resampling_works_on_counts_and_share_and_has_no_options(name):
    assert input_names(RESAMPLINGS[name]) == ("counts", "share")
    assert not option_names(RESAMPLINGS[name])


def test_a_share_that_would_make_the_epoch_explode_is_refused():
    with pytest.raises(ConfigError, match="an epoch of"):
        oversample(np.array([60, 30, 10]), np.array([1e-8, 0.5, 0.5]))
