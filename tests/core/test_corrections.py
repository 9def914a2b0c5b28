"""Corrections of logits: golden values, and what holds for every one of them."""

import inspect
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.metrics import f1_score

from dsample_cli.core import corrections
from dsample_cli.core.config import CORRECT_NAMES
from dsample_cli.core.corrections import (
    CORRECTIONS,
    Correction,
    log_losses,
    no_correction,
    temperature,
    thresholds,
)
from dsample_cli.core.docstrings import parse_docstring
from dsample_cli.core.signatures import input_names
from dsample_cli.evaluation.cross_fitting import metric_value

# methods.md, section 5.
Z = np.array([[2, 1, 0.1], [0.5, 0.2, 1], [1.2, 0.3, -0.5]])
Y = np.array([0, 2, 1])
LOG_PI = np.log([0.6, 0.3, 0.1])
Q = np.array([0.5, 0.3, 0.2])

every_correction = pytest.mark.parametrize("name", CORRECTIONS)


class Problem(NamedTuple):
    """What corrections work on."""

    logits: np.ndarray
    labels: np.ndarray
    value: object
    log_carried: np.ndarray
    log_data: np.ndarray
    head_norms: np.ndarray
    head_bias: np.ndarray


def make_problem(seed=0, counts=(150, 70, 31, 12), is_rounded=False):
    """Logits that favour large classes and are twice too sure."""
    rng = np.random.default_rng(seed)
    counts = np.array(counts)
    n_classes = len(counts)
    labels = rng.permutation(np.repeat(np.arange(n_classes), counts))
    share = counts / counts.sum()
    logits = rng.normal(size=(len(labels), n_classes)) + 1.5 * np.eye(n_classes)[labels]
    logits = 2 * (logits + np.log(share))
    if is_rounded:  # as coarse as bf16, so that ties are common
        logits = np.round(logits * 8) / 8
    return Problem(
        logits,
        labels,
        metric_value("macro_f1", n_classes),
        np.log(np.sqrt(share) / np.sqrt(share).sum()),
        np.log(share),
        rng.uniform(0.5, 2, size=n_classes),
        np.zeros(n_classes),
    )


def fit(name, problem):
    correction = CORRECTIONS[name]
    return correction(*(getattr(problem, n) for n in input_names(correction)))


def value_of(problem, correction):
    return problem.value(problem.labels, correction(problem.logits).argmax(axis=1))


def take(monkeypatch, *strengths):
    """Let the search end with these strengths."""
    monkeypatch.setattr(corrections, "_best", lambda value_of, candidates: strengths)


def test_logit_adjustment_by_the_data_shares(monkeypatch):
    take(monkeypatch, 0.0, 1.0)
    found = corrections.logit_adjust(Z, Y, None, np.log(Q), LOG_PI)
    golden = [
        (2.510826, 2.203973, 2.402585),
        (1.010826, 1.403973, 3.302585),
        (1.710826, 1.503973, 1.802585),
    ]
    # Ours adds a common number, which changes no probability.
    assert found(Z) - found(Z).mean() == pytest.approx(golden - np.mean(golden), abs=5e-7)
    assert found(Z).argmax(axis=1).tolist() == [0, 2, 2]
    assert Z.argmax(axis=1).tolist() == [0, 2, 0]
    assert found.bias.mean() == pytest.approx(0, abs=1e-12)


def test_logit_adjustment_takes_both_priors_out(monkeypatch):
    take(monkeypatch, 0.5, 1.25)
    found = corrections.logit_adjust(Z, Y, None, np.log(Q), LOG_PI)
    bias = -0.5 * np.log(Q) - 1.25 * LOG_PI
    assert found.bias == pytest.approx(bias - bias.mean())
    assert found.strengths == {"strength_carried": 0.5, "strength_data": 1.25}
    assert (found.scale == 1).all()


@pytest.mark.parametrize("seed", range(6))
def test_strengths_are_quarters_from_0_to_2(seed):
    problem = make_problem(seed, counts=(40, 20, 6))
    rng = np.random.default_rng(seed)
    for value in (problem.value, lambda *rows: rng.random(), lambda *rows: float("nan")):
        for strength in fit("logit-adjust", problem._replace(value=value)).strengths.values():
            assert 0 <= strength <= 2
            assert strength * 4 == int(strength * 4)


def test_among_equals_the_least_correction_is_taken():
    problem = make_problem()._replace(value=lambda labels, predicted: 0.5)
    assert fit("logit-adjust", problem)(problem.logits) == pytest.approx(problem.logits)
    assert fit("tau-norm", problem)(problem.logits) == pytest.approx(problem.logits)
    assert fit("thresholds", problem)(problem.logits) == pytest.approx(problem.logits)


@pytest.mark.parametrize(
    ("tau", "golden"),
    [(0.0, (2.2, 0.2, 0.2)), (0.5, (0.983870, 0.2, 0.282843)), (1.0, (0.44, 0.2, 0.4))],
)
def test_tau_norm_divides_by_the_norms_and_drops_the_bias(monkeypatch, tau, golden):
    take(monkeypatch, tau)
    weight, state, bias = np.array([[3, 4], [1, 0], [0, 0.5]]), np.array([0.2, 0.4]), np.arange(3.0)
    logits = (weight @ state + bias)[None]
    found = corrections.tau_norm(logits, np.array([0]), None, np.array([5, 1, 0.5]), bias)
    assert found(logits)[0] / found.scale[1] == pytest.approx(golden, abs=5e-7)
    # Ours has a common factor that leaves the geometric mean of the norms as it is.
    assert np.prod(found.scale) == pytest.approx(1)
    assert found.strengths == {"tau": tau}


def test_thresholds_at_the_data_shares_are_logit_adjustment(monkeypatch):
    take(monkeypatch, 0.0, 1.0)
    probabilities = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    by_threshold = (probabilities / np.exp(LOG_PI)).argmax(axis=1)
    adjusted = corrections.logit_adjust(Z, Y, None, np.log(Q), LOG_PI)(Z)
    assert by_threshold.tolist() == adjusted.argmax(axis=1).tolist() == [0, 2, 2]


def test_a_temperature_of_2():
    half = Correction(np.full(3, 0.5), np.zeros(3), {})(Z)
    first = np.exp(half[0]) / np.exp(half[0]).sum()
    assert first == pytest.approx([0.501688, 0.304289, 0.194023], abs=5e-7)
    assert log_losses(half, Y).mean() == pytest.approx(0.920219, abs=5e-7)
    assert log_losses(Z, Y) == pytest.approx([0.417030, 0.720694, 1.363264], abs=5e-7)


@pytest.mark.parametrize("factor", [0.2, 1.0, 2.0, 10.0])
def test_a_temperature_undoes_a_factor(factor):
    """Labels that are drawn from the softmax of the logits call for a temperature of 1."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 3)) * 2
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    found = temperature(logits * factor, labels).strengths["temperature"]
    assert found == pytest.approx(factor, rel=0.05)
    assert found == pytest.approx(factor * temperature(logits, labels).strengths["temperature"])


def test_a_temperature_is_the_best_of_a_fine_grid():
    problem = make_problem()
    found = temperature(problem.logits, problem.labels)
    grid = np.geomspace(0.1, 10, 500)
    doubt = 1 / (len(problem.labels) + 2)

    def loss(logits):
        of_all = np.stack([log_losses(logits, np.full(len(logits), c)) for c in range(4)])
        of_label = log_losses(logits, problem.labels)
        of_others = (of_all.sum(axis=0) - of_label) / 3
        return ((1 - doubt) * of_label + doubt * of_others).mean()

    best = min(loss(problem.logits / t) for t in grid)
    assert loss(found(problem.logits)) <= best + 1e-12


def test_a_few_rows_that_are_all_right_make_no_model_certain():
    """With N rows, all right, the best probability of the label is (N + 1) / (N + 2)."""
    for rows in (3, 48):
        logits = np.tile(np.eye(3) * 5, (rows // 3, 1))
        found = temperature(logits, np.tile(np.arange(3), rows // 3))
        assert np.exp(-log_losses(found(logits)[:1], np.array([0]))) == pytest.approx(
            (rows + 1) / (rows + 2)
        )


def test_a_temperature_may_be_fitted_to_other_class_shares():
    problem, weights = make_problem(), np.array([1, 2, 4, 8])
    rows = np.repeat(np.arange(len(problem.labels)), weights[problem.labels])
    weighted = temperature(problem.logits, problem.labels, weights)
    repeated = temperature(problem.logits[rows], problem.labels[rows])
    # Rows that are repeated count as more rows.
    assert weighted.scale == pytest.approx(repeated.scale, rel=1e-2)
    assert weighted.scale != pytest.approx(temperature(problem.logits, problem.labels).scale)


def test_a_temperature_stays_finite_where_none_is_best():
    """Logits that are always right, and logits that say nothing."""
    for logits in (np.eye(3) * 5, np.zeros((3, 3)), -np.eye(3) * 5):
        found = temperature(logits, np.arange(3))
        assert 0.05 <= found.strengths["temperature"] <= 20


def test_losses_of_huge_logits_are_finite():
    assert log_losses(np.array([[1e4, 0.0], [0.0, 1e4]]), np.array([0, 0])).tolist() == [0, 1e4]


@every_correction
@pytest.mark.parametrize("is_rounded", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_correction_never_lowers_what_it_is_fitted_by(name, seed, is_rounded):
    problem = make_problem(seed, is_rounded=is_rounded)
    before = problem.value(problem.labels, problem.logits.argmax(axis=1))
    assert value_of(problem, fit(name, problem)) >= before


@pytest.mark.parametrize("name", ["logit-adjust", "tau-norm", "thresholds"])
@pytest.mark.parametrize("seed", range(5))
def test_a_correction_is_worth_what_the_search_saw(name, seed):
    """Also where logits are equal, as in bf16 they often are."""
    problem, seen = make_problem(seed, is_rounded=True), []

    def value(labels, predicted):
        seen.append(problem.value(labels, predicted))
        return seen[-1]

    assert value_of(problem, fit(name, problem._replace(value=value))) == max(seen)


@pytest.mark.parametrize("seed", range(5))
def test_a_temperature_lowers_the_log_loss_and_changes_no_label(seed):
    problem = make_problem(seed)
    corrected = fit("temperature", problem)(problem.logits)
    assert (corrected.argmax(axis=1) == problem.logits.argmax(axis=1)).all()
    before, after = (log_losses(z, problem.labels).mean() for z in (problem.logits, corrected))
    assert after <= before


@pytest.mark.parametrize("name", ["logit-adjust", "thresholds"])
def test_a_shifted_problem_is_mended(name):
    problem = make_problem()
    before = problem.value(problem.labels, problem.logits.argmax(axis=1))
    assert value_of(problem, fit(name, problem)) > before + 0.08


@every_correction
@pytest.mark.parametrize("counts", [(150, 70, 31, 12), (9, 5), (3, 1), (7, 0, 2)])
def test_a_correction_is_finite_and_has_one_scale_and_bias_a_class(name, counts):
    problem = make_problem(counts=np.maximum(counts, 1))
    has_support = np.array(counts)[problem.labels] > 0
    problem = problem._replace(
        logits=problem.logits[has_support], labels=problem.labels[has_support]
    )
    found = fit(name, problem)
    assert found.scale.shape == found.bias.shape == (len(counts),)
    assert (found.scale > 0).all()
    assert np.isfinite(found.scale).all()
    assert np.isfinite(found.bias).all()
    assert all(type(strength) is float for strength in found.strengths.values())


@every_correction
@pytest.mark.parametrize("seed", range(3))
def test_a_correction_follows_the_order_of_the_classes(name, seed):
    problem = make_problem(seed)
    order = np.array([2, 0, 3, 1])
    turned = Problem(
        problem.logits[:, order],
        np.argsort(order)[problem.labels],
        problem.value,
        *(values[order] for values in problem[3:]),
    )
    first, second = fit(name, problem), fit(name, turned)
    assert second.scale == pytest.approx(first.scale[order])
    assert second.bias == pytest.approx(first.bias[order])
    assert second.strengths == pytest.approx(first.strengths)


@every_correction
def test_a_correction_leaves_its_input_as_it_was(name):
    problem = make_problem()
    logits, labels = problem.logits.copy(), problem.labels.copy()
    fit(name, problem)(problem.logits)
    assert (problem.logits == logits).all()
    assert (problem.labels == labels).all()


@pytest.mark.parametrize("seed", range(5))
def test_two_classes_get_the_best_threshold_there_is(seed):
    """Against scikit-learn's F1 at every threshold that makes a difference within -3 to 3."""
    problem = make_problem(seed, counts=(300, 60))
    found = value_of(problem, thresholds(problem.logits, problem.labels, problem.value))
    margins = problem.logits[:, 1] - problem.logits[:, 0]

    def value_at(shift):
        return f1_score(problem.labels, margins + shift > 0, average="macro")

    grid = {float(shift): value_at(shift) for shift in np.arange(-3, 3.01, 0.25)}
    assert found == pytest.approx(max(grid.values()))
    best = max(-margins[np.abs(margins) < 3] + 1e-9, key=value_at)
    nearest = min(grid, key=lambda shift: abs(shift - best))
    assert grid[nearest] <= found + 1e-12
    assert value_at(best) - found < 0.02


def test_a_class_without_rows_keeps_its_threshold():
    problem = make_problem(counts=(80, 40, 10, 5))
    kept = problem.labels != 2
    found = thresholds(problem.logits[kept], problem.labels[kept], problem.value)
    assert found.bias[0] == found.bias[2] == 0
    assert found.bias[3] != 0


def test_corrections_in_a_row_are_one_correction():
    rng = np.random.default_rng(0)
    first, second, third = (
        Correction(rng.uniform(0.5, 2, 3), rng.normal(size=3), {name: 1.0}) for name in "abc"
    )
    whole = first.then(second).then(third)
    assert whole(Z) == pytest.approx(third(second(first(Z))))
    assert whole(Z) == pytest.approx(first.then(second.then(third))(Z))
    assert whole.strengths == {"a": 1, "b": 1, "c": 1}
    for found in (first.then(no_correction(3)), no_correction(3).then(first)):
        assert found(Z) == pytest.approx(first(Z))


def test_no_correction_changes_nothing():
    assert (no_correction(3)(Z) == Z).all()


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "int64"])
def test_corrected_logits_keep_their_type(monkeypatch, kind):
    monkeypatch.setattr(corrections, "_CELLS", 6)  # two rows at a time
    correction = Correction(np.array([1.0, 2.0, 0.5]), np.array([0.25, -1.0, 3.0]), {})
    logits = np.random.default_rng(0).integers(-4, 5, (7, 3)).astype(kind)
    found = correction(logits)
    assert found.dtype == {"float32": "float32", "float16": "float32"}.get(kind, "float64")
    assert (found == logits * correction.scale + correction.bias).all()
    assert (correction.labels(logits) == found.argmax(axis=1)).all()


def test_every_correction_can_be_asked_for():
    assert set(CORRECTIONS) == set(CORRECT_NAMES) - {"auto", "none"}


@every_correction
def test_a_correction_says_when_to_use_it_and_how_it_fails(name):
    doc = parse_docstring(inspect.getdoc(CORRECTIONS[name]) or "")
    assert doc.summary.endswith(".")
    assert "corrected[c] = " in doc.formula
    assert all(doc.sections[heading] for heading in ("When", "Cost", "Risk", "References"))
    assert set(inspect.signature(CORRECTIONS[name]).parameters) == set(doc.arguments)
