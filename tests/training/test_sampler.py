import inspect

import numpy as np
import pytest
import torch
from transformers import Trainer

from dsample_cli.core.schedules import EpochPlan
from dsample_cli.core.scores import make_score
from dsample_cli.training.sampler import EpochSampler
from dsample_cli.training.trainer import ScheduledTrainer

COUNTS = np.array([60, 30, 10])
CODES = np.repeat([0, 1, 2], COUNTS)
LENGTHS = np.random.default_rng(0).integers(3, 60, len(CODES))
NATURAL, SCORED = EpochPlan(0.0), EpochPlan(1.0)


def sampler(order="shuffled", seed=1, score="inverse", batch_size=8):
    return EpochSampler(CODES, make_score(score, COUNTS), LENGTHS, batch_size, seed, order)


def test_natural_epoch_yields_each_row_once():
    epoch = sampler()
    draw = epoch.plan(0, NATURAL)
    assert sorted(epoch) == list(range(100))
    assert draw.tally.drawn.tolist() == COUNTS.tolist()


def test_what_is_reported_is_what_is_yielded():
    epoch = sampler()
    tally = epoch.plan(3, SCORED).tally
    rows = list(epoch)
    times = np.bincount(rows, minlength=100)
    assert len(rows) == len(epoch) == 100
    assert rows == epoch.rows.tolist()
    for label in range(3):
        of_class = times[label == CODES]
        assert of_class.sum() == tally.drawn[label]
        assert np.count_nonzero(of_class) == tally.distinct[label]
        assert of_class.max() == tally.most_repeated[label]


def test_an_epoch_can_be_drawn_again_whatever_came_before():
    first, second = sampler(), sampler()
    first.plan(5, SCORED)
    for earlier in range(5):
        second.plan(earlier, SCORED)
    second.plan(5, SCORED)
    assert list(first) == list(second)


def test_iterating_twice_gives_the_same_epoch():
    epoch = sampler()
    epoch.plan(0, EpochPlan(0.5))
    assert list(epoch) == list(epoch)


def test_file_order_reads_the_file():
    epoch = sampler(order="file")
    epoch.plan(0, NATURAL)
    assert list(epoch) == list(range(100))


@pytest.mark.parametrize(
    ("score", "length", "steps"),
    [("inverse", 100, 13), ("oversample", 180, 23), ("undersample", 30, 4)],
)
def test_an_epoch_has_a_length_of_its_own(score, length, steps):
    epoch = sampler(score=score)
    epoch.plan(0, NATURAL)
    assert (len(epoch), epoch.steps) == (100, 13)
    epoch.plan(1, SCORED)
    assert (len(epoch), epoch.steps, len(list(epoch))) == (length, steps, length)


def test_example_weights_decide_what_is_drawn():
    epoch = sampler(score="hard")
    weights = np.zeros(100)
    weights[[3, 70, 95]] = 1
    draw = epoch.plan(1, SCORED, weights)
    assert set(epoch) == {3, 70, 95}
    assert draw.expected / 100 == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_batches_hold_texts_of_like_length():
    epoch = sampler()
    epoch.plan(0, NATURAL)
    batches = np.array(list(epoch))[:96].reshape(-1, 8)
    spread = np.ptp(LENGTHS[batches], axis=1).mean()
    random = np.ptp(LENGTHS[np.random.default_rng(0).permutation(96).reshape(-1, 8)], axis=1).mean()
    assert spread < random / 3


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("_get_train_sampler", ["train_dataset"]),
        ("_clip_grad_norm", ["model"]),
        ("_init_training_state", []),
        ("_run_epoch", ["steps_in_epoch", "num_update_steps_per_epoch"]),
        ("floating_point_ops", ["inputs"]),
        ("set_initial_training_values", []),
    ],
)
def test_the_trainer_still_has_what_we_override(method, parameters):
    """Private methods, most of them: this contract fails when transformers renames one."""
    assert method in vars(Trainer)
    assert method in vars(ScheduledTrainer)
    assert set(parameters) <= set(inspect.signature(getattr(Trainer, method)).parameters)


def test_the_trainer_still_plans_steps_last_and_calls_epochs_by_keyword():
    plans = inspect.getsource(Trainer.set_initial_training_values).rstrip()
    assert plans.endswith("max_steps,\n        )")
    loop = inspect.getsource(Trainer._inner_training_loop)
    assert "steps_in_epoch=steps_in_epoch" in loop
    assert "num_update_steps_per_epoch=num_update_steps_per_epoch" in loop


@pytest.mark.parametrize("batch_size", [8, 7])
def test_a_loader_cuts_the_stream_into_the_bucketed_batches(batch_size):
    epoch = sampler()
    epoch.plan(0, NATURAL)
    loader = torch.utils.data.DataLoader(range(100), batch_size=batch_size, sampler=epoch)
    assert torch.cat(list(loader)).tolist() == list(epoch)


def test_processes_share_one_stream_batch_by_batch():
    """Two processes with batches of 4 see, step by step, what one with a batch of 8 sees."""
    from accelerate.data_loader import BatchSamplerShard

    alone = sampler(batch_size=8)
    alone.plan(1, SCORED)
    steps = [list(alone)[i : i + 8] for i in range(0, 96, 8)]
    shared = sampler(batch_size=8)  # the rows of one step of both
    shared.plan(1, SCORED)
    parts = [
        list(BatchSamplerShard(torch.utils.data.BatchSampler(shared, 4, False), 2, rank))
        for rank in (0, 1)
    ]
    assert [a + b for a, b in zip(*parts, strict=True)][:12] == steps
