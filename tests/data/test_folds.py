import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dsample_cli.data.folds import stratified_folds
from dsample_cli.errors import ConfigError


def table_of(codes, folds, n_classes, n_folds):
    cells = folds * n_classes + codes
    return np.bincount(cells, minlength=n_folds * n_classes).reshape(n_folds, n_classes)


@st.composite
def tables(draw):
    n_classes = draw(st.integers(1, 5))
    n_folds = draw(st.integers(2, 6))
    n_rows = draw(st.integers(n_folds, 60))
    codes = draw(st.lists(st.integers(0, n_classes - 1), min_size=n_rows, max_size=n_rows))
    groups = draw(st.lists(st.integers(0, 30), min_size=n_rows, max_size=n_rows))
    return np.array(codes), n_classes, n_folds, np.array(groups)


@given(tables(), st.integers(0, 3))
def test_without_groups_every_count_is_even(table, seed):
    codes, n_classes, n_folds, _ = table
    counts = table_of(codes, stratified_folds(codes, n_classes, n_folds, seed), n_classes, n_folds)
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(axis=1)) <= 1


@settings(max_examples=200)
@given(tables(), st.integers(0, 3))
def test_groups_are_whole_and_equal_seeds_give_equal_folds(table, seed):
    codes, n_classes, n_folds, groups = table
    folds = stratified_folds(codes, n_classes, n_folds, seed, groups)
    assert ((folds >= 0) & (folds < n_folds)).all()
    for group in np.unique(groups):
        assert len(np.unique(folds[groups == group])) == 1
    again = stratified_folds(codes, n_classes, n_folds, seed, -3 * groups + 7)
    assert (again == folds).all()


@settings(max_examples=200)
@given(tables())
@example((np.array([0] * 5 + [1] * 3 + [0]), 2, 3, np.array([0, 0, 0, 0, 1, 0, 0, 0, 2])))
def test_a_class_reaches_every_fold_where_its_groups_allow(table):
    """Where groups have one class each, which is to have as many groups as there are folds."""
    codes, n_classes, n_folds, groups = table
    groups = groups * n_classes + codes
    counts = table_of(
        codes, stratified_folds(codes, n_classes, n_folds, 0, groups), n_classes, n_folds
    )
    for label in range(n_classes):
        n_groups = len(np.unique(groups[codes == label]))
        assert (counts[:, label] > 0).sum() >= min(n_groups, n_folds)


def test_rare_classes_of_mixed_groups_reach_every_fold():
    """Each of 10 customers has one row of the rare class among 20 of the frequent one."""
    codes = np.tile(np.r_[np.zeros(20, int), 1], 10)
    groups = np.repeat(np.arange(10), 21)
    counts = table_of(codes, stratified_folds(codes, 2, 5, 0, groups), 2, 5)
    assert counts.tolist() == [[40, 2]] * 5


def test_a_group_larger_than_a_fold_has_one_for_itself():
    codes = np.zeros(100, int)
    groups = np.r_[np.zeros(60, int), np.arange(1, 41)]
    sizes = np.bincount(stratified_folds(codes, 1, 5, 0, groups))
    assert sorted(sizes.tolist()) == [10, 10, 10, 10, 60]


def test_fewer_groups_than_folds_leave_folds_empty():
    assert set(stratified_folds(np.zeros(6, int), 1, 3, 0, np.zeros(6, int)).tolist()) == {0}


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_folds_are_not_worse_than_those_of_scikit_learn():
    from sklearn.model_selection import StratifiedGroupKFold

    rng = np.random.default_rng(0)
    share = np.geomspace(100, 1, 20)
    codes = rng.choice(20, 3000, p=share / share.sum())
    weights = rng.pareto(1.5, 400) + 1
    groups = rng.choice(400, 3000, p=weights / weights.sum())
    peer = np.empty(3000, int)
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    for fold, (_, rows) in enumerate(splitter.split(codes, codes, groups)):
        peer[rows] = fold

    def largest_deviation(folds):
        counts = table_of(codes, folds, 20, 5)
        shares = counts / counts.sum(axis=1, keepdims=True)
        return np.abs(shares - counts.sum(axis=0) / counts.sum()).max()

    ours = stratified_folds(codes, 20, 5, 0, groups)
    assert largest_deviation(ours) <= largest_deviation(peer)


@pytest.mark.parametrize(("rows", "folds"), [(10, 1), (10, 0), (3, 4), (0, 2)])
def test_too_few_folds_or_rows(rows, folds):
    with pytest.raises(ConfigError) as caught:
        stratified_folds(np.zeros(rows, int), 1, folds)
    assert caught.value.hint
