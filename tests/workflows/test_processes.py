"""Which task runs when, on which device."""

import multiprocessing
import threading
import time

import pytest

from dsample_cli.errors import RunError
from dsample_cli.workflows.processes import on_devices, train_in_process


def test_one_task_at_a_time_on_each_device_and_each_task_once():
    busy, done, lock = set(), [], threading.Lock()
    both = threading.Barrier(2)

    def work(task, device):
        with lock:
            assert device not in busy
            busy.add(device)
        if task < 2:
            both.wait(10)  # so the devices do work at the same time
        time.sleep(0.001)
        with lock:
            busy.remove(device)
            done.append(task)
        return True

    assert on_devices(range(20), ["0", "3"], work)
    assert sorted(done) == list(range(20))


@pytest.mark.parametrize("devices", [[], ["0", "1", "2"]])
def test_after_an_interruption_nothing_is_begun(devices):
    begun = []

    def work(task, device):
        begun.append(task)
        return task != 4

    assert not on_devices(range(1000), devices, work)
    assert 5 <= len(begun) < 1000


@pytest.mark.parametrize("devices", [[], ["0", "1"]])
def test_an_error_is_not_swallowed(devices):
    def work(task, device):
        raise ValueError(f"task {task}")

    with pytest.raises(ValueError, match="task 0"):
        on_devices([0], devices, work)


def _train(what, listener):
    """Stands for a training, in the other process."""
    import os

    listener.epoch_finished({"epoch": 0, "device": os.environ["CUDA_VISIBLE_DEVICES"]})
    listener.epoch_finished({"epoch": 1})
    if what == "fail":
        raise RunError("It cannot.", "Try another.")
    if what == "die":
        os._exit(9)
    return "completed"


@pytest.mark.parametrize(
    ("what", "outcome"),
    [
        ("work", ("completed", None)),
        ("fail", ("failed", "It cannot.")),
        ("die", ("failed", "Its process ended with exit code 9.")),
    ],
)
def test_a_process_tells_its_epochs_and_how_it_ended(what, outcome, quick_start):
    heard = []

    def hear(record):
        heard.append(record)

    assert train_in_process(_train, [what], "5", hear) == outcome
    assert heard == [{"epoch": 0, "device": "5"}, {"epoch": 1}]


def test_a_process_ends_where_it_is_told_to(quick_start):
    found = train_in_process(_train, ["work"], "0", lambda record: "Enough.")
    assert found == ("pruned", "Enough.")


@pytest.fixture
def quick_start(monkeypatch):
    """Fork from a server that has everything imported, which a training is not to do."""
    get_context = multiprocessing.get_context
    monkeypatch.setattr(
        "dsample_cli.workflows.processes.multiprocessing.get_context",
        lambda method: get_context("forkserver"),
    )
