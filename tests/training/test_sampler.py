import numpy as np
import pytest
import torch

from dsample_cli.core.class_scores import expected_share, inverse_score
from dsample_cli.training.sampler import EpochSampler

COUNTS = np.array([60, 30, 10])
CODES = np.repeat([0, 1, 2], COUNTS)
LENGTHS = np.random.default_rng(0).integers(3, 60, len(CODES))


def sampler(order="shuffled", seed=1):
    return EpochSampler(CODES, inverse_score(COUNTS), LENGTHS, 8, seed, order)


def test_natural_epoch_yields_each_row_once():
    epoch = sampler()
    drawn = epoch.plan(0, 0.0)
    assert sorted(epoch) == list(range(100))
    assert drawn.tolist() == COUNTS.tolist()


def test_what_is_reported_is_what_is_yielded():
    epoch = sampler()
    drawn = epoch.plan(3, 1.0)
    assert np.bincount(CODES[list(epoch)], minlength=3).tolist() == drawn.tolist()
    assert len(list(epoch)) == len(epoch) == 100


def test_an_epoch_can_be_drawn_again_whatever_came_before():
    first, second = sampler(), sampler()
    first.plan(5, 1.0)
    for earlier in range(5):
        second.plan(earlier, 1.0)
    second.plan(5, 1.0)
    assert list(first) == list(second)


def test_iterating_twice_gives_the_same_epoch():
    epoch = sampler()
    epoch.plan(0, 0.5)
    assert list(epoch) == list(epoch)


def test_file_order_reads_the_file():
    epoch = sampler(order="file")
    epoch.plan(0, 0.0)
    assert list(epoch) == list(range(100))


def test_scored_epochs_draw_the_expected_share():
    epoch = sampler()
    drawn = sum(epoch.plan(e, 1.0) for e in range(200))
    share = expected_share(COUNTS, inverse_score(COUNTS), 1.0)
    sigma = np.sqrt(share * (1 - share) * 20_000)
    assert (np.abs(drawn - 20_000 * share) < 4.5 * sigma).all()


def test_batches_hold_texts_of_like_length():
    epoch = sampler()
    epoch.plan(0, 0.0)
    batches = np.array(list(epoch))[:96].reshape(-1, 8)
    spread = np.ptp(LENGTHS[batches], axis=1).mean()
    random = np.ptp(LENGTHS[np.random.default_rng(0).permutation(96).reshape(-1, 8)], axis=1).mean()
    assert spread < random / 3


def test_the_trainer_still_asks_for_its_sampler_where_we_override_it():
    """`_get_train_sampler` is private: this contract fails when transformers renames it."""
    from transformers import Trainer

    from dsample_cli.training.trainer import ScheduledTrainer

    assert "_get_train_sampler" in vars(Trainer)
    assert "_get_train_sampler" in vars(ScheduledTrainer)


@pytest.mark.parametrize("batch_size", [8, 7])
def test_a_loader_cuts_the_stream_into_the_bucketed_batches(batch_size):
    epoch = sampler()
    epoch.plan(0, 0.0)
    loader = torch.utils.data.DataLoader(range(100), batch_size=batch_size, sampler=epoch)
    assert torch.cat(list(loader)).tolist() == list(epoch)
