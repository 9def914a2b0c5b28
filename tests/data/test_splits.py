import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsample_cli.data.splits import (
    column_groups,
    duplicate_groups,
    merge_groups,
    stratified_split,
)
from dsample_cli.errors import ConfigError


def per_class(codes, parts, part, n_classes):
    return np.bincount(codes[parts == part], minlength=n_classes)


@st.composite
def tables(draw):
    n_classes = draw(st.integers(1, 5))
    n_rows = draw(st.integers(0, 60))
    codes = draw(st.lists(st.integers(0, n_classes - 1), min_size=n_rows, max_size=n_rows))
    n_groups = draw(st.integers(1, 40))
    groups = draw(st.lists(st.integers(0, n_groups), min_size=n_rows, max_size=n_rows))
    shares = draw(st.sampled_from([(0.2, 0.0), (0.1, 0.1), (0.45, 0.45), (0.0, 0.3), (0.0, 0.0)]))
    return np.array(codes, int), n_classes, np.array(groups, int), shares


def same_partition(a, b):
    pairs = set(zip(a.tolist(), b.tolist(), strict=True))
    return len(pairs) == len(set(a.tolist())) == len(set(b.tolist()))


class TestWithoutGroups:
    def test_shares_are_exact_per_class(self):
        codes = np.repeat([0, 1, 2], [1000, 105, 20])
        split = stratified_split(codes, 3, 0.1, 0.2)
        assert split.parts.dtype == np.int8
        assert per_class(codes, split.parts, 1, 3).tolist() == [100, 11, 2]
        assert per_class(codes, split.parts, 2, 3).tolist() == [200, 21, 4]
        assert split.only_in_train == ()

    @pytest.mark.parametrize(
        ("count", "shares", "held_out"),
        [
            (1, (0.5, 0.0), (0, 0)),
            (2, (0.2, 0.0), (0, 0)),
            (2, (0.5, 0.0), (1, 0)),
            (3, (0.2, 0.0), (1, 0)),
            (3, (0.2, 0.2), (1, 0)),
            (3, (0.6, 0.0), (1, 0)),
            (4, (0.1, 0.0), (2, 0)),
            (4, (0.1, 0.1), (1, 1)),
            (4, (0.45, 0.45), (1, 1)),
            (5, (0.1, 0.0), (2, 0)),
            (5, (0.0, 0.1), (0, 2)),
            (5, (0.1, 0.1), (1, 1)),
            (6, (0.1, 0.1), (2, 2)),
            (9, (0.05, 0.05), (2, 2)),
            (10, (0.35, 0.0), (4, 0)),
            (10, (0.9, 0.05), (6, 2)),
        ],
    )
    def test_small_classes(self, count, shares, held_out):
        codes = np.zeros(count, int)
        split = stratified_split(codes, 1, *shares)
        assert ((split.parts == 1).sum(), (split.parts == 2).sum()) == held_out
        assert split.only_in_train == (() if any(held_out) else (0,))

    def test_ids_without_rows_are_not_reported(self):
        split = stratified_split(np.array([0] * 10 + [2]), 4, 0.2)
        assert split.only_in_train == (2,)

    def test_no_rows(self):
        assert len(stratified_split(np.array([], int), 2, 0.2).parts) == 0

    @given(tables(), st.integers(0, 5), st.randoms(use_true_random=False))
    def test_counts_do_not_depend_on_the_order_of_the_rows(self, table, seed, random):
        codes, n_classes, _, shares = table
        shuffled = codes.copy()
        random.shuffle(shuffled)
        parts = stratified_split(codes, n_classes, *shares, seed=seed).parts
        other = stratified_split(shuffled, n_classes, *shares, seed=seed).parts
        for part in range(3):
            assert (
                per_class(codes, parts, part, n_classes)
                == per_class(shuffled, other, part, n_classes)
            ).all()

    @given(tables())
    def test_groups_of_one_row_give_the_same_counts(self, table):
        codes, n_classes, _, shares = table
        alone = stratified_split(codes, n_classes, *shares).parts
        grouped = stratified_split(codes, n_classes, *shares, groups=np.arange(len(codes))).parts
        for part in range(3):
            assert (
                per_class(codes, alone, part, n_classes)
                == per_class(codes, grouped, part, n_classes)
            ).all()

    def test_every_row_can_be_held_out(self):
        codes = np.arange(60) % 2
        hits = sum(stratified_split(codes, 2, 0.2, 0.2, seed=s).parts > 0 for s in range(60))
        assert hits.min() > 8
        assert hits.max() < 42

    def test_a_million_rows_and_groups(self):
        codes = np.random.default_rng(0).integers(0, 1000, 1_000_000)
        split = stratified_split(codes, 1000, 0.1, 0.1, groups=np.arange(1_000_000))
        assert abs((split.parts == 1).mean() - 0.1) < 0.001


class TestProperties:
    @settings(max_examples=300)
    @given(tables(), st.integers(0, 3))
    def test_what_always_holds(self, table, seed):
        codes, n_classes, groups, shares = table
        split = stratified_split(codes, n_classes, *shares, seed=seed, groups=groups)
        parts = split.parts
        # Groups are never divided.
        for group in np.unique(groups):
            assert len(np.unique(parts[groups == group])) == 1
        # Every class keeps a row in train, and two if it has three.
        counts = np.bincount(codes, minlength=n_classes)
        in_train = per_class(codes, parts, 0, n_classes)
        assert (in_train >= np.minimum(counts, np.where(counts >= 3, 2, 1))).all()
        # Groups of one class each: two rows in every part that the class can reach.
        if all(len(np.unique(codes[groups == group])) == 1 for group in groups):
            n_parts = 1 + sum(share > 0 for share in shares)
            for label in range(n_classes):
                sizes = np.bincount(np.unique(groups[codes == label], return_inverse=True)[1])
                if n_parts > 1 and sizes.max(initial=2) == 1 and counts[label] >= 2 * n_parts:
                    held_out = [per_class(codes, parts, p, n_classes)[label] for p in range(3)]
                    assert sorted(held_out)[-n_parts] >= 2
        # A part that is not asked for is empty.
        for part, share in ((1, shares[0]), (2, shares[1])):
            assert share > 0 or not (parts == part).any()
        # Classes that are wholly in train are told.
        stuck = np.flatnonzero((counts > 0) & (in_train == counts)).tolist()
        assert list(split.only_in_train) == (stuck if any(shares) else [])
        again = stratified_split(codes, n_classes, *shares, seed=seed, groups=groups)
        assert (again.parts == parts).all()

    @given(tables())
    def test_group_ids_are_only_names(self, table):
        codes, n_classes, groups, shares = table
        parts = stratified_split(codes, n_classes, *shares, groups=groups).parts
        renamed = stratified_split(codes, n_classes, *shares, groups=-7 * groups - 3).parts
        assert (parts == renamed).all()


class TestGroups:
    def test_customers_with_several_classes_come_near_the_shares(self):
        rng = np.random.default_rng(0)
        customers = rng.integers(0, 400, 4000)
        codes = rng.choice(3, 4000, p=[0.8, 0.15, 0.05])
        parts = stratified_split(codes, 3, 0.1, 0.1, groups=customers).parts
        counts = np.bincount(codes)
        for part in (1, 2):
            shares = per_class(codes, parts, part, 3) / counts
            assert (abs(shares - 0.1) < 0.03).all(), shares

    def test_groups_of_one_class_fill_the_quota(self):
        codes = np.repeat([0, 1], [100, 40])
        groups = np.arange(140) // 2
        parts = stratified_split(codes, 2, 0.2, 0.1, groups=groups).parts
        assert per_class(codes, parts, 1, 2).tolist() == [20, 8]
        assert per_class(codes, parts, 2, 2).tolist() == [10, 4]

    def test_a_class_in_one_group_stays_in_train(self):
        codes = np.repeat([0, 1], [10, 10])
        groups = np.r_[np.arange(10), np.full(10, 99)]
        split = stratified_split(codes, 2, 0.2, groups=groups)
        assert split.only_in_train == (1,)

    def test_a_huge_group_is_not_held_out(self):
        codes = np.zeros(100, int)
        groups = np.r_[np.zeros(90, int), np.arange(1, 11)]
        for seed in range(20):
            parts = stratified_split(codes, 1, 0.1, seed=seed, groups=groups).parts
            assert (parts == 1).sum() == 10
            assert not parts[:90].any()

    def test_a_rare_class_of_mixed_groups_has_two_rows_in_each_part(self):
        """Each of 12 customers has 30 rows, of which one is of the rare class in 6 of them."""
        codes = np.zeros(360, int)
        codes[: 6 * 30 : 30] = 1
        groups = np.arange(360) // 30
        for seed in range(10):
            parts = stratified_split(codes, 2, 0.2, 0.2, seed=seed, groups=groups).parts
            assert [per_class(codes, parts, part, 2)[1] for part in range(3)] == [2, 2, 2]

    def test_groups_above_the_quota_give_the_smallest_up_to_half(self):
        codes = np.zeros(10, int)
        groups = np.repeat([0, 1, 2], [4, 3, 3])
        parts = stratified_split(codes, 1, 0.1, groups=groups).parts
        assert (parts == 1).sum() == 3
        assert stratified_split(codes[:4], 1, 0.1, groups=np.array([0, 0, 0, 1])).parts[3] == 1


@pytest.mark.parametrize("shares", [(-0.1, 0), (0, -0.1), (1, 0), (0.5, 0.5), (float("nan"), 0)])
def test_shares_out_of_range(shares):
    with pytest.raises(ConfigError) as caught:
        stratified_split(np.zeros(10, int), 1, *shares)
    assert caught.value.hint


class TestGroupings:
    @given(
        st.lists(st.tuples(*[st.none() | st.sampled_from(["a", "b", "", "c"])] * 2)),
        st.integers(1, 3),
    )
    def test_duplicates_are_equal_rows(self, rows, n_chunks):
        cut = [rows[i::n_chunks] for i in range(n_chunks)]
        flat = [tuple(cell or "" for cell in row) for piece in cut for row in piece]
        arrays = [
            pa.chunked_array([[row[k] for row in piece] for piece in cut], pa.string())
            for k in range(2)
        ]
        ids = duplicate_groups(*arrays)
        assert ids.dtype == np.int64
        assert len(ids) == len(flat)
        keys = {key: i for i, key in enumerate(dict.fromkeys(flat))}
        assert same_partition(ids, np.array([keys[row] for row in flat], int))

    def test_many_chunks_share_their_ids(self):
        words = [f"w{i % 1000}" for i in range(10_000)]
        chunks = pa.chunked_array([words[i : i + 700] for i in range(0, 10_000, 700)])
        assert (duplicate_groups(chunks) == np.arange(10_000) % 1000).all()

    def test_rows_without_a_group_stand_alone(self):
        ids = column_groups(pa.chunked_array([["a", None], ["", "a", "b"]]))
        assert ids[0] == ids[3]
        assert len(set(ids.tolist())) == 4

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15))
    def test_merged_groups_are_connected(self, pairs):
        a, b = (np.array([pair[k] for pair in pairs], int) for k in range(2))
        merged = merge_groups(a, b)
        expected = np.arange(len(pairs))
        for _ in pairs:
            for ids in (a, b):
                for value in np.unique(ids):
                    expected[ids == value] = expected[ids == value].min()
        assert same_partition(merged, expected)

    def test_merging_a_group_of_many_equal_rows(self):
        ids = np.zeros(512, int)
        assert not merge_groups(ids, ids).any()
