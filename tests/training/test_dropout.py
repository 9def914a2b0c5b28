import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dsample_cli.training.dropout import QuickDropout, dropout, use_quick_dropout

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_drops_the_rate_and_scales_the_rest(dtype: torch.dtype, rate: float) -> None:
    torch.manual_seed(3)
    size = 200_001
    result = dropout(torch.ones(size, dtype=dtype), rate)
    assert result.dtype == dtype
    assert set(result.unique().tolist()) == {0.0, result.max().item()}
    assert result.max().item() == pytest.approx(1 / (1 - rate), rel=1e-2)
    deviation = (rate * (1 - rate) / size) ** 0.5
    assert (result == 0).double().mean().item() == pytest.approx(rate, abs=4.5 * deviation)


@given(size=st.integers(0, 70), rate=st.floats(0, 1, exclude_max=True))
def test_every_size_and_rate_is_taken(size: int, rate: float) -> None:
    values = torch.arange(1, size + 1, dtype=torch.float32)
    result = dropout(values, rate)
    kept = result != 0
    assert result.shape == values.shape
    assert torch.isfinite(result).all()
    factors = (result[kept] / values[kept]).double()
    assert ((factors - factors[:1]).abs() <= 1e-6 * factors[:1]).all()
    assert ((factors >= 1) & (factors <= 2**15)).all()


def test_neighbours_fall_independently() -> None:
    torch.manual_seed(0)
    dropped = (dropout(torch.ones(400_000), 0.5) == 0).double().numpy()
    for apart in (1, 2, 3, 4, 5, 8):
        correlation = np.corrcoef(dropped[:-apart], dropped[apart:])[0, 1]
        assert abs(correlation) < 4.5 / len(dropped) ** 0.5


def test_the_gradient_passes_where_the_value_did() -> None:
    values = torch.randn(3, 50, requires_grad=True)
    result = dropout(values, 0.4)
    result.sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad * values, result)


def test_the_seed_settles_what_falls() -> None:
    def drawn() -> torch.Tensor:
        return dropout(torch.ones(1000), 0.3)

    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second = drawn(), drawn()
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    assert torch.equal(drawn(), first)


def test_the_layers_of_a_model_are_replaced_and_nothing_else() -> None:
    inner = nn.Sequential(nn.Dropout(0.2), nn.Linear(2, 2), nn.Dropout(0.5, inplace=True))
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1), inner, nn.AlphaDropout(0.1))
    before = {name: p.clone() for name, p in model.state_dict().items()}
    model.eval()
    use_quick_dropout(model)
    quick = {name: m.p for name, m in model.named_modules() if isinstance(m, QuickDropout)}
    assert quick == {"1": 0.1, "2.0": 0.2}
    assert not any(m.training for m in model.modules())
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())


def test_nothing_falls_outside_training() -> None:
    values = torch.randn(10)
    assert torch.equal(QuickDropout(0.5).eval()(values), values)
    assert torch.equal(QuickDropout(0.0)(values), values)
    assert not torch.equal(QuickDropout(0.5)(values), values)
