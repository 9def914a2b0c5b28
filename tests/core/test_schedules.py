"""Schedules: golden sequences, and one check suite over every registered schedule."""

import math

import pytest

from dsample_cli.core.schedules import (
    SCHEDULES,
    EpochPlan,
    Schedule,
    Segment,
    join,
    make_schedule,
    mixes,
    parse_schedule,
    plans,
    schedule_names,
)
from dsample_cli.core.selection import Progress, Selection, advance, replay, should_stop
from dsample_cli.core.signatures import option_names
from dsample_cli.errors import ConfigError

COMPOSED = [
    "warmup:2+cyclic:3",
    "cyclic:3@6+always",
    "natural:2+linear",
    "natural:2+switch",
    "switch@4+always",
    "cyclic:2@3+switch@3+dcl-convex",
    "warmup:1+switch@4+switch",
    "warmup:0+linear:3+deferred:0.5",
]
# What the planned epochs of the suite below are; also less and more epochs than that are trained.
PLANNED = 9

every_schedule = pytest.mark.parametrize("name", sorted(SCHEDULES))
every_text = pytest.mark.parametrize("text", [*sorted(SCHEDULES), *COMPOSED])

# Impossible values of each option that any schedule has.
BAD_OPTIONS = {
    "cycle": (0, -1),
    "warmup_epochs": (-1,),
    "switch_start": ("", "Natural", "scored"),
    "defer": (-0.1, 1.1, float("nan")),
    "dcl_decay": (0.0, 1.0, -0.5, 1.5, float("nan")),
    "epochs": (),  # not a schedule's own: of the run
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
        assert plan == EpochPlan(1.0, judged=True)
        progress = advance(progress, schedule, epoch, plan.judged, None, "loss")
    assert progress.selection == Selection()


@pytest.mark.parametrize(
    ("epochs", "defer", "first"), [(5, 0.8, 4), (10, 0.5, 5), (10, 0, 0), (4, 1, 4), (1, 0.8, 1)]
)
def test_deferred_epochs_are_natural_and_judged(epochs, defer, first):
    planned = plans(make_schedule("deferred", epochs=epochs, defer=defer), epochs)
    assert planned == [EpochPlan(float(epoch >= first)) for epoch in range(epochs)]


def test_linear_rises_in_equal_steps_and_cosine_along_half_a_cosine():
    assert mixes(make_schedule("linear", epochs=5), 7) == [0, 0.25, 0.5, 0.75, 1, 1, 1]
    half = math.sqrt(0.5)
    assert mixes(make_schedule("cosine", epochs=5), 7) == pytest.approx(
        [0, (1 - half) / 2, 0.5, (1 + half) / 2, 1, 1, 1]
    )


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_one_epoch_alone_is_natural(name):
    assert mixes(make_schedule(name, epochs=1), 1) == [0]
    assert mixes(parse_schedule(f"natural:2+{name}", epochs=3), 3) == [0, 0, 0]
    assert mixes(make_schedule(name, epochs=2), 2) == pytest.approx([0, 1])


@pytest.mark.parametrize(
    ("name", "exponents"),
    [
        ("dcl-convex", {0: 1, 5: math.cos(math.pi / 4), 10: 0, 15: 0}),
        ("dcl-concave", {0: 1, 5: 0.9**5, 10: 0.9**10, 15: 0.9**10}),
        ("dcl-composite", {0: 1, 5: 0.5, 10: 0, 15: 0}),
    ],
)
def test_the_dcl_exponents_fall_as_in_the_paper_and_then_stay(name, exponents):
    schedule = make_schedule(name, epochs=10)
    for epoch, exponent in exponents.items():
        plan = schedule.plan(epoch, None)
        assert plan.mix == pytest.approx(1 - exponent, abs=1e-12)
        assert plan.judged
        assert plan.geometric


@every_schedule
def test_only_the_dcl_schedules_are_geometric(name):
    planned = plans(make_schedule(name), 12)
    assert {plan.geometric for plan in planned} == {name.startswith("dcl-")}


@pytest.mark.parametrize("name", "linear cosine dcl-convex dcl-concave dcl-composite".split())
@pytest.mark.parametrize("epochs", [1, 2, 7, 100])
def test_a_course_starts_natural_and_never_falls(name, epochs):
    course = mixes(make_schedule(name, epochs=epochs), 2 * epochs)
    assert course[0] == 0
    assert course == sorted(course)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("warmup:2+cyclic:3", [0, 0, 0, 1, 1, 0, 1, 1, 0]),
        ("cyclic:3@6+always", [0, 1, 1, 0, 1, 1, 1, 1, 1]),
        ("natural:2+linear:3", [0, 0, 0, 0.5, 1, 1, 1, 1, 1]),
        ("natural:5+linear", [0, 0, 0, 0, 0, 0, 1 / 3, 2 / 3, 1]),
        ("linear:3+natural:1+linear", [0, 0.5, 1, 0, 0, 0.25, 0.5, 0.75, 1]),
        ("always:2+natural", [1, 1, 0, 0, 0, 0, 0, 0, 0]),
        ("warmup:1@3+cyclic:2", [0, 1, 1, 0, 1, 0, 1, 0, 1]),
        ("warmup:0+always", [1] * 9),
        ("cyclic:2", [0, 1, 0, 1, 0, 1, 0, 1, 0]),
        ("cyclic@4+cyclic:2", [0, 1, 1, 0, 0, 1, 0, 1, 0]),
        ("warmup:3", [0, 0, 0, 1, 1, 1, 1, 1, 1]),
        ("deferred:0.5", [0, 0, 0, 0, 1, 1, 1, 1, 1]),
        ("deferred:0.5@4+natural", [0, 0, 1, 1, 0, 0, 0, 0, 0]),
        ("natural:20+always", [0] * 9),
        (" warmup:2 + always ", [0, 0, 1, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_a_typed_schedule_has_the_golden_mixes(text, expected):
    assert mixes(parse_schedule(text, PLANNED), PLANNED) == pytest.approx(expected)


def test_warmup_epochs_of_a_sequence_are_not_judged():
    planned = plans(parse_schedule("warmup:2+cyclic:3", PLANNED), PLANNED)
    assert [plan.judged for plan in planned] == [False, False, *[True] * 7]
    planned = plans(parse_schedule("always:2+warmup:2@3+natural", PLANNED), PLANNED)
    assert [plan.judged for plan in planned] == [True, True, False, False, *[True] * 5]


def test_options_fill_in_what_a_text_leaves_open():
    options = {"warmup_epochs": 1, "cycle": 2}
    assert mixes(parse_schedule("warmup+cyclic", 6, **options), 6) == [0, 0, 1, 0, 1, 0]
    assert mixes(parse_schedule("warmup:2+cyclic:3", 6, **options), 6) == [0, 0, 0, 1, 1, 0]
    assert mixes(parse_schedule("natural:1+switch", 3, switch_start="natural"), 3) == [0, 0, 0]
    assert mixes(parse_schedule("deferred", 4, defer=0.25), 4) == [0, 1, 1, 1]
    assert mixes(parse_schedule("dcl-concave", 3, dcl_decay=0.5), 3) == [0, 0.5, 0.75]


@every_schedule
def test_one_typed_name_is_that_schedule_over_the_planned_epochs(name):
    typed, made = parse_schedule(name, 7), make_schedule(name, epochs=7)
    assert follow(typed, LOSSES) == follow(made, LOSSES)
    assert typed.length == made.length


@pytest.mark.parametrize(
    ("text", "mix", "judged"),
    [
        ("warmup:2+switch", [0, 0, 1, 1, 1, 0, 1, 0, 1], [0, 0, 1, 1, 1, 0, 1, 0, 1]),
        ("switch@3+always", [1, 1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ("natural:3+switch", [0, 0, 0, 1, 1, 0, 1, 0, 1], [1, 1, 1, 1, 1, 0, 1, 0, 1]),
        ("switch@4+switch", [1, 1, 1, 0, 1, 0, 1, 1, 1], [1, 1, 1, 0, 1, 0, 1, 1, 1]),
    ],
)
def test_a_switch_in_a_sequence_reacts_to_its_own_epochs(text, mix, judged):
    steps = follow(parse_schedule(text, PLANNED), LOSSES)
    assert [plan.mix for plan, _ in steps] == mix
    assert [int(plan.judged) for plan, _ in steps] == judged


def test_a_nested_schedule_plans_and_learns_from_its_own_epoch_0():
    planned, learned = [], []

    def plan(epoch, state):
        planned.append((epoch, state))
        return EpochPlan(0.5)

    def update(epoch, state, improved):
        learned.append((epoch, improved))
        return state + 1

    probe = Schedule(plan, update, initial_state=0, depends_on_run=True)
    nested = join(
        [
            Segment(make_schedule("warmup", warmup_epochs=1), 2),
            Segment(probe, 3),
            Segment(make_schedule("always"), None),
        ]
    )
    steps = follow(nested, LOSSES)
    assert planned == [(0, 0), (1, 1), (2, 2)]
    assert learned == [(0, False), (1, True), (2, False)]
    assert [plan.mix for plan, _ in steps] == [0, 1, 0.5, 0.5, 0.5, 1, 1, 1, 1]
    assert nested.depends_on_run


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("cyclic:3+always", "for how many epochs does 'cyclic:3' run", "cyclic:3@4+always"),
        ("linear+always", "for how many epochs does 'linear' run", "linear@4+always"),
        ("natural:1+switch+always", "does 'switch' run", "switch@4+always"),
        ("deferred:0.5+always", "does 'deferred:0.5' run", "deferred:0.5@4+always"),
        ("cylic:3", "Unknown schedule 'cylic'", "Did you mean cyclic?"),
        ("warmup:2+cylic", "Unknown schedule 'cylic'", "Did you mean cyclic?"),
        ("warmup:2+", "Unknown schedule ''", "Choose one of"),
        ("", "Unknown schedule ''", "Choose one of"),
        ("cyclic:three", "'cyclic:three' has something other than a number", "cyclic:3"),
        ("cyclic:2.5", "something other than a number", "cyclic:3"),
        ("cyclic:", "something other than a number", "cyclic:3"),
        ("cyclic@", "something other than a number", "cyclic:3@6"),
        ("cyclic@x+always", "something other than a number", "cyclic:3@6"),
        ("deferred:half", "something other than a number", "cyclic:3"),
        ("natural:0+always", "'natural:0' must run for at least one epoch", "1 or more"),
        ("linear:-2", "must run for at least one epoch", "1 or more"),
        ("cyclic:3@0+always", "must run for at least one epoch", "1 or more"),
        ("switch:3", "'switch:3': switch takes no number", "--switch-start"),
        ("natural:1+switch:3", "'switch:3': switch takes no number", "--switch-start"),
        ("cyclic:0", "--cycle", "--cycle 3"),
        ("warmup:-1+always", "--warmup-epochs", "--warmup-epochs 2"),
        ("deferred:1.5", "--defer", "--defer 0.8"),
        ("deferred:nan", "--defer", "--defer 0.8"),
    ],
)
def test_impossible_texts_are_refused(text, message, hint):
    with pytest.raises(ConfigError) as caught:
        parse_schedule(text, PLANNED)
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("natural", None),
        ("always", None),
        ("cyclic:3", None),
        ("switch", None),
        ("cyclic:3@6", 6),
        ("natural:4", 4),
        ("warmup:2", 2),
        ("deferred", PLANNED),
        ("linear", PLANNED),
        ("linear:5", 5),
        ("dcl-composite", PLANNED),
        ("warmup:2+cyclic:3", 2),
        ("warmup:2+cyclic:3@6", 8),
        ("cyclic:3@6+always", 6),
        ("natural:2+linear", PLANNED),
        ("natural:2+linear:3", 5),
        ("natural:2+warmup:4", 6),
        ("natural:2+switch@3+always", 5),
    ],
)
def test_the_length_is_what_a_course_is_laid_out_for(text, length):
    assert parse_schedule(text, PLANNED).length == length


@every_text
def test_the_names_in_a_text_are_those_of_its_schedules(text):
    names = schedule_names(text)
    assert len(names) == text.count("+") + 1
    assert set(names) <= set(SCHEDULES)
    assert schedule_names("warmup:2 + cyclic:3@6+ deferred:0.5") == ["warmup", "cyclic", "deferred"]


@every_text
def test_replay_of_the_log_gives_the_progress_of_the_run(text):
    schedule = parse_schedule(text, PLANNED)
    steps = follow(schedule, LOSSES)
    records = records_of(steps, LOSSES)
    for epochs in range(1, len(records) + 1):
        assert replay(schedule, records[:epochs], "loss") == steps[epochs - 1][1]


@every_text
@pytest.mark.parametrize("losses", [LOSSES * 6, sorted(LOSSES * 6), [float("nan")] * 50])
@pytest.mark.parametrize("epochs", [1, 3, PLANNED])
def test_every_mix_lies_between_0_and_1_also_beyond_the_planned_epochs(text, losses, epochs):
    planned = [plan for plan, _ in follow(parse_schedule(text, epochs), losses)]
    for plan in planned:
        assert 0 <= plan.mix <= 1
        assert isinstance(plan.mix, float)
        assert isinstance(plan.judged, bool)
        assert isinstance(plan.geometric, bool)


@every_text
def test_a_schedule_is_deterministic_and_keeps_no_memory_of_its_own(text):
    schedule = parse_schedule(text, PLANNED)
    first = follow(schedule, LOSSES)
    assert follow(schedule, LOSSES) == first
    assert follow(parse_schedule(text, PLANNED), LOSSES) == first


@every_text
def test_any_epoch_can_be_planned_without_the_ones_before(text):
    schedule = parse_schedule(text, PLANNED)
    state = schedule.initial_state
    assert [schedule.plan(e, state) for e in (7, 0, 1000)] == [
        schedule.plan(e, state) for e in (7, 0, 1000)
    ]


@every_text
def test_only_a_schedule_that_says_so_depends_on_the_run(text):
    schedule = parse_schedule(text, PLANNED)
    rising, falling = range(1, 10), range(9, 0, -1)
    is_same = [p for p, _ in follow(schedule, rising)] == [p for p, _ in follow(schedule, falling)]
    assert is_same != schedule.depends_on_run


@every_text
def test_the_preview_is_the_run_in_which_every_epoch_improves(text):
    schedule = parse_schedule(text, PLANNED)
    steps = follow(schedule, range(20, 0, -1))
    assert plans(schedule, 20) == [plan for plan, _ in steps]
    assert mixes(schedule, 20) == [plan.mix for plan, _ in steps]


def test_the_preview_tells_a_schedule_which_epochs_were_not_judged():
    told = []
    schedule = Schedule(
        plan=lambda epoch, state: EpochPlan(1.0, judged=epoch != 1),
        update=lambda epoch, state, improved: told.append((epoch, improved)),
    )
    plans(schedule, 3)
    assert told == [(0, True), (1, None), (2, True)]


@every_schedule
def test_impossible_options_are_refused(name):
    for option in option_names(SCHEDULES[name]):
        for value in BAD_OPTIONS[option]:
            with pytest.raises(ConfigError, match=f"--{option.replace('_', '-')}"):
                make_schedule(name, **{option: value})


@every_schedule
def test_options_of_other_schedules_are_left_out(name):
    offered = {
        "cycle": 3,
        "warmup_epochs": 5,
        "switch_start": "weighted",
        "epochs": 10,
        "defer": 0.8,
        "dcl_decay": 0.9,
        "temperature": 0.5,
    }
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


def test_a_length_that_is_told_twice_is_refused():
    with pytest.raises(ConfigError, match="says twice how long"):
        parse_schedule("natural:3@5+always", 10)
