"""Schedules: golden sequences, and one check suite over every registered schedule."""

import pytest

from dsample_cli.core.schedules import SCHEDULES, make_schedule, mixes
from dsample_cli.core.selection import Progress, Selection, advance, replay, should_stop
from dsample_cli.core.signatures import option_names
from dsample_cli.errors import ConfigError

every_schedule = pytest.mark.parametrize("name", sorted(SCHEDULES))

# Impossible values of each option that any schedule has.
BAD_OPTIONS = {
    "cycle": (0, -1),
    "warmup_epochs": (-1,),
    "switch_start": ("", "Natural", "scored"),
}

# Validation losses by epoch. Those of epochs 3 and 5 fall into review epochs of `switch`; as they
# would be the best and the worst of all, a schedule that judged them would give itself away.
LOSSES = (1.0, 0.9, 0.95, 0.1, 0.9, 9.0, 0.8, 0.7, 0.75)


def follow(schedule, losses):
    """Train in thought: give the plan and the progress of each epoch."""
    progress, steps = Progress(schedule.initial_state, Selection()), []
    for epoch, loss in enumerate(losses):
        plan = schedule.plan(epoch, progress.schedule_state)
        progress = advance(progress, schedule, epoch, plan.judged, {"loss": loss}, "loss")
        steps.append((plan, progress))
    return steps


def records_of(steps, losses):
    return [
        {"epoch": epoch, "judged": plan.judged, "validation": {"loss": loss}}
        for epoch, ((plan, _), loss) in enumerate(zip(steps, losses, strict=True))
    ]


def test_natural_never_and_always_always_follows_the_score():
    assert mixes(make_schedule("natural"), 4) == [0, 0, 0, 0]
    assert mixes(make_schedule("always"), 4) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("cycle", "expected"),
    [
        (1, [0, 0, 0, 0, 0, 0, 0, 0]),
        (2, [0, 1, 0, 1, 0, 1, 0, 1]),
        (3, [0, 1, 1, 0, 1, 1, 0, 1]),
        (5, [0, 1, 1, 1, 1, 0, 1, 1]),
    ],
)
def test_cyclic_is_natural_every_cycle_epochs_from_epoch_0(cycle, expected):
    assert mixes(make_schedule("cyclic", cycle=cycle), 8) == expected


def test_cyclic_does_not_react_to_the_losses():
    steps = follow(make_schedule("cyclic", cycle=3), LOSSES)
    assert [plan.mix for plan, _ in steps] == [0, 1, 1, 0, 1, 1, 0, 1, 1]
    assert all(plan.judged for plan, _ in steps)
    assert steps[-1][1].selection.best_epoch == 3


def test_warmup_epochs_are_natural_and_not_judged():
    steps = follow(make_schedule("warmup", warmup_epochs=2), (0.1, 0.2, 0.9, 0.8, 0.85))
    assert [plan.mix for plan, _ in steps] == [0, 0, 1, 1, 1]
    assert [plan.judged for plan, _ in steps] == [False, False, True, True, True]
    assert [progress.selection for _, progress in steps] == [
        Selection(),
        Selection(),
        Selection(0.9, 2, 0),
        Selection(0.8, 3, 0),
        Selection(0.8, 3, 1),
    ]


@pytest.mark.parametrize(
    ("start", "mix"),
    [("weighted", [1, 1, 1, 0, 1, 0, 1, 1, 1]), ("natural", [0, 0, 0, 1, 0, 1, 0, 0, 0])],
)
def test_switch_reviews_one_epoch_after_each_judged_epoch_that_did_not_improve(start, mix):
    steps = follow(make_schedule("switch", switch_start=start), LOSSES)
    assert [plan.mix for plan, _ in steps] == mix
    assert [int(plan.judged) for plan, _ in steps] == [1, 1, 1, 0, 1, 0, 1, 1, 1]
    assert [progress.selection for _, progress in steps] == [
        Selection(1.0, 0, 0),
        Selection(0.9, 1, 0),
        Selection(0.9, 1, 1),
        Selection(0.9, 1, 1),  # a review changes nothing, however good its loss
        Selection(0.9, 1, 2),  # an equal loss is no improvement
        Selection(0.9, 1, 2),
        Selection(0.8, 6, 0),
        Selection(0.7, 7, 0),
        Selection(0.7, 7, 1),
    ]


def test_patience_counts_judged_epochs_only():
    steps = follow(make_schedule("switch"), LOSSES)
    stops = [should_stop(progress.selection, 2) for _, progress in steps]
    assert stops.index(True) == 4


def test_switch_without_validation_never_reviews():
    schedule = make_schedule("switch")
    progress = Progress(schedule.initial_state, Selection())
    for epoch in range(5):
        plan = schedule.plan(epoch, progress.schedule_state)
        assert plan == (1.0, True)
        progress = advance(progress, schedule, epoch, plan.judged, None, "loss")
    assert progress.selection == Selection()


@every_schedule
def test_replay_of_the_log_gives_the_progress_of_the_run(name):
    schedule = make_schedule(name)
    steps = follow(schedule, LOSSES)
    records = records_of(steps, LOSSES)
    for epochs in range(1, len(records) + 1):
        assert replay(schedule, records[:epochs], "loss") == steps[epochs - 1][1]


@every_schedule
@pytest.mark.parametrize("losses", [LOSSES * 6, sorted(LOSSES * 6), [float("nan")] * 50])
def test_every_mix_lies_between_0_and_1(name, losses):
    plans = [plan for plan, _ in follow(make_schedule(name), losses)]
    assert all(0 <= plan.mix <= 1 and isinstance(plan.judged, bool) for plan in plans)


@every_schedule
def test_a_schedule_is_deterministic_and_keeps_no_memory_of_its_own(name):
    schedule = make_schedule(name)
    first = follow(schedule, LOSSES)
    assert follow(schedule, LOSSES) == first
    assert follow(make_schedule(name), LOSSES) == first


@every_schedule
def test_any_epoch_can_be_planned_without_the_ones_before(name):
    schedule = make_schedule(name)
    state = schedule.initial_state
    assert [schedule.plan(e, state) for e in (7, 0, 1000)] == [
        schedule.plan(e, state) for e in (7, 0, 1000)
    ]


@every_schedule
def test_only_a_schedule_that_says_so_depends_on_the_run(name):
    schedule = make_schedule(name)
    rising, falling = range(1, 10), range(9, 0, -1)
    is_same = [p for p, _ in follow(schedule, rising)] == [p for p, _ in follow(schedule, falling)]
    assert is_same != schedule.depends_on_run


@every_schedule
def test_impossible_options_are_refused(name):
    for option in option_names(SCHEDULES[name]):
        for value in BAD_OPTIONS[option]:
            with pytest.raises(ConfigError, match=f"--{option.replace('_', '-')}"):
                make_schedule(name, **{option: value})


@every_schedule
def test_options_of_other_schedules_are_left_out(name):
    offered = {"cycle": 3, "warmup_epochs": 5, "switch_start": "weighted"}
    assert follow(make_schedule(name, **offered), LOSSES) == follow(make_schedule(name), LOSSES)


@pytest.mark.parametrize(("name", "meant"), [("cylic", "cyclic"), ("Switch", "switch")])
def test_an_unknown_schedule_answers_with_a_near_one(name, meant):
    with pytest.raises(ConfigError, match=f"Unknown schedule '{name}'") as caught:
        make_schedule(name)
    assert caught.value.hint == f"Did you mean {meant}?"


def test_an_unknown_schedule_that_is_near_none_lists_all():
    with pytest.raises(ConfigError) as caught:
        make_schedule("qqq")
    assert all(name in caught.value.hint for name in SCHEDULES)
