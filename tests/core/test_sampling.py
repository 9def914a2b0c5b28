"""Ways to draw rows, and to sort them into batches."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsample_cli.core import sampling
from dsample_cli.core.class_scores import inverse_score
from dsample_cli.core.sampling import (
    Tally,
    bucket_by_length,
    count_classes,
    draw_by_class,
    draw_by_row,
    draw_resampled,
    draw_sizes,
    epoch_rng,
    index_classes,
    mix_rows,
    tally_rows,
)
from tests.core.helpers import TOY, assert_draws_are_likely, assert_tally_counts, shuffled_codes

CODES = shuffled_codes()
SIZES = st.lists(st.integers(0, 40), min_size=3, max_size=3).map(np.array)


def small_chunks(size=7):
    return patch.object(sampling, "_CHUNK", size)


def batches(rows, batch_size):
    return [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]


def test_the_index_lists_each_class_in_file_order():
    codes = np.array([1, 0, 2, 1, 0, 1])
    index = index_classes(codes, 4)
    assert index.rows.tolist() == [1, 4, 0, 3, 5, 2]
    assert index.starts.tolist() == [0, 2, 5, 6, 6]
    assert index.counts.tolist() == [2, 3, 1, 0] == count_classes(codes, 4).tolist()


@given(codes=st.lists(st.integers(0, 6), max_size=60), chunk=st.integers(1, 70))
def test_the_index_is_a_stable_sort_by_class_in_pieces_of_any_size(codes, chunk):
    codes = np.array(codes, dtype=np.int32)
    with small_chunks(chunk):
        index = index_classes(codes, 8)
    assert (index.rows == np.argsort(codes, kind="stable")).all()
    assert (index.counts == count_classes(codes, 8)).all()
    assert index.rows.dtype == np.int32


@given(rows=st.lists(st.integers(0, 99), max_size=300))
def test_a_tally_of_rows_counts_each_class(rows):
    rows = np.array(rows, dtype=np.int32)
    assert_tally_counts(tally_rows(index_classes(CODES, 4), rows), CODES, rows)


def test_draws_by_class_have_the_scored_share():
    index = index_classes(CODES, 3)
    weights = inverse_score(TOY)
    rows = draw_by_class(index, weights, 90_000, epoch_rng(0, 0))
    assert_draws_are_likely(count_classes(CODES[rows], 3), np.full(3, 30_000))
    by_row = 90_000 * weights[CODES] / weights[CODES].sum()
    assert_draws_are_likely(np.bincount(rows, minlength=100), by_row)


def test_rows_of_a_class_are_drawn_evenly():
    rows = draw_by_class(index_classes(CODES, 3), np.ones(3), 100_000, epoch_rng(0, 0))
    assert_draws_are_likely(np.bincount(rows, minlength=100), np.full(100, 1000))


def test_a_class_without_rows_is_never_drawn():
    index = index_classes(np.array([0, 2, 2]), 3)
    rows = draw_by_class(index, np.array([1.0, 5.0, 1.0]), 1000, epoch_rng(0, 0))
    assert set(rows.tolist()) == {0, 1, 2}


@given(size=st.integers(0, 300), seed=st.integers(0, 1000))
def test_draws_by_class_are_grouped_and_tallied_on_the_way(size, seed):
    tally = Tally(3)
    index = index_classes(CODES, 3)
    rows = draw_by_class(index, inverse_score(TOY), size, epoch_rng(seed, 0), tally)
    assert len(rows) == size
    assert (np.diff(CODES[rows]) >= 0).all()
    assert_tally_counts(tally, CODES, rows)


def test_a_tally_does_not_change_the_draws():
    index = index_classes(CODES, 3)
    drawn = [draw_by_class(index, np.ones(3), 50, epoch_rng(0, 0), t) for t in (None, Tally(3))]
    assert (drawn[0] == drawn[1]).all()


@given(sizes=SIZES, seed=st.integers(0, 1000))
def test_as_many_rows_of_each_class_are_drawn_as_asked_for(sizes, seed):
    tally = Tally(3)
    rows = draw_sizes(index_classes(CODES, 3), sizes, epoch_rng(seed, 0), tally)
    assert (CODES[rows] == np.repeat(np.arange(3), sizes)).all()
    assert rows.dtype == np.int32
    assert_tally_counts(tally, CODES, rows)


@pytest.mark.parametrize("chunk", [1 << 20, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_draws_by_row_come_in_proportion_to_the_weights(chunk, seed):
    rng = np.random.default_rng(seed)
    weights = rng.exponential(size=60) ** 2 * (rng.random(60) > 0.3)
    with small_chunks(chunk):
        rows = draw_by_row(weights, 100_000, rng)
    assert_draws_are_likely(np.bincount(rows, minlength=60), 100_000 * weights / weights.sum())


@given(
    weights=st.lists(st.sampled_from([0.0, 1e-300, 1e-9, 0.5, 3.0, 1e9]), min_size=1, max_size=30),
    size=st.integers(0, 100),
    chunk=st.integers(1, 120),
    seed=st.integers(0, 1000),
)
def test_draws_by_row_rise_and_never_hit_a_row_without_weight(weights, size, chunk, seed):
    weights = np.array([*weights, 1.0, 0.0, 0.0])
    before = weights.copy()
    with small_chunks(chunk):
        rows = draw_by_row(weights, size, epoch_rng(seed, 0))
    assert len(rows) == size
    assert rows.dtype == np.int32
    assert (np.diff(rows) >= 0).all()
    assert (weights[rows] > 0).all()
    assert (weights == before).all()
    assert (rows == draw_by_row(weights, size, epoch_rng(seed, 0))).all()


@pytest.mark.parametrize("place", [0, 3, 9])
@pytest.mark.parametrize("weight", [1e-300, 1.0, 1e300])
def test_a_single_row_with_weight_gets_all_draws(place, weight):
    weights = np.zeros(10)
    weights[place] = weight
    assert set(draw_by_row(weights, 500, epoch_rng(0, 0)).tolist()) == {place}


def test_draws_are_independent_of_one_another():
    """Counts of a row over many epochs vary as binomial ones do."""
    weights = np.array([1.0, 2, 3, 4])
    rng = epoch_rng(0, 0)
    times = [np.bincount(draw_by_row(weights, 50, rng), minlength=4) for _ in range(4000)]
    share = weights / weights.sum()
    assert np.var(times, axis=0) == pytest.approx(50 * share * (1 - share), rel=0.12)


def test_a_draw_that_rounding_lifts_to_the_total_goes_to_the_last_row_with_weight():
    class Edge:
        @staticmethod
        def standard_exponential(size):
            return np.array([1.0] * (size - 1) + [0.0])

    assert draw_by_row(np.array([1.0, 0, 1, 0, 0]), 4, Edge).tolist() == [0, 2, 2, 2]


@given(sizes=SIZES, seed=st.integers(0, 1000))
def test_resampled_rows_repeat_none_before_all_have_come(sizes, seed):
    counts = np.array([20, 10, 1])
    codes = shuffled_codes(counts)
    index = index_classes(codes, 3)
    rows = draw_resampled(index, sizes, epoch_rng(seed, 0))
    assert rows.dtype == np.int32
    tally = tally_rows(index, rows)
    assert (tally.drawn == sizes).all()
    assert (tally.distinct == np.minimum(sizes, counts)).all()
    assert ((tally.most_repeated <= 1) == (sizes <= counts)).all()


def test_every_row_has_the_same_chance_of_being_resampled():
    index = index_classes(CODES, 3)
    sizes, epochs = np.array([30, 45, 10]), 2000
    rng = epoch_rng(0, 0)
    rows = np.concatenate([draw_resampled(index, sizes, rng) for _ in range(epochs)])
    assert_draws_are_likely(np.bincount(rows, minlength=100), epochs * (sizes / TOY)[CODES])


@pytest.mark.parametrize(
    ("mix", "n_natural"), [(0.0, 100), (0.25, 75), (0.304, 70), (0.5, 50), (0.996, 0), (1.0, 0)]
)
def test_the_natural_part_has_round_one_minus_mix_times_n_rows(mix, n_natural):
    asked = []

    def draw(size):
        asked.append(size)
        return np.full(size, 100, dtype=np.int32)

    rows = mix_rows(100, mix, draw, epoch_rng(0, 0))
    natural = rows[rows < 100]
    assert asked == ([100 - n_natural] if n_natural < 100 else [])
    assert len(rows) == 100
    assert len(natural) == len(np.unique(natural)) == n_natural
    assert rows.dtype == np.int32


def test_the_natural_part_is_taken_evenly_from_all_rows():
    rng = epoch_rng(0, 0)
    parts = [mix_rows(40, 0.75, lambda size: np.full(size, 40), rng) for _ in range(4000)]
    times = np.bincount(np.concatenate(parts), minlength=41)[:40]
    assert_draws_are_likely(times, np.full(40, 1000))


def test_natural_and_scored_rows_are_shuffled_together():
    rows = mix_rows(1000, 0.5, lambda size: np.full(size, 1000), epoch_rng(0, 0))
    halves = [(half == 1000).mean() for half in (rows[:500], rows[500:])]
    assert abs(halves[0] - halves[1]) < 0.15  # 0.5 each; 0 against 1 when not shuffled
    assert (np.diff(rows[rows < 1000]) < 0).any()


def test_the_generator_of_an_epoch_depends_on_seed_and_epoch_alone():
    first = epoch_rng(42, 4).random(3)
    assert (epoch_rng(42, 4).random(3) == first).all()
    assert (epoch_rng(42, 5).random(3) != first).all()
    assert (epoch_rng(4, 42).random(3) != first).all()


@given(
    size=st.integers(1, 400),
    batch_size=st.integers(1, 40),
    pool_batches=st.integers(1, 5),
    seed=st.integers(0, 100),
)
def test_bucketing_keeps_the_rows_and_how_often_each_occurs(size, batch_size, pool_batches, seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 60, size)
    rows = rng.integers(0, size, size).astype(np.int32)
    bucketed = bucket_by_length(rows, lengths, batch_size, rng, pool_batches)
    assert sorted(bucketed.tolist()) == sorted(rows.tolist())
    assert bucketed.dtype == rows.dtype


def test_within_a_pool_batches_are_slices_of_the_sorted_rows_and_only_the_last_is_short():
    rng = np.random.default_rng(0)
    lengths = rng.permutation(203)
    bucketed = bucket_by_length(np.arange(203), lengths, 10, rng)
    cut = batches(lengths[bucketed], 10)
    assert [len(b) for b in cut] == [10] * 20 + [3]
    assert all(np.ptp(b) == len(b) - 1 for b in cut)
    assert [b.min() for b in cut] != sorted(b.min() for b in cut)


def test_bucketing_reduces_padding():
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 128, 3000)
    rows = rng.permutation(3000)

    def padding(order):
        return sum(int((b.max() - b).sum()) for b in batches(lengths[order], 32))

    assert padding(bucket_by_length(rows, lengths, 32, rng)) < 0.1 * padding(rows)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), min_size=1, max_size=60),
    st.integers(1, 4),
)
def test_bucketing_in_pairs_leaves_alone_only_what_is_odd_in_its_pool(examples, half):
    codes, lengths = np.array(examples).T
    rows = np.random.default_rng(0).permutation(len(codes))
    batch = 2 * half
    ordered = bucket_by_length(rows, lengths, batch, np.random.default_rng(1), codes=codes)
    assert sorted(ordered.tolist()) == list(range(len(codes)))
    lone = sum(int((np.bincount(codes[part]) == 1).sum()) for part in batches(ordered, batch))
    # All rows are in one pool here.
    assert lone <= (np.bincount(codes) % 2 == 1).sum()


def test_pairs_are_as_like_in_length_as_can_be():
    lengths, codes = np.array([9, 1, 8, 2, 5]), np.array([0, 0, 0, 0, 1])
    ordered = bucket_by_length(np.arange(5), lengths, 6, np.random.default_rng(0), codes=codes)
    assert ordered.tolist() == [1, 3, 2, 0, 4]
