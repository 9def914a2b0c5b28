"""Which trainings a grid stands for."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsample_cli.core.config import LOSS_NAMES, TrainConfig
from dsample_cli.core.schedules import SCHEDULES, plans
from dsample_cli.core.scores import SCORE_NAMES
from dsample_cli.errors import ConfigError
from dsample_cli.workflows.grid import (
    distinct,
    expand,
    inert_options,
    make_points,
    same_plans,
    split_values,
    sweep_key,
)
from dsample_cli.workflows.scoring import resolve_config_score

DEFAULTS = {field.name: field.default for field in fields(TrainConfig)}
# Of each option some values that it may have.
VALUES = {
    "score": [*SCORE_NAMES, "recency-bias+sqrt"],
    "schedule": [*SCHEDULES, "warmup:2+cyclic", "cyclic:4", "warmup+switch", "natural@2+always"],
    "loss": list(LOSS_NAMES),
    "cycle": [2, 3, 4],
    "warmup_epochs": [1, 2],
    "switch_start": ["weighted", "natural"],
    "defer": [0.5, 0.8],
    "dcl_decay": [0.5, 0.9],
    "temperature": ["auto", 0.25, 1.0],
    "minority_share": [0.2, 0.3],
    "power": [0.25, 0.5],
    "beta": ["auto", 0.9],
    "window": [5, 10],
    "pressure": [10.0, 100.0],
    "score_warmup": [0, 1],
    "focal_gamma": [1.0, 2.0],
    "label_smoothing": [0.05, 0.2],
    "class_weight": ["balanced", "effective-number"],
    "weight_beta": [0.9, 0.999],
    "tau": [1.0, 1.5],
    "drw": [False, True],
    "drw_start": [0.5, 0.8],
    "contrastive": [0.0, 0.5],
    "contrastive_form": ["supervised", "balanced"],
    "contrastive_temperature": [0.1, 0.3],
}
OPTIONS = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}
)


def as_given(values):
    """Values that are read already."""
    return {"data": "data.csv", "epochs": 8, **values}


def points_of(*combinations):
    return make_points([as_given(c) for c in combinations], as_given, list(VALUES))


def grid_of(**lists):
    """The settings of a grid; numbers are read from the text that is typed."""

    def read(values):
        kinds = {name: type(VALUES[name][-1]) for name in values if name in VALUES}
        return as_given({name: kinds.get(name, int)(value) for name, value in values.items()})

    return expand({name: text.split(",") for name, text in lists.items()}, read)


@given(st.lists(st.text(st.characters(exclude_characters="\\"), min_size=1), min_size=1))
def test_a_list_is_split_at_the_commas_that_no_backslash_stands_before(values):
    values = [value.strip() for value in values]
    typed = ",".join(value.replace(",", "\\,") for value in values)
    if "" in values:
        with pytest.raises(ConfigError, match="empty value"):
            split_values(typed)
    else:
        assert split_values(typed) == list(dict.fromkeys(values))


@given(OPTIONS, OPTIONS)
def test_what_does_not_act_makes_no_other_training_and_what_acts_does(options, changes):
    """A point is another one exactly if an acting option differs."""
    changed = {**options, **changes}
    one, other = points_of(options, changed)
    if one.config is None or other.config is None:
        return
    inert = inert_options(as_given(options)), inert_options(as_given(changed))
    acting = [
        {name: value for name, value in {**DEFAULTS, **of}.items() if name not in without}
        for of, without in zip((options, changed), inert, strict=True)
    ]
    assert (one.key == other.key) == (acting[0] == acting[1])
    assert set(one.settings) & inert[0] == set()


@given(OPTIONS)
def test_a_point_plans_and_weighs_as_the_options_ask_for(options):
    """What is set back to its default is truly without effect."""
    (point,) = points_of(options)
    if point.config is None:
        return
    try:
        asked = TrainConfig(**as_given(options))
    except ConfigError:
        return  # --minority-share beside a score that it is not for
    assert planned(point.config) == planned(asked)
    if set(asked.schedule_names) != {"natural"}:
        assert weights(point.config) == weights(asked)
    assert point.config.loss == asked.loss
    assert [point.config.is_reweighted(e) for e in range(8)] == [
        asked.is_reweighted(e) for e in range(8)
    ]


def planned(config):
    return plans(config.make_schedule(), config.planned_epochs)


def weights(config):
    score = resolve_config_score(config, np.array([70, 20, 10])).score
    acts = [score.acts_on_examples(epoch) for epoch in range(8)]
    return score.class_weights.tolist(), acts if score.example_names else []


@pytest.mark.parametrize(
    ("lists", "count"),
    [
        ({"schedule": "cyclic,switch", "cycle": "2,3,4"}, 4),
        ({"schedule": "switch", "cycle": "2,3,4"}, 1),
        ({"schedule": "cyclic:2,cyclic", "cycle": "2,3"}, 3),
        ({"schedule": "warmup:2+cyclic", "cycle": "2,3", "warmup_epochs": "1,2"}, 2),
        ({"score": "softmax,sqrt", "temperature": "0.25,1"}, 3),
        ({"score": "softmax,sqrt", "minority_share": "0.2,0.3"}, 3),
        ({"schedule": "natural,always", "score": "softmax,sqrt", "seed": "0,1"}, 6),
        ({"loss": "ce,focal", "focal_gamma": "1,2"}, 3),
        ({"contrastive": "0,0.5", "contrastive_temperature": "0.1,0.3"}, 3),
        ({"loss": "weighted", "class_weight": "balanced", "weight_beta": "0.9,0.99"}, 1),
    ],
    ids=str,
)
def test_combinations_without_meaning_are_trained_once(lists, count):
    assert len(grid_of(**lists)) == count


def test_the_first_seed_comes_first_and_seeds_make_no_group():
    points = grid_of(seed="5,3", cycle="2,3")
    found = [(p.settings["seed"], p.settings["cycle"]) for p in points]
    assert found == [(5, 2), (5, 3), (3, 2), (3, 3)]
    assert len({p.group for p in points}) == 2


def test_the_order_of_values_and_options_makes_no_other_sweep():
    one = grid_of(cycle="2,3", seed="0,1")
    other = grid_of(seed="1,0", cycle="3,2")
    third = grid_of(seed="1,0", cycle="3,4")
    keys = [sweep_key(p.key for p in points) for points in (one, other, third)]
    assert keys[0] == keys[1] != keys[2]


def test_a_value_that_is_never_possible_is_refused():
    with pytest.raises(ConfigError, match="--cycle must be at least 1"):
        grid_of(schedule="cyclic,switch", cycle="0,2")
    with pytest.raises(ConfigError, match="Unknown schedule 'cyclik'"):
        grid_of(schedule="cyclik,switch", cycle="2,3")


def test_a_combination_that_is_impossible_is_kept_with_its_error():
    def read(values):
        return as_given({"val_size": float(values["val_size"]), "test_size": 0.5, "seed": 1})

    with pytest.raises(ConfigError, match="leave no training rows"):
        expand({"val_size": ["0.5", "0.2"]}, read)

    def read_both(values):
        return as_given({name: float(value) for name, value in values.items()})

    points = expand({"val_size": ["0.2", "0.5"], "test_size": ["0.1", "0.5"]}, read_both)
    assert [p.error is None for p in points] == [True, True, True, False]
    assert points[3].settings == {"val_size": 0.5, "test_size": 0.5}


def test_equal_files_make_equal_points_wherever_they_are(tmp_path):
    for name in ("a.csv", "b.csv", "c.csv"):
        (tmp_path / name).write_text("other" if name == "c.csv" else "same", encoding="utf-8")
    points = points_of(*({"data": str(tmp_path / name)} for name in ("a.csv", "b.csv", "c.csv")))
    assert len(distinct(points)) == 2


def test_trainings_that_too_few_epochs_make_equal_are_found():
    settings = [{"cycle": cycle, "seed": seed} for seed in (0, 1) for cycle in (2, 7, 9)]
    points = points_of(*settings, {"schedule": "switch"}, {"schedule": "natural"})
    assert same_plans(points) == []
    short = points_of(*({**one, "epochs": 4} for one in settings), {"schedule": "natural"})
    assert same_plans(short) == [(short[1], short[2]), (short[4], short[5])]
