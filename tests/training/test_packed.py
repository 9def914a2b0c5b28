"""Packed linear layers give what autocast gives, and leave the network as it was."""

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from dsample_cli.training import packed as packing
from dsample_cli.training.devices import Device
from dsample_cli.training.packed import packed

BF16, FP32 = Device("cpu", "bf16", "CPU"), Device("cpu", "fp32", "CPU")
SMALL = {"vocab_size": 50, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


@pytest.fixture
def network():
    torch.manual_seed(0)
    config = BertConfig(**SMALL, intermediate_size=128, num_labels=5)
    return BertForSequenceClassification(config).eval()


@pytest.fixture
def is_of_use():
    if not packing._is_of_use(BF16):
        pytest.skip("this CPU has no bf16")


def logits(network, device):
    tokens = torch.arange(40).view(4, 10)
    with torch.inference_mode(), device.autocast():
        return network(input_ids=tokens).logits


def test_the_result_is_as_near_to_fp32_as_that_of_autocast(network, is_of_use):
    exact, plain = logits(network, FP32), logits(network, BF16)
    with packed(network, BF16):
        found = logits(network, BF16)
    assert found.dtype == plain.dtype
    error, of_plain = (float((x.float() - exact).abs().max()) for x in (found, plain))
    assert 0 < error < max(2 * of_plain, 0.01)
    assert (logits(network, BF16) == plain).all(), "the network is as it was"


def test_products_alone_have_the_same_bits(network, is_of_use):
    layer = network.bert.encoder.layer[0].attention.output.dense
    inputs = torch.randn(7, 64)
    with torch.inference_mode(), BF16.autocast():
        plain = layer(inputs)
        with packed(layer, BF16):
            assert layer.forward(inputs) is not plain
            assert torch.equal(layer(inputs), plain)


def test_hooks_are_called_and_changed_layers_left(network, is_of_use):
    seen = []
    network.classifier.register_forward_hook(lambda layer, inputs, output: seen.append(output))
    own = network.bert.pooler.dense
    own.forward = own.forward
    with packed(network, BF16):
        found = logits(network, BF16)
        assert "forward" in vars(network.bert.encoder.layer[1].output.dense)
        assert "forward" in vars(network.bert.encoder.layer[1].intermediate.intermediate_act_fn)
    assert len(seen) == 1
    assert torch.equal(seen[0], found)
    changed = [m for m in network.modules() if "forward" in vars(m)]
    assert changed == [own]


def test_other_precisions_and_devices_are_left(network):
    for device in (FP32, Device("cuda", "bf16", "GPU")):
        with packed(network, device):
            assert not [m for m in network.modules() if "forward" in vars(m)]
