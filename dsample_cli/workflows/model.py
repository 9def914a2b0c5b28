"""A trained run's model, ready to answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Floats
from dsample_cli.core.corrections import Correction, no_correction
from dsample_cli.core.priors import shift_prior
from dsample_cli.runs.run import Run

if TYPE_CHECKING:
    from dsample_cli.training.devices import Device


@dataclass(frozen=True)
class TrainedModel:
    """A loaded classifier with what it needs to read text.

    Attributes:
        names: Label id -> name.
        max_length: Tokens that training kept.
        correction: What the last layer cannot hold, applied to its logits.
        shift: Class prior of the model and the one that its probabilities are to stand for.
    """

    network: Any
    tokenizer: Any
    device: "Device"
    names: tuple[str, ...]
    max_length: int
    correction: Correction | None = None
    shift: tuple[Floats, Floats] | None = None

    def logits(
        self,
        texts: Sequence[Sequence[str]],
        on_rows: Callable[[int], None] = lambda count: None,
    ) -> NDArray[np.floating]:
        """Logits of texts (a sequence per text column), shape [N, C]."""
        from dsample_cli.training.inference import predict_logits
        from dsample_cli.training.tokenization import make_collator, tokenize

        collator = make_collator(self.tokenizer, tokenize(self.tokenizer, texts, self.max_length))
        logits = predict_logits(self.network, collator, self.device, len(self.names), on_rows)
        return logits if self.correction is None else self.correction(logits)

    def probabilities(
        self,
        texts: Sequence[Sequence[str]],
        on_rows: Callable[[int], None] = lambda count: None,
    ) -> NDArray[np.float64]:
        """Class probabilities of texts, shape [N, C]."""
        from dsample_cli.training.inference import softmax

        probabilities = softmax(self.logits(texts, on_rows))
        return probabilities if self.shift is None else shift_prior(probabilities, *self.shift)


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
        read_correction(manifest) if is_kept_beside(manifest) else None,
    )


def is_kept_beside(manifest: dict[str, Any]) -> bool:
    """Whether a run's correction is not in its model's last layer."""
    entry = manifest.get("correction") or {"method": "none"}
    return entry["method"] != "none" and not entry["folded"]


def read_correction(manifest: dict[str, Any]) -> Correction:
    """The correction of a run; one that changes nothing for runs without."""
    names, entry = manifest["labels"], manifest.get("correction")
    if not entry:
        return no_correction(len(names))
    scale, bias = (np.array([entry[key][name] for name in names]) for key in ("scale", "bias"))
    return Correction(scale, bias, entry["strengths"])
