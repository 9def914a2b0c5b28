"""What an epoch is expected to draw, and what it draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsample_cli.core.class_scores import CLASS_SCORES, inverse_score
from dsample_cli.core.epochs import EpochDrawer, expected_draws, is_natural
from dsample_cli.core.example_scores import EXAMPLE_SCORES
from dsample_cli.core.resampling import RESAMPLINGS
from dsample_cli.core.sampling import count_classes
from dsample_cli.core.schedules import SCHEDULES, EpochPlan, make_schedule, parse_schedule, plans
from dsample_cli.core.scores import SCORE_NAMES, make_score
from tests.core.helpers import TOY, assert_draws_are_likely, assert_tally_counts, shuffled_codes

NATURAL, ALWAYS = EpochPlan(0.0), EpochPlan(1.0)
COUNTS = np.array([700, 250, 40, 10])
CODES = shuffled_codes(COUNTS)
TEXTS = [*SCORE_NAMES, "recency-bias+sqrt", "oversample+sqrt", "softmax+hard", "undersample+power"]
PLANS = [
    *(EpochPlan(mix) for mix in (0.0, 1e-4, 0.3, 0.9999, 1.0)),
    *(EpochPlan(mix, geometric=True) for mix in (0.0, 1e-4, 0.3, 1.0)),
]

every_score = pytest.mark.parametrize("text", TEXTS)
every_plan = pytest.mark.parametrize("plan", PLANS)


def made_up_weights(score, codes, seed=5):
    """Example weights as the score might give, some of them 0; None for class scores."""
    if not score.example_names:
        return None
    rng = np.random.default_rng(seed)
    of_rows = rng.random(len(codes)) ** 3 * (rng.random(len(codes)) > 0.2)
    return score.class_weights[codes] * of_rows


def draws_by_row(codes, score, plan, example_weights):
    """How often each row is expected, for scores that do not resample."""
    weights = score.class_weights[codes] if example_weights is None else example_weights
    if plan.mix == 0:
        return np.ones(len(codes))
    if plan.geometric:
        return len(codes) * weights**plan.mix / (weights**plan.mix).sum()
    return (1 - plan.mix) + plan.mix * len(codes) * weights / weights.sum()


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("dcl-convex", (0.527918, 0.323375, 0.148707)),
        ("dcl-composite", (0.472734, 0.334273, 0.192993)),
        ("dcl-concave", (0.497200, 0.330199, 0.172600)),
    ],
)
def test_the_dcl_curriculum_draws_the_golden_share(name, share):
    plan = make_schedule(name, epochs=10).plan(5, None)
    drawn = expected_draws(TOY, make_score("inverse", TOY), plan, 5)
    assert drawn == pytest.approx(100 * np.array(share), abs=5e-5)


def test_progressively_balanced_draws_are_golden():
    plan = make_schedule("linear", epochs=5).plan(2, None)
    drawn = expected_draws(TOY, make_score("inverse", TOY), plan, 2)
    assert drawn == pytest.approx((46.6667, 31.6667, 21.6667), abs=5e-5)


def test_distinct_examples_of_an_epoch_at_temperature_1_are_golden():
    codes, score = shuffled_codes(), make_score("softmax", TOY, temperature=1.0)
    drawer = EpochDrawer(codes, score, seed=0)
    distinct = [drawer.draw(epoch, ALWAYS).tally.distinct for epoch in range(2000)]
    assert np.mean(distinct, axis=0) == pytest.approx((34.66, 20.72, 7.73), abs=0.25)
    drawn = expected_draws(TOY, score, ALWAYS, 0)
    golden = TOY * (1 - (1 - 1 / TOY) ** drawn)
    assert golden == pytest.approx((34.66, 20.72, 7.73), abs=0.005)


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("softmax", (51.2895, 34.6168, 14.0937)),
        ("sqrt", (47.2734, 33.4273, 19.2993)),
        ("inverse", (100 / 3, 100 / 3, 100 / 3)),
        ("oversample", (60, 60, 60)),
        ("undersample", (10, 10, 10)),
        ("oversample+sqrt", (60, 42, 24)),
        ("hard", (60, 30, 10)),
        ("hard+sqrt", (47.2734, 33.4273, 19.2993)),
    ],
)
def test_expected_draws_of_the_toy_counts(text, drawn):
    score = make_score(text, TOY, epochs=3)
    assert expected_draws(TOY, score, ALWAYS, 0) == pytest.approx(drawn, abs=1e-4)
    assert expected_draws(TOY, score, NATURAL, 0) == pytest.approx(TOY)


@every_score
@every_plan
def test_expected_draws_are_those_of_the_rows(text, plan):
    score = make_score(text, COUNTS)
    weights = made_up_weights(score, CODES)
    expected = EpochDrawer(CODES, score, seed=1).draw(0, plan, weights).expected
    if score.resampling is None:
        by_row = draws_by_row(CODES, score, plan, weights)
        assert expected == pytest.approx(np.bincount(CODES, weights=by_row), rel=1e-9)
    elif plan.mix == 0:
        assert (expected == COUNTS).all()
    else:
        drawn = COUNTS if text.startswith("oversample") else 1
        assert (expected >= drawn).all()
        assert (expected == np.rint(expected)).all()


@every_score
@every_plan
@pytest.mark.parametrize("order", ["shuffled", "file"])
def test_an_epoch_has_its_expected_length_and_its_tally_is_right(text, plan, order):
    codes = shuffled_codes()
    score = make_score(text, TOY)
    drawer = EpochDrawer(codes, score, seed=1, order=order)
    assert (drawer.counts == TOY).all()
    for epoch in range(3):
        draw = drawer.draw(epoch, plan, made_up_weights(score, codes, epoch))
        assert len(draw.rows) == round(draw.expected.sum())
        assert draw.rows.dtype == np.int32
        assert draw.rows.min() >= 0
        assert draw.rows.max() < len(codes)
        assert_tally_counts(draw.tally, codes, draw.rows)
        if plan.mix == 0:
            assert sorted(draw.rows.tolist()) == list(range(100))


@every_score
@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_drawn_shares_over_many_epochs_are_the_expected_ones(text, schedule):
    planned = plans(parse_schedule(schedule, epochs=4, warmup_epochs=2), 4)
    score = make_score(text, COUNTS)
    drawn, expected = np.zeros(len(COUNTS), dtype=np.int64), np.zeros(len(COUNTS))
    for seed in range(10):
        drawer = EpochDrawer(CODES, score, seed)
        for epoch, plan in enumerate(planned):
            weights = made_up_weights(score, CODES, seed)
            draw = drawer.draw(epoch, plan, weights)
            drawn += count_classes(CODES[draw.rows], len(COUNTS))
            expected += draw.expected
    assert_draws_are_likely(drawn, expected)


@pytest.mark.parametrize("plan", [ALWAYS, EpochPlan(0.4), EpochPlan(0.4, geometric=True)])
@pytest.mark.parametrize("text", ["inverse", "hard", "easy+sqrt"])
def test_each_row_comes_as_often_as_expected(text, plan):
    codes = shuffled_codes()
    score = make_score(text, TOY)
    weights = made_up_weights(score, codes)
    drawer = EpochDrawer(codes, score, seed=2)
    epochs = 1500
    rows = np.concatenate([drawer.draw(epoch, plan, weights).rows for epoch in range(epochs)])
    expected = epochs * draws_by_row(codes, score, plan, weights)
    assert_draws_are_likely(np.bincount(rows, minlength=100), expected)


@pytest.mark.parametrize("mix", [0.3, 1.0])
@pytest.mark.parametrize("text", ["hard", "hard+sqrt"])
def test_a_row_without_weight_comes_only_in_the_natural_part(text, mix):
    codes = shuffled_codes()
    score = make_score(text, TOY)
    weights = made_up_weights(score, codes)
    rows = EpochDrawer(codes, score, seed=2).draw(0, EpochPlan(mix), weights).rows
    idle = np.isin(rows, np.flatnonzero(weights == 0))
    assert len(np.unique(rows[idle])) == idle.sum()
    assert idle.any() == (mix < 1)


@given(
    mix=st.floats(0, 1),
    size=st.integers(3, 300),
    epoch=st.integers(0, 50),
    order=st.sampled_from(["shuffled", "file"]),
)
def test_an_epoch_has_n_rows_of_which_the_natural_part_is_distinct(mix, size, epoch, order):
    codes = np.arange(size) % 3
    score = make_score("softmax", count_classes(codes, 3))
    rows = EpochDrawer(codes, score, 42, order).draw(epoch, EpochPlan(mix)).rows
    assert len(rows) == size
    assert len(np.unique(rows)) >= round((1 - mix) * size)


@every_score
@pytest.mark.parametrize("geometric", [False, True])
def test_mix_0_reads_each_row_once_in_random_order(text, geometric):
    codes, score = shuffled_codes(), make_score(text, TOY)
    plan = EpochPlan(0.0, geometric=geometric)
    draw = EpochDrawer(codes, score, 42).draw(0, plan, made_up_weights(score, codes))
    assert sorted(draw.rows.tolist()) == list(range(100))
    assert draw.rows.tolist() != list(range(100))
    assert (draw.expected == TOY).all()


@every_score
def test_file_order_reads_the_file_as_it_stands(text):
    drawer = EpochDrawer(shuffled_codes(), make_score(text, TOY), 42, order="file")
    assert drawer.draw(3, NATURAL).rows.tolist() == list(range(100))


@pytest.mark.parametrize("plan", [ALWAYS, EpochPlan(0.5), EpochPlan(0.5, geometric=True)])
def test_file_order_does_not_change_a_scored_epoch(plan):
    codes, score = shuffled_codes(), make_score("softmax", TOY)
    in_file_order = EpochDrawer(codes, score, 42, order="file").draw(0, plan)
    assert (in_file_order.rows == EpochDrawer(codes, score, 42).draw(0, plan).rows).all()


@every_score
@every_plan
def test_an_epoch_is_the_same_whatever_came_before(text, plan):
    codes, score = shuffled_codes(), make_score(text, TOY)
    weights = made_up_weights(score, codes)
    busy = EpochDrawer(codes, score, 42)
    for epoch, other in enumerate(PLANS):
        busy.draw(epoch, other, made_up_weights(score, codes, epoch))
    draw, again = busy.draw(4, plan, weights), EpochDrawer(codes, score, 42).draw(4, plan, weights)
    assert (draw.rows == again.rows).all()
    assert (draw.expected == again.expected).all()


@every_score
@every_plan
def test_another_epoch_or_seed_draws_other_rows(text, plan):
    codes, score = shuffled_codes(), make_score(text, TOY)
    weights = made_up_weights(score, codes)
    drawer = EpochDrawer(codes, score, 42)
    rows = drawer.draw(4, plan, weights).rows
    assert (rows != drawer.draw(5, plan, weights).rows).any()
    assert (rows != EpochDrawer(codes, score, 43).draw(4, plan, weights).rows).any()


@every_score
def test_drawing_does_not_change_its_inputs(text):
    codes, score = shuffled_codes(), make_score(text, TOY)
    weights, class_weights = made_up_weights(score, codes), score.class_weights.copy()
    for plan in PLANS:
        EpochDrawer(codes, score, 42).draw(0, plan, weights)
    assert (codes == shuffled_codes()).all()
    assert (score.class_weights == class_weights).all()
    assert np.array_equal(weights, made_up_weights(score, codes))


@pytest.mark.parametrize("name", sorted(EXAMPLE_SCORES))
def test_a_lone_example_score_reads_every_row_once_while_it_warms_up(name):
    codes, score = shuffled_codes(), make_score(name, TOY, score_warmup=2, epochs=5)
    drawer = EpochDrawer(codes, score, 42)
    assert [is_natural(score, ALWAYS, epoch) for epoch in range(4)] == [True, True, False, False]
    for epoch in range(2):
        draw = drawer.draw(epoch, ALWAYS)
        assert sorted(draw.rows.tolist()) == list(range(100))
        assert (draw.expected == TOY).all()
        assert (draw.tally.distinct == TOY).all()


def test_beside_a_class_score_the_warmup_of_an_example_score_draws_by_class():
    score = make_score("recency-bias+sqrt", COUNTS, score_warmup=2, epochs=5)
    of_class = make_score("sqrt", COUNTS)
    assert not is_natural(score, ALWAYS, 0)
    for plan in PLANS:
        warming_up = EpochDrawer(CODES, score, 42).draw(1, plan)
        assert (warming_up.rows == EpochDrawer(CODES, of_class, 42).draw(1, plan).rows).all()
        assert warming_up.expected == pytest.approx(expected_draws(COUNTS, of_class, plan, 1))


@pytest.mark.parametrize("text", [*CLASS_SCORES, *RESAMPLINGS])
def test_a_warmup_of_scores_means_nothing_to_class_scores(text):
    score = make_score(text, TOY, score_warmup=2, epochs=5)
    assert [is_natural(score, plan, 0) for plan in (NATURAL, ALWAYS)] == [True, False]


@pytest.mark.parametrize("mix", [0.2, 1.0])
def test_oversampling_holds_every_row_and_undersampling_repeats_none(mix):
    codes = shuffled_codes()
    for epoch in range(5):
        more = EpochDrawer(codes, make_score("oversample", TOY), 0).draw(epoch, EpochPlan(mix))
        fewer = EpochDrawer(codes, make_score("undersample", TOY), 0).draw(epoch, EpochPlan(mix))
        assert (more.tally.distinct == TOY).all()
        assert (fewer.tally.most_repeated == 1).all()
        assert len(more.rows) > 100 > len(fewer.rows)
        for draw in (more, fewer):
            assert (draw.tally.drawn == draw.expected).all()


def test_resampled_lengths_change_from_natural_to_balanced_with_the_mix():
    for name, last in (("oversample", 180), ("undersample", 30)):
        score = make_score(name, TOY)
        sizes = [
            expected_draws(TOY, score, plan, epoch).sum()
            for epoch, plan in enumerate(plans(parse_schedule("linear", 5), 5))
        ]
        assert sizes[0] == 100
        assert sizes[-1] == last
        assert sizes == sorted(sizes, reverse=name == "undersample")


@pytest.mark.parametrize("text", ["inverse", "oversample", "hard"])
def test_the_rows_of_an_epoch_are_in_random_order(text):
    score = make_score(text, COUNTS)
    sorted_codes = np.sort(CODES)
    weights = inverse_score(COUNTS)[sorted_codes] if score.example_names else None
    rows = EpochDrawer(sorted_codes, score, 0).draw(0, EpochPlan(0.5), weights).rows
    half = len(rows) // 2
    shares = [(sorted_codes[part] == 0).mean() for part in (rows[:half], rows[half:])]
    assert abs(shares[0] - shares[1]) < 0.15
