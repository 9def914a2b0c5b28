"""What training saw of each example, against plain lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsample_cli.core.history import History

EVERYTHING = ("losses", "times_seen", "prob_mean", "prob_variance", "window")
SIZE, CLASSES = 6, 4

OBSERVATION = st.tuples(
    st.integers(0, SIZE - 1), st.floats(-20, 0, width=32), st.integers(0, CLASSES - 1)
)
UPDATES = st.lists(st.lists(OBSERVATION, max_size=25), max_size=5)


def feed(history, update):
    rows, log_probs, predicted = zip(*update, strict=True) if update else ((), (), ())
    history.update(
        np.array(rows, dtype=np.int64),
        np.array(log_probs, dtype=np.float32),
        np.array(predicted, dtype=np.int64),
    )


def fed(updates, keeps=EVERYTHING, window=3):
    history = History(SIZE, CLASSES, keeps, window)
    for update in updates:
        feed(history, update)
    return history


def in_window(history, row):
    return sorted(label for label in history.get("window")[row].tolist() if label >= 0)


@given(updates=UPDATES, window=st.integers(1, 12))
def test_it_remembers_what_lists_of_each_row_would(updates, window):
    history = fed(updates, window=window)
    for row in range(SIZE):
        seen = [
            (log_prob, label) for update in updates for r, log_prob, label in update if r == row
        ]
        probs = np.exp(np.array([log_prob for log_prob, _ in seen], dtype=np.float32))
        labels = [label for _, label in seen]
        assert history.get("losses")[row] == (-seen[-1][0] if seen else np.inf)
        assert history.get("times_seen")[row] == len(seen)
        assert history.get("prob_mean")[row] == pytest.approx(
            probs.mean(dtype=float) if seen else 0, abs=1e-9
        )
        assert history.get("prob_variance")[row] == pytest.approx(
            probs.var(dtype=float) if seen else 0, abs=1e-9
        )
        assert in_window(history, row) == sorted(labels[-window:])


@given(updates=UPDATES)
def test_observations_may_come_in_one_update_or_in_several(updates):
    at_once = fed([[observation for update in updates for observation in update]])
    bit_by_bit = fed([[observation] for update in updates for observation in update])
    for name in EVERYTHING:
        assert (at_once.get(name) == bit_by_bit.get(name)).all()


@given(updates=UPDATES)
def test_what_is_kept_does_not_depend_on_what_else_is(updates):
    together = fed(updates)
    for name in EVERYTHING:
        assert (fed(updates, keeps=[name]).get(name) == together.get(name)).all()


@given(before=UPDATES, after=UPDATES)
def test_a_restored_history_goes_on_like_the_one_that_was_saved(before, after):
    saved = {name: array.copy() for name, array in fed(before).arrays.items()}
    resumed = History(SIZE, CLASSES, EVERYTHING, 3)
    resumed.restore(saved)
    for update in after:
        feed(resumed, update)
    whole = fed([*before, *after])
    for name, array in whole.arrays.items():
        assert (resumed.arrays[name] == array).all()
    for name, array in fed(before).arrays.items():
        assert (saved[name] == array).all()


def test_restoring_leaves_arrays_that_are_not_kept_alone():
    history = History(SIZE, CLASSES, ["losses"])
    history.restore(fed([[(2, -0.5, 1)]]).arrays)
    assert set(history.arrays) == {"losses"}
    assert history.get("losses")[2] == 0.5


@pytest.mark.parametrize(
    ("keeps", "arrays"),
    [
        ((), set()),
        (("codes", "n_classes", "progress"), set()),
        (("losses", "codes", "progress"), {"losses"}),
        (("times_seen",), {"times_seen"}),
        (("prob_mean",), {"times_seen", "prob_mean"}),
        (("prob_variance",), {"times_seen", "prob_mean", "prob_squares"}),
        (("window",), {"times_seen", "window"}),
        (EVERYTHING, {"losses", "times_seen", "prob_mean", "prob_squares", "window"}),
    ],
)
def test_only_what_is_asked_for_is_kept(keeps, arrays):
    history = History(SIZE, CLASSES, keeps)
    assert set(history.arrays) == arrays
    feed(history, [(0, -1.0, 2), (0, -2.0, 3)])
    assert set(history.arrays) == arrays


@pytest.mark.parametrize(
    ("n_classes", "dtype"), [(2, np.int16), (32_767, np.int16), (32_768, np.int32)]
)
def test_labels_take_two_bytes_while_they_fit(n_classes, dtype):
    history = History(1, n_classes, ["window"], window=2)
    history.update(np.array([0]), np.array([-0.1]), np.array([n_classes - 1]))
    assert history.get("window").dtype == dtype
    assert history.get("window").tolist() == [[n_classes - 1, -1]]


def test_losses_and_counts_take_four_bytes():
    history = History(1, 2, EVERYTHING)
    assert history.get("losses").dtype == np.float32
    assert history.get("times_seen").dtype == np.int32


def test_the_window_has_ten_places_unless_told():
    assert History(3, 2, ["window"]).get("window").shape == (3, 10)


def test_an_update_does_not_change_its_inputs():
    rows, log_probs, predicted = np.array([2, 0, 2]), np.array([-1.0, -2, -3]), np.array([1, 0, 1])
    inputs = rows, log_probs, predicted
    copies = [array.copy() for array in inputs]
    History(SIZE, CLASSES, EVERYTHING).update(*inputs)
    assert all((array == copy).all() for array, copy in zip(inputs, copies, strict=True))
