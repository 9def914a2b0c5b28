"""Heads that are refitted: what holds for every one of them, and what is special."""

import functools
import inspect

import numpy as np
import pytest
import torch

from dsample_cli.core.docstrings import parse_docstring
from dsample_cli.core.heads import GatedAlignment, LinearHead, NearestMean
from dsample_cli.core.signatures import call_with, option_names
from dsample_cli.errors import ConfigError, RunError
from dsample_cli.evaluation.cross_fitting import metric_value
from dsample_cli.training.devices import Device
from dsample_cli.training.features import pooled_features
from dsample_cli.training.heads import find_head, read_beside, save_beside, write_linear
from dsample_cli.training.inference import predict_logits
from dsample_cli.training.refit import REFITS, Examples, RefitTask
from tests.training.test_features import make_collator
from tests.training.test_heads import MAKERS

COUNTS = (120, 30, 2, 1)
N_CLASSES, WIDTH = len(COUNTS), 6
CPU = Device("cpu", "fp32", "a CPU")
every_head = pytest.mark.parametrize("name", REFITS)
TRAINED = ("crt", "lws", "disalign")


def make_examples(counts, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    features = rng.normal(size=(len(labels), WIDTH)) + 2.5 * np.eye(len(counts), WIDTH)[labels]
    return Examples((scale * features + 1).astype(np.float32), labels)


def make_task(has_validation=True, has_bias=True, seed=0):
    """Gaussian classes under a head that favours the large ones."""
    train, validation = make_examples(COUNTS, 1), make_examples([40] * N_CLASSES, 2)
    bias = np.log(np.array(COUNTS) / sum(COUNTS)) if has_bias else None
    start = LinearHead(2.0 * np.eye(N_CLASSES, WIDTH), bias)
    value = metric_value("macro_f1", N_CLASSES)
    center = train.features.mean(axis=0, dtype=np.float64)
    return RefitTask(train, validation if has_validation else None, value, start, center, seed)


@functools.cache
def refitted(name):
    """What a head becomes on the task; no test changes it."""
    return REFITS[name](make_task())


def logits_of(head, task, examples):
    return head(examples.features, task.start(examples.features))


@every_head
def test_a_head_says_what_users_are_told(name):
    doc = parse_docstring(inspect.getdoc(REFITS[name]))
    assert doc.summary.endswith(".")
    assert " = " in doc.formula
    for heading in ("When", "Cost", "Risk", "References"):
        assert doc.sections[heading].endswith(".")
    assert option_names(REFITS[name]) <= set(doc.arguments)


@every_head
def test_a_refit_is_deterministic(name):
    first, second = refitted(name), REFITS[name](make_task())
    features = make_task().validation
    assert (
        logits_of(first.head, make_task(), features)
        == logits_of(second.head, make_task(), features)
    ).all()
    assert (first.epochs, first.best_epoch) == (second.epochs, second.best_epoch)


@every_head
def test_classes_of_one_or_two_examples_are_learned(name):
    """Their recall is not lower than under the head that favours the large classes."""
    task = make_task()
    found = refitted(name)
    logits = logits_of(found.head, task, task.validation)
    assert np.isfinite(logits).all()
    before = task.start(task.validation.features)
    is_rare = task.validation.labels >= 2
    rare = task.validation.labels[is_rare]
    right, right_before = ((z[is_rare].argmax(1) == rare).mean() for z in (logits, before))
    assert right >= right_before + 0.1
    assert task.value_of(found.head) > task.value_of(task.start)


@every_head
def test_permuted_classes_give_permuted_logits(name):
    """The rarest class first, last or in between: the same head."""
    task, order = make_task(), np.array([2, 0, 3, 1])  # new id -> old id
    new_id = np.argsort(order)
    moved = RefitTask(
        Examples(task.train.features, new_id[task.train.labels]),
        Examples(task.validation.features, new_id[task.validation.labels]),
        task.value,
        LinearHead(task.start.weight[order], task.start.bias[order]),
        task.center,
    )
    found, expected = REFITS[name](moved), refitted(name)
    logits = logits_of(found.head, moved, moved.validation)
    before = logits_of(expected.head, task, task.validation)
    assert logits == pytest.approx(before[:, order], abs=1e-3)
    assert found.best_epoch == expected.best_epoch
    if expected.carried is not None:
        assert found.carried == pytest.approx(expected.carried[order])


@every_head
def test_the_prior_that_a_head_carries(name):
    carried = refitted(name).carried
    if name == "tau-norm":
        assert carried is None, "that of the training"
    else:
        assert carried == pytest.approx([1 / N_CLASSES] * N_CLASSES)


@pytest.mark.parametrize(("rho", "power"), [(0.0, 1.0), (0.5, 0.5), (1.2, -0.2)])
def test_class_weights_leave_the_rest_of_the_prior(rho, power):
    carried = REFITS["disalign"](make_task(), rho=rho).carried
    rest = np.array(COUNTS) ** power
    assert carried == pytest.approx(rest / rest.sum())


@pytest.mark.parametrize("name", TRAINED)
def test_training_stops_where_validation_gains_nothing(name):
    task = make_task()
    found = refitted(name)
    assert 0 <= found.best_epoch < found.epochs <= 100
    assert found.epochs == 100 or found.epochs == found.best_epoch + 21
    short = REFITS[name](task, epochs=found.best_epoch + 1)
    kept, best = (logits_of(f.head, task, task.validation) for f in (short, found))
    assert (kept == best).all()


@pytest.mark.parametrize("name", TRAINED)
def test_without_validation_data_the_last_of_ten_epochs_is_kept(name):
    found = REFITS[name](make_task(has_validation=False))
    assert (found.epochs, found.best_epoch) == (10, 9)
    assert REFITS[name](make_task(has_validation=False), epochs=2).epochs == 2


def test_class_means_need_no_validation_data():
    task = make_task(has_validation=False)
    assert np.isfinite(REFITS["ncm"](task).head(task.train.features)).all()


def test_norms_do():
    with pytest.raises(ConfigError, match="fitted on validation data"):
        REFITS["tau-norm"](make_task(has_validation=False))


@pytest.mark.parametrize("name", TRAINED)
def test_another_seed_draws_otherwise(name):
    task, other = make_task(), make_task(seed=1)
    first, second = (REFITS[name](t, epochs=1) for t in (task, other))
    assert (
        logits_of(first.head, task, task.train) != logits_of(second.head, task, task.train)
    ).any()


def test_a_new_head_does_not_care_for_the_features_scale():
    """The default learning rate fits features of any size."""
    task = make_task()
    large = RefitTask(
        Examples(1000 * task.train.features, task.train.labels),
        Examples(1000 * task.validation.features, task.validation.labels),
        task.value,
        task.start,
        1000 * task.center,
    )
    found, expected = REFITS["crt"](large).head, refitted("crt").head
    assert found(large.validation.features) == pytest.approx(
        expected(task.validation.features), abs=1e-3
    )


def test_scales_are_of_logits_and_their_bias():
    task = make_task()
    head = refitted("lws").head
    factor = head.bias / task.start.bias
    assert head.weight == pytest.approx(factor[:, None] * task.start.weight)
    assert np.ptp(factor) > 0.01


def test_a_gate_turns_no_logit_around():
    found = REFITS["disalign"](make_task(), lr=1.0, epochs=3).head
    assert isinstance(found, GatedAlignment)
    assert found.factor.min() >= -1


@pytest.mark.parametrize("name", ["crt", "lws", "tau-norm"])
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_model_with_the_head_gives_the_heads_logits(name, has_bias):
    """Folded model equals features times head."""
    torch.manual_seed(0)
    model, collator = MAKERS["bert"](N_CLASSES).eval(), make_collator(60)
    layer = find_head(model)
    torch.nn.init.normal_(layer.weight)
    if not has_bias:
        layer.bias = None
    features, logits = pooled_features(model, collator, CPU)
    labels = np.resize([0, 0, 1, 2, 3, 1], 60)
    task = RefitTask(
        Examples(features[:40], labels[:40]),
        Examples(features[40:], labels[40:]),
        metric_value("macro_f1", N_CLASSES),
        LinearHead(
            layer.weight.detach().double().numpy(),
            layer.bias.detach().double().numpy() if has_bias else None,
        ),
        features[:40].mean(axis=0, dtype=np.float64),
    )
    head = call_with(REFITS[name], task, epochs=5, lr=0.1).head
    assert isinstance(head, LinearHead)
    assert (head.bias is not None) == has_bias
    write_linear(model, head)
    found = predict_logits(model, collator, CPU, N_CLASSES)
    assert found == pytest.approx(head(features), abs=1e-5)
    assert np.abs(found - logits).max() > 0.01


@pytest.mark.parametrize("name", ["ncm", "disalign"])
def test_what_no_layer_can_hold_is_kept_beside_the_model(name, tmp_path):
    task, path = make_task(), tmp_path / "head.safetensors"
    head = refitted(name).head
    save_beside(path, np.ones(N_CLASSES), np.zeros(N_CLASSES), head)
    again = read_beside(path)
    assert isinstance(again, NearestMean if name == "ncm" else GatedAlignment)
    assert (logits_of(again, task, task.validation) == logits_of(head, task, task.validation)).all()


def test_a_correction_alone_is_no_head(tmp_path):
    save_beside(tmp_path / "head.safetensors", np.ones(2), np.zeros(2))
    assert read_beside(tmp_path / "head.safetensors") is None


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all"])
def test_a_damaged_head_is_told(tmp_path, content):
    path = tmp_path / "head.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError, match=r"head\.safetensors is damaged or missing"):
        read_beside(path)
