"""What an epoch draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsample_cli.core.class_scores import CLASS_SCORES, class_weights, expected_share
from dsample_cli.core.sampling import (
    bucket_by_length,
    count_classes,
    draw_epoch,
    draw_scored,
    epoch_rng,
    index_classes,
)
from dsample_cli.errors import ConfigError

TOY = np.array([60, 30, 10])
EPOCHS = 200


def shuffled_codes(counts=TOY, seed=3):
    codes = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    return np.random.default_rng(seed).permutation(codes)


def draw(codes, mix, epoch=0, seed=42, order="shuffled", score="softmax"):
    index = index_classes(codes, int(codes.max()) + 1)
    return draw_epoch(index, class_weights(score, index.counts), mix, epoch_rng(seed, epoch), order)


def batches(rows, batch_size):
    return [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]


def test_the_index_lists_each_class_in_file_order():
    codes = np.array([1, 0, 2, 1, 0, 1])
    index = index_classes(codes, 4)
    assert index.rows.tolist() == [1, 4, 0, 3, 5, 2]
    assert index.starts.tolist() == [0, 2, 5, 6, 6]
    assert index.counts.tolist() == [2, 3, 1, 0] == count_classes(codes, 4).tolist()


def test_mix_0_reads_each_row_once_in_random_order():
    codes = shuffled_codes()
    rows = draw(codes, 0.0)
    assert sorted(rows.tolist()) == list(range(100))
    assert rows.tolist() != list(range(100))


def test_file_order_reads_the_file_as_it_stands():
    rows = draw(shuffled_codes(), 0.0, order="file")
    assert rows.tolist() == list(range(100))


def test_file_order_does_not_change_a_scored_epoch():
    codes = shuffled_codes()
    assert (draw(codes, 1.0, order="file") == draw(codes, 1.0)).all()


@given(
    mix=st.floats(0, 1),
    size=st.integers(3, 300),
    epoch=st.integers(0, 50),
    order=st.sampled_from(["shuffled", "file"]),
)
def test_an_epoch_has_n_rows_of_which_the_natural_part_is_distinct(mix, size, epoch, order):
    codes = np.arange(size) % 3
    rows = draw(codes, mix, epoch, order=order)
    assert len(rows) == size
    assert rows.min() >= 0
    assert rows.max() < size
    assert len(np.unique(rows)) >= round((1 - mix) * size)


@pytest.mark.parametrize(
    ("mix", "n_natural"), [(0.0, 100), (0.25, 75), (0.304, 70), (0.5, 50), (0.996, 0), (1.0, 0)]
)
def test_the_natural_part_has_round_one_minus_mix_times_n_rows(mix, n_natural):
    """Every scored draw hits the one example of class 1, all other rows are the natural part."""
    codes = np.array([0] * 99 + [1])
    index = index_classes(codes, 2)
    rows = draw_epoch(index, np.array([1e-12, 1.0]), mix, epoch_rng(0, 0))
    natural = np.count_nonzero(rows != 99)
    assert natural in (n_natural, n_natural - 1)
    assert len(np.unique(rows[rows != 99])) == natural


def test_natural_and_scored_rows_are_shuffled_together():
    codes = np.array([0] * 500 + [1] * 500)
    index = index_classes(codes, 2)
    rows = draw_epoch(index, np.array([1e-12, 1.0]), 0.5, epoch_rng(0, 0))
    first_half, second_half = codes[rows[:500]].mean(), codes[rows[500:]].mean()
    assert abs(first_half - second_half) < 0.15  # 0.75 each; 0.5 against 1 when not shuffled


@pytest.mark.parametrize("mix", [0.0, 0.3, 1.0])
def test_the_same_seed_and_epoch_draw_the_same_rows(mix):
    codes = shuffled_codes()
    assert (draw(codes, mix, epoch=4) == draw(codes, mix, epoch=4)).all()


@pytest.mark.parametrize("mix", [0.0, 0.3, 1.0])
def test_another_epoch_or_seed_draws_other_rows(mix):
    codes = shuffled_codes()
    rows = draw(codes, mix, epoch=4, seed=42)
    assert (rows != draw(codes, mix, epoch=5, seed=42)).any()
    assert (rows != draw(codes, mix, epoch=4, seed=43)).any()


@pytest.mark.parametrize("score", sorted(CLASS_SCORES))
@pytest.mark.parametrize("mix", [0.5, 1.0])
def test_the_drawn_share_over_200_epochs_is_the_expected_one(score, mix):
    codes = shuffled_codes()
    drawn = sum(
        count_classes(codes[draw(codes, mix, epoch, score=score)], 3) for epoch in range(EPOCHS)
    )
    share = drawn / drawn.sum()
    expected = expected_share(TOY, class_weights(score, TOY), mix)
    # Drawing a part without replacement varies less than binomial draws do.
    sigma = np.sqrt(expected * (1 - expected) / drawn.sum())
    assert (np.abs(share - expected) < 4.5 * sigma).all()


def test_rows_of_a_class_are_drawn_evenly():
    codes = shuffled_codes()
    index = index_classes(codes, 3)
    rows = draw_scored(index, np.ones(3), 100_000, epoch_rng(0, 0))
    times = np.bincount(rows, minlength=100)
    assert (np.abs(times - 1000) < 4.5 * np.sqrt(1000)).all()


def test_a_class_without_rows_is_never_drawn():
    index = index_classes(np.array([0, 2, 2]), 3)
    rows = draw_scored(index, np.array([1.0, 5.0, 1.0]), 1000, epoch_rng(0, 0))
    assert set(rows.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("mix", [0.0, 0.5, 1.0])
def test_rows_are_int32(mix):
    codes = shuffled_codes()
    assert index_classes(codes, 3).rows.dtype == np.int32
    assert draw(codes, mix).dtype == np.int32


@pytest.mark.parametrize("mix", [-0.01, 1.01, float("nan")])
def test_a_mix_outside_0_to_1_is_refused(mix):
    with pytest.raises(ConfigError, match="mix"):
        draw(shuffled_codes(), mix)


def test_an_unknown_order_is_refused():
    with pytest.raises(ConfigError, match="--order 'random'"):
        draw(shuffled_codes(), 0.0, order="random")


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
