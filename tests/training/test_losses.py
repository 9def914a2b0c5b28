"""Every loss: its golden values, and what all of them promise."""

import inspect
import math
import re

import pytest
import torch

from dsample_cli.core.config import TrainConfig
from dsample_cli.core.docstrings import parse_docstring
from dsample_cli.core.loss_options import LOSS_OPTIONS
from dsample_cli.core.signatures import call_with, input_names, option_names
from dsample_cli.errors import ConfigError
from dsample_cli.training.losses import (
    LOSSES,
    cross_entropy,
    ldam_loss,
    ldam_margins,
    loss_weights,
    seesaw_loss,
    smoothing_by_class,
    weighted_cross_entropy,
)

# The toy data of the method reference.
LOGITS = torch.tensor([[2, 1, 0.1], [0.5, 0.2, 1], [1.2, 0.3, -0.5]], dtype=torch.float64)
LABELS = torch.tensor([0, 2, 1])
COUNTS = torch.tensor([60, 30, 10], dtype=torch.float64)
SHARE = COUNTS / COUNTS.sum()
EQUAL = torch.full((3,), 100 / 3, dtype=torch.float64)

every_loss = pytest.mark.parametrize("name", LOSSES)


def losses(name, logits=LOGITS, labels=LABELS, share=SHARE, counts=COUNTS, **options):
    known = {"logits": logits, "labels": labels, "share": share, "counts": counts}
    return call_with(LOSSES[name], *(known[n] for n in input_names(LOSSES[name])), **options)


def batch(classes=4, size=8, missing=2, dtype=torch.float64):
    """A batch at random, without examples of one class."""
    generator = torch.Generator().manual_seed(7)
    logits = 2 * torch.randn(size, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (size,), generator=generator)
    labels[labels == missing] = 0
    counts = torch.tensor([500.0, 8.0, 60.0, 3.0][:classes]).to(torch.float64)
    share = torch.tensor([0.5, 0.1, 0.35, 0.05][:classes]).to(torch.float64)
    return logits.to(dtype), labels, share, counts


GOLDEN = [
    ("ce", {"label_smoothing": 0.0}, (0.417030, 0.720694, 1.363264)),
    ("focal", {"focal_gamma": 2}, (0.048492, 0.190097, 0.754972)),
    ("soft-f1", {"f1_weight": 1}, (0.539831,) * 3),
    ("balanced-softmax", {}, (0.189684, 1.789619, 1.803191)),
    ("logit-adjusted", {"tau": 1}, (0.189684, 1.789619, 1.803191)),
    ("vs", {"vs_gamma": 0.3, "tau": 1}, (0.162430, 2.138094, 1.856189)),
    ("dice", {"dice_alpha": 1, "dice_smooth": 1}, (0.348485, 0.333443, 0.369626)),
    ("seesaw", {"seesaw_p": 0.8, "seesaw_q": 2}, (0.220711, 0.720694, 2.776725)),
    (
        "equalization",
        {"equalization_share": 0.2, "equalization_drop": 1},
        (0.313262, 0.720694, 1.241154),
    ),
]
GOLDEN_MEANS = [
    ("ce", {"label_smoothing": 0.0}, 0.833663),
    ("ce", {"label_smoothing": 0.1}, 0.879218),
    ("focal", {}, 0.331187),
    ("soft-f1", {"f1_weight": 0.5}, (0.833663 + 0.539831) / 2),
    ("balanced-softmax", {}, 1.260831),
    ("logit-adjusted", {"tau": 0.5}, 1.005683),
    ("vs", {}, 1.385571),
    ("dice", {"dice_alpha": 1}, 0.350518),
    ("seesaw", {}, 1.239376),
    ("equalization", {"equalization_share": 0.2, "equalization_drop": 1}, 0.758370),
]
GOLDEN_WEIGHTS = [
    ("one-minus-share", 0.999, (0.4, 0.7, 0.9), 0.884861, 0.589907),
    ("balanced", 0.999, (0.555556, 1.111111, 3.333333), 0.829747, 1.382912),
    ("effective-number", 0.999, (0.340018, 0.669981, 1.990001), 0.829780, 0.829780),
    ("effective-number", 0.99, (0.401302, 0.698145, 1.900553), None, None),
]
COSINES = torch.tensor([[0.6, 0.2, -0.1], [0.1, 0, 0.3]], dtype=torch.float64)


@pytest.mark.parametrize(("name", "options", "golden"), GOLDEN)
def test_golden_losses(name, options, golden):
    assert losses(name, **options).tolist() == pytest.approx(golden, abs=1e-6)


@pytest.mark.parametrize(("name", "options", "golden"), GOLDEN_MEANS)
def test_golden_means(name, options, golden):
    assert losses(name, **options).mean().item() == pytest.approx(golden, abs=1e-6)


@pytest.mark.parametrize(("kind", "beta", "golden", "torch_mean", "mean"), GOLDEN_WEIGHTS)
def test_golden_weights(kind, beta, golden, torch_mean, mean):
    weights = loss_weights(COUNTS, kind, beta)
    assert weights.tolist() == pytest.approx(golden, abs=1e-6)
    assert loss_weights(COUNTS.float(), kind, beta).tolist() == pytest.approx(golden, rel=1e-5)
    if mean is not None:
        scale = (SHARE * weights).sum()
        found = scale * losses("weighted", class_weight=kind, weight_beta=beta)
        assert found.mean().item() == pytest.approx(mean, abs=1e-6)
        by_weights = found.sum() / weights[LABELS].sum()
        assert by_weights.item() == pytest.approx(torch_mean, abs=1e-6)


def test_the_mean_weight_of_what_is_drawn_is_one():
    share = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    even = torch.zeros(3, 3, dtype=torch.float64)  # every loss is log 3
    for kind in ("balanced", "one-minus-share", "effective-number"):
        found = weighted_cross_entropy(even, torch.arange(3), COUNTS, share, kind)
        assert (share * found).sum().item() == pytest.approx(math.log(3))


def test_golden_smoothing():
    assert smoothing_by_class(COUNTS).tolist() == pytest.approx((0.4, 0.276336, 0.1), abs=1e-6)
    assert smoothing_by_class(EQUAL).tolist() == pytest.approx([0.1] * 3)
    by_class = losses("label-aware-smoothing")
    for row, smoothing in enumerate((0.4, 0.1, 0.276336)):  # of the labels 0, 2, 1
        plain = cross_entropy(LOGITS, LABELS, smoothing)[row]
        assert by_class[row].item() == pytest.approx(plain.item(), abs=1e-6)


def test_golden_ldam():
    margins = (0.319472, 0.379918, 0.5)
    assert ldam_margins(COUNTS).tolist() == pytest.approx(margins, abs=1e-6)
    found = ldam_loss(30 * COSINES, torch.tensor([0, 2]), COUNTS)
    assert found.tolist() == pytest.approx((0.085537, 9.048705), abs=1e-6)
    assert found.mean().item() == pytest.approx(4.567121, abs=1e-6)


def test_the_margins_are_those_of_the_data_whatever_is_drawn():
    labels = torch.tensor([0, 2])
    found = [losses("ldam", 30 * COSINES, labels, share=share) for share in (SHARE, EQUAL / 100)]
    assert torch.equal(*found)


@pytest.mark.parametrize(
    ("name", "options", "other", "other_options"),
    [
        ("balanced-softmax", {}, "logit-adjusted", {"tau": 1.0}),
        ("logit-adjusted", {"tau": 0.0}, "ce", {"label_smoothing": 0.0}),
        ("vs", {"vs_gamma": 0.0, "tau": 0.7}, "logit-adjusted", {"tau": 0.7}),
        ("focal", {"focal_gamma": 0.0}, "ce", {"label_smoothing": 0.0}),
        ("soft-f1", {"f1_weight": 0.0}, "ce", {"label_smoothing": 0.0}),
        (
            "weighted",
            {"class_weight": "effective-number", "weight_beta": 0.0},
            "ce",
            {"label_smoothing": 0.0},
        ),
        ("seesaw", {"seesaw_p": 0.0, "seesaw_q": 0.0}, "ce", {"label_smoothing": 0.0}),
        ("equalization", {"equalization_drop": 0.0}, "ce", {"label_smoothing": 0.0}),
        ("equalization", {"equalization_share": 0.0}, "ce", {"label_smoothing": 0.0}),
        ("ldam", {"ldam_margin": 0.0}, "ce", {"label_smoothing": 0.0}),
        (
            "label-aware-smoothing",
            {"smoothing_many": 0.2, "smoothing_few": 0.2},
            "ce",
            {"label_smoothing": 0.2},
        ),
    ],
)
def test_a_special_case_is_another_loss(name, options, other, other_options):
    assert torch.allclose(losses(name, **options), losses(other, **other_options))


@pytest.mark.parametrize("kind", ["balanced", "one-minus-share", "effective-number"])
def test_equal_counts_weigh_nothing(kind):
    found = losses("weighted", share=EQUAL / 100, counts=EQUAL, class_weight=kind)
    assert torch.allclose(found, losses("ce", label_smoothing=0.0))


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_loss_is_finite_and_per_example(name, dtype):
    logits, labels, share, counts = batch(dtype=dtype)
    far = 50 * torch.sign(logits)
    right = torch.nn.functional.one_hot(labels, 4).to(dtype) * 100 - 50
    for z in (logits, far, right, -right, torch.zeros_like(logits)):
        z = z.clone().requires_grad_()
        found = losses(name, z, labels, share.float(), counts.float())
        assert (found.shape, found.dtype) == ((8,), torch.float32)
        assert torch.isfinite(found).all()
        assert (found > -1e-6).all()
        found.sum().backward()
        assert torch.isfinite(z.grad).all()


@every_loss
def test_a_class_without_examples_or_share_is_no_matter(name):
    logits, labels, share, counts = batch()
    none = torch.tensor([1.0, 1.0, 0.0, 1.0])
    found = losses(name, logits, labels, share * none, counts * none)
    assert torch.isfinite(found).all()
    one = losses(name, logits[:1], labels[:1], share * none, counts * none)
    assert torch.isfinite(one).all()
    # Nor if one comes after all that the plan says is never drawn.
    unexpected = torch.full_like(labels, 2)
    assert torch.isfinite(losses(name, logits, unexpected, share * none, counts * none)).all()


@every_loss
def test_every_loss_is_permutation_equivariant_over_classes(name):
    logits, labels, share, counts = batch()
    certain = {"equalization_drop": 1.0}
    order = torch.tensor([2, 0, 3, 1])
    moved = losses(
        *(name, logits[:, order], torch.argsort(order)[labels], share[order], counts[order]),
        **certain,
    )
    assert torch.allclose(moved, losses(name, logits, labels, share, counts, **certain))


@every_loss
def test_every_loss_is_permutation_equivariant_over_examples(name):
    logits, labels, share, counts = batch()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    moved = losses(name, logits[order], labels[order], share, counts, equalization_drop=1.0)
    still = losses(name, logits, labels, share, counts, equalization_drop=1.0)
    assert torch.allclose(moved, still[order])


@every_loss
def test_the_gradient_is_that_of_finite_differences(name):
    logits, labels, share, counts = batch()
    # The power of mistakes in seesaw is held fixed; see the next test.
    options = {"seesaw_q": 0.0, "dice_alpha": 0.5}

    def function(z):
        torch.manual_seed(0)
        return losses(name, z, labels, share, counts, **options)

    assert torch.autograd.gradcheck(function, logits.requires_grad_())


def test_no_gradient_flows_through_what_seesaw_punishes_by():
    logits = LOGITS.clone().requires_grad_()
    seesaw_loss(logits, LABELS, SHARE).sum().backward()
    ratio = SHARE / SHARE[LABELS, None]
    probs = torch.softmax(LOGITS, dim=-1)
    mistakes = probs / probs[torch.arange(3), LABELS, None].clamp_min(0.01)
    factors = ratio.clamp_max(1) ** 0.8 * mistakes.clamp_min(1) ** 2
    expected = torch.softmax(LOGITS + factors.log(), dim=-1)
    expected[torch.arange(3), LABELS] -= 1
    assert torch.allclose(logits.grad, expected)


def test_equalization_leaves_rare_classes_out_at_random_and_repeatably():
    size = 4000
    logits = torch.zeros(size, 4)
    share = torch.tensor([0.55, 0.25, 0.12, 0.08])  # the threshold is 0.125
    labels = torch.zeros(size, dtype=torch.long)

    def draw(**options):
        torch.manual_seed(3)
        return losses("equalization", logits, labels, share, **options)

    left = torch.exp(draw())  # how many classes each example was compared with
    assert sorted(set(left.round().int().tolist())) == [2, 3, 4]
    assert (4 - left).mean().item() / 2 == pytest.approx(0.9, abs=0.02)
    assert torch.equal(draw(), draw())
    assert torch.exp(draw(equalization_share=0.3, equalization_drop=1.0)).tolist() == (
        pytest.approx([1.0] * size)
    )


def test_soft_f1_is_that_of_the_classes_in_the_batch():
    found = losses("soft-f1", labels=torch.tensor([0, 0, 1]), f1_weight=1.0)
    probs = torch.softmax(LOGITS, dim=-1)
    first = 2 * (probs[0, 0] + probs[1, 0]) / (probs[:, 0].sum() + 2)
    second = 2 * probs[2, 1] / (probs[:, 1].sum() + 1)
    assert found.tolist() == pytest.approx([1 - (first + second).item() / 2] * 3)


BAD_OPTIONS = [
    ("ce", "label_smoothing", 1.0),
    ("label-aware-smoothing", "smoothing_many", -0.1),
    ("label-aware-smoothing", "smoothing_few", 1.0),
    ("weighted", "class_weight", "balance"),
    ("weighted", "weight_beta", 1.0),
    ("focal", "focal_gamma", -1.0),
    ("soft-f1", "f1_weight", 1.5),
    ("logit-adjusted", "tau", -1.0),
    ("vs", "vs_gamma", math.inf),
    ("vs", "tau", math.nan),
    ("dice", "dice_alpha", -0.1),
    ("dice", "dice_smooth", -1.0),
    ("seesaw", "seesaw_p", -0.1),
    ("seesaw", "seesaw_q", math.nan),
    ("equalization", "equalization_share", 2.0),
    ("equalization", "equalization_drop", -0.1),
    ("ldam", "ldam_margin", -0.1),
    ("ldam", "ldam_scale", 0.0),
]


@pytest.mark.parametrize(("name", "option", "value"), BAD_OPTIONS)
def test_an_impossible_option_is_refused_by_its_name(name, option, value):
    flag = f"--{option.replace('_', '-')} "
    with pytest.raises(ConfigError, match=flag) as by_loss:
        losses(name, **{option: value})
    with pytest.raises(ConfigError, match=flag) as by_config:
        TrainConfig(data="x.csv", loss=name, **{option: value})
    if value == "balance" or math.isfinite(value):
        assert by_loss.value.message == by_config.value.message


def test_every_option_is_tried_with_an_impossible_value():
    assert {option for _, option, _ in BAD_OPTIONS} == set(LOSS_OPTIONS)


def test_the_config_has_the_options_of_the_losses_and_their_defaults():
    defaults = {
        name: parameter.default
        for function in LOSSES.values()
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not parameter.empty
    }
    assert defaults == TrainConfig(data="x.csv").loss_options


@every_loss
def test_a_loss_works_on_what_the_objective_knows(name):
    assert set(input_names(LOSSES[name])) <= {"logits", "labels", "share", "counts"}
    assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", name)


@every_loss
def test_a_loss_says_what_it_is(name):
    doc = parse_docstring(inspect.getdoc(LOSSES[name]))
    assert doc.summary.endswith(".")
    assert doc.formula.startswith("loss[i] = ")
    for section in ("When", "Cost", "Risk", "Returns", "References"):
        assert doc.sections[section].endswith(".")
    assert ">>>" in doc.sections["Examples"]
    options = option_names(LOSSES[name])
    assert set(doc.arguments) == {*input_names(LOSSES[name]), *options}
    assert ("Raises" in doc.sections) == bool(options)
