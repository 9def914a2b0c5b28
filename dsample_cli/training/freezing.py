"""Leave the lower part of an encoder untrained: its embeddings, or its lowest layers too."""

from itertools import takewhile
from typing import Any

from torch import Tensor, nn

from dsample_cli.errors import ConfigError


def freeze(model: Any, layers: int = 0, embeddings: bool = False) -> None:
    """Keep the lowest layers of an encoder, and what comes before them, as they are.

    What is frozen has no gradient and no state of the optimizer. As the gradient ends where nothing
    below is trained, the backward pass and the activations that it needs are saved too: for that
    reason layers are frozen together with the embeddings below them. Dropout acts in frozen layers
    as in others.

    Args:
        model: A transformers classifier.
        layers: How many layers are frozen, counted from the input.
        embeddings: Freezes what comes before the layers; more than 0 layers do so anyway.

    Raises:
        ConfigError: If the model has fewer layers, or none that can be told apart.
    """
    if not layers and not embeddings:
        return
    encoder_layers = find_layers(model)
    if encoder_layers is None:
        raise ConfigError(
            f"The layers of this model ({type(model).__name__}) cannot be told apart, so that none "
            "can be frozen.",
            "Leave --freeze-layers and --freeze-embeddings out, or take another --model.",
        )
    if layers > len(encoder_layers):
        raise ConfigError(
            f"--freeze-layers {layers}: the model has {len(encoder_layers)} layers.",
            f"Use --freeze-layers {len(encoder_layers)} to train what is above them alone.",
        )
    for layer in encoder_layers[:layers]:
        layer.requires_grad_(False)
    for parameter in _embedding_parameters(model, encoder_layers):
        parameter.requires_grad_(False)


def trained_weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters that are trained, and buffers, by name: what a checkpoint has to hold."""
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    trained = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    buffers = {name: t for name, t in model.state_dict().items() if name not in parameters}
    return {name: tensor.contiguous() for name, tensor in (trained | buffers).items()}


def find_layers(model: Any) -> nn.ModuleList | None:
    """The list of an encoder's layers, lowest first.

    It is the only list of as many modules as the config says there are layers; lists within it do
    not count. None where there is no such list (ALBERT's layers are one) or there are several (an
    encoder and a decoder).
    """
    count = getattr(model.config, "num_hidden_layers", None)
    found: list[tuple[str, nn.ModuleList]] = []
    for name, module in model.base_model.named_modules():
        is_within = any(name.startswith(f"{outer}.") for outer, _ in found)
        if isinstance(module, nn.ModuleList) and len(module) == count and not is_within:
            found.append((name, module))
    return found[0][1] if len(found) == 1 else None


def _embedding_parameters(model: Any, layers: nn.ModuleList) -> list[nn.Parameter]:
    """What an encoder applies before its layers, and the relative positions within them."""
    first = {id(parameter) for parameter in layers[0].parameters()}
    # Modules stand in the order in which a text passes through them.
    before = takewhile(lambda p: id(p) not in first, model.base_model.parameters())
    # DeBERTa and MPNet keep relative positions, with their norm, beside the layers that read them.
    holder = next(m for m in model.base_model.modules() if layers in m.children())
    beside = [module for module in holder.children() if module is not layers]
    if holder is model.base_model or not any(isinstance(m, nn.Embedding) for m in beside):
        beside = []
    return [*before, *(p for module in beside for p in module.parameters())]
