"""The temperature that is chosen for the user."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dsample_cli.core.class_scores import scored_share, softmax_score
from dsample_cli.core.temperature import auto_temperature, temperature_for_minority_share
from dsample_cli.errors import ConfigError

COUNTS = st.lists(st.integers(1, 5000), min_size=2, max_size=30).map(np.array)
LONG_TAIL = np.round(100 * 50.0 ** (-np.arange(150) / 149)).astype(int)


def drawn_share(counts, temperature):
    return scored_share(counts, softmax_score(counts, temperature))


def kl_from_uniform(share):
    return float(-np.log(share * len(share)).mean())


def least_share(counts):
    return np.minimum(counts / counts.sum(), 1 / len(counts)) / 2


def test_auto_balances_two_classes_exactly():
    assert auto_temperature(np.array([90, 10])) == pytest.approx(0.364096, abs=5e-7)


@pytest.mark.parametrize("counts", [[7], [5, 5], [3, 3, 3, 3]])
def test_auto_is_1_when_there_is_nothing_to_balance(counts):
    assert auto_temperature(np.array(counts)) == 1.0


@given(counts=COUNTS)
def test_auto_leaves_every_class_half_of_its_due(counts):
    share = drawn_share(counts, auto_temperature(counts))
    assert (share >= least_share(counts) * (1 - 1e-6)).all()


@given(counts=COUNTS, step=st.sampled_from([1e-3, 1e-2, 0.1, 1.0]))
def test_no_feasible_temperature_beside_auto_is_nearer_to_uniform(counts, step):
    assume(counts.min() < counts.max())
    chosen = auto_temperature(counts)
    best = kl_from_uniform(drawn_share(counts, chosen))
    for neighbour in (chosen * (1 + step), chosen / (1 + step)):
        share = drawn_share(counts, neighbour)
        if (share >= least_share(counts)).all():
            assert kl_from_uniform(share) >= best - 1e-9


def test_auto_moves_a_long_tail_where_temperature_1_hardly_does():
    rarest = LONG_TAIL.argmin()
    natural = LONG_TAIL[rarest] / LONG_TAIL.sum()
    assert drawn_share(LONG_TAIL, 1.0)[rarest] < 1.1 * natural
    assert drawn_share(LONG_TAIL, auto_temperature(LONG_TAIL))[rarest] > 2 * natural


@given(counts=COUNTS, place=st.floats(0.01, 0.99))
def test_the_minority_share_is_reached(counts, place):
    natural, highest = counts.min() / counts.sum(), 1 / (counts == counts.min()).sum()
    assume(highest - natural > 1e-4)
    wanted = natural + place * (highest - natural)
    temperature = temperature_for_minority_share(counts, wanted)
    share = drawn_share(counts, temperature)[counts.argmin()]
    assert share == pytest.approx(wanted, abs=1e-6)


def test_the_minority_share_is_reached_where_counts_hardly_differ():
    counts = np.array([500_000, 499_999])
    share = drawn_share(counts, temperature_for_minority_share(counts, 0.9))
    assert share[1] == pytest.approx(0.9, abs=1e-6)


@pytest.mark.parametrize(
    ("counts", "share"),
    [([90, 10], 0.1), ([90, 10], 0.05), ([90, 10], 1.0), ([90, 5, 5], 0.5), ([5, 5], 0.5)],
)
def test_a_minority_share_out_of_reach_is_refused(counts, share):
    with pytest.raises(ConfigError, match=f"--minority-share {share:g} is out of reach") as caught:
        temperature_for_minority_share(np.array(counts), share)
    assert "between" in caught.value.hint
