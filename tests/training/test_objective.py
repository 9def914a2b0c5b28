import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from dsample_cli.core.config import LOSS_NAMES, OPTIMIZER_NAMES
from dsample_cli.errors import ConfigError
from dsample_cli.training.devices import choose_device
from dsample_cli.training.inference import predict_logits
from dsample_cli.training.losses import LOSSES, cross_entropy
from dsample_cli.training.objective import Objective
from dsample_cli.training.optim import auto_lr, build_optimizer, head_parameter_names
from dsample_cli.training.optimizers import OPTIMIZERS
from dsample_cli.training.tiny import build_tiny
from dsample_cli.training.tokenization import make_collator, tokenize

LOGITS = torch.tensor([[2.0, 1.0, 0.1], [0.5, 0.2, 1.0], [1.2, 0.3, -0.5]])
LABELS = torch.tensor([0, 2, 1])
COUNTS = torch.tensor([60.0, 30.0, 10.0])
PLAIN = {"label_smoothing": 0.0}
TEXTS = ["a b c", "d", "b d a c b a d", "c c"] * 6


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return build_tiny([TEXTS], id2label={0: "a", 1: "b", 2: "c"})


class Outputs:
    logits = LOGITS


def test_the_config_knows_every_loss():
    assert tuple(LOSSES) == LOSS_NAMES


def test_the_objective_divides_by_the_update_not_by_the_forward_pass():
    objective = Objective("ce", LABELS, COUNTS, PLAIN)
    half = objective(Outputs, torch.arange(3), num_items_in_batch=6)
    assert half.item() == pytest.approx(cross_entropy(LOGITS, LABELS, **PLAIN).sum().item() / 6)
    assert objective.sum / objective.examples == pytest.approx(0.833663, abs=1e-6)
    objective.restart()
    assert (objective.sum, objective.examples) == (0, 0)


def test_the_objective_looks_labels_up_by_row_and_tells_what_it_saw():
    codes, seen = torch.tensor([1, 2, 0, 2, 1, 0]), []
    rows = torch.tensor([5, 3, 4])  # of the labels 0, 2, 1
    objective = Objective("ce", codes, COUNTS, PLAIN, observe=lambda *step: seen.append(step))
    loss = objective(Outputs, rows)
    assert loss.item() == pytest.approx(0.833663, abs=1e-6)
    assert [t.tolist() for t in seen[0]] == [t.tolist() for t in (rows, LOGITS, LABELS)]


def test_the_objective_gives_a_loss_its_own_options():
    options = {"tau": 0.5, "focal_gamma": 0.0, "cycle": 3}
    objective = Objective("logit-adjusted", LABELS, COUNTS, options)
    assert objective(Outputs, torch.arange(3)).item() == pytest.approx(1.005683, abs=1e-6)
    objective = Objective("focal", LABELS, COUNTS, options)
    assert objective(Outputs, torch.arange(3)).item() == pytest.approx(0.833663, abs=1e-6)


def test_the_objective_goes_by_the_share_of_the_epoch():
    objective, rows = Objective("balanced-softmax", LABELS, COUNTS), torch.arange(3)
    assert objective(Outputs, rows).item() == pytest.approx(1.260831, abs=1e-6)
    objective.restart(share=np.full(3, 1 / 3))
    assert objective(Outputs, rows).item() == pytest.approx(0.833663, abs=1e-6)
    objective.restart()
    assert objective(Outputs, rows).item() == pytest.approx(0.833663, abs=1e-6)


def test_the_objective_weighs_the_classes_of_an_epoch():
    objective, rows = Objective("ce", LABELS, COUNTS, PLAIN), torch.arange(3)
    plain = cross_entropy(LOGITS, LABELS, **PLAIN)
    weights = np.array([0.5, 1.0, 3.0])
    objective.restart(weights=weights)
    expected = (plain * torch.tensor([0.5, 3.0, 1.0])).mean().item()  # of the labels 0, 2, 1
    for _ in range(2):
        assert objective(Outputs, rows).item() == pytest.approx(expected, abs=1e-6)
        objective.restart()
    objective.restart(weights=np.ones(3))
    assert objective(Outputs, rows).item() == plain.mean().item()


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"soft-f1", "equalization"}))
def test_accumulated_parts_of_a_batch_have_the_gradient_of_the_whole(name):
    codes = torch.tensor([0, 1, 0, 2, 0, 1])
    features = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))

    def gradient(parts):
        head = torch.nn.Linear(5, 3, bias=False)
        torch.nn.init.constant_(head.weight, 0.1)
        objective = Objective(name, codes, COUNTS)
        objective.restart(share=np.array([0.4, 0.4, 0.2]))
        for rows in torch.arange(6).split(parts):
            outputs = Outputs()
            outputs.logits = head(features[rows])
            objective(outputs, rows, num_items_in_batch=6).backward()
        return head.weight.grad

    assert torch.allclose(gradient([6]), gradient([1, 3, 2]), atol=1e-6)


def test_an_unknown_loss_is_told():
    with pytest.raises(ConfigError, match="loss"):
        Objective("cee", LABELS, COUNTS)


def test_an_impossible_option_is_told_before_the_first_step():
    with pytest.raises(ConfigError, match="--tau"):
        Objective("vs", LABELS, COUNTS, {"tau": -1.0})


def test_the_head_learns_faster_than_the_encoder():
    config = BertConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=3,
    )
    model = BertForSequenceClassification(config)
    head = head_parameter_names(model)
    assert head == {n for n, _ in model.named_parameters() if "pooler" in n or "classifier" in n}
    optimizer = build_optimizer(model, 1e-4, 10.0)
    rates = {g["lr"]: sum(p.numel() for p in g["params"]) for g in optimizer.param_groups}
    of_head = sum(p.numel() for n, p in model.named_parameters() if n in head)
    by_rate = {}
    for group in optimizer.param_groups:
        size = sum(p.numel() for p in group["params"])
        by_rate[group["lr"]] = by_rate.get(group["lr"], 0) + size
    assert by_rate[1e-3] == of_head
    assert sum(by_rate.values()) == sum(p.numel() for p in model.parameters())
    assert len(rates) == 2


def test_the_config_knows_every_optimizer():
    assert tuple(OPTIMIZERS) == OPTIMIZER_NAMES


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimizer_moves_the_head_faster(kind):
    torch.manual_seed(0)
    model, _ = build_tiny([TEXTS], id2label={0: "a", 1: "b", 2: "c"}, dropout=0.0)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = build_optimizer(model, 1e-4, 10.0, weight_decay=0.0, kind=kind)
    model(torch.randint(5, 9, (8, 6)), labels=torch.arange(8) % 3).loss.backward()
    optimizer.step()
    moved = {n: (p - before[n]).detach().abs().mean().item() for n, p in model.named_parameters()}
    assert moved["classifier.weight"] > 4 * moved["model.layers.0.attn.Wqkv.weight"] > 0


def test_biases_and_norms_are_not_decayed(tiny):
    for group in build_optimizer(tiny[0], 1e-4).param_groups:
        for parameter in group["params"]:
            assert (group["weight_decay"] > 0) == (parameter.ndim > 1)


@pytest.mark.parametrize(("width", "rate"), [(384, 2e-4), (768, 5e-5), (128, 1e-3)])
def test_the_learning_rate_follows_the_width(width, rate):
    class Model:
        class config:
            hidden_size = width

    assert auto_lr(Model) == pytest.approx(rate)


def test_predictions_come_in_input_order_whatever_the_lengths(tiny):
    model, tokenizer = tiny
    device = choose_device("cpu", "fp32")
    tokens = tokenize(tokenizer, [TEXTS], 64)
    logits = predict_logits(model, make_collator(tokenizer, tokens), device, 3)
    model.eval()
    with torch.inference_mode():
        for row, text in enumerate(TEXTS[:6]):
            alone = model(**tokenizer(text, return_tensors="pt")).logits[0].numpy()
            assert np.allclose(logits[row], alone, atol=1e-5)


def test_prediction_leaves_the_model_as_it_was(tiny):
    model, tokenizer = tiny
    model.train()
    tokens = tokenize(tokenizer, [TEXTS], 64)
    predict_logits(model, make_collator(tokenizer, tokens), choose_device("cpu"), 3)
    assert model.training


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_missing_gpu_is_told():
    with pytest.raises(ConfigError, match="cuda"):
        choose_device("cuda")


def test_half_precision_needs_a_gpu():
    with pytest.raises(ConfigError, match="fp16"):
        choose_device("cpu", "fp16")
