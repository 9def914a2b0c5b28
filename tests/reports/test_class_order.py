"""The order of the classes in a confusion matrix."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dsample_cli.reports._class_order import confusion_order

SQUARES = st.integers(0, 12).flatmap(
    lambda n: arrays(np.int64, (n, n), elements=st.integers(0, 5) | st.just(0))
)


def rates_of(confusion: np.ndarray) -> np.ndarray:
    return confusion / np.maximum(confusion.sum(axis=1), 1)[:, None]


def distinct_rates(n_classes: int, seed: int) -> np.ndarray:
    """Rates of which no two are equal, so that there is one best order."""
    rates = np.random.default_rng(seed).random((n_classes, n_classes))
    return rates / rates.sum(axis=1, keepdims=True)


@given(SQUARES)
def test_the_order_is_a_permutation_and_always_the_same(confusion):
    order = confusion_order(rates_of(confusion))
    assert sorted(order.tolist()) == list(range(len(confusion)))
    assert confusion_order(rates_of(confusion)).tolist() == order.tolist()


@given(SQUARES)
def test_rates_are_left_as_they_were(confusion):
    rates = rates_of(confusion)
    confusion_order(rates)
    assert (rates == rates_of(confusion)).all()


@given(st.integers(3, 20), st.integers(0, 1000), st.randoms(use_true_random=False))
def test_classes_in_another_order_give_the_same_neighbours(n_classes, seed, random):
    rates = distinct_rates(n_classes, seed)
    places = list(range(n_classes))
    random.shuffle(places)
    order = confusion_order(rates).tolist()
    of_shuffled = [places[k] for k in confusion_order(rates[np.ix_(places, places)])]
    assert of_shuffled in (order, order[::-1])


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_classes_mistaken_for_each_other_stand_together(sizes, random):
    block_of_class = np.repeat(np.arange(len(sizes)), sizes)
    places = list(range(len(block_of_class)))
    random.shuffle(places)
    block_of_class = block_of_class[places]
    rates = (block_of_class[:, None] == block_of_class[None, :]) * 0.1
    in_order = block_of_class[confusion_order(rates)]
    assert np.count_nonzero(np.diff(in_order)) == len(sizes) - 1


def test_pairs_within_a_web_of_rare_mistakes_stand_side_by_side():
    rates = np.full((8, 8), 0.01)
    for one, other in ((0, 7), (1, 4), (2, 6), (3, 5)):
        rates[one, other] = 0.3 + 0.01 * one
    order = confusion_order(rates).tolist()
    for one, other in ((0, 7), (1, 4), (2, 6), (3, 5)):
        assert abs(order.index(one) - order.index(other)) == 1


def test_the_worst_block_is_first_and_classes_without_mistakes_last():
    rates = np.eye(6)
    rates[1, 4] = 0.1
    rates[5, 2] = 0.4
    assert confusion_order(rates).tolist() == [2, 5, 1, 4, 0, 3]


def test_without_mistakes_the_order_is_that_given():
    for n_classes in (0, 1, 2, 5):
        assert confusion_order(np.eye(n_classes)).tolist() == list(range(n_classes))
