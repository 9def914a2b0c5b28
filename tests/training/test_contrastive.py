"""Contrastive terms: golden values, the formulas spelled out, and a partner for each anchor."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsample_cli.core.config import CONTRASTIVE_FORMS
from dsample_cli.errors import ConfigError
from dsample_cli.training.contrastive import (
    CONTRASTIVE_LOSSES,
    SECOND_VIEW,
    ContrastiveTerm,
    TwoViewCollator,
    balanced_contrastive_loss,
    supervised_contrastive_loss,
)
from dsample_cli.training.losses import cross_entropy
from dsample_cli.training.objective import Objective
from dsample_cli.training.tiny import build_tiny
from dsample_cli.training.tokenization import make_collator, tokenize

LABELS = torch.tensor([0, 1, 0, 2, 1, 1, 3])
FEATURES = torch.randn(7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
PROTOTYPES = torch.randn(4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
TEXTS = ["a b c", "d", "b d a c b a d", "c c"] * 3

every_form = pytest.mark.parametrize("form", CONTRASTIVE_LOSSES)


def contrast(
    form, features=FEATURES, labels=LABELS, anchors=None, prototypes=PROTOTYPES, **options
):
    inputs = {"prototypes": prototypes} if form == "balanced" else {}
    anchors = len(labels) if anchors is None else anchors
    return CONTRASTIVE_LOSSES[form](features, labels, anchors, **inputs, **options)


def test_the_config_knows_every_form():
    assert tuple(CONTRASTIVE_LOSSES) == CONTRASTIVE_FORMS


@pytest.mark.parametrize(
    ("temperature", "golden"),
    [(0.3, (0.459259, 1.168767, 0.459259, 1.168767)), (1.0, None)],
)
def test_golden_supervised(temperature, golden):
    features = torch.tensor([[1, 0], [0.8, 0.6], [0, 1], [0.6, 0.8]], dtype=torch.float64)
    found = supervised_contrastive_loss(features, torch.tensor([0, 0, 1, 1]), 4, temperature)
    if golden:
        assert found.tolist() == pytest.approx(golden, abs=1e-6)
    mean = {0.3: 0.814013, 1.0: 0.957474}[temperature]
    assert found.mean().item() == pytest.approx(mean, abs=1e-6)


def test_golden_balanced():
    features = torch.tensor([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]], dtype=torch.float64)
    labels, prototypes = torch.tensor([0, 0, 0, 1]), torch.eye(2, dtype=torch.float64)
    found = balanced_contrastive_loss(features, labels, 4, prototypes, 0.5)
    assert found.tolist() == pytest.approx((0.227888, 0.478912, 0.804966, 0.298310), abs=1e-6)
    assert found.mean().item() == pytest.approx(0.452519, abs=1e-6)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=9), st.floats(0.1, 2))
def test_the_formulas_term_by_term(labels, temperature):
    units = torch.nn.functional.normalize(
        torch.randn(len(labels) + 4, 3, dtype=torch.float64, generator=torch.Generator()), dim=-1
    )
    own, prototypes = units[: len(labels)], units[len(labels) :]

    def weight(i, a):
        return math.exp(units[i] @ units[a] / temperature)

    indices = range(len(labels))
    classes = [*labels, 0, 1, 2, 3]
    supervised, balanced = [], []
    for i in indices:
        others = [a for a in indices if a != i]
        positives = [p for p in others if labels[p] == labels[i]]
        total = sum(weight(i, a) for a in others)
        terms = [-math.log(weight(i, p) / total) for p in positives]
        supervised.append(sum(terms) / len(terms) if terms else 0.0)
        total = 0.0
        for c in range(4):
            members = [a for a in range(len(units)) if a != i and classes[a] == c]
            total += sum(weight(i, a) for a in members) / len(members)
        positives.append(len(labels) + labels[i])
        balanced.append(sum(-math.log(weight(i, p) / total) for p in positives) / len(positives))
    options = {"features": own, "labels": torch.tensor(labels), "prototypes": prototypes}
    options["contrastive_temperature"] = temperature
    assert contrast("supervised", **options).tolist() == pytest.approx(supervised, abs=1e-9)
    assert contrast("balanced", **options).tolist() == pytest.approx(balanced, abs=1e-9)


@every_form
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_form_is_finite_for_features_of_any_length(form, dtype):
    for factor in (1e-3, 1.0, 1e3):
        features = (factor * FEATURES).to(dtype).requires_grad_()
        found = contrast(form, features, prototypes=PROTOTYPES.to(dtype))
        assert (found.shape, found.dtype) == ((7,), torch.float32)
        found.sum().backward()
        assert torch.isfinite(found).all()
        assert torch.isfinite(features.grad).all()
        assert (found >= 0).all() or form == "balanced"


@every_form
def test_the_gradient_is_that_of_finite_differences(form):
    def function(features, prototypes):
        return contrast(form, features, prototypes=prototypes, contrastive_temperature=0.5)

    inputs = FEATURES.clone().requires_grad_(), PROTOTYPES.clone().requires_grad_()
    assert torch.autograd.gradcheck(function, inputs)


@every_form
def test_every_form_is_permutation_equivariant_over_examples_and_classes(form):
    order, names = torch.tensor([3, 0, 6, 5, 1, 2, 4]), torch.tensor([2, 0, 3, 1])
    moved = contrast(
        form, FEATURES[order], names[LABELS[order]], prototypes=PROTOTYPES[torch.argsort(names)]
    )
    assert torch.allclose(moved, contrast(form)[order])


@every_form
def test_second_views_are_compared_with_but_are_no_anchors(form):
    assert torch.allclose(contrast(form, anchors=4), contrast(form)[:4])


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return build_tiny([TEXTS], id2label=dict(enumerate("abcd")))


@given(st.lists(st.integers(0, 11), min_size=1, max_size=20))
def test_every_anchor_of_a_batch_has_another_of_its_class(tiny, rows):
    codes = np.array([0, 1, 0, 2, 1, 1, 3, 3, 3, 3, 2, 0])
    _, tokenizer = tiny
    tokens = tokenize(tokenizer, [TEXTS], 16)
    batch = TwoViewCollator(make_collator(tokenizer, tokens, np.arange(12)), codes)(rows)
    is_view = batch["labels"] == SECOND_VIEW
    assert batch["labels"][~is_view].tolist() == rows
    own, views = batch["input_ids"][: len(rows)], batch["input_ids"][len(rows) :]
    assert is_view[len(rows) :].all()
    assert len(views) in {0, len(rows), *range(0, len(rows), 4)}
    lone = [place for place, row in enumerate(rows) if (codes[rows] == codes[row]).sum() == 1]
    assert (views[: len(lone)] == own[lone]).all()


@every_form
def test_the_objective_adds_the_term_to_the_loss_of_each_example(tiny, form):
    model, tokenizer = tiny
    model.train()
    codes = np.array([0, 1, 0, 2, 1, 1, 3, 3, 3, 3, 2, 0])
    rows = [0, 1, 2, 3, 4, 6]  # of which 3 and 6 are alone
    tokens = tokenize(tokenizer, [TEXTS], 16)
    batch = TwoViewCollator(make_collator(tokenizer, tokens, np.arange(12)), codes)(rows)
    labels = batch.pop("labels")
    term = ContrastiveTerm(model, form, weight=0.5)
    outputs = model(**batch)
    seen = []
    objective = Objective(
        "ce",
        torch.from_numpy(codes),
        torch.bincount(torch.from_numpy(codes)).float(),
        observe=lambda *step: seen.append(step),
        contrast=lambda logits, own: seen.append((logits, own)) or term(logits, own),
    )
    loss = objective(outputs, labels, num_items_in_batch=12)
    own = torch.from_numpy(codes[rows])
    (observed_rows, observed_logits, observed_labels), (all_logits, term_labels) = seen
    assert observed_rows.tolist() == rows
    assert observed_labels.tolist() == term_labels.tolist() == own.tolist()
    assert (len(observed_logits), len(all_logits)) == (6, 10)
    plain = cross_entropy(outputs.logits[:6], own).sum()
    assert loss.item() * 12 > plain.item()
    assert objective.examples == 6
    outputs = model(**batch)
    assert term(outputs.logits, own).shape == (6,)
    loss.backward()
    assert model.model.embeddings.tok_embeddings.weight.grad.abs().sum() > 0


def test_a_model_without_a_linear_last_layer_is_refused(tiny):
    class Bare(torch.nn.Module):
        config = tiny[0].config
        base_model = torch.nn.Identity()

    with pytest.raises(ConfigError, match="--contrastive"):
        ContrastiveTerm(Bare(), "supervised", 1.0)
