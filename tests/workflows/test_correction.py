"""Corrections of models of Gaussian classes, whose Bayes rule is known."""

import functools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from dsample_cli.core.class_scores import CLASS_SCORES, effective_number_score
from dsample_cli.core.config import TrainConfig
from dsample_cli.core.corrections import log_losses, softmax
from dsample_cli.core.epochs import EpochDrawer
from dsample_cli.core.priors import carried_prior, learning_rates, shift_prior
from dsample_cli.core.resampling import RESAMPLINGS
from dsample_cli.core.schedules import EpochPlan, parse_schedule, plans
from dsample_cli.errors import ConfigError, RunError
from dsample_cli.workflows.correction import (
    Wish,
    choose_correction,
    make_wish,
    prior_shift,
    read_target_prior,
)
from dsample_cli.workflows.scoring import resolve_score

NAMES = list("abcde")
COUNTS = np.array([20_000, 6_000, 2_000, 800, 400])
NATURAL, UNIFORM = COUNTS / COUNTS.sum(), np.full(5, 0.2)
MEANS = 1.2 * np.random.default_rng(0).normal(size=(5, 4))
# So far from the Bayes rule, in balanced accuracy, is sampling error: the training rows' above all.
SAMPLING_ERROR = 0.005
EPOCHS = 3


def draw(counts, seed):
    """Examples of classes with unit covariance, so that the Bayes rule is linear."""
    codes = np.repeat(np.arange(5), counts)
    return MEANS[codes] + np.random.default_rng(seed).normal(size=(len(codes), 4)), codes


def bayes_logits(points, prior=UNIFORM):
    return points @ MEANS.T - (MEANS**2).sum(axis=1) / 2 + np.log(prior)


POINTS, CODES = draw(COUNTS, seed=1)
TEST_POINTS, TEST_CODES = draw([5_000] * 5, seed=2)


def accuracy(logits, prior=UNIFORM):
    """On test rows whose classes have these shares."""
    hits = logits.argmax(axis=1) == TEST_CODES
    return float(np.dot(prior, [hits[c == TEST_CODES].mean() for c in range(5)]))


BEST = accuracy(bayes_logits(TEST_POINTS))


def shortfall(logits):
    return BEST - accuracy(logits)


@functools.cache
def train_linear(score):
    """A softmax regression, fitted to the end on what some epochs draw by a score under `always`.

    Returns:
        A function from points to logits, and the recorded prior.
    """
    is_natural = score == "natural"
    drawer = EpochDrawer(CODES, resolve_score("inverse" if is_natural else score, COUNTS).score, 0)
    epochs = [drawer.draw(e, EpochPlan(0.0 if is_natural else 1.0)) for e in range(EPOCHS)]
    times = np.bincount(np.concatenate([e.rows for e in epochs]), minlength=len(CODES))
    weights, drawn = torch.from_numpy(times / times.sum()), times > 0
    points, codes = torch.from_numpy(POINTS[drawn]), torch.from_numpy(CODES[drawn])
    model = torch.nn.Linear(4, 5, dtype=torch.float64)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def step():
        optimizer.zero_grad()
        losses = torch.nn.functional.cross_entropy(model(points), codes, reduction="none")
        loss = losses @ weights[drawn]
        loss.backward()
        return loss

    optimizer.step(step)
    weight, bias = (parameter.detach().numpy() for parameter in (model.weight, model.bias))
    shares = np.array([e.expected / e.expected.sum() for e in epochs])
    rates = learning_rates([len(e.rows) for e in epochs], "linear", 0.2)
    return lambda points: points @ weight.T + bias, carried_prior(shares, rates)


every_score = pytest.mark.parametrize("score", ["natural", *CLASS_SCORES, *RESAMPLINGS])


@every_score
def test_corrected_from_the_recorded_prior_a_model_reaches_the_bayes_rule(score):
    model, carried = train_linear(score)
    probabilities = softmax(model(TEST_POINTS))
    assert shortfall(shift_prior(probabilities, carried, UNIFORM)) < SAMPLING_ERROR


@every_score
def test_a_model_answers_for_the_prior_that_it_carries(score):
    """So that it can be corrected to any other."""
    model, carried = train_linear(score)
    best = accuracy(bayes_logits(TEST_POINTS, carried), carried)
    assert best - accuracy(model(TEST_POINTS), carried) < SAMPLING_ERROR


@pytest.mark.parametrize("score", ["natural", "softmax", "sqrt", "effective-number"])
def test_where_the_prior_was_far_off_no_correction_and_two_fall_short(score):
    model, carried = train_linear(score)
    logits = model(TEST_POINTS)
    assert shortfall(logits) > 8 * SAMPLING_ERROR
    assert shortfall(logits - 2 * np.log(carried)) > 8 * SAMPLING_ERROR


@pytest.mark.parametrize("score", ["inverse", "oversample", "undersample", "sqrt"])
def test_correcting_by_the_data_shares_what_sampling_has_corrected_falls_short(score):
    model, carried = train_linear(score)
    assert shortfall(model(TEST_POINTS) - np.log(carried * NATURAL)) > 20 * SAMPLING_ERROR
    if score != "sqrt":
        assert shortfall(model(TEST_POINTS)) < SAMPLING_ERROR


def train_by_steps(schedule, epochs=12, batch=64, lr=0.005):
    """Logits of a softmax regression after epochs of inverse draws, and the epochs' shares."""
    counts = COUNTS // 4
    points, codes = draw(counts, seed=3)
    inputs, targets = torch.from_numpy(points).float(), torch.from_numpy(codes)
    drawer = EpochDrawer(codes, resolve_score("inverse", counts).score, 0)
    model = torch.nn.Linear(4, 5)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0)
    steps, taken, shares = epochs * -(-len(codes) // batch), 0, []
    course = parse_schedule(schedule, epochs, cycle=3, warmup_epochs=6, defer=0.8)
    for epoch, plan in enumerate(plans(course, epochs)):
        drawn = drawer.draw(epoch, plan)
        shares.append(drawn.expected / drawn.expected.sum())
        for rows in torch.from_numpy(drawn.rows.astype(np.int64)).split(batch):
            optimizer.param_groups[0]["lr"] = lr * (1 - taken / steps)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
            optimizer.step()
            taken += 1
    with torch.no_grad():
        return model(torch.from_numpy(TEST_POINTS).float()).double().numpy(), np.array(shares)


def test_the_recorded_prior_corrects_best_where_schedules_change_the_shares():
    """Better than the last epoch's share and the mean of all, over four schedules.

    Each of these two is better under some; the docstring of `carried_prior` has the experiment.
    """
    rates = learning_rates([1] * 12, "linear", 0.0)
    found = []
    for schedule in ("cyclic", "linear", "warmup", "deferred"):
        logits, shares = train_by_steps(schedule)
        priors = shares[-1], shares.mean(axis=0), carried_prior(shares, rates)
        found.append([shortfall(logits - np.log(prior)) for prior in priors])
    last, mean, carried = np.mean(found, axis=0)
    assert carried < 0.8 * min(last, mean)
    assert carried < 4 * SAMPLING_ERROR


def wish_for(method, carried=NATURAL, target=None, metric="balanced_accuracy", counts=COUNTS):
    return Wish(method, target, metric, carried, counts, None)


VALIDATION_POINTS, VALIDATION_CODES = draw(COUNTS // 10, seed=4)


def choose(wish, model):
    return choose_correction(wish, model(VALIDATION_POINTS), VALIDATION_CODES)


@pytest.mark.parametrize("method", ["auto", "logit-adjust"])
def test_a_fitted_correction_reaches_the_bayes_rule_too(method):
    model, carried = train_linear("natural")
    choice = choose(wish_for(method, carried), model)
    assert choice.method == "logit-adjust"
    assert choice.gain.is_beyond_noise
    assert choice.prior == pytest.approx(UNIFORM)
    assert shortfall(choice.correction(model(TEST_POINTS))) < 3 * SAMPLING_ERROR
    # What is reported is worth what it is on other rows.
    worth = accuracy(choice.correction(model(TEST_POINTS))) - accuracy(model(TEST_POINTS))
    assert choice.gain.after - choice.gain.before == pytest.approx(worth, abs=3 * choice.gain.error)


@pytest.mark.parametrize("method", ["thresholds", "temperature"])
def test_what_is_asked_for_is_taken(method):
    model, carried = train_linear("natural")
    choice = choose(wish_for(method, carried), model)
    assert choice.method == method
    assert (choice.prior == carried).all()
    improved = accuracy(choice.correction(model(TEST_POINTS))) - accuracy(model(TEST_POINTS))
    assert improved > 0.08 if method == "thresholds" else improved == 0


def test_auto_leaves_balanced_classes_alone():
    counts = np.full(5, 300)
    points, codes = draw(counts, seed=5)
    wish = wish_for("auto", UNIFORM, counts=counts)
    choice = choose_correction(wish, bayes_logits(points), codes)
    assert choice.method == "none"
    assert choice.gain is not None
    assert (choice.validation == bayes_logits(points)).all()


def test_auto_calibrates_what_is_too_sure():
    counts = np.full(5, 300)
    points, codes = draw(counts, seed=5)
    wish = wish_for("auto", UNIFORM, counts=counts)
    choice = choose_correction(wish, 3 * bayes_logits(points), codes)
    assert choice.method == "temperature"
    assert choice.correction.strengths["temperature"] == pytest.approx(3, rel=0.1)
    assert (choice.prior == UNIFORM).all()


def test_none_changes_nothing_and_is_not_measured():
    model, carried = train_linear("natural")
    choice = choose(wish_for("none", carried), model)
    assert (choice.method, choice.gain) == ("none", None)
    assert (choice.validation == model(VALIDATION_POINTS)).all()
    assert (choice.correction(model(TEST_POINTS)) == model(TEST_POINTS)).all()
    assert (choice.prior == carried).all()


@pytest.mark.parametrize("method", ["auto", "none"])
def test_without_validation_nothing_is_corrected(method):
    choice = choose_correction(wish_for(method), None, None)
    assert (choice.method, choice.gain, choice.validation) == ("none", None, None)
    assert (choice.correction(np.eye(5)) == np.eye(5)).all()


def test_without_validation_nothing_can_be_fitted():
    with pytest.raises(ConfigError, match="--correct logit-adjust is fitted on") as caught:
        choose_correction(wish_for("logit-adjust"), None, None)
    assert "--val-size" in caught.value.hint


def test_tau_norm_needs_a_linear_head():
    model, carried = train_linear("natural")
    with pytest.raises(ConfigError, match="--correct tau-norm needs a model whose last layer"):
        choose(wish_for("tau-norm", carried), model)
    wish = replace(wish_for("tau-norm", carried), head=(np.arange(1.0, 6), np.zeros(5)))
    assert choose(wish, model).method == "tau-norm"


def test_validation_rows_are_not_corrected_by_what_was_fitted_on_them():
    model, carried = train_linear("natural")
    choice = choose(wish_for("thresholds", carried), model)
    own = choice.correction(model(VALIDATION_POINTS))
    assert choice.validation.shape == own.shape
    assert len(np.unique((choice.validation - model(VALIDATION_POINTS)).round(6), axis=0)) > 1


@pytest.mark.parametrize("score", ["natural", "inverse"])
@pytest.mark.parametrize("text", ["d=0.3,e=0.5", "a=0.02,b=0.02"])
def test_predictions_follow_the_target_prior(score, text):
    model, carried = train_linear(score)
    target = read_target_prior(text, NAMES, COUNTS)
    choice = choose(wish_for("auto", carried, target, metric="accuracy"), model)
    assert choice.method.startswith("logit-adjust")
    assert (choice.prior == target).all()
    raw, corrected = model(TEST_POINTS), choice.correction(model(TEST_POINTS))
    best = accuracy(bayes_logits(TEST_POINTS, target), target)
    assert accuracy(corrected, target) > best - 3 * SAMPLING_ERROR
    assert accuracy(corrected, target) > accuracy(raw, target) + 0.02
    # Among rows of the target's shares, as many are predicted as each class as there are.
    predicted = np.bincount(corrected.argmax(axis=1), target[TEST_CODES], minlength=5) / 5_000
    assert np.abs(predicted - target).sum() < 0.35
    # The gain was measured on validation rows that stand for these shares.
    assert choice.gain.after == pytest.approx(accuracy(corrected, target), abs=0.06)
    # So was the temperature: it does not take the rows' own shares for a lack of calibration.
    weights = target[TEST_CODES]
    untempered = corrected * choice.correction.strengths.get("temperature", 1.0)
    tempered, plain = (log_losses(z, TEST_CODES) @ weights for z in (corrected, untempered))
    assert tempered <= plain


def test_the_target_train_is_what_an_uncorrected_natural_model_serves():
    model, carried = train_linear("natural")
    target = read_target_prior("train", NAMES, COUNTS)
    choice = choose(wish_for("logit-adjust", carried, target, metric="accuracy"), model)
    same = choice.correction(model(TEST_POINTS)).argmax(axis=1) == model(TEST_POINTS).argmax(axis=1)
    assert np.average(same, weights=NATURAL[TEST_CODES]) > 0.97


def test_the_entry_of_run_json_is_by_label():
    model, carried = train_linear("natural")
    wish = wish_for("auto", carried, np.array([0.1, 0.2, 0.3, 0.2, 0.2]))
    entry = choose(wish, model).to_json(NAMES, is_folded=True)
    assert json.loads(json.dumps(entry)) == entry
    assert list(entry) == [
        *("asked", "method", "folded", "strengths", "target_prior", "carried_prior"),
        *("scale", "bias", "metric", "before", "cross_fitted", "standard_error"),
    ]
    assert (entry["asked"], entry["method"], entry["folded"]) == ("auto", "logit-adjust", True)
    assert entry["metric"] == "balanced_accuracy"
    assert set(entry["strengths"]) == {"strength_carried", "strength_data"}
    assert entry["target_prior"] == {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.2, "e": 0.2}
    assert entry["carried_prior"] == dict(zip(NAMES, carried.tolist(), strict=True))
    assert set(entry["scale"].values()) == {1.0}
    assert entry["bias"]["e"] > entry["bias"]["a"]
    assert entry["cross_fitted"] > entry["before"]


def test_the_entry_of_no_correction_folds_nothing():
    entry = choose_correction(wish_for("none"), None, None).to_json(NAMES, is_folded=True)
    assert (entry["method"], entry["folded"], entry["target_prior"]) == ("none", False, None)
    assert set(entry["bias"].values()) == {0.0}
    assert "metric" not in entry


RECORDS = [
    {"expected": dict(zip(NAMES, share, strict=True))}
    for share in ([0.6, 0.1, 0.1, 0.1, 0.1], [0.2] * 5, [0.1, 0.1, 0.1, 0.1, 0.6])
]


def wish_of(best_epoch=2, **options):
    config = TrainConfig("data.csv", epochs=3, schedule="cyclic", score="inverse", **options)
    score = resolve_score("inverse", COUNTS).score
    return make_wish(config, NAMES, COUNTS, score, RECORDS, best_epoch, None)


@pytest.mark.parametrize("best_epoch", [0, 1, 2])
@pytest.mark.parametrize("schedule", ["linear", "constant"])
def test_the_prior_is_that_of_the_epochs_up_to_the_best(best_epoch, schedule):
    wish = wish_of(best_epoch, lr_schedule=schedule)
    known = best_epoch + 1
    shares = np.array([list(record["expected"].values()) for record in RECORDS[:known]])
    rates = learning_rates([100] * 3, schedule, TrainConfig("data.csv").lr_warmup)
    assert wish.carried == pytest.approx(carried_prior(shares, rates[:known]))


def test_a_loss_that_takes_out_the_drawn_shares_leaves_a_uniform_prior():
    assert wish_of(loss="balanced-softmax").carried == pytest.approx(UNIFORM)
    plain, half = wish_of().carried, wish_of(loss="logit-adjusted", tau=0.5).carried
    assert half == pytest.approx(np.sqrt(plain) / np.sqrt(plain).sum())
    weighted = wish_of(loss="weighted").carried
    assert weighted == pytest.approx(plain / COUNTS / (plain / COUNTS).sum())


def test_reweighted_epochs_leave_the_prior_that_their_weights_make():
    shares = np.array([list(record["expected"].values()) for record in RECORDS])
    rates = learning_rates([100] * 3, "linear", TrainConfig("data.csv").lr_warmup)
    shares[2] *= effective_number_score(COUNTS, 0.999)
    shares[2] /= shares[2].sum()
    wish = wish_of(drw=True, drw_beta=0.999)
    assert wish.carried == pytest.approx(carried_prior(shares, rates))
    assert wish_of(1, drw=True).carried == pytest.approx(wish_of(1).carried), "before them"


@pytest.mark.parametrize(
    ("select_on", "metric"),
    [("macro-f1", "macro_f1"), ("accuracy", "accuracy"), ("loss", "macro_f1")],
)
def test_the_selected_metric_decides(select_on, metric):
    wish = wish_of(select_on=select_on, correct="thresholds", target_prior="train")
    assert (wish.metric, wish.method) == (metric, "thresholds")
    assert wish.target == pytest.approx(NATURAL)


def test_uniform_shares_are_no_target():
    assert wish_of().target is None
    assert read_target_prior("uniform", NAMES, COUNTS) is None


def test_a_target_prior_is_read_from_a_json_file(tmp_path):
    path = tmp_path / "shares.json"
    path.write_text('{"e": 0.6}')
    assert read_target_prior(str(path), NAMES, COUNTS) == pytest.approx([0.1] * 4 + [0.6])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "shares.json"),
        ("{", "shares.json"),
        ("[0.5]", "shares.json holds no class shares."),
        ('{"e": "half"}', "shares.json holds no class shares."),
        ('{"E": 0.5}', "--target-prior names the unknown label 'E'."),
        ('{"e": 1.5}', "--target-prior gives 'e' a share of 1.5."),
    ],
)
def test_a_json_file_without_shares_is_refused(tmp_path, content, message):
    path = tmp_path / "shares.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        read_target_prior(str(path), NAMES, COUNTS)
    assert message in caught.value.message
    assert caught.value.hint


MANIFEST = {
    "run": "some-run",
    "labels": NAMES,
    "train_counts": COUNTS.tolist(),
    "prior": dict(zip(NAMES, NATURAL.tolist(), strict=True)),
}


def test_a_shift_goes_from_the_prior_of_the_run_to_the_asked_one():
    own, asked = prior_shift(MANIFEST, "e=0.6")
    assert own == pytest.approx(NATURAL)
    assert asked == pytest.approx([0.1] * 4 + [0.6])
    assert prior_shift(MANIFEST, "uniform")[1] == pytest.approx(UNIFORM)
    assert prior_shift(MANIFEST, "train")[1] == pytest.approx(NATURAL)
    assert prior_shift(MANIFEST, None) is None


def test_a_run_without_a_recorded_prior_cannot_be_shifted():
    older = {key: value for key, value in MANIFEST.items() if key != "prior"}
    assert prior_shift(older, None) is None
    with pytest.raises(RunError, match="does not say which class prior") as caught:
        prior_shift(older, "uniform")
    assert "dsample correct --run some-run" in caught.value.hint
