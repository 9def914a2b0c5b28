"""A trained run's model, ready to answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.runs.run import Run

if TYPE_CHECKING:
    from dsample_cli.training.devices import Device


@dataclass(frozen=True)
class TrainedModel:
    """A loaded classifier with what it needs to read text.

    Attributes:
        names: Label id -> name.
        max_length: Tokens that training kept.
    """

    network: Any
    tokenizer: Any
    device: "Device"
    names: tuple[str, ...]
    max_length: int

    def probabilities(
        self,
        texts: Sequence[Sequence[str]],
        on_rows: Callable[[int], None] = lambda count: None,
    ) -> NDArray[np.float64]:
        """Class probabilities of texts (a sequence per text column), shape [N, C]."""
        from dsample_cli.training.inference import predict_logits, softmax
        from dsample_cli.training.tokenization import make_collator, tokenize

        collator = make_collator(self.tokenizer, tokenize(self.tokenizer, texts, self.max_length))
        return softmax(
            predict_logits(self.network, collator, self.device, len(self.names), on_rows)
        )


def open_model(
    run: Run, manifest: dict[str, Any], device: str = "auto", precision: str = "auto"
) -> TrainedModel:
    """Load the model of a completed run.

    Raises:
        ConfigError: If the device is not to be had or model/ is damaged.
    """
    from dsample_cli.training.devices import choose_device
    from dsample_cli.training.encoders import load_trained

    chosen = choose_device(device, precision)
    network, tokenizer = load_trained(run.model_dir)
    tokenizer.truncation_side = manifest["config"]["truncation-side"]
    return TrainedModel(
        network.to(chosen.type),
        tokenizer,
        chosen,
        tuple(manifest["labels"]),
        manifest["config"]["max-length"],
    )
