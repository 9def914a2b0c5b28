"""Which epoch is best, and when training stops."""

import pytest

from dsample_cli.core.selection import SELECTION_METRICS, Selection, judge, should_stop

NAN = float("nan")


def judge_all(values, select_on):
    selection = Selection()
    for epoch, value in enumerate(values):
        selection = judge(selection, epoch, value, select_on)
    return selection


@pytest.mark.parametrize("select_on", sorted(SELECTION_METRICS))
def test_an_equal_value_is_no_improvement(select_on):
    assert judge_all([0.5, 0.5, 0.5], select_on) == Selection(0.5, 0, 2)


@pytest.mark.parametrize(
    ("select_on", "best_epoch"),
    [("loss", 3), ("macro-f1", 1), ("balanced-accuracy", 1), ("accuracy", 1)],
)
def test_loss_is_better_when_lower_and_the_others_when_higher(select_on, best_epoch):
    assert judge_all([0.5, 0.9, 0.7, 0.1], select_on).best_epoch == best_epoch


@pytest.mark.parametrize("select_on", sorted(SELECTION_METRICS))
def test_nan_never_improves_and_is_never_the_best(select_on):
    assert judge_all([NAN, NAN], select_on) == Selection(None, None, 2)
    assert judge_all([NAN, 0.5, NAN], select_on) == Selection(0.5, 1, 1)


def test_improvement_starts_the_count_again():
    assert judge_all([0.5, 0.6, 0.7, 0.4, 0.45], "loss") == Selection(0.4, 3, 1)


@pytest.mark.parametrize(
    ("without_improvement", "patience", "stops"),
    [(0, 0, False), (99, 0, False), (0, 1, False), (1, 1, True), (5, 6, False), (6, 6, True)],
)
def test_patience_n_stops_at_the_nth_epoch_without_improvement(
    without_improvement, patience, stops
):
    assert should_stop(Selection(0.5, 0, without_improvement), patience) is stops
