"""A trained run's model, ready to answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Floats
from dsample_cli.core.corrections import Correction, no_correction, softmax
from dsample_cli.core.heads import BesideHead
from dsample_cli.core.priors import shift_prior
from dsample_cli.runs.run import Run

if TYPE_CHECKING:
    from dsample_cli.training.devices import Device
    from dsample_cli.training.tokenization import Collator

# What run.json calls the head of a run that was trained with one.
COSINE = "cosine"


@dataclass(frozen=True)
class TrainedModel:
    """A loaded classifier with what it needs to read text.

    Attributes:
        names: Label id -> name.
        max_length: Tokens that training kept.
        head: What gives the logits in place of the last layer, which cannot hold it.
        correction: What the last layer cannot hold, applied to the logits.
        shift: Class prior of the model and the one that its probabilities are to stand for.
    """

    network: Any
    tokenizer: Any
    device: "Device"
    names: tuple[str, ...]
    max_length: int
    head: BesideHead | None = None
    correction: Correction | None = None
    shift: tuple[Floats, Floats] | None = None

    def logits(
        self,
        texts: Sequence[Sequence[str]],
        on_rows: Callable[[int], None] = lambda count: None,
    ) -> NDArray[np.floating]:
        """Logits of texts (a sequence per text column), shape [N, C]."""
        if self.head is None:
            from dsample_cli.training.inference import predict_logits

            collator, n_classes = self._collator(texts), len(self.names)
            logits: NDArray[np.floating] = predict_logits(
                self.network, collator, self.device, n_classes, on_rows
            )
        else:
            logits = self.head(*self.features(texts, on_rows))
        return logits if self.correction is None else self.correction(logits)

    def features(
        self,
        texts: Sequence[Sequence[str]],
        on_rows: Callable[[int], None] = lambda count: None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What the network's last layer reads of texts and gives, shape [N, D] and [N, C].

        Raises:
            ConfigError: If its logits are not those of a linear layer.
        """
        from dsample_cli.training.features import pooled_features

        return pooled_features(self.network, self._collator(texts), self.device, on_rows)

    def logits_of(self, features: NDArray[np.float32]) -> NDArray[np.floating]:
        """Logits of what `features` gave for some texts, shape [N, C]."""
        from dsample_cli.training.features import last_layer_logits

        logits: NDArray[np.floating] = last_layer_logits(self.network, features, self.device)
        if self.head is not None:
            logits = self.head(features, logits)
        return logits if self.correction is None else self.correction(logits)

    def norms_and_bias(self) -> tuple[Floats, Floats] | None:
        """Of each class in the layer that gives the logits; None if that is not linear."""
        from dsample_cli.training.heads import head_parameters

        return None if self.head is not None else head_parameters(self.network)

    def probabilities(
        self,
        texts: Sequence[Sequence[str]],
        on_rows: Callable[[int], None] = lambda count: None,
    ) -> NDArray[np.float64]:
        """Class probabilities of texts, shape [N, C]."""
        probabilities = softmax(self.logits(texts, on_rows))
        return probabilities if self.shift is None else shift_prior(probabilities, *self.shift)

    def _collator(self, texts: Sequence[Sequence[str]]) -> "Collator":
        from dsample_cli.training.tokenization import make_collator, tokenize

        return make_collator(self.tokenizer, tokenize(self.tokenizer, texts, self.max_length))


def open_model(
    run: Run, manifest: dict[str, Any], device: str = "auto", precision: str = "auto"
) -> TrainedModel:
    """Load the model of a completed run.

    Raises:
        ConfigError: If the device is not to be had or model/ is damaged.
        RunError: If head.safetensors is damaged.
    """
    from dsample_cli.training.devices import choose_device
    from dsample_cli.training.encoders import load_trained
    from dsample_cli.training.heads import read_beside

    chosen = choose_device(device, precision)
    network, tokenizer = load_trained(run.model_dir)
    tokenizer.truncation_side = manifest["config"]["truncation-side"]
    return TrainedModel(
        network.to(chosen.type),
        tokenizer,
        chosen,
        tuple(manifest["labels"]),
        manifest["config"]["max-length"],
        read_beside(run.head_file) if has_head_beside(manifest) else None,
        read_correction(manifest) if is_kept_beside(manifest) else None,
    )


def uncorrected(model: TrainedModel, manifest: dict[str, Any]) -> TrainedModel:
    """The model of a run without the run's correction."""
    from dsample_cli.training.heads import unfold

    if (manifest.get("correction") or {}).get("folded"):
        correction = read_correction(manifest)
        unfold(model.network, correction.scale, correction.bias)
    return replace(model, correction=None)


def has_head_beside(manifest: dict[str, Any]) -> bool:
    """Whether a run's head is not the last layer of its model."""
    is_refitted = bool((manifest.get("refit") or {}).get("kept_beside"))
    return is_refitted or has_cosine_head(manifest)


def has_cosine_head(manifest: dict[str, Any]) -> bool:
    """Whether a run has the cosine head that training made, which a refit replaces."""
    return manifest.get("head") == COSINE


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
